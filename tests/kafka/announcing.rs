//! Notices on their way to topics.

use std::time::Duration;

use tidegate::kafka::producer::Producer;
use tidegate::live::announcer::{Announcer, NUMBER_HEADER, Patience};
use tidegate::pipeline::Outputs;
use tidegate::state::live::Notice;
use tokio::sync::mpsc;

use crate::broker::{Broker, PATIENCE, wait};
use crate::follower::Follower;

fn notices(numbers: std::ops::Range<u64>) -> Vec<(u64, Notice)> {
    let notice = |number: u64| Notice {
        output: "decisions".to_owned(),
        key: format!("p{}", number % 7),
        headers: vec![("tidegate-kind".to_owned(), "held".to_owned())],
        data: number.to_string(),
    };
    numbers.map(|number| (number, notice(number))).collect()
}

/// Announces two batches, the second while the broker is away.
fn notices_survive_an_outage(broker: &Broker) {
    let topic = broker.topic(3);
    let outputs = Outputs { decisions: Some(topic.clone()), ..Outputs::default() };
    let producer = Producer::new(&broker.connection()).unwrap();
    let patience = Patience { tell_after: Duration::from_millis(100), ..Patience::default() };
    let (announcer, mut troubles) = Announcer::new(producer, outputs, "s-1".to_owned(), patience);
    let story = async {
        let (batches, taken) = mpsc::channel(1);
        let (told, mut confirmed) = mpsc::channel(1);
        let task = tokio::spawn(announcer.run(taken, told));
        batches.send(notices(1..100)).await.unwrap();
        assert_eq!(confirmed.recv().await, Some(99));
        broker.down();
        batches.send(notices(100..200)).await.unwrap();
        let text = troubles.wait_for(|troubles| !troubles.is_empty()).await.unwrap()[&topic].clone();
        assert!(text.contains(&topic), "{text}");
        broker.up();
        assert_eq!(confirmed.recv().await, Some(199));
        assert!(troubles.borrow().is_empty());
        drop(batches);
        task.await.unwrap();
    };
    wait(async { tokio::time::timeout(PATIENCE, story).await.unwrap() });

    let mut follower = Follower::start(broker.settings(&[&topic]));
    follower.until_caught_up();
    let mut numbers = Vec::new();
    for partition in 0..3 {
        let Some(records) = follower.records.get(&(topic.clone(), partition)) else { continue };
        for key in 0..7 {
            let of_key: Vec<u64> = records
                .iter()
                .map(|record| String::from_utf8_lossy(&record.value).parse().unwrap())
                .filter(|number: &u64| number % 7 == key)
                .collect();
            assert!(of_key.is_sorted(), "{of_key:?}");
            numbers.extend(of_key);
        }
        for record in records {
            let number = String::from_utf8_lossy(&record.value);
            let header = record.headers.iter().find(|(name, _)| name == NUMBER_HEADER).unwrap();
            assert_eq!(header.1, format!("s-1/{number}").into_bytes());
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..200).collect::<Vec<_>>());
    follower.stop();
}

/// A real broker that is stopped takes all other stories with it.
mod while_alone {
    #[test]
    fn notices_survive_an_outage_of_the_imitation() {
        super::notices_survive_an_outage(&crate::broker::Broker::mock());
    }

    #[test]
    fn notices_survive_an_outage_of_kafka() {
        if let Some((broker, _alone)) = crate::broker::Broker::alone("notices through an outage") {
            super::notices_survive_an_outage(&broker);
        }
    }
}
