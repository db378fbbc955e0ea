//! The submitter: what becomes of an admitted build, from the outbox to its result. Pure: no clock, no I/O, no randomness.
//!
//! [`Submitter::next`] says what to ask of the sink, one [`Ask`] at a time; [`Submitter::answer`] takes what came of it. **The
//! law: what `next` returned may be sent only when all that [`Submitter::changes`] gave is durable.** Nothing else protects from
//! building twice after a crash: the intent, the number of the call, the session and the spent token are in those changes. If they
//! cannot be written, the process has to end.
//!
//! A call that submits is sent once. Where its answer is missing, the row is in doubt: a sink with sessions is asked to log in
//! anew, which ends the old session and waits for its running call; then the submitter waits `settle`, for a call that was caught
//! between two transactions of the hub may still land; then it looks for the marker. Found: that task is followed. Absent:
//! planned again, with a new marker. At a start every intent without an answer is in doubt.
//!
//! Which build goes when is decided by the [`Governor`] that the submitter owns. It knows nothing of what stands aside here:
//! rows that wait for a lower slice of their group, for the end of a back-off, or for the end of a denial.

mod access;
mod answers;
pub mod ask;
mod commands;
mod findings;
mod groups;
mod lines;
mod next;
pub mod row;
mod rows;
pub mod settings;
pub mod stage;
pub mod status;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::access::{Access, Setback};
use self::findings::Findings;
use self::row::{Row, RowId, Session, TaskId};
use self::rows::{Fence, Rows, Seat};
use self::settings::{Manner, Settings};
use self::stage::{Stage, Step};
use crate::governor::clock::{GuardedClock, Millis, Moment};
use crate::governor::settings::SettingsError;
use crate::governor::{Governor, Saved};
use crate::time::Second;

pub use self::ask::{Answer, Ask};
pub use self::commands::{Admission, AdmitError, Decided, TooManyDenials, Withdrawal, Word};
pub use self::groups::{GroupReport, Tally};

/// Takes admitted builds to their results.
#[derive(Debug)]
pub struct Submitter {
    settings: Settings,
    clock: GuardedClock,
    governor: Governor,
    rows: Rows,
    /// Rows whose place has to be found anew before anything else is done.
    unplaced: BTreeSet<RowId>,
    access: Access,
    /// Sessions of ours that may still have a call under way.
    sessions: Vec<Session>,
    setback: Option<Setback>,
    findings: Findings,
    asked: Option<Asked>,
    pause: Option<Pause>,
    denials: BTreeMap<Arc<str>, Denial>,
    /// When the last chunk of a batched sink was sent, and until when the next one waits.
    chunk: Option<Chunk>,
    next_sample: Moment,
    /// Builds tagged up to then may have been submitted by a later copy of the state.
    looked_up_before: Option<Second>,
    is_kept_changed: bool,
    wake: Option<Millis>,
    /// Look-ups of one attempt that found more than one task: the promise was broken.
    doubles: u64,
    /// Answers that do not fit to what was asked.
    misfits: u64,
    reports: Vec<GroupReport>,
}

/// What was asked, and waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Sample,
    LogIn,
    Check {
        rows: Vec<RowId>,
        /// When; `None`: the clock stepped back since, so it cannot be told.
        at: Option<Moment>,
    },
    Submit(Vec<RowId>),
    Find(Vec<RowId>),
    Follow(Vec<TaskId>),
}

/// A pause of submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Millis,
    /// Why.
    pub why: Arc<str>,
}

/// A package that is not to be submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Until when its rows wait; `None`: for good, they end.
    pub until: Option<Millis>,
    /// Why.
    pub why: Arc<str>,
}

/// A chunk that a batched sink is at work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    sent: Millis,
    until: Moment,
    next_look: Moment,
}

/// What must outlive the process, all but the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Kept {
    /// The governor's.
    pub governor: Option<Saved>,
    /// Sessions of ours that may still have a call under way.
    pub sessions: Vec<Session>,
    /// The pause, where there is one.
    pub pause: Option<Pause>,
    /// Denied packages.
    pub denials: BTreeMap<Arc<str>, Denial>,
    /// When the last chunk of a batched sink was sent, while it is at work on it.
    pub chunk_sent: Option<Millis>,
    /// Builds tagged up to then may have been submitted by a later copy of the state.
    pub looked_up_before: Option<Second>,
}

/// What changed since the last call of [`Submitter::changes`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Rows as they are now. An ended one is handed over this once, and forgotten.
    pub rows: Vec<Row>,
    /// All else, where it changed.
    pub kept: Option<Kept>,
}

impl Submitter {
    /// Goes on from what was kept, with all rows that have not ended and the ended ones of groups that were not reported yet.
    ///
    /// Held groups are not kept: [`Submitter::hold_group`] is called again for each before the first [`Submitter::next`].
    pub fn restore(
        settings: Settings,
        now: Millis,
        rows: impl IntoIterator<Item = Row>,
        kept: Kept,
    ) -> Result<Self, SettingsError> {
        let governor = Governor::new(settings.governor.clone(), now, kept.governor)?;
        let clock = GuardedClock::begin(now);
        let chunk = kept.chunk_sent.zip(settings.chunk_timeout()).map(|(sent, timeout)| Chunk {
            sent,
            until: Moment(clock.rest_of(sent, timeout)),
            next_look: clock.moment(),
        });
        let mut submitter = Self {
            settings,
            clock,
            governor,
            rows: Rows::default(),
            unplaced: BTreeSet::new(),
            access: Access::Closed,
            sessions: kept.sessions,
            setback: None,
            findings: Findings::default(),
            asked: None,
            pause: kept.pause,
            denials: kept.denials,
            chunk,
            next_sample: Moment(0),
            looked_up_before: kept.looked_up_before,
            is_kept_changed: true,
            wake: Some(now),
            doubles: 0,
            misfits: 0,
            reports: Vec::new(),
        };
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by_key(Row::id);
        for row in rows {
            submitter.restore_row(now, row);
        }
        submitter.reports.extend(submitter.rows.groups.finished());
        submitter.place_all(now);
        Ok(submitter)
    }

    fn restore_row(&mut self, now: Millis, mut row: Row) {
        let id = row.id();
        let was_sent = matches!(row.stage(), Stage::Intent(_));
        if was_sent {
            let step = match self.settings.manner {
                Manner::Fenced | Manner::Batched { .. } => Step::Doubt,
                // The receiver knows the key: what it has already, it does not take again.
                Manner::Repeatable | Manner::DryRun => Step::PlanAgain { not_before: None, retry: false },
            };
            self.misfits += u64::from(row.take(step).is_err());
        }
        let seat = match row.stage() {
            Stage::Ended(end) => {
                self.rows.groups.count_ended(&row.plan().admitted, end);
                return;
            }
            Stage::Planned { .. } => Seat::Nowhere,
            Stage::InDoubt { .. } | Stage::Intent(_) => Seat::Doubt(self.first_fence()),
            Stage::Accepted { .. } | Stage::Building { .. } => Seat::Task(self.clock.moment()),
        };
        if seat == Seat::Nowhere {
            self.unplaced.insert(id);
        } else {
            self.governor.resume(now, row.plan().admitted.clone());
        }
        self.rows.insert(row, seat);
        if was_sent {
            self.rows.changed.insert(id);
        }
    }

    /// What a row in doubt waits for first.
    fn first_fence(&self) -> Fence {
        if self.settings.manner == Manner::Fenced { Fence::Missing } else { Fence::Person }
    }

    /// What must be durable before the last [`Ask`] is sent. A second call gives nothing new.
    pub fn changes(&mut self) -> Changes {
        let rows = self.rows.drain_changed();
        let kept = std::mem::take(&mut self.is_kept_changed).then(|| Kept {
            governor: Some(self.governor.save()),
            sessions: self.sessions.clone(),
            pause: self.pause.clone(),
            denials: self.denials.clone(),
            chunk_sent: self.chunk.map(|chunk| chunk.sent),
            looked_up_before: self.looked_up_before,
        });
        Changes { rows, kept }
    }

    /// When [`Submitter::next`] may have something to ask again, if nothing happens before; `None`: not before an answer or
    /// a command. Times in it may be shorter than they need be.
    pub fn wakes_at(&self) -> Option<Millis> {
        if self.asked.is_some() { None } else { self.wake }
    }

    /// Groups all of whose rows ended since the last call. Call it when the changes are durable.
    pub fn finished_groups(&mut self) -> Vec<GroupReport> {
        std::mem::take(&mut self.reports)
    }
}
