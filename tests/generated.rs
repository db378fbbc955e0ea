//! The shipped pipelines on every generated scenario, warm and cold, judged with the truth.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tidegate::generate::{self, scenarios};
use tidegate::score::score;
use tidegate::score::truth::{Fact, Label};

#[path = "common/stream.rs"]
mod stream;
use stream::{judged, truth};

/// Here every new build has to go through: nothing is wrong with it, and nothing old is like it.
const NONE_STRANDED: [&str; 4] = ["quiet-week", "side-tag-merge", "bridge-outage", "hub-clock-fast"];

fn submitted(dir: &Path) -> BTreeSet<u64> {
    let text = fs::read_to_string(dir.join("decisions.jsonl")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.filter(|row| row.get("outcome").is_some_and(|outcome| outcome == "submitted"))
        .filter_map(|row| row.get("line")?.as_u64())
        .collect()
}

fn check_all(scale: f64, seed: u64, cold: bool) {
    for scenario in scenarios() {
        let name = scenario.name;
        let dir = tempfile::tempdir().unwrap();
        let lines = (name == "mix").then_some(50_000);
        let options = generate::Options { seed, scale, lines, cold };
        generate::generate_with(name, options).unwrap().write_all(dir.path()).unwrap();
        let truth = truth(dir.path());
        let mass: Vec<&Fact> =
            truth.iter().filter(|fact| fact.variant.as_deref() == Some("mass_rebuild")).collect();
        let of_mass: BTreeSet<_> =
            mass.iter().filter(|fact| fact.base == Label::Fresh).map(|fact| fact.build).collect();
        for profile in ["eln.toml", "eln-fast.toml"] {
            let (score, _) = judged(dir.path(), profile);
            let what = format!("{profile}, seed {seed}, scale {scale}, cold {cold}\n{score}");
            assert!(score.pass, "{what}");
            let submitted = submitted(dir.path());
            assert!(mass.iter().all(|fact| !submitted.contains(&fact.line)), "{what}");
            // Nothing of a mass rebuild is submitted or lost, so each of its builds is among the stranded.
            let stranded = score.fresh.stranded - of_mass.len() as u64;
            let most = if NONE_STRANDED.contains(&name) { 0 } else { score.fresh.builds / 50 };
            assert!(cold || stranded <= most, "{stranded} stranded: {what}");
            assert!(score.fresh.submitted > 0, "{what}");
        }
    }
}

#[test]
fn at_full_size() {
    check_all(1.0, 1, false);
}

#[test]
fn at_full_size_from_a_cold_start() {
    check_all(1.0, 2, true);
}

#[test]
fn at_a_tenth_of_the_size() {
    check_all(0.1, 3, false);
    check_all(0.1, 4, true);
}

/// A stream on which everybody passes would prove nothing.
#[test]
fn who_submits_all_that_is_eligible_fails_wherever_old_builds_come_back() {
    let mut failed = BTreeSet::new();
    for scenario in scenarios() {
        let dir = tempfile::tempdir().unwrap();
        generate::generate(scenario.name, 1, 0.1).unwrap().write_all(dir.path()).unwrap();
        let mut decisions = String::new();
        for fact in truth(dir.path()) {
            let eligible = matches!(fact.label, Label::Fresh | Label::Retag);
            let outcome = if eligible { "submitted" } else { "ignored" };
            writeln!(decisions, r#"{{"line":{},"outcome":"{outcome}"}}"#, fact.line).unwrap();
        }
        fs::write(dir.path().join("decisions.jsonl"), decisions).unwrap();
        let score = score(dir.path(), &dir.path().join("decisions.jsonl")).unwrap();
        if score.leaks.retag > 0 {
            failed.insert(scenario.name);
        }
        assert_eq!(score.pass, score.leaks.retag == 0, "{score}");
    }
    let expected = [
        "branching",
        "branching-slow-drip",
        "bridge-outage",
        "hub-clock-fast",
        "lagging-partition",
        "phantom-then-real",
        "re-sign-churn",
    ];
    assert_eq!(failed, BTreeSet::from(expected));
}
