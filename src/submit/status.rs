//! How the submitter stands, and why a build is not built yet: for people, metrics and explanations.

use std::fmt;
use std::sync::Arc;

use super::ask::{Failure, Trouble};
use super::row::{Fault, RowId, Session, TaskId};
use super::rows::{Fence, Seat};
use super::settings::UNKNOWN_AFTER;
use super::stage::Stage;
use super::{Denial, Pause, Submitter};
use crate::engine::decision::BuildKey;
use crate::governor::Status as GovernorStatus;
use crate::governor::clock::{Millis, whole_millis};
use crate::governor::refusal::NotUntil;
use crate::text::bounded;

/// How the submitter stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The governor's part.
    pub governor: GovernorStatus,
    /// Rows that have not ended.
    pub rows: usize,
    /// Rows that have neither been sent nor ended.
    pub planned: usize,
    /// Rows in doubt.
    pub in_doubt: usize,
    /// Rows in doubt that a person has to decide.
    pub for_a_person: Vec<RowId>,
    /// Rows whose tasks are followed.
    pub followed: usize,
    /// Rows of denied packages.
    pub denied: usize,
    /// Rows that wait for lower slices.
    pub sliced: usize,
    /// Tasks that the hub has not known for 24 hours or more.
    pub unknown_tasks: Vec<TaskId>,
    /// The pause, where there is one.
    pub pause: Option<Pause>,
    /// Trouble with the sink.
    pub trouble: Option<Standing>,
    /// Sessions of ours that may still have a call under way.
    pub sessions: Vec<Session>,
    /// Look-ups of one attempt that found more than one task, since the start. Above 0 a build was made twice.
    pub doubles: u64,
    /// Answers that did not fit to what was asked, since the start. Above 0 a part of Tidegate has a fault.
    pub misfits: u64,
}

/// Trouble with the sink that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is.
    pub trouble: Trouble,
    /// Since when.
    pub since: Millis,
    /// When it is tried again.
    pub next: Millis,
}

/// Why a build is not built yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No row of it that has not ended.
    NoRow,
    /// Submission is paused.
    Paused(Pause),
    /// The sink is in trouble.
    Trouble(Standing),
    /// Its package is denied for a time.
    Denied(Denial),
    /// It waits before it is tried again.
    Delayed {
        /// Until when.
        until: Millis,
        /// Why its last attempt failed, where one did.
        failure: Option<Failure>,
    },
    /// It waits for lower slices of its group.
    Slice {
        /// Rows of them that have not ended.
        rows: usize,
    },
    /// It waits for its turn; this is what the governor says to all.
    Turn(Option<NotUntil>),
    /// It is being submitted.
    Sent,
    /// Whether it was submitted is not known.
    InDoubt {
        /// What it waits for.
        step: DoubtStep,
        /// Its row, by which a person decides.
        row: RowId,
    },
    /// Its task is not finished.
    Task {
        /// The task.
        task: TaskId,
        /// Whether a builder works on it.
        is_building: bool,
        /// Since when the hub does not know it; `None`: it does.
        unknown_since: Option<Millis>,
    },
}

/// What a row in doubt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtStep {
    /// For the old session to be ended.
    Fence,
    /// For the time in which the call may still land: so many milliseconds.
    Settle(u64),
    /// For the look-up.
    LookUp,
    /// For a person.
    Person,
}

impl Submitter {
    /// How it stands.
    pub fn status(&mut self, now: Millis) -> Status {
        self.advance(now);
        let governor = self.governor.status(now);
        let seats =
            |matches: fn(Seat) -> bool| self.rows.all().filter(|(_, live)| matches(live.seat)).count();
        Status {
            rows: self.rows.len(),
            planned: self.rows.all().filter(|(_, live)| live.row.stage().is_planned()).count(),
            in_doubt: seats(|seat| matches!(seat, Seat::Doubt(_))),
            for_a_person: self
                .rows
                .doubts()
                .filter(|(_, fence)| *fence == Fence::Person)
                .map(|(id, _)| id)
                .collect(),
            followed: seats(|seat| matches!(seat, Seat::Task(_))),
            denied: seats(|seat| seat == Seat::Denied),
            sliced: seats(|seat| seat == Seat::Slice),
            unknown_tasks: self.unknown_tasks(now),
            pause: self.pause.clone(),
            trouble: self.standing(),
            sessions: self.sessions.clone(),
            doubles: self.doubles,
            misfits: self.misfits,
            governor,
        }
    }

    fn unknown_tasks(&self, now: Millis) -> Vec<TaskId> {
        let is_long = |since: Millis| since < now && now.0.abs_diff(since.0) >= whole_millis(UNKNOWN_AFTER);
        let rows = self.rows.all().map(|(_, live)| &live.row);
        rows.filter(|row| row.unknown_since().is_some_and(is_long))
            .filter_map(|row| row.stage().task())
            .collect()
    }

    fn standing(&self) -> Option<Standing> {
        self.setback.as_ref().map(|setback| Standing {
            trouble: setback.trouble.clone(),
            since: setback.since,
            next: self.clock.wall_at(setback.until),
        })
    }

    /// Why a build is not built yet.
    pub fn why(&mut self, now: Millis, build: BuildKey) -> Why {
        self.advance(now);
        let Some((id, live)) = self.rows.of_build(build).and_then(|id| Some((id, self.rows.get(id)?))) else {
            return Why::NoRow;
        };
        let row = &live.row;
        match live.seat {
            Seat::Denied => {
                self.denials.get(&row.plan().admitted.package).cloned().map_or(Why::Sent, Why::Denied)
            }
            Seat::Delayed(until) => {
                Why::Delayed { until: self.clock.wall_at(until), failure: row.failure().cloned() }
            }
            Seat::Slice => Why::Slice { rows: self.rows.groups.before(row.plan()) },
            Seat::Lane | Seat::Nowhere => self.why_no_turn(now),
            Seat::Sent => Why::Sent,
            Seat::Doubt(fence) => Why::InDoubt { step: fence.into(), row: id },
            Seat::Task(_) => match *row.stage() {
                Stage::Building { task } => task_of(task, true, row.unknown_since()),
                Stage::Accepted { task } => task_of(task, false, row.unknown_since()),
                Stage::Planned { .. } | Stage::Intent(_) | Stage::InDoubt { .. } | Stage::Ended(_) => {
                    Why::Sent
                }
            },
        }
    }

    fn why_no_turn(&mut self, now: Millis) -> Why {
        if let Some(pause) = &self.pause {
            return Why::Paused(pause.clone());
        }
        let standing = self.standing();
        standing.map_or_else(|| Why::Turn(self.governor.status(now).refusal), Why::Trouble)
    }
}

fn task_of(task: TaskId, is_building: bool, unknown_since: Option<Millis>) -> Why {
    Why::Task { task, is_building, unknown_since }
}

impl From<Fence> for DoubtStep {
    fn from(fence: Fence) -> Self {
        match fence {
            Fence::Missing => Self::Fence,
            Fence::Settling(left) => Self::Settle(left),
            Fence::Done => Self::LookUp,
            Fence::Person => Self::Person,
        }
    }
}

/// Characters of a text from outside that are shown.
const SHOWN: usize = 200;

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRow => f.write_str("it is not in the outbox: it was not admitted, or it ended"),
            Self::Paused(Pause { since, why }) => {
                write!(
                    f,
                    "submission is paused since {since}: {}; resume it to let builds go",
                    bounded(why, SHOWN)
                )
            }
            Self::Trouble(standing) => standing.fmt(f),
            Self::Denied(Denial { until, why }) => {
                f.write_str("its package is denied")?;
                if let Some(until) = until {
                    write!(f, " until {until}")?;
                }
                write!(f, ": {}; allow it to let it go", bounded(why, SHOWN))
            }
            Self::Delayed { until, failure } => {
                write!(f, "it waits until {until}, then it is tried again")?;
                match failure {
                    Some(failure) => write!(
                        f,
                        "; the last attempt failed ({}): {}",
                        bounded(&failure.stage, SHOWN),
                        bounded(&failure.text, SHOWN)
                    ),
                    None => Ok(()),
                }
            }
            Self::Slice { rows } => {
                write!(f, "builds of earlier slices of its group that have not ended: {rows}")
            }
            Self::Turn(Some(refusal)) => refusal.fmt(f),
            Self::Turn(None) => f.write_str("its turn comes next"),
            Self::Sent => f.write_str("it is being submitted"),
            Self::InDoubt { step, row } => match step {
                DoubtStep::Fence => f.write_str(
                    "whether it was submitted is not known: a new login ends the old session first",
                ),
                DoubtStep::Settle(left) => write!(
                    f,
                    "whether it was submitted is not known: looked up in {} s, when no old call can land any more",
                    left.div_ceil(1_000)
                ),
                DoubtStep::LookUp => {
                    f.write_str("whether it was submitted is not known: it is being looked up")
                }
                DoubtStep::Person => write!(
                    f,
                    "whether the receiver has it is not known, and it cannot be asked: look there, and decide row {row}"
                ),
            },
            Self::Task { task, is_building, unknown_since } => match unknown_since {
                Some(since) => write!(f, "the hub does not know its task {task} since {since}: look there"),
                None if *is_building => write!(f, "task {task} is being built"),
                None => write!(f, "task {task} waits for a builder"),
            },
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trouble, since, next } = self;
        let said = |text: &Arc<str>| bounded(text, SHOWN).to_string();
        match trouble {
            Trouble::Offline => write!(f, "the hub is offline")?,
            Trouble::Unreachable(text) => write!(f, "the sink cannot be reached: {}", said(text))?,
            Trouble::SessionOver(text) => write!(f, "the session is over: {}", said(text))?,
            Trouble::Forbidden(text) => {
                write!(
                    f,
                    "the sink does not let Tidegate in: {}; check its login and permissions",
                    said(text)
                )?;
            }
            Trouble::Fault(Fault { code, text }) => {
                write!(f, "the sink answers with fault {code}: {}", said(text))?;
            }
        }
        write!(f, " (since {since}; tried again at {next})")
    }
}
