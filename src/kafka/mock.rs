//! A Kafka broker inside this process, for the demo and for tests: librdkafka's imitation, reached over the loopback.
//!
//! It speaks the protocol, groups included, but keeps at most 5 MiB of a partition and silently drops what is older, does
//! not set transactions apart, and tells nothing about the members of a group. Nothing is measured or proved by it that a
//! real broker could show.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use thiserror::Error;

/// The imitation refused something.
#[derive(Debug, Error)]
#[error("the embedded Kafka broker failed: {0}")]
pub struct MockError(#[from] KafkaError);

/// A running imitation; it ends when this is dropped. It stays on the thread that made it.
pub struct MockBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

/// All brokers of the imitation.
const ALL: i32 = -1;
/// How long records may take to be written.
const PATIENCE: Duration = Duration::from_secs(30);

impl MockBroker {
    /// Starts one broker on a free port of the loopback.
    ///
    /// # Errors
    ///
    /// Where no port can be opened.
    pub fn start() -> Result<Self, MockError> {
        Ok(Self { cluster: MockCluster::new(1)? })
    }

    /// Its address, `host:port`.
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Makes a topic.
    ///
    /// # Errors
    ///
    /// Where it exists already.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), MockError> {
        Ok(self.cluster.create_topic(name, partitions, 1)?)
    }

    /// Writes records, each a partition and a value, in their order, and returns when all are there.
    ///
    /// # Errors
    ///
    /// Where the topic has no such partition, or the imitation has ended.
    pub fn publish<'a>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (i32, &'a [u8])>,
    ) -> Result<(), MockError> {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            // Large batches are compressed well: more fits into what the imitation keeps.
            .set("compression.type", "zstd")
            .set("linger.ms", "100")
            .set("queue.buffering.max.messages", "1000000")
            .set("enable.idempotence", "true")
            .create()?;
        for (partition, value) in records {
            let record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(value);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        Ok(producer.flush(PATIENCE)?)
    }

    /// Closes all connections and takes none until [`MockBroker::up`].
    ///
    /// # Errors
    ///
    /// Where the imitation has ended.
    pub fn down(&self) -> Result<(), MockError> {
        Ok(self.cluster.broker_down(ALL)?)
    }

    /// Takes connections again.
    ///
    /// # Errors
    ///
    /// Where the imitation has ended.
    pub fn up(&self) -> Result<(), MockError> {
        Ok(self.cluster.broker_up(ALL)?)
    }
}

impl std::fmt::Debug for MockBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MockBroker").field("bootstrap", &self.bootstrap()).finish()
    }
}
