//! The sink that writes builds to a topic, against the broker in this process.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tidegate::kafka::config::Connection;
use tidegate::kafka::mock::MockBroker;
use tidegate::sink::kafka::KafkaSink;
use tidegate::submit::ask::{Order, Receipt};

use crate::{SOURCE, marker, order, receipts};

fn connection(broker: &MockBroker, properties: &[(&str, &str)]) -> Connection {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Connection {
        brokers: vec![broker.bootstrap()],
        properties: properties.iter().map(own).collect(),
        ..Connection::default()
    }
}

type Record = (String, Vec<(String, String)>, String);

/// So many records of the topic, as they come: those of one key are in order.
fn read(broker: &MockBroker, count: usize) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut places = TopicPartitionList::new();
    for partition in 0..3 {
        places.add_partition_offset("rebuilds", partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&places).unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let mut records = Vec::new();
    while records.len() < count {
        let message = consumer.poll(Duration::from_secs(30)).expect("a record within 30 s").unwrap();
        let headers = message.headers().unwrap().iter();
        let headers = headers.map(|header| (header.key.to_owned(), text(header.value))).collect();
        records.push((text(message.key()), headers, text(message.payload())));
    }
    records
}

#[tokio::test]
async fn a_build_is_taken_once_the_broker_has_it() {
    let broker = MockBroker::start().unwrap();
    broker.create_topic("rebuilds", 3).unwrap();
    let mut sink = KafkaSink::new(&connection(&broker, &[]), "rebuilds", None).unwrap();
    let found = receipts(&mut sink, vec![order(7, SOURCE, "eln"), order(8, SOURCE, "eln")]).await;
    assert_eq!(found, [Receipt::Taken, Receipt::Taken]);

    let records = read(&broker, 2);
    for ((key, headers, value), row) in records.iter().zip([7, 8]) {
        assert_eq!(key, "zlib");
        let expected = [
            ("tidegate-schema".to_owned(), "tidegate.order/1".to_owned()),
            ("tidegate-key".to_owned(), format!("tidegate/s1/eln/{row}")),
            ("tidegate-marker".to_owned(), marker(row).to_string()),
        ];
        assert_eq!(headers, &expected);
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        assert_eq!((&value["nvr"], &value["source"]), (&"zlib-1.3-2.fc42".into(), &SOURCE.into()));
    }
}

#[tokio::test]
async fn a_build_that_no_broker_confirms_is_lost() {
    let broker = MockBroker::start().unwrap();
    broker.create_topic("rebuilds", 1).unwrap();
    let hasty = connection(&broker, &[("message.timeout.ms", "300")]);
    let mut sink = KafkaSink::new(&hasty, "rebuilds", None).unwrap();
    broker.down().unwrap();
    let found = receipts(&mut sink, vec![order(7, SOURCE, "eln")]).await;
    assert!(matches!(found.as_slice(), [Receipt::Lost(_)]), "{found:?}");
    broker.up().unwrap();
}

#[tokio::test]
async fn a_build_that_fits_in_no_record_is_refused() {
    let broker = MockBroker::start().unwrap();
    broker.create_topic("rebuilds", 1).unwrap();
    let mut sink = KafkaSink::new(&connection(&broker, &[]), "rebuilds", None).unwrap();
    let large = Order { source: "x".repeat(2_000_000).into(), ..order(7, SOURCE, "eln") };
    let found = receipts(&mut sink, vec![large]).await;
    assert!(matches!(found.as_slice(), [Receipt::Refused(_)]), "{found:?}");
}
