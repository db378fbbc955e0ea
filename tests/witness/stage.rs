//! A hub with builds of two releases, and a pipeline that begins cold and follows the newer one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tidegate::hub::{
    Availability, BuildFile, FakeHub, Kept, Settings as HubSettings, TagFile, UserFile, WorldFile,
};
use tidegate::kafka::handover::{Assignment, FromKafka, KafkaRecord, Owner, Partition};
use tidegate::koji::xmlrpc::{Call, Value};
use tidegate::live::ask::{Answer, Ask, Request};
use tidegate::live::open::{Opening, open};
use tidegate::live::runner::{Now, Runner};
use tidegate::live::view::View;
use tidegate::live::witness::hub::Hub;
use tidegate::live::witness::{Inquiry, Report};
use tidegate::pipeline::{Begin, Outputs};
use tidegate::settings::{FamilyTag, Settings};
use tidegate::time::{Second, Seconds};

use crate::hub_wire::{call, login};

/// When the hub's world begins.
const BEGIN: &str = "2025-02-04T06:00:00Z";

pub(crate) struct Stage {
    pub(crate) hub: FakeHub,
    published: Kept,
    asked: Hub,
    runner: Option<Runner>,
    folder: TempDir,
    settings: Settings,
    epoch: Instant,
    begin: Second,
    now: Now,
    offset: u64,
    generation: u64,
    /// Calls that the hub was asked, and builds in them.
    pub(crate) calls: usize,
}

/// Numbered builds: `new7` was complete an hour before the beginning, `old7` a year before and is in f41.
fn builds(name: &str, count: usize, completed: &str, tags: &[&str]) -> Vec<BuildFile> {
    let build = |number| BuildFile {
        nvr: format!("{name}{number}-1-1.fc42"),
        completed: Some(completed.to_owned()),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..BuildFile::default()
    };
    (0..count).map(build).collect()
}

pub(crate) fn world(count: usize) -> WorldFile {
    let tag = |name: &str| TagFile {
        name: name.to_owned(),
        arches: "x86_64".to_owned(),
        packages: vec!["*".to_owned()],
        ..TagFile::default()
    };
    let user = |name: &str| UserFile {
        name: name.to_owned(),
        password: Some(format!("{name}pw")),
        permissions: vec!["admin".to_owned()],
        ..UserFile::default()
    };
    let mut world = WorldFile {
        begin: Some(BEGIN.to_owned()),
        user: vec![user("ada"), user("bodhi")],
        tag: ["f41", "f42", "f42-rebuild", "elsewhere"].map(tag).to_vec(),
        ..WorldFile::default()
    };
    world.farm.enabled = false;
    world.farm.repos_at_once = 0;
    world.build = [
        builds("new", count, "2025-02-04T05:00:00Z", &[]),
        builds("old", count, "2024-02-04T05:00:00Z", &["f41"]),
        builds("stale", 3, "2024-02-04T05:00:00Z", &["elsewhere"]),
        builds("rebuilt", 3, "2025-02-04T05:00:00Z", &["f42-rebuild"]),
    ]
    .concat();
    world
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::defaults("f42");
    settings.trigger.family.insert(0, FamilyTag { tag: "f41".to_owned(), left_at: None });
    settings
}

impl Stage {
    /// A hub with so many builds of each kind, and a pipeline that has read nothing.
    pub(crate) async fn set(count: usize) -> Self {
        let published = Kept::default();
        let hub = HubSettings {
            world: world(count),
            publisher: Box::new(published.clone()),
            ..HubSettings::default()
        };
        let hub = FakeHub::start(hub).await.unwrap();
        // What it took to make the world is no news.
        hub.world(|_| ());
        drop(published.take());
        let begin = Second::parse(BEGIN).unwrap();
        let mut stage = Self {
            asked: Hub::new(&hub.url()).unwrap(),
            hub,
            published,
            runner: None,
            folder: tempfile::tempdir().unwrap(),
            settings: settings(),
            epoch: epoch(),
            begin,
            now: Now { mono: Duration::ZERO, wall: begin },
            offset: 0,
            generation: 0,
            calls: 0,
        };
        stage.start();
        stage.pass(1);
        stage
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("a.db")
    }

    fn start(&mut self) {
        let state = self.state();
        let opening = Opening {
            state: &state,
            allow_network: true,
            begin: Begin::Now,
            group: "tests".to_owned(),
            forgotten_after: Duration::from_secs(5),
            accept_cold: true,
            read_on: std::collections::BTreeMap::new(),
            outputs: Outputs::default(),
            reconcile: Some(Seconds(6 * 3_600)),
            submitting: None,
            batch_records: 1_000,
            who: "a test".to_owned(),
        };
        let mut runner = open(opening, self.settings.clone(), "5e7a", self.epoch, self.now).unwrap();
        self.generation += 1;
        let partition = Partition {
            topic: "bus".into(),
            number: 0,
            owner: Owner::Ours,
            low: 0,
            end: self.offset,
            committed: None,
        };
        let assignment = Assignment { generation: self.generation, partitions: vec![partition] };
        runner.take(FromKafka::Assigned(assignment), self.now).unwrap();
        runner.commit(self.now).unwrap();
        self.runner = Some(runner);
    }

    /// Kills the process, and starts another; what was committed is there.
    pub(crate) fn restart(&mut self) {
        self.runner = None;
        self.start();
    }

    fn runner(&mut self) -> &mut Runner {
        self.runner.as_mut().unwrap()
    }

    /// Lets a user put builds into a tag, in one call.
    pub(crate) async fn tag(&mut self, user: &str, tag: &str, nvrs: &[String]) {
        let nvrs = nvrs.iter().map(|nvr| Value::from(nvr.as_str())).collect::<Vec<_>>();
        self.run(user, &Call::new("massTag").arg(tag).arg(nvrs)).await;
    }

    /// Lets a user take a build out of a tag.
    pub(crate) async fn untag(&mut self, user: &str, tag: &str, nvr: &str) {
        self.run(user, &Call::new("untagBuildBypass").arg(tag).arg(nvr)).await;
    }

    async fn run(&self, user: &str, made: &Call) {
        let session = login(self.hub.address(), user, &format!("{user}pw")).await;
        let answer = call(self.hub.address(), made, Some((&session, 0))).await.unwrap();
        answer.into_result().unwrap();
    }

    /// Lets seconds pass: what was published is read, a message of no interest shows the time, and a batch is written.
    pub(crate) fn pass(&mut self, seconds: u32) {
        self.hub.advance_seconds(i64::from(seconds));
        self.now.mono += Duration::from_secs(u64::from(seconds));
        self.now.wall = self.now.wall + Seconds(i64::from(seconds));
        let mut lines: Vec<String> = self.published.take().iter().map(tidegate::hub::Message::line).collect();
        let (offset, at) = (self.offset, self.now.wall);
        lines.push(format!(
            "{{\"id\":\"clock-{offset}\",\"topic\":\"org.example.clock\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{{}}}}"
        ));
        let (now, generation) = (self.now, self.generation);
        let records = lines.into_iter().map(|line| {
            self.offset += 1;
            KafkaRecord {
                partition: 0,
                offset: self.offset - 1,
                kafka_millis: Some(now.wall.0 * 1_000),
                headers: Vec::new(),
                value: line.into_bytes(),
                cut: false,
            }
        });
        let records = records.collect();
        let runner = self.runner();
        runner.take(FromKafka::Records { generation, records }, now).unwrap();
        runner.tick(now).unwrap();
        runner.commit(now).unwrap();
    }

    /// What the pipeline wants to ask now, if anything.
    pub(crate) fn inquiry(&mut self) -> Option<Inquiry> {
        let now = self.now;
        self.runner().take_inquiry(now)
    }

    /// Takes what came of an inquiry, and writes it.
    pub(crate) fn report(&mut self, report: Report) {
        let now = self.now;
        self.runner().take_report(report, now);
        self.runner().commit(now).unwrap();
    }

    /// Lets seconds pass in steps of `step`; after each, what the pipeline wants to ask is asked.
    pub(crate) async fn live(&mut self, seconds: u32, step: u32) {
        for _ in 0..seconds.div_ceil(step) {
            self.pass(step);
            while let Some(inquiry) = self.inquiry() {
                self.calls += 1;
                let report = self.asked.answer(inquiry).await;
                self.report(report);
            }
        }
    }

    /// Has Koji's history compared now, and gives the answer.
    pub(crate) async fn reconcile(&mut self, since: Option<Second>, dry_run: bool) -> Answer {
        let (sender, receiver) = std::sync::mpsc::channel();
        let reply = Box::new(move |answer| sender.send(answer).unwrap());
        let ask = Ask { who: "ada".to_owned(), request: Request::Reconcile { since, dry_run } };
        let now = self.now;
        self.runner().ask(ask, reply, now);
        if let Ok(answer) = receiver.try_recv() {
            return answer;
        }
        self.live(1, 1).await;
        receiver.try_recv().unwrap()
    }

    /// The hub refuses all calls from now on, or takes them again.
    pub(crate) fn offline(&self, offline: bool) {
        let availability =
            if offline { Availability::Offline("maintenance".to_owned()) } else { Availability::Open };
        self.hub.world(|world| world.set_availability(availability));
    }

    pub(crate) fn view(&mut self) -> View {
        let now = self.now;
        let view = self.runner().view(now);
        for partition in &view.partitions {
            assert!(partition.counts.is_balanced(), "{partition:?}");
        }
        view
    }

    /// Seconds since the beginning, as a time.
    pub(crate) fn second(&self, seconds: i64) -> Second {
        self.begin + Seconds(seconds)
    }

    /// Outcomes and reasons of a build, in order, as they are committed.
    pub(crate) fn fate(&self, nvr: &str) -> Vec<String> {
        self.select("SELECT outcome || ' ' || reason FROM decision WHERE nvr = ?1 ORDER BY id", nvr)
    }

    /// Builds that were admitted.
    pub(crate) fn admitted(&self) -> Vec<String> {
        self.select("SELECT nvr FROM submission WHERE ?1 = '' ORDER BY id", "")
    }

    /// Members of holds of a kind.
    pub(crate) fn held(&self, kind: &str) -> Vec<String> {
        self.select(
            "SELECT nvr FROM held JOIN hold ON hold.id = held.hold WHERE hold.kind = ?1 ORDER BY nvr",
            kind,
        )
    }

    /// What `tidegate explain` says of a build, in one line.
    pub(crate) fn explained(&self, nvr: &str) -> String {
        let mut explain = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = explain.args(["explain", nvr, "--state"]).arg(self.state()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn select(&self, question: &str, argument: &str) -> Vec<String> {
        let db = Connection::open_with_flags(self.state(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut statement = db.prepare(question).unwrap();
        let rows = statement.query_map([argument], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

/// `new0` to `new9`, by their NVRs.
pub(crate) fn nvrs(name: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{name}{number}-1-1.fc42")).collect()
}

/// What the clock of the process counts from; nothing here goes by it.
#[expect(
    clippy::disallowed_methods,
    reason = "a runner wants one, and no proof of idleness is given to it here"
)]
fn epoch() -> Instant {
    Instant::now()
}
