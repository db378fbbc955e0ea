//! Tidegate stands between a bus of Koji tag events and an automated rebuild submitter.

pub mod time;

pub mod event;

pub mod settings;

pub mod text;

pub mod decode;
