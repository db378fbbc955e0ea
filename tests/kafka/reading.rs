//! What is read: every record, once, in order, whole, from where it was asked for.

use std::collections::BTreeMap;

use tidegate::kafka::handover::{LastRead, Owner, StartAt, ToKafka};
use tidegate::kafka::records::VALUE_MAX;

use crate::broker::{Broker, Given, numbered};
use crate::follower::Follower;
use crate::on_both;

on_both! {
    every_record_comes_once_and_in_order: "order and completeness over 3 topics of 6 partitions, zstd",
    a_restart_goes_on_where_it_stopped: "restarts from stored positions",
    headers_nulls_and_large_values_come_whole: "headers, nulls and values of 1 MiB, zstd",
    what_was_committed_is_told_at_the_next_start: "committed positions with their text",
    a_paused_partition_rests_and_then_goes_on: "pause and resume",
    a_pipeline_that_stands_still_loses_nothing: "back-pressure",
}

fn every_record_comes_once_and_in_order(broker: &Broker) {
    let topics = [(broker.topic(1), 1), (broker.topic(3), 3), (broker.topic(2), 2)];
    for (topic, partitions) in &topics {
        broker.write(topic, (0..*partitions).flat_map(|number| numbered(number, 0..1_000)));
    }
    let names: Vec<&str> = topics.iter().map(|(topic, _)| topic.as_str()).collect();
    let mut follower = Follower::start(broker.settings(&names));
    follower.until("6,000 records", |f| f.records.values().map(Vec::len).sum::<usize>() >= 6_000);
    follower.until_caught_up();
    let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    for (topic, partitions) in &topics {
        for number in 0..*partitions {
            assert_eq!(follower.values(topic, number), expected, "{topic}/{number}");
            let records = &follower.records[&(topic.clone(), number)];
            assert!((0..).zip(records).all(|(offset, record)| record.offset == offset), "{topic}/{number}");
        }
    }
    let assignment = follower.assignment.as_ref().unwrap();
    assert_eq!(assignment.partitions.len(), 6);
    assert!(assignment.partitions.iter().all(|p| p.owner == Owner::Ours && (p.low, p.end) == (0, 1_000)));
    assert!(follower.stop(), "it left the group");
}

fn a_restart_goes_on_where_it_stopped(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..100));
    let settings = broker.settings(&[&topic]);
    let mut first = Follower::start(settings.clone());
    first.until("100 records", |f| f.count(&topic, 0) >= 100);
    let read = first.records[&(topic.clone(), 0)][59].clone();
    first.stop();

    broker.write(&topic, numbered(0, 100..150));
    let last = LastRead { offset: read.offset, kafka_millis: read.kafka_millis.unwrap() };
    let start = StartAt::Stored { next: 60, last: Some(last) };
    let mut second = Follower::start_at(settings, BTreeMap::from([((topic.clone(), 0), start)]));
    second.until_caught_up();
    let expected: Vec<String> = (60..150).map(|number: u32| number.to_string()).collect();
    assert_eq!(second.values(&topic, 0), expected);
    assert!(second.damages.is_empty(), "{:?}", second.damages);
    second.stop();
}

fn headers_nulls_and_large_values_come_whole(broker: &Broker) {
    let topic = broker.topic(1);
    let large: Vec<u8> =
        (0..1_048_576u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let given = [
        Given { value: None, ..Given::default() },
        Given { value: Some(Vec::new()), ..Given::default() },
        Given {
            value: Some(b"\xff\x00\xfe".to_vec()),
            headers: vec![
                ("sent-at", Some(b"2025")),
                ("sent-at", Some(b"\x00\xff")),
                ("empty", Some(b"")),
                ("none", None),
            ],
            ..Given::default()
        },
        Given { value: Some(large), ..Given::default() },
    ];
    broker.write(&topic, given.clone());
    if broker.is_real() {
        broker.write(&topic, [Given { value: Some(vec![7; VALUE_MAX + 1]), ..Given::default() }]);
    }
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    let records = &follower.records[&(topic, 0)];
    for (record, given) in records.iter().zip(&given) {
        assert_eq!(record.value, given.value.clone().unwrap_or_default());
        let headers: Vec<(&str, &[u8])> =
            record.headers.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
        let expected: Vec<(&str, &[u8])> =
            given.headers.iter().map(|(k, v)| (*k, v.unwrap_or_default())).collect();
        assert_eq!(headers, expected);
        assert!(!record.cut && record.kafka_millis.is_some());
    }
    if broker.is_real() {
        assert!(records[4].cut && records[4].value.len() == VALUE_MAX);
    }
    follower.stop();
}

fn what_was_committed_is_told_at_the_next_start(broker: &Broker) {
    let topic = broker.topic(2);
    broker.write(&topic, numbered(0, 0..10));
    let settings = broker.settings(&[&topic]);
    let mut first = Follower::start(settings.clone());
    first.until("10 records", |f| f.count(&topic, 0) >= 10);
    let committed = &first.assignment.as_ref().unwrap().partitions[0].committed;
    assert_eq!(*committed, None);
    let positions = vec![(0, 7)];
    // One about an assignment that is over changes nothing.
    for (generation, text) in [(first.generation(), "state-a 41"), (first.generation() + 1, "state-b 1")] {
        let positions = positions.clone();
        first.tell(ToKafka::Commit { generation, positions, metadata: text.to_owned() });
    }
    first.stop();

    let mut second = Follower::start(settings);
    second.until("an assignment", |f| f.assignment.is_some());
    let partitions = &second.assignment.as_ref().unwrap().partitions;
    let committed = partitions[0].committed.as_ref().unwrap();
    assert_eq!((committed.next, committed.metadata.as_str()), (7, "state-a 41"));
    assert_eq!(partitions[1].committed, None);
    second.stop();
}

fn a_paused_partition_rests_and_then_goes_on(broker: &Broker) {
    let topic = broker.topic(2);
    broker.write(&topic, numbered(0, 0..1));
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until("the first record", |f| f.count(&topic, 0) == 1);
    follower.tell(ToKafka::Pause(vec![0]));
    follower.until_caught_up();

    broker.write(&topic, numbered(0, 1..50).into_iter().chain(numbered(1, 0..50)));
    follower.until("the other partition, and the end of the one that rests", |f| {
        f.count(&topic, 1) == 50 && f.at(&topic, 0).is_some_and(|at| at.end == 50)
    });
    let rests = follower.at(&topic, 0).unwrap();
    assert_eq!((follower.count(&topic, 0), rests.next, rests.caught_up), (1, 1, false));

    follower.tell(ToKafka::Resume(vec![0]));
    follower.until_caught_up();
    let expected: Vec<String> = (0..50).map(|number: u32| number.to_string()).collect();
    assert_eq!(follower.values(&topic, 0), expected);
    follower.stop();
}

fn a_pipeline_that_stands_still_loses_nothing(broker: &Broker) {
    let topic = broker.topic(2);
    broker.write(&topic, numbered(0, 0..12_000).into_iter().chain(numbered(1, 0..12_000)));
    let mut slow = Follower::start(broker.settings(&[&topic]));
    slow.until("the first record", |f| !f.records.is_empty());
    // Nothing more is taken until somebody else, who joined a group for that, has read it all: some seconds.
    let mut quick = Follower::start(broker.settings(&[&topic]));
    quick.until_caught_up();
    quick.stop();
    assert!(slow.waiting() > 10, "only {} batches wait", slow.waiting());
    slow.until_caught_up();
    let expected: Vec<String> = (0..12_000).map(|number: u32| number.to_string()).collect();
    for number in 0..2 {
        assert!(slow.values(&topic, number) == expected, "partition {number} has lost or doubled records");
    }
    slow.stop();
}
