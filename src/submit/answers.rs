//! What came of an ask, and what the bus says of tasks.

use std::collections::BTreeMap;

use super::access::{Access, Setback, back_off};
use super::ask::{Answer, Cause, Finding, Progress, Receipt, Sample, Trouble};
use super::row::{RowId, Session, TaskId};
use super::rows::{Fence, Seat};
use super::settings::{Manner, RETRY_WAIT, ROW_WAIT, TROUBLE_WAIT};
use super::stage::{End, Stage, Step};
use super::{Asked, Submitter};
use crate::governor::clock::{Millis, Moment, whole_millis};
use crate::governor::gate::LoadSample;
use crate::governor::hub::Jitter;

impl Submitter {
    /// Takes the answer to the last ask. One that does not fit to it counts as none: what was sent is in doubt then.
    pub fn answer(&mut self, now: Millis, jitter: Jitter, answer: Answer) {
        self.advance(now);
        self.wake = Some(now);
        let Some(asked) = self.asked.take() else {
            self.misfits += 1;
            return;
        };
        match (asked, answer) {
            (Asked::Submit(rows), Answer::Submitted(receipts)) => {
                let is_answered =
                    |receipt: &Receipt| !matches!(receipt, Receipt::NotDone(_) | Receipt::Lost(_));
                if receipts.iter().any(|(_, receipt)| is_answered(receipt)) {
                    self.went_well(now);
                }
                self.submitted(now, jitter, rows, receipts);
            }
            (Asked::Submit(rows), Answer::Failed(trouble)) => {
                self.submitted(now, jitter, rows, Vec::new());
                self.meet(now, jitter, trouble);
            }
            (_, Answer::Failed(trouble)) => self.meet(now, jitter, trouble),
            (Asked::Sample, Answer::Sampled(sample)) => self.sampled(now, sample),
            (Asked::LogIn, Answer::LoggedIn { session, next_callnum }) => {
                self.logged_in(session, next_callnum);
            }
            (Asked::Check { rows, at }, Answer::Checked(findings)) => {
                self.went_well(now);
                self.checked(rows, at, findings);
            }
            (Asked::Find(rows), Answer::Found(found)) => {
                self.went_well(now);
                self.found(now, &rows, found);
            }
            (Asked::Follow(tasks), Answer::Followed(progress)) => {
                self.went_well(now);
                self.followed(now, jitter, &tasks, progress);
            }
            (asked, _) => self.misfit(now, jitter, asked),
        }
        self.place_all(now);
    }

    fn misfit(&mut self, now: Millis, jitter: Jitter, asked: Asked) {
        self.misfits += 1;
        if let Asked::Submit(rows) = asked {
            self.submitted(now, jitter, rows, Vec::new());
        }
        self.meet(now, jitter, Trouble::Unreachable("the answer does not fit to what was asked".into()));
    }

    fn went_well(&mut self, now: Millis) {
        self.setback = None;
        self.governor.hub_online(now);
    }

    /// Trouble with the sink as a whole.
    fn meet(&mut self, now: Millis, jitter: Jitter, trouble: Trouble) {
        match trouble {
            Trouble::Offline => {
                self.governor.hub_offline(now, jitter);
                self.is_kept_changed = true;
                return;
            }
            Trouble::SessionOver(_) | Trouble::Forbidden(_) => self.access = Access::Closed,
            Trouble::Unreachable(_) | Trouble::Fault(_) => {}
        }
        let at = (now, self.clock.moment());
        self.setback = Some(Setback::after(self.setback.take(), trouble, at, jitter));
    }

    fn sampled(&mut self, now: Millis, sample: Sample) {
        self.went_well(now);
        self.next_sample = self.clock.moment().after(self.settings.sample_every);
        self.is_kept_changed = true;
        let Sample { host_load, busiest, free_tasks, new_repos, latency_ms } = sample;
        let arches = BTreeMap::from([(Box::from(&*busiest), host_load)]);
        self.governor.sample(now, &LoadSample { arches, free_tasks, new_repos, latency_ms });
    }

    /// All older sessions are ended: what was sent in them either landed, or lands within `settle`.
    fn logged_in(&mut self, session: Session, callnum: u64) {
        self.access = Access::Open { session, callnum };
        self.sessions = vec![session];
        self.is_kept_changed = true;
        // A session that ends again and again is trouble all the same: how often is kept until a call in it went well.
        if let Some(setback) = &mut self.setback {
            setback.trouble = Trouble::SessionOver("the session ended".into());
            setback.until = self.clock.moment();
        }
        let settle = whole_millis(self.settings.settle);
        let doubts: Vec<_> = self.rows.doubts().collect();
        for (id, _) in doubts.into_iter().filter(|(_, fence)| *fence == Fence::Missing) {
            self.rows.seat(id, Seat::Doubt(Fence::Settling(settle)));
        }
    }

    fn checked(&mut self, rows: Vec<RowId>, at: Option<Moment>, findings: Vec<(RowId, Finding)>) {
        let mut findings: BTreeMap<_, _> = findings.into_iter().collect();
        for id in rows {
            // What was withdrawn or superseded meanwhile is in no lane any more.
            if self.rows.get(id).is_none_or(|live| live.seat != Seat::Lane) {
                continue;
            }
            match findings.remove(&id) {
                // Of an unknown age it is of no use: the row keeps its turn, and is asked about again.
                Some(Finding::Ready { source }) => {
                    if let Some(at) = at {
                        self.findings.note(id, at, source);
                    }
                }
                Some(Finding::NotTagged { detail }) => self.end(id, End::NotTagged { detail }),
                Some(Finding::AlreadyBuilt { nvr }) => self.end(id, End::AlreadyBuilt { nvr }),
                Some(Finding::Unclear(_)) | None => self.set_aside(id, whole_millis(ROW_WAIT)),
            }
        }
    }

    fn submitted(&mut self, now: Millis, jitter: Jitter, rows: Vec<RowId>, receipts: Vec<(RowId, Receipt)>) {
        let mut receipts: BTreeMap<_, _> = receipts.into_iter().collect();
        let mut has_arrived = false;
        for id in rows {
            let lost = || Receipt::Lost(Trouble::Unreachable("the answer does not name this build".into()));
            let receipt = receipts.remove(&id).unwrap_or_else(lost);
            has_arrived |= !matches!(receipt, Receipt::NotDone(_) | Receipt::Refused(_));
            self.receive(now, jitter, id, receipt);
        }
        if !has_arrived {
            self.chunk = None;
            self.is_kept_changed = true;
        }
    }

    fn receive(&mut self, now: Millis, jitter: Jitter, id: RowId, receipt: Receipt) {
        match receipt {
            Receipt::Accepted(task) => self.accept(id, task),
            Receipt::Taken => self.end(id, End::Taken),
            Receipt::Refused(fault) => self.end(id, End::Refused { fault }),
            // The fault is of this build, or of a moment: the others go on.
            Receipt::NotDone(Trouble::Fault(_)) => {
                self.put_back(now, id, Some(whole_millis(ROW_WAIT)));
            }
            Receipt::NotDone(trouble) => {
                self.put_back(now, id, None);
                self.meet(now, jitter, trouble);
            }
            Receipt::Lost(trouble) => self.lose(now, jitter, id, trouble),
        }
    }

    /// It may have taken effect or not.
    fn lose(&mut self, now: Millis, jitter: Jitter, id: RowId, trouble: Trouble) {
        if matches!(self.settings.manner, Manner::Repeatable | Manner::DryRun) {
            self.put_back(now, id, Some(back_off(0, TROUBLE_WAIT, jitter)));
        } else if self.step(id, Step::Doubt).is_some() {
            self.access = Access::Closed;
            self.rows.seat(id, Seat::Doubt(self.first_fence()));
        }
        self.meet(now, jitter, trouble);
    }

    fn accept(&mut self, id: RowId, task: TaskId) {
        if self.step(id, Step::Accept(task)).is_some() {
            let poll = self.clock.moment().after(self.settings.follow_every);
            self.rows.seat(id, Seat::Task(poll));
        }
    }

    fn found(&mut self, now: Millis, rows: &[RowId], found: Vec<(RowId, Vec<TaskId>)>) {
        for (id, mut tasks) in found {
            let is_asked = rows.contains(&id)
                && self.rows.get(id).is_some_and(|live| live.seat == Seat::Doubt(Fence::Done));
            if !is_asked {
                self.misfits += 1;
                continue;
            }
            tasks.sort_unstable();
            if let Some(task) = self.task_to_follow(id, &mut tasks) {
                if let Some(row) = self.rows.change(id) {
                    row.note_others(tasks.into_iter());
                }
                self.accept(id, task);
            } else {
                self.put_back(now, id, None);
            }
        }
    }

    /// Of one attempt the first task that was made: more than one is a broken promise. Of any attempt the last one: it was made
    /// because those before had failed. A task that was followed before is followed on where no other is found.
    fn task_to_follow(&mut self, id: RowId, tasks: &mut Vec<TaskId>) -> Option<TaskId> {
        let row = &self.rows.get(id)?.row;
        if matches!(row.stage(), Stage::InDoubt { call: None }) {
            return tasks.pop().or_else(|| row.others().last().copied());
        }
        self.doubles += u64::from(tasks.len() > 1);
        (!tasks.is_empty()).then(|| tasks.remove(0))
    }

    fn followed(
        &mut self,
        now: Millis,
        jitter: Jitter,
        tasks: &[TaskId],
        progress: Vec<(TaskId, Option<Progress>)>,
    ) {
        if tasks.is_empty() {
            return self.chunk_followed(progress);
        }
        let poll = self.clock.moment().after(self.settings.follow_every);
        for task in tasks {
            if let Some(id) = self.rows.of_task(*task) {
                self.rows.seat(id, Seat::Task(poll));
            }
        }
        for (task, progress) in progress {
            match (self.rows.of_task(task), progress) {
                (Some(id), Some(progress)) => self.progress(now, jitter, id, progress),
                (Some(id), None) => self.note_unknown(id, Some(now)),
                // It ended meanwhile, by news from the bus.
                (None, _) => {}
            }
        }
    }

    fn chunk_followed(&mut self, progress: Vec<(TaskId, Option<Progress>)>) {
        let is_over = progress.into_iter().any(|(_, progress)| match progress {
            Some(Progress::Built { .. } | Progress::Failed(_) | Progress::Canceled) => true,
            Some(Progress::Waiting | Progress::Building) | None => false,
        });
        let next_look = self.clock.moment().after(self.settings.follow_every);
        self.chunk = self.chunk.filter(|_| !is_over).map(|chunk| super::Chunk { next_look, ..chunk });
        self.is_kept_changed |= is_over;
    }

    fn note_unknown(&mut self, id: RowId, since: Option<Millis>) {
        let is_news =
            self.rows.get(id).is_some_and(|live| live.row.unknown_since().is_some() != since.is_some());
        if is_news && let Some(row) = self.rows.change(id) {
            row.set_unknown(since);
        }
    }

    /// News of a task from the bus. What is not known here, or known already, changes nothing.
    pub fn news(&mut self, now: Millis, jitter: Jitter, task: TaskId, progress: Progress) {
        self.advance(now);
        self.wake = Some(now);
        if let Some(id) = self.rows.of_task(task) {
            self.progress(now, jitter, id, progress);
        }
        self.place_all(now);
    }

    fn progress(&mut self, now: Millis, jitter: Jitter, id: RowId, progress: Progress) {
        self.note_unknown(id, None);
        match progress {
            Progress::Waiting => {}
            Progress::Building => {
                let has_begun =
                    self.rows.get(id).is_none_or(|live| matches!(live.row.stage(), Stage::Building { .. }));
                if !has_begun {
                    self.step(id, Step::Begin);
                }
            }
            Progress::Built { nvr } => self.end(id, End::Built { nvr }),
            Progress::Canceled => self.end(id, End::Canceled),
            Progress::Failed(failure) => {
                let Some(row) = self.rows.change(id) else { return };
                row.note_failure(failure.clone());
                let tries_again = failure.cause == Cause::Infrastructure
                    && row.retries() < self.settings.retries
                    && row.instead().is_none();
                if tries_again {
                    let wait = back_off(row.retries(), RETRY_WAIT, jitter);
                    self.retry(now, id, wait);
                } else {
                    self.end(id, End::Failed { failure });
                }
            }
        }
    }
}
