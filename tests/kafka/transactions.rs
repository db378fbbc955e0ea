//! Transactions of producers: what is not decided is not proved, what was rolled back is never seen.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use tidegate::kafka::handover::TroubleKind;
use tidegate::kafka::source::SourceSettings;

use crate::broker::{Broker, PATIENCE, numbered};
use crate::follower::{Follower, now};
use crate::on_kafka_only;

on_kafka_only! {
    an_open_transaction_is_no_proof_and_a_rolled_back_one_is_never_seen: "proofs beside transactions",
    records_that_do_not_come_are_told: "a stall is told",
}

fn send(producer: &BaseProducer, topic: &str, value: &str) {
    producer
        .send(BaseRecord::<(), str>::to(topic).partition(0).payload(value))
        .map_err(|(error, _)| error)
        .unwrap();
    producer.flush(PATIENCE).unwrap();
}

fn an_open_transaction_is_no_proof_and_a_rolled_back_one_is_never_seen(broker: &Broker) {
    let topic = broker.topic(1);
    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    let producer = broker.transactions();

    // Behind the record comes a mark that nobody is given: the end is not the position.
    producer.begin_transaction().unwrap();
    send(&producer, &topic, "kept");
    producer.commit_transaction(PATIENCE).unwrap();
    follower
        .until("a proof behind the mark", |f| f.at(&topic, 0).is_some_and(|at| at.caught_up && at.end == 2));
    assert_eq!(follower.values(&topic, 0), ["kept"]);

    // While a transaction is open, records of others may wait behind it.
    producer.begin_transaction().unwrap();
    send(&producer, &topic, "rolled back");
    broker.write(&topic, [crate::broker::Given::text(0, "behind")]);
    let from = now();
    follower.until("a look at the open transaction", |f| {
        f.progress.as_ref().is_some_and(|progress| progress.asked_at > from)
    });
    let open = follower.at(&topic, 0).unwrap();
    assert!(!open.caught_up && open.end == 4, "{open:?}");
    assert_eq!(follower.count(&topic, 0), 1);

    producer.abort_transaction(PATIENCE).unwrap();
    follower.until("a proof", |f| f.at(&topic, 0).is_some_and(|at| at.caught_up && at.end == 5));
    assert_eq!(follower.values(&topic, 0), ["kept", "behind"]);
    broker.write(&topic, numbered(0, 0..1));
    follower.until_caught_up();
    assert_eq!(follower.values(&topic, 0), ["kept", "behind", "0"]);
    follower.stop();
}

fn records_that_do_not_come_are_told(broker: &Broker) {
    let topic = broker.topic(1);
    let stall_after = Duration::from_secs(2);
    let mut follower = Follower::start(SourceSettings { stall_after, ..broker.settings(&[&topic]) });
    follower.until_caught_up();
    let producer = broker.transactions();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, "kept back");
    follower.until("the trouble", |f| f.troubles.contains_key(&TroubleKind::Stalled));
    let text = &follower.troubles[&TroubleKind::Stalled];
    assert!(text.contains(&format!("{topic}/0 for 2 s")), "{text}");
    producer.commit_transaction(PATIENCE).unwrap();
    follower.until("the record, and the end of the trouble", |f| {
        f.count(&topic, 0) == 1 && f.troubles.is_empty()
    });
    follower.stop();
}
