//! A topic, a producer, a pipeline file, and `tidegate run` as a process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tidegate::generate::{Options, generate_with};

pub(crate) const PARTITIONS: i32 = 3;
/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(1_800);

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let (deadline, (_sender, never)) = (now() + PATIENCE, mpsc::channel::<()>());
    while !holds() {
        assert!(now() < deadline, "this did not come: {what}");
        assert!(never.recv_timeout(Duration::from_millis(20)).is_err());
    }
}

/// A topic that nobody else uses.
pub(crate) fn topic(brokers: &str, name: &str, partitions: i32) -> String {
    let topic = format!("{name}-{}", std::process::id());
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1)).set("compression.type", "zstd");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let made = runtime.block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    topic
}

pub(crate) fn producer(brokers: &str) -> BaseProducer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.type", "zstd")
        .set("linger.ms", "5")
        .set("enable.idempotence", "true")
        .create()
        .unwrap()
}

/// Writes a record; waits where the producer has no room.
pub(crate) fn send(producer: &BaseProducer, topic: &str, partition: i32, value: &[u8]) {
    let mut record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(10));
                record = back;
            }
            Err((error, _)) => panic!("{error}"),
        }
    }
}

pub(crate) fn flush(producer: &BaseProducer) {
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// What `tidegate run` needs: a pipeline file and a package list.
pub(crate) struct Site {
    folder: TempDir,
}

/// A running `tidegate run`; it is killed when this is dropped.
pub(crate) struct Process(Child);

impl Site {
    /// A pipeline over `topic`, with more sections behind.
    pub(crate) fn new(brokers: &str, topic: &str, sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let facts = Options { lines: Some(1_000), ..Options::default() };
        generate_with("mix", facts).unwrap().write_truth(folder.path()).unwrap();
        let text = format!(
            "[source]\nbrokers = [{brokers:?}]\ntopics = [{topic:?}]\ngroup = \"bench-{topic}\"\nbegin = \"earliest\"\n\
             [trigger]\nfollow = \"f42\"\nfamily = [\"f41\", \"f42\"]\n\
             [select]\npackages = [\"{}\"]\nrenames = {{ freeipa = \"ipa\" }}\n{sections}",
            folder.path().join("packages.txt").display(),
        );
        fs::write(folder.path().join("bench.toml"), text).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The first of the packages that are listed.
    pub(crate) fn package(&self) -> String {
        let packages = fs::read_to_string(self.path("packages.txt")).unwrap();
        packages.lines().next().unwrap().to_owned()
    }

    /// Starts the pipeline with another state and another group than all before.
    pub(crate) fn run(&self, state: &str) -> Process {
        let tidegate = Path::new(env!("CARGO_BIN_EXE_tidegate"));
        let pipeline = self.path("bench.toml");
        let group = format!("source.group=bench-{}-{state}", std::process::id());
        let mut run = Command::new(tidegate);
        run.arg("run").arg(&pipeline).args(["--set", &group]).arg("--state").arg(self.path(state));
        // The mix comes without known builds.
        run.args(["--accept-cold", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::null());
        run.stderr(File::create(self.path(&format!("{state}.log"))).unwrap());
        Process(run.spawn().unwrap())
    }

    /// Records that a state has read.
    pub(crate) fn read(&self, state: &str) -> u64 {
        let path = self.path(state);
        let Ok(db) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else { return 0 };
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        let read = db.query_row("SELECT coalesce(sum(next), 0) FROM partition", [], |row| row.get(0));
        read.map_or(0, i64::unsigned_abs)
    }

    pub(crate) fn log(&self, state: &str) -> String {
        fs::read_to_string(self.path(&format!("{state}.log"))).unwrap_or_default()
    }
}

impl Process {
    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// CPU seconds that it has used: fields 14 and 15, ticks of 10 ms, counted behind its name.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    /// The most memory that it had at any time, in MiB.
    pub(crate) fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1_024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
