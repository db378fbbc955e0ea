//! The shipped pipelines on labelled streams that are not ours: every scenario of `../shared/scenarios`, full size.
//!
//! Warm (known builds and two weeks of warm-up) and cold (no known builds), with both profiles. Seed 1; with
//! `TIDEGATE_SCENARIOS=full` seeds 1 to 3. Needs `python3`, which makes the streams.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]
#![expect(clippy::print_stdout, reason = "the figures are what somebody who reads the log wants to see")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use tidegate::score::Score;
use tidegate::score::truth::Label;

#[path = "common/shared.rs"]
mod shared;
#[path = "common/stream.rs"]
mod stream;

/// Here every new build has to go through.
const NONE_STRANDED: [&str; 4] = ["quiet_week", "side_tag_kde", "python_rebuild", "bridge_restart_replay"];
/// Here new builds of a mass rebuild wait for a person, and others that come meanwhile.
const MASS_REBUILD: [&str; 3] = ["mass_rebuild_merge", "mass_rebuild_blocks", "kitchen_sink"];

fn names(generator: &Path) -> Vec<String> {
    let help = Command::new("python3").arg(generator).arg("-h").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap().replace('\n', " ");
    let (_, list) = text.rsplit_once("scenarios:").unwrap();
    list.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn make(generator: &Path, name: &str, seed: u64, cold: bool, dir: &Path) {
    let mut command = Command::new("python3");
    command.arg(generator).args([name, "--seed", &seed.to_string(), "--out"]).arg(dir);
    if cold {
        command.args(["--set", "cold=true"]);
    }
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// New builds that were merged from `fN-rebuild`, by line: tagged by the release engineers within the burst.
fn of_mass_rebuild(dir: &Path) -> BTreeSet<u64> {
    let facts = stream::facts(dir);
    let bursts: BTreeSet<_> = facts
        .bursts
        .iter()
        .filter(|burst| burst.kind == "mass_rebuild")
        .map(|burst| burst.id.clone())
        .collect();
    let events = std::fs::read(dir.join("events.jsonl")).unwrap();
    let by_releng = |line: &[u8]| memchr::memmem::find(line, b"\"user\": \"releng\"").is_some();
    let truth = stream::truth(dir);
    events
        .split(|byte| *byte == b'\n')
        .zip(&truth)
        .filter(|(line, fact)| {
            fact.base == Label::Fresh
                && fact.burst.as_ref().is_some_and(|id| bursts.contains(id))
                && by_releng(line)
        })
        .map(|(_, fact)| fact.line)
        .collect()
}

fn submitted(dir: &Path) -> BTreeSet<u64> {
    let text = std::fs::read_to_string(dir.join("decisions.jsonl")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.filter(|row| row.get("outcome").is_some_and(|outcome| outcome == "submitted"))
        .filter_map(|row| row.get("line")?.as_u64())
        .collect()
}

fn judge(name: &str, cold: bool, profile: &str, score: &Score, dir: &Path) {
    let what = || format!("{name}, cold {cold}, {profile}\n{score}");
    assert!(score.pass, "{}", what());
    let fresh = &score.fresh;
    let mass = of_mass_rebuild(dir);
    assert!(mass.is_disjoint(&submitted(dir)), "a build of the mass rebuild went through: {}", what());
    if !MASS_REBUILD.contains(&name) {
        let most = match (NONE_STRANDED.contains(&name), cold) {
            (true, false) => 0,
            (false, false) => fresh.builds / 50,
            (_, true) => fresh.builds / 20,
        };
        assert!(fresh.stranded <= most, "{} stranded, {most} may be: {}", fresh.stranded, what());
    }
    if !name.starts_with("malformed") && name != "kitchen_sink" {
        assert_eq!(fresh.dead_lettered, 0, "{}", what());
    }
    let latency = score.latency.as_ref().unwrap();
    if name == "quiet_week" {
        let most = if profile == "eln-fast.toml" { 8 } else { 62 };
        assert!(latency.median <= most && latency.p99 <= 300, "{}", what());
    }
    println!(
        "{name:24} {:5} {profile:14} fresh {:5} submitted {:5} stranded {:4} median {:4} s p99 {:5} s",
        if cold { "cold" } else { "warm" },
        fresh.builds,
        fresh.submitted,
        fresh.stranded,
        latency.median,
        latency.p99
    );
}

#[test]
fn every_scenario_warm_and_cold_with_both_profiles() {
    let Some(shared) = shared::shared() else { return };
    let generator = shared.join("scenarios/scenario.py");
    let full = std::env::var("TIDEGATE_SCENARIOS").is_ok_and(|value| value == "full");
    let names = names(&generator);
    assert!(names.len() >= 25, "{names:?}");
    for seed in if full { 1..=3 } else { 1..=1 } {
        for name in &names {
            for cold in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                make(&generator, name, seed, cold, dir.path());
                for profile in ["eln.toml", "eln-fast.toml"] {
                    let (score, _) = stream::judged(dir.path(), profile);
                    judge(name, cold, profile, &score, dir.path());
                }
            }
        }
    }
}
