//! The live pipeline: one engine over the records of a Kafka topic, for ever.
//!
//! What decides about the shell is pure and stands here; the Kafka thread is told what to do and says what it saw.

pub mod announcer;
pub mod ask;
pub mod attention;
pub mod commands;
pub mod demo;
pub mod fail;
pub mod heartbeat;
pub mod http;
mod intake;
pub mod notices;
pub mod open;
pub mod outlet;
pub mod partitions;
pub mod pause;
pub mod reconcile;
pub mod rivals;
pub mod runner;
pub mod services;
pub mod shell;
mod show;
pub mod silence;
pub mod socket;
pub mod tell;
pub mod truth;
pub mod view;
pub mod witness;
