//! Where a row waits, how it comes back from a call, and how it ends.

use super::rows::Seat;
use std::sync::Arc;

use super::row::RowId;
use super::settings::{RETRY_WAIT, ROW_WAIT};
use super::stage::{End, Stage, Step};
use super::{Asked, Denial, Submitter};
use crate::engine::decision::BuildKey;
use crate::governor::clock::{Millis, Moment, whole_millis};
use crate::governor::queue::Enqueued;

impl Submitter {
    /// Lets the time up to `now` pass.
    pub(super) fn advance(&mut self, now: Millis) {
        let is_back = now < self.clock.wall_at(self.clock.moment());
        let elapsed = self.clock.read(now);
        if is_back {
            // How old the findings are cannot be told any more.
            self.findings.clear();
            if let Some(Asked::Check { at, .. }) = &mut self.asked {
                *at = None;
            }
        }
        self.settle(elapsed);
        let moment = self.clock.moment();
        self.unplaced.extend(self.rows.due(moment));
        self.chunk = self.chunk.filter(|chunk| moment < chunk.until);
        self.end_denials(now);
        self.place_all(now);
    }

    fn end_denials(&mut self, now: Millis) {
        let before = self.denials.len();
        self.denials.retain(|_, denial| denial.until.is_none_or(|until| now < until));
        if self.denials.len() < before {
            self.is_kept_changed = true;
            self.unplace_denied();
        }
    }

    /// Rows of denied packages find their place anew.
    pub(super) fn unplace_denied(&mut self) {
        let denied = self.rows.all().filter(|(_, live)| live.seat == Seat::Denied).map(|(id, _)| id);
        self.unplaced.extend(denied);
    }

    /// Finds the place of each row that has none. Each step gives a row its seat or ends it, so the loop ends.
    pub(super) fn place_all(&mut self, now: Millis) {
        while let Some(id) = self.unplaced.pop_first() {
            self.place(now, id);
        }
    }

    fn place(&mut self, now: Millis, id: RowId) {
        let Some(live) = self.rows.get(id) else { return };
        let Stage::Planned { not_before } = *live.row.stage() else { return };
        let plan = live.row.plan();
        if let Some(end) = live.row.instead().cloned() {
            return self.end(id, end);
        }
        match self.denials.get(&plan.admitted.package) {
            Some(Denial { until: None, why }) => {
                let why = Arc::clone(why);
                return self.end(id, End::Denied { why });
            }
            Some(Denial { until: Some(_), .. }) => return self.rows.seat(id, Seat::Denied),
            None => {}
        }
        if self.rows.groups.before(plan) > 0 {
            return self.rows.seat(id, Seat::Slice);
        }
        let moment = self.clock.moment();
        if let Seat::Delayed(until) = live.seat
            && moment < until
        {
            return;
        }
        let is_served = matches!(live.seat, Seat::Delayed(_));
        if let Some(not_before) = not_before.filter(|not_before| *not_before > now && !is_served) {
            // Told by the clock of before: never longer than the longest wait there is.
            let wait = not_before.0.abs_diff(now.0).min(whole_millis(RETRY_WAIT.1));
            return self.delay(id, wait);
        }
        let admitted = plan.admitted.clone();
        match self.governor.enqueue(now, admitted) {
            Ok(enqueued) => self.enqueued(id, enqueued),
            Err(_) => self.delay(id, whole_millis(ROW_WAIT)),
        }
    }

    fn enqueued(&mut self, id: RowId, enqueued: Enqueued) {
        match enqueued {
            Enqueued::Waiting | Enqueued::AlreadyWaiting => self.rows.seat(id, Seat::Lane),
            Enqueued::Replaced(older) => {
                self.rows.seat(id, Seat::Lane);
                let by = self.rows.get(id).map(|live| live.row.build());
                if let Some((older, by)) = self.rows.of_build(older.build).zip(by) {
                    self.end(older, End::Superseded { by });
                }
            }
            Enqueued::Superseded(by) => self.end(id, End::Superseded { by }),
            Enqueued::UnderWay => {
                self.misfits += 1;
                self.delay(id, whole_millis(ROW_WAIT));
            }
        }
    }

    fn delay(&mut self, id: RowId, millis: u64) {
        let until = Moment(self.clock.moment().0.saturating_add(millis));
        self.rows.seat(id, Seat::Delayed(until));
    }

    /// A waiting row waits outside the governor for `millis`.
    pub(super) fn set_aside(&mut self, id: RowId, millis: u64) {
        let not_before = Some(self.in_millis(millis));
        if let Some(row) = self.rows.change(id) {
            self.misfits += u64::from(row.take(Step::PlanAgain { not_before, retry: false }).is_err());
            self.governor.withdraw(row.build());
        }
        self.delay(id, millis);
    }

    /// What was sent had no effect, and is planned again: at its old place, or after a wait.
    pub(super) fn put_back(&mut self, now: Millis, id: RowId, wait: Option<u64>) {
        let not_before = wait.map(|wait| self.in_millis(wait));
        let Some(build) = self.step(id, Step::PlanAgain { not_before, retry: false }) else { return };
        self.rows.seat(id, Seat::Nowhere);
        let Some(live) = self.rows.get(id) else { return };
        let plan = live.row.plan();
        let stands_aside = live.row.instead().is_some()
            || self.denials.contains_key(&plan.admitted.package)
            || self.rows.groups.before(plan) > 0;
        if stands_aside || wait.is_some() {
            self.governor.finished(build);
            self.unplaced.insert(id);
        } else if let Some(enqueued) = self.governor.put_back(now, build) {
            self.enqueued(id, enqueued);
        } else {
            self.unplaced.insert(id);
        }
        self.place_all(now);
    }

    /// A failed task is followed by another after a wait.
    pub(super) fn retry(&mut self, now: Millis, id: RowId, wait: u64) {
        let not_before = Some(self.in_millis(wait));
        if let Some(task) = self.rows.get(id).and_then(|live| live.row.stage().task()) {
            self.rows.forget_task(task);
        }
        let Some(build) = self.step(id, Step::PlanAgain { not_before, retry: true }) else { return };
        self.governor.finished(build);
        self.rows.seat(id, Seat::Nowhere);
        self.unplaced.insert(id);
        self.place_all(now);
    }

    /// Takes a step of a row; its build, where the step was legal.
    pub(super) fn step(&mut self, id: RowId, step: Step) -> Option<BuildKey> {
        let row = self.rows.change(id)?;
        if row.take(step).is_err() {
            self.misfits += 1;
            return None;
        }
        Some(row.build())
    }

    /// A row ends; rows of its group that waited for it are to be placed.
    pub(super) fn end(&mut self, id: RowId, end: End) {
        let task = self.rows.get(id).and_then(|live| live.row.stage().task());
        let Some(build) = self.step(id, Step::End(end)) else { return };
        if let Some(task) = task {
            self.rows.forget_task(task);
        }
        self.governor.withdraw(build);
        self.governor.finished(build);
        self.findings.forget(id);
        let (next, report) = self.rows.take_ended(id);
        self.unplaced.extend(next);
        self.reports.extend(report);
    }

    pub(super) fn in_millis(&self, millis: u64) -> Millis {
        self.clock.wall_at(Moment(self.clock.moment().0.saturating_add(millis)))
    }
}
