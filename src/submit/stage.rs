//! The stages of a row, and the table of the steps between them.
//!
//! `planned → intent → accepted → building → ended`. An intent without an answer is in doubt, until a look-up or a person says what
//! became of it. Only what never left, or is known to have had no effect, is planned again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ask::Failure;
use super::row::{Count, Fault, Session, TaskId};
use crate::engine::decision::BuildKey;
use crate::governor::clock::Millis;

/// How far a row is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It waits for its turn.
    Planned {
        /// Not before then; `None`: as soon as it is its turn.
        not_before: Option<Millis>,
    },
    /// It is about to be sent, or was, and there is no answer yet.
    Intent(Call),
    /// Whether it was submitted is not known.
    InDoubt {
        /// The call in question; `None`: a later copy of the state may have submitted it.
        call: Option<Call>,
    },
    /// It was submitted, and no builder has begun.
    Accepted {
        /// The task.
        task: TaskId,
    },
    /// A builder works on it.
    Building {
        /// The task.
        task: TaskId,
    },
    /// Nothing more becomes of it.
    Ended(End),
}

/// A call that submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// When its intent was written.
    pub at: Millis,
    /// The session that it is sent in, where the sink has sessions.
    pub session: Option<Session>,
    /// Its number in the session.
    pub callnum: u64,
}

/// What became of a row at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was built.
    Built {
        /// What came out, if the hub told.
        nvr: Option<Arc<str>>,
    },
    /// The task failed, for good.
    Failed {
        /// Where and why.
        failure: Failure,
    },
    /// The sink refused it for what it is.
    Refused {
        /// What it said.
        fault: Fault,
    },
    /// Somebody canceled the task.
    Canceled,
    /// The receiver has it, and tells no more.
    Taken,
    /// Koji does not have the upstream build as complete and tagged.
    NotTagged {
        /// What Koji says of it.
        detail: Arc<str>,
    },
    /// The target's tag has a build of the same source.
    AlreadyBuilt {
        /// Its NVR.
        nvr: Arc<str>,
    },
    /// Its package is denied for good.
    Denied {
        /// Why.
        why: Arc<str>,
    },
    /// It was taken back before it was submitted.
    Withdrawn {
        /// Why.
        why: Arc<str>,
    },
    /// A newer build of its package was admitted.
    Superseded {
        /// That build.
        by: BuildKey,
    },
}

/// A step of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The intent to submit it in this call is written; `again`: with the marker of the attempt before.
    Send { call: Call, again: bool },
    /// It may or may not have been submitted.
    Doubt,
    /// A later copy of the state may have submitted it.
    DoubtCopy,
    /// It was submitted as this task.
    Accept(TaskId),
    /// It was not submitted, or its task failed and another may succeed: wait, then plan anew.
    PlanAgain { not_before: Option<Millis>, retry: bool },
    /// A builder has begun.
    Begin,
    /// It ends.
    End(End),
}

/// A step that the stage does not allow: the caller has a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misstep;

impl Step {
    /// What it does to the numbers of attempts and retries of a row in this stage.
    pub(super) fn counts(&self, from: &Stage) -> (Count, bool) {
        match (self, from) {
            (Self::Send { again: false, .. }, _) => (Count::Next, false),
            (Self::Accept(_) | Self::PlanAgain { .. }, Stage::InDoubt { call: None }) => {
                (Count::Behind, false)
            }
            (Self::PlanAgain { retry, .. }, _) => (Count::Same, *retry),
            _ => (Count::Same, false),
        }
    }
}

impl Stage {
    /// The table: the stage after a step.
    pub(super) fn after(&self, step: Step) -> Result<Self, Misstep> {
        use Step as S;
        match (self, step) {
            (Self::Planned { .. }, S::Send { call, .. }) => Ok(Self::Intent(call)),
            (from, S::DoubtCopy) if !matches!(from, Self::Ended(_)) => Ok(Self::InDoubt { call: None }),
            (Self::Intent(call), S::Doubt) => Ok(Self::InDoubt { call: Some(*call) }),
            (Self::Intent(_) | Self::InDoubt { .. }, S::Accept(task)) => Ok(Self::Accepted { task }),
            // Only the failure of a task spends a retry.
            (
                Self::Planned { .. } | Self::Intent(_) | Self::InDoubt { .. },
                S::PlanAgain { not_before, retry: false },
            )
            | (Self::Accepted { .. } | Self::Building { .. }, S::PlanAgain { not_before, retry: true }) => {
                Ok(Self::Planned { not_before })
            }
            (Self::Accepted { task }, S::Begin) => Ok(Self::Building { task: *task }),
            (from, S::End(end)) if from.may_end_as(&end) => Ok(Self::Ended(end)),
            _ => Err(Misstep),
        }
    }

    fn may_end_as(&self, end: &End) -> bool {
        match self {
            // What is in doubt may be running: it ends by a word on what became of the call, or on what was looked up.
            Self::Planned { .. } => {
                matches!(end, End::NotTagged { .. } | End::AlreadyBuilt { .. }) || end.is_instead()
            }
            Self::Intent(_) => matches!(end, End::Taken | End::Refused { .. }) || end.is_instead(),
            Self::InDoubt { .. } => matches!(end, End::Taken) || end.is_instead(),
            Self::Accepted { .. } | Self::Building { .. } => {
                matches!(end, End::Built { .. } | End::Failed { .. } | End::Canceled)
            }
            Self::Ended(_) => false,
        }
    }

    /// The task that is followed.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Accepted { task } | Self::Building { task } => Some(*task),
            Self::Planned { .. } | Self::Intent(_) | Self::InDoubt { .. } | Self::Ended(_) => None,
        }
    }

    /// Whether it has neither been sent nor ended.
    pub fn is_planned(&self) -> bool {
        matches!(self, Self::Planned { .. })
    }
}

impl End {
    /// Whether a row may end so instead of being planned again.
    fn is_instead(&self) -> bool {
        matches!(self, Self::Superseded { .. } | Self::Withdrawn { .. } | Self::Denied { .. })
    }
}
