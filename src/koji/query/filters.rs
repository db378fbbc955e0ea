//! Which things are wanted of a list, and in which order.

use super::super::answers::TaskState;
use super::super::xmlrpc::{Struct, Value};
use super::whole;
use crate::time::Second;

/// A part of a list (`queryOpts`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// The column to sort by; with `-` before it backwards.
    pub order: Option<&'static str>,
    /// How many rows are passed over.
    pub offset: Option<u32>,
    /// How many rows are wanted at most.
    pub limit: Option<u32>,
}

/// Which builds of a tag are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaggedFilter<'a> {
    /// Of this package only.
    pub package: Option<&'a str>,
    /// Of each package only the one tagged last.
    pub latest: bool,
    /// Also what the tag inherits.
    pub inherit: bool,
    /// Only drafts, or only others.
    pub draft: Option<bool>,
}

/// Which entries of the history of tags are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryFilter<'a> {
    /// Of this build only: its number.
    pub build_id: Option<u64>,
    /// Of this tag only.
    pub tag: Option<&'a str>,
    /// Of this package only.
    pub package: Option<&'a str>,
    /// Only what changed after this point of the hub's history.
    pub after_event: Option<u64>,
    /// Only what still is so, or only what is over.
    pub active: Option<bool>,
}

/// Which tasks are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter<'a> {
    /// Of this user only: the number.
    pub owner: Option<u64>,
    /// That do this only.
    pub method: Option<&'a str>,
    /// In one of these states; empty: in any.
    pub states: Vec<TaskState>,
    /// Made after this time.
    pub created_after: Option<Second>,
    /// Parts of this task only.
    pub parent: Option<u64>,
    /// With their arguments.
    pub with_request: bool,
}

impl Page {
    /// Nothing but a count.
    pub(super) fn count() -> Struct {
        Struct::new().with("countOnly", true)
    }

    pub(super) fn members(self) -> Struct {
        Struct::new()
            .with_some("order", self.order)
            .with_some("offset", self.offset.map(i64::from))
            .with_some("limit", self.limit.map(i64::from))
    }
}

impl TaskFilter<'_> {
    pub(super) fn members(&self) -> Struct {
        let states: Vec<i64> = self.states.iter().map(|state| state.number()).collect();
        Struct::new()
            .with_some("owner", self.owner.map(whole))
            .with_some("method", self.method)
            .with_some("state", (!states.is_empty()).then_some(states))
            .with_some("createdAfter", self.created_after.map(hub_time))
            .with_some("parent", self.parent.map(whole))
            .with_some("decode", self.with_request.then_some(true))
    }
}

/// A time as the hub's database reads it. It says its zone: without one it would be taken as local time of the database.
fn hub_time(time: Second) -> Value {
    Value::String(time.to_string().replacen('T', " ", 1).replace('Z', "+00:00"))
}

impl<'a> TaggedFilter<'a> {
    /// The newest build of each package, with what the tag inherits.
    pub const LATEST: TaggedFilter<'static> =
        TaggedFilter { package: None, latest: true, inherit: true, draft: None };

    pub(super) fn members(self) -> Struct {
        Struct::new()
            .with_some("package", self.package)
            .with_some("latest", self.latest.then_some(true))
            .with_some("inherit", self.inherit.then_some(true))
            .with_some("draft", self.draft)
    }

    /// Of one package only.
    #[must_use]
    pub fn package(self, package: &'a str) -> Self {
        Self { package: Some(package), ..self }
    }
}

impl HistoryFilter<'_> {
    pub(super) fn members(self) -> Struct {
        Struct::new()
            .with("tables", vec!["tag_listing"])
            .with_some("build", self.build_id.map(whole))
            .with_some("tag", self.tag)
            .with_some("package", self.package)
            .with_some("afterEvent", self.after_event.map(whole))
            .with_some("active", self.active)
    }
}
