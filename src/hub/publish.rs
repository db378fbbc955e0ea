//! Where the messages of a hub go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use super::world::Message;

/// How long a broker may take to confirm messages.
const CONFIRM: Duration = Duration::from_secs(30);

/// Takes the messages of a hub in the order in which it publishes them.
pub trait Publisher: Send {
    /// Publishes messages that belong together: those of one call, or of one moment.
    fn publish(&mut self, messages: &[Message]) -> io::Result<()>;
}

/// Messages are thrown away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Publisher for Nowhere {
    fn publish(&mut self, _: &[Message]) -> io::Result<()> {
        Ok(())
    }
}

/// A file of JSON lines.
#[derive(Debug)]
pub struct JsonLines(BufWriter<File>);

impl JsonLines {
    /// Begins the file anew.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }
}

impl Publisher for JsonLines {
    fn publish(&mut self, messages: &[Message]) -> io::Result<()> {
        for message in messages {
            writeln!(self.0, "{}", message.line())?;
        }
        self.0.flush()
    }
}

/// A Kafka topic: each message as its dump envelope, confirmed before the next call of the hub goes on.
pub struct Kafka {
    producer: BaseProducer<Refused>,
    topic: String,
}

/// What the brokers did not take, since it was last asked.
#[derive(Default)]
struct Refused(Mutex<Option<KafkaError>>);

impl ClientContext for Refused {
    /// Each message that suffers says so itself.
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Refused {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
    }
}

impl Kafka {
    /// Publishes to a topic that exists, by brokers without a login: `host:port`, separated by commas.
    ///
    /// # Errors
    /// Where librdkafka does not take the brokers' names.
    pub fn new(brokers: &str, topic: &str) -> io::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("client.id", "tidegate-fake-hub")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", CONFIRM.as_millis().to_string())
            .create_with_context(Refused::default())
            .map_err(io::Error::other)?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    fn send(&self, line: &str) -> Result<(), KafkaError> {
        let mut record = BaseRecord::<(), str>::to(&self.topic).payload(line);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, again)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    record = again;
                    self.producer.poll(Duration::from_millis(100));
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Publisher for Kafka {
    fn publish(&mut self, messages: &[Message]) -> io::Result<()> {
        for message in messages {
            self.send(&message.line()).map_err(io::Error::other)?;
        }
        self.producer.flush(CONFIRM).map_err(io::Error::other)?;
        let refused = self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map_or(Ok(()), |error| Err(io::Error::other(error)))
    }
}

/// Messages are kept for a test to look at.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Message>>>);

impl Kept {
    /// Takes what has been published since the last time.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Publisher for Kept {
    fn publish(&mut self, messages: &[Message]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(messages);
        Ok(())
    }
}
