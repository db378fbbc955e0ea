//! What a person and a shell meet: formats, messages, exit codes, completions and manual pages.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own files has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn tidegate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

/// Standard output of a command that succeeds.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = tidegate(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A state in a folder, made of a small generated stream.
fn state(dir: &Path) -> String {
    let path = |name: &str| dir.join(name).display().to_string();
    printed(&["generate", "branching", "--scale", "0.02", "--truth", &path("s")]);
    let sets = ["--set", "trigger.follow=f42", "--set", "trigger.family=f41,f42"];
    let (input, kafka) = (path("s/events.jsonl"), path("s/kafka.jsonl"));
    let (packages, db) = (path("s/packages.txt"), path("state.db"));
    let files = ["--input", &input, "--kafka", &kafka, "--packages", &packages, "--state", &db];
    printed(&[&["replay", "pipelines/eln.toml"], &sets[..], &files[..]].concat());
    db
}

#[test]
fn every_document_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let db = state(dir.path());
    let nvr = printed(&["history", "--state", &db, "-o", "plain"]);
    let nvr = nvr.lines().next().unwrap().split('\t').nth(5).unwrap().to_owned();
    let pipeline = ["pipelines/eln.toml", "--set", "trigger.follow=f42"];
    for (arguments, schema) in [
        (&["explain", &nvr, "--state", &db][..], "tidegate.explain/1"),
        (&["history", "--state", &db], "tidegate.history/1"),
        (&["history", "--state", &db, "--as-of", "1h"], "tidegate.as_of/1"),
        (&["tap", "--state", &db, "--last", "1"], "tidegate.decision/1"),
        (&[&["known", "stats"], &pipeline[..], &["--state", &db]].concat(), "tidegate.known/1"),
        (&["generate", "list"], "tidegate.scenarios/1"),
    ] {
        for format in ["json", "jsonl"] {
            let text = printed(&[arguments, &["-o", format]].concat());
            let first = if format == "jsonl" { text.lines().next().unwrap() } else { &text };
            let document: Value = serde_json::from_str(first).unwrap();
            let line_of_history = schema == "tidegate.history/1" && format == "jsonl";
            let expected = if line_of_history { "tidegate.decision/1" } else { schema };
            assert_eq!(document["schema"], expected, "{arguments:?}");
        }
        let yaml = printed(&[arguments, &["-o", "yaml"]].concat());
        assert!(yaml.starts_with("---\n") && yaml.contains(&format!("schema: \"{schema}\"")), "{yaml}");
    }
}

#[test]
fn history_keeps_to_what_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let db = state(dir.path());
    let rows = |more: &[&str]| -> Vec<Vec<String>> {
        let text = printed(&[&["history", "--state", &db, "-o", "plain"], more].concat());
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    };
    let all = rows(&[]);
    assert!(all.len() > 100, "{}", all.len());
    assert!(all.is_sorted_by_key(|row| row[0].clone()), "decisions stand in the order of their time");
    let held: Vec<_> = all.iter().filter(|row| row[1] == "held").cloned().collect();
    assert_eq!(rows(&["--outcome", "held"]), held);
    // A window at, before and after each of its ends, against all rows.
    let middle = &all[all.len() / 2][0];
    let since: Vec<_> = all.iter().filter(|row| row[0] >= *middle).cloned().collect();
    let until: Vec<_> = all.iter().filter(|row| row[0] < *middle).cloned().collect();
    assert_eq!(rows(&["--since", middle]), since);
    assert_eq!(rows(&["--until", middle]), until);
    assert_eq!(rows(&["--since", middle, "--until", middle]).len(), 0);
    let package = all[0][5].rsplitn(3, '-').last().unwrap();
    let of_it = rows(&["--package", package]);
    assert!(!of_it.is_empty() && of_it.iter().all(|row| row[5].starts_with(&format!("{package}-"))));
    // As of the end: what the state holds.
    let as_of: Value =
        serde_json::from_str(&printed(&["history", "--state", &db, "--as-of", "0s", "-o", "json"])).unwrap();
    assert_eq!(as_of["held"].as_array().unwrap().len(), held.len());
    let total: u64 =
        as_of["outcomes"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(total, all.len() as u64);
}

#[test]
fn what_was_mistyped_is_suggested() {
    for (arguments, code, said) in [
        (&["explian"][..], 2, "explain"),
        (&["generate", "branchin"], 2, "did you mean branching"),
        (&["history", "--state", "x", "--outcome", "hold"], 2, "held"),
        (&["history", "--state", "nowhere.db"], 4, "there is no state file nowhere.db"),
        (&["history", "--state", "x", "--since", "yesterday"], 2, "2025-02-04T06:00:00Z"),
        (&["generate", "completions", "bsh"], 2, "bash"),
    ] {
        let output = tidegate(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn shells_get_completions_and_manual_pages() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["generate", "completions", shell]);
        assert!(script.contains("explain") && script.contains("as-of"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    printed(&["generate", "man", dir.path().join("man1").to_str().unwrap()]);
    let page = fs::read_to_string(dir.path().join("man1/tidegate-explain.1")).unwrap();
    assert!(page.contains("tidegate explain bash"), "{page}");
    assert!(dir.path().join("man1/tidegate-known-import.1").exists());
}

#[test]
fn help_begins_with_examples() {
    for command in [&[][..], &["replay"], &["explain"], &["history"], &["tap"], &["generate"]] {
        let text = printed(&[command, &["--help"]].concat());
        let (example, usage) = (text.find("Examples:").unwrap(), text.find("Usage:").unwrap());
        assert!(example < usage, "{command:?}: {text}");
        for line in text.lines().take_while(|line| !line.starts_with("Usage:")) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

/// The commands of a block of the README, and the block of what the last one prints.
fn readme_block() -> (Vec<String>, String) {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = page.split("## Why was this build held?").nth(1).unwrap();
    let mut blocks = section.split("```").skip(1).step_by(2);
    let commands = blocks.next().unwrap().lines().filter(|line| line.starts_with("tidegate "));
    (commands.map(str::to_owned).collect(), blocks.next().unwrap().trim().to_owned())
}

#[test]
fn the_readme_leads_to_why_a_build_was_held() {
    let dir = tempfile::tempdir().unwrap();
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    std::os::unix::fs::symlink(pipelines, dir.path().join("pipelines")).unwrap();
    let (commands, expected) = readme_block();
    assert!((3..=4).contains(&commands.len()), "with the build of Tidegate five at the most");
    let mut last = String::new();
    for line in commands {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.current_dir(dir.path()).args(line.split_whitespace().skip(1)).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        last = String::from_utf8(output.stdout).unwrap();
    }
    // Another version of a pipeline file has another hash.
    let without_hash = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("configuration ")).map(str::to_owned).collect()
    };
    assert_eq!(without_hash(last.trim()), without_hash(&expected), "the README shows something else");
}
