//! The sink that names packages to an `ELNBuildSync`, against a server of HTTP.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use tidegate::koji::tls::Tls;
use tidegate::sink::Sink;
use tidegate::sink::ebs::{EbsSettings, EbsSink, NAMES_MAX};
use tidegate::sink::post::{SecretFile, Timeouts};
use tidegate::submit::ask::{Answer, Ask, Order, Progress, Receipt, Trouble};
use tidegate::submit::row::TaskId;

use crate::server::{Reply, Request, Server, ok, status};
use crate::{order, receipts};

fn sink(server: &Server, token: Option<&Path>, names: NonZeroU32) -> EbsSink {
    let timeouts = Timeouts { connect: Duration::from_secs(20), request: Duration::from_secs(60) };
    let settings = EbsSettings {
        url: server.url("/trigger"),
        token_file: token.map(SecretFile::new),
        names,
        tls: Tls::default(),
        timeouts,
    };
    EbsSink::new(&settings, None).unwrap()
}

fn named(count: u64) -> Vec<Order> {
    let one = |row| Order { package: format!("p{row}").into(), ..order(row, "", "") };
    (0..count).map(one).collect()
}

/// The names in each request to `/trigger`.
fn triggered(requests: &[Request]) -> Vec<Vec<String>> {
    let posts = requests.iter().filter(|request| request.line() == "POST /trigger HTTP/1.1");
    posts.map(|request| serde_json::from_str(&request.body).unwrap()).collect()
}

async fn stands(sink: &mut EbsSink) -> Option<Progress> {
    let answer = sink.perform(Ask::Follow(Vec::new())).await;
    let Answer::Followed(followed) = &answer else { panic!("{answer:?}") };
    let [(TaskId(0), progress)] = followed.as_slice() else { panic!("{answer:?}") };
    progress.clone()
}

#[tokio::test]
async fn names_are_sent_once_with_the_token_that_stands_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let server = Server::start([ok("{}"), ok("ok"), ok("{}"), ok("ok")]).await;
    let mut sink = sink(&server, Some(&token), NAMES_MAX);
    assert_eq!(receipts(&mut sink, named(2)).await, [Receipt::Taken, Receipt::Taken]);
    std::fs::write(&token, "second").unwrap();
    assert_eq!(receipts(&mut sink, named(1)).await, [Receipt::Taken]);
    let requests = server.requests();
    assert_eq!(triggered(&requests), [vec!["p0", "p1"], vec!["p0"]]);
    let posts: Vec<&Request> = requests.iter().filter(|request| request.line().starts_with("POST")).collect();
    assert_eq!(posts[0].header("Content-Type"), Some("application/json"));
    let tokens: Vec<Option<&str>> = posts.iter().map(|request| request.header("Authorization")).collect();
    assert_eq!(tokens, [Some("Bearer first"), Some("Bearer second")]);
}

#[tokio::test]
async fn no_request_names_more_than_forty_and_none_follows_one_that_failed() {
    let many = NonZeroU32::new(1_000).unwrap();
    let server = Server::start([ok("{}"), ok(""), status(500), ok("")]).await;
    let mut sink = sink(&server, None, many);
    let found = receipts(&mut sink, named(100)).await;
    let names = triggered(&server.requests());
    assert_eq!(names.iter().map(Vec::len).collect::<Vec<_>>(), [40, 40]);
    assert!(found[..40].iter().all(|receipt| *receipt == Receipt::Taken));
    assert!(found[40..80].iter().all(|receipt| matches!(receipt, Receipt::Lost(_))));
    assert!(found[80..].iter().all(|receipt| matches!(receipt, Receipt::NotDone(_))));
}

#[tokio::test]
async fn what_comes_back_is_told_apart() {
    let redirect = Reply::Answer(307, "Location: http://127.0.0.1:1/login", String::new());
    for (reply, expected) in [
        (ok("ok"), "taken"),
        (redirect, "forbidden"),
        (status(400), "forbidden"),
        (status(401), "forbidden"),
        (status(403), "forbidden"),
        (status(404), "forbidden"),
        (status(415), "forbidden"),
        (status(408), "lost"),
        (status(429), "later"),
        (status(503), "later"),
        (status(202), "lost"),
        (status(500), "lost"),
        (status(504), "lost"),
        (Reply::Close, "lost"),
        (Reply::Half, "lost"),
    ] {
        let server = Server::start([ok("{}"), reply.clone(), ok("")]).await;
        let mut sink = sink(&server, None, NAMES_MAX);
        let found = match receipts(&mut sink, named(1)).await.remove(0) {
            Receipt::Taken => "taken",
            Receipt::NotDone(Trouble::Forbidden(_)) => "forbidden",
            Receipt::NotDone(_) => "later",
            Receipt::Lost(_) => "lost",
            Receipt::Accepted(_) | Receipt::Refused(_) => "something that it never answers",
        };
        assert_eq!(found, expected, "{reply:?}");
        assert_eq!(server.requests().len(), 2, "{reply:?} was followed or sent again");
    }
}

#[tokio::test]
async fn the_last_names_are_followed_by_the_state_of_their_builds() {
    let entry = |state: i64, id: u64| {
        format!(r#"{{"p0": {{"build_id": {id}, "id": {id}, "state": {state}, "status": "SUCCESS"}}}}"#)
    };
    let server = Server::start([
        ok(&entry(1, 5)),
        ok(""),
        ok(&entry(1, 5)),
        status(503),
        ok(&entry(0, 6)),
        ok("<html>"),
        ok(&entry(3, 6)),
        ok(&entry(1, 6)),
    ])
    .await;
    let mut sink = sink(&server, None, NAMES_MAX);
    assert_eq!(stands(&mut sink).await, None, "nothing was named yet");
    assert_eq!(receipts(&mut sink, named(1)).await, [Receipt::Taken]);
    assert_eq!(stands(&mut sink).await, Some(Progress::Waiting), "the build of other days does not count");
    assert!(matches!(sink.perform(Ask::Follow(Vec::new())).await, Answer::Failed(Trouble::Unreachable(_))));
    assert_eq!(stands(&mut sink).await, Some(Progress::Building));
    assert!(matches!(sink.perform(Ask::Follow(Vec::new())).await, Answer::Failed(Trouble::Unreachable(_))));
    assert!(
        matches!(stands(&mut sink).await, Some(Progress::Failed(_))),
        "the word for people does not count"
    );
    assert_eq!(stands(&mut sink).await, Some(Progress::Built { nvr: None }));
}

#[tokio::test]
async fn names_are_sent_though_the_table_cannot_be_read() {
    let server = Server::start([status(503), ok(""), ok("{}")]).await;
    let mut sink = sink(&server, None, NAMES_MAX);
    assert_eq!(receipts(&mut sink, named(1)).await, [Receipt::Taken]);
    assert_eq!(stands(&mut sink).await, None, "it is not known what was there before");
}
