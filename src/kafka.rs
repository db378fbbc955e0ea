//! Kafka: where records come from, and where decisions can go.
//!
//! librdkafka does the talking. Here is what Tidegate adds: one thread that owns the consumer and never stops polling it
//! ([`source`]), start offsets that are checked before the first record is read, proof that a partition is read to its
//! end, and plain words for what goes wrong. What passes between that thread and the pipeline is plain data
//! ([`handover`]): the pipeline knows nothing of librdkafka, and a test can play either side.
//!
//! Decoding and judging do not belong here; a record is bytes with a place.

mod clock;
pub mod config;
mod context;
pub mod handover;
mod members;
pub mod mock;
mod observer;
mod outlet;
mod positions;
pub mod producer;
mod reader;
pub mod records;
pub mod source;
pub mod survey;
mod troubles;
