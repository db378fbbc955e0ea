//! What the submitter asks of a sink, and what a sink answers.
//!
//! One ask at a time is under way; its answer comes back
//! before the next is given. Every ask is safe to be forgotten by a crash: what it meant is in the rows before it is sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::row::{Fault, Marker, MarkerBase, RowId, Session, TaskId};
use crate::governor::load::Load;

/// Something that only the outside can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Measure the load of the hub, and whether it is there at all. The cheapest call there is.
    Sample,
    /// Open a session, and by it end the ones given: the hub waits for a call that they run, and refuses later ones.
    LogIn {
        /// Sessions of ours that may still have a call under way.
        fence: Vec<Session>,
    },
    /// Ask anonymously what Koji knows of these builds, just before they are submitted.
    Check(Vec<Inquiry>),
    /// Submit. Sent once, never again, whatever comes back. A sink that submits one by one gets one order.
    Submit {
        /// The session, where the sink has one.
        session: Option<Session>,
        /// The number of the call in its session: the intent that is on the disk names it.
        callnum: u64,
        /// What to build.
        orders: Vec<Order>,
    },
    /// Look for tasks that carry these markers, made at or after `since` (seconds since 1970).
    Find {
        /// What is looked for, with the rows it belongs to.
        markers: Vec<(RowId, Sought)>,
        /// No task of ours is older.
        since: i64,
    },
    /// Ask what became of tasks. Of a sink that names no tasks the list is empty: then it is asked how the last chunk stands, and
    /// answers for task 0.
    Follow(Vec<TaskId>),
}

/// Which tasks are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// Those with exactly this marker: one attempt.
    Attempt(Marker),
    /// Those whose marker begins so: any attempt at the build, also of a later copy of the state.
    AnyAttempt(MarkerBase),
}

impl Sought {
    /// Whether a task with this marker is one of them.
    pub fn matches(&self, marker: &str) -> bool {
        match self {
            Self::Attempt(sought) => &*sought.0 == marker,
            Self::AnyAttempt(base) => marker.starts_with(base.as_str()),
        }
    }
}

/// What is asked about a build before it is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// The row.
    pub row: RowId,
    /// The number of the upstream build at the hub that the messages come from.
    pub build_id: u64,
    /// Trigger tags that it has to be in one of.
    pub tags: Vec<Arc<str>>,
    /// The build target, whose destination tag is looked through for a build of the same source; `None`: not looked at.
    pub target: Option<Arc<str>>,
    /// The package as it is called downstream.
    pub package: Arc<str>,
}

/// What Koji said of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is complete and tagged, and nothing was built from it: submit that source.
    Ready {
        /// The source as the hub has it: a URL with a commit.
        source: Arc<str>,
    },
    /// Koji does not know it, or not as complete, or it is in none of the trigger tags.
    NotTagged {
        /// What Koji says of it, for people.
        detail: Arc<str>,
    },
    /// The target's tag has a complete build of the same source, of the present dist generation.
    AlreadyBuilt {
        /// Its NVR.
        nvr: Arc<str>,
    },
    /// The hub answered for this build with a fault: ask again later.
    Unclear(Fault),
}

/// A build to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The row.
    pub row: RowId,
    /// By it the task is found again.
    pub marker: Marker,
    /// Source of the upstream build; empty for a sink that takes names.
    pub source: Arc<str>,
    /// The build target; empty for a sink that has none.
    pub target: Arc<str>,
    /// The package, downstream name.
    pub package: Arc<str>,
    /// The upstream build: NVR and number.
    pub nvr: Arc<str>,
    /// Its number.
    pub build_id: u64,
    /// The tag it came from.
    pub tag: Arc<str>,
    /// Priority relative to the hub's default, where stated.
    pub priority: Option<i32>,
}

/// What came of an ask. A sink answers each kind of ask with the variant of the same name, or with `Failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The load of the hub.
    Sampled(Sample),
    /// The new session, and the number its next call will have. All sessions to be fenced are ended.
    LoggedIn {
        /// The session.
        session: Session,
        /// The number of its next call.
        next_callnum: u64,
    },
    /// One finding for each inquiry.
    Checked(Vec<(RowId, Finding)>),
    /// One receipt for each order.
    Submitted(Vec<(RowId, Receipt)>),
    /// For each of the sought the tasks found; of several, all.
    Found(Vec<(RowId, Vec<TaskId>)>),
    /// For each task how it stands; `None`: the hub does not know it.
    Followed(Vec<(TaskId, Option<Progress>)>),
    /// The ask brought nothing. Never for `Submit`, which answers by receipts.
    Failed(Trouble),
}

/// What a hub at work looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The load of the busiest arch.
    pub host_load: Load,
    /// Its name.
    pub busiest: Arc<str>,
    /// Tasks that no builder took yet.
    pub free_tasks: u32,
    /// Unfinished `newRepo` tasks.
    pub new_repos: u32,
    /// How long a cheap call took.
    pub latency_ms: u32,
}

/// What became of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// The hub made this task.
    Accepted(TaskId),
    /// The receiver has it, and names no task.
    Taken,
    /// Nothing was sent, or it was refused without effect; try again as the trouble says.
    NotDone(Trouble),
    /// Refused for what it is (unknown target, malformed source): trying again is of no use.
    Refused(Fault),
    /// It may have taken effect or not.
    Lost(Trouble),
}

/// Why something did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The hub says that it is offline (fault 1014).
    Offline,
    /// It cannot be reached, answers with nonsense, or takes too long.
    Unreachable(Arc<str>),
    /// The session is not valid any more: log in anew.
    SessionOver(Arc<str>),
    /// It will not let us in, or forbids it: a person has to look.
    Forbidden(Arc<str>),
    /// Any other fault.
    Fault(Fault),
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Free or assigned: no builder has begun.
    Waiting,
    /// A builder works on it.
    Building,
    /// It ended well; the build it made, if the hub told.
    Built {
        /// Its NVR.
        nvr: Option<Arc<str>>,
    },
    /// It failed.
    Failed(Failure),
    /// Somebody canceled it.
    Canceled,
}

/// A failed task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it was.
    pub cause: Cause,
    /// Where: `srpm` (the source package could not be made), or a task's method and arch.
    pub stage: Arc<str>,
    /// What the hub says of it, shortened, as it was.
    pub text: Arc<str>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The farm's: a builder was lost, a network or disk failed. Another try may succeed.
    Infrastructure,
    /// The package's: another try fails too.
    Package,
}
