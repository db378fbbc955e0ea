//! What a hub keeps: rows, each with its number.

use std::collections::{BTreeMap, BTreeSet};

use super::super::moment::Moment;
use super::file::Stage;
use crate::koji::xmlrpc::{Answer, Struct, Value};

/// Rows by number, numbered from 1 on.
#[derive(Debug, Clone)]
pub(in crate::hub) struct Table<T> {
    rows: BTreeMap<i64, T>,
    last: i64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), last: 0 }
    }
}

impl<T> Table<T> {
    /// The number that the next row will have.
    pub(in crate::hub) fn next_id(&self) -> i64 {
        self.last + 1
    }

    /// Adds a row under the next number.
    pub(in crate::hub) fn add(&mut self, row: T) -> i64 {
        self.last += 1;
        self.rows.insert(self.last, row);
        self.last
    }

    pub(in crate::hub) fn get(&self, id: i64) -> Option<&T> {
        self.rows.get(&id)
    }

    pub(in crate::hub) fn get_mut(&mut self, id: i64) -> Option<&mut T> {
        self.rows.get_mut(&id)
    }

    pub(in crate::hub) fn remove(&mut self, id: i64) -> Option<T> {
        self.rows.remove(&id)
    }

    pub(in crate::hub) fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &T)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    pub(in crate::hub) fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }

    pub(in crate::hub) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.values_mut()
    }

    pub(in crate::hub) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// A user: a person, a tool or a build host.
#[derive(Debug, Clone, Default)]
pub(in crate::hub) struct User {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) name: String,
    pub(in crate::hub) password: Option<String>,
    pub(in crate::hub) permissions: BTreeSet<String>,
    pub(in crate::hub) blocked: bool,
    /// 0: person, 1: host.
    pub(in crate::hub) kind: i64,
}

/// A tag.
#[derive(Debug, Clone, Default)]
pub(in crate::hub) struct Tag {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) name: String,
    pub(in crate::hub) arches: String,
    pub(in crate::hub) locked: bool,
    pub(in crate::hub) permission: Option<String>,
    pub(in crate::hub) denied: bool,
    pub(in crate::hub) extra: Struct,
    /// Links to parents by priority.
    pub(in crate::hub) parents: Vec<Link>,
    /// Packages of its own list, by number.
    pub(in crate::hub) packages: BTreeMap<i64, Listed>,
    /// Every package of the world is in its list.
    pub(in crate::hub) all_packages: bool,
    /// Who made it, if it is a side tag.
    pub(in crate::hub) side_tag_of: Option<i64>,
}

/// A link to a parent tag.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct Link {
    pub(in crate::hub) parent: i64,
    pub(in crate::hub) priority: i64,
}

/// A package in the list of a tag.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct Listed {
    pub(in crate::hub) owner: i64,
    pub(in crate::hub) blocked: bool,
}

/// A build target.
#[derive(Debug, Clone)]
pub(in crate::hub) struct Target {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) name: String,
    pub(in crate::hub) build_tag: i64,
    pub(in crate::hub) dest_tag: i64,
}

/// A package.
#[derive(Debug, Clone, Default)]
pub(in crate::hub) struct Package {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) name: String,
    pub(in crate::hub) seconds: Option<i64>,
    pub(in crate::hub) fails: Option<Stage>,
    pub(in crate::hub) arches: Option<String>,
    pub(in crate::hub) rpm_bytes: i64,
    /// Sources in the order in which they were first built: the place is the release.
    pub(in crate::hub) sources: Vec<String>,
}

/// The states of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildState {
    /// Under way.
    Building = 0,
    /// There.
    Complete = 1,
    /// Gone.
    Deleted = 2,
    /// It failed.
    Failed = 3,
    /// Called off.
    Canceled = 4,
}

impl BuildState {
    pub(in crate::hub) fn name(self) -> &'static str {
        match self {
            Self::Building => "BUILDING",
            Self::Complete => "COMPLETE",
            Self::Deleted => "DELETED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }
}

/// A build.
#[derive(Debug, Clone)]
pub(in crate::hub) struct Build {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) package: i64,
    pub(in crate::hub) name: String,
    pub(in crate::hub) version: String,
    pub(in crate::hub) release: String,
    pub(in crate::hub) epoch: Option<i64>,
    pub(in crate::hub) draft: bool,
    pub(in crate::hub) state: BuildState,
    pub(in crate::hub) owner: i64,
    pub(in crate::hub) task: Option<i64>,
    pub(in crate::hub) source: Option<String>,
    pub(in crate::hub) extra: Value,
    /// The event and the time of its making.
    pub(in crate::hub) created: (i64, Moment),
    pub(in crate::hub) started: Moment,
    pub(in crate::hub) completed: Option<Moment>,
    /// Who promoted it from a draft, and when.
    pub(in crate::hub) promoted: Option<(i64, Moment)>,
}

impl Build {
    pub(in crate::hub) fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }
}

/// The states of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// Waits for a host.
    Free = 0,
    /// Runs.
    Open = 1,
    /// Has a result.
    Closed = 2,
    /// Called off.
    Canceled = 3,
    /// Given to a host that has not begun.
    Assigned = 4,
    /// Has a fault.
    Failed = 5,
}

impl TaskState {
    pub(in crate::hub) fn is_over(self) -> bool {
        matches!(self, Self::Closed | Self::Canceled | Self::Failed)
    }

    pub(in crate::hub) fn name(self) -> &'static str {
        match self {
            Self::Free => "FREE",
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Canceled => "CANCELED",
            Self::Assigned => "ASSIGNED",
            Self::Failed => "FAILED",
        }
    }
}

/// A task.
#[derive(Debug, Clone)]
pub(in crate::hub) struct Task {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) method: String,
    pub(in crate::hub) request: Vec<Value>,
    pub(in crate::hub) state: TaskState,
    pub(in crate::hub) owner: i64,
    pub(in crate::hub) parent: Option<i64>,
    pub(in crate::hub) label: Option<String>,
    pub(in crate::hub) arch: String,
    pub(in crate::hub) channel: i64,
    pub(in crate::hub) host: Option<i64>,
    pub(in crate::hub) priority: i64,
    pub(in crate::hub) weight: f64,
    pub(in crate::hub) created: Moment,
    pub(in crate::hub) started: Option<Moment>,
    pub(in crate::hub) completed: Option<Moment>,
    pub(in crate::hub) result: Option<Answer>,
    pub(in crate::hub) waiting: bool,
}

/// A build host.
#[derive(Debug, Clone)]
pub(in crate::hub) struct Host {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) user: i64,
    pub(in crate::hub) name: String,
    pub(in crate::hub) arches: String,
    pub(in crate::hub) capacity: f64,
    pub(in crate::hub) channels: Vec<i64>,
    pub(in crate::hub) enabled: bool,
    pub(in crate::hub) ready: bool,
    pub(in crate::hub) updated: Option<Moment>,
}

/// A build in a tag, now or once.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct Listing {
    pub(in crate::hub) tag: i64,
    pub(in crate::hub) build: i64,
    pub(in crate::hub) created: i64,
    pub(in crate::hub) creator: i64,
    /// Event and user of the untagging.
    pub(in crate::hub) revoked: Option<(i64, i64)>,
}

/// The content of a build tag, ready to build with.
#[derive(Debug, Clone, Copy)]
pub(in crate::hub) struct Repo {
    pub(in crate::hub) id: i64,
    pub(in crate::hub) tag: i64,
    pub(in crate::hub) event: i64,
    pub(in crate::hub) created: Moment,
    /// 0: being made, 1: ready, 2: expired.
    pub(in crate::hub) state: i64,
    pub(in crate::hub) task: i64,
}
