//! What the hub answers, as far as Tidegate reads it. Members that are not named here are passed over, so that a newer
//! hub may add some.

mod builds;
mod tags;
mod tasks;

pub use builds::{Build, BuildState, HistoryRow, TaggedBuild};
pub use tags::{Repo, RepoState, Tag, TagParent, Target};
pub use tasks::{Host, Task, TaskResult, TaskState};

pub(super) use builds::{build, history_row, tagged_build};
pub(super) use tags::{repo, tag, tag_parent, target};
pub(super) use tasks::{descendents, host, task, task_result};

use super::fields::{Fields, Unexpected, flag, id, text, timestamp, whole};
use super::secret::Secret;
use super::xmlrpc::Value;
use crate::time::Second;

/// A user of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The hub's number of the user.
    pub id: u64,
    /// The name; for a Kerberos principal without the realm.
    pub name: String,
}

/// A point in the hub's history, which the hub calls an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubEvent {
    /// Its number; later ones are greater.
    pub koji_event_id: u64,
    /// When it was.
    pub at: Second,
}

/// What a login brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The session's number.
    pub session_id: u64,
    /// What proves that a call belongs to the session.
    pub session_key: Secret,
}

pub(super) fn user(value: &Value) -> Result<User, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(User { id: fields.must("id", id)?, name: fields.must("name", text)? })
}

pub(super) fn hub_event(value: &Value) -> Result<HubEvent, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(HubEvent { koji_event_id: fields.must("id", id)?, at: fields.must("ts", timestamp)? })
}

pub(super) fn logged_in(value: &Value) -> Result<LoggedIn, Unexpected> {
    let fields = Fields::of(value)?;
    // A hub that knows sessions only by the URL would take our calls for anonymous ones.
    if fields.may("header-auth", flag)? != Some(true) {
        return Err(Unexpected::new("header-auth", "true (Koji 1.30 or newer)", "absent or false"));
    }
    Ok(LoggedIn {
        session_id: fields.must("session-id", id)?,
        session_key: Secret::new(fields.must("session-key", text)?),
    })
}

/// A number that stands for a state, by its place among all states.
fn state<T>(value: &Value, wanted: &'static str, states: &[T]) -> Result<T, Unexpected>
where
    T: Copy,
{
    let number = whole(value)?;
    let known = usize::try_from(number).ok().and_then(|index| states.get(index)).copied();
    known.ok_or_else(|| Unexpected::new("", wanted, number.to_string()))
}
