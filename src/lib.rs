//! Tidegate stands between a bus of Koji tag events and an automated rebuild submitter.
//!
//! What decides is pure ([`engine`]); the shell around it reads records ([`input`], [`decode`]) and settings
//! ([`pipeline`]), and keeps what was decided ([`state`]). [`replay`] runs it over files, as the live pipeline runs it over
//! a topic.

pub mod time;

pub mod text;

pub mod event;

pub mod decode;

pub mod settings;

pub mod pipeline;

pub mod engine;

pub mod state;

pub mod explain;

pub mod input;

pub mod lists;

pub mod governor;

pub mod submit;

pub mod sink;

pub mod hub;

pub mod koji;

pub mod kafka;

pub mod live;

pub mod metrics;

pub mod replay;

pub mod score;

pub mod generate;

pub mod trial;

pub mod doctor;

pub mod cli;
