//! The commands about pipeline files: what they print, and their exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn tidegate(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(ROOT).args(arguments).output().expect("the command runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[track_caller]
fn json(output: &Output, schema: &str) -> Value {
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document.get("schema").and_then(Value::as_str), Some(schema));
    document
}

#[test]
fn a_sound_file_tells_promises_tests_and_origins() {
    let output = tidegate(&["check", "pipelines/epel.toml", "--set", "burst.quiet=90s"]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let text = stdout(&output);
    for part in [
        "pipelines/epel.toml: it can be used; 7 tests passed",
        "  passed  a slow drip of old builds (500 messages)",
        "An ordinary new build goes on 1m6s after it was tagged: hold-back 1m1s, and 5s for disorder.",
        "\"30 in 1m\", trigger tag: of 30 builds or more within 1m none goes on before all of them are held.",
        "  burst.hold_back = \"1m1s\"                                     default\n",
        "  burst.quiet = \"1m30s\"                                        --set\n",
        "  trigger.follow = \"epel9\"                                     pipelines/epel.toml:",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    let quiet = tidegate(&["check", "-q", "pipelines/epel.toml"]);
    assert_eq!((quiet.status.code(), stdout(&quiet)), (Some(0), String::new()));
}

#[test]
fn broken_files_are_told_one_after_the_other() {
    let broken = ["tests/broken/01-unknown-key.toml", "tests/broken/14-look-ahead.toml"];
    let output = tidegate(&["check", "--no-tests", broken[0], "pipelines/epel.toml", broken[1]]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("--> tests/broken/01-unknown-key.toml:5:1"), "{text}");
    assert!(text.contains("pipelines/epel.toml: it can be used; no test was run"), "{text}");
    assert!(text.contains("--> tests/broken/14-look-ahead.toml:5:14"), "{text}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "tidegate: 2 of 3 pipeline files cannot be used as they are\n");
}

#[test]
fn a_failed_test_fails_the_check_with_its_line() {
    let arguments = ["check", "pipelines/epel.toml", "--set", "burst.rules=1000 in 5s", "-o", "json"];
    let output = tidegate(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let document = json(&output, "tidegate.check/1");
    let file = &document["files"][0];
    assert_eq!(file["ok"], false);
    let tests = file["tests"].as_array().expect("tests");
    let failed: Vec<_> = tests.iter().filter(|test| test["passed"] == false).collect();
    assert!(!failed.is_empty());
    let failure = &failed[0]["failures"][0];
    assert!(failure["line"].as_u64().is_some_and(|line| line > 30), "{failure}");
    assert!(failure["message"].as_str().is_some_and(|text| text.starts_with("expected: ")), "{failure}");
}

#[test]
fn json_of_a_check_carries_findings_guarantees_and_origins() {
    let output = tidegate(&["check", "-o", "json", "tests/broken/31-many-in-one-section.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let document = json(&output, "tidegate.check/1");
    let findings = document["files"][0]["findings"].as_array().expect("findings");
    assert!(findings.len() > 3);
    assert!(findings.iter().all(|finding| finding["line"].is_u64() && finding["text"].is_string()));

    let output = tidegate(&["check", "-o", "json", "--no-tests", "pipelines/eln-fast.toml"]);
    let file = &json(&output, "tidegate.check/1")["files"][0];
    assert_eq!(file["guarantees"]["latency_s"], 11);
    assert_eq!(file["guarantees"]["rules"][0]["greatest_leak"], 0);
    let configuration = file["configuration"].as_array().expect("keys");
    let origin =
        |key: &str| configuration.iter().find(|entry| entry["key"] == key).expect("a key")["origin"].clone();
    assert_eq!(origin("burst.quiet"), "default");
    assert!(
        origin("burst.hold_back").as_str().is_some_and(|from| from.starts_with("pipelines/eln-fast.toml:"))
    );
}

#[test]
fn a_list_that_is_not_there_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.toml");
    let text = "[trigger]\nfollow = \"f42\"\n[select]\npackages = [\"list.txt\"]\n";
    std::fs::write(&file, text).expect("a file");
    let path = file.to_str().expect("a name");
    let output = tidegate(&["check", "-q", path]);
    assert_eq!(output.status.code(), Some(0));
    let told = stdout(&output);
    assert!(told.starts_with("warning: the package list ") && told.contains("x.toml:4:12"), "{told}");
    std::fs::write(folder.path().join("list.txt"), "bash\n").expect("a file");
    assert_eq!(stdout(&tidegate(&["check", "-q", path])), "");
}

#[test]
fn a_diff_tells_for_which_builds() {
    let output = tidegate(&["config", "diff", "pipelines/eln.toml", "pipelines/eln-fast.toml"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for part in [
        "From pipelines/eln.toml to pipelines/eln-fast.toml:",
        "burst.hold_back: \"1m1s\"\n  becomes \"6s\"\n  every ordinary build goes on 6s after it was tagged instead of 1m1s: 55s sooner",
        "the rule \"30 in 1m\" is gone: 30 builds within 1m in the trigger tag are no burst by it",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    let same = tidegate(&["config", "diff", "pipelines/eln.toml", "pipelines/eln.toml"]);
    assert!(stdout(&same).contains("say the same."));
}

#[test]
fn a_diff_names_the_packages_that_become_eligible() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a name").to_owned()
    };
    write("a.txt", "bash\nkernel\nzsh\n");
    write("b.txt", "bash\nkernel\nvim\nipa\n");
    let select = |list: &str, more: &str| {
        format!(
            "[trigger]\nfollow = \"f42\"\n[select]\npackages = \"{list}\"\nrenames = {{ freeipa = \"ipa\" }}\n{more}"
        )
    };
    let (old, new) =
        (write("old.toml", &select("a.txt", "")), write("new.toml", &select("b.txt", "exclude = '^kern'\n")));
    let document = json(&tidegate(&["config", "diff", &old, &new, "-o", "json"]), "tidegate.config-diff/1");
    assert_eq!(document["packages"]["added"], serde_json::json!(["ipa", "vim"]));
    assert_eq!(document["packages"]["removed"], serde_json::json!(["kernel", "zsh"]));
    let list = folder.path().join("a.txt");
    let arguments = ["config", "diff", &old, &new, "--packages", list.to_str().expect("a name")];
    let text = stdout(&tidegate(&arguments));
    assert!(
        text.contains("0 packages become eligible\n\n1 packages are no longer eligible: kernel\n"),
        "{text}"
    );
}

#[test]
fn the_schema_is_printed() {
    let output = tidegate(&["config", "schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(schema["properties"]["trigger"]["required"], serde_json::json!(["follow"]));
}

#[test]
fn a_backtest_of_two_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a name").to_owned();
    let stream = path("stream");
    let made = tidegate(&["generate", "side-tag-merge", "--scale", "0.2", "--truth", &stream]);
    assert_eq!(made.status.code(), Some(0));
    std::fs::write(path("old.toml"), "[trigger]\nfollow = \"f42\"\n").expect("a file");
    std::fs::write(path("new.toml"), "[trigger]\nfollow = \"f42\"\n[burst]\nhold_size = 20\nlarge = 30\n")
        .expect("a file");
    let events = path("stream/events.jsonl");
    let (packages, old, new) = (path("stream/packages.txt"), path("old.toml"), path("new.toml"));
    let arguments = [
        "backtest",
        &old,
        &new,
        "--input",
        &events,
        "--packages",
        &packages,
        "--truth",
        &stream,
        "-o",
        "json",
    ];
    let output = tidegate(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let document = json(&output, "tidegate.backtest/1");
    assert_eq!(document["old"]["pipeline"], "old");
    assert!(
        document["new"]["score"]["fresh"]["stranded"].as_u64()
            > document["old"]["score"]["fresh"]["stranded"].as_u64()
    );
    assert_eq!(document["differences"][0]["truth"], "fresh");
    assert!(Path::new(&events).exists());
}
