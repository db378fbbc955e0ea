//! Anonymous reads: one, many, paged, item by item, kept.

use std::num::NonZeroU32;
use std::time::Duration;

use tidegate::koji::cache::Cache;
use tidegate::koji::client::{Client, ClientSettings, SetupError, Timeouts};
use tidegate::koji::error::{Blame, Problem, Retry};
use tidegate::koji::query::{self, BuildFilter, HistoryFilter, Page, TaggedFilter};
use tidegate::koji::xmlrpc::{Answer, Call, Fault, Limits, Struct, Value};
use tidegate::time::Second;
use tokio_stream::StreamExt;

use crate::canned::{Canned, Step, endless, http};
use crate::{event, fault, header, hub, value};

const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

fn body(request: &str) -> Call {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    Call::decode(body.as_bytes(), &Limits::default()).unwrap()
}

fn tagged(id: i64) -> Struct {
    Struct::new()
        .with("build_id", id)
        .with("nvr", format!("p{id}-1-1.fc42"))
        .with("name", format!("p{id}"))
        .with("version", "1")
        .with("release", "1.fc42")
        .with("state", 1)
        .with("owner_name", "releng")
        .with("tag_id", 2)
        .with("tag_name", "f42")
        .with("create_event", 5_000 + id)
}

fn build(id: i64) -> Struct {
    tagged(id).with("extra", Value::Nil)
}

#[tokio::test]
async fn a_read_goes_out_without_a_name_and_cookies_are_not_kept() {
    let with_cookie = {
        let body = Answer::Value(event(7).into()).encode().unwrap();
        let plain = String::from_utf8(http("200 OK", "text/xml", body.as_bytes())).unwrap();
        Step::Send(plain.replacen("\r\n", "\r\nSet-Cookie: a=b\r\n", 1).into_bytes())
    };
    let (canned, client) = hub(vec![vec![with_cookie], value(event(8))]).await;
    for id in [7, 8] {
        let found = client.ask(&query::last_event()).await.unwrap();
        assert_eq!((found.koji_event_id, found.at), (id, Second(1_795_489_734)));
    }
    for request in canned.requests() {
        assert!(request.starts_with("POST /kojihub HTTP/1.1\r\n"), "{request}");
        assert_eq!(header(&request, "Content-Type"), Some("text/xml"));
        assert_eq!(header(&request, "User-Agent"), Some(concat!("tidegate/", env!("CARGO_PKG_VERSION"))));
        for absent in ["Cookie", "Koji-Session-Id", "Koji-Session-Key", "Koji-Session-Callnum", "Referer"] {
            assert_eq!(header(&request, absent), None, "{request}");
        }
        assert_eq!(body(&request), Call::new("getLastEvent"));
    }
}

#[tokio::test]
async fn many_reads_go_in_batches_and_a_fault_is_one_answer_among_others() {
    let entry = |id: i64| Answer::Value(Value::from(id)).into_entry();
    let refused = Fault::new(1000, "invalid format: foo");
    let batch = |entries: Vec<Value>| value(Value::Array(entries));
    let (canned, client) = hub(vec![
        batch(vec![entry(1), Answer::Fault(refused.clone()).into_entry()]),
        batch(vec![entry(3), entry(4)]),
        batch(vec![entry(5)]),
    ])
    .await;
    let queries = (0..5).map(|_| query::api_version()).collect();
    let answers = client.ask_all(queries, TWO).await.unwrap();
    assert_eq!(answers, [Ok(1), Err(refused), Ok(3), Ok(4), Ok(5)]);
    let sizes: Vec<usize> =
        canned.requests().iter().map(|request| body(request).entries().unwrap().len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(client.ask_all(Vec::<query::Query<i64>>::new(), TWO).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_batch_with_an_answer_too_few_is_none() {
    let (_canned, client) = hub(vec![value(Value::Array(vec![]))]).await;
    let error = client.ask_all(vec![query::api_version()], TWO).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "koji: multiCall: the answer is not what this method answers: it should be one answer for each call, is 0 answers"
    );
    assert_eq!((error.blame(), error.retry), (Blame::Hub, Retry::Never));
}

#[tokio::test]
async fn pages_are_asked_for_until_one_is_not_full() {
    let page = |ids: std::ops::Range<i64>| value(ids.map(build).collect::<Vec<_>>());
    let (canned, client) = hub(vec![page(0..2), page(2..4), page(4..5)]).await;
    let pages = client.pages(TWO, |page| {
        query::list_builds(BuildFilter::default(), Page { order: Some("build_id"), ..page })
    });
    let sizes: Vec<usize> = pages.map(|page| page.unwrap().len()).collect().await;
    assert_eq!(sizes, [2, 2, 1]);
    let offsets: Vec<_> = canned
        .requests()
        .iter()
        .map(|request| {
            let options = body(request).named.get("queryOpts").unwrap().as_struct().unwrap().clone();
            assert_eq!(options.get("order"), Some(&Value::from("build_id")));
            assert_eq!(options.get("limit"), Some(&Value::from(2)));
            options.get("offset").and_then(Value::as_int)
        })
        .collect();
    assert_eq!(offsets, [Some(0), Some(2), Some(4)]);
}

#[tokio::test]
async fn items_come_before_the_answer_is_whole() {
    let whole = Answer::Value(vec![tagged(1), tagged(2)].into()).encode().unwrap();
    let middle = whole.find("p2-1-1").unwrap();
    let (first, _) = whole.split_at(middle);
    let (_canned, client) =
        hub(vec![vec![Step::Send(endless()), Step::Send(first.into()), Step::Silence]]).await;
    let mut items = Box::pin(client.list(query::list_tagged("f42", TaggedFilter::LATEST)));
    assert_eq!(items.next().await.unwrap().unwrap().build_id, 1);
}

#[tokio::test]
async fn whoever_stops_reading_drops_the_connection() {
    let whole = Answer::Value(vec![tagged(1), tagged(2)].into()).encode().unwrap();
    let start = whole.find("<value><struct>").unwrap();
    let (head, rest) = whole.split_at(start);
    let (item, _) = rest.split_at(rest.rfind("<value><struct>").unwrap());
    let (_canned, client) =
        hub(vec![vec![Step::Send(endless()), Step::Send(head.into()), Step::Repeat(item.into(), u64::MAX)]])
            .await;
    let items = client.list(query::list_tagged("f42", TaggedFilter::LATEST)).take(3);
    assert_eq!(items.map(|item| item.unwrap().build_id).collect::<Vec<_>>().await, [1, 1, 1]);
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_while_bytes_come() {
    let body = Answer::Value(Value::from(41)).encode().unwrap();
    let canned =
        Canned::start(vec![vec![Step::Send(endless()), Step::Drip(body.into(), 1), Step::Close]]).await;
    let timeouts = Timeouts { idle: Duration::from_secs(30), ..Timeouts::default() };
    let client = Client::new(&ClientSettings { timeouts, ..ClientSettings::new(canned.url()) }).unwrap();
    assert_eq!(client.ask(&query::api_version()).await, Ok(41));
}

#[tokio::test]
async fn a_list_ends_with_its_last_item_or_with_one_error() {
    let rows = vec![tagged(1), tagged(2), tagged(3).with("build_id", "three")];
    let (_canned, client) = hub(vec![
        value(rows.get(..2).unwrap().to_vec()),
        value(rows),
        fault(1000, "No such tagInfo: 'nope'"),
        value(Value::Nil),
        value(Struct::new()),
        value(Struct::new().with("tag_listing", 5)),
    ])
    .await;
    let read = async |client: &Client| {
        let items = client.list(query::list_tagged("f42", TaggedFilter::default()));
        items
            .map(|item| item.map(|item| item.build_id).map_err(|error| error.to_string()))
            .collect::<Vec<_>>()
            .await
    };
    assert_eq!(read(&client).await, [Ok(1), Ok(2)]);
    let wrong = "koji: listTagged: the answer is not what this method answers: build_id should be a whole number, is a \
                 string";
    assert_eq!(read(&client).await, [Ok(1), Ok(2), Err(wrong.to_owned())]);
    let refused = "koji: listTagged: the hub answers with GenericError (1000): No such tagInfo: 'nope'";
    assert_eq!(read(&client).await, [Err(refused.to_owned())]);
    let no_list =
        "koji: listTagged: the answer is not what this method answers: it should be an array, is nil";
    assert_eq!(read(&client).await, [Err(no_list.to_owned())]);

    let history = async |client: &Client| {
        client.list(query::query_history(HistoryFilter::default())).collect::<Vec<_>>().await
    };
    assert_eq!(history(&client).await, []);
    assert_eq!(history(&client).await.len(), 1);
}

#[tokio::test]
async fn a_hub_that_is_not_there_has_not_run_anything() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(&ClientSettings::new(format!("http://{address}/kojihub"))).unwrap();
    let error = client.ask(&query::last_event()).await.unwrap_err();
    assert!(matches!(error.problem, Problem::Unreachable(_)), "{error}");
    assert_eq!((error.blame(), error.retry), (Blame::Network, Retry::Pause));
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in [
        "",
        "koji.example/kojihub",
        "ftp://koji.example/kojihub",
        "https://me:pw@koji.example/",
        "https://koji.example/kojihub?x=1",
    ] {
        let error = Client::new(&ClientSettings::new(address)).unwrap_err();
        assert!(matches!(error, SetupError::Address { .. }), "{address}: {error}");
        assert!(error.to_string().contains("write it like https://"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_is_kept_as_long_as_it_is_good() {
    let tag = |name: &str| Struct::new().with("id", 2).with("name", name).with("locked", false);
    let (canned, client) = hub(vec![
        value(tag("f42")),
        fault(1014, "database outage"),
        value(tag("f42")),
        value(event(1)),
        value(event(2)),
        value(tag("f43")),
        value(tag("f44")),
        value(tag("f44")),
    ])
    .await;
    let cache = Cache::new(client, 2);
    let ask = async |now| cache.ask(&query::get_tag("f42"), Second(now)).await;
    assert_eq!(ask(0).await.unwrap().unwrap().name, "f42");
    assert_eq!(ask(299).await.unwrap().unwrap().name, "f42");
    assert_eq!(canned.requests().len(), 1);
    assert!(ask(300).await.unwrap_err().is_offline());
    assert!(ask(300).await.is_ok(), "a failure is not kept");
    for id in [1, 2] {
        let found = cache.ask(&query::last_event(), Second(300 + 10 * id)).await.unwrap();
        assert_eq!(found.koji_event_id, u64::try_from(id).unwrap());
    }
    assert_eq!(canned.requests().len(), 5);
    // Two answers are kept, and none of them is old: a third has no room until one is.
    assert_eq!(cache.len(), 2);
    assert!(cache.ask(&query::get_tag("f43"), Second(321)).await.is_ok());
    assert_eq!(cache.len(), 2);
    assert!(cache.ask(&query::get_tag("f44"), Second(400)).await.is_ok());
    assert!(cache.ask(&query::get_tag("f44"), Second(401)).await.is_ok());
    assert_eq!((canned.requests().len(), cache.len()), (7, 2));
    cache.clear();
    assert!(cache.is_empty());
}

#[tokio::test]
async fn of_many_questions_only_those_are_sent_that_were_not_answered_a_moment_ago() {
    let built = |id: i64| {
        Struct::new()
            .with("build_id", id)
            .with("nvr", "a-1-1")
            .with("name", "a")
            .with("version", "1")
            .with("release", "1")
            .with("state", 1)
            .with("owner_name", "ada")
    };
    let batch = |entries: Vec<Value>| value(Value::Array(entries));
    let one = |id| Value::Array(vec![built(id).into()]);
    let fault = Struct::new().with("faultCode", 1000).with("faultString", "No such build");
    let (canned, client) =
        hub(vec![batch(vec![one(1), Value::from(fault)]), batch(vec![one(2), one(3)]), batch(vec![one(1)])])
            .await;
    let cache = Cache::new(client, 10);
    let at_once = NonZeroU32::new(50).unwrap();
    let ask = async |ids: &[i64], now| {
        let queries = ids.iter().map(|id| query::get_build(*id)).collect();
        let answers = cache.ask_all(queries, at_once, Second(now)).await.unwrap();
        answers
            .into_iter()
            .map(|answer| answer.ok().flatten().map(|build| build.build_id))
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(&[1, 2], 100).await, [Some(1), None]);
    assert_eq!(ask(&[1, 2, 3], 159).await, [Some(1), Some(2), Some(3)], "a fault is not kept");
    assert_eq!(ask(&[1], 159).await, [Some(1)]);
    assert_eq!(canned.requests().len(), 2);
    assert_eq!(ask(&[1], 160).await, [Some(1)]);
    assert_eq!(canned.requests().len(), 3);
    assert_eq!(ask(&[], 160).await, []);
}
