//! The fake hub publishes to Kafka what it would write into a file, in the same order: on librdkafka's imitation of a broker.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[expect(dead_code, reason = "only calls and sessions are wanted here")]
#[path = "common/hub_wire.rs"]
mod hub_wire;

use std::io;
use std::time::Duration;

use hub_wire::{call, login};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::{Offset, TopicPartitionList};
use tidegate::hub::{FakeHub, Kafka, Kept, Latency, Message, Pace, Publisher, Script, Settings, WorldFile};
use tidegate::koji::xmlrpc::{Answer, Call, Value};

const TOPIC: &str = "bus";

/// Publishes to Kafka, and keeps what it published.
struct Both(Kafka, Kept);

impl Publisher for Both {
    fn publish(&mut self, messages: &[Message]) -> io::Result<()> {
        self.1.publish(messages)?;
        self.0.publish(messages)
    }
}

/// The first `count` records of the topic.
fn records(brokers: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "test").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let mut records = Vec::new();
    while records.len() < count {
        let record = consumer.poll(Duration::from_secs(60)).expect("a record within a minute").unwrap();
        records.push(String::from_utf8(record.payload().unwrap().to_vec()).unwrap());
    }
    assert!(consumer.poll(Duration::from_millis(10)).is_none());
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_at_the_hub_is_published_once_and_in_order() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let kept = Kept::default();
    let world =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hub/small.toml"))
            .unwrap();
    let hub = FakeHub::start(Settings {
        world: WorldFile::parse(&world).unwrap(),
        listen: "127.0.0.1:0".parse().unwrap(),
        pace: Pace::Still,
        script: Script::default(),
        latency: Latency::default(),
        publisher: Box::new(Both(Kafka::new(&brokers, TOPIC).unwrap(), kept.clone())),
    })
    .await
    .unwrap();

    let session = login(hub.address(), "rebuilder", "rebuilderpw").await;
    let build = Call::new("build").arg("git+https://src.example/rpms/zlib#1.3-2").arg("eln");
    assert_eq!(call(hub.address(), &build, Some((&session, 0))).await, Some(Answer::Value(Value::from(1))));
    hub.advance_seconds(7_200);
    assert!(hub.take_failure().is_none());
    hub.stop().await;

    let published: Vec<String> = kept.take().iter().map(Message::line).collect();
    assert!(
        published.iter().any(|line| line.contains("\"org.fedoraproject.prod.buildsys.tag\"")),
        "{published:?}"
    );
    assert_eq!(records(&brokers, published.len()), published);
}
