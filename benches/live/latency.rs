//! How long a decision takes beyond what the definition asks for: hold-back, disorder, and a second, since messages state
//! their time in whole seconds.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::BaseProducer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tidegate::time::Second;

use super::number;
use super::site::{PARTITIONS, Site, flush, now, producer, send, topic, until};

/// Records a second in each partition.
const RATE: u32 = 20;
/// Every so many ticks a build comes into the trigger tag, over the partitions in turn: far below every rule.
const BUILD_EVERY: u64 = 10;
const HOLD_BACK: i64 = 6;
const DISORDER: i64 = 5;
const STATE: &str = "latency.db";

pub(crate) fn measure(brokers: &str) {
    let seconds = number("TIDEGATE_BENCH_SECONDS", 60);
    let (source, decisions) =
        (topic(brokers, "bench-live", PARTITIONS), topic(brokers, "bench-decisions", 1));
    let sections = format!(
        "[burst]\nhold_back = \"{HOLD_BACK}s\"\nrules = [\"100 in 5s\"]\n[output]\ndecisions = {decisions:?}\n"
    );
    let site = Site::new(brokers, &source, &sections);
    let mut process = site.run(STATE);
    let mut watch = Watch::new(brokers, &decisions);
    let publisher = Publisher { producer: producer(brokers), topic: source, package: site.package() };
    publisher.publish(0, 0);
    until("the pipeline to read", || {
        assert!(process.is_running(), "it ended:\n{}", site.log(STATE));
        site.read(STATE) > 0
    });

    let ticks = seconds * u64::from(RATE);
    let began = now();
    for tick in 1..=ticks + u64::from(RATE) * (HOLD_BACK + DISORDER + 5).unsigned_abs() {
        // The last builds are followed by others until they are decided.
        publisher.publish(tick, if tick <= ticks { tick } else { 0 });
        let due = began + Duration::from_secs(1) / RATE * u32::try_from(tick).unwrap();
        while let Some(left) = due.checked_duration_since(now()).filter(|left| !left.is_zero()) {
            watch.look(left);
        }
    }
    flush(&publisher.producer);
    watch.tell(&Publisher::sent(ticks));
}

/// Publishes one record into each partition at each tick.
struct Publisher {
    producer: BaseProducer,
    topic: String,
    package: String,
}

impl Publisher {
    /// A mark, or the two messages of a build, which then is number `build`; 0 is none.
    fn publish(&self, tick: u64, build: u64) {
        let at = Second(wall() / 1_000);
        let message = |id: &str, topic: &str, body: &str| {
            format!(
                "{{\"id\":\"{id}-{tick}\",\"topic\":\"org.fedoraproject.prod.buildsys.{topic}\",\"headers\":{{\"sent-at\":\"{at}\"}},\"body\":{body}}}"
            )
        };
        let put = |partition, text: String| send(&self.producer, &self.topic, partition, text.as_bytes());
        let chosen = Self::partition_of(build);
        for partition in 0..PARTITIONS {
            if chosen != Some(partition) {
                put(partition, message(&format!("m{partition}"), "repo.done", "{}"));
            }
        }
        if let Some(partition) = chosen {
            let (id, package) = (Self::id(build), &self.package);
            let body = format!(
                "\"build_id\":{id},\"name\":\"{package}\",\"version\":\"{build}\",\"release\":\"1.fc42\",\"instance\":\"primary\",\"owner\":\"a\""
            );
            put(
                partition,
                message("c", "build.state.change", &format!("{{{body},\"old\":0,\"new\":1,\"task_id\":1}}")),
            );
            put(
                partition,
                message("t", "tag", &format!("{{{body},\"tag\":\"f42\",\"tag_id\":1,\"user\":\"bodhi\"}}")),
            );
        }
        self.producer.poll(Duration::ZERO);
    }

    fn partition_of(build: u64) -> Option<i32> {
        let is_build = build > 0 && build.is_multiple_of(BUILD_EVERY);
        is_build.then(|| i32::try_from(build / BUILD_EVERY % 3).unwrap())
    }

    fn id(build: u64) -> u64 {
        80_000_000 + build
    }

    /// Numbers of all builds up to a tick.
    fn sent(ticks: u64) -> Vec<u64> {
        (1..=ticks).filter(|build| Self::partition_of(*build).is_some()).map(Self::id).collect()
    }
}

/// Sees decisions come.
struct Watch {
    consumer: BaseConsumer,
    /// By build: milliseconds beyond what the definition asks for.
    beyond: BTreeMap<u64, i64>,
}

impl Watch {
    fn new(brokers: &str, topic: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "bench").set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        Self { consumer, beyond: BTreeMap::new() }
    }

    fn look(&mut self, wait: Duration) {
        let Some(message) = self.consumer.poll(wait) else { return };
        let (message, seen) = (message.unwrap(), wall());
        let decision: serde_json::Value =
            serde_json::from_slice(message.payload().unwrap_or_default()).unwrap();
        let Some(build) = decision["build_id"].as_u64() else { return };
        assert_eq!(decision["outcome"], "submitted", "{decision}");
        let sent = Second::parse(decision["event_time"].as_str().unwrap()).unwrap();
        let due = (sent.0 + HOLD_BACK + DISORDER + 1) * 1_000;
        self.beyond.entry(build).or_insert(seen - due);
    }

    fn tell(&self, sent: &[u64]) {
        let missing = sent.iter().filter(|build| !self.beyond.contains_key(build)).count();
        assert_eq!(missing, 0, "{missing} of {} builds were not decided", sent.len());
        let mut beyond: Vec<i64> = self.beyond.values().copied().collect();
        beyond.sort_unstable();
        let share = |percent: usize| beyond[(beyond.len() * percent / 100).min(beyond.len() - 1)];
        println!(
            "{} builds amid {RATE} records a second in each of {PARTITIONS} partitions: milliseconds beyond hold-back, disorder and 1 s",
            beyond.len()
        );
        println!(
            "median {}, p99 {} (wanted: 250), longest {}",
            share(50),
            share(99),
            beyond[beyond.len() - 1]
        );
    }
}

/// Milliseconds since 1970 by the clock of this machine.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn wall() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
