//! Brokers that go and come back.

use tidegate::kafka::handover::TroubleKind;

use crate::broker::{Broker, numbered};
use crate::follower::{Follower, now};

fn an_outage_is_told_proves_nothing_and_loses_nothing(broker: &Broker) {
    let topic = broker.topic(2);
    broker.write(&topic, numbered(0, 0..10));
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();

    broker.down();
    let from = now();
    follower.until("the trouble", |f| f.troubles.contains_key(&TroubleKind::Unreachable));
    let text = &follower.troubles[&TroubleKind::Unreachable];
    assert!(text.contains("do not answer") && text.contains(&broker.bootstrap()), "{text}");
    let proved = follower.progress.as_ref().is_some_and(|progress| progress.asked_at > from);
    assert!(!proved, "something was proved while no broker could be asked");

    broker.up();
    broker.write(&topic, numbered(0, 10..20).into_iter().chain(numbered(1, 0..10)));
    follower
        .until("the records that came meanwhile", |f| f.count(&topic, 0) == 20 && f.count(&topic, 1) == 10);
    follower.until("the end of the trouble", |f| f.troubles.is_empty());
    follower.until_caught_up();
    let expected: Vec<String> = (0..20).map(|number: u32| number.to_string()).collect();
    assert_eq!(follower.values(&topic, 0), expected);
    assert_eq!(follower.damages, []);
    assert!(follower.stop());
}

fn it_stops_within_ten_seconds_though_the_broker_is_gone(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..10));
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    broker.down();
    follower.until("the trouble", |f| f.troubles.contains_key(&TroubleKind::Unreachable));
    // The limit is in `stop`.
    follower.stop();
    broker.up();
}

fn it_waits_for_a_broker_that_is_not_there_yet(broker: &Broker) {
    let topic = broker.topic(1);
    broker.write(&topic, numbered(0, 0..10));
    broker.down();
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until("the trouble", |f| f.troubles.contains_key(&TroubleKind::Unreachable));
    broker.up();
    follower.until_caught_up();
    assert_eq!(follower.count(&topic, 0), 10);
    assert!(follower.troubles.is_empty(), "{:?}", follower.troubles);
    follower.stop();
}

crate::on_both_alone! {
    an_outage_is_told_proves_nothing_and_loses_nothing: "a broker that is stopped and started",
    it_stops_within_ten_seconds_though_the_broker_is_gone: "stopping while the broker is gone",
    it_waits_for_a_broker_that_is_not_there_yet: "starting before the broker",
}
