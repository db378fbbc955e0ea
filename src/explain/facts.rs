//! What is known of a build, as a state or a file of decisions tells it; nothing is judged here.
//!
//! Texts are as they came: they are escaped where they are printed. Written as JSON, times read `2025-02-04T06:00:00Z`.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::rules::Rules;
use crate::engine::command::{Action, HoldCommand};
use crate::engine::decision::{RunSummary, TimeMark};
use crate::engine::hold::Selection;
use crate::event::Position;
use crate::text::bounded_bytes;
use crate::time::Second;

/// What is shown of a record that cannot be read, in printed characters.
const BEGINNING_MAX: usize = 160;

/// All that is known of one build.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Story {
    /// The hub's number of the build; `None` for a message that cannot be read.
    pub build_id: Option<u64>,
    /// Its Koji instance, where it is known.
    pub instance: Option<String>,
    /// Name, version and release, where they are known.
    pub nvr: Option<String>,
    /// Decisions about it, in their order.
    pub steps: Vec<Step>,
    /// The holds that it waits in.
    pub waits: Vec<Waiting>,
    /// Where else it was seen, in the order of time.
    pub sightings: Vec<Sighting>,
    /// It was admitted for submission.
    pub submitted: bool,
    /// The newer build of the package that took its place.
    pub superseded_by: Option<Near>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// The number of its row.
    pub id: i64,
    /// Where its record stood.
    #[serde(flatten)]
    pub position: Position,
    /// The identity of the message.
    pub message_id: Option<String>,
    /// The hub's number of the build; `None` for a record that cannot be read.
    pub build_id: Option<u64>,
    /// The Koji instance.
    pub instance: Option<String>,
    /// Name, version and release.
    pub nvr: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// What became of it.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// The hold it was put into, or that of its burst: `h1`.
    pub hold: Option<String>,
    /// When the hub published it, or what stands in for that.
    #[serde(serialize_with = "iso")]
    pub event_time: Option<Second>,
    /// When it was decided, in event time.
    #[serde(serialize_with = "iso")]
    pub decided_at: Option<Second>,
    /// The configuration that decided.
    pub pipeline: Arc<Pipeline>,
    /// What explains it.
    pub why: Option<Why>,
    /// The operator's command that it carries out.
    pub command: Option<Command>,
    /// What is kept of a record that cannot be read.
    pub letter: Option<Letter>,
}

/// An effective configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Its hash, 16 hexadecimal digits.
    pub hash: String,
    /// Its numbers; `None` where an older version wrote it.
    #[serde(skip)]
    pub rules: Option<Rules>,
}

/// What explains a decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// Who tagged.
    pub actor: String,
    /// What windows and timers ran on.
    #[serde(serialize_with = "iso_one")]
    pub effective_at: Second,
    /// How its time was told.
    pub time: TimeMark,
    /// It came behind the watermark of its partition.
    pub late: bool,
    /// The other followed tag it was in before.
    pub known: Option<InTag>,
    /// When it was seen to complete.
    #[serde(serialize_with = "iso")]
    pub completed_at: Option<Second>,
    /// The appearance that proves it new.
    pub trail: Option<InTag>,
    /// An appearance that proves nothing: it was in a burst of its tag.
    pub trail_in_burst: Option<InTag>,
    /// When it was complete, as Koji said when it was asked, and that it is new.
    #[serde(serialize_with = "iso")]
    pub koji_completed_at: Option<Second>,
    /// The mass-rebuild tag it was seen in.
    pub rebuild_tag: Option<String>,
    /// The burst it was a member of.
    pub run: Option<RunSummary>,
}

/// A tag and when the build was seen in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InTag {
    /// The tag.
    pub tag: String,
    /// When.
    #[serde(serialize_with = "iso_one")]
    pub at: Second,
}

/// An operator's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Who.
    pub who: String,
    /// Why, in the operator's words.
    pub why: String,
    /// `release` or `drop`.
    pub action: String,
    /// The hold: `h1`.
    pub hold: String,
    /// Which builds, in words: `all of it`.
    pub selection: String,
    /// Event time.
    #[serde(serialize_with = "iso_one")]
    pub at: Second,
    /// Builds that it decided.
    pub builds: u64,
}

impl Command {
    /// A command that was carried out at that event time, and decided so many builds.
    pub fn new(command: &HoldCommand, at: Second, builds: u64) -> Self {
        let action = match command.action {
            Action::Release => "release",
            Action::Drop => "drop",
        };
        Self {
            who: command.who.clone(),
            why: command.reason.clone(),
            action: action.to_owned(),
            hold: command.hold.to_string(),
            selection: selected(&command.selection),
            at,
            builds,
        }
    }
}

/// Which builds of a hold a command was about, in words.
pub fn selected(selection: &Selection) -> String {
    match selection {
        Selection::All => "all".to_owned(),
        Selection::Package(name) => format!("the builds of package {name}"),
        Selection::Nvr(nvr) => format!("the build {nvr}"),
        Selection::Pattern(pattern) => format!("the builds that match {pattern}"),
        Selection::Except(name) => format!("all but the builds of package {name}"),
    }
}

/// A hold that the build waits in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// `h1`.
    pub hold: String,
    /// Its kind.
    pub kind: String,
    /// When it was opened.
    #[serde(serialize_with = "iso_one")]
    pub opened_at: Second,
    /// Builds in it.
    pub builds: u64,
}

/// Where the build was seen beside the decisions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Sighting {
    /// When.
    #[serde(serialize_with = "iso_one")]
    pub at: Second,
    /// What was seen.
    pub what: Sighted,
    /// The tag, where it is of one.
    pub tag: Option<String>,
    /// It was in a burst of that tag, and so proves nothing.
    pub in_burst: bool,
    /// The message that was asked for said so.
    pub asked: bool,
}

/// What was seen of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sighted {
    /// Koji completed it.
    Completed,
    /// An import of known builds has it in the tag.
    Imported,
    /// It was tagged.
    Tagged,
    /// It was untagged.
    Untagged,
}

/// A line of a file of decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Line {
    /// Line of the input, from 1.
    pub line: u64,
    /// The identity of the message.
    pub id: Option<String>,
    /// What became of it.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// The hold of its burst.
    pub burst: Option<String>,
    /// When the hub published it.
    pub event_time: Option<String>,
    /// When it was decided, in event time.
    pub decided_at_event_time: Option<String>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Where it stood.
    #[serde(flatten)]
    pub position: Position,
    /// What is wrong, as a code.
    pub code: String,
    /// What is wrong, in words.
    pub explanation: String,
    /// Its beginning, as text.
    pub beginning: String,
}

impl Letter {
    /// A record that cannot be read, of which these are the first bytes.
    pub fn new(position: Position, code: String, explanation: String, bytes: &[u8]) -> Self {
        Self { position, code, explanation, beginning: bounded_bytes(bytes, BEGINNING_MAX).to_string() }
    }
}

/// What a state says of what it does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Missing {
    /// What was asked for.
    pub asked: String,
    /// Builds of a package of that or a like name, newest first.
    pub nearest: Vec<Near>,
    /// The tag that the state decides about.
    pub trigger: Option<String>,
    /// Decisions that it holds.
    pub decisions: u64,
    /// Event time of the first of them.
    #[serde(serialize_with = "iso")]
    pub since: Option<Second>,
    /// Event time of the last of them.
    #[serde(serialize_with = "iso")]
    pub until: Option<Second>,
    /// A file of decisions was looked through too.
    pub file: Option<String>,
}

/// A build that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Near {
    /// Name, version and release.
    pub nvr: String,
    /// The hub's number of the build.
    pub build_id: u64,
    /// What became of it last.
    pub outcome: String,
}

#[expect(clippy::ref_option, reason = "serde asks for references")]
pub(crate) fn iso<S: Serializer>(at: &Option<Second>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for references")]
pub(crate) fn iso_one<S: Serializer>(at: &Second, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}
