//! Two pipelines over the same records: the figures are those of two replays, and no difference is left out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot read its own files has failed"
)]

use std::collections::BTreeMap;
use std::path::Path;

use tidegate::generate::{Options as Stream, generate_with};
use tidegate::pipeline::{self, Override};
use tidegate::replay::backtest::{BacktestError, backtest};
use tidegate::replay::{Options, replay};
use tidegate::settings::Settings;

const TEXT: &str = "[trigger]\nfollow = \"f42\"\nfamily = [\"f41@2025-02-04T09:08:23Z\", \"f42\"]\n";

fn settings(sets: &[&str]) -> Settings {
    let sets: Vec<Override> = sets.iter().map(|set| Override::parse(set).unwrap()).collect();
    let pipeline = pipeline::parse("x.toml", TEXT, &sets).unwrap_or_else(|report| panic!("{report}"));
    pipeline.settings().unwrap()
}

/// A generated stream in a folder, as a replay takes it.
fn stream(dir: &Path, name: &str, options: Stream) -> Options {
    generate_with(name, options).unwrap().write_all(dir).unwrap();
    let file = |name: &str| Some(dir.join(name));
    Options {
        inputs: vec![dir.join("events.jsonl")],
        kafka: file("kafka.jsonl"),
        packages: file("packages.txt"),
        renames: file("renames"),
        known: file("known_builds.jsonl"),
        warmup: file("warmup.jsonl"),
        ..Options::default()
    }
}

/// Outcome and reason of each line, as a replay writes them.
fn decisions(settings: Settings, options: &Options, to: &Path) -> (String, BTreeMap<u64, (String, String)>) {
    let options = Options { decisions: Some(to.to_owned()), ..options.clone() };
    let summary = replay(settings, &options, &mut |_, _| {}).unwrap();
    let lines = std::fs::read_to_string(to).unwrap();
    let decided = lines.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (row["line"].as_u64().unwrap(), (text("outcome"), text("reason")))
    });
    (serde_json::to_string(&summary).unwrap(), decided.collect())
}

#[test]
fn figures_and_differences_are_those_of_two_replays() {
    for (scenario, sets) in [
        ("branching", &["burst.hold_back=6s", "burst.rules=100 in 5s"][..]),
        ("mass-rebuild-blocks", &["burst.actor_size=100000", "evidence.rebuild_tags=[]"]),
        ("malformed", &["decode.instances=[\"primary\", \"secondary\"]"]),
        ("side-tag-merge", &["burst.hold_size=50"]),
        ("branching-slow-drip", &["trigger.family=f42"]),
        ("lagging-partition", &[]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let options = stream(dir.path(), scenario, Stream { scale: 0.05, ..Stream::default() });
        let comparison =
            backtest((settings(&[]), settings(sets)), &options, Some(dir.path()), &mut |_, _| {}).unwrap();
        let (old, before) = decisions(settings(&[]), &options, &dir.path().join("old.jsonl"));
        let (new, after) = decisions(settings(sets), &options, &dir.path().join("new.jsonl"));
        assert_eq!(serde_json::to_string(&comparison.old.summary).unwrap(), old, "{scenario}");
        assert_eq!(serde_json::to_string(&comparison.new.summary).unwrap(), new, "{scenario}");
        // A dead letter's reason is its code in the file; a hold of another kind is a difference that the file hides.
        let differing: Vec<u64> = before
            .iter()
            .filter(|(line, decided)| decided.0 != "dead_letter" && after[line] != **decided)
            .map(|(line, _)| *line)
            .collect();
        let told: Vec<u64> = comparison
            .differences
            .iter()
            .filter(|line| (line.old.outcome, line.old.reason) != (line.new.outcome, line.new.reason))
            .map(|line| line.line)
            .collect();
        assert_eq!(told, differing, "{scenario}");
        let counted: u64 = comparison.changes.values().sum();
        assert_eq!(counted, comparison.differences.len() as u64, "{scenario}");
        assert_eq!(comparison.differences.is_empty(), comparison.changes.is_empty(), "{scenario}");
        for line in &comparison.differences {
            let (outcome, reason) = &after[&line.line];
            assert_eq!((line.new.outcome, line.new.reason), (outcome.as_str(), Some(reason.as_str())));
        }
    }
}

#[test]
fn the_truth_tells_leaks_as_the_score_of_a_replay_does() {
    let dir = tempfile::tempdir().unwrap();
    let options = stream(dir.path(), "branching", Stream { scale: 0.05, cold: true, ..Stream::default() });
    // What appears in a flooded candidate tag is taken for evidence, and completions too old for the memory are not.
    let worse = ["burst.other_rules=1000000 in 1s", "evidence.max_trail_age=1h"];
    let comparison =
        backtest((settings(&[]), settings(&worse)), &options, Some(dir.path()), &mut |_, _| {}).unwrap();
    for (side, sets) in [(&comparison.old, &[][..]), (&comparison.new, &worse)] {
        let to = dir.path().join("decisions.jsonl");
        decisions(settings(sets), &options, &to);
        let score = tidegate::score::score(dir.path(), &to).unwrap();
        assert_eq!(side.score.as_ref(), Some(&score));
        assert_eq!(side.latency.map(|latency| latency.submitted), Some(side.summary.submitted));
    }
    assert!(comparison.differences.iter().all(|line| line.truth.is_some()));
}

#[test]
fn the_truth_of_another_stream_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let options = stream(dir.path(), "quiet-week", Stream { scale: 0.02, ..Stream::default() });
    stream(other.path(), "branching", Stream { scale: 0.02, ..Stream::default() });
    let refused =
        backtest((settings(&[]), settings(&[])), &options, Some(other.path()), &mut |_, _| {}).unwrap_err();
    assert!(matches!(refused, BacktestError::OtherTruth { .. }), "{refused}");
}

#[test]
fn the_text_names_the_first_and_counts_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let options = stream(dir.path(), "side-tag-merge", Stream { scale: 0.2, ..Stream::default() });
    let sets = ["burst.hold_size=20"];
    let comparison =
        backtest((settings(&[]), settings(&sets)), &options, Some(dir.path()), &mut |_, _| {}).unwrap();
    let count = comparison.differences.len();
    assert!(count > 3, "{count}");
    let text = comparison.text(2).to_string();
    assert_eq!(text.lines().filter(|line| line.starts_with("  line ")).count(), 2, "{text}");
    assert!(text.contains(&format!("and {} more; -o json has all", count - 2)), "{text}");
    assert!(text.contains("submitted to held"), "{text}");
    let same = backtest((settings(&[]), settings(&[])), &options, None, &mut |_, _| {}).unwrap();
    assert!(same.text(2).to_string().contains("Both decide every record alike."));
    assert_eq!((same.differences.len(), same.retimed), (0, 0));
}
