//! The announcer against an outlet that fails as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::kafka::producer::{NewRecord, SendError, Written};
use tidegate::live::announcer::{Announcer, NUMBER_HEADER, Outlet, Patience, Troubles};
use tidegate::pipeline::Outputs;
use tidegate::state::live::Notice;
use tokio::sync::{mpsc, watch};

const PATIENCE: Patience = Patience {
    tell_after: Duration::from_secs(60),
    first_wait: Duration::ZERO,
    longest_wait: Duration::ZERO,
};

/// Refuses each record as often as is left for its number, and remembers what it took.
#[derive(Default)]
struct Fake {
    refusals: Mutex<BTreeMap<u64, u32>>,
    taken: Mutex<Vec<(String, String, u64)>>,
    under_way: Mutex<BTreeSet<String>>,
    never: bool,
}

fn number(record: &NewRecord) -> u64 {
    let (_, value) = record.headers.iter().find(|(name, _)| name == NUMBER_HEADER).unwrap();
    std::str::from_utf8(value).unwrap().strip_prefix("state-1/").unwrap().parse().unwrap()
}

struct Outer(Arc<Fake>);

impl Outlet for Outer {
    async fn send(&self, record: &NewRecord) -> Result<Written, SendError> {
        let fake = &self.0;
        let key = String::from_utf8(record.key.clone()).unwrap();
        assert!(fake.under_way.lock().unwrap().insert(key.clone()), "two of {key} under way");
        tokio::task::yield_now().await;
        fake.under_way.lock().unwrap().remove(&key);
        if fake.never {
            std::future::pending::<()>().await;
        }
        if let Some(left @ 1..) = fake.refusals.lock().unwrap().get_mut(&number(record)) {
            *left -= 1;
            return Err(SendError::Unconfirmed { topic: record.topic.clone(), why: "no leader".to_owned() });
        }
        fake.taken.lock().unwrap().push((record.topic.clone(), key, number(record)));
        Ok(Written { partition: 0, offset: 0 })
    }
}

fn notice(output: &str, key: &str) -> Notice {
    Notice { output: output.to_owned(), key: key.to_owned(), headers: Vec::new(), data: "{}".to_owned() }
}

struct Running {
    batches: mpsc::Sender<Vec<(u64, Notice)>>,
    confirmed: mpsc::Receiver<u64>,
    troubles: watch::Receiver<Troubles>,
    task: tokio::task::JoinHandle<()>,
}

fn start(fake: &Arc<Fake>, patience: Patience) -> Running {
    let outputs =
        Outputs { decisions: Some("d".to_owned()), bursts: Some("b".to_owned()), dead_letters: None };
    let outlet = Outer(Arc::clone(fake));
    let (announcer, troubles) = Announcer::new(outlet, outputs, "state-1".to_owned(), patience);
    let (batches, taken) = mpsc::channel(1);
    let (told, confirmed) = mpsc::channel(1);
    Running { batches, confirmed, troubles, task: tokio::spawn(announcer.run(taken, told)) }
}

#[tokio::test]
async fn each_key_stays_in_order_though_records_fail() {
    let fake = Arc::new(Fake::default());
    *fake.refusals.lock().unwrap() = BTreeMap::from([(2, 3), (5, 1), (9, 2)]);
    let mut running = start(&fake, PATIENCE);
    let keys = ["x", "y", "x", "z", "y", "x"];
    for first in [1, 7] {
        let batch = (first..).zip(keys).map(|(number, key)| (number, notice("decisions", key))).collect();
        running.batches.send(batch).await.unwrap();
        assert_eq!(running.confirmed.recv().await, Some(first + 5));
    }
    let taken = fake.taken.lock().unwrap().clone();
    for (key, expected) in [("x", vec![1, 3, 6, 7, 9, 12]), ("y", vec![2, 5, 8, 11]), ("z", vec![4, 10])] {
        let numbers: Vec<_> =
            taken.iter().filter(|(_, of, _)| of == key).map(|(.., number)| *number).collect();
        assert_eq!(numbers, expected, "{key}");
    }
    drop(running.batches);
    running.task.await.unwrap();
}

#[tokio::test]
async fn trouble_is_told_once_for_a_topic_and_once_that_it_is_over() {
    let fake = Arc::new(Fake::default());
    *fake.refusals.lock().unwrap() = BTreeMap::from([(1, 5)]);
    let mut running = start(&fake, PATIENCE);
    let mut changes = running.troubles.clone();
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        while changes.changed().await.is_ok() {
            seen.push(changes.borrow_and_update().clone());
        }
        seen
    });
    running.batches.send(vec![(1, notice("bursts", "primary/f42"))]).await.unwrap();
    assert_eq!(running.confirmed.recv().await, Some(1));
    assert!(running.troubles.borrow_and_update().is_empty());
    drop(running.batches);
    running.task.await.unwrap();
    let seen = seen.await.unwrap();
    assert_eq!(seen.iter().map(BTreeMap::len).collect::<Vec<_>>(), [1, 0]);
    let text = &seen[0]["b"];
    assert!(
        text.contains("the topic b") && text.contains("no leader") && text.contains("nothing is lost"),
        "{text}"
    );
}

#[tokio::test]
async fn silence_is_told_and_ending_it_then_is_no_trouble() {
    let fake = Arc::new(Fake { never: true, ..Fake::default() });
    let mut running = start(&fake, Patience { tell_after: Duration::from_millis(1), ..PATIENCE });
    running.batches.send(vec![(1, notice("decisions", "x"))]).await.unwrap();
    let told = running.troubles.wait_for(|troubles| !troubles.is_empty()).await.unwrap().clone();
    assert!(told["d"].contains("confirmed nothing"), "{told:?}");
    running.task.abort();
    assert!(running.task.await.unwrap_err().is_cancelled());
    assert_eq!(running.confirmed.recv().await, None);
}

#[tokio::test]
async fn what_has_no_topic_any_more_is_let_go() {
    let fake = Arc::new(Fake::default());
    let mut running = start(&fake, PATIENCE);
    let batch = vec![
        (3, notice("dead_letters", "t-0")),
        (4, notice("decisions", "x")),
        (8, notice("dead_letters", "t-0")),
    ];
    running.batches.send(batch).await.unwrap();
    assert_eq!(running.confirmed.recv().await, Some(8));
    assert_eq!(*fake.taken.lock().unwrap(), [("d".to_owned(), "x".to_owned(), 4)]);
}
