//! A hub in virtual time. A call has two transactions: the first looks whether its session is valid, the second does the work
//! under a lock of the session. A logout waits for the lock; a call that is caught between the two lands after it, or not.
//!
//! Times are milliseconds of the true clock.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::submit::ask::{Cause, Failure, Order, Progress, Sought};
use tidegate::submit::row::{Session, TaskId};

use crate::faults::{Fault, Histogram};
use crate::random::Random;

/// The longest that a caught call takes to land.
const LANDS_WITHIN: u64 = 100_000;
/// The longest that `listTasks` lags behind.
const LIST_LAG: u64 = 8_000;

/// One `build` task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) build: u64,
    marker: String,
    made: i64,
    begins: i64,
    ends: i64,
    pub(crate) result: Progress,
    unknown_until: i64,
}

/// A call whose second transaction has not been.
#[derive(Debug, Clone)]
struct Running {
    session: Session,
    callnum: u64,
    order: Order,
    at: i64,
    /// The session was looked at already; it holds the lock.
    is_locked: bool,
    /// It came between the two transactions and will land whatever became of the session.
    is_caught: bool,
}

#[derive(Debug, Default)]
struct Known {
    is_over: bool,
    callnum: u64,
}

/// The hub.
pub(crate) struct Hub {
    random: Random,
    sessions: BTreeMap<Session, Known>,
    running: Vec<Running>,
    pub(crate) tasks: Vec<Task>,
    /// News of tasks for the bus: when, of which, what.
    pub(crate) news: Vec<(i64, TaskId, Progress)>,
    /// Builds for which a call was made to land after `settle`.
    pub(crate) too_late: BTreeSet<u64>,
    pub(crate) offline_until: i64,
    pub(crate) restart_until: i64,
    pub(crate) refuses_until: i64,
}

impl Hub {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            sessions: BTreeMap::new(),
            running: Vec::new(),
            tasks: Vec::new(),
            news: Vec::new(),
            too_late: BTreeSet::new(),
            offline_until: i64::MIN,
            restart_until: i64::MIN,
            refuses_until: i64::MIN,
        }
    }

    fn below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.random.below(bound)).unwrap()
    }

    /// Lets time pass: calls do their second transaction.
    pub(crate) fn advance(&mut self, now: i64, faults: &mut Histogram) {
        self.running.sort_by_key(|call| call.at);
        while self.running.first().is_some_and(|call| call.at <= now) {
            let call = self.running.remove(0);
            let known = self.sessions.entry(call.session).or_default();
            let is_valid = !known.is_over || call.is_locked || call.is_caught;
            if is_valid && call.callnum > known.callnum {
                known.callnum = call.callnum;
                self.make(call.at, &call.order, faults);
            }
        }
    }

    /// A call arrives and does its work at `at`; it holds the lock of its session until then where `is_locked`.
    pub(crate) fn arrive(&mut self, call: (Session, u64), order: &Order, at: i64, is_locked: bool) {
        let (session, callnum) = call;
        let order = order.clone();
        self.running.push(Running { session, callnum, order, at, is_locked, is_caught: false });
    }

    /// A call hangs between its transactions until its session is logged out.
    pub(crate) fn hang(&mut self, call: (Session, u64), order: &Order) {
        self.arrive(call, order, i64::MAX, false);
    }

    /// Whether a call in this session would be let in now.
    pub(crate) fn is_valid(&self, session: Session, callnum: u64) -> Result<(), &'static str> {
        let Some(known) = self.sessions.get(&session) else { return Err("no such session") };
        if known.is_over {
            Err("over")
        } else if callnum <= known.callnum {
            Err("sequence")
        } else {
            Ok(())
        }
    }

    pub(crate) fn expire(&mut self, session: Session) {
        self.sessions.entry(session).or_default().is_over = true;
    }

    /// The process that used them is gone for good, and nothing of it is under way.
    pub(crate) fn stop_all(&mut self) {
        self.running.clear();
        for known in self.sessions.values_mut() {
            known.is_over = true;
        }
    }

    /// A new session, after the given ones were ended. Returns when: a logout waits for a call that holds the lock.
    pub(crate) fn log_in(
        &mut self,
        now: i64,
        fence: &[Session],
        settle: i64,
        may_be_late: bool,
        faults: &mut Histogram,
    ) -> (i64, Session) {
        let locks = self.running.iter().filter(|call| call.is_locked && fence.contains(&call.session));
        let at = locks.map(|call| call.at).max().unwrap_or(now).max(now);
        if at > now {
            faults.note(Fault::FenceWaited);
        }
        self.advance(at, faults);
        for session in fence {
            self.expire(*session);
        }
        let mut late = Vec::new();
        for index in 0..self.running.len() {
            let call = &self.running[index];
            if call.at != i64::MAX || !fence.contains(&call.session) {
                continue;
            }
            let build = call.order.build_id;
            let (at, fault) = match self.random.below(100) {
                0..=39 => (at + self.below(LANDS_WITHIN), Fault::CaughtLands),
                40..=99 if may_be_late => (at + settle + 30_000 + self.below(600_000), Fault::TooLate),
                _ => (at, Fault::CaughtRefused),
            };
            let call = &mut self.running[index];
            call.at = at;
            call.is_caught = fault != Fault::CaughtRefused;
            faults.note(fault);
            if fault == Fault::TooLate {
                late.push(build);
            }
        }
        self.too_late.extend(late);
        let session = Session(1_000 + u64::try_from(self.sessions.len()).unwrap());
        self.sessions.insert(session, Known::default());
        (at, session)
    }

    fn make(&mut self, at: i64, order: &Order, faults: &mut Histogram) {
        let earlier = self.tasks.iter().filter(|task| task.build == order.build_id);
        let is_alone = earlier.clone().all(|task| {
            task.ends <= at
                && matches!(&task.result, Progress::Failed(failure) if failure.cause == Cause::Infrastructure)
        });
        assert!(
            is_alone || self.too_late.contains(&order.build_id),
            "I13: a second task for build {} at {at}: {:?}",
            order.build_id,
            earlier.collect::<Vec<_>>()
        );
        let id = TaskId(1 + u64::try_from(self.tasks.len()).unwrap());
        let (result, fault) = match self.random.below(100) {
            0..=14 => (failed(Cause::Infrastructure), Some(Fault::FailsFarm)),
            15..=24 => (failed(Cause::Package), Some(Fault::FailsPackage)),
            25..=29 => (Progress::Canceled, Some(Fault::Canceled)),
            _ => (Progress::Built { nvr: Some(format!("built-{}", id.0).into()) }, None),
        };
        if let Some(fault) = fault {
            faults.note(fault);
        }
        let begins = at + self.below(120_000);
        let ends = begins + 1 + self.below(3_600_000);
        let unknown_until = if self.random.below(20) == 0 {
            faults.note(Fault::UnknownTask);
            ends + self.below(2 * 86_400_000)
        } else {
            at
        };
        self.tell(begins, id, &Progress::Building, faults);
        if self.random.below(8) == 0 {
            faults.note(Fault::NewsEarly);
            self.news.push((at, id, Progress::Building));
        }
        // While the hub does not know the task, its end is no news either.
        if unknown_until == at {
            self.tell(ends, id, &result, faults);
        }
        let (build, marker) = (order.build_id, order.marker.0.to_string());
        self.tasks.push(Task { id, build, marker, made: at, begins, ends, result, unknown_until });
    }

    fn tell(&mut self, at: i64, task: TaskId, progress: &Progress, faults: &mut Histogram) {
        let copies = match self.random.below(10) {
            0..=1 => {
                faults.note(Fault::NewsLost);
                0
            }
            2 => {
                faults.note(Fault::NewsTwice);
                2
            }
            _ => 1,
        };
        for _ in 0..copies {
            let delay = self.below(30_000);
            self.news.push((at + delay, task, progress.clone()));
        }
    }

    /// Tasks with the markers; the newest of them may be missing yet.
    pub(crate) fn find(
        &mut self,
        now: i64,
        sought: &Sought,
        since: i64,
        faults: &mut Histogram,
    ) -> Vec<TaskId> {
        let lag = if self.random.below(3) == 0 {
            faults.note(Fault::ListLags);
            self.below(LIST_LAG)
        } else {
            0
        };
        let shown = |task: &&Task| task.made <= now - lag && task.made / 1_000 >= since;
        self.tasks
            .iter()
            .filter(shown)
            .filter(|task| sought.matches(&task.marker))
            .map(|task| task.id)
            .collect()
    }

    pub(crate) fn progress(&self, now: i64, id: TaskId) -> Option<Progress> {
        let task = self.tasks.iter().find(|task| task.id == id)?;
        match now {
            _ if now < task.unknown_until => None,
            _ if now < task.begins => Some(Progress::Waiting),
            _ if now < task.ends => Some(Progress::Building),
            _ => Some(task.result.clone()),
        }
    }
}

fn failed(cause: Cause) -> Progress {
    Progress::Failed(Failure { cause, stage: "build (x86_64)".into(), text: "it went wrong".into() })
}
