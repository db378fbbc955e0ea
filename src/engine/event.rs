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
    pub nvr: Option<Nvr>,
}

/// A build as people name it: name, version and release, in one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, String, String)", into = "(String, String, String)")]
pub struct Nvr {
    text: Box<str>,
    /// Length of the name.
    name: u32,
    /// Length of the release.
    release: u32,
}

impl Nvr {
    /// Puts the three together; a text longer than 4 GiB is none, and is cut.
    pub fn new(name: &str, version: &str, release: &str) -> Self {
        let mut text = String::with_capacity(name.len() + version.len() + release.len() + 2);
        for part in [name, "-", version, "-", release] {
            text.push_str(part);
        }
        let length = |part: &str| u32::try_from(part.len()).unwrap_or(u32::MAX);
        Self { name: length(name), release: length(release), text: text.into() }
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        self.text.get(..self.name as usize).unwrap_or_default()
    }

    /// The version.
    pub fn version(&self) -> &str {
        let end = self.text.len().saturating_sub(self.release as usize + 1);
        self.text.get(self.name as usize + 1..end).unwrap_or_default()
    }

    /// The release.
    pub fn release(&self) -> &str {
        let start = self.text.len().saturating_sub(self.release as usize);
        self.text.get(start..).unwrap_or_default()
    }

    /// Name, version and release as people write them.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<(String, String, String)> for Nvr {
    fn from((name, version, release): (String, String, String)) -> Self {
        Self::new(&name, &version, &release)
    }
}

impl From<Nvr> for (String, String, String) {
    fn from(nvr: Nvr) -> Self {
        (nvr.name().to_owned(), nvr.version().to_owned(), nvr.release().to_owned())
    }
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
    /// The build as people name it.
    pub nvr: Nvr,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_nvr() {
        for (name, version, release) in
            [("bash", "5.2", "1.fc42"), ("python-a-b", "1~rc1", "3"), ("", "", ""), ("a", "b", "")]
        {
            let nvr = Nvr::new(name, version, release);
            assert_eq!((nvr.name(), nvr.version(), nvr.release()), (name, version, release));
            assert_eq!(nvr.as_str(), format!("{name}-{version}-{release}"));
            let text = serde_json::to_string(&nvr).unwrap();
            assert_eq!(serde_json::from_str::<Nvr>(&text).unwrap(), nvr);
        }
    }
}
