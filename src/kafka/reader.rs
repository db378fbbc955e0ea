//! Reads one record at a place, beside the group: to see whether it is still the one that was read there, or whether
//! there is any.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::Offset;

use super::clock::now;
use super::config::{self, ConfigError, Connection};
use super::context::Quiet;
use super::handover::Committed;
use super::observer::{Place, committed, list};

/// How long one record may take.
const RECORD_MAX: Duration = Duration::from_secs(2);

/// Most news that are thrown away at once.
const SERVE_MAX: usize = 1_000;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) offset: u64,
    pub(super) kafka_millis: Option<i64>,
}

/// A client that reads single records. It sees only what is committed, and is told where a partition ends.
pub(super) struct Reader {
    client: BaseConsumer<Quiet>,
}

impl Reader {
    pub(super) fn new(connection: &Connection, group: &str) -> Result<Self, ConfigError> {
        let client = config::reader(connection, group)?.create_with_context(Quiet);
        Ok(Self { client: client.map_err(|error| ConfigError::Client(error.to_string()))? })
    }

    /// The first record at `from` or behind it; `None`: the partition was read to its end, and there is none.
    pub(super) fn first(&self, place: &Place, from: u64) -> KafkaResult<Option<Found>> {
        let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        self.client.assign(&list(std::slice::from_ref(place), offset)?)?;
        let found = self.wait(place, from, now() + RECORD_MAX);
        self.client.unassign()?;
        // What this look leaves behind is not to be taken for an answer to the next.
        self.serve();
        found
    }

    /// What the group has committed for each partition.
    pub(super) fn committed(&self, places: &[Place]) -> KafkaResult<Vec<Option<Committed>>> {
        committed(&self.client, places)
    }

    /// Throws away what librdkafka wants to tell this client, so that it does not pile up.
    pub(super) fn serve(&self) {
        for _ in 0..SERVE_MAX {
            if self.client.poll(Duration::ZERO).is_none() {
                return;
            }
        }
    }

    fn wait(&self, (topic, number): &Place, from: u64, deadline: Instant) -> KafkaResult<Option<Found>> {
        loop {
            let left = deadline.saturating_duration_since(now());
            if left.is_zero() {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            match self.client.poll(left) {
                Some(Ok(message)) if message.topic() == &**topic && message.partition() == *number => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    if offset >= from {
                        return Ok(Some(Found { offset, kafka_millis: message.timestamp().to_millis() }));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(ended))) if ended == *number => return Ok(None),
                Some(Err(
                    error @ KafkaError::MessageConsumption(
                        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                    ),
                )) => return Err(error),
                // A broker that is away may come back within the time there is.
                Some(Ok(_) | Err(_)) | None => {}
            }
        }
    }
}
