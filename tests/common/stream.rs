//! Runs a shipped pipeline over a folder with a labelled stream, as `tidegate generate --truth` writes it.

use std::fs;
use std::path::{Path, PathBuf};

use tidegate::pipeline::{self, Override};
use tidegate::replay::summary::Summary;
use tidegate::replay::{self, replay};
use tidegate::score::truth::{Fact, Facts};
use tidegate::score::{Score, score};
use tidegate::settings::Settings;
use tidegate::time::Second;

/// What is known of a stream as a whole.
pub(crate) fn facts(dir: &Path) -> Facts {
    serde_json::from_slice(&fs::read(dir.join("truth.json")).unwrap()).unwrap()
}

/// The settings of a shipped pipeline for a stream.
pub(crate) fn settings(profile: &str, facts: &Facts) -> Settings {
    let left_at = Second::from_float(facts.left_at).unwrap();
    let (new, old) = (&facts.trigger_tag, &facts.old_tag);
    let sets = [format!("trigger.follow={new}"), format!("trigger.family={old}@{left_at},{new}")];
    let sets: Vec<Override> = sets.iter().map(|set| Override::parse(set).unwrap()).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(profile);
    pipeline::load(&path, &sets).unwrap_or_else(|report| panic!("{report}")).settings().unwrap()
}

/// What a replay of a folder takes; decisions go to `decisions`.
pub(crate) fn options(dir: &Path, decisions: PathBuf) -> replay::Options {
    let file = |name: &str| Some(dir.join(name));
    replay::Options {
        inputs: vec![dir.join("events.jsonl")],
        kafka: file("kafka.jsonl"),
        packages: file("packages.txt"),
        renames: file("renames"),
        known: file("known_builds.jsonl"),
        warmup: file("warmup.jsonl"),
        decisions: Some(decisions),
        ..replay::Options::default()
    }
}

/// What every line of a stream is.
pub(crate) fn truth(dir: &Path) -> Vec<Fact> {
    let text = fs::read_to_string(dir.join("truth.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a pipeline over a folder, and judges what it wrote into `decisions.jsonl` there.
pub(crate) fn judged(dir: &Path, profile: &str) -> (Score, Summary) {
    let decisions = dir.join("decisions.jsonl");
    let options = options(dir, decisions.clone());
    let summary = replay(settings(profile, &facts(dir)), &options, &mut |_, _| ()).unwrap();
    (score(dir, &decisions).unwrap(), summary)
}
