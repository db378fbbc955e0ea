//! What librdkafka calls back with, noted down for the thread that polls it.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

/// The consumer of the group.
pub(super) type Consumer = BaseConsumer<Notes>;

/// Most errors that are noted between two looks at them.
const ERRORS_MAX: usize = 100;

/// Something that librdkafka told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    /// The group gave these partitions, topic and number.
    Given(Vec<(String, i32)>),
    /// The group took all partitions away.
    Taken,
    /// Something went wrong.
    Error(RDKafkaErrorCode, String),
    /// A commit was answered; the text says why it failed.
    Committed(Result<(), String>),
}

/// Callbacks run inside `poll` (and while the consumer is closed), on whatever thread calls it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: Mutex<Vec<Note>>,
}

impl Notes {
    /// What was told since this was last called, in its order.
    pub(super) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, note: Note) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() < ERRORS_MAX || matches!(note, Note::Given(_) | Note::Taken) {
            notes.push(note);
        }
    }
}

impl ClientContext for Notes {
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        self.push(Note::Error(code, reason.to_owned()));
    }
}

impl ConsumerContext for Notes {
    /// Holds the group's wish fulfilled with no partition at all: librdkafka waits for an answer, and the true one, with
    /// checked offsets, takes the time that the checks and the pipeline take.
    fn rebalance(&self, consumer: &Consumer, event: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let answered = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let elements = partitions.elements();
            self.push(Note::Given(elements.iter().map(|e| (e.topic().to_owned(), e.partition())).collect()));
            // An empty list, and not `unassign`, which is no answer here: without one librdkafka takes no part in the next
            // rebalance, and holds up the whole group.
            consumer.assign(&TopicPartitionList::new())
        } else {
            self.push(Note::Taken);
            consumer.unassign()
        };
        if let Err(error) = answered {
            self.push(Note::Error(
                RDKafkaErrorCode::State,
                format!("the rebalance could not be answered: {error}"),
            ));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let each = || offsets.elements().iter().find_map(|element| element.error().err());
        let error = result.err().or_else(each);
        self.push(Note::Committed(error.map_or(Ok(()), |error| Err(error.to_string()))));
    }
}

/// For clients whose errors are told where they are asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ConsumerContext for Quiet {}
