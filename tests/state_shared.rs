//! One process writes a state, others read it meanwhile; and a state of a million decisions answers at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use tidegate::engine::decision::Outcome;
use tidegate::event::{Body, Decoded, MessageId, Position, SentAt, Tagging};
use tidegate::replay::{Options, replay};
use tidegate::settings::{FamilyTag, Settings};
use tidegate::state::read::{Filter, Known, Reader};
use tidegate::state::{Batch, State, StateError};
use tidegate::time::{Second, Seconds};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
/// Decisions of the large state.
const MANY: u64 = 1_000_000;
/// An answer takes a tenth of this in a release build on an idle machine; tests run unoptimised and beside others.
const AT_MOST: Duration = Duration::from_secs(1);

/// Time of this machine, for what is measured.
fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// How long ago that was.
fn since(before: Duration) -> Duration {
    now().saturating_sub(before)
}

/// Messages that tag builds into f42, two minutes apart, from build `first` on.
fn tagged(first: u64, count: u64) -> String {
    let mut text = String::new();
    for build in first..first + count {
        let sent = Second(1_738_648_800 + 120 * i64::try_from(build).unwrap());
        writeln!(
            text,
            r#"{{"topic":"org.fedoraproject.prod.buildsys.tag","id":"m-{build}","headers":{{"sent-at":"{sent}"}},"body":{{"build_id":{build},"instance":"primary","name":"p{build}","version":"1","release":"1.fc42","tag":"f42","user":"bodhi"}}}}"#
        )
        .unwrap();
    }
    text
}

/// Reads messages into a state.
fn fill(dir: &Path, file: &str, text: &str) -> PathBuf {
    fs::write(dir.join(file), text).unwrap();
    let state = dir.join("state.db");
    let options = Options { inputs: vec![dir.join(file)], state: Some(state.clone()), ..Options::default() };
    replay(Settings::defaults("f42"), &options, &mut |_, _| ()).unwrap();
    state
}

fn tidegate(arguments: &[&str], state: &Path) -> Output {
    Command::new(TIDEGATE).args(arguments).arg("--state").arg(state).output().unwrap()
}

/// A pipeline file that follows f42 and takes every package.
fn pipeline(dir: &Path) -> PathBuf {
    let path = dir.join("p.toml");
    let text = "[trigger]\nfollow = \"f42\"\n[select]\npackages = []\n[sink]\nkind = \"dry_run\"\n";
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_second_writer_is_told_who_writes_and_readers_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let path = fill(dir.path(), "one.jsonl", &tagged(1, 5));
    let pipeline = pipeline(dir.path());
    let state = State::open(&path, false).unwrap();

    // Another process.
    let second = tidegate(&["known", "stats", pipeline.to_str().unwrap()], &path);
    assert_eq!(second.status.code(), Some(5), "{second:?}");
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("in use by another Tidegate (process {})", std::process::id())), "{said}");
    for arguments in [&["explain", "p1-1-1.fc42"][..], &["history"], &["tap"]] {
        let reader = tidegate(arguments, &path);
        assert!(reader.status.success() && !reader.stdout.is_empty(), "{arguments:?}: {reader:?}");
    }
    // In this process: it neither gets the lock nor takes it away.
    assert!(matches!(State::open(&path, false), Err(StateError::InUse { by: Some(_), .. })));
    assert_eq!(tidegate(&["known", "stats", pipeline.to_str().unwrap()], &path).status.code(), Some(5));

    drop(state);
    let free = tidegate(&["known", "stats", pipeline.to_str().unwrap()], &path);
    assert!(free.status.success(), "{free:?}");
}

#[test]
fn a_writer_that_was_killed_leaves_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = fill(dir.path(), "one.jsonl", &tagged(1, 5));
    let pipeline = pipeline(dir.path());
    // It waits for a standard input that never ends.
    let mut writer = Command::new(TIDEGATE)
        .args(["replay", pipeline.to_str().unwrap(), "--input", "-", "--state"])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (name, before) = (format!("{}\n", writer.id()), now());
    while fs::read_to_string(path.with_extension("db.lock")).unwrap() != name {
        assert!(since(before) < Duration::from_secs(60), "the writer never took the lock");
        std::thread::yield_now();
    }
    assert!(matches!(State::open(&path, false), Err(StateError::InUse { .. })));
    writer.kill().unwrap();
    writer.wait().unwrap();
    State::open(&path, false).unwrap();
}

#[test]
fn a_reader_sees_what_is_committed_and_does_not_stop_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = fill(dir.path(), "one.jsonl", &tagged(1, 5));
    let reader = Reader::open(&path).unwrap();
    let before = (reader.newest().unwrap(), reader.version().unwrap());
    assert!(before.0 > 0);
    fill(dir.path(), "two.jsonl", &tagged(100, 50));
    assert_eq!(reader.newest().unwrap(), before.0 + 50);
    assert_ne!(reader.version().unwrap(), before.1);
    let filter = Filter { outcome: Some(Outcome::Held), ..Filter::default() };
    let (steps, _) = reader.after(before.0, 1_000, &filter, &mut Known::default()).unwrap();
    assert_eq!(steps.len(), 50);
}

#[test]
fn readers_refuse_what_they_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    assert!(matches!(Reader::open(&path), Err(StateError::Missing { .. })));
    assert!(!path.exists(), "a reader makes no file");
    fs::write(&path, b"this is a text of some length, and no database at all, nor was it ever one").unwrap();
    assert!(matches!(Reader::open(&path), Err(StateError::Foreign { .. })));
    fs::remove_file(&path).unwrap();
    drop(State::open(&path, false).unwrap());
    for (version, code) in [(1, 5), (99, 5)] {
        Connection::open(&path).unwrap().pragma_update(None, "user_version", version).unwrap();
        let output = tidegate(&["history"], &path);
        assert_eq!(output.status.code(), Some(code), "schema {version}: {output:?}");
    }
}

/// A file of version 1 has no fingerprints, nor what came with them.
#[test]
fn what_an_older_version_wrote_is_found_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = fill(dir.path(), "one.jsonl", &tagged(1, 5));
    let old = "DELETE FROM finder; UPDATE decision SET instance = NULL; UPDATE pipeline SET rules = NULL;";
    Connection::open(&path).unwrap().execute_batch(old).unwrap();
    fill(dir.path(), "two.jsonl", &tagged(100, 5));
    for (asked, build) in [("p2-1-1.fc42", 2), ("3", 3), ("m-4", 4), ("p101-1-1.fc42", 101), ("m-102", 102)] {
        let stories = Reader::open(&path).unwrap().stories(asked).unwrap();
        assert_eq!(stories.len(), 1, "{asked}");
        assert_eq!((stories[0].build_id, stories[0].steps.len()), (Some(build), 1), "{asked}");
        let told = tidegate(&["explain", asked], &path);
        assert!(told.status.success(), "{told:?}");
    }
    let output = tidegate(&["explain", "p2-1-2.fc42"], &path);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("p2-1-1.fc42 (build 2): held"), "{said}");
}

/// Ends what a test started, however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_tap_follows_a_writer_and_stops_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = fill(dir.path(), "one.jsonl", &tagged(1, 5));
    let start = |more: &[&str]| {
        let mut tap = Command::new(TIDEGATE);
        tap.args(["tap", "--follow", "-o", "jsonl", "--last", "1", "--state"]).arg(&path).args(more);
        Running(tap.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let mut tap = start(&[]);
    let mut lines = BufReader::new(tap.0.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["build_id"], 4, "the last that was decided: the fifth waits");
    fill(dir.path(), "two.jsonl", &tagged(100, 3));
    assert_eq!([next(), next(), next()].map(|line| line["build_id"].clone()), [5, 100, 101]);

    let pid = rustix::process::Pid::from_raw(i32::try_from(tap.0.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(tap.0.wait().unwrap().code(), Some(0), "ctrl-c ends it well");

    // Nobody reads any more, and nothing is written: it notices all the same.
    let mut tap = start(&[]);
    let mut stdout = BufReader::new(tap.0.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    assert_eq!(tap.0.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    tap.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

/// A state of a million decisions, written by an engine: builds that were in f41 come into f42, two minutes apart.
fn million(dir: &Path) -> PathBuf {
    let path = dir.join("state.db");
    let mut settings = Settings::defaults("f42");
    settings.trigger.family.insert(0, FamilyTag { tag: "f41".to_owned(), left_at: None });
    let mut state = State::open(&path, false).unwrap();
    let mut engine = state.load(settings, [0]).unwrap().engine;
    for line in 1..=MANY {
        // Numbers of builds come in no order.
        let build_id = line.wrapping_mul(0x9e37_79b9) % 1_000_000_007 + 1;
        let at = Second(1_738_648_800 + 120 * i64::try_from(line).unwrap());
        engine.know(None, build_id, "f41", at - Seconds(86_400));
        let name = format!("p{line}").into();
        let tagging = Tagging {
            instance: None,
            tag: "f42".into(),
            build_id,
            name,
            version: "1".into(),
            release: "1.fc42".into(),
            owner: None,
            user: Some("releng".into()),
        };
        let (id, topic, sent_at) = (MessageId::parse(&format!("m-{line}")), "".into(), SentAt::At(at));
        let decoded = Decoded { id, topic, sent_at, body: Body::Tag(tagging) };
        engine.record(Position { partition: 0, offset: line }, None, Ok(decoded));
        if line.is_multiple_of(20_000) {
            let decisions = engine.take_output().decisions;
            state.commit(&mut engine, &Batch { decisions: &decisions, ..Batch::default() }).unwrap();
        }
    }
    path
}

#[test]
fn a_million_decisions_answer_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = million(dir.path());
    let build = (5_000 * 0x9e37_79b9_u64 % 1_000_000_007 + 1).to_string();
    for (asked, found) in
        [("p500000-1-1.fc42", 1), ("m-777777", 1), (&build, 1), ("q500000-1-1.fc42", 0), ("m-0", 0)]
    {
        let before = now();
        let reader = Reader::open(&path).unwrap();
        let stories = reader.stories(asked).unwrap();
        if stories.is_empty() {
            assert_eq!(reader.missing(asked).unwrap().decisions, 999_999, "the last one waits");
        }
        let took = since(before);
        println!("{asked}: {took:?}");
        assert_eq!(stories.len(), found, "{asked}");
        assert!(stories.iter().all(|story| story.steps.len() == 1), "{asked}: {stories:?}");
        assert!(took < AT_MOST, "{asked}: {took:?}");
    }
}

/// Starting a process copies every descriptor for a moment, that of the lock too.
#[test]
fn the_lock_is_given_back_while_other_threads_start_processes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            for _ in 0..200 {
                assert!(Command::new("true").status().unwrap().success());
            }
        });
        while !starting.is_finished() {
            drop(State::open(&path, false).unwrap());
        }
    });
}
