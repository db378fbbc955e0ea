//! Writes decisions, bursts and dead letters to topics: each at least once, those of one key in their order.
//!
//! Bounded by bytes: who sends waits for room. What the brokers have not confirmed has not been written; sending it again
//! after an error may write it twice, so a reader tells copies by what stands in the record.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext, ThreadedProducer};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use super::config::{self, ConfigError, Connection};

/// Unconfirmed records in units of 1 KiB: 32 MiB.
const ROOM: u32 = 32 * 1_024;

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRecord {
    /// The topic; it must exist.
    pub topic: String,
    /// Records of one key go to one partition and stay in order.
    pub key: Vec<u8>,
    /// Headers, name and value.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The value.
    pub value: Vec<u8>,
}

/// Where a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// Why a record was not written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// It is larger than librdkafka or the topic takes.
    #[error(
        "the record of {bytes} bytes is too large for the topic {topic}: raise `max.message.bytes` of the topic"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// Length of key, headers and value.
        bytes: usize,
    },
    /// The brokers have not confirmed it in time, or have refused it. It may have been written.
    #[error("the record was not confirmed by the topic {topic}: {why}")]
    Unconfirmed {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        why: String,
    },
}

/// A producer that many tasks can use.
pub struct Producer {
    producer: ThreadedProducer<Receipts>,
    room: Arc<Semaphore>,
}

/// Passes on what the brokers confirm to whoever waits for it.
struct Receipts;

type Receipt = oneshot::Sender<Result<Written, KafkaError>>;

impl ClientContext for Receipts {
    /// Each record that suffers says so itself.
    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ProducerContext<NoCustomPartitioner> for Receipts {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        let result = match result {
            Ok(message) => Ok(Written { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.clone()),
        };
        // Whoever sent it may have gone.
        drop(receipt.send(result));
    }
}

impl Producer {
    /// Makes a producer. Brokers that cannot be reached are no error: records wait for them.
    ///
    /// # Errors
    ///
    /// Where the settings or the files with secrets are wrong.
    pub fn new(connection: &Connection) -> Result<Self, ConfigError> {
        let producer = config::producer(connection)?.create_with_context(Receipts);
        let producer = producer.map_err(|error| ConfigError::Client(error.to_string()))?;
        Ok(Self { producer, room: Arc::new(Semaphore::new(ROOM as usize)) })
    }

    /// Writes a record, and returns once all replicas in sync have it.
    ///
    /// # Errors
    ///
    /// Where it was not confirmed within `message.timeout.ms` of librdkafka (5 minutes), or is too large.
    pub async fn send(&self, record: &NewRecord) -> Result<Written, SendError> {
        let bytes = record.bytes();
        let unconfirmed = |why: String| SendError::Unconfirmed { topic: record.topic.clone(), why };
        let units = u32::try_from(bytes / 1_024 + 1).unwrap_or(ROOM).min(ROOM);
        let closed = |_| unconfirmed("the producer was closed".to_owned());
        let _room = self.room.acquire_many(units).await.map_err(closed)?;
        let (receipt, written) = oneshot::channel();
        self.enqueue(record, receipt).map_err(|error| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                SendError::TooLarge { topic: record.topic.clone(), bytes }
            }
            _ => unconfirmed(error.to_string()),
        })?;
        match written.await {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                Err(SendError::TooLarge { topic: record.topic.clone(), bytes })
            }
            Ok(Err(error)) => Err(unconfirmed(error.to_string())),
            Err(_) => Err(unconfirmed("the producer was closed".to_owned())),
        }
    }

    fn enqueue(&self, record: &NewRecord, receipt: Receipt) -> Result<(), KafkaError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let message = BaseRecord::with_opaque_to(&record.topic, Box::new(receipt))
            .key(&record.key)
            .payload(&record.value)
            .headers(headers);
        self.producer.send(message).map_err(|(error, _)| error)
    }

    /// Waits until all that was sent is confirmed or `wait` is over, and ends the producer. Blocks: for a thread that may.
    /// Returns whether everything was confirmed.
    pub fn close(self, wait: Duration) -> bool {
        self.room.close();
        self.producer.flush(wait).is_ok()
    }
}

impl NewRecord {
    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.len() + headers + self.value.len()
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("room", &self.room.available_permits()).finish_non_exhaustive()
    }
}
