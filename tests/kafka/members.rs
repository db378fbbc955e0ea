//! A second member of the group, and topics that are not there or grow.

use std::time::Duration;

use tidegate::kafka::handover::{Owner, StartAt, TroubleKind};
use tidegate::kafka::source::SourceSettings;

use crate::broker::{Broker, name, numbered};
use crate::follower::Follower;
use crate::{on_both, on_kafka_only};

on_both! {
    a_second_member_is_told_and_so_is_its_leaving: "rebalances",
    a_member_that_gives_no_answer_takes_part_in_the_next_rebalance: "rebalances while a member waits",
    a_topic_with_more_partitions_than_positions_is_told: "new partitions are told and read whole",
}

on_kafka_only! {
    a_topic_that_grows_is_noticed: "a growing topic is noticed while it is read",
    a_topic_that_is_missing_is_told_until_it_is_there: "a missing topic is told, and read once it exists",
}

fn owners(follower: &Follower) -> Vec<Owner> {
    let partitions = follower.assignment.iter().flat_map(|assignment| &assignment.partitions);
    partitions.map(|partition| partition.owner.clone()).collect()
}

fn a_second_member_is_told_and_so_is_its_leaving(broker: &Broker) {
    let topic = broker.topic(2);
    broker.write(&topic, numbered(0, 0..10).into_iter().chain(numbered(1, 0..10)));
    let settings = broker.settings(&[&topic]);
    let mut first = Follower::start(settings.clone());
    first.until_caught_up();
    assert_eq!(owners(&first), [Owner::Ours, Owner::Ours]);

    let mut second = Follower::start(settings);
    let ours = |f: &Follower| owners(f).iter().filter(|owner| **owner == Owner::Ours).count();
    first.until("the second member", |f| f.revoked >= 1 && ours(f) == 1);
    second.until("its share", |f| ours(f) == 1);
    let others = owners(&first).into_iter().filter(|owner| *owner != Owner::Ours);
    for other in others {
        if broker.is_real() {
            let Owner::Other { client_id, host } = other else {
                panic!("nobody knows whose it is: {other:?}")
            };
            assert!(client_id.starts_with("tidegate-") && host == "127.0.0.1", "{client_id} {host}");
        } else {
            assert_eq!(other, Owner::NotOurs);
        }
    }
    assert!(second.stop());

    first.until("all partitions", |f| f.revoked >= 2 && ours(f) == 2);
    broker.write(&topic, numbered(0, 10..20).into_iter().chain(numbered(1, 10..20)));
    first.until_caught_up();
    let expected: Vec<String> = (0..20).map(|number: u32| number.to_string()).collect();
    assert_eq!([first.values(&topic, 0), first.values(&topic, 1)], [expected.clone(), expected]);
    first.stop();
}

/// A pipeline that takes its time, or waits for a person, holds up nobody else of the group.
fn a_member_that_gives_no_answer_takes_part_in_the_next_rebalance(broker: &Broker) {
    let topic = broker.topic(2);
    let settings = broker.settings(&[&topic]);
    let mut first = Follower::start(settings.clone());
    first.until_caught_up();
    let mut second = Follower::start(settings);
    second.answers = false;
    let ours = |f: &Follower| owners(f).iter().filter(|owner| **owner == Owner::Ours).count();
    second.until("its share", |f| ours(f) == 1);
    assert!(first.stop());
    second.until("all partitions", |f| ours(f) == 2);
    assert!(second.stop());
}

fn a_topic_with_more_partitions_than_positions_is_told(broker: &Broker) {
    let topic = broker.topic(3);
    broker.write(&topic, numbered(0, 0..10).into_iter().chain(numbered(2, 0..10)));
    let stored = |next| StartAt::Stored { next, last: None };
    let starts = [((topic.clone(), 0), stored(4)), ((topic.clone(), 1), stored(0))].into();
    let mut follower = Follower::start_at(broker.settings(&[&topic]), starts);
    follower.until_caught_up();
    assert_eq!(follower.repartitioned, [(2, 3)]);
    assert_eq!((follower.count(&topic, 0), follower.count(&topic, 2)), (6, 10));
    follower.stop();
}

fn a_topic_that_grows_is_noticed(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..10));
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    broker.grow(&topic, 2);
    broker.write(&topic, numbered(1, 0..10));
    follower.until("the new partition", |f| f.count(&topic, 1) == 10);
    assert_eq!(follower.repartitioned, [(1, 2)]);
    assert_eq!(follower.count(&topic, 0), 10);
    follower.stop();
}

fn a_topic_that_is_missing_is_told_until_it_is_there(broker: &Broker) {
    let (there, missing) = (broker.topic(1), name("topic"));
    broker.write(&there, numbered(0, 0..10));
    let mut follower = Follower::start(broker.settings(&[&there, &missing]));
    follower.until("the topic that is there", |f| f.count(&there, 0) == 10);
    follower.until("the trouble", |f| f.troubles.contains_key(&TroubleKind::NoTopic));
    let text = &follower.troubles[&TroubleKind::NoTopic];
    assert!(text.contains("does not exist") && text.contains(&missing), "{text}");

    broker.create(&missing, 1);
    broker.write(&missing, numbered(0, 0..10));
    follower.until("its records", |f| f.count(&missing, 0) == 10 && f.troubles.is_empty());
    assert_eq!(follower.count(&there, 0), 10);
    follower.stop();
}

#[test]
fn a_group_that_gives_nothing_is_told() {
    // The imitation lets new groups wait for three seconds.
    let broker = Broker::mock();
    let topic = broker.topic(1);
    let stall_after = Duration::from_secs(1);
    let mut follower = Follower::start(SourceSettings { stall_after, ..broker.settings(&[&topic]) });
    follower.until("the trouble", |f| f.troubles.contains_key(&TroubleKind::Unassigned));
    follower.until_caught_up();
    assert_eq!(follower.history, ["Unassigned", "over Unassigned"]);
    follower.stop();
}
