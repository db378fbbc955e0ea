//! Tasks, and the builders that do them.

use super::state;
use super::tags::words;
use crate::koji::fields::{Fields, Unexpected, any, flag, id, list, number, text, timestamp, whole};
use crate::koji::xmlrpc::{Fault, Value};
use crate::time::Second;

/// The state of a task, in the order of the hub's numbers from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// It waits for a builder.
    Free,
    /// A builder works on it.
    Open,
    /// Done.
    Closed,
    /// Somebody canceled it.
    Canceled,
    /// It was given to a builder that has not begun.
    Assigned,
    /// It failed.
    Failed,
}

impl TaskState {
    /// Those of tasks that are under way.
    pub const UNDER_WAY: [Self; 3] = [Self::Free, Self::Open, Self::Assigned];

    /// The hub's number of the state.
    pub fn number(self) -> i64 {
        match self {
            Self::Free => 0,
            Self::Open => 1,
            Self::Closed => 2,
            Self::Canceled => 3,
            Self::Assigned => 4,
            Self::Failed => 5,
        }
    }
}

/// A task (`getTaskInfo`, `listTasks`, `getTaskDescendents`).
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The hub's number of the task.
    pub id: u64,
    /// What it does: `build`, `buildArch`, `newRepo`.
    pub method: String,
    /// The state.
    pub state: TaskState,
    /// The number of the user whose task it is.
    pub owner: Option<u64>,
    /// The task that it is a part of.
    pub parent: Option<u64>,
    /// Which part of its parent it does.
    pub label: Option<String>,
    /// The arch that it is for.
    pub arch: String,
    /// The number of the builder that has it.
    pub host_id: Option<u64>,
    /// Its place in the queue; greater is later.
    pub priority: Option<i64>,
    /// When it was made.
    pub created: Option<Second>,
    /// When a builder began.
    pub started: Option<Second>,
    /// When it ended.
    pub completed: Option<Second>,
    /// The arguments that it was made with; only if asked for.
    pub request: Option<Vec<Value>>,
}

/// How a task ended (`getTaskResult`).
#[derive(Debug, Clone, PartialEq)]
pub enum TaskResult {
    /// What it brought.
    Done(Value),
    /// Why it failed.
    Failed(Fault),
}

/// A builder (`listHosts`).
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// The hub's number of the builder.
    pub id: u64,
    /// The name.
    pub name: String,
    /// The arches that it builds.
    pub arches: Vec<String>,
    /// What it can take, in units of task weight.
    pub capacity: f64,
    /// The weight of what it runs.
    pub task_load: f64,
    /// Whether it takes more.
    pub ready: bool,
    /// Whether it may take any.
    pub enabled: bool,
    /// When it last reported.
    pub updated: Option<Second>,
}

pub(in crate::koji) fn task(value: &Value) -> Result<Task, Unexpected> {
    let fields = Fields::of(value)?;
    // Where the arguments are not asked for, `listTasks` still gives them, but as the text that its database holds.
    let request = |value: &Value| {
        if value.as_str().is_some() { Ok(None) } else { list(value, any).map(Some) }
    };
    Ok(Task {
        id: fields.must("id", id)?,
        method: fields.must("method", text)?,
        state: fields.must("state", task_state)?,
        owner: fields.may("owner", id)?,
        parent: fields.may("parent", id)?,
        label: fields.may("label", text)?,
        arch: fields.must("arch", text)?,
        host_id: fields.may("host_id", id)?,
        priority: fields.may("priority", whole)?,
        created: fields.may("create_ts", timestamp)?,
        started: fields.may("start_ts", timestamp)?,
        completed: fields.may("completion_ts", timestamp)?,
        request: fields.may("request", request)?.flatten(),
    })
}

/// The tasks below one, of all depths, in the order of their numbers.
pub(in crate::koji) fn descendents(value: &Value) -> Result<Vec<Task>, Unexpected> {
    let parents = value.as_struct().ok_or_else(|| Unexpected::value("a struct", value))?;
    let mut tasks = Vec::new();
    for (parent, children) in parents.iter() {
        let children = list(children, task).map_err(|error| error.inside(parent))?;
        tasks.extend(children);
    }
    tasks.sort_by_key(|task| task.id);
    Ok(tasks)
}

#[expect(clippy::unnecessary_wraps, reason = "read like all others")]
pub(in crate::koji) fn task_result(value: &Value) -> Result<TaskResult, Unexpected> {
    let fault = value.as_struct().and_then(Fault::from_members);
    Ok(fault.map_or_else(|| TaskResult::Done(value.clone()), TaskResult::Failed))
}

pub(in crate::koji) fn host(value: &Value) -> Result<Host, Unexpected> {
    let fields = Fields::of(value)?;
    Ok(Host {
        id: fields.must("id", id)?,
        name: fields.must("name", text)?,
        arches: words(&fields.may("arches", text)?.unwrap_or_default()),
        capacity: fields.must("capacity", number)?,
        task_load: fields.must("task_load", number)?,
        ready: fields.must("ready", flag)?,
        enabled: fields.must("enabled", flag)?,
        updated: fields.may("update_ts", timestamp)?,
    })
}

fn task_state(value: &Value) -> Result<TaskState, Unexpected> {
    use TaskState::{Assigned, Canceled, Closed, Failed, Free, Open};
    state(value, "the state of a task, 0 to 5", &[Free, Open, Closed, Canceled, Assigned, Failed])
}
