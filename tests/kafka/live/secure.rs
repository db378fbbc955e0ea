//! The live pipeline over TLS with a login, and that no secret of it is told anywhere.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::operating::operate;
use super::site::{Process, Site, tidegate, until};
use crate::broker::{Broker, Given, Secure};
use crate::follower::Follower;
use tidegate::kafka::source::SourceSettings;

const STATE: &str = "a.db";

/// Everything over TLS and SCRAM, from compressed batches: reading, deciding, noting how far, announcing.
fn a_branching_is_decided_over_tls_with_a_login(broker: &Broker) {
    let Some(secure) = Secure::of_script("a live pipeline over TLS and SCRAM") else { return };
    let mut site = Site::new(broker, "0.1");
    site.secure = Some(secure.clone());
    if !cfg!(feature = "kafka-tls") {
        let mut refused = site.run(STATE, |run| {
            run.arg("--accept-cold");
        });
        assert_eq!(refused.wait().code(), Some(1), "{}", refused.log());
        assert!(refused.log().contains("--features kafka-tls"), "{}", refused.log());
        println!("skipped: a live pipeline over TLS and SCRAM: this build has no kafka-tls");
        return;
    }
    let secrets = Secrets::new(&mut site, &secure);
    let outputs = ["decisions", "bursts", "dead_letters"].map(|output| (output, broker.topic(1)));
    site.sections = outputs
        .iter()
        .fold("[output]\n".to_owned(), |text, (output, topic)| format!("{text}{output} = {topic:?}\n"));
    site.publish(0..site.lines.len());
    broker.write(&site.topic, [Given::text(0, "not json")]);
    site.import(STATE);
    let mut process = site.run(STATE, |run| {
        run.args(["--log-level", "trace"]);
    });
    site.until_read(STATE, site.lines.len() + 1, &mut process);
    until("everything to be announced", || site.ask::<i64>(STATE, "SELECT count(*) FROM notice") == [0]);
    site.judge(STATE);

    let mut told = answers_of_operators(&site, &secrets);
    told.extend(pages(&process));
    told.push(process.log());
    process.stop();
    let marks = marks(&site);
    assert_eq!(marks.len(), 3, "{marks:?}");
    assert!(marks.iter().all(|mark| mark.starts_with("tidegate 1 ")), "{marks:?}");
    told.extend(marks);
    let announced = contents(broker, &outputs);
    assert!(announced.iter().all(|texts| !texts.is_empty()), "a topic has nothing: {announced:?}");
    told.extend(announced);
    for name in [STATE, "a.db-wal", "a.db-shm"] {
        told.extend(fs::read(site.path(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    secrets.are_in_none_of(&told);
}

/// What the group has committed for each partition beside the offset.
fn marks(site: &Site<'_>) -> Vec<String> {
    let settings = SourceSettings { group: site.group.clone(), ..site.broker.settings(&[&site.topic]) };
    let mut follower = Follower::start(settings);
    follower.until("the assignment", |follower| follower.assignment.is_some());
    let partitions = follower.assignment.iter().flat_map(|assignment| &assignment.partitions);
    let marks = partitions.filter_map(|partition| Some(partition.committed.clone()?.metadata)).collect();
    assert!(follower.stop());
    marks
}

/// All that stands in topics, as one text for each.
fn contents(broker: &Broker, topics: &[(&str, String)]) -> Vec<String> {
    let of_topic = |(_, topic): &(&str, String)| {
        let mut follower = Follower::start(broker.settings(&[topic]));
        follower.until_caught_up();
        let records = follower.records.values().flatten();
        let text =
            records.map(|record| format!("{:?}{}", record.headers, String::from_utf8_lossy(&record.value)));
        let text = text.collect();
        assert!(follower.stop());
        text
    };
    topics.iter().map(of_topic).collect()
}

/// What a running pipeline answers to every question, and to files that name more secrets: those it refuses.
fn answers_of_operators(site: &Site<'_>, secrets: &Secrets) -> Vec<String> {
    let questions: [&[&str]; 9] = [
        &["status"],
        &["status", "-o", "json"],
        &["holds", "list"],
        &["deadletters", "list"],
        &["deadletters", "show", "1"],
        &["packages", "show"],
        &["history"],
        &["pause", "submission", "--reason", "a look"],
        &["resume", "submission", "--reason", "seen"],
    ];
    let said = |output: std::process::Output| {
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.is_empty(), "it says nothing");
        String::from_utf8_lossy(&text).into_owned()
    };
    let mut told: Vec<String> = questions.map(|question| said(operate(site, STATE, question))).to_vec();
    let file = site.pipeline(None);
    let text = fs::read_to_string(&file).unwrap();
    for sink in secrets.sinks() {
        fs::write(&file, text.replace("kind = \"dry_run\"", &sink)).unwrap();
        let reloaded = operate(site, STATE, &["reload"]);
        assert!(!reloaded.status.success(), "another sink takes a restart: {reloaded:?}");
        told.push(said(reloaded));
        for command in
            [&["check"][..], &["check", "-o", "json"], &["doctor"], &["run", "--state", "other.db"]]
        {
            told.push(said(
                tidegate().args(command).arg(&file).current_dir(site.path(".")).output().unwrap(),
            ));
        }
    }
    fs::write(&file, text).unwrap();
    told
}

/// Everything that is served to those who watch.
fn pages(process: &Process) -> Vec<String> {
    let log = process.log();
    let address = log.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    let page = |path: &str| {
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        text
    };
    ["/", "/metrics", "/startup", "/alive", "/readyz"].map(page).to_vec()
}

/// A file for every key that names a secret. Those of the source are in use, those of sinks are named.
struct Secrets {
    /// By key: the file, and what must not be told of it.
    files: Vec<(&'static str, String, String)>,
}

impl Secrets {
    fn new(site: &mut Site<'_>, secure: &Secure) -> Self {
        let certified = rcgen::generate_simple_self_signed(vec!["tidegate".to_owned()]).unwrap();
        let key = certified.signing_key.serialize_pem();
        let (certificate_file, key_file) = (site.path("certificate.pem"), site.path("key.pem"));
        fs::write(&certificate_file, certified.cert.pem()).unwrap();
        fs::write(&key_file, &key).unwrap();
        site.in_source = format!(
            "certificate_file = \"{}\"\nkey_file = \"{}\"\n",
            certificate_file.display(),
            key_file.display()
        );
        let password = fs::read_to_string(&secure.password_file).unwrap().trim().to_owned();
        let body = key.lines().nth(1).unwrap().to_owned();
        let mut files = vec![
            ("source.password_file", secure.password_file.clone(), password),
            ("source.key_file", key_file.display().to_string(), body),
        ];
        for key in ["keytab_file", "certificate_file", "token_file", "secret_file", "password_file"] {
            let (file, canary) = (site.path(key), format!("canary-of-{key}-7d3e"));
            fs::write(&file, &canary).unwrap();
            files.push((key, file.display().to_string(), canary));
        }
        Self { files }
    }

    /// The lines of `[sink]` of every kind that has a secret.
    fn sinks(&self) -> Vec<String> {
        let kinds = [
            ("keytab_file", "kind = \"koji\"\nhub = \"https://localhost:1/kojihub\"\ntarget = \"eln\""),
            ("certificate_file", "kind = \"koji\"\nhub = \"https://localhost:1/kojihub\"\ntarget = \"eln\""),
            ("token_file", "kind = \"ebs\"\nurl = \"https://localhost:1\""),
            ("secret_file", "kind = \"webhook\"\nurl = \"https://localhost:1\""),
            (
                "password_file",
                "kind = \"kafka\"\nbrokers = [\"localhost:1\"]\ntopic = \"out\"\nusername = \"tide\"",
            ),
        ];
        let line = |(key, lines): (&str, &str)| {
            let (_, file, _) = self.files.iter().find(|(name, ..)| *name == key).unwrap();
            format!("{lines}\n{key} = {file:?}")
        };
        kinds.map(line).to_vec()
    }

    fn are_in_none_of(&self, texts: &[String]) {
        for (key, _, canary) in &self.files {
            for text in texts {
                assert!(!text.contains(canary.as_str()), "the secret of {key} is told in:\n{text}");
            }
        }
    }
}

crate::on_kafka_only! {
    a_branching_is_decided_over_tls_with_a_login: "a live pipeline over TLS and SCRAM",
}
