//! The sink that writes each build to a topic, keyed by package.
//!
//! A record that the brokers did not confirm may be there all the same and is written once more by the next attempt:
//! readers tell copies by the key in the headers.

use super::message::{self, Message, SCHEMA};
use super::reads::Reads;
use super::{Sink, beside, trouble};
use crate::kafka::config::{ConfigError, Connection};
use crate::kafka::producer::{NewRecord, Producer, SendError};
use crate::submit::ask::{Answer, Ask, Order, Receipt, Trouble};

/// The header with the key of the build: what was taken under it is not to be done again.
pub const KEY: &str = "tidegate-key";
/// The header with the marker of the attempt.
pub const MARKER: &str = "tidegate-marker";

/// A topic that builds are written to.
#[derive(Debug)]
pub struct KafkaSink {
    producer: Producer,
    topic: String,
    reads: Option<Reads>,
}

impl KafkaSink {
    /// A sink for a topic that exists. `reads`: the hub that builds are looked up at.
    ///
    /// # Errors
    /// Where the settings or the files with secrets are wrong.
    pub fn new(
        connection: &Connection,
        topic: impl Into<String>,
        reads: Option<Reads>,
    ) -> Result<Self, ConfigError> {
        Ok(Self { producer: Producer::new(connection)?, topic: topic.into(), reads })
    }

    async fn submit(&self, order: &Order) -> Receipt {
        let Ok(value) = Message::of(order).bytes() else {
            return Receipt::Refused(trouble::generic("the build cannot be written as JSON"));
        };
        let record = NewRecord {
            topic: self.topic.clone(),
            key: order.package.as_bytes().to_vec(),
            headers: vec![
                ("tidegate-schema".to_owned(), SCHEMA.as_bytes().to_vec()),
                (KEY.to_owned(), message::key(order).as_bytes().to_vec()),
                (MARKER.to_owned(), order.marker.0.as_bytes().to_vec()),
            ],
            value,
        };
        match self.producer.send(&record).await {
            Ok(_) => Receipt::Taken,
            Err(error @ SendError::TooLarge { .. }) => Receipt::Refused(trouble::generic(&error.to_string())),
            Err(error @ SendError::Unconfirmed { .. }) => {
                Receipt::Lost(Trouble::Unreachable(error.to_string().into()))
            }
        }
    }
}

impl Sink for KafkaSink {
    async fn perform(&mut self, ask: Ask) -> Answer {
        let Ask::Submit { orders, .. } = ask else {
            return beside(ask, self.reads.as_mut(), "\"kafka\"").await;
        };
        let mut receipts = Vec::with_capacity(orders.len());
        for order in &orders {
            receipts.push((order.row, self.submit(order).await));
        }
        Answer::Submitted(receipts)
    }
}
