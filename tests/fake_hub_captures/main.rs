//! Sends the requests that a real hub has answered to the fake one, and compares the answers (needs `../shared`).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot read its files has failed"
)]

mod builder;
#[path = "../common/hub_wire.rs"]
mod hub_wire;
mod plain;
#[path = "../common/shared.rs"]
mod shared;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use hub_wire::{Reply, Session, login};
use plain::Names;
use stage::{Stage, USERS};
use tidegate::hub::{FakeHub, Kept, Settings};
use tidegate::koji::xmlrpc::{Answer, Limits};

/// Exchanges that are not compared, each with the reason. The others are, whatever they are about.
const NOT_COMPARED: [(&str, &str); 0] = [];

/// Runs of the real hub, each from the same beginning, with the sets of captures that it made.
const RUNS: [&[&str]; 5] = [
    &[
        "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16",
        "17",
    ],
    &["20", "21", "22", "23"],
    &["24"],
    &["25"],
    &["26"],
];

/// An exchange as recorded.
struct Capture {
    name: String,
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    status: u16,
    answer: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fake_hub_answers_as_the_real_one_did() {
    let Some(captures) = captures() else { return };
    assert_eq!(captures.len(), 241, "a capture is missing or new: look at it, then change this number");
    let mut left: BTreeSet<String> = captures.iter().map(|capture| capture.name.clone()).collect();
    let mut differences = Vec::new();
    for sets in RUNS {
        let messages = Kept::default();
        let settings =
            Settings { world: stage::world(), publisher: Box::new(messages.clone()), ..Settings::default() };
        let mut player = Player {
            stage: Stage::new(FakeHub::start(settings).await.unwrap(), messages),
            sessions: BTreeMap::new(),
            names: Names::default(),
        };
        let of_run = captures
            .iter()
            .filter(|capture| capture.name.split('-').next().is_some_and(|set| sets.contains(&set)));
        for capture in of_run {
            left.remove(&capture.name);
            if NOT_COMPARED.iter().any(|(name, _)| *name == capture.name) {
                continue;
            }
            if let Err(difference) = player.play(capture).await {
                differences.push(format!("{}: {difference}", capture.name));
            }
        }
        player.stage.end().await;
    }
    assert_eq!(left, BTreeSet::new(), "captures that no run has");
    println!("compared: {} of {}", captures.len() - NOT_COMPARED.len(), captures.len());
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// Plays the captures of one run.
struct Player {
    stage: Stage,
    /// Our sessions by the number of the captured one.
    sessions: BTreeMap<String, Session>,
    names: Names,
}

impl Player {
    async fn play(&mut self, capture: &Capture) -> Result<(), String> {
        let headers = self.headers(capture).await;
        self.stage.before(&capture.name, &self.sessions).await;
        let line = capture.line.replacen("kojihub-", "kojihub?", 1);
        let reply = self.stage.send(&capture.name, &line, &headers, &capture.body).await;
        let compared = self.compare(capture, &reply);
        self.stage.after(&capture.name);
        compared
    }

    /// The headers of the captured request, with our session in the place of the captured one.
    async fn headers(&mut self, capture: &Capture) -> Vec<(String, String)> {
        let value = |name: &str| {
            capture.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let (id, key) = (value("Koji-Session-Id"), value("Koji-Session-Key"));
        if let (Some(id), Some(key)) = (&id, &key)
            && let Some((user, _)) = key.split_once('-')
            && !self.sessions.contains_key(id)
        {
            let Some(user) = user.parse::<usize>().ok().and_then(|number| USERS.get(number - 1)) else {
                panic!("{key}")
            };
            let session = login(self.stage.address(), user, &stage::password(user)).await;
            self.add_session(id, session);
        }
        let ours = id.as_ref().and_then(|id| self.sessions.get(id));
        let mut headers = Vec::new();
        for (name, value) in &capture.headers {
            let value = match (name.as_str(), ours) {
                ("Koji-Session-Id", Some(session)) => session.id.to_string(),
                ("Koji-Session-Key", Some(session)) if value != "bad" => session.key.clone(),
                _ => value.clone(),
            };
            if name.starts_with("Koji-") || name == "Content-Type" {
                headers.push((name.clone(), value));
            }
        }
        if let Some(subject) = stage::subject(&capture.name) {
            headers.push(("Fake-Hub-Subject".to_owned(), subject.to_owned()));
        }
        headers
    }

    fn add_session(&mut self, captured: &str, session: Session) {
        self.names.add_session(captured, session.id);
        self.sessions.insert(captured.to_owned(), session);
    }

    fn compare(&mut self, capture: &Capture, reply: &Reply) -> Result<(), String> {
        if reply.status != capture.status {
            return Err(format!("status {} instead of {}", reply.status, capture.status));
        }
        if !reply.head.to_lowercase().contains("\r\nkoji-version: 1.35.3") {
            return Err(format!("no version in {}", reply.head));
        }
        let limits = Limits::default();
        let Ok(wanted) = Answer::decode(&capture.answer, &limits) else {
            let (ours, theirs) = (text(&reply.body), text(&capture.answer));
            return if ours.trim_end() == theirs.trim_end() {
                Ok(())
            } else {
                Err(format!("{ours} instead of {theirs}"))
            };
        };
        let answer = reply.answer();
        if let (Answer::Value(ours), Answer::Value(theirs)) = (&answer, &wanted) {
            for (session, captured) in plain::sessions(ours).into_iter().zip(plain::sessions(theirs)) {
                self.add_session(&captured.id.to_string(), session);
            }
        }
        let ours = self.names.plain(&capture.name, answer, false);
        let theirs = self.names.plain(&capture.name, wanted, true);
        if ours == theirs { Ok(()) } else { Err(format!("\n  ours   {ours:?}\n  theirs {theirs:?}")) }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The captures in the order in which they were made.
fn captures() -> Option<Vec<Capture>> {
    let folder = shared::shared()?.join("reference/koji-captures");
    let table = fs::read_to_string(folder.join("README.md")).unwrap();
    let names = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let files =
        names.map(|name| (name, folder.join(format!("{name}.http")))).filter(|(_, file)| file.exists());
    Some(files.map(|(name, file)| read_capture(name, &fs::read(file).unwrap())).collect())
}

fn read_capture(name: &str, exchange: &[u8]) -> Capture {
    let end = find(exchange, b"\n======== response (").unwrap();
    let rest = &exchange[end + 1..];
    let (head, request) = message(&exchange[..end]);
    let (answer_head, answer) = message(&rest[find(rest, b"\n").unwrap() + 1..]);
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "Content-Length").unwrap().1.parse::<usize>().unwrap();
    Capture {
        name: name.to_owned(),
        line,
        headers,
        body: request[..length].to_vec(),
        status: answer_head.split(' ').nth(1).unwrap().parse().unwrap(),
        answer,
    }
}

/// Head and body of a message.
fn message(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = find(bytes, b"\r\n\r\n").unwrap();
    (text(&bytes[..end]), bytes[end + 4..].to_vec())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
