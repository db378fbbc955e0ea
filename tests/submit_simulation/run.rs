//! One run: a process that keeps the law of the submitter, stops at any step, and starts again from what is durable.

use std::collections::BTreeMap;

use tidegate::engine::decision::BuildKey;
use tidegate::engine::names::Name;
use tidegate::governor::clock::Millis;
use tidegate::governor::hub::Jitter;
use tidegate::governor::load::Load;
use tidegate::governor::rate::Rate;
use tidegate::submit::ask::{
    Answer, Ask, Finding, Inquiry, Order, Progress, Receipt, Sample, Sought, Trouble,
};
use tidegate::submit::row::{Fault as HubFault, Plan, Row, RowId, Session, TaskId};
use tidegate::submit::stage::{End, Stage};
use tidegate::submit::status::Why;
use tidegate::submit::{Admission, Kept, Submitter, Withdrawal};
use tidegate::time::Second;

use crate::faults::{Fault, Histogram};
use crate::hub::Hub;
use crate::law::{Law, Reference};
use crate::random::Random;
use crate::world::{BEGIN, Event, World, package};

/// What a run was.
pub(crate) struct Outcome {
    pub(crate) faults: Histogram,
    pub(crate) is_storm: bool,
    pub(crate) calls: u64,
}

/// What is durable.
#[derive(Debug, Clone, Default)]
struct Store {
    rows: BTreeMap<RowId, Row>,
    kept: Kept,
}

impl Store {
    /// What a start reads: rows that have not ended, and the ended ones of groups that have others.
    fn rows_to_restore(&self) -> Vec<Row> {
        let is_ended = |row: &Row| matches!(row.stage(), Stage::Ended(_));
        let group = |row: &Row| row.plan().admitted.group.clone();
        let live: Vec<_> = self.rows.values().filter(|row| !is_ended(row)).filter_map(group).collect();
        let is_of_live = |row: &&Row| !is_ended(row) || group(row).is_some_and(|group| live.contains(&group));
        self.rows.values().filter(is_of_live).cloned().collect()
    }
}

struct Run {
    world: World,
    random: Random,
    now: i64,
    skew: i64,
    /// Milliseconds by which the wall clock stepped ahead: the bucket cannot tell them from time.
    ahead: i64,
    rate: u32,
    hub: Hub,
    store: Store,
    backup: Option<Store>,
    submitter: Submitter,
    /// Processes begun after the first.
    starts: u64,
    law: Law,
    faults: Histogram,
    events: Vec<(i64, Event)>,
    tagged: BTreeMap<u64, i64>,
    next_row: u64,
    calls: u64,
}

/// Runs one seed to its end.
pub(crate) fn run(seed: u64) -> Outcome {
    let mut random = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    let world = World::draw(seed, &mut random);
    let rate = world.rate;
    let submitter =
        Submitter::restore(world.settings(rate), Millis(BEGIN), Vec::new(), Kept::default()).unwrap();
    let bucket = Reference::new(world.capacity, u128::from(rate) * 1_000_000, BEGIN);
    let mut events = world.events.clone();
    events.reverse();
    let mut run = Run {
        hub: Hub::new(random.next()),
        random,
        now: BEGIN,
        skew: 0,
        ahead: 0,
        rate,
        store: Store::default(),
        backup: None,
        submitter,
        starts: 0,
        law: Law::new(bucket),
        faults: Histogram::default(),
        events,
        tagged: BTreeMap::new(),
        next_row: 0,
        calls: 0,
        world,
    };
    // 60 days of virtual time are more than all waits together; a step takes at least a millisecond.
    while !run.is_over() {
        assert!(run.now < BEGIN + 60 * 86_400_000, "a build is stranded: {:#?}", run.live());
        run.step();
    }
    run.judge_end();
    Outcome { faults: run.faults, is_storm: run.world.is_storm, calls: run.calls }
}

impl Run {
    fn wall(&self) -> Millis {
        Millis(self.now + self.skew)
    }

    fn jitter(&mut self) -> Jitter {
        Jitter(u32::try_from(self.random.next() >> 32).unwrap())
    }

    fn below(&mut self, bound: u64) -> i64 {
        i64::try_from(self.random.below(bound)).unwrap()
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.random.below(many) == 0
    }

    fn live(&self) -> Vec<&Row> {
        self.store.rows.values().filter(|row| !matches!(row.stage(), Stage::Ended(_))).collect()
    }

    fn is_over(&self) -> bool {
        self.events.is_empty() && self.live().is_empty()
    }

    /// Whether the process stops here.
    fn crashes(&mut self, fault: Fault) -> bool {
        let many = if self.world.is_storm && self.now < BEGIN + 6 * 3_600_000 { 12 } else { 400 };
        let crashes = self.one_in(many);
        if crashes {
            self.faults.note(fault);
        }
        crashes
    }

    fn step(&mut self) {
        self.deliver();
        let ask = self.submitter.next(self.wall());
        if self.crashes(Fault::CrashBeforeWrite) {
            return self.restart();
        }
        self.write();
        match ask {
            Some(ask) => self.perform(ask),
            None => self.wait(),
        }
    }

    fn write(&mut self) {
        let changes = self.submitter.changes();
        for row in changes.rows {
            if matches!(row.stage(), Stage::Ended(End::Superseded { .. })) {
                self.faults.note(Fault::Superseded);
            }
            self.store.rows.insert(row.id(), row);
        }
        if let Some(kept) = changes.kept {
            self.store.kept = kept;
        }
        drop(self.submitter.finished_groups());
    }

    /// A process begins with what is durable.
    fn start(&mut self) {
        self.judge_process();
        let settings = self.world.settings(self.rate);
        let (rows, kept) = (self.store.rows_to_restore(), self.store.kept.clone());
        self.submitter = Submitter::restore(settings, self.wall(), rows, kept).unwrap();
        self.starts += 1;
    }

    fn restart(&mut self) {
        let down = 1_000 + self.below(60_000);
        self.pass(down);
        self.start();
        self.write();
    }

    fn pass(&mut self, millis: i64) {
        self.now += millis.max(0);
        self.hub.advance(self.now, &mut self.faults);
        self.law.bucket.pass(self.now + self.ahead);
    }

    /// Nothing to ask: until the submitter wants to be woken, or something happens.
    fn wait(&mut self) {
        if self.is_over() {
            return;
        }
        let delay = self.below(200);
        let wake = self.submitter.wakes_at().map(|wake| wake.0 - self.skew + delay);
        let event = self.events.last().map(|(at, _)| *at);
        let news = self.hub.news.iter().map(|(at, _, _)| *at).filter(|at| *at > self.now).min();
        let next = wake.into_iter().chain(event).chain(news).min();
        let next = next.unwrap_or_else(|| panic!("nobody wakes it: {:#?}", self.live()));
        self.pass((next - self.now).max(1));
    }

    /// Lets all happen that is due.
    fn deliver(&mut self) {
        while self.events.last().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, event)) = self.events.pop() else { break };
            self.happen(event);
        }
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.hub.news).into_iter().partition(|(at, _, _)| *at <= now);
        self.hub.news = later;
        let due: Vec<(i64, TaskId, Progress)> = due;
        for (_, task, progress) in due {
            let jitter = self.jitter();
            self.submitter.news(self.wall(), jitter, task, progress);
        }
    }

    fn happen(&mut self, event: Event) {
        let wall = self.wall();
        match event {
            Event::Admit(build) => self.admit(build),
            Event::Untag(build) => {
                let key = BuildKey { instance: Name(1), id: build };
                let fault = match self.submitter.withdraw(wall, key, "untagged".into()) {
                    Withdrawal::Ended => Some(Fault::Untag),
                    Withdrawal::GoesOn => Some(Fault::UntagOfSent),
                    Withdrawal::Unknown => None,
                };
                if let Some(fault) = fault {
                    self.faults.note(fault);
                    self.law.withdrawn.insert(build);
                }
            }
            Event::Pause => {
                self.faults.note(Fault::Pause);
                self.submitter.pause(wall, "a person said so".into());
            }
            Event::Resume => _ = self.submitter.resume(wall),
            Event::Step(length) => self.step_clock(length),
            Event::Rate(rate) => {
                self.faults.note(Fault::RateChange);
                self.rate = rate;
                self.law.bucket.rate = u128::from(rate) * 1_000_000;
                self.submitter.set_rate(wall, Rate::per_hour(rate));
            }
            Event::Offline(length) => self.hub.offline_until = self.now + length,
            Event::Restart(length) => self.hub.restart_until = self.now + length,
            Event::Expire => {
                if let Some(session) = self.store.kept.sessions.last() {
                    self.hub.expire(*session);
                }
            }
            Event::RefuseLogin(length) => {
                self.hub.refuses_until = self.now + length;
                if let Some(session) = self.store.kept.sessions.last() {
                    self.hub.expire(*session);
                }
            }
            Event::Deny(number, until) => {
                self.faults.note(Fault::Denial);
                let until = until.map(|until| Millis(until + self.skew));
                self.submitter.deny(wall, package(number).into(), until, "it is broken".into()).unwrap();
            }
            Event::Allow(number) => _ = self.submitter.allow(wall, &package(number)),
            Event::Backup => self.backup = Some(self.store.clone()),
            Event::OldCopy => self.old_copy(),
            Event::Arrive(session, callnum, order) => {
                self.hub.arrive((session, callnum), &order, self.now, false);
                self.hub.advance(self.now, &mut self.faults);
            }
        }
        // What commands and messages change is durable before anything else happens.
        self.write();
    }

    fn admit(&mut self, build: u64) {
        let now = self.now;
        let tagged = *self.tagged.entry(build).or_insert(now - 66_000);
        let row = RowId(self.next_row);
        self.next_row += 1;
        let plan = self.world.plan(build, row, tagged, self.wall());
        self.submitter.admit(self.wall(), plan.clone()).unwrap();
        let again = Plan { id: RowId(u64::MAX), ..plan };
        let (wall, rows) = (self.wall(), self.submitter.status(self.wall()).rows);
        if self.submitter.why(wall, again.admitted.build) != Why::NoRow {
            assert_eq!(self.submitter.admit(wall, again).unwrap(), Admission::Known(row));
            assert_eq!(self.submitter.status(wall).rows, rows, "a build was taken in twice");
        }
    }

    fn step_clock(&mut self, length: i64) {
        self.skew += length;
        if length > 0 {
            self.faults.note(Fault::ClockForward);
            self.ahead += length;
            self.law.bucket.pass(self.now + self.ahead);
        } else {
            self.faults.note(Fault::ClockBack);
        }
    }

    /// The state is lost; a copy of an hour ago or so takes its place, and the topic is read again from there.
    fn old_copy(&mut self) {
        let Some(copy) = self.backup.take() else { return };
        self.faults.note(Fault::OldCopy);
        self.hub.stop_all();
        let known: Vec<_> = copy.rows.values().map(Row::build).collect();
        let mut lost: Vec<_> = self.tagged.iter().map(|(id, tagged)| (*tagged, *id)).collect();
        lost.retain(|(_, id)| known.iter().all(|key| key.id != *id));
        lost.sort_unstable();
        self.store = copy;
        self.law.withdrawn.clear();
        self.law.bucket.fill();
        self.pass(300_000);
        self.start();
        assert!(self.submitter.adopt(self.wall(), Second(self.now.div_euclid(1_000))));
        // The copy may be of a pause that is over.
        self.submitter.resume(self.wall());
        self.write();
        for (_, build) in lost {
            self.admit(build);
            self.write();
        }
    }

    fn perform(&mut self, ask: Ask) {
        if let Ask::Submit { session, callnum, orders } = &ask {
            assert_eq!(orders.len(), 1, "one order a call");
            let call = (session.expect("a call has a session"), *callnum);
            self.calls += 1;
            self.law.judge(self.now, &self.store.rows, &self.store.kept, call, &orders[0]);
            if self.one_in(40) || self.crashes(Fault::CrashBeforeSend) {
                if self.one_in(2) {
                    self.arrive_later(Fault::ZombieCall, call, &orders[0], 600_000);
                }
                return self.restart();
            }
        }
        let asker = self.starts;
        let (took, answer) = self.ask_hub(ask);
        self.pass(took);
        self.deliver();
        if self.starts != asker {
            // An old copy of the state was put in place meanwhile: the process that asked is gone, and nobody hears the answer.
            return;
        }
        if self.crashes(Fault::CrashBeforeAnswer) {
            if self.one_in(2) {
                self.zombie_goes_on(answer);
            }
            return self.restart();
        }
        let jitter = self.jitter();
        self.submitter.answer(self.wall(), jitter, answer);
        if self.crashes(Fault::CrashAfterAnswer) {
            return self.restart();
        }
        self.write();
        if self.crashes(Fault::CrashAfterWrite) {
            self.restart();
        }
    }

    fn arrive_later(&mut self, fault: Fault, call: (Session, u64), order: &Order, within: u64) {
        self.faults.note(fault);
        let at = self.now + 1 + self.below(within);
        let place = self.events.partition_point(|(other, _)| *other > at);
        self.events.insert(place, (at, Event::Arrive(call.0, call.1, Box::new(order.clone()))));
    }

    /// An old process that does not know that another took its place. It cannot write any more, so it sends only what
    /// needs no writing.
    fn zombie_goes_on(&mut self, answer: Answer) {
        self.faults.note(Fault::ZombieGoesOn);
        let jitter = self.jitter();
        self.submitter.answer(self.wall(), jitter, answer);
        for _ in 0..5 {
            let Some(ask) = self.submitter.next(self.wall()) else { break };
            let changes = self.submitter.changes();
            if !changes.rows.is_empty() || changes.kept.is_some() {
                break;
            }
            assert!(
                !matches!(ask, Ask::Submit { .. }),
                "I13: a call that submits with nothing to be written"
            );
            let (took, answer) = self.ask_hub(ask);
            self.pass(took);
            self.submitter.answer(self.wall(), jitter, answer);
        }
    }

    fn ask_hub(&mut self, ask: Ask) -> (i64, Answer) {
        let unreachable = || Trouble::Unreachable("connection refused".into());
        if self.now < self.hub.offline_until {
            self.faults.note(Fault::Offline);
            return (50, fail(&ask, Trouble::Offline));
        }
        if self.now < self.hub.restart_until {
            self.faults.note(Fault::HubRestart);
            let Ask::Submit { orders, .. } = &ask else { return (50, Answer::Failed(unreachable())) };
            let receipt = if self.one_in(2) { Receipt::NotDone } else { Receipt::Lost };
            return (50, Answer::Submitted(vec![(orders[0].row, receipt(unreachable()))]));
        }
        let took = 20 + self.below(3_000);
        let answer = match ask {
            Ask::Sample => Answer::Sampled(Sample {
                host_load: Load::IDLE,
                busiest: "x86_64".into(),
                free_tasks: 0,
                new_repos: 0,
                latency_ms: 4,
            }),
            Ask::LogIn { fence } => return self.log_in(took, &fence),
            Ask::Check(inquiries) => self.check(inquiries),
            Ask::Submit { session, callnum, orders } => {
                return self.submit((session.unwrap(), callnum), &orders[0]);
            }
            Ask::Find { markers, since } => self.find(markers, since),
            Ask::Follow(tasks) => self.follow(&tasks),
        };
        (took, answer)
    }

    fn log_in(&mut self, took: i64, fence: &[Session]) -> (i64, Answer) {
        if self.now < self.hub.refuses_until {
            self.faults.note(Fault::LoginRefused);
            return (took, Answer::Failed(Trouble::Forbidden("no".into())));
        }
        let (at, session) =
            self.hub.log_in(self.now, fence, 120_000, self.world.may_be_late, &mut self.faults);
        let took = took.max(at - self.now);
        if self.one_in(20) {
            self.faults.note(Fault::LoginLost);
            return (took + 30_000, Answer::Failed(Trouble::Unreachable("timed out".into())));
        }
        (took, Answer::LoggedIn { session, next_callnum: 1 })
    }

    fn check(&mut self, inquiries: Vec<Inquiry>) -> Answer {
        let mut findings = Vec::new();
        for inquiry in inquiries {
            let (build, detail) = (inquiry.build_id, "not in f42");
            let (fault, finding) = match self.random.below(60) {
                0 => (Some(Fault::NotTagged), Some(Finding::NotTagged { detail: detail.into() })),
                1 => (Some(Fault::AlreadyBuilt), Some(Finding::AlreadyBuilt { nvr: "x-1-1.eln".into() })),
                2 => (Some(Fault::Unclear), Some(Finding::Unclear(fault(1)))),
                3 => (Some(Fault::PartialCheck), None),
                _ => (None, Some(Finding::Ready { source: format!("git+https://x#{build}").into() })),
            };
            if let Some(fault) = fault {
                self.faults.note(fault);
                self.law.ready.remove(&build);
            } else {
                self.law.ready.insert(build, self.now);
            }
            findings.extend(finding.map(|finding| (inquiry.row, finding)));
        }
        Answer::Checked(findings)
    }

    fn submit(&mut self, call: (Session, u64), order: &Order) -> (i64, Answer) {
        let lost = || Receipt::Lost(Trouble::Unreachable("timed out".into()));
        let receipt = |took, receipt| (took, Answer::Submitted(vec![(order.row, receipt)]));
        match self.hub.is_valid(call.0, call.1) {
            Ok(()) => {}
            Err("over") => {
                self.faults.note(Fault::SessionExpiry);
                return receipt(50, Receipt::NotDone(Trouble::SessionOver("fault 1007".into())));
            }
            Err(other) => panic!("I13: call {call:?} is refused: {other}"),
        }
        match self.random.below(100) {
            0..=3 => {
                self.faults.note(Fault::LostBefore);
                if self.one_in(2) {
                    self.arrive_later(Fault::LateCopy, call, order, 300_000);
                }
                receipt(30_000, lost())
            }
            4..=7 => {
                self.faults.note(Fault::LostAfter);
                self.hub.arrive(call, order, self.now, true);
                receipt(30_000, lost())
            }
            8..=10 => {
                self.faults.note(Fault::SlowCall);
                let at = self.now + 60_000 + self.below(600_000);
                self.hub.arrive(call, order, at, true);
                receipt(60_000, lost())
            }
            11..=17 => {
                self.hub.hang(call, order);
                receipt(60_000, lost())
            }
            18..=19 => {
                self.faults.note(Fault::Refused);
                receipt(50, Receipt::Refused(fault(1000)))
            }
            20..=22 => {
                self.faults.note(Fault::TryAgain);
                receipt(50, Receipt::NotDone(Trouble::Fault(fault(1001))))
            }
            _ => {
                let before = self.hub.tasks.len();
                self.hub.arrive(call, order, self.now, true);
                self.hub.advance(self.now, &mut self.faults);
                if self.one_in(20) {
                    self.arrive_later(Fault::LateCopy, call, order, 300_000);
                }
                let task = self.hub.tasks.get(before).expect("a valid call makes a task").id;
                receipt(20 + self.below(3_000), Receipt::Accepted(task))
            }
        }
    }

    fn find(&mut self, markers: Vec<(RowId, Sought)>, since: i64) -> Answer {
        let mut found = Vec::new();
        for (row, sought) in markers {
            found.push((row, self.hub.find(self.now, &sought, since, &mut self.faults)));
        }
        Answer::Found(found)
    }

    fn follow(&mut self, tasks: &[TaskId]) -> Answer {
        let mut progress: Vec<_> =
            tasks.iter().map(|task| (*task, self.hub.progress(self.now, *task))).collect();
        if self.one_in(30) {
            self.faults.note(Fault::PartialFollow);
            progress.pop();
        }
        Answer::Followed(progress)
    }

    /// What a process counted in its life: the next one counts anew.
    fn judge_process(&mut self) {
        let status = self.submitter.status(self.wall());
        assert_eq!(status.misfits, 0, "an illegal step, or an answer that did not fit: {status:?}");
        assert!(status.doubles == 0 || !self.hub.too_late.is_empty(), "a look-up found more than one task");
    }

    /// Every build that was admitted has ended, as its task did.
    fn judge_end(&mut self) {
        self.judge_process();
        assert_eq!(self.submitter.status(self.wall()).rows, 0);
        let is_late = |build: u64| self.hub.too_late.contains(&build);
        for build in self.tagged.keys() {
            assert!(self.store.rows.values().any(|row| row.build().id == *build), "build {build} is lost");
        }
        for row in self.store.rows.values() {
            let Stage::Ended(end) = row.stage() else { panic!("not ended: {row:#?}") };
            let tasks: Vec<_> = self.hub.tasks.iter().filter(|task| task.build == row.build().id).collect();
            let last = tasks.last().map(|task| &task.result);
            let fits = match (end, last) {
                (End::Built { nvr }, Some(Progress::Built { nvr: made })) => nvr == made,
                (End::Failed { failure }, Some(Progress::Failed(told))) => failure == told,
                (End::Canceled, Some(Progress::Canceled)) => true,
                (End::Built { .. } | End::Failed { .. } | End::Canceled, _) => false,
                // Nothing came of it, or only what failed before.
                (_, None | Some(Progress::Failed(_))) => true,
                _ => false,
            };
            assert!(fits || is_late(row.build().id), "the row says {end:?}, the hub {tasks:#?}");
        }
    }
}

fn fault(code: i64) -> HubFault {
    HubFault { code, text: "as the hub says it".into() }
}

/// An ask that brings nothing.
fn fail(ask: &Ask, trouble: Trouble) -> Answer {
    match ask {
        Ask::Submit { orders, .. } => {
            let receipts = orders.iter().map(|order| (order.row, Receipt::NotDone(trouble.clone())));
            Answer::Submitted(receipts.collect())
        }
        Ask::Sample | Ask::LogIn { .. } | Ask::Check(_) | Ask::Find { .. } | Ask::Follow(_) => {
            Answer::Failed(trouble)
        }
    }
}
