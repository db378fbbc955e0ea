//! What is no answer of a hub: each is told clearly, changes nothing in a session, leaves a write in doubt, and costs
//! little memory.

#![expect(clippy::unwrap_used, reason = "a test whose loopback fails has failed")]

#[path = "common/canned.rs"]
mod canned;

use std::io::Write;
use std::time::Duration;

use canned::{Canned, Step, answer, endless, http};
use tidegate::koji::client::{Client, ClientSettings, Timeouts};
use tidegate::koji::command::{self, BuildKind, BuildOptions, BuildRequest};
use tidegate::koji::error::{CallError, Retry};
use tidegate::koji::login::Login;
use tidegate::koji::query::{self, TaggedFilter};
use tidegate::koji::secret::Secret;
use tidegate::koji::sequence::Over;
use tidegate::koji::xmlrpc::{Answer, Struct, Value};
use tokio_stream::StreamExt;

/// What a bad answer may cost at most.
const MEMORY_KIB: u64 = 50 * 1024;
/// What a list may cost that is read item by item.
const LISTING_KIB: u64 = 10 * 1024;

/// What comes, and what is said of it.
struct Bad {
    name: &'static str,
    comes: Vec<Step>,
    /// Words of the error.
    says: &'static str,
    /// What may be done after it if it answers a read, and if it answers a write.
    retry: (Retry, Retry),
    timeouts: Timeouts,
}

fn bad(name: &'static str, comes: Vec<Step>, says: &'static str) -> Bad {
    Bad { name, comes, says, retry: (Retry::Pause, Retry::InDoubt), timeouts: Timeouts::default() }
}

impl Bad {
    /// It would be the same again.
    fn for_good(mut self) -> Self {
        self.retry.0 = Retry::Never;
        self
    }

    /// It shows that the request was not taken.
    fn refused(mut self) -> Self {
        self.retry = (Retry::Never, Retry::Never);
        self
    }

    /// It is noticed by its slowness.
    fn within(mut self, idle_ms: u64, call_ms: u64) -> Self {
        self.timeouts.idle = Duration::from_millis(idle_ms);
        self.timeouts.call = Duration::from_millis(call_ms);
        self
    }
}

fn xml(body: &str) -> Vec<Step> {
    vec![Step::Send(http("200 OK", "text/xml", body.as_bytes()))]
}

fn of_value(value: &str) -> Vec<Step> {
    xml(&format!(
        "<?xml version='1.0'?><methodResponse><params><param><value>{value}</value></param></params></methodResponse>"
    ))
}

fn status(line: &str, head: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    let text = format!("HTTP/1.1 {line}\r\n{head}Content-Length: {length}\r\n\r\n{body}");
    vec![Step::Send(text.into_bytes())]
}

fn raw(text: &str) -> Vec<Step> {
    vec![Step::Send(text.as_bytes().to_vec()), Step::Close]
}

/// 512 MiB of spaces, in half a megabyte.
fn gzip_bomb() -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..512 {
        packed.write_all(&spaces).unwrap();
    }
    packed.finish().unwrap()
}

fn html() -> Vec<Bad> {
    let page = "<!DOCTYPE html><html><body><h1>Fedora is branching</h1></body></html>";
    vec![
        bad(
            "a page",
            vec![Step::Send(http("200 OK", "text/html; charset=utf-8", page.as_bytes()))],
            "the answer is text/html; charset=utf-8, not XML: is this the address of a hub?",
        ),
        bad("a page said to be XML", xml(page), "contains a document type").for_good(),
        bad(
            "JSON",
            vec![Step::Send(http("200 OK", "application/json", b"{}"))],
            "the answer is application/json, not XML",
        ),
        bad(
            "a page with 500",
            status("500 Internal Server Error", "Content-Type: text/html\r\n", page),
            "HTTP status 500: <!DOCTYPE html><html><body><h1>Fedora is branching</h1>",
        ),
        bad(
            "502 with control characters",
            status("502 Bad Gateway", "", "\u{1b}[31mno\u{0}"),
            r"HTTP status 502: \u{1b}[31mno\u{0}",
        ),
        bad("503 without a body", status("503 Service Unavailable", "", ""), "HTTP status 503"),
        bad(
            "a page of 2 GiB with 500",
            vec![
                Step::Send(b"HTTP/1.1 500 Oops\r\n\r\n".to_vec()),
                Step::Repeat(vec![b'x'; 1 << 16], 1 << 15),
            ],
            "HTTP status 500: xxxx",
        ),
        bad(
            "400",
            status("400 Bad Request", "", "Invalid request: no element found"),
            "HTTP status 400: Invalid request",
        )
        .refused(),
        bad("404", status("404 Not Found", "", ""), "HTTP status 404").refused(),
        bad(
            "a redirect",
            status("302 Found", "Location: https://elsewhere.example/kojihub\r\n", ""),
            "HTTP status 302: to https://elsewhere.example/kojihub; set the address",
        )
        .refused(),
        bad("no content", status("204 No Content", "", ""), "HTTP status 204"),
        bad(
            "another protocol",
            raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
            "HTTP status 101",
        ),
    ]
}

fn broken() -> Vec<Bad> {
    let bomb = gzip_bomb();
    let bomb_head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let no_gzip = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain";
    vec![
        bad("nothing", vec![Step::Close], "the answer did not come"),
        bad("no HTTP", raw("SSH-2.0-OpenSSH_9.9\r\n"), "the answer did not come"),
        bad("an endless head", vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Repeat(b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".to_vec(), 1 << 20)], "the answer did not come"),
        bad("an empty body", xml(""), "ends after 0 bytes, before it is complete"),
        bad("half a document", xml("<?xml version='1.0'?><methodResponse><params>"), "before it is complete"),
        bad("a body shorter than it says", vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 500\r\n\r\n<?xml version='1.0'?>".to_vec()), Step::Close], "the answer did not come"),
        bad("a broken chunk", raw("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "the answer did not come"),
        bad("no gzip", vec![Step::Send(no_gzip.as_bytes().to_vec())], "the answer did not come"),
        bad("a gzip bomb", vec![Step::Send(bomb_head.into_bytes()), Step::Send(bomb)], "a single text or tag longer than 2097152 bytes").for_good(),
        bad("2 GiB", vec![Step::Send(endless()), Step::Send(b"<?xml version='1.0'?><methodResponse>".to_vec()), Step::Repeat(b" <!-- x -->".repeat(6_000), 1 << 15)], "longer than 16777216 bytes").for_good(),
        bad("a call", xml("<?xml version='1.0'?><methodCall><methodName>x</methodName></methodCall>"), "a call instead of an answer"),
        bad("another document", xml("<rss/>"), "<rss> has no place in the document"),
        bad("bytes that are no text", vec![Step::Send(http("200 OK", "text/xml", b"<?xml version='1.0'?>\n<methodResponse>\xff"))], "the answer cannot be read"),
        bad("an entity of its own", xml("<!DOCTYPE x [<!ENTITY a 'aaaa'>]><methodResponse/>"), "contains a document type").for_good(),
        bad("a reference to one", of_value("&a;"), "contains an entity of its own").for_good(),
        bad("65 deep", of_value(&format!("{}{}", "<array><data><value>".repeat(65), "</value></data></array>".repeat(65))), "values nested deeper than 64").for_good(),
        bad("300,000 values", of_value(&format!("<array><data>{}</data></array>", "<value><nil/></value>".repeat(300_000))), "more than 200000 values").for_good(),
        bad("a string of 3 MiB", of_value(&format!("<string>{}</string>", "x".repeat(3 << 20))), "a single text or tag longer than 2097152 bytes").for_good(),
        bad("a number for a struct", of_value("<boolean>1</boolean>"), "the answer is not what this method answers: it should be").for_good(),
        bad("a number that is none", of_value("<int>x</int>"), "x is no whole number"),
    ]
}

fn slow() -> Vec<Bad> {
    let document = Answer::Value(Value::from(1)).encode().unwrap();
    vec![
        bad("silence", vec![Step::Silence], "the answer did not come").within(300, 60_000),
        bad(
            "silence within the body",
            vec![Step::Send(endless()), Step::Send(b"<?xml".to_vec()), Step::Silence],
            "the answer did not come",
        )
        .within(300, 60_000),
        bad(
            "a slow drip",
            vec![Step::Send(endless()), Step::Drip(document.into_bytes(), 20)],
            "the answer did not come",
        )
        .within(60_000, 300),
        bad(
            "nothing but 1xx",
            vec![Step::Repeat(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), u64::MAX)],
            "the answer did not come",
        )
        .within(60_000, 300),
    ]
}

fn logged_in() -> Vec<Step> {
    answer(&Answer::Value(
        Struct::new().with("session-id", 7).with("session-key", "k").with("header-auth", true).into(),
    ))
}

async fn hub(scripts: Vec<Vec<Step>>, timeouts: Timeouts) -> (Canned, Client) {
    let canned = Canned::start(scripts).await;
    let client = Client::new(&ClientSettings { timeouts, ..ClientSettings::new(canned.url()) }).unwrap();
    (canned, client)
}

const BUILD: BuildRequest<'static> = BuildRequest {
    source: "git+https://src.example/rpms/x#1",
    target: "eln",
    priority: None,
    channel: None,
    options: BuildOptions {
        kind: BuildKind::Official,
        fail_fast: false,
        wait_repo: false,
        wait_builds: &[],
        skip_tag: false,
        arch_override: None,
        metadata: None,
    },
};

fn judge(bad: &Bad, error: &CallError, retry: Retry) {
    let text = error.to_string();
    assert!(text.contains(bad.says), "{}: {text}", bad.name);
    assert!(text.len() < 400, "{}: {text}", bad.name);
    assert!(!text.contains(char::is_control), "{}: {text}", bad.name);
    assert_eq!(error.retry, retry, "{}: {text}", bad.name);
}

/// What memory is measured by: one test at a time, since it is that of the process, the playing server included.
struct Memory {
    before: u64,
    _alone: tokio::sync::MutexGuard<'static, ()>,
}

impl Memory {
    async fn alone() -> Self {
        static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        Self { before: 0, _alone: ALONE.lock().await }
    }

    /// Lets the peak begin anew; where that is not allowed, an older and higher one is judged.
    fn begin(&mut self) {
        drop(std::fs::write("/proc/self/clear_refs", "5"));
        self.before = Self::read("VmRSS:");
    }

    /// By how much the peak is over what was held at the beginning, in KiB.
    fn grown(&self) -> u64 {
        Self::read("VmHWM:").saturating_sub(self.before)
    }

    fn read(name: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

#[tokio::test]
async fn no_bad_answer_is_taken_for_one() {
    let mut memory = Memory::alone().await;
    let all: Vec<Bad> = html().into_iter().chain(broken()).chain(slow()).collect();
    memory.begin();
    for bad in all {
        let login = Login::Password { user: "bot".to_owned(), password: Secret::new("pw") };
        let scripts = vec![bad.comes.clone(), logged_in(), bad.comes.clone(), bad.comes.clone()];
        let (canned, client) = hub(scripts, bad.timeouts).await;
        judge(&bad, &client.ask(&query::last_event()).await.unwrap_err(), bad.retry.0);
        let mut session = client.log_in(&login).await.unwrap();
        judge(&bad, &session.ask(&query::last_event()).await.unwrap_err(), bad.retry.0);
        assert_eq!((session.over(), session.next_callnum()), (None, 1), "{}", bad.name);
        judge(&bad, &session.run(&command::build(&BUILD)).await.unwrap_err(), bad.retry.1);
        let over = (bad.retry.1 == Retry::InDoubt).then_some(Over::InDoubt { callnum: 1 });
        assert_eq!(session.over(), over, "{}", bad.name);
        assert_eq!(canned.requests().len(), 4, "{}: nothing is sent again", bad.name);
        assert!(memory.grown() < MEMORY_KIB, "{}: {} KiB", bad.name, memory.grown());
    }
    println!("bad answers: the peak grew by {} KiB", memory.grown());
}

#[tokio::test]
async fn an_answer_that_is_cut_anywhere_is_none() {
    let body = Answer::Value(Value::from(41)).encode().unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let _memory = Memory::alone().await;
    for cut in 0..whole.len() {
        let (part, _) = whole.split_at(cut);
        let (canned, client) = hub(vec![raw(part), logged_in(), raw(part)], Timeouts::default()).await;
        let error = client.ask(&query::api_version()).await.unwrap_err();
        assert_eq!(error.retry, Retry::Pause, "{cut}: {error}");
        let login = Login::Password { user: "bot".to_owned(), password: Secret::new("pw") };
        let mut session = client.log_in(&login).await.unwrap();
        let error = session.run(&command::build(&BUILD)).await.unwrap_err();
        assert_eq!(error.retry, Retry::InDoubt, "{cut}: {error}");
        assert_eq!(session.over(), Some(Over::InDoubt { callnum: 0 }), "{cut}");
        assert_eq!(canned.requests().len(), 3, "{cut}");
    }
    let (_canned, client) = hub(vec![raw(&whole)], Timeouts::default()).await;
    assert_eq!(client.ask(&query::api_version()).await, Ok(41));
}

#[tokio::test]
async fn a_list_of_25000_builds_costs_no_more_than_one_of_them() {
    let mut memory = Memory::alone().await;
    let build = |id: i64| {
        Struct::new()
            .with("build_id", id)
            .with("nvr", format!("package-{id}-1.0-1.fc42"))
            .with("name", format!("package-{id}"))
            .with("version", "1.0")
            .with("release", "1.fc42")
            .with("epoch", Value::Nil)
            .with("state", 1)
            .with("owner_name", "releng")
            .with("tag_id", 2)
            .with("tag_name", "f42")
            .with("create_event", 4_000_000 + id)
            .with("completion_time", "2026-11-24 03:08:50.432786+00:00")
            .with("filler", "x".repeat(1_500))
    };
    let whole = Answer::Value(vec![build(1), build(2)].into()).encode().unwrap();
    let (first, rest) = whole.split_once("<value><struct>").unwrap();
    let (item, last) = rest.split_once("<value><struct>").unwrap();
    let item = format!("<value><struct>{item}");
    let end = last.split_once("</struct></value>\n").unwrap().1;
    let comes = vec![
        Step::Send(endless()),
        Step::Send(first.as_bytes().to_vec()),
        Step::Repeat(item.into_bytes(), 25_000),
        Step::Send(end.as_bytes().to_vec()),
        Step::Close,
    ];
    let (_canned, client) = hub(vec![comes], Timeouts::default()).await;
    memory.begin();
    let mut items = Box::pin(client.list(query::list_tagged("f42", TaggedFilter::LATEST)));
    let mut count = 0;
    while let Some(item) = items.next().await {
        assert_eq!(item.unwrap().build_id, 1);
        count += 1;
    }
    assert_eq!(count, 25_000);
    println!("25,000 builds: the peak grew by {} KiB", memory.grown());
    assert!(memory.grown() < LISTING_KIB, "{} KiB", memory.grown());
}
