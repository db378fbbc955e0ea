//! Sends notices to their topics: each at least once, those of one key in their order, for as long as it takes.
//!
//! The shell reads notices from the state and hands them over in batches in the order of their numbers, at most so many as
//! may be unconfirmed; that bounds the memory. It is told up to which number all are confirmed, and deletes those. Whatever
//! was sent and not confirmed when the process ended is sent again: readers tell copies by the header `tidegate-notice`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::kafka::producer::{NewRecord, Producer, SendError, Written};
use crate::pipeline::Outputs;
use crate::state::live::Notice;

/// Keys that are sent at the same time. A key waits for each confirmation: only so does a failure not change its order.
const KEYS_AT_ONCE: usize = 256;
/// The header by which a reader drops copies: the state's identity, a slash, and the number of the notice.
pub const NUMBER_HEADER: &str = "tidegate-notice";

/// What is wrong, by topic, in words for people; empty where nothing is. A topic is named once, until it takes records again.
pub type Troubles = BTreeMap<String, String>;

/// What takes a record and says when it is safe.
pub trait Outlet: Send + Sync + 'static {
    /// Writes a record, and returns once it is confirmed.
    fn send(&self, record: &NewRecord) -> impl Future<Output = Result<Written, SendError>> + Send;
}

impl Outlet for Producer {
    fn send(&self, record: &NewRecord) -> impl Future<Output = Result<Written, SendError>> + Send {
        Self::send(self, record)
    }
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// An unconfirmed record is told of after this.
    pub tell_after: Duration,
    /// Wait before the second try; it doubles from try to try.
    pub first_wait: Duration,
    /// The longest wait between two tries.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tell_after: Duration::from_secs(30),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// The task that sends notices.
#[derive(Debug)]
pub struct Announcer<O> {
    sender: Arc<Sender<O>>,
    outputs: Outputs,
}

#[derive(Debug)]
struct Sender<O> {
    outlet: O,
    /// Identity of the state.
    state: String,
    patience: Patience,
    troubles: watch::Sender<Troubles>,
}

impl<O: Outlet> Announcer<O> {
    /// An announcer for the notices of a state, and what is wrong with the topics, for the shell to tell.
    pub fn new(
        outlet: O,
        outputs: Outputs,
        state: String,
        patience: Patience,
    ) -> (Self, watch::Receiver<Troubles>) {
        let (troubles, told) = watch::channel(Troubles::new());
        (Self { sender: Arc::new(Sender { outlet, state, patience, troubles }), outputs }, told)
    }

    /// Sends what comes through `batches`, in the order of the numbers, and gives the highest number up to which all is
    /// confirmed, after each batch. A notice of an output that has no topic any more counts as confirmed. Ends when `batches`
    /// is closed and worked off, or nobody listens to `confirmed`. Dropping the future ends it at any time; nothing is lost.
    pub async fn run(self, mut batches: mpsc::Receiver<Vec<(u64, Notice)>>, confirmed: mpsc::Sender<u64>) {
        while let Some(batch) = batches.recv().await {
            let Some(last) = batch.last().map(|(number, _)| *number) else { continue };
            self.announce(batch).await;
            if confirmed.send(last).await.is_err() {
                return;
            }
        }
    }

    /// Sends a batch, whatever it takes.
    async fn announce(&self, batch: Vec<(u64, Notice)>) {
        let mut keys: BTreeMap<(String, String), Vec<NewRecord>> = BTreeMap::new();
        for (number, notice) in batch {
            let Some(topic) = self.topic(&notice.output) else { continue };
            let key = (topic.to_owned(), notice.key.clone());
            keys.entry(key).or_default().push(self.sender.record(topic, number, notice));
        }
        let room = Arc::new(Semaphore::new(KEYS_AT_ONCE));
        let mut tasks = JoinSet::new();
        for records in keys.into_values() {
            // Never closed, so always given.
            let place = Arc::clone(&room).acquire_owned().await;
            let sender = Arc::clone(&self.sender);
            tasks.spawn(async move {
                for record in &records {
                    sender.send(record).await;
                }
                drop(place);
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    fn topic(&self, output: &str) -> Option<&str> {
        let Outputs { decisions, bursts, dead_letters } = &self.outputs;
        let topic = match output {
            "decisions" => decisions,
            "bursts" => bursts,
            "dead_letters" => dead_letters,
            _ => &None,
        };
        topic.as_deref()
    }
}

impl<O: Outlet> Sender<O> {
    fn record(&self, topic: &str, number: u64, notice: Notice) -> NewRecord {
        let number = (NUMBER_HEADER.to_owned(), format!("{}/{number}", self.state).into_bytes());
        let headers = notice.headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
        NewRecord {
            topic: topic.to_owned(),
            key: notice.key.into_bytes(),
            headers: headers.chain([number]).collect(),
            value: notice.data.into_bytes(),
        }
    }

    /// Sends one record until it is confirmed.
    async fn send(&self, record: &NewRecord) {
        let mut wait = self.patience.first_wait;
        while let Err(error) = self.try_once(record).await {
            self.tell(&record.topic, || error.to_string());
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(self.patience.longest_wait);
        }
        let topic = &record.topic;
        self.troubles.send_if_modified(|troubles| troubles.remove(topic).is_some());
    }

    /// Sends one record once, and tells where that takes long.
    async fn try_once(&self, record: &NewRecord) -> Result<Written, SendError> {
        let mut sent = std::pin::pin!(self.outlet.send(record));
        let after = self.patience.tell_after;
        if let Ok(result) = tokio::time::timeout(after, sent.as_mut()).await {
            return result;
        }
        self.tell(&record.topic, || format!("the brokers have confirmed nothing for {} s", after.as_secs()));
        sent.await
    }

    /// Says once what is wrong with a topic.
    fn tell(&self, topic: &str, what: impl FnOnce() -> String) {
        self.troubles.send_if_modified(|troubles| {
            let new = !troubles.contains_key(topic);
            if new {
                let text = format!(
                    "nothing can be announced on the topic {topic}: {}. It is tried again until it succeeds, and nothing is lost; \
                     check that the brokers answer, and that the topic exists and may be written to",
                    what()
                );
                troubles.insert(topic.to_owned(), text);
            }
            new
        });
    }
}
