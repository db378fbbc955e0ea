//! Positions that cannot be gone on from: told, and nothing skipped.

use tidegate::kafka::handover::{Damage, DamageKind, LastRead, StartAt};

use crate::broker::{Broker, numbered};
use crate::follower::Follower;
use crate::{on_both, on_kafka_only};

on_both! {
    a_position_behind_the_end_is_told: "positions behind the end of a partition",
    another_record_in_the_place_of_the_last_is_told: "a topic made again is known by its records",
}

on_kafka_only! {
    records_that_went_unread_are_told: "a topic cut below the stored position is told",
    a_topic_made_again_while_it_is_read_is_told: "a topic deleted and made again while it is read is told",
    a_topic_made_again_meanwhile_is_told: "a topic deleted and made again between two runs is told",
    a_topic_cut_below_a_reader_is_told: "a topic cut while its reader rests is told",
}

fn only(damages: &[Damage]) -> &Damage {
    let [damage] = damages else { panic!("{damages:?}") };
    damage
}

/// Starts at a position that is not sound, decides to go on at the first record, and returns what was told.
fn told_then_decided(broker: &Broker, topic: &str, start: StartAt, all: usize) -> Damage {
    let place = (topic.to_owned(), 0);
    let mut follower = Follower::start_at(broker.settings(&[topic]), [(place.clone(), start)].into());
    follower.until("the damage", |f| !f.damages.is_empty());
    assert!(follower.records.is_empty(), "something was read before anybody decided");
    follower.starts.insert(place, StartAt::Decided(0));
    follower.answer();
    follower.until_caught_up();
    assert_eq!(follower.count(topic, 0), all);
    let damage = only(&follower.damages).clone();
    follower.stop();
    damage
}

fn a_position_behind_the_end_is_told(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..10));
    let damage = told_then_decided(broker, &topic, StartAt::Stored { next: 11, last: None }, 10);
    assert_eq!(damage.kind, DamageKind::EndsBefore { next: 11, end: 10 });
    let text = damage.to_string();
    assert!(text.contains(&format!("{topic}/0")) && text.contains("was deleted and made again"), "{text}");
}

fn another_record_in_the_place_of_the_last_is_told(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..10));
    let read = LastRead { offset: 4, kafka_millis: 1_000 };
    let damage = told_then_decided(broker, &topic, StartAt::Stored { next: 5, last: Some(read) }, 10);
    assert!(
        matches!(damage.kind, DamageKind::Replaced { read: told, found_millis: Some(_) } if told == read)
    );
}

fn records_that_went_unread_are_told(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..100));
    broker.delete_records(&topic, 50);
    // Whoever has read up to there has lost nothing, though the last record that was read is gone.
    let last = Some(LastRead { offset: 49, kafka_millis: 1_000 });
    let place = (topic.clone(), 0);
    let sound = StartAt::Stored { next: 50, last };
    let mut sound = Follower::start_at(broker.settings(&[&topic]), [(place, sound)].into());
    sound.until_caught_up();
    assert_eq!((sound.count(&topic, 0), sound.damages.len()), (50, 0));
    sound.stop();

    let damage = told_then_decided(broker, &topic, StartAt::Stored { next: 10, last: None }, 50);
    assert_eq!(damage.kind, DamageKind::Truncated { next: 10, low: 50 });
    let text = damage.to_string();
    assert!(text.contains("offsets 10 to 49 are gone, unread (40 of them at most)"), "{text}");
}

fn a_topic_made_again_while_it_is_read_is_told(broker: &Broker) {
    for records in [20, 200] {
        let topic = broker.topic(1);
        broker.write(&topic, numbered(0, 0..100));
        let mut follower = Follower::start(broker.settings(&[&topic]));
        follower.until_caught_up();
        broker.delete(&topic);
        broker.create(&topic, 1);
        broker.write(&topic, numbered(0, 0..records));
        follower.until("the damage", |f| !f.damages.is_empty());
        assert_eq!(follower.count(&topic, 0), 100, "records of another topic were taken for its own");
        // It may be seen while it is being filled.
        match only(&follower.damages).kind {
            DamageKind::EndsBefore { next, end } => assert!(next == 100 && end < 100, "{end}"),
            DamageKind::Replaced { read, .. } => assert_eq!((read.offset, records), (99, 200)),
            kind @ DamageKind::Truncated { .. } => panic!("{kind:?}"),
        }
        follower.stop();
    }
}

fn a_topic_made_again_meanwhile_is_told(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..100));
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    let place = (topic.clone(), 0);
    let stored = follower.starts[&place];
    follower.stop();
    broker.delete(&topic);
    broker.create(&topic, 1);
    broker.write(&topic, numbered(0, 0..200));
    let damage = told_then_decided(broker, &topic, stored, 200);
    assert!(matches!(damage.kind, DamageKind::Replaced { read, .. } if read.offset == 99), "{damage:?}");
}

fn a_topic_cut_below_a_reader_is_told(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..10));
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    follower.tell(tidegate::kafka::handover::ToKafka::Pause(vec![0]));
    follower.until_caught_up();
    broker.write(&topic, numbered(0, 10..100));
    broker.delete_records(&topic, 50);
    follower.tell(tidegate::kafka::handover::ToKafka::Resume(vec![0]));
    follower.until("the damage", |f| !f.damages.is_empty());
    assert_eq!(only(&follower.damages).kind, DamageKind::Truncated { next: 10, low: 50 });
    assert_eq!(follower.count(&topic, 0), 10);
    follower.stop();
}
