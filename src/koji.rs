//! The client of a Koji hub.

pub mod xmlrpc;
