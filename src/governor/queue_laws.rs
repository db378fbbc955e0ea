//! The laws of the queue, for random builds, packages, groups and clocks: nothing is lost or sent twice, no older build of a
//! package waits beside a newer one, nobody overtakes a hold of its group, and no turn is left unused.

use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::prelude::*;

use super::Governor;
use super::clock::Millis;
use super::lanes::{Lane, Place};
use super::queue::{Admitted, Enqueued};
use super::rate::Rate;
use super::refusal::Why;
use super::settings::Settings;
use super::tests::admitted;
use crate::time::Second;

/// The longest wait for a partner, in milliseconds.
const PARTNER_HELD: i64 = 2 * 3_600_000;

#[derive(Debug, Clone, Copy)]
enum Step {
    Move(i64),
    Enqueue { package: u8, second: i64, offset: u64, drained: bool, first: bool, group: Option<u8> },
    Poll(u32),
    Finish(usize),
    PutBack(usize),
    Withdraw(usize),
    Hold(u8),
    Release(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let enqueue = (0u8..6, 0i64..4, 0u64..3, any::<bool>(), any::<bool>(), prop::option::of(0u8..3))
        .prop_map(|(package, second, offset, drained, first, group)| Step::Enqueue {
            package,
            second,
            offset,
            drained,
            first,
            group,
        });
    let step = prop_oneof![
        2 => (0i64..PARTNER_HELD).prop_map(Step::Move),
        6 => enqueue,
        4 => (1u32..4).prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::PutBack),
        1 => any::<usize>().prop_map(Step::Withdraw),
        1 => (0u8..3).prop_map(Step::Hold),
        1 => (0u8..3).prop_map(Step::Release),
    ];
    prop::collection::vec(step, 1..80)
}

/// What is known from outside of the builds inside.
struct World {
    governor: Governor,
    now: i64,
    number: u64,
    waiting: Vec<Admitted>,
    under_way: Vec<Admitted>,
    held: Vec<Arc<str>>,
}

impl World {
    fn new() -> Self {
        let many = NonZeroU32::new(1_000_000).unwrap();
        let governor =
            Governor::new(Settings::new(Rate::MAX, many, many), Millis(-PARTNER_HELD), None).unwrap();
        Self { governor, now: 0, number: 0, waiting: Vec::new(), under_way: Vec::new(), held: Vec::new() }
    }

    fn now(&self) -> Millis {
        Millis(self.now)
    }

    fn may_go(&self, build: &Admitted) -> bool {
        let is_held = build.group.as_ref().is_some_and(|group| self.held.contains(group));
        !is_held || self.now >= build.admitted_at.0 + PARTNER_HELD
    }

    /// Books what became of a build that was handed over or back.
    fn book(&mut self, build: Admitted, outcome: &Enqueued) {
        let newer = |other: &&Admitted| is_newer(other, &build);
        match outcome {
            Enqueued::Waiting => {}
            Enqueued::Replaced(older) => {
                assert!(is_newer(&build, older));
                assert!(self.waiting.contains(older));
                self.waiting.retain(|other| other.build != older.build);
            }
            Enqueued::Superseded(by) => {
                let mut inside = self.waiting.iter().chain(&self.under_way);
                assert!(inside.any(|other| other.build == *by && newer(&other)));
                return;
            }
            Enqueued::AlreadyWaiting | Enqueued::UnderWay => panic!("it was not inside"),
        }
        self.waiting.push(build);
    }

    fn poll(&mut self, max: u32) {
        let may_go = self.waiting.iter().filter(|build| self.may_go(build)).count();
        match self.governor.poll(self.now(), NonZeroU32::new(max).unwrap()) {
            Ok(permits) => {
                assert_eq!(permits.len(), may_go.min(usize::try_from(max).unwrap()));
                for permit in permits {
                    let build = permit.admitted;
                    assert!(self.may_go(&build), "{build:?} overtook a hold");
                    let index = self.waiting.iter().position(|other| *other == build);
                    let index = index.expect("sent twice, or never taken in");
                    self.under_way.push(self.waiting.remove(index));
                }
            }
            Err(refusal) => {
                let (builds, why) = (u32::try_from(self.waiting.len()).unwrap(), refusal.why);
                assert_eq!(may_go, 0);
                assert_eq!(why, if builds == 0 { Why::QueueEmpty } else { Why::PartnerHeld { builds } });
                let ends = self.waiting.iter().map(|build| Millis(build.admitted_at.0 + PARTNER_HELD)).min();
                assert_eq!(refusal.at, ends);
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Move(millis) => self.now += millis,
            Step::Poll(max) => self.poll(max),
            Step::Enqueue { package, second, offset, drained, first, group } => {
                self.number += 1;
                let mut build = Admitted {
                    package: Arc::from(format!("package-{package}")),
                    lane: if drained { Lane::Drained } else { Lane::Fresh },
                    place: if first { Place::First } else { Place::InOrder },
                    group: group.map(name),
                    tagged_at: Second(second),
                    admitted_at: self.now(),
                    ..admitted(self.number)
                };
                build.position.offset = offset;
                let outcome = self.governor.enqueue(self.now(), build.clone());
                self.book(build, &outcome.unwrap());
            }
            Step::Finish(pick) => {
                if let Some(build) = take(&mut self.under_way, pick) {
                    assert!(self.governor.finished(build.build));
                }
            }
            Step::PutBack(pick) => {
                if let Some(build) = take(&mut self.under_way, pick) {
                    let outcome = self.governor.put_back(self.now(), build.build);
                    self.book(build, &outcome.unwrap());
                }
            }
            Step::Withdraw(pick) => {
                if let Some(build) = take(&mut self.waiting, pick) {
                    assert_eq!(self.governor.withdraw(build.build), Some(build));
                }
            }
            Step::Hold(group) => {
                self.governor.hold_group(self.now(), &name(group)).unwrap();
                self.held.push(name(group));
            }
            Step::Release(group) => {
                self.governor.release_group(self.now(), &name(group));
                self.held.retain(|held| *held != name(group));
            }
        }
    }

    /// What holds at any time.
    fn check(&mut self) {
        let status = self.governor.status(self.now());
        let waiting = [status.fresh, status.drained, status.partner_held].iter().sum::<u32>();
        assert_eq!(waiting, u32::try_from(self.waiting.len()).unwrap());
        assert_eq!(status.in_flight, u32::try_from(self.under_way.len()).unwrap());
        for build in &self.waiting {
            let mut inside = self.waiting.iter().chain(&self.under_way);
            assert!(!inside.any(|other| is_newer(other, build)), "{build:?} waits beside a newer one");
        }
    }
}

fn name(group: u8) -> Arc<str> {
    Arc::from(format!("group-{group}"))
}

fn is_newer(one: &Admitted, other: &Admitted) -> bool {
    one.package == other.package
        && (one.tagged_at, one.position, one.build) > (other.tagged_at, other.position, other.build)
}

fn take(from: &mut Vec<Admitted>, pick: usize) -> Option<Admitted> {
    (!from.is_empty()).then(|| from.remove(pick % from.len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_is_lost_doubled_or_out_of_turn(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check();
        }
    }
}
