//! The live pipeline: one engine over the records of a Kafka topic, for ever.
//!
//! What decides about the shell is pure and stands here; the Kafka thread is told what to do and says what it saw.

pub mod ask;
pub mod heartbeat;
pub mod http;
pub mod pause;
pub mod silence;
pub mod tell;
pub mod truth;
pub mod view;
