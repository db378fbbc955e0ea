//! A site that runs Tidegate: a topic with the messages of a branching, a pipeline file, a state, and the real binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::broker::{Broker, Given, Secure, name};
use crate::follower::now;

/// Partitions of the topic.
pub(crate) const PARTITIONS: u64 = 3;
/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(180);

/// A record of a partition of the state, by offset.
pub(crate) type Place = (u32, u64);
/// Outcome, reason, hold and event time of a decision.
pub(crate) type Fate = (String, String, Option<u32>, Option<i64>);

pub(crate) struct Site<'a> {
    pub(crate) broker: &'a Broker,
    folder: TempDir,
    pub(crate) topic: String,
    pub(crate) group: String,
    /// What is published, in order: what only teaches, the branching, and what ends it.
    pub(crate) lines: Vec<String>,
    /// For each of them what the truth calls it.
    labels: Vec<String>,
    /// How many of them come before the branching.
    pub(crate) taught: usize,
    /// Properties of the consumer beside those of all tests, or in their place.
    pub(crate) properties: Vec<(&'static str, &'static str)>,
    /// Reads over TLS with a login.
    pub(crate) secure: Option<Secure>,
    /// More lines for `[source]`, and more sections.
    pub(crate) in_source: String,
    pub(crate) sections: String,
    begin: String,
}

/// A running `tidegate run`.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// Batches that the state had when it started.
    serial: i64,
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline: Instant = now() + PATIENCE;
    // Nobody sends: it is a wait that can be no shorter than what is waited for.
    let (_sender, never) = mpsc::channel::<()>();
    while !holds() {
        assert!(now() < deadline, "this did not come: {what}");
        assert!(never.recv_timeout(Duration::from_millis(20)).is_err());
    }
}

/// Looks on until a moment: what must not be, is not.
pub(crate) fn never_before(deadline: Instant, what: &str, mut is: impl FnMut() -> bool) {
    let (_sender, never) = mpsc::channel::<()>();
    while now() < deadline {
        assert!(!is(), "{what}");
        assert!(never.recv_timeout(Duration::from_millis(50)).is_err());
    }
}

pub(crate) fn tidegate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
}

impl<'a> Site<'a> {
    /// A branching of a share of the full size, its messages not published yet.
    pub(crate) fn new(broker: &'a Broker, scale: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stream = folder.path().join("stream");
        let mut generate = tidegate();
        generate.args(["generate", "branching", "--scale", scale, "--truth"]).arg(&stream);
        let made = generate.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(made.success());
        let read = |file: &str| -> Vec<String> {
            fs::read_to_string(stream.join(file)).unwrap().lines().map(str::to_owned).collect()
        };
        let (warmup, events, truth) = (read("warmup.jsonl"), read("events.jsonl"), read("truth.jsonl"));
        let label = |line: &String| -> String {
            let truth: serde_json::Value = serde_json::from_str(line).unwrap();
            truth["label"].as_str().unwrap_or("none").to_owned()
        };
        let taught = warmup.len();
        let begin = sent_at(&events[0]);
        let mut labels = vec!["warmup".to_owned(); taught];
        labels.extend(truth.iter().map(label));
        let last = sent_at(events.last().unwrap());
        let mut lines = warmup;
        lines.extend(events);
        // Twice in each partition, hours later: all that came before is decided by then.
        while !(lines.len() as u64).is_multiple_of(PARTITIONS) {
            lines.push(mark(&last, 3, lines.len()));
        }
        for _ in 0..2 * PARTITIONS {
            lines.push(mark(&last, 3, lines.len()));
        }
        labels.resize(lines.len(), "mark".to_owned());
        let topic = broker.topic(i32::try_from(PARTITIONS).unwrap());
        Self {
            broker,
            folder,
            topic,
            group: name("live"),
            lines,
            labels,
            taught,
            properties: Vec::new(),
            secure: None,
            in_source: String::new(),
            sections: String::new(),
            begin,
        }
    }

    /// So many messages as a bus carries them: the trigger tag, other tags, builds, other topics.
    pub(crate) fn mix(&self, lines: usize) -> Vec<String> {
        let folder = self.path("mix");
        let mut generate = tidegate();
        generate.args(["generate", "mix", "--lines", &lines.to_string(), "--truth"]).arg(&folder);
        let made = generate.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(made.success());
        fs::read_to_string(folder.join("events.jsonl")).unwrap().lines().map(str::to_owned).collect()
    }

    /// Puts messages of no interest between the others, so that there are at least so many.
    pub(crate) fn thin_out(&mut self, wanted: usize) {
        let each = wanted.div_ceil(self.lines.len()).saturating_sub(1);
        let (lines, labels) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.labels));
        let mut taught = self.taught;
        for (index, (line, label)) in lines.into_iter().zip(labels).enumerate() {
            let at = sent_at(&line);
            self.lines.push(line);
            self.labels.push(label);
            for _ in 0..each {
                self.lines.push(mark(&at, 0, self.lines.len()));
                self.labels.push("mark".to_owned());
                taught += usize::from(index < self.taught);
            }
        }
        self.taught = taught;
        let last = sent_at(self.lines.last().unwrap());
        for _ in 0..2 * PARTITIONS {
            self.lines.push(mark(&last, 3, self.lines.len()));
            self.labels.push("mark".to_owned());
        }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Another state and another group over the same topic.
    pub(crate) fn other_group(&mut self) {
        self.group = name("live");
    }

    /// Publishes lines; line `n` goes to partition `n % 3`.
    pub(crate) fn publish(&self, lines: std::ops::Range<usize>) {
        let given = lines.map(|index| {
            let partition = i32::try_from(index as u64 % PARTITIONS).unwrap();
            Given::text(partition, self.lines[index].clone())
        });
        self.broker.write(&self.topic, given);
    }

    /// Publishes messages of no interest, so many hours after all others: what came before is then decided.
    pub(crate) fn publish_later(&self, hours: i64) {
        let last = sent_at(self.lines.last().unwrap());
        let marks = (0..2 * PARTITIONS).map(|number| {
            let partition = i32::try_from(number % PARTITIONS).unwrap();
            Given::text(partition, mark(&last, hours, self.lines.len() + usize::try_from(number).unwrap()))
        });
        self.broker.write(&self.topic, marks);
    }

    /// The pipeline file, with `begin` as it is written there.
    pub(crate) fn pipeline(&self, begin: Option<&str>) -> PathBuf {
        let begin = begin.unwrap_or(&self.begin);
        let mut properties: BTreeMap<_, _> = self.broker.connection().properties.into_iter().collect();
        let stated = self.properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        properties.extend(stated);
        let properties: Vec<String> =
            properties.iter().map(|(name, value)| format!("{name:?} = {value:?}")).collect();
        let login = self.secure.as_ref().map_or(String::new(), |secure| {
            let Secure { ca_file, username, password_file, .. } = secure;
            format!("ca_file = {ca_file:?}\nusername = {username:?}\npassword_file = {password_file:?}\n")
        });
        let address = self.secure.as_ref().map_or_else(|| self.broker.bootstrap(), |s| s.address.clone());
        let text = format!(
            "[source]\nbrokers = [{address:?}]\ntopics = [{:?}]\ngroup = {:?}\nbegin = {begin:?}\nproperties = {{ {} }}\n{login}{}\
             [trigger]\nfollow = \"f42\"\nfamily = [\"f41@2025-02-04T09:08:23Z\", \"f42\"]\n\
             [select]\npackages = [{:?}]\nrenames = {{ freeipa = \"ipa\" }}\n[sink]\nkind = \"dry_run\"\n{}",
            self.topic,
            self.group,
            properties.join(", "),
            self.in_source,
            self.path("stream/packages.txt").to_str().unwrap(),
            self.sections,
        );
        let path = self.path("site.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// Fills the known builds of a state.
    pub(crate) fn import(&self, state: &str) {
        let mut import = tidegate();
        import.args(["known", "import"]).arg(self.pipeline(None)).arg("--state").arg(self.path(state));
        let done = import.arg(self.path("stream/known_builds.jsonl")).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Copies a state that may be in use.
    pub(crate) fn back_up(&self, state: &str, copy: &str) {
        let mut backup = tidegate();
        let done =
            backup.args(["state", "backup"]).arg(self.path(state)).arg(self.path(copy)).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Starts the pipeline.
    pub(crate) fn run(&self, state: &str, set_up: impl FnOnce(&mut Command)) -> Process {
        self.run_from(state, None, set_up)
    }

    pub(crate) fn run_from(
        &self,
        state: &str,
        begin: Option<&str>,
        set_up: impl FnOnce(&mut Command),
    ) -> Process {
        let log = self.path(&format!("{}.log", name("run")));
        let mut run = tidegate();
        run.arg("run").arg(self.pipeline(begin)).arg("--state").arg(self.path(state));
        run.args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::null());
        run.stderr(File::create(&log).unwrap());
        set_up(&mut run);
        let serial = self.serial(state);
        Process { child: run.spawn().unwrap(), log, serial }
    }

    /// Records that the state has read.
    pub(crate) fn read(&self, state: &str) -> u64 {
        let rows: Option<i64> =
            self.ask(state, "SELECT sum(next) FROM partition").into_iter().next().flatten();
        rows.unwrap_or(0).unsigned_abs()
    }

    /// Batches that the state has.
    fn serial(&self, state: &str) -> i64 {
        let serial: Vec<String> = self.ask(state, "SELECT value FROM meta WHERE key = 'serial'");
        serial.first().map_or(0, |text| text.parse().unwrap())
    }

    pub(crate) fn until_read(&self, state: &str, records: usize, process: &mut Process) {
        until(&format!("{records} records read"), || {
            assert!(process.is_running(), "it ended:\n{}", process.log());
            self.serial(state) > process.serial && self.read(state) >= records as u64
        });
    }

    /// The first column of a question to the state, as it is committed now; nothing while there is no such table yet.
    pub(crate) fn ask<T: rusqlite::types::FromSql>(&self, state: &str, question: &str) -> Vec<T> {
        let path = self.path(state);
        let Ok(db) = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
            return Vec::new();
        };
        db.busy_timeout(PATIENCE).unwrap();
        let Ok(mut statement) = db.prepare(question) else { return Vec::new() };
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// All decisions by place; a build that was held and then decided has its last one. Numbers of partitions are given
    /// as those of the topic.
    pub(crate) fn decisions(&self, state: &str) -> BTreeMap<Place, Fate> {
        let db = Connection::open_with_flags(self.path(state), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let find = "SELECT p.partition, d.offset, outcome, reason, hold, event_time FROM decision d
                    JOIN partition p ON p.number = d.partition ORDER BY d.id";
        let mut statement = db.prepare(find).unwrap();
        let rows = statement.query_map([], |row| {
            let offset: i64 = row.get(1)?;
            let place = (row.get(0)?, offset.unsigned_abs());
            Ok((place, (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// What the truth calls the record at a place; `none` where it is not one of the lines.
    pub(crate) fn label(&self, place: Place) -> &str {
        let index = place.1 * PARTITIONS + u64::from(place.0);
        self.labels.get(usize::try_from(index).unwrap()).map_or("none", String::as_str)
    }

    /// How many of the lines have a label.
    pub(crate) fn labelled(&self, label: &str) -> usize {
        self.labels.iter().filter(|each| *each == label).count()
    }

    /// Nothing old is submitted, nothing twice, and all that is new.
    pub(crate) fn judge(&self, state: &str) {
        let decisions = self.decisions(state);
        let mut submitted = 0;
        for (place, (outcome, reason, ..)) in &decisions {
            let label = self.label(*place);
            if outcome == "submitted" {
                assert_eq!(label, "fresh", "a leak at {place:?}: {reason}");
                submitted += 1;
            }
        }
        assert_eq!(submitted, self.labelled("fresh"), "new builds are missing");
        self.judge_submissions(state);
    }

    /// Each new build was submitted once, whatever record it was decided by.
    pub(crate) fn judge_submissions(&self, state: &str) {
        let admitted: Vec<i64> = self.ask(state, "SELECT build_id FROM submission");
        let distinct: BTreeSet<_> = admitted.iter().collect();
        let fresh = self.labelled("fresh");
        assert_eq!((admitted.len(), distinct.len()), (fresh, fresh), "missing, or built twice");
    }

    /// Runs until everything was read, and stops.
    pub(crate) fn drain(&self, state: &str) {
        self.drain_to(state, self.lines.len());
    }

    /// Runs until so many records were read, and stops.
    pub(crate) fn drain_to(&self, state: &str, records: usize) {
        let mut process = self.run(state, |_| ());
        self.until_read(state, records, &mut process);
        process.stop();
    }

    /// The exit code of `tidegate status`.
    pub(crate) fn status(&self, state: &str) -> Option<i32> {
        let mut status = tidegate();
        status.args(["status", "--state"]).arg(self.path(state)).output().unwrap().status.code()
    }
}

impl Process {
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// CPU time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        // Ticks of 10 ms: fields 14 and 15, counted behind the name, which may hold anything.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        Duration::from_millis(10 * fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Asks it to end; it has to within ten seconds, in order.
    pub(crate) fn stop(mut self) {
        let asked = now();
        self.signal(rustix::process::Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
        assert!(now() - asked < Duration::from_secs(10), "it took {:?} to end", now() - asked);
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = now() + PATIENCE;
        let (_sender, never) = mpsc::channel::<()>();
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended;
            }
            assert!(now() < deadline, "it did not end:\n{}", self.log());
            assert!(never.recv_timeout(Duration::from_millis(20)).is_err());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn sent_at(line: &str) -> String {
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    record["headers"]["sent-at"].as_str().unwrap().to_owned()
}

/// A message of no interest, some hours after another.
fn mark(after: &str, hours: i64, number: usize) -> String {
    let at = tidegate::time::Second::parse(after).unwrap() + tidegate::time::Seconds(hours * 3_600);
    format!(
        "{{\"id\":\"mark-{number}\",\"topic\":\"org.example.clock\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{{}}}}"
    )
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}
