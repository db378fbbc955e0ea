//! The fake hub does to a call what a real one may do to it, and a build comes of it once, twice or not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

#[path = "common/hub_wire.rs"]
mod hub_wire;

use std::io::Read;

use hub_wire::{Reply, Session, call, login, send};
use tidegate::hub::{FakeHub, Point, Rule, Script, Settings, StartError, Trouble, WorldFile};
use tidegate::koji::xmlrpc::{Answer, Call, DecodeError, Fault, Limits, Struct, Value};
use tokio::task::JoinHandle;

const SMALL: &str = include_str!("fixtures/hub/small.toml");
const SOURCE: &str = "git+https://src.example/rpms/zlib#1.3-2";

async fn start() -> FakeHub {
    let settings = Settings { world: WorldFile::parse(SMALL).unwrap(), ..Settings::default() };
    FakeHub::start(settings).await.unwrap()
}

fn build() -> Call {
    Call::new("build").arg(SOURCE).arg("eln")
}

/// Each call of that method is hit.
fn script(method: &str, trouble: Trouble) -> Script {
    Script { seed: 0, fault: vec![Rule { method: method.to_owned(), nth: Vec::new(), share: None, trouble }] }
}

fn stall(at: Point) -> Trouble {
    Trouble::Stall { at, millis: None }
}

async fn rebuilder(hub: &FakeHub) -> Session {
    login(hub.address(), "rebuilder", "rebuilderpw").await
}

/// How many build tasks there are.
async fn tasks(hub: &FakeHub) -> i64 {
    let options = Struct::new().with("method", "build");
    let count = Call::new("listTasks").arg(options).arg(Struct::new().with("countOnly", true));
    let answer = call(hub.address(), &count, None).await.unwrap();
    answer.into_result().unwrap().as_int().unwrap()
}

async fn run(hub: &FakeHub, session: &Session, callnum: i64, made: &Call) -> Option<Result<Value, Fault>> {
    call(hub.address(), made, Some((session, callnum))).await.map(Answer::into_result)
}

fn running(hub: &FakeHub, session: &Session, callnum: i64, made: Call) -> JoinHandle<Option<Answer>> {
    let (address, session) = (hub.address(), session.clone());
    tokio::spawn(async move { call(address, &made, Some((&session, callnum))).await })
}

/// The head of a request and its body, by the bytes.
async fn raw(hub: &FakeHub, made: &Call) -> Option<Reply> {
    let body = made.encode().unwrap();
    // In this version a body comes as it is, never in chunks.
    send(hub.address(), "POST /kojihub HTTP/1.0", &[], body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_answer_is_lost_has_happened_and_its_copy_is_refused() {
    let hub = start().await;
    let session = rebuilder(&hub).await;
    hub.set_script(script("build", Trouble::LoseAnswer));
    assert_eq!(run(&hub, &session, 0, &build()).await, None);
    assert_eq!(tasks(&hub).await, 1);
    hub.set_script(Script::default());
    let text = format!("unable to retry call 0 (method build) for session {}", session.id);
    assert_eq!(run(&hub, &session, 0, &build()).await, Some(Err(Fault::new(1009, text))));
    assert_eq!(tasks(&hub).await, 1);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_runs_after_its_client_has_given_up_alone_and_with_its_copy() {
    for (copies, expected) in [(1, 1), (2, 2), (4, 4)] {
        let hub = start().await;
        let session = rebuilder(&hub).await;
        hub.set_script(script("build", stall(Point::Between)));
        let calls: Vec<_> = (0..copies).map(|_| running(&hub, &session, 0, build())).collect();
        hub.wait_stalled(copies).await;
        for given_up in calls {
            given_up.abort();
            assert!(given_up.await.unwrap_err().is_cancelled());
        }
        assert_eq!(tasks(&hub).await, 0);
        hub.release();
        hub.wait_idle().await;
        assert_eq!(tasks(&hub).await, expected, "{copies} copies");
        hub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_waits_for_the_call_and_is_refused() {
    let hub = start().await;
    let session = rebuilder(&hub).await;
    hub.set_script(script("build", stall(Point::Running)));
    let first = running(&hub, &session, 7, build());
    hub.wait_stalled(1).await;
    hub.set_script(Script::default());
    let copy = running(&hub, &session, 7, build());
    let later = running(&hub, &session, 8, build());
    hub.release();
    assert_eq!(first.await.unwrap(), Some(Answer::Value(Value::from(1))));
    let refused = copy.await.unwrap().unwrap().into_result().unwrap_err();
    // The later call may have overtaken the copy.
    assert!(matches!(refused.code, 1008 | 1009), "{refused}");
    assert_eq!(later.await.unwrap(), Some(Answer::Value(Value::from(2))));
    assert_eq!(tasks(&hub).await, 2);
    hub.stop().await;
}

/// Where a call was when its session was logged out decides whether it happens.
#[tokio::test(flavor = "multi_thread")]
async fn logging_a_session_out_fences_its_calls_but_for_the_gap_between_their_transactions() {
    for (at, before, after) in [(Point::Arrival, 0, 0), (Point::Between, 0, 1)] {
        let hub = start().await;
        let session = rebuilder(&hub).await;
        let other = rebuilder(&hub).await;
        hub.set_script(script("build", stall(at)));
        let late = running(&hub, &session, 0, build());
        hub.wait_stalled(1).await;
        let fence = Call::new("logout").arg(session.id);
        assert_eq!(run(&hub, &other, 0, &fence).await, Some(Ok(Value::Nil)));
        assert_eq!(tasks(&hub).await, before, "{at:?}");
        hub.release();
        let answer = late.await.unwrap().unwrap().into_result();
        let refused = Err(Fault::new(1002, "Invalid session or bad credentials"));
        assert_eq!(answer, if after == 0 { refused } else { Ok(Value::from(1)) }, "{at:?}");
        assert_eq!(tasks(&hub).await, after, "{at:?}");
        hub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_waits_for_a_call_that_runs() {
    let hub = start().await;
    let (session, other) = (rebuilder(&hub).await, rebuilder(&hub).await);
    hub.set_script(script("build", stall(Point::Running)));
    let first = running(&hub, &session, 0, build());
    hub.wait_stalled(1).await;
    let fence = running(&hub, &other, 0, Call::new("logout").arg(session.id));
    // Calls of others are answered in the meantime: the hub works, and the logout waits.
    assert_eq!(tasks(&hub).await, 0);
    assert!(!fence.is_finished());
    hub.release();
    assert_eq!(fence.await.unwrap(), Some(Answer::Value(Value::Nil)));
    assert_eq!(tasks(&hub).await, 1);
    assert_eq!(first.await.unwrap(), Some(Answer::Value(Value::from(1))));
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_do_nothing() {
    let hub = start().await;
    let fault = |code, text: &str| Trouble::Fault { code, text: text.to_owned() };
    let session = rebuilder(&hub).await;
    for code in [1006, 1007, 1008, 1009, 1014] {
        hub.set_script(script("build", fault(code, "as the script says")));
        let refused = Some(Err(Fault::new(code, "as the script says")));
        assert_eq!(run(&hub, &session, 0, &build()).await, refused);
    }
    hub.set_script(script("build", Trouble::Status { status: 503 }));
    let reply = raw(&hub, &build()).await.unwrap();
    assert_eq!(reply.status, 503);
    hub.set_script(script("build", Trouble::Expire));
    let expired = Fault::new(1007, format!("session \"{}\" has expired", session.id));
    assert_eq!(run(&hub, &session, 0, &build()).await, Some(Err(expired)));
    assert_eq!(tasks(&hub).await, 0);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_no_client_should_get_arrive() {
    let hub = start().await;
    let version = Call::new("getKojiVersion");
    let whole = raw(&hub, &version).await.unwrap();
    let limits = Limits::default();

    hub.set_script(script("*", Trouble::Cut { after_bytes: 30 }));
    let cut = raw(&hub, &version).await.unwrap();
    assert_eq!(cut.body, whole.body[..30]);
    assert!(matches!(Answer::decode(&cut.body, &limits), Err(DecodeError::Incomplete { .. })));

    hub.set_script(script("*", Trouble::Html));
    let page = raw(&hub, &version).await.unwrap();
    assert_eq!((page.status, Answer::decode(&page.body, &limits).is_err()), (200, true));

    hub.set_script(script("*", Trouble::Deep { depth: 1_000 }));
    let deep = raw(&hub, &version).await.unwrap();
    assert_eq!(Answer::decode(&deep.body, &limits), Err(DecodeError::TooDeep(limits.depth)));

    hub.set_script(script("*", Trouble::Flood { bytes: 3 << 20 }));
    let flood = raw(&hub, &version).await.unwrap();
    assert!(flood.body.len() > 3 << 20, "{}", flood.body.len());
    assert_eq!(Answer::decode(&flood.body, &limits), Err(DecodeError::TextTooLong(limits.text)));

    hub.set_script(script("*", Trouble::GzipBomb { bytes: 20 << 20 }));
    let bomb = raw(&hub, &version).await.unwrap();
    assert!(bomb.body.len() < 1 << 20 && bomb.head.contains("gzip"), "{} bytes", bomb.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&bomb.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked.len() > 20 << 20, "{}", unpacked.len());
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_stand_in_the_query_as_old_clients_write_it() {
    let hub = start().await;
    let session = rebuilder(&hub).await;
    let line =
        format!("POST /kojihub?session-id={}&session-key={}&callnum=0 HTTP/1.1", session.id, session.key);
    let body = build().encode().unwrap();
    for expected in [None, Some(1009)] {
        let reply = send(hub.address(), &line, &[], body.as_bytes()).await.unwrap();
        assert_eq!(reply.answer().into_result().err().map(|fault| fault.code), expected);
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_long_is_refused() {
    let hub = start().await;
    let reply = raw(&hub, &Call::new("getTag").arg("x".repeat(4 << 20))).await;
    // The hub answers and closes while the client still sends: the client may lose the answer.
    if let Some(reply) = reply {
        assert_eq!((reply.status, reply.body.as_slice()), (400, &b"Invalid request: Request too long\n"[..]));
    }
    assert_eq!(tasks(&hub).await, 0, "it serves on");
    hub.stop().await;
}

#[tokio::test]
async fn it_listens_on_its_own_machine_only() {
    let settings = Settings { listen: "0.0.0.0:0".parse().unwrap(), ..Settings::default() };
    assert!(matches!(FakeHub::start(settings).await, Err(StartError::NotLoopback(_))));
}
