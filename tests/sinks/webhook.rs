//! The sink that posts builds, against a server of HTTP.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tidegate::koji::tls::Tls;
use tidegate::sink::Sink;
use tidegate::sink::post::{SecretFile, Timeouts};
use tidegate::sink::webhook::{WebhookSettings, WebhookSink};
use tidegate::submit::ask::{Answer, Ask, Receipt, Trouble};

use crate::server::{Reply, Server, ok, status};
use crate::{SOURCE, marker, order, receipts};

const PATIENT: Timeouts = Timeouts { connect: Duration::from_secs(20), request: Duration::from_secs(60) };

fn sink(url: String, secret: Option<&Path>, timeouts: Timeouts) -> WebhookSink {
    let settings =
        WebhookSettings { url, secret_file: secret.map(SecretFile::new), tls: Tls::default(), timeouts };
    WebhookSink::new(&settings, None).unwrap()
}

fn kind(receipt: &Receipt) -> &'static str {
    match receipt {
        Receipt::Accepted(_) => "accepted",
        Receipt::Taken => "taken",
        Receipt::NotDone(Trouble::Forbidden(_)) => "not done, forbidden",
        Receipt::NotDone(_) => "not done",
        Receipt::Refused(_) => "refused",
        Receipt::Lost(_) => "lost",
    }
}

async fn posted(server: &Server, timeouts: Timeouts) -> Receipt {
    let mut sink = sink(server.url("/hook"), None, timeouts);
    receipts(&mut sink, vec![order(7, SOURCE, "eln")]).await.remove(0)
}

#[tokio::test]
async fn a_build_is_posted_whole_and_signed_over_its_time_and_body() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("key");
    let server = Server::start([ok(""), ok("")]).await;
    let mut sink = sink(server.url("/hook?for=eln"), Some(&secret), PATIENT);
    let unreadable = receipts(&mut sink, vec![order(7, SOURCE, "eln")]).await;
    assert_eq!(kind(&unreadable[0]), "not done, forbidden");
    assert!(server.requests().is_empty(), "nothing is sent unsigned");

    // The file is read anew each time.
    for key in ["hush", "another"] {
        std::fs::write(&secret, key).unwrap();
        assert_eq!(receipts(&mut sink, vec![order(7, SOURCE, "eln")]).await, [Receipt::Taken]);
        let request = server.requests().pop().unwrap();
        let time = request.header("Tidegate-Timestamp").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("{time}.{}", request.body).as_bytes());
        let mut expected = "sha256=".to_owned();
        for byte in mac.finalize().into_bytes() {
            write!(expected, "{byte:02x}").unwrap();
        }
        assert_eq!(request.header("Tidegate-Signature"), Some(&*expected));
        assert!(!request.head.contains(key) && !request.body.contains(key));
    }
    let request = server.requests().pop().unwrap();
    assert_eq!(request.line(), "POST /hook?for=eln HTTP/1.1");
    assert_eq!(request.header("Content-Type"), Some("application/json"));
    assert_eq!(request.header("Idempotency-Key"), Some("tidegate/s1/eln/7"));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let expected = serde_json::json!({
        "schema": "tidegate.order/1",
        "key": "tidegate/s1/eln/7",
        "marker": &*marker(7).0,
        "package": "zlib",
        "nvr": "zlib-1.3-2.fc42",
        "build_id": 1,
        "tag": "f42",
        "source": SOURCE,
        "target": "eln",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_comes_back_is_told_apart() {
    let redirect = |status| Reply::Answer(status, "Location: http://127.0.0.1:1/elsewhere", String::new());
    for (reply, expected) in [
        (ok("thanks"), "taken"),
        (status(202), "taken"),
        (status(204), "taken"),
        (redirect(302), "not done, forbidden"),
        (redirect(307), "not done, forbidden"),
        (status(400), "refused"),
        (status(401), "not done, forbidden"),
        (status(403), "not done, forbidden"),
        (status(404), "not done, forbidden"),
        (status(408), "lost"),
        (status(409), "refused"),
        (status(422), "refused"),
        (status(429), "not done"),
        (status(500), "lost"),
        (status(502), "lost"),
        (status(503), "not done"),
        (Reply::Close, "lost"),
        (Reply::Half, "lost"),
    ] {
        let server = Server::start([reply.clone(), ok("")]).await;
        let receipt = posted(&server, PATIENT).await;
        assert_eq!(kind(&receipt), expected, "{reply:?}: {receipt:?}");
        assert_eq!(server.requests().len(), 1, "{reply:?} was followed or sent again");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_lost_and_no_connection_is_none() {
    let server = Server::start([Reply::Silence]).await;
    let hasty = Timeouts { request: Duration::from_millis(100), ..PATIENT };
    let receipt = posted(&server, hasty).await;
    assert_eq!(kind(&receipt), "lost", "{receipt:?}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    drop(listener);
    let mut sink = sink(url, None, PATIENT);
    let receipt = receipts(&mut sink, vec![order(7, SOURCE, "eln")]).await.remove(0);
    assert_eq!(kind(&receipt), "not done", "{receipt:?}");
}

#[tokio::test]
async fn what_a_stranger_answers_is_printed_safely() {
    let server = Server::start([Reply::Answer(500, "", "\u{1b}[2J".repeat(1_000))]).await;
    let Receipt::Lost(Trouble::Unreachable(text)) = posted(&server, PATIENT).await else {
        panic!("not lost")
    };
    assert!(text.contains(r"\u{1b}[2J") && !text.contains('\u{1b}') && text.len() < 600, "{text}");
}

#[tokio::test]
async fn it_neither_logs_in_nor_follows_and_has_no_hub_to_ask() {
    let mut sink = sink("http://127.0.0.1:9/hook".to_owned(), None, PATIENT);
    let asks =
        [Ask::LogIn { fence: Vec::new() }, Ask::Follow(Vec::new()), Ask::Check(Vec::new()), Ask::Sample];
    for ask in asks {
        let answer = sink.perform(ask.clone()).await;
        assert!(matches!(answer, Answer::Failed(Trouble::Unreachable(_))), "{ask:?}: {answer:?}");
    }
}
