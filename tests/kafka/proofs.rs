//! The proof that nothing is left to be read.

use std::time::Duration;

use crate::broker::{Broker, numbered};
use crate::follower::{Follower, now};
use crate::on_both;

on_both! {
    a_proof_comes_soon_after_the_last_record: "proofs within 2 s of the last record",
    a_silent_partition_is_proved_beside_a_busy_one: "proofs of single partitions",
    an_empty_topic_is_proved_to_be_empty: "proofs of empty partitions",
}

fn a_proof_comes_soon_after_the_last_record(broker: &Broker) {
    let topic = broker.topic(1);
    let mut follower = Follower::start(broker.settings(&[&topic]));
    for round in 0..3 {
        broker.write(&topic, numbered(0, round * 10..round * 10 + 10));
        let end = round * 10 + 10;
        follower.until("10 records", |f| f.count(&topic, 0) as u64 == end);
        let last = follower.last_record.unwrap();
        follower.until("a proof", |f| f.at(&topic, 0).is_some_and(|at| at.caught_up && at.end == end));
        let asked_at = follower.progress.as_ref().unwrap().asked_at;
        assert!(
            asked_at <= last + Duration::from_secs(2),
            "asked {:?} after the last record",
            asked_at - last
        );
        let at = follower.at(&topic, 0).unwrap();
        let record = follower.records[&(topic.clone(), 0)].last().unwrap();
        assert_eq!((at.next, at.last_kafka_millis), (end, record.kafka_millis));
    }
    follower.stop();
}

fn a_silent_partition_is_proved_beside_a_busy_one(broker: &Broker) {
    let topic = broker.topic(2);
    broker.write(&topic, numbered(0, 0..5));
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    // The proof of the silent one does not wait for the busy one to fall silent.
    let from = now();
    let mut written = 0;
    while follower.progress.as_ref().is_none_or(|p| p.asked_at < from) || written == 0 {
        broker.write(&topic, numbered(1, written..written + 10));
        written += 10;
        follower.until("what was written", |f| f.count(&topic, 1) as u64 == written);
    }
    let silent = follower.at(&topic, 0).unwrap();
    assert!(silent.caught_up && silent.next == 5, "{silent:?}");
    follower.stop();
}

fn an_empty_topic_is_proved_to_be_empty(broker: &Broker) {
    let topic = broker.topic(3);
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    let progress = follower.progress.as_ref().unwrap();
    assert!(progress.partitions.iter().all(|p| (p.next, p.end, p.last_kafka_millis) == (0, 0, None)));
    assert!(follower.records.is_empty());
    follower.stop();
}
