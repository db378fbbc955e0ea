//! The same seed gives the same bytes, for ever; and each stream is what its truth says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::score::truth::{Fact, Facts, Label};

/// Of all files of a scenario at a hundredth of its size, seed 1: the first bytes of their SHA-256. A change of one is a
/// change of every figure that was measured with the stream.
const HASHES: [(&str, &str); 13] = [
    ("quiet-week", "ff196e334fa7c477"),
    ("side-tag-merge", "04119b3b45d85354"),
    ("mass-rebuild-blocks", "b88e7d449f5334fb"),
    ("branching", "fb0024743dfcfe63"),
    ("branching-slow-drip", "487f5f12ee86a729"),
    ("re-sign-churn", "ca7a6b387f42117b"),
    ("bridge-outage", "9cf0b13a43c0f67d"),
    ("hub-clock-fast", "5ef0840de9b36df2"),
    ("phantom-then-real", "3b2224b017e0d6f7"),
    ("untag-retag", "8b51e6a468df246c"),
    ("malformed", "2fc8b56b7edc6a7e"),
    ("lagging-partition", "a2b703c6d4600971"),
    ("mix", "5fbdecab262cd6a1"),
];

const FILES: [&str; 8] = [
    "events.jsonl",
    "kafka.jsonl",
    "warmup.jsonl",
    "known_builds.jsonl",
    "packages.txt",
    "renames",
    "truth.jsonl",
    "truth.json",
];

fn files(world: &World) -> BTreeMap<&'static str, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    world.write_all(dir.path()).unwrap();
    FILES.into_iter().map(|name| (name, std::fs::read(dir.path().join(name)).unwrap())).collect()
}

fn small(name: &str, seed: u64) -> BTreeMap<&'static str, Vec<u8>> {
    files(&generate(name, seed, 0.01).unwrap())
}

fn hash(files: &BTreeMap<&str, Vec<u8>>) -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in files {
        hasher.update(name);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    let first: [u8; 8] = hasher.finalize()[..8].try_into().unwrap();
    format!("{:016x}", u64::from_be_bytes(first))
}

fn json_lines(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or(Value::Null))
        .collect()
}

fn facts(files: &BTreeMap<&str, Vec<u8>>) -> (Facts, Vec<Fact>) {
    let facts = serde_json::from_slice(&files["truth.json"]).unwrap();
    let lines =
        json_lines(&files["truth.jsonl"]).into_iter().map(|line| serde_json::from_value(line).unwrap());
    (facts, lines.collect())
}

#[test]
fn the_bytes_of_every_scenario_are_as_committed() {
    let now: Vec<(&str, String)> =
        scenarios().iter().map(|scenario| (scenario.name, hash(&small(scenario.name, 1)))).collect();
    let now: Vec<(&str, &str)> = now.iter().map(|(name, hash)| (*name, hash.as_str())).collect();
    assert_eq!(now, HASHES);
}

#[test]
fn another_seed_gives_another_stream_and_the_same_seed_the_same() {
    for scenario in scenarios() {
        assert_eq!(hash(&small(scenario.name, 2)), hash(&small(scenario.name, 2)), "{}", scenario.name);
        assert_ne!(hash(&small(scenario.name, 1)), hash(&small(scenario.name, 2)), "{}", scenario.name);
    }
}

#[test]
fn every_line_has_its_truth_and_its_place_in_kafka() {
    for scenario in scenarios() {
        let files = small(scenario.name, 3);
        let events = json_lines(&files["events.jsonl"]);
        let (all, truth) = facts(&files);
        let kafka = json_lines(&files["kafka.jsonl"]);
        assert!(events.len() > 20, "{}", scenario.name);
        assert_eq!((truth.len(), kafka.len()), (events.len(), events.len()), "{}", scenario.name);
        assert_eq!(all.labels.values().sum::<u64>(), truth.len() as u64);
        for (index, ((event, fact), side)) in events.iter().zip(&truth).zip(&kafka).enumerate() {
            assert_eq!((fact.line, side["line"].as_u64()), (index as u64 + 1, Some(index as u64 + 1)));
            if fact.label == Label::Malformed {
                continue;
            }
            assert_eq!(event["id"].as_str(), fact.id.as_deref(), "{} line {}", scenario.name, fact.line);
            let trigger = event["topic"] == "org.fedoraproject.prod.buildsys.tag"
                && event["body"]["tag"] == "f42"
                && event["body"]["instance"] == "primary";
            let said = matches!(fact.base, Label::Fresh | Label::Retag | Label::Ineligible);
            assert_eq!(trigger, said, "{} line {}", scenario.name, fact.line);
            assert!(side["timestamp"].as_f64().unwrap() / 1_000.0 >= fact.t);
        }
        let arrived = kafka.iter().map(|side| side["timestamp"].as_i64().unwrap());
        assert!(arrived.is_sorted(), "{}", scenario.name);
    }
}

#[test]
fn a_line_is_json_with_sorted_keys_of_a_real_size() {
    let files = small("quiet-week", 1);
    for line in String::from_utf8(files["events.jsonl"].clone()).unwrap().lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        // A map of serde_json is sorted, so what it writes has to be what was read.
        let compact = serde_json::to_string(&value).unwrap();
        let spaced = line.replace("\": ", "\":").replace(", ", ",");
        assert_eq!(spaced, compact);
        assert!((400..2_048).contains(&line.len()), "{} bytes: {line}", line.len());
    }
}

/// By event time, from the warm-up and the stream, in a completion or a tag that shows a build to be new.
#[test]
fn every_new_build_has_evidence_before_it_lands() {
    for scenario in scenarios().iter().filter(|scenario| scenario.name != "mix") {
        let files = small(scenario.name, 4);
        let (_, truth) = facts(&files);
        let mut shown: BTreeMap<u64, String> = BTreeMap::new();
        let warm = json_lines(&files["warmup.jsonl"]);
        let stream = json_lines(&files["events.jsonl"]);
        for event in warm.iter().chain(&stream) {
            let (body, topic) = (&event["body"], event["topic"].as_str().unwrap_or_default());
            let (Some(build), Some(at)) = (body["build_id"].as_u64(), event["headers"]["sent-at"].as_str())
            else {
                continue;
            };
            let tag = body["tag"].as_str().unwrap_or_default();
            let complete = topic.ends_with("state.change") && body["new"] == 1;
            let early = tag == "f42-updates-candidate" || tag.starts_with("f42-build-side-");
            let on_its_way = early && !tag.ends_with("-signing-pending") && !topic.ends_with("untag");
            if complete || on_its_way {
                let first = shown.entry(build).or_insert_with(|| at.to_owned());
                *first = (*first).clone().min(at.to_owned());
            }
        }
        for (event, fact) in stream.iter().zip(&truth).filter(|(_, fact)| fact.label == Label::Fresh) {
            let landed = event["headers"]["sent-at"].as_str().unwrap();
            let first = shown.get(&fact.build.unwrap());
            assert!(first.is_some_and(|first| first.as_str() <= landed), "{}: {event}", scenario.name);
        }
    }
}

#[test]
fn a_redelivery_repeats_a_message_or_a_build_in_the_trigger_tag() {
    for scenario in scenarios() {
        let (_, truth) = facts(&small(scenario.name, 5));
        let (mut ids, mut builds) = (BTreeSet::new(), BTreeSet::new());
        for fact in &truth {
            let seen_id = fact.id.clone().is_some_and(|id| !ids.insert(id));
            let trigger = matches!(fact.base, Label::Fresh | Label::Retag | Label::Ineligible);
            let seen_build = trigger && !builds.insert(fact.build.unwrap());
            assert_eq!(fact.label == Label::Redelivery, seen_id || seen_build, "{} {fact:?}", scenario.name);
        }
    }
}

#[test]
fn old_builds_are_known_unless_the_start_is_cold() {
    for scenario in scenarios().iter().filter(|scenario| scenario.retags) {
        let options = Options { scale: 0.05, ..Options::default() };
        let warm = files(&generate_with(scenario.name, options).unwrap());
        let (_, truth) = facts(&warm);
        let mut known: BTreeSet<u64> = json_lines(&warm["known_builds.jsonl"])
            .iter()
            .map(|line| line["build_id"].as_u64().unwrap())
            .collect();
        assert!(!known.is_empty() && !warm["warmup.jsonl"].is_empty());
        let stream = json_lines(&warm["events.jsonl"]);
        known.extend(
            stream
                .iter()
                .filter(|event| event["body"]["tag"] == "f41")
                .filter_map(|event| event["body"]["build_id"].as_u64()),
        );
        let mut retags = truth.iter().filter(|fact| fact.base == Label::Retag);
        assert!(retags.clone().count() > 0, "{}", scenario.name);
        assert!(retags.all(|fact| known.contains(&fact.build.unwrap())), "{}", scenario.name);
        let cold = files(&generate_with(scenario.name, Options { cold: true, ..options }).unwrap());
        assert!(cold["known_builds.jsonl"].is_empty() && cold["warmup.jsonl"].is_empty());
        assert_eq!(cold["events.jsonl"], warm["events.jsonl"], "{}", scenario.name);
    }
}

#[test]
fn what_cannot_be_generated_is_refused_with_a_way_out() {
    let refused = |name, options| generate_with(name, options).unwrap_err().to_string();
    let options = Options::default();
    assert!(refused("brnaching", options).contains("did you mean branching?"));
    assert!(refused("quiet_wek", options).contains("did you mean quiet-week?"));
    let far = refused("zzz", options);
    assert!(!far.contains("did you mean"), "{far}");
    assert!(scenarios().iter().all(|scenario| far.contains(scenario.name)), "{far}");
    for scale in [0.0, -1.0, 1.1, f64::NAN, f64::INFINITY] {
        assert!(refused("branching", Options { scale, ..options }).contains("above 0, at most 1"), "{scale}");
    }
    assert!(refused("branching", Options { lines: Some(5), ..options }).contains("for mix"));
}

#[test]
fn a_mix_has_exactly_the_lines_that_were_asked_for() {
    for lines in [0, 1, 19, 20, 21, 12_345] {
        let world = generate_with("mix", Options { lines: Some(lines), ..Options::default() }).unwrap();
        let mut out = Vec::new();
        world.write_events(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().lines().count() as u64, lines);
    }
}
