//! What the producer writes.

use std::time::Duration;

use tidegate::kafka::producer::{NewRecord, Producer, SendError};

use crate::broker::{Broker, wait};
use crate::follower::Follower;
use crate::on_both;

on_both! {
    what_is_sent_is_there_in_order_when_it_is_confirmed: "producing",
    what_is_not_confirmed_is_told: "records that a broker refuses",
}

fn record(topic: &str, number: u32) -> NewRecord {
    NewRecord {
        topic: topic.to_owned(),
        key: format!("key-{}", number % 3).into_bytes(),
        headers: vec![("pipeline".to_owned(), b"eln".to_vec())],
        value: number.to_string().into_bytes(),
    }
}

fn what_is_sent_is_there_in_order_when_it_is_confirmed(broker: &Broker) {
    let topic = broker.topic(3);
    let producer = Producer::new(&broker.connection()).unwrap();
    let written = wait(async {
        let mut written = Vec::new();
        for number in 0..30 {
            written.push(producer.send(&record(&topic, number)).await.unwrap());
        }
        written
    });
    // One key, one partition, in order.
    for first in 0..3 {
        let of_key: Vec<_> = written.iter().skip(first).step_by(3).collect();
        assert!(of_key.windows(2).all(|pair| pair[0].partition == pair[1].partition), "{of_key:?}");
        assert!(of_key.windows(2).all(|pair| pair[0].offset < pair[1].offset), "{of_key:?}");
    }
    assert!(producer.close(Duration::from_secs(10)));

    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    for (number, written) in (0u32..).zip(&written) {
        let records = &follower.records[&(topic.clone(), written.partition)];
        let found = records.iter().find(|r| i64::try_from(r.offset) == Ok(written.offset)).unwrap();
        assert_eq!(found.value, number.to_string().into_bytes());
        assert_eq!(found.headers, [("pipeline".to_owned(), b"eln".to_vec())]);
    }
    follower.stop();
}

fn what_is_not_confirmed_is_told(broker: &Broker) {
    let topic = broker.topic(1);
    let producer = Producer::new(&broker.connection()).unwrap();
    let large = NewRecord { value: vec![0; 2_000_000], ..record(&topic, 0) };
    let error = wait(producer.send(&large)).unwrap_err();
    assert!(matches!(error, SendError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains(&topic));
    // The next one is not held up by it.
    wait(producer.send(&record(&topic, 1))).unwrap();
    assert!(producer.close(Duration::from_secs(10)));
}
