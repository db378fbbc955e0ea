//! Tidegate stands between a bus of Koji tag events and an automated rebuild submitter.
//!
//! What decides is pure ([`engine`]); the shell around it reads records ([`input`]), settings ([`pipeline`]), and keeps
//! what was decided ([`state`]).

pub mod time;

pub mod event;

pub mod settings;

pub mod pipeline;

pub mod engine;

pub mod state;

pub mod input;
pub mod text;

pub mod decode;
