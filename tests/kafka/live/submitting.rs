//! Admitted builds are ordered of a hub, by the real program: each once, as fast as the governor lets it, and to the end.

use std::time::UNIX_EPOCH;

use tidegate::hub::{BuildFile, FakeHub, HostFile, Pace, Settings, TagFile, TargetFile, UserFile, WorldFile};
use tidegate::koji::answers::Task;
use tidegate::koji::client::{Client, ClientSettings};
use tidegate::koji::query::{Page, TaskFilter, list_tasks};
use tidegate::time::{Second, Seconds};

use super::operating::done;
use super::site::{Process, Site, tidegate, until};
use crate::broker::{Broker, Given};

const STATE: &str = "submitting.db";
/// New builds.
const FRESH: u32 = 5;
/// Builds that were new when their messages were sent, and were untagged since.
const UNTAGGED: u32 = 1;
/// How many times as fast as the clock the farm works.
const SPEED: f64 = 120.0;

/// The clock of this machine, as its file system has it.
fn wall(site: &Site<'_>) -> Second {
    std::fs::write(site.path("now"), b"").unwrap();
    let at = std::fs::metadata(site.path("now")).unwrap().modified().unwrap();
    Second(i64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap())
}

/// A hub that has the new builds in f42, and builds them for ELN where somebody orders it.
fn world(packages: &[&str], now: Second) -> WorldFile {
    let tag = |name: &str, parents: &[&str]| TagFile {
        name: name.to_owned(),
        arches: "x86_64".to_owned(),
        packages: vec!["*".to_owned()],
        parents: parents.iter().map(|&parent| parent.to_owned()).collect(),
        ..TagFile::default()
    };
    let builds = packages.iter().enumerate().map(|(index, package)| BuildFile {
        nvr: format!("{package}-1-1.fc42"),
        source: Some(format!("git+https://src.example/rpms/{package}#1")),
        completed: Some((now - Seconds(3_600)).to_string()),
        tags: if index < FRESH as usize { vec!["f42".to_owned()] } else { Vec::new() },
        ..BuildFile::default()
    });
    WorldFile {
        begin: Some((now - Seconds(60)).to_string()),
        tag: vec![tag("f42", &[]), tag("eln", &[]), tag("eln-build", &["eln", "f42"])],
        target: vec![TargetFile {
            name: "eln".to_owned(),
            build_tag: "eln-build".to_owned(),
            dest_tag: "eln".to_owned(),
        }],
        host: vec![HostFile { name: "builder".to_owned(), capacity: 20.0, ..HostFile::default() }],
        user: vec![UserFile {
            name: "rebuilder".to_owned(),
            password: Some("a-password-for-tests-only".to_owned()),
            ..UserFile::default()
        }],
        build: builds.collect(),
        ..WorldFile::default()
    }
}

struct Stage<'a> {
    site: Site<'a>,
    packages: Vec<String>,
    runtime: tokio::runtime::Runtime,
    hub: FakeHub,
}

impl<'a> Stage<'a> {
    fn new(broker: &'a Broker) -> Self {
        let site = Site::new(broker, "0.1");
        let listed = std::fs::read_to_string(site.path("stream/packages.txt")).unwrap();
        let packages: Vec<String> =
            listed.lines().take((FRESH + UNTAGGED) as usize).map(str::to_owned).collect();
        let names: Vec<&str> = packages.iter().map(String::as_str).collect();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let world = world(&names, wall(&site));
        let settings = Settings { world, pace: Pace::Times(SPEED), ..Settings::default() };
        let hub = runtime.block_on(FakeHub::start(settings)).unwrap();
        std::fs::write(site.path("password"), "a-password-for-tests-only\n").unwrap();
        Self { site, packages, runtime, hub }
    }

    /// Starts the pipeline, with a sink that orders builds.
    fn run(&self, rate: &str) -> Process {
        let (hub, password) = (self.hub.url(), self.site.path("password"));
        let process = self.site.run_from(STATE, Some("now"), |run| {
            run.args([
                "--accept-cold",
                "--set",
                "burst.hold_back=6s",
                "--set",
                "burst.rules=[\"100 in 5s\"]",
            ]);
            run.args([
                "--set",
                "sink.kind=koji",
                "--set",
                "sink.target=eln",
                "--set",
                "sink.username=rebuilder",
            ]);
            run.args(["--set", &format!("sink.hub={hub:?}")]);
            run.args(["--set", &format!("sink.password_file={:?}", password.to_str().unwrap())]);
            run.args(["--set", &format!("governor.rate={rate:?}"), "--set", "governor.capacity=10"]);
            run.args(["--set", "sink.settle=10s"]);
        });
        let answers = || {
            let status = tidegate().arg("status").arg("--state").arg(self.site.path(STATE)).output().unwrap();
            matches!(status.status.code(), Some(0 | 3))
        };
        until("the socket", answers);
        process
    }

    /// The builds are complete, come into the tag, and time goes on until they are decided.
    fn publish(&self) {
        let now = wall(&self.site);
        let message = |id: &str, at: Second, topic: &str, body: &str| {
            format!(
                "{{\"id\":\"{id}\",\"topic\":\"{topic}\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{body}}}"
            )
        };
        let mut given = Vec::new();
        for (number, package) in (1..).zip(&self.packages) {
            let build = format!(
                "\"build_id\":{number},\"name\":\"{package}\",\"version\":\"1\",\"release\":\"1.fc42\",\"instance\":\"primary\",\"owner\":\"a\""
            );
            let completed =
                format!("{{{build},\"attribute\":\"state\",\"old\":0,\"new\":1,\"task_id\":{number}}}");
            let tagged = format!("{{{build},\"tag\":\"f42\",\"tag_id\":1,\"user\":\"bodhi\"}}");
            let topic = |kind: &str| format!("org.fedoraproject.prod.buildsys.{kind}");
            let texts = [
                message(&format!("c{number}"), now, &topic("build.state.change"), &completed),
                message(&format!("t{number}"), now, &topic("tag"), &tagged),
            ];
            given.extend(texts.map(|text| Given::text(0, text)));
        }
        for partition in 0..3 {
            let text = message(&format!("m{partition}"), now + Seconds(20), "org.example.clock", "{}");
            given.push(Given::text(partition, text));
        }
        self.site.broker.write(&self.site.topic, given);
    }

    /// How many admitted builds are in a state of the outbox.
    fn count(&self, state: &str) -> i64 {
        let count = format!("SELECT count(*) FROM submission WHERE state = '{state}'");
        self.site.ask(STATE, &count).first().copied().unwrap_or(0)
    }

    fn until_all_are_decided(&self, process: &mut Process) {
        until("the results", || {
            assert!(process.is_running(), "{}", process.log());
            self.count("built") == i64::from(FRESH) && self.count("not_tagged") == i64::from(UNTAGGED)
        });
    }

    /// Sources of all build tasks at the hub.
    fn tasks(&self) -> Vec<String> {
        let client = Client::new(&ClientSettings::new(self.hub.url())).unwrap();
        let filter = TaskFilter { method: Some("build"), with_request: true, ..TaskFilter::default() };
        let tasks = self.runtime.block_on(client.ask(&list_tasks(&filter, Page::default()))).unwrap();
        let source = |task: &Task| task.request.as_ref().unwrap()[0].as_str().unwrap().to_owned();
        tasks.iter().map(source).collect()
    }

    /// Each new build has one task.
    fn judge(&self) {
        let mut expected: Vec<String> = self.packages[..FRESH as usize]
            .iter()
            .map(|package| format!("git+https://src.example/rpms/{package}#1"))
            .collect();
        let mut tasks = self.tasks();
        expected.sort();
        tasks.sort();
        assert_eq!(tasks, expected);
    }

    fn end(self) {
        let Self { runtime, hub, .. } = self;
        runtime.block_on(hub.stop());
    }
}

fn admitted_builds_are_ordered_once_and_followed_to_the_end(broker: &Broker) {
    let stage = Stage::new(broker);
    let mut process = stage.run("100000/h");
    stage.publish();
    stage.until_all_are_decided(&mut process);
    let status = done(&stage.site, STATE, &["status"]);
    assert!(status.contains("100000/h"), "{status}");
    process.stop();
    stage.judge();
    stage.end();
}

/// Killed between what it wrote and what it was told, it finds its own tasks at the hub.
fn what_was_ordered_when_it_was_killed_is_found_again(broker: &Broker) {
    let stage = Stage::new(broker);
    let process = stage.run("100000/h");
    stage.publish();
    until("the first order", || !stage.tasks().is_empty());
    process.kill();
    let mut process = stage.run("100000/h");
    stage.until_all_are_decided(&mut process);
    process.stop();
    stage.judge();
    stage.end();
}

crate::on_both! {
    admitted_builds_are_ordered_once_and_followed_to_the_end: "orders at a hub while it reads a real Kafka",
    what_was_ordered_when_it_was_killed_is_found_again: "orders at a hub over a kill",
}
