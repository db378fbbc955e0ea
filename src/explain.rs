//! Tells why a build was decided as it was: facts in, plain words out. Pure: who reads a state or a file hands over
//! [`facts`]; a terminal or a page lays the [`Page`] out.
//!
//! A reader knows Koji, not Tidegate: times in UTC, numbers with units, tags by name, and what is not known is said.

pub mod facts;
mod reasons;
pub mod rules;
mod story;
mod words;

pub use self::story::{page, page_of_line, page_of_missing};

/// What is told about one build or message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// What it is about, and what became of it.
    pub title: String,
    /// What happened, in order.
    pub events: Vec<Paragraph>,
    /// How things stand, and what may happen next.
    pub now: Vec<String>,
}

/// One thing that happened, or one that is told beside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paragraph {
    /// When, as people write it; empty where that is not known.
    pub time: String,
    /// What happened, in a sentence.
    pub head: String,
    /// Why, a sentence or two each.
    pub details: Vec<String>,
}
