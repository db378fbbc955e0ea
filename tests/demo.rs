//! `tidegate demo`, as a person runs it: what it says is so, and what it leaves can be looked into.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn tidegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).env_remove("NO_COLOR").output().unwrap()
}

fn demo(folder: &Path, seed: &str) -> String {
    let output = tidegate(&["demo", "--scale", "0.05", "--seed", seed, "--folder", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first number behind a text.
#[track_caller]
fn number(text: &str, behind: &str) -> u64 {
    let (_, rest) = text.split_once(behind).unwrap_or_else(|| panic!("no {behind:?} in:\n{text}"));
    let digits = rest.trim_start().split(|c: char| !c.is_ascii_digit() && c != ',').next().unwrap();
    digits.replace(',', "").parse().unwrap()
}

/// The lines of a file of JSON lines.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What it says, against the truth of its stream and the decisions in its state.
fn examine(folder: &Path, text: &str) {
    let truth = lines(&folder.join("stream/truth.jsonl"));
    let builds = |label: &str| -> BTreeSet<u64> {
        let of_it = truth.iter().filter(|line| line["label"] == label);
        of_it.map(|line| line["build"].as_u64().unwrap()).collect()
    };
    let (new, old) = (builds("fresh"), builds("retag"));
    assert!(new.len() > 3 && old.len() > 50, "{} new, {} old", new.len(), old.len());
    let db = folder.join("demo.db");
    let db = db.to_str().unwrap();
    let decided = tidegate(&["history", "--state", db, "--outcome", "submitted", "-o", "jsonl"]);
    let decided = String::from_utf8(decided.stdout).unwrap();
    let decided = decided.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut submitted: Vec<u64> =
        decided.map(|line| line.get("build_id").and_then(Value::as_u64).unwrap()).collect();
    submitted.sort_unstable();
    assert_eq!(submitted, new.iter().copied().collect::<Vec<_>>(), "each new build once, and nothing else");

    assert_eq!(number(text, "now submits"), number(text, "builds at once;") + later(&truth), "{text}");
    assert_eq!(number(text, "builds at once;"), old.len() as u64, "{text}");
    assert_eq!(number(text, "new builds       "), new.len() as u64, "{text}");
    for (what, count) in [("old builds submitted", 0), ("builds submitted twice", 0), ("  lost", 0)] {
        assert_eq!(number(text, what), count, "{text}");
    }
    // The last row of the table: nothing waits, and what waited has become something.
    let row = text.lines().rfind(|line| line.ends_with("quiet")).unwrap();
    let row: Vec<u64> =
        row.split_whitespace().take(4).map(|cell| cell.replace(',', "").parse().unwrap()).collect();
    let [waiting, submitted, dropped, held] = row[..] else { panic!("{row:?}") };
    assert_eq!((waiting, submitted + dropped + held), (0, number(text, "now submits")), "{text}");
    assert!(text.contains("pass: every message is accounted for"), "{text}");
}

/// New builds that come with the branching or after it.
fn later(truth: &[Value]) -> u64 {
    let from = truth.iter().position(|line| line["burst"] != Value::Null).unwrap();
    truth.iter().skip(from).filter(|line| line["label"] == "fresh").count() as u64
}

#[test]
fn a_branching_during_a_pause_is_shown_and_the_numbers_are_those_of_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let text = demo(folder.path(), "1");
    examine(folder.path(), &text);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    let long: Vec<_> = text.lines().filter(|line| line.len() > 80 && !line.contains('/')).collect();
    assert!(long.is_empty(), "wider than a terminal: {long:?}");

    // Another one in the same folder takes the place of the first.
    let second = demo(folder.path(), "2");
    assert_ne!(second, text);
    examine(folder.path(), &second);

    // The commands that it names can be typed.
    let joined = second.replace("\\\n", " ");
    let mut typed = 0;
    for line in joined.lines().filter(|line| line.starts_with("  /")) {
        let arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
        let output = tidegate(&arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{line}: {output:?}");
        typed += 1;
    }
    assert!(typed >= 5, "{second}");
}

#[test]
fn a_share_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = tidegate(&["demo", "--scale", "0", "--folder", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
