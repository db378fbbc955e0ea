//! The truth of a stream: what each of its lines is, as a generator knows it and a pipeline has to find out.
//!
//! Two files beside the stream: `truth.jsonl` with one [`Fact`] a line, and `truth.json` with [`Facts`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// A new build in the trigger tag: to be submitted exactly once.
    Fresh,
    /// A build that was in the old trigger tag before: never to be submitted.
    Retag,
    /// A message that was there before, or the same build in the same tag once more.
    Redelivery,
    /// The trigger tag, but a package that nobody rebuilds.
    Ineligible,
    /// Another tag, or an untag.
    OtherTag,
    /// Another topic, or another Koji.
    OtherTopic,
    /// Nothing that can be read.
    Malformed,
}

impl Label {
    /// All labels.
    pub const ALL: [Self; 7] = [
        Self::Fresh,
        Self::Retag,
        Self::Redelivery,
        Self::Ineligible,
        Self::OtherTag,
        Self::OtherTopic,
        Self::Malformed,
    ];

    /// The label as files spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Retag => "retag",
            Self::Redelivery => "redelivery",
            Self::Ineligible => "ineligible",
            Self::OtherTag => "other_tag",
            Self::OtherTopic => "other_topic",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What one line of the stream is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The line, from 1.
    pub line: u64,
    /// The message's identity; `None` where a line has none that can be read.
    pub id: Option<String>,
    /// What it is.
    pub label: Label,
    /// What it would be if it were no redelivery.
    pub base: Label,
    /// The burst that it stands in: any line of the trigger tag between a burst's start and end.
    pub burst: Option<String>,
    /// The build it tells of.
    pub build: Option<u64>,
    /// When the hub published it, in seconds since 1970: the true time, whatever the message claims.
    pub t: f64,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// What the whole stream is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The scenario's name.
    pub scenario: String,
    /// The seed it was made from.
    pub seed: u64,
    /// The share of its full size.
    pub scale: f64,
    /// The tag whose new builds trigger rebuilds.
    pub trigger_tag: String,
    /// The tag that was followed before.
    pub old_tag: String,
    /// When the old tag was left, in seconds since 1970.
    pub left_at: f64,
    /// The bursts of the trigger tag.
    pub bursts: Vec<Burst>,
    /// How many lines have which label.
    pub labels: BTreeMap<Label, u64>,
}

/// One burst of the trigger tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// Its name in [`Fact::burst`].
    pub id: String,
    /// What it is: `retag`, `side_tag`, `mass_rebuild`.
    pub kind: String,
    /// Its first event, in seconds since 1970.
    pub start: f64,
    /// Its last event, in seconds since 1970.
    pub end: f64,
}
