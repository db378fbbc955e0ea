//! What happens around a submitter in one run, drawn from its seed beforehand.

use std::num::NonZeroU32;
use std::time::Duration;

use tidegate::engine::decision::BuildKey;
use tidegate::engine::names::Name;
use tidegate::event::Position;
use tidegate::governor::clock::Millis;
use tidegate::governor::lanes::{Lane, Place};
use tidegate::governor::load::Load;
use tidegate::governor::queue::Admitted;
use tidegate::governor::rate::Rate;
use tidegate::governor::settings::{LoadSettings, Settings as GovernorSettings};
use tidegate::submit::ask::Order;
use tidegate::submit::row::{MarkerBase, Plan, RowId, Session};
use tidegate::submit::settings::{Manner, Settings};
use tidegate::time::Second;

use crate::random::Random;

/// The true time at which every run begins, in milliseconds.
pub(crate) const BEGIN: i64 = 1_700_000_000_000;
const HOUR: u64 = 3_600_000;

/// Something that happens at a time.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Admit(u64),
    Untag(u64),
    Pause,
    Resume,
    /// The wall clock steps by so many milliseconds.
    Step(i64),
    Rate(u32),
    Offline(i64),
    Restart(i64),
    Expire,
    RefuseLogin(i64),
    Deny(u64, Option<i64>),
    Allow(u64),
    /// A copy of the state is made.
    Backup,
    /// The copy is put in the place of the state.
    OldCopy,
    /// A call arrives that was sent before: of an old process, or doubled on its way.
    Arrive(Session, u64, Box<Order>),
}

/// One run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) packages: u64,
    pub(crate) capacity: u32,
    pub(crate) rate: u32,
    pub(crate) in_flight: u32,
    pub(crate) has_load: bool,
    pub(crate) is_storm: bool,
    pub(crate) may_be_late: bool,
    pub(crate) events: Vec<(i64, Event)>,
}

fn at(random: &mut Random, from: u64, length: u64) -> i64 {
    BEGIN + i64::try_from(from + random.below(length)).unwrap()
}

impl World {
    pub(crate) fn draw(seed: u64, random: &mut Random) -> Self {
        let builds = 10 + random.below(30);
        let mut world = Self {
            packages: builds - builds / 6,
            capacity: 1 + u32::try_from(random.below(8)).unwrap(),
            rate: 20 + u32::try_from(random.below(200)).unwrap(),
            in_flight: 2 + u32::try_from(random.below(10)).unwrap(),
            has_load: random.below(3) == 0,
            is_storm: seed % 7 == 3,
            may_be_late: seed % 4 == 2 || seed % 8 == 5,
            events: Vec::new(),
        };
        for build in 0..builds {
            let when = at(random, 0, 2 * HOUR);
            world.events.push((when, Event::Admit(build)));
            if random.below(12) == 0 {
                let later = i64::try_from(random.below(HOUR)).unwrap();
                world.events.push((when + later, Event::Untag(build)));
            }
        }
        world.draw_trouble(random);
        if seed % 2 == 1 {
            let (backup, copy) = (at(random, 0, HOUR), at(random, HOUR, 2 * HOUR));
            world.events.extend([(backup, Event::Backup), (copy, Event::OldCopy)]);
        } else {
            // Half an hour between two: a wait of two minutes bears one of them.
            for number in 0..6 {
                let length = i64::try_from(120_000 + random.below(4 * HOUR)).unwrap();
                let step = if random.below(2) == 0 { length } else { -length };
                world.events.push((at(random, number * HOUR, HOUR / 2), Event::Step(step)));
            }
        }
        world.events.sort_by_key(|(at, _)| *at);
        world
    }

    fn draw_trouble(&mut self, random: &mut Random) {
        let span = 4 * HOUR;
        let length = |random: &mut Random| i64::try_from(1_000 + random.below(900_000)).unwrap();
        for _ in 0..2 {
            let (from, long) = (at(random, 0, span), length(random));
            self.events.push((from, Event::Pause));
            self.events.push((from + long, Event::Resume));
            let (from, long) = (at(random, 0, span), length(random));
            self.events.push((from, Event::Offline(long)));
            let (from, long) = (at(random, 0, span), length(random));
            self.events.push((from, Event::Restart(long)));
            let (from, long) = (at(random, 0, span), length(random));
            self.events.push((from, Event::RefuseLogin(long)));
            self.events.push((at(random, 0, span), Event::Expire));
            let rate = 10 + u32::try_from(random.below(300)).unwrap();
            self.events.push((at(random, 0, span), Event::Rate(rate)));
            let (from, long) = (at(random, 0, span), length(random));
            let package = random.below(self.packages);
            let until = (random.below(4) > 0).then_some(from + long);
            self.events.push((from, Event::Deny(package, until)));
            self.events.push((from + long / 2, Event::Allow(package)));
        }
    }

    pub(crate) fn settings(&self, rate: u32) -> Settings {
        let non_zero = |number| NonZeroU32::new(number).unwrap();
        let mut governor =
            GovernorSettings::new(Rate::per_hour(rate), non_zero(self.capacity), non_zero(self.in_flight));
        governor.load = self.has_load.then(|| LoadSettings::new(Load::FULL).unwrap());
        let mut settings = Settings::new(governor, Manner::Fenced);
        settings.settle = Duration::from_secs(120);
        settings
    }

    /// What the pipeline hands over of a build.
    pub(crate) fn plan(&self, build: u64, row: RowId, tagged: i64, wall: Millis) -> Plan {
        let package = package(build % self.packages);
        let group = build.is_multiple_of(3).then(|| format!("group-{}", build % 2).into());
        let admitted = Admitted {
            build: BuildKey { instance: Name(1), id: build },
            package: package.clone().into(),
            lane: if build.is_multiple_of(2) { Lane::Fresh } else { Lane::Drained },
            place: Place::InOrder,
            group,
            tagged_at: Second(tagged.div_euclid(1_000)),
            position: Position { partition: 0, offset: build },
            admitted_at: wall,
        };
        Plan {
            id: row,
            admitted,
            nvr: format!("{package}-1-{build}").into(),
            tag: "f42".into(),
            trigger_tags: vec!["f42".into()],
            target: Some("eln".into()),
            marker_base: MarkerBase::new("state-1", "koji", build),
            priority: None,
            slice: u32::try_from(build % 4).unwrap(),
        }
    }
}

/// The name of a package.
pub(crate) fn package(number: u64) -> String {
    format!("package-{number}")
}
