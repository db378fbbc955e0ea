//! The consumers that the pipeline is compared with, each as a process of its own: one that only polls, and one that decodes
//! what it polled.

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tidegate::decode::decode;
use tidegate::event::{Position, Record};
use tidegate::settings::{Route, Settings};

use super::site::PARTITIONS;

/// Word on the command line by which this program is one of the consumers.
const CHILD: &str = "--consume";

/// What a consumer does with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    Nothing,
    Decoding,
}

/// CPU seconds of a consumer of the first `records` records of a topic.
pub(crate) fn cost(brokers: &str, topic: &str, records: u64, with: With) -> f64 {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let done =
        child.args([CHILD, brokers, topic, &records.to_string(), &format!("{with:?}")]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().parse().unwrap()
}

/// Is the consumer that the arguments ask for, and prints its CPU seconds. Gives whether they ask for one.
pub(crate) fn is_child(arguments: &[String]) -> bool {
    let [word, brokers, topic, records, with] = arguments else { return false };
    if word != CHILD {
        return false;
    }
    consume(brokers, topic, records.parse().unwrap(), with == "Decoding");
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    println!("{}.{:09}", used.tv_sec, used.tv_nsec);
    true
}

fn consume(brokers: &str, topic: &str, records: u64, decodes: bool) {
    // As the source of the pipeline has it.
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("queued.min.messages", "1000000")
        .set("queued.max.messages.kbytes", "65536")
        .set("check.crcs", "true")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let route = Settings::defaults("f42").route;
    let mut seen = 0;
    while seen < records {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let value = message.payload().unwrap_or_default();
        if decodes {
            black_box(is_readable(&route, value));
        } else {
            black_box(value);
        }
        seen += 1;
    }
}

fn is_readable(route: &Route, value: &[u8]) -> bool {
    let position = Position { partition: 0, offset: 1 };
    decode(route, &Record { position, kafka_millis: None, headers: &[], value, cut: false }).is_ok()
}
