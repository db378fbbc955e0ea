//! The client of a Koji hub.
//!
//! What belongs here: the calls that Tidegate makes ([`query`], [`command`]) and what they answer ([`answers`]), how a
//! call travels ([`client`]), who makes it ([`login`], [`credential`], [`session`]), and what a failure means ([`error`], [`fault`]).
//! When to call is decided elsewhere.
//!
//! Two kinds of calls are told apart by type. A [`Query`](query::Query) changes nothing: it is asked anonymously, in
//! batches, and may be asked again. A [`Command`](command::Command) changes something: only a
//! [`Session`](session::Session) takes it, one at a time, and sends it once; if its answer is lost the error says that
//! it [may have run](error::Retry::InDoubt), and the session takes no more.
//!
//! The parts without I/O (`xmlrpc`, `query`, `command`, `answers`, `error`, `fault`, `sequence`, `conf::parse`) take
//! bytes, values and times as arguments and are tested without a socket.

pub mod answers;
pub mod cache;
pub mod client;
pub mod command;
pub mod conf;
pub mod credential;
pub mod error;
pub mod fault;
pub mod fields;
pub mod login;
pub mod query;
pub mod secret;
pub mod sequence;
pub mod session;
pub mod tls;
pub mod xmlrpc;
