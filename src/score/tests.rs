//! Hand-made decisions about six lines, and the verdict that each deserves.

use std::fmt::Write as _;

use super::*;

/// Line 1 fresh, 2 its redelivery, 3 a re-tag, 4 ineligible, 5 unreadable, 6 another fresh build; hold-back 61 s.
const TRUTH: [(&str, &str, u64, Option<&str>); 6] = [
    ("fresh", "fresh", 10, None),
    ("redelivery", "fresh", 10, None),
    ("retag", "retag", 20, Some("b1")),
    ("ineligible", "ineligible", 30, Some("b1")),
    ("malformed", "malformed", 0, None),
    ("fresh", "fresh", 40, Some("b1")),
];
const PERFECT: [&str; 6] = ["submitted", "duplicate", "dropped", "ignored", "dead_letter", "submitted"];

fn row(line: usize, outcome: &str) -> String {
    let burst = if line == 3 { r#""h1""# } else { "null" };
    format!(
        r#"{{"line":{line},"id":"id{line}","outcome":"{outcome}","reason":"why","burst":{burst},"event_time":null,"decided_at_event_time":"2025-02-04T06:01:0{line}Z"}}"#
    )
}

fn judge(rows: &[String]) -> Score {
    let dir = tempfile::tempdir().unwrap();
    let mut truth = String::new();
    for (index, (label, base, build, burst)) in TRUTH.iter().enumerate() {
        let line = index + 1;
        let burst = burst.map_or("null".to_owned(), |burst| format!("{burst:?}"));
        writeln!(
            truth,
            r#"{{"line":{line},"id":"id{line}","label":"{label}","base":"{base}","build":{build},"burst":{burst},"t":1738648800.7}}"#
        )
        .unwrap();
    }
    let facts = r#"{"scenario":"six-lines","seed":1,"scale":1.0,"trigger_tag":"f42","old_tag":"f41","left_at":1738648800.0,
        "bursts":[{"id":"b1","kind":"retag","start":1738648800.0,"end":1738648801.0}],"labels":{"fresh":2},"more":[]}"#;
    std::fs::write(dir.path().join("truth.jsonl"), truth).unwrap();
    std::fs::write(dir.path().join("truth.json"), facts).unwrap();
    let decisions = dir.path().join("decisions.jsonl");
    std::fs::write(&decisions, rows.join("\n")).unwrap();
    score(dir.path(), &decisions).unwrap()
}

fn rows(outcomes: [&str; 6]) -> Vec<String> {
    outcomes.iter().enumerate().map(|(index, outcome)| row(index + 1, outcome)).collect()
}

fn with(line: usize, outcome: &'static str) -> Vec<String> {
    let mut outcomes = PERFECT;
    outcomes[line - 1] = outcome;
    rows(outcomes)
}

#[test]
fn perfect_decisions_pass() {
    let score = judge(&rows(PERFECT));
    assert!(score.pass, "{score}");
    assert_eq!(score.fresh, Fate { builds: 2, submitted: 2, ..Fate::default() });
    // Decided at 06:01:01 and 06:01:06, published in the second 06:00:00.
    assert_eq!(score.latency, Some(Latency { submitted: 2, median: 61, p99: 66 }));
    assert_eq!((score.bursts[0].lines, score.bursts[0].marked), (2, 1));
    assert_eq!(score.outcomes[&Label::Fresh]["submitted"], 2);
}

#[test]
fn what_must_not_happen_fails() {
    let leaks = |retag, twice| Leaks { retag, twice };
    for (line, outcome, expected, wrong) in [
        (3, "submitted", leaks(1, 0), None),
        (2, "submitted", leaks(0, 1), None),
        (4, "submitted", leaks(0, 0), Some(Label::Ineligible)),
        (5, "submitted", leaks(0, 0), Some(Label::Malformed)),
    ] {
        let score = judge(&with(line, outcome));
        assert!(!score.pass, "line {line} {outcome}");
        assert_eq!(score.leaks, expected, "line {line} {outcome}");
        assert_eq!(score.wrong_submits.keys().copied().next(), wrong, "line {line} {outcome}");
    }
    for outcome in ["dropped", "duplicate", "ignored"] {
        let score = judge(&with(6, outcome));
        assert_eq!((score.pass, score.fresh.lost), (false, 1), "{outcome}");
    }
}

#[test]
fn a_build_is_submitted_on_either_of_its_lines() {
    let score = judge(&rows(["dropped", "submitted", "dropped", "ignored", "dead_letter", "submitted"]));
    assert!(score.pass, "{score}");
    assert_eq!((score.fresh.submitted, score.fresh.lost), (2, 0));
}

#[test]
fn every_line_has_exactly_one_outcome() {
    let perfect = rows(PERFECT);
    let none = Conservation::default();
    let without_line = |line: usize| {
        let mut rows = perfect.clone();
        rows.remove(line - 1);
        rows
    };
    let and = |row: String| [perfect.clone(), vec![row]].concat();
    let instead = |row: String| [perfect[1..].to_vec(), vec![row]].concat();
    for (rows, expected) in [
        (without_line(4), Conservation { missing: 1, ..none }),
        (and(row(4, "ignored")), Conservation { double: 1, ..none }),
        (and(row(7, "ignored")), Conservation { unknown_line: 1, ..none }),
        (and(row(0, "ignored")), Conservation { unknown_line: 1, ..none }),
        (instead(row(1, "pending")), Conservation { bad_outcome: 1, ..none }),
        (instead(row(1, "submitted").replace("id1", "id2")), Conservation { other_id: 1, ..none }),
    ] {
        let score = judge(&rows);
        assert_eq!((score.pass, score.conservation), (false, expected), "{rows:?}");
    }
    let score = judge(&without_line(6));
    assert_eq!((score.fresh.missing, score.fresh.lost), (1, 0));
}

#[test]
fn submitting_all_fails_and_holding_all_passes_at_a_price() {
    let score = judge(&rows(["submitted"; 6]));
    assert_eq!((score.pass, score.leaks), (false, Leaks { retag: 1, twice: 1 }));
    assert_eq!(score.wrong_submits.values().sum::<u64>(), 2);
    let score = judge(&rows(["held"; 6]));
    assert_eq!((score.pass, score.fresh.stranded, score.latency), (true, 2, None));
    assert_eq!(score.stranded_by_reason["why"], 2);
    let text = score.to_string();
    assert!(text.contains("2 stranded"), "{text}");
}

#[test]
fn the_order_of_decisions_does_not_matter() {
    let mut reversed = rows(PERFECT);
    reversed.reverse();
    assert_eq!(judge(&reversed), judge(&rows(PERFECT)));
}

#[test]
fn percentiles_of_waits() {
    let of = |waits: &[i64]| Latency::of(&mut waits.to_vec()).map(|wait| (wait.median, wait.p99));
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[7]), Some((7, 7)));
    assert_eq!(of(&[4, 1, 3, 2]), Some((2, 4)));
    assert_eq!(of(&(1..=100).collect::<Vec<_>>()), Some((50, 99)));
}

#[test]
fn a_truth_that_was_sorted_or_cut_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.jsonl");
    let line = r#"{"line":2,"id":null,"label":"fresh","base":"fresh","build":1,"burst":null,"t":0}"#;
    std::fs::write(&path, line).unwrap();
    let error = read_truth(&path).unwrap_err().to_string();
    assert!(error.contains("line 1 is the truth of line 2"), "{error}");
}
