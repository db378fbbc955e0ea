//! One admitted build on its way to a result: a row of the outbox.
//!
//! A row moves only by [`Row::take`], one table of all steps that are legal; what is not in it cannot happen.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ask::Failure;
use super::stage::{End, Misstep, Stage, Step};
use crate::engine::decision::BuildKey;
use crate::governor::clock::Millis;
use crate::governor::queue::Admitted;

/// Number of a row of the outbox: counts up in the order of admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowId(pub u64);

/// The hub's number of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u64);

/// The hub's number of a session. No secret: whoever has only it cannot use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Session(pub u64);

/// By it a task is found: `tidegate/<state id>/<instance>/<build id>/<attempt>`.
///
/// The number of the row is not part of it, so that an
/// old copy of the state finds what a later one submitted. Kept with the build as `custom_user_metadata`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marker(pub Arc<str>);

/// All that the markers of one build begin with: `tidegate/<state id>/<instance>/<build id>/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MarkerBase(Arc<str>);

/// A fault of the hub: code and text, shortened to 500 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The hub's number of the fault.
    pub code: i64,
    /// What the hub says, as it was.
    pub text: Arc<str>,
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.code, crate::text::bounded(&self.text, 500))
    }
}

impl MarkerBase {
    /// For a build of the instance that people know by this name, submitted from the state of this id.
    pub fn new(state: &str, instance: &str, build_id: u64) -> Self {
        Self(format!("tidegate/{state}/{instance}/{build_id}/").into())
    }

    /// What all markers of the build begin with.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The marker of one attempt.
    pub fn attempt(&self, attempt: u32) -> Marker {
        Marker(format!("{}{attempt}", self.0).into())
    }
}

/// What is known of a build when it is admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The row's number.
    pub id: RowId,
    /// What the governor is told of it.
    pub admitted: Admitted,
    /// Name, version and release of the upstream build.
    pub nvr: Arc<str>,
    /// The tag that it came from.
    pub tag: Arc<str>,
    /// Trigger tags that it has to be in one of when it is submitted.
    pub trigger_tags: Vec<Arc<str>>,
    /// The build target, where the sink has one.
    pub target: Option<Arc<str>>,
    /// What its markers begin with.
    pub marker_base: MarkerBase,
    /// Priority relative to the hub's default.
    pub priority: Option<i32>,
    /// Within its group: it waits until all rows of lower slices ended.
    pub slice: u32,
}

/// An admitted build, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    plan: Plan,
    stage: Stage,
    /// The attempt that the last intent was of; 0: there was none.
    attempt: u32,
    /// Retries spent on failures of the infrastructure.
    retries: u32,
    /// Tasks that carried a marker of this row beside the one that is followed.
    others: Vec<TaskId>,
    /// What it ends as instead of being planned again: it was superseded or withdrawn after it was sent.
    instead: Option<End>,
    /// Since when the hub does not know its task.
    unknown_since: Option<Millis>,
    /// Why the last attempt failed.
    failure: Option<Failure>,
}

/// How many other tasks of one build are kept.
const OTHERS_MAX: usize = 16;
/// Attempts of an old copy of a state begin behind the next multiple of this: it does not know those that the later copy made.
const ATTEMPTS_OF_A_COPY: u32 = 10_000;

impl Row {
    /// A row that was just admitted.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            stage: Stage::Planned { not_before: None },
            attempt: 0,
            retries: 0,
            others: Vec::new(),
            instead: None,
            unknown_since: None,
            failure: None,
        }
    }

    /// What was known when it was admitted.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its number.
    pub fn id(&self) -> RowId {
        self.plan.id
    }

    /// The upstream build.
    pub fn build(&self) -> BuildKey {
        self.plan.admitted.build
    }

    /// How far it is.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Intents written so far; after an adoption of an old copy there are gaps.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Retries spent.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// Other tasks that carried a marker of this row.
    pub fn others(&self) -> &[TaskId] {
        &self.others
    }

    /// Why the last attempt failed, where one did.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// What it ends as instead of being planned again.
    pub fn instead(&self) -> Option<&End> {
        self.instead.as_ref()
    }

    /// Since when the hub does not know its task; `None`: it does.
    pub fn unknown_since(&self) -> Option<Millis> {
        self.unknown_since
    }

    /// The marker of the last intent.
    pub fn marker(&self) -> Marker {
        self.plan.marker_base.attempt(self.attempt)
    }

    /// Takes a step, or changes nothing where the table has none such.
    pub(super) fn take(&mut self, step: Step) -> Result<(), Misstep> {
        let (attempt, retries) = step.counts(&self.stage);
        self.stage = self.stage.after(step)?;
        match attempt {
            Count::Same => {}
            Count::Next => self.attempt = self.attempt.saturating_add(1),
            Count::Behind => {
                self.attempt = (self.attempt / ATTEMPTS_OF_A_COPY + 1).saturating_mul(ATTEMPTS_OF_A_COPY);
            }
        }
        self.retries = self.retries.saturating_add(u32::from(retries));
        self.unknown_since = None;
        Ok(())
    }

    /// It is not to be planned again. The first word counts.
    pub(super) fn end_instead(&mut self, end: End) {
        self.instead.get_or_insert(end);
    }

    pub(super) fn note_others(&mut self, tasks: impl Iterator<Item = TaskId>) {
        self.others.extend(tasks);
        self.others.truncate(OTHERS_MAX);
    }

    pub(super) fn note_failure(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }

    /// The hub does not know its task since then, or knows it again.
    pub(super) fn set_unknown(&mut self, since: Option<Millis>) {
        self.unknown_since = since;
    }
}

/// What a step does to the number of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Nothing.
    Same,
    /// It counts one more.
    Next,
    /// It goes on behind all that a later copy of the state can have made.
    Behind,
}
