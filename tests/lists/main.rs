//! Package lists over the network: what is taken, what is refused, and what is never connected to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tidegate::koji::tls::Tls;
use tidegate::lists::error::{Blame, Problem};
use tidegate::lists::reach::Reach;
use tidegate::lists::watch::watch;
use tidegate::lists::{BODY_MAX_BYTES, FetchSettings, Fetcher};
use tidegate::pipeline::{self, PackageLists};
use tokio::sync::mpsc;

use crate::server::{Authority, HOST, Play, Server, answer, list, redirect};

/// Lists as a pipeline file states them.
fn lists(of: &[&str]) -> PackageLists {
    let text = format!(
        "[trigger]\nfollow = \"f42\"\n[select]\npackages = {of:?}\nwait_for_list = true\nallow_private = true\n"
    );
    pipeline::parse("test.toml", &text, &[]).unwrap_or_else(|report| panic!("{report}")).packages
}

fn settings(lists: &PackageLists, authority: &Authority) -> FetchSettings {
    FetchSettings {
        tls: Tls { server_ca: Some(authority.file()), identity: None },
        ..FetchSettings::new(lists, authority.folder())
    }
}

/// Fetches what a server plays; gives the names in their order, or what is wrong.
async fn fetch(plays: Vec<Play>) -> Result<Vec<String>, Problem> {
    let authority = Authority::new();
    let server = authority.serve(plays).await;
    let lists = lists(&[&server.url()]);
    let mut fetcher = Fetcher::new(&settings(&lists, &authority)).unwrap();
    let found = fetcher.fetch(&lists).await.map_err(|error| error.problem)?;
    Ok(found.names.into_iter().collect())
}

/// Gives each look-up the next of its answers, and counts.
struct Stub(Mutex<VecDeque<Vec<IpAddr>>>);

impl Stub {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let addresses = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().map(addresses).collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Resolve for Stub {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses = self.0.lock().unwrap().pop_front().unwrap_or_default();
        Box::pin(async move {
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[tokio::test]
async fn lists_and_files_together_are_the_list() {
    let authority = Authority::new();
    let server = authority.serve(vec![list("bash\nzsh # a shell\r\n"), list("ksh\n"), list("-\n")]).await;
    std::fs::write(authority.folder().join("more.txt"), "fish\nbash\n").unwrap();
    let both = format!("{}-more", server.url());
    let lists = lists(&[&server.url(), "more.txt", &both]);
    let mut fetcher = Fetcher::new(&settings(&lists, &authority)).unwrap();
    let found = fetcher.fetch(&lists).await.unwrap();
    assert_eq!(found.names.iter().map(String::as_str).collect::<Vec<_>>(), ["bash", "fish", "ksh", "zsh"]);
    assert!(server.requests()[0].starts_with("get /eln http/1.1\r\n"));

    // One that fails, and there is no list.
    let error = fetcher.fetch(&lists).await.unwrap_err();
    assert_eq!((error.list, error.problem), (server.url(), Problem::Line(1)));
    std::fs::remove_file(authority.folder().join("more.txt")).unwrap();
    let error = fetcher.fetch(&self::lists(&["more.txt"])).await.unwrap_err();
    assert_eq!(error.problem.blame(), Blame::Pipeline);
    assert!(error.to_string().contains("more.txt"), "{error}");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let authority = Authority::new();
    let tagged = |tag: &str, body: &str| answer("200 OK", &format!("ETag: {tag}\r\n"), body.as_bytes());
    let unchanged = || answer("304 Not Modified", "ETag: \"1\"\r\n", b"");
    let plays =
        vec![tagged("\"1\"", "bash\n"), unchanged(), tagged("\"2\"", "zsh\n"), list("ksh\n"), unchanged()];
    let server = authority.serve(plays).await;
    let lists = lists(&[&server.url()]);
    let mut fetcher = Fetcher::new(&settings(&lists, &authority)).unwrap();
    for name in ["bash", "bash", "zsh", "ksh"] {
        let found = fetcher.fetch(&lists).await.unwrap();
        assert!(found.names.iter().eq([name]), "{name}: {found:?}");
    }
    // The last answer had no tag: none is asked for, and to be told that nothing changed makes no sense.
    assert_eq!(fetcher.fetch(&lists).await.unwrap_err().problem, Problem::Status(304));
    let asked: Vec<_> = server
        .requests()
        .iter()
        .map(|head| head.lines().find_map(|line| line.strip_prefix("if-none-match: ")).map(str::to_owned))
        .collect();
    let expected = [None, Some("\"1\""), Some("\"1\""), Some("\"2\""), None];
    assert_eq!(asked, expected.map(|tag| tag.map(str::to_owned)));
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_server_three_times() {
    let hops = |count: usize| vec![redirect("/next"); count];
    let three = [hops(3), vec![list("bash\n")]].concat();
    assert_eq!(fetch(three).await, Ok(vec!["bash".to_owned()]));
    let four = [hops(4), vec![list("bash\n")]].concat();
    assert!(matches!(fetch(four).await, Err(Problem::Redirect { .. })));
    for to in [
        "https://elsewhere.example/eln?key=hunter2",
        "http://127.0.0.1/eln",
        "https://127.0.0.1:1/eln",
        "https://localhost/eln",
        "//elsewhere.example/eln",
    ] {
        let problem = fetch(vec![redirect(to), list("bash\n")]).await.unwrap_err();
        assert!(matches!(problem, Problem::Redirect { .. }), "{to}: {problem:?}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
    assert_eq!(fetch(vec![answer("302 Found", "", b"")]).await, Err(Problem::Status(302)));
}

#[tokio::test]
async fn a_list_may_have_four_mebibytes_and_not_a_byte_more() {
    let padded = |length: usize| format!("bash\n#{}", "x".repeat(length - 6));
    assert_eq!(padded(100).len(), 100);
    assert_eq!(fetch(vec![list(&padded(BODY_MAX_BYTES))]).await, Ok(vec!["bash".to_owned()]));
    assert_eq!(fetch(vec![list(&padded(BODY_MAX_BYTES + 1))]).await, Err(Problem::TooLarge));
}

#[tokio::test]
async fn what_is_compressed_is_bounded_by_what_it_becomes() {
    let packed = |length: usize| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(format!("bash\n#{}", "x".repeat(length)).as_bytes()).unwrap();
        let body = encoder.finish().unwrap();
        assert!(body.len() < 100_000);
        answer("200 OK", "Content-Encoding: gzip\r\n", &body)
    };
    assert_eq!(fetch(vec![packed(1_000)]).await, Ok(vec!["bash".to_owned()]));
    assert_eq!(fetch(vec![packed(64 << 20)]).await, Err(Problem::TooLarge));
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    for (play, expected) in [
        (answer("200 OK", "Content-Type: text/HTML; charset=utf-8\r\n", b"bash\n"), Problem::Html),
        (list("<!doctype html>"), Problem::Html),
        (list(""), Problem::Empty),
        (list("# nothing\n"), Problem::Empty),
        (list("bash\nno name\n"), Problem::Line(2)),
        (answer("200 OK", "", b"bash\n\xff\n"), Problem::NotText),
        // Compressed twice, or without saying so.
        (answer("200 OK", "", b"\x1f\x8b\x08\x00"), Problem::NotText),
        (answer("404 Not Found", "", b"bash\n"), Problem::Status(404)),
        (answer("503 Unavailable", "", b"bash\n"), Problem::Status(503)),
        (answer("206 Partial Content", "", b"bash\n"), Problem::Status(206)),
    ] {
        let problem = fetch(vec![play.clone()]).await.unwrap_err();
        assert_eq!(problem, expected, "{play:?}");
        assert_eq!(problem.blame(), Blame::Server);
    }
}

#[tokio::test]
async fn half_a_list_is_none() {
    let half = Play::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbash\n".to_vec());
    let problem = fetch(vec![half]).await.unwrap_err();
    assert!(matches!(problem, Problem::Lost(_)), "{problem:?}");
    // No answer at all.
    let problem = fetch(Vec::new()).await.unwrap_err();
    assert!(matches!(problem, Problem::Lost(_)), "{problem:?}");
}

#[tokio::test]
async fn a_slow_server_is_given_up() {
    for beginning in ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbash\n"] {
        let authority = Authority::new();
        let server = authority.serve(vec![Play::Hang(beginning.as_bytes().to_vec())]).await;
        let lists = lists(&[&server.url()]);
        let deadline = Duration::from_millis(300);
        let settings = FetchSettings { deadline, ..settings(&lists, &authority) };
        let error = Fetcher::new(&settings).unwrap().fetch(&lists).await.unwrap_err();
        assert_eq!(error.problem, Problem::Slow(deadline), "{beginning:?}");
        assert_eq!(error.problem.blame(), Blame::Network);
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_asked_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.serve(vec![list("bash\n"); 2]).await;
    let by_other_name = format!("https://localhost:{}/eln", server.port());
    for (url, trusted) in [(server.url(), &stranger), (by_other_name, &authority)] {
        let lists = lists(&[&url]);
        let mut fetcher = Fetcher::new(&settings(&lists, trusted)).unwrap();
        let error = fetcher.fetch(&lists).await.unwrap_err();
        assert!(matches!(error.problem, Problem::Untrusted(_)), "{url}: {error:?}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_private_address_is_not_connected_to_however_it_is_written() {
    let authority = Authority::new();
    let server = authority.serve(vec![list("bash\n")]).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "localhost",
        "LOCALHOST",
    ] {
        let lists = lists(&[&format!("https://{host}:{}/eln", server.port())]);
        let settings = FetchSettings { reach: Reach::PUBLIC, ..settings(&lists, &authority) };
        let error = Fetcher::new(&settings).unwrap().fetch(&lists).await.unwrap_err();
        assert!(matches!(error.problem, Problem::Private { .. }), "{host}: {error:?}");
        assert!(error.to_string().contains("allow_private = true"), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

/// Fetches from a name whose look-ups give these addresses; 127.0.0.2 may not be connected to.
async fn fetch_by_name(server: &Server, authority: &Authority, stub: &Arc<Stub>) -> Result<(), Problem> {
    let lists = lists(&[&format!("https://{HOST}:{}/eln", server.port())]);
    let second = |address: IpAddr| (address == IpAddr::from([127, 0, 0, 2])).then_some("the second");
    let resolver: Arc<dyn Resolve> = Arc::<Stub>::clone(stub);
    let settings = FetchSettings { resolver, reach: Reach::new(second), ..settings(&lists, authority) };
    let found = Fetcher::new(&settings).unwrap().fetch(&lists).await;
    found.map(drop).map_err(|error| error.problem)
}

#[tokio::test]
async fn a_name_that_changes_its_address_does_not_slip_through() {
    let authority = Authority::new();
    let server = authority.serve(vec![redirect("/next"), list("bash\n")]).await;
    let stub = Stub::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let problem = fetch_by_name(&server, &authority, &stub).await.unwrap_err();
    let expected =
        Problem::Private { host: HOST.to_owned(), address: IpAddr::from([127, 0, 0, 2]), what: "the second" };
    assert_eq!(problem, expected);
    assert_eq!((server.connections(), stub.left()), (1, 0));
}

#[tokio::test]
async fn of_many_addresses_only_the_good_ones_are_connected_to() {
    let authority = Authority::new();
    let server = authority.serve(vec![list("bash\n")]).await;
    let stub = Stub::new(&[&["127.0.0.2", "127.0.0.1"]]);
    assert_eq!(fetch_by_name(&server, &authority, &stub).await, Ok(()));
    // It is looked up once: what was judged is what is connected to.
    assert_eq!((server.connections(), stub.left()), (1, 0));
    let problem = fetch_by_name(&server, &authority, &Stub::new(&[&[]])).await.unwrap_err();
    assert!(matches!(problem, Problem::Unresolved(_)), "{problem:?}");
}

#[tokio::test]
async fn nobody_at_the_other_end_is_no_list() {
    let authority = Authority::new();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/eln", free.local_addr().unwrap());
    drop(free);
    let lists = lists(&[&url]);
    let error = Fetcher::new(&settings(&lists, &authority)).unwrap().fetch(&lists).await.unwrap_err();
    assert!(matches!(error.problem, Problem::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_watch_goes_on_after_failures_and_tells_of_each() {
    let authority = Authority::new();
    let plays = vec![list("bash\n"), list(""), answer("500 Oh", "", b""), list("zsh\n")];
    let server = authority.serve(plays).await;
    let lists = lists(&[&server.url()]);
    let fetcher = Fetcher::new(&settings(&lists, &authority)).unwrap();
    let (out, mut told) = mpsc::channel(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let task = tokio::spawn(watch(fetcher, lists, Duration::from_millis(1), out, stopped));
    let mut next =
        async || told.recv().await.unwrap().map(|list| list.names.clone()).map_err(|failed| failed.failures);
    assert_eq!(next().await.unwrap().len(), 1);
    assert_eq!((next().await, next().await), (Err(1), Err(2)));
    assert!(next().await.unwrap().contains("zsh"));
    stop.send(()).unwrap();
    task.await.unwrap();
}

#[test]
fn authorities_that_cannot_be_read_are_told_at_the_start() {
    let lists = lists(&["https://lists.example/eln"]);
    let tls = Tls { server_ca: Some(Path::new("no/such/ca.pem").to_owned()), identity: None };
    let settings = FetchSettings { tls, ..FetchSettings::new(&lists, Path::new(".")) };
    let error = Fetcher::new(&settings).unwrap_err().to_string();
    assert!(error.contains("no/such/ca.pem"), "{error}");
}
