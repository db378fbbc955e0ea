//! Which tag is followed, and how the engine goes over from one to the next (design section 8).
//!
//! Beside the followed tag another one may be judged: the next of its family from its first event on, or one that is to be
//! followed. What would be submitted of its builds waits in a queue. It goes on, before all others, when the cutover ends:
//! when the tag has been quiet, what was copied into it is there, and the sink builds against it. A cutover never ends by age.
//!
//! What belongs here is the state and its conditions. What the engine does with them stands in `course.rs`; how tags are watched
//! from outside is the shell's work.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::decision::{Evidence, HoldId, Reason, RunSummary};
use super::event::TagEvent;
use super::names::Name;
use crate::event::Position;
use crate::settings::Settings;
use crate::time::Second;

/// The share of the old tag's builds, in hundredths, that must be in the new one before the copying counts as done.
const COPIED_MIN: u64 = 90;

/// What is followed, and what is judged beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// The tag that is followed.
    pub followed: Name,
    /// The tag that may be followed next, or is to be.
    pub beside: Option<Beside>,
    /// A tag that an operator will not have followed, until something else is asked for.
    pub called_off: Option<Name>,
}

/// A tag whose builds are judged and wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// The tag.
    pub tag: Name,
    /// Since when its builds are judged.
    pub since: Second,
    /// When something last spoke against an end: a rule held, or a build without fresh evidence came.
    pub restless_at: Option<Second>,
    /// That it is to be followed, and how far that is; `None`: it only may be.
    pub cutover: Option<Cutover>,
    #[serde(with = "super::pairs")]
    pub(super) queue: BTreeMap<(Second, Position), Waiting>,
}

/// The change from the followed tag to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutover {
    /// When it was asked for, by the clock of whoever asked; quiet counts from then.
    pub since: Second,
    /// What asked for it, in plain words.
    pub why: String,
    /// How many of the old tag's builds are in the new one; `None`: nobody has looked yet.
    pub copied: Option<Copied>,
    /// When the copying was seen to be done.
    pub copied_at: Option<Second>,
    /// When the newest repository of the sink's buildroot was made.
    pub buildroot_at: Option<Second>,
    /// An operator says that nothing is copied and no buildroot has to be waited for.
    pub confirmed: Option<Word>,
}

/// What an operator said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// When, by the machine's clock.
    pub at: Second,
}

/// How many of the builds that the old tag held newest are in the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Builds that the old tag held when the cutover began, the newest of each package.
    pub wanted: u64,
    /// Those of them that the new tag holds.
    pub there: u64,
}

impl Copied {
    /// Whether so many are there that the copying counts as done; of nothing, nothing is.
    pub fn is_done(self) -> bool {
        self.wanted > 0 && self.there.saturating_mul(100) >= self.wanted.saturating_mul(COPIED_MIN)
    }
}

/// A build that was let through, and waits for the end of a cutover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) event: Arc<TagEvent>,
    pub(super) reason: Reason,
    pub(super) evidence: Evidence,
    pub(super) run: Option<RunSummary>,
    pub(super) burst: Option<HoldId>,
}

/// What still keeps a cutover from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// The new tag has to be quiet until that time, if nothing else comes.
    Quiet(Second),
    /// The builds of the old tag are not in the new one yet.
    Copying,
    /// The sink's buildroot was not made anew since.
    Buildroot,
}

/// What came of being told which tag to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Nothing changed.
    Unchanged,
    /// A cutover to it has begun.
    Begun,
    /// The followed tag is the one to follow again: the cutover is called off.
    CalledOff,
    /// An operator has called it off before: that stays.
    StaysCalledOff,
}

/// Why a tag cannot be followed, or a cutover not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CourseError {
    /// Another cutover goes on.
    #[error(
        "{wanted} is to be followed, and the cutover from {from} to {to} goes on: end it with `tidegate cutover confirm`, or call it \
         off with `tidegate cutover call-off`"
    )]
    UnderWay {
        /// The followed tag.
        from: String,
        /// The tag that it goes over to.
        to: String,
        /// The tag that was asked for now.
        wanted: String,
    },
    /// None goes on.
    #[error("no cutover goes on: {0} is followed")]
    None(String),
    /// It has no reason.
    #[error("a decision needs a reason: say why")]
    NoReason,
    /// No name can be kept.
    #[error("{0} cannot be followed: no more names can be kept, or it is none")]
    Name(String),
}

impl Course {
    pub(super) fn new(followed: Name) -> Self {
        Self { followed, beside: None, called_off: None }
    }

    /// The cutover that goes on, and the tag it leads to.
    pub fn cutover(&self) -> Option<(Name, &Cutover)> {
        self.beside.as_ref().and_then(|beside| beside.cutover.as_ref().map(|cutover| (beside.tag, cutover)))
    }

    /// Builds that wait for the tag beside to be followed.
    pub fn waiting(&self) -> usize {
        self.beside.as_ref().map_or(0, |beside| beside.queue.len())
    }
}

impl Beside {
    pub(super) fn new(tag: Name, since: Second) -> Self {
        Self { tag, since, restless_at: None, cutover: None, queue: BTreeMap::new() }
    }

    /// What keeps its cutover from the end; empty where only a time has to pass, which comes beside. `None`: no cutover.
    pub(super) fn end(&self, settings: &Settings) -> Option<(Vec<WaitsFor>, Second)> {
        let cutover = self.cutover.as_ref().filter(|cutover| cutover.since > Second::MIN)?;
        // What came in the last second of the quiet is judged when its hold-back is over.
        let restless = self.restless_at.unwrap_or(Second::MIN).max(cutover.since);
        let calm = restless + settings.trigger.cutover_quiet + settings.burst.hold_back;
        let at = match &cutover.confirmed {
            Some(word) => calm.max(word.at),
            None => calm.max(cutover.copied_at.unwrap_or(Second::MIN)),
        };
        let mut open = Vec::new();
        if cutover.confirmed.is_none() {
            if cutover.copied_at.is_none() {
                open.push(WaitsFor::Copying);
            }
            let unrest = self.restless_at.unwrap_or(cutover.since);
            if settings.trigger.needs_buildroot && cutover.buildroot_at.is_none_or(|made| made <= unrest) {
                open.push(WaitsFor::Buildroot);
            }
        }
        Some((open, at))
    }
}

/// The tag that follows a tag of a numbered release: `f43` after `f42`. `None` where a name has no number, or several.
pub fn next_of(tag: &str) -> Option<String> {
    let (before, number, behind) = numbered(tag)?;
    Some(format!("{before}{}{behind}", number.checked_add(1)?))
}

/// Whether two tags are of one family by their names: the same but for one number.
pub fn is_one_family(one: &str, other: &str) -> bool {
    match (numbered(one), numbered(other)) {
        (Some(one), Some(other)) => (one.0, one.2) == (other.0, other.2),
        _ => one == other,
    }
}

fn numbered(tag: &str) -> Option<(&str, u32, &str)> {
    let start = tag.find(|letter: char| letter.is_ascii_digit())?;
    let digits = tag.get(start..)?.bytes().take_while(u8::is_ascii_digit).count();
    let (number, behind) = tag.get(start..)?.split_at_checked(digits)?;
    let again = behind.bytes().any(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| !again && !number.starts_with('0'))?;
    Some((tag.get(..start)?, number, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_tag_of_a_family() {
        for (tag, next) in [
            ("f42", Some("f43")),
            ("f9", Some("f10")),
            ("epel9", Some("epel10")),
            ("c10s", Some("c11s")),
            ("rawhide", None),
            ("eln", None),
            ("f42-build-side-7", None),
            ("f042", None),
            ("f4294967295", None),
            ("f99999999999", None),
            ("", None),
        ] {
            assert_eq!(next_of(tag).as_deref(), next, "{tag}");
        }
    }

    #[test]
    fn one_family_by_name() {
        for (one, other, same) in [
            ("f42", "f43", true),
            ("f43", "f42", true),
            ("f42", "epel10", false),
            ("f42", "f42-x", false),
            ("eln", "eln", true),
        ] {
            assert_eq!(is_one_family(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn ninety_in_a_hundred_are_a_copy() {
        for (wanted, there, done) in
            [(0, 0, false), (10, 8, false), (10, 9, true), (1_000, 899, false), (1_000, 900, true)]
        {
            assert_eq!(Copied { wanted, there }.is_done(), done, "{there} of {wanted}");
        }
    }
}
