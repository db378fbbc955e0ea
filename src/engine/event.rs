//! Events as the engine's operators take them: owned, small, with names as numbers.

use serde::{Deserialize, Serialize};

use super::decision::{BuildKey, TimeMark};
use super::names::Name;
use super::reorder::Placed;
use crate::event::{MessageId, Position};
use crate::time::Second;

/// An event on its way to its turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// Where its record stood.
    pub position: Position,
    /// The identity it was published under.
    pub id: MessageId,
    /// What windows and timers run on.
    pub effective: Second,
    /// When it happened, as far as is known.
    pub happened: Second,
    /// How its time was told.
    pub mark: TimeMark,
    /// It came behind the watermark of its partition.
    pub late: bool,
    /// What it says.
    pub what: What,
}

impl Placed for Queued {
    fn effective(&self) -> Second {
        self.effective
    }
    fn position(&self) -> Position {
        self.position
    }
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A build was tagged.
    Tag(Tagged),
    /// A build was untagged.
    Untag(Tagged),
    /// A build was completed.
    Completed(BuildKey),
    /// The package list of a tag changed.
    PackageList(Name, Name),
}

/// Which build, which tag, by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tagged {
    /// The build.
    pub build: BuildKey,
    /// The tag.
    pub tag: Name,
    /// Who did it.
    pub actor: Name,
    /// The build's name, version and release; only of a trigger tag's events.
    pub nvr: Option<Box<Nvr>>,
}

/// A build as people name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nvr {
    /// Package name.
    pub name: Box<str>,
    /// Version.
    pub version: Box<str>,
    /// Release.
    pub release: Box<str>,
}

/// An event of a trigger tag between its turn and its decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TagEvent {
    /// Where its record stood.
    pub position: Position,
    /// The identity it was published under.
    pub id: MessageId,
    /// The build.
    pub build: BuildKey,
    /// The tag.
    pub tag: Name,
    /// Who tagged it.
    pub actor: Name,
    /// Package name.
    pub name: Box<str>,
    /// Version of the NVR.
    pub version: Box<str>,
    /// Release of the NVR.
    pub release: Box<str>,
    /// What windows and timers run on.
    pub effective: Second,
    /// When it happened, as far as is known.
    pub happened: Second,
    /// When the build was first seen in the tag.
    pub first_seen: Second,
    /// How its time was told.
    pub mark: TimeMark,
    /// It came behind the watermark of its partition.
    pub late: bool,
}

impl TagEvent {
    /// Name, version and release as people write a build.
    pub fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }
}
