//! What the pipeline and its operators tell the submitter.

use std::sync::Arc;

use super::row::{Plan, Row, RowId};
use super::rows::{Fence, Seat};
use super::settings::{DENIALS_MAX, Manner};
use super::stage::{End, Stage, Step};
use super::{Denial, Pause, Submitter};
use crate::engine::decision::BuildKey;
use crate::governor::clock::{Millis, whole_millis};
use crate::governor::queue::QueueFull;
use crate::governor::rate::Rate;
use crate::time::Second;

/// What became of a build that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It waits.
    Waits,
    /// It is there already, as this row; nothing was changed.
    Known(RowId),
    /// It ended at once: a newer build of its package is there, or the package is denied for good.
    Ended,
}

/// Why a build was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// No more can wait.
    #[error(transparent)]
    Full(#[from] QueueFull),
    /// Another build has this row.
    #[error("row {0} of the outbox is of another build; rows must be numbered anew for each build")]
    Number(RowId),
}

/// What became of a build that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// It had not been sent, and ended.
    Ended,
    /// It was sent, or may have been: it goes on, and is not tried again.
    GoesOn,
    /// There is no such row.
    Unknown,
}

/// What a person says of a call in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The receiver has the build.
    WasTaken,
    /// It does not.
    WasNot,
}

/// What became of a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It counts.
    Done,
    /// The row is not in doubt, or not there.
    NotInDoubt,
    /// The sink can be asked: that decides.
    LookedUp,
}

/// No more packages can be denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{DENIALS_MAX} packages are denied, more may not be; allow some, or leave them out of the package list"
)]
pub struct TooManyDenials;

impl Submitter {
    /// Takes in an admitted build. A build that is there is not taken in again; of one that ended only the caller's table
    /// knows. Older builds of the package that have not been sent end as superseded; those that were are not tried again.
    pub fn admit(&mut self, now: Millis, plan: Plan) -> Result<Admission, AdmitError> {
        self.advance(now);
        let (id, build) = (plan.id, plan.admitted.build);
        if let Some(known) = self.rows.of_build(build) {
            return Ok(Admission::Known(known));
        }
        if self.rows.get(id).is_some() {
            return Err(AdmitError::Number(id));
        }
        let others = self.rows.of_package(&plan.admitted.package());
        let age = plan.admitted.age();
        let newer = self.rows_of(&others).find(|row| row.plan().admitted.age() > age).map(Row::build);
        let older: Vec<_> = self.rows_of(&others).map(|row| (row.id(), row.stage().is_planned())).collect();
        let max = self.settings.governor.waiting_max.get();
        let takes_a_place = newer.is_none() && !older.iter().any(|(_, is_planned)| *is_planned);
        if takes_a_place && self.rows.planned() >= usize::try_from(max).unwrap_or(usize::MAX) {
            return Err(QueueFull::Builds(max).into());
        }
        self.wake = Some(now);
        self.take_in(now, Row::new(plan));
        if let Some(by) = newer {
            self.end(id, End::Superseded { by });
        } else {
            self.place_all(now);
            for (older, _) in older {
                self.supersede(older, build);
            }
        }
        self.place_all(now);
        Ok(if self.rows.get(id).is_some() { Admission::Waits } else { Admission::Ended })
    }

    fn rows_of<'a>(&'a self, ids: &'a [RowId]) -> impl Iterator<Item = &'a Row> {
        ids.iter().filter_map(|id| self.rows.get(*id)).map(|live| &live.row)
    }

    fn take_in(&mut self, now: Millis, mut row: Row) {
        let id = row.id();
        let admitted = row.plan().admitted.clone();
        let may_be_submitted = self.looked_up_before.is_some_and(|before| admitted.tagged_at <= before);
        let seat = if may_be_submitted && row.take(Step::DoubtCopy).is_ok() {
            self.governor.resume(now, admitted);
            // The sessions of the later copy are not known here: all that can be done is to wait.
            Seat::Doubt(match self.first_fence() {
                Fence::Person => Fence::Person,
                Fence::Missing | Fence::Settling(_) | Fence::Done => {
                    Fence::Settling(whole_millis(self.settings.settle))
                }
            })
        } else {
            self.unplaced.insert(id);
            Seat::Nowhere
        };
        let behind = self.rows.groups.behind(row.plan());
        self.rows.insert(row, seat);
        self.rows.changed.insert(id);
        for other in behind {
            let in_lane = self.rows.get(other).filter(|live| live.seat == Seat::Lane);
            if let Some(build) = in_lane.map(|live| live.row.build()) {
                self.governor.withdraw(build);
                self.unplaced.insert(other);
            }
        }
    }

    fn supersede(&mut self, id: RowId, by: BuildKey) {
        let Some(live) = self.rows.get(id) else { return };
        if live.row.stage().is_planned() {
            self.end(id, End::Superseded { by });
        } else if let Some(row) = self.rows.change(id) {
            row.end_instead(End::Superseded { by });
        }
    }

    /// Takes a build back: untagged, or dropped. `why` is shown to people.
    pub fn withdraw(&mut self, now: Millis, build: BuildKey, why: Arc<str>) -> Withdrawal {
        self.advance(now);
        self.wake = Some(now);
        let Some(id) = self.rows.of_build(build) else { return Withdrawal::Unknown };
        let is_planned = self.rows.get(id).is_some_and(|live| live.row.stage().is_planned());
        if is_planned {
            self.end(id, End::Withdrawn { why });
            self.place_all(now);
            return Withdrawal::Ended;
        }
        if let Some(row) = self.rows.change(id) {
            row.end_instead(End::Withdrawn { why });
        }
        Withdrawal::GoesOn
    }

    /// A member of the group is held: its rows that have not been sent wait for it, each for a while.
    pub fn hold_group(&mut self, now: Millis, group: &str) -> Result<(), QueueFull> {
        self.advance(now);
        self.wake = Some(now);
        self.governor.hold_group(now, group)
    }

    /// No member of the group is held any more.
    pub fn release_group(&mut self, now: Millis, group: &str) {
        self.advance(now);
        self.wake = Some(now);
        self.governor.release_group(now, group);
    }

    /// Changes the rate from now on.
    pub fn set_rate(&mut self, now: Millis, rate: Rate) {
        self.advance(now);
        self.wake = Some(now);
        self.governor.set_rate(now, rate);
        self.is_kept_changed = true;
    }

    /// Nothing new is submitted until [`Submitter::resume`]. What is in doubt is cleared up, and tasks are followed, all the same.
    pub fn pause(&mut self, now: Millis, why: Arc<str>) {
        self.pause.get_or_insert(Pause { since: now, why });
        self.is_kept_changed = true;
    }

    /// Ends a pause; `false` where there was none.
    pub fn resume(&mut self, now: Millis) -> bool {
        self.wake = Some(now);
        let was_paused = self.pause.take().is_some();
        self.is_kept_changed |= was_paused;
        was_paused
    }

    /// Rows of the package are not submitted: until a time they wait, for good they end. Those that were sent go on.
    pub fn deny(
        &mut self,
        now: Millis,
        package: Arc<str>,
        until: Option<Millis>,
        why: Arc<str>,
    ) -> Result<(), TooManyDenials> {
        self.advance(now);
        self.wake = Some(now);
        if self.denials.len() >= DENIALS_MAX && !self.denials.contains_key(&package) {
            return Err(TooManyDenials);
        }
        let of_package = self
            .rows
            .all()
            .filter(|(_, live)| live.row.stage().is_planned() && live.row.plan().admitted.package == package);
        let rows: Vec<_> = of_package.map(|(id, live)| (id, live.row.build())).collect();
        self.denials.insert(package, Denial { until, why });
        self.is_kept_changed = true;
        for (id, build) in rows {
            self.governor.withdraw(build);
            self.unplaced.insert(id);
        }
        self.place_all(now);
        Ok(())
    }

    /// Ends a denial; `false` where there was none.
    pub fn allow(&mut self, now: Millis, package: &str) -> bool {
        self.advance(now);
        self.wake = Some(now);
        let was_denied = self.denials.remove(package).is_some();
        self.is_kept_changed |= was_denied;
        self.unplace_denied();
        self.place_all(now);
        was_denied
    }

    /// A person says what became of a call that no look-up can tell of.
    pub fn decide_in_doubt(&mut self, now: Millis, row: RowId, word: Word) -> Decided {
        self.advance(now);
        self.wake = Some(now);
        match self.rows.get(row).map(|live| live.seat) {
            Some(Seat::Doubt(Fence::Person)) => {}
            Some(Seat::Doubt(_)) => return Decided::LookedUp,
            Some(_) | None => return Decided::NotInDoubt,
        }
        match word {
            Word::WasTaken => self.end(row, End::Taken),
            Word::WasNot => self.put_back(now, row, None),
        }
        self.place_all(now);
        Decided::Done
    }

    /// This state is an old copy, and a later one may have submitted what is planned here. Nothing is submitted before each row,
    /// and each that is admitted later but was tagged by `tagged_by` (the hub's time at which the later copy ended), has been
    /// looked up by the build's markers. `false`, and nothing is changed, while an answer is waited for: call it before the first
    /// [`Submitter::next`].
    ///
    /// A receiver that knows keys needs no look-up.
    pub fn adopt(&mut self, now: Millis, tagged_by: Second) -> bool {
        if self.asked.is_some() {
            return false;
        }
        self.advance(now);
        self.wake = Some(now);
        if !matches!(self.settings.manner, Manner::Fenced | Manner::Batched { .. }) {
            return true;
        }
        self.looked_up_before = Some(tagged_by);
        self.is_kept_changed = true;
        self.access = super::access::Access::Closed;
        let ids: Vec<_> = self.rows.all().map(|(id, _)| id).collect();
        for id in ids {
            self.doubt_copy(now, id);
        }
        true
    }

    fn doubt_copy(&mut self, now: Millis, id: RowId) {
        let Some(row) = self.rows.change(id) else { return };
        let (stage, admitted) = (row.stage().clone(), row.plan().admitted.clone());
        if matches!(stage, Stage::Accepted { .. } | Stage::Building { .. })
            && self.settings.manner != Manner::Fenced
        {
            return;
        }
        if let Some(task) = stage.task() {
            row.note_others(std::iter::once(task));
            self.rows.forget_task(task);
        }
        if self.step(id, Step::DoubtCopy).is_some() {
            self.governor.resume(now, admitted);
            self.rows.seat(id, Seat::Doubt(self.first_fence()));
        }
    }
}
