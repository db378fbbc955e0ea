//! The shipped pipeline files, and the documentation of their keys.

use std::path::{Path, PathBuf};

use tidegate::pipeline::{self, Follow, Origin, Override, Sink};
use tidegate::settings::{Rule, Settings};
use tidegate::time::Seconds;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn shipped() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(Path::new(ROOT).join("pipelines")).expect("a folder");
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn load(name: &str, sets: &[&str]) -> pipeline::Pipeline {
    let sets: Vec<Override> = sets.iter().map(|set| Override::parse(set).expect("a setting")).collect();
    let path = Path::new(ROOT).join("pipelines").join(name);
    pipeline::load(&path, &sets).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_shipped_file_loads_without_a_warning() {
    let files = shipped();
    assert_eq!(files.len(), 4);
    for file in files {
        let pipeline = pipeline::load(&file, &[]).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(pipeline.warnings, [], "{}", file.display());
        assert_eq!(pipeline.sink, Sink::DryRun);
        assert_eq!(Some(pipeline.name.as_ref()), file.file_stem().unwrap().to_str());
    }
}

#[test]
fn the_example_in_containers_fits_together() {
    let read =
        |name: &str| std::fs::read_to_string(Path::new(ROOT).join("deploy").join(name)).expect("a file");
    let tidegate = |arguments: &[String]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let done = command.args(arguments).current_dir(ROOT).output().expect("an end");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    tidegate(&["check", "deploy/pipeline.toml"].map(str::to_owned));
    let pipeline = pipeline::load(&Path::new(ROOT).join("deploy/pipeline.toml"), &[]).expect("a pipeline");
    let compose = read("compose.yaml");
    for broker in &pipeline.kafka.brokers {
        assert!(compose.contains(&format!("KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://{broker}\n")), "{broker}");
    }
    let made = compose.lines().find_map(|line| line.trim().strip_prefix("for topic in ")).expect("topics");
    let outputs = pipeline.outputs;
    for topic in pipeline.kafka.topics.into_iter().chain(outputs.decisions).chain(outputs.bursts) {
        let is_it = |word: &str| word.split_once(':').is_some_and(|(name, _)| name == topic);
        assert!(made.split_whitespace().any(is_it), "nobody makes the topic {topic}: {made}");
    }
    // The command line is one that this version takes, about the file that is mounted.
    let command = compose.lines().find_map(|line| line.trim().strip_prefix("command: ")).expect("a command");
    let mut arguments: Vec<String> = serde_json::from_str(command).expect("a list");
    let file = arguments[1].clone();
    assert!(compose.contains(&format!("- ./pipeline.toml:{file}:ro\n")), "{file}");
    arguments.push("--help".to_owned());
    tidegate(&arguments);
}

#[test]
fn eln_follows_rawhide_and_is_replayed_with_the_tag_of_its_time() {
    let pipeline = load("eln.toml", &[]);
    assert_eq!(pipeline.follow, Follow::Alias { alias: "rawhide".to_owned(), tag: None });
    let error = pipeline.settings().unwrap_err().to_string();
    assert!(error.contains("`eln` follows `rawhide`") && error.contains("--set trigger.follow="), "{error}");

    let family = "trigger.family=f41@2025-02-04T10:00:00Z,f42";
    let settings = load("eln.toml", &["trigger.follow=f42", family]).settings().unwrap();
    let mut expected = Settings::defaults("f42");
    expected.name = "eln".to_owned();
    expected.hash.clone_from(&settings.hash);
    expected.trigger.family.insert(
        0,
        tidegate::settings::FamilyTag {
            tag: "f41".to_owned(),
            left_at: tidegate::time::Second::parse("2025-02-04T10:00:00Z"),
        },
    );
    expected.select.renames = vec![("freeipa".to_owned(), "ipa".to_owned())];
    expected.select.needs_list = true;
    assert_eq!(settings, expected);
}

#[test]
fn the_fast_profile_keeps_both_rules_for_other_tags() {
    let burst = load("eln-fast.toml", &["trigger.follow=f42"]).settings().unwrap().burst;
    let (steep, slow) = (Rule { count: 100, within: Seconds(5) }, Rule { count: 30, within: Seconds(60) });
    assert_eq!(
        (burst.hold_back, burst.rules, burst.other_rules),
        (Seconds(6), vec![steep], vec![steep, slow])
    );
}

#[test]
fn epel_and_centos_remember_trails_for_sixty_days() {
    for (name, tag, prefix) in [
        ("epel.toml", "epel9", "org.fedoraproject.prod.buildsys."),
        ("centos-stream.toml", "c10s-pending-signed", "org.centos.prod.buildsys."),
    ] {
        let settings = load(name, &[]).settings().unwrap();
        assert_eq!(settings.evidence.max_trail_age, Seconds(60 * 86_400), "{name}");
        assert_eq!((settings.trigger.tag.as_str(), settings.route.topic_prefix.as_str()), (tag, prefix));
    }
}

#[test]
fn the_effective_configuration_tells_where_each_value_comes_from() {
    let pipeline = load("eln-fast.toml", &["burst.quiet=90s"]);
    let known: Vec<&str> = pipeline::keys().iter().map(|key| key.path).collect();
    let listed: Vec<&str> = pipeline.entries.iter().map(|entry| entry.key).collect();
    assert_eq!(listed, known);
    let entry = |key: &str| {
        let entry = pipeline.entries.iter().find(|entry| entry.key == key).unwrap();
        (entry.value.as_str(), entry.origin)
    };
    assert_eq!(entry("burst.quiet"), ("\"1m30s\"", Origin::Set));
    assert_eq!(entry("burst.suspect_max"), ("\"30m\"", Origin::Default));
    let text = std::fs::read_to_string(Path::new(ROOT).join("pipelines/eln-fast.toml")).unwrap();
    let line = text.lines().position(|line| line.starts_with("hold_back")).unwrap() + 1;
    assert_eq!(entry("burst.hold_back"), ("\"6s\"", Origin::File { line }));
}

/// Rows of the tables in the documentation: `section.key`, type, default, range, meaning.
fn documented() -> Vec<[String; 5]> {
    let text =
        std::fs::read_to_string(Path::new(ROOT).join("docs/pipeline-file.md")).expect("the documentation");
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let named = if title.starts_with('[') { title } else { "" };
            named.trim_matches(['[', ']']).clone_into(&mut section);
        }
        let Some(row) = line.strip_prefix("| `").and_then(|row| row.strip_suffix(" |")) else { continue };
        let cells: Vec<&str> = row.split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [key, kind, default, range, meaning] = cells[..] else { panic!("no row of five cells: {line}") };
        let path = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        rows.push([path, kind.to_owned(), default.to_owned(), range.to_owned(), meaning.to_owned()]);
    }
    rows
}

#[test]
fn every_key_is_documented_as_it_is_and_no_other() {
    let rows = documented();
    let told: Vec<[&str; 4]> = rows
        .iter()
        .map(|[path, kind, default, range, _]| [path, kind, default, range].map(String::as_str))
        .collect();
    let keys = [pipeline::keys(), pipeline::test_keys()].concat();
    let known: Vec<[&str; 4]> =
        keys.iter().map(|key| [key.path, &key.shape, &key.default, &key.range].map(AsRef::as_ref)).collect();
    assert_eq!(told, known);
    assert!(rows.iter().all(|row| row[4].len() > 10));
}
