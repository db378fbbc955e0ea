//! `tidegate doctor` through the real binary, against the embedded broker, and that no command tells a secret.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use tempfile::TempDir;
use tidegate::kafka::mock::MockBroker;

/// A folder with a pipeline file.
struct Site {
    folder: TempDir,
}

impl Site {
    /// A pipeline that reads `koji` at this broker, with more lines for the sections.
    fn new(brokers: &str, source: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[source]\nbrokers = \"{brokers}\"\ntopics = \"koji\"\ngroup = \"g\"\n{source}\n[trigger]\nfollow = \"f45\"\n{rest}\n"
        );
        fs::write(folder.path().join("p.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(arguments).current_dir(self.folder.path()).output().unwrap()
    }

    /// A state that knows one build of the family.
    fn import(&self) {
        let known =
            r#"{"build_id": 7, "nvr": "bash-5.2-1.fc45", "tag": "f45", "tagged_at": "2026-02-03T10:00:00Z"}"#;
        fs::write(self.path("known.jsonl"), known).unwrap();
        let done = self.run(&["known", "import", "p.toml", "--state", "a.db", "known.jsonl"]);
        assert!(done.status.success(), "{}", text(&done.stderr));
    }

    /// What the doctor says, and its exit code.
    fn doctor(&self) -> (Vec<Value>, i32) {
        let done = self.run(&["doctor", "p.toml", "--state", "a.db", "-o", "json"]);
        let document: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(document["schema"], "tidegate.doctor/1");
        (document["checks"].as_array().unwrap().clone(), done.status.code().unwrap())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn find<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} in {checks:#?}"))
}

/// What was found is of this kind and says these words; where something is to be done, it is told.
fn expect(checks: &[Value], name: &str, verdict: &str, words: &str) {
    let check = find(checks, name);
    assert_eq!(check["verdict"], verdict, "{check:#}");
    assert!(check["found"].as_str().unwrap().contains(words), "{check:#}");
    let to_do = matches!(verdict, "warning" | "failed");
    assert_eq!(check["remedy"].as_str().is_some_and(|remedy| remedy.len() > 10), to_do, "{check:#}");
}

#[test]
fn where_all_is_there_nothing_fails() {
    let broker = MockBroker::start().unwrap();
    broker.create_topic("koji", 3).unwrap();
    broker.create_topic("out", 1).unwrap();
    let site = Site::new(&broker.bootstrap(), "", "[output]\ndecisions = \"out\"");
    site.import();
    let (checks, code) = site.doctor();
    expect(&checks, "pipeline file", "fine", "f45");
    expect(&checks, "place of the state", "fine", "this user alone");
    expect(&checks, "writer of the state", "fine", "nobody");
    expect(&checks, "known builds", "fine", "1 fact");
    expect(&checks, "topic koji", "fine", "3 partitions");
    expect(&checks, "reading koji", "fine", "may be read");
    // The imitation does not tell settings.
    expect(&checks, "retention of koji", "skipped", "7 days or more");
    expect(&checks, "clock", "skipped", "cannot be compared");
    expect(&checks, "group g", "fine", "nothing yet");
    expect(&checks, "topic out to write", "fine", "1 partition");
    assert_eq!(code, 0, "{checks:#?}");
}

#[test]
fn each_thing_that_lacks_is_told_and_the_checks_go_on() {
    let broker = MockBroker::start().unwrap();
    broker.create_topic("koji", 1).unwrap();
    // Commits of somebody else, as a state of Tidegate writes them.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap()).set("group.id", "g");
    let other: BaseConsumer = config.create().unwrap();
    let mut positions = TopicPartitionList::new();
    positions.add_partition("koji", 0).set_offset(Offset::Offset(5)).unwrap();
    positions.elements()[0].set_metadata("tidegate 1 theirs 9");
    other.commit(&positions, CommitMode::Sync).unwrap();

    let lists = "[select]\npackages = \"absent.txt\"\n[output]\nbursts = \"none\"";
    let site = Site::new(&broker.bootstrap(), "", lists);
    let (checks, code) = site.doctor();
    expect(&checks, "place of the state", "fine", "not there yet");
    expect(&checks, "known builds", "failed", "first start is refused");
    expect(&checks, "group g", "failed", "the state theirs");
    expect(&checks, "topic none to write", "failed", "no such topic");
    expect(&checks, "package lists", "failed", "absent.txt");
    assert_eq!(code, 1);
    assert!(!site.path("a.db").exists(), "doctor makes no state");
}

#[test]
fn a_topic_that_is_not_there_and_a_broker_that_is_down() {
    let broker = MockBroker::start().unwrap();
    broker.create_topic("other", 1).unwrap();
    let site = Site::new(&broker.bootstrap(), "", "");
    site.import();
    let (checks, code) = site.doctor();
    expect(&checks, "topic koji", "failed", "no such topic");
    assert_eq!(code, 1);

    broker.down().unwrap();
    let (checks, code) = site.doctor();
    expect(&checks, "brokers", "failed", "");
    expect(&checks, "topics, group, retention and clock", "skipped", "no broker answers");
    expect(&checks, "known builds", "fine", "1 fact");
    assert_eq!(code, 1);
}

#[test]
fn a_file_that_is_wrong_is_told_and_the_state_is_looked_at() {
    let site = Site::new("localhost:1", "grup = \"g\"", "");
    let (checks, code) = site.doctor();
    expect(&checks, "pipeline file", "failed", "grup");
    expect(&checks, "known builds", "failed", "no state file");
    expect(&checks, "brokers, package lists and hubs", "skipped", "has to be right first");
    assert_eq!(code, 1);
}

/// Files of every key that names a secret, each with a text that is nowhere else; they cannot be used for a login.
fn with_secrets(site: &Site, mode: u32) -> Vec<String> {
    let files = ["password", "key", "ca", "certificate", "keytab"];
    let canary = |name: &str| format!("canary-{name}-5a1f");
    for name in files {
        fs::write(site.path(name), canary(name)).unwrap();
        fs::set_permissions(site.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    files.map(canary).to_vec()
}

/// The lines of `[source]` and the section `[sink]` that name the files.
fn naming() -> (String, String) {
    let mut source = String::new();
    for (key, name) in [
        ("password_file", "password"),
        ("ca_file", "ca"),
        ("certificate_file", "certificate"),
        ("key_file", "key"),
    ] {
        writeln!(source, "{key} = \"{name}\"").unwrap();
    }
    source.push_str("username = \"tide\"\n");
    let sink = "[sink]\nkind = \"koji\"\nhub = \"https://localhost:1/kojihub\"\ntarget = \"eln\"\nkeytab_file = \"keytab\"";
    (source, sink.to_owned())
}

#[test]
fn a_secret_that_all_can_read_is_told() {
    let (source, sink) = naming();
    let site = Site::new("localhost:1", &source, &sink);
    with_secrets(&site, 0o644);
    let (checks, _) = site.doctor();
    for key in ["source.password_file", "source.key_file", "sink.keytab_file"] {
        expect(&checks, &format!("file of {key}"), "warning", "mode 644");
    }
    for key in ["source.ca_file", "source.certificate_file"] {
        expect(&checks, &format!("file of {key}"), "fine", "can be read");
    }
    if !cfg!(feature = "gssapi") {
        expect(&checks, "sink", "failed", "built without login by Kerberos");
    }
    fs::remove_file(site.path("keytab")).unwrap();
    let (checks, _) = site.doctor();
    expect(&checks, "file of sink.keytab_file", "failed", "no such file");
}

#[test]
fn no_command_tells_a_secret() {
    let (source, sink) = naming();
    let site = Site::new("localhost:1", &source, &sink);
    let canaries = with_secrets(&site, 0o600);
    // Reaches the client of Kafka with its password, without TLS and with it.
    let plain = "source.properties={\"security.protocol\"=\"SASL_PLAINTEXT\"}";
    let file = fs::read_to_string(site.path("p.toml")).unwrap();
    // What reads the secrets of Kafka and gets no further: there are no such certificates.
    fs::write(site.path("q.toml"), file.split("[sink]").next().unwrap()).unwrap();
    let commands: [&[&str]; 9] = [
        &["doctor", "p.toml", "--state", "a.db"],
        &["doctor", "p.toml", "--state", "a.db", "-o", "yaml", "--set", plain],
        &["doctor", "p.toml", "-o", "json"],
        &["doctor", "p.toml", "-o", "plain"],
        &["check", "p.toml"],
        &["check", "p.toml", "-o", "json"],
        &["config", "diff", "p.toml", "q.toml"],
        &["run", "p.toml", "--state", "b.db", "--accept-cold"],
        &["run", "q.toml", "--state", "b.db", "--accept-cold", "--log-level", "trace"],
    ];
    for command in commands {
        let done = site.run(command);
        let told = text(&done.stdout) + &text(&done.stderr);
        assert!(!told.is_empty(), "{command:?} says nothing");
        for canary in &canaries {
            assert!(!told.contains(canary.as_str()), "{command:?} tells {canary}: {told}");
        }
    }
    assert!(kept(&site.path("b.db")).iter().all(|bytes| canaries.iter().all(|canary| !holds(bytes, canary))));
}

/// The bytes of a state and of what stands beside it.
fn kept(state: &Path) -> Vec<Vec<u8>> {
    ["", "-wal", "-shm"].iter().filter_map(|end| fs::read(format!("{}{end}", state.display())).ok()).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
