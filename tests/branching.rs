//! A branching in virtual time, in every order of what happens at one: the clone of the old tag into the new, the move of the alias,
//! the bump of the dist-tag, a pause by a person and its end; with new builds all the while, and restarts in between.
//!
//! In each of them no old build is submitted, every new one is, once, and no person is needed. A failure names its order and seed;
//! `TIDEGATE_SEED=n` runs that seed alone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tidegate::engine::Engine;
use tidegate::engine::cutover::{Copied, next_of};
use tidegate::engine::decision::Outcome;
use tidegate::event::{Body, BuildState, Decoded, MessageId, Position, SentAt, Tagging};
use tidegate::settings::{FamilyTag, Settings};
use tidegate::state::{Batch, State};
use tidegate::time::Second;

#[path = "common/random.rs"]
mod random;

use random::Random;

/// 2026-02-03T00:00:00Z: the second 0.
const T: i64 = 1_770_076_800;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// Old builds of the old tag.
const OLD: u64 = 150;
/// The first new build.
const NEW: u64 = 1_000;
/// Seeds of each order.
const SEEDS: u64 = 4;

/// What happens at a branching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// All of the old tag is tagged into the new one.
    Clone,
    /// The alias stands for the new tag.
    Alias,
    /// The dist-tag of the rebuilds is raised, so that the hub refuses no rebuild.
    DistTag,
    /// A person pauses the pipeline, and ends that after all else.
    Pause,
}

const STEPS: [Step; 4] = [Step::Clone, Step::Alias, Step::DistTag, Step::Pause];

/// All orders of the four.
fn orders() -> Vec<[Step; 4]> {
    let mut orders = Vec::new();
    for index in 0..256usize {
        let order = [0, 2, 4, 6].map(|shift| STEPS[(index >> shift) & 3]);
        if order.iter().copied().collect::<BTreeSet<_>>().len() == STEPS.len() {
            orders.push(order);
        }
    }
    orders
}

/// A number of seconds below `bound`.
fn below(random: &mut Random, bound: i64) -> i64 {
    i64::try_from(random.below(bound.max(1).unsigned_abs())).unwrap()
}

fn settings() -> Settings {
    let mut settings = Settings::defaults("f43");
    settings.trigger.family.insert(0, FamilyTag { tag: "f42".into(), left_at: None });
    settings.trigger.by_alias = true;
    settings.trigger.needs_buildroot = true;
    settings
}

/// What the hub publishes and answers.
#[derive(Debug, Default)]
struct Hub {
    /// (when, what), in the order of publishing.
    bus: Vec<(i64, Body<'static>)>,
    /// When each build came into each tag.
    tagged: BTreeMap<&'static str, BTreeMap<u64, i64>>,
    /// When repositories of the buildroot were made.
    repos: Vec<i64>,
    newest: u64,
}

impl Hub {
    fn tag(&mut self, when: i64, build: u64, tag: &'static str, by: &str) {
        self.tagged.entry(tag).or_default().insert(build, when);
        let (user, name) = (Some(by.to_owned().into()), format!("p{build}").into());
        let tagging = Tagging {
            instance: None,
            tag: tag.into(),
            build_id: build,
            name,
            version: "1".into(),
            release: "1".into(),
            owner: None,
            user,
        };
        self.bus.push((when, Body::Tag(tagging)));
    }

    /// A build is made, goes through the candidate tag of its release, and comes into the tag an hour later.
    fn build(&mut self, when: i64, tag: &'static str) {
        let build = NEW + self.newest;
        self.newest += 1;
        let done = BuildState { instance: None, build_id: build, new: 1, task_id: None };
        self.bus.push((when, Body::BuildState(done)));
        self.tag(
            when + 2,
            build,
            if tag == "f43" { "f43-updates-candidate" } else { "f44-updates-candidate" },
            "ada",
        );
        self.tag(when + HOUR, build, tag, "bodhi");
    }

    fn has(&self, tag: &str, at: i64) -> BTreeSet<u64> {
        let builds = self.tagged.get(tag).into_iter().flatten();
        builds.filter(|(_, when)| **when <= at).map(|(build, _)| *build).collect()
    }
}

/// One branching.
struct Branching {
    order: [Step; 4],
    random: Random,
    hub: Hub,
    /// When each step happens, and when the pause ends.
    at: BTreeMap<Step, i64>,
    unpaused_at: i64,
    state: PathBuf,
    engine: Engine,
    file: State,
    submitted: BTreeMap<u64, u32>,
    held: BTreeSet<u64>,
    /// Builds of the new tag that went on before the alias stood for it, the clone was there, and the buildroot made anew.
    early: Vec<u64>,
    /// Whether the alias moves back and forth before it stays.
    flaps: bool,
    restarts: u32,
    _dir: tempfile::TempDir,
}

impl Branching {
    fn new(order: [Step; 4], seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.db");
        let file = State::open(&state, true).unwrap();
        let mut engine = file.load(settings(), [0]).unwrap().engine;
        let mut random = Random(seed);
        let mut hub = Hub::default();
        for build in 1..=OLD {
            engine.know(None, build, "f43", Second(T - 30 * DAY));
            hub.tagged.entry("f43").or_default().insert(build, -30 * DAY);
        }
        let mut when = 6 * HOUR;
        let mut at = BTreeMap::new();
        for step in order {
            at.insert(step, when);
            // From seconds to days.
            let scale = [10, 10 * MINUTE, 3 * HOUR, 2 * DAY][usize::try_from(below(&mut random, 4)).unwrap()];
            when += 1 + below(&mut random, scale);
        }
        let unpaused_at = when;
        hub.play(&at, when + 2 * DAY, &mut random);
        Self {
            order,
            random,
            hub,
            at,
            unpaused_at,
            state,
            engine,
            file,
            submitted: BTreeMap::new(),
            held: BTreeSet::new(),
            early: Vec::new(),
            flaps: seed % 2 == 1,
            restarts: 0,
            _dir: dir,
        }
    }

    /// Lets everything happen, to a day after the last step.
    fn run(&mut self) {
        let bus = std::mem::take(&mut self.hub.bus);
        let end = self.unpaused_at + 2 * DAY;
        let mut read = 0;
        for minute in 0..end / MINUTE {
            let now = minute * MINUTE;
            let paused = now >= self.at[&Step::Pause] && now < self.unpaused_at;
            if !paused {
                while let Some((when, body)) = bus.get(read).filter(|(when, _)| *when <= now) {
                    self.record(read, *when, body.clone());
                    read += 1;
                }
                self.engine.caught_up(0, Second(T + now - 5));
            }
            if minute % 15 == 0 {
                self.ask(now);
            }
            self.settle(now);
            if below(&mut self.random, 400) == 0 {
                self.restart();
            }
        }
    }

    fn record(&mut self, offset: usize, when: i64, body: Body<'static>) {
        let decoded = Decoded {
            id: MessageId::parse(&format!("m{offset}")),
            topic: "org.fedoraproject.prod.buildsys.tag".into(),
            sent_at: SentAt::At(Second(T + when)),
            body,
        };
        let position = Position { partition: 0, offset: u64::try_from(offset).unwrap() };
        self.engine.record(position, Some((T + when) * 1_000), Ok(decoded));
    }

    /// What the shell finds out: what the alias stands for, how much was copied, whether the buildroot was made anew.
    fn ask(&mut self, now: i64) {
        let wall = Second(T + now);
        let since = now - self.at[&Step::Alias];
        // Half an hour each way, for four hours.
        let back = self.flaps && since < 4 * HOUR && (since / (30 * MINUTE)) % 2 == 1;
        let stands_for = if since >= 0 && !back { "f44" } else { "f43" };
        self.engine.follow(stands_for, "the alias stands for it", Some(wall)).unwrap();
        let (old, new) = (self.hub.has("f43", now), self.hub.has("f44", now));
        let copied = Copied { wanted: old.len() as u64, there: old.intersection(&new).count() as u64 };
        self.engine.found_copied(copied, wall);
        if let Some(made) = self.hub.repos.iter().rev().find(|made| **made <= now) {
            self.engine.found_buildroot(Second(T + made));
        }
    }

    fn settle(&mut self, now: i64) {
        let ready = self.at[&Step::Alias].max(self.at[&Step::Clone]) + 2 * HOUR;
        let output = self.engine.take_output();
        for decision in &output.decisions {
            let Some(detail) = &decision.detail else { continue };
            let build = detail.event.build.id;
            if decision.outcome() == Outcome::Submitted
                && self.engine.name(detail.event.tag) == "f44"
                && now < ready
            {
                self.early.push(build);
            }
            match decision.outcome() {
                Outcome::Submitted => *self.submitted.entry(build).or_default() += 1,
                Outcome::Held => drop(self.held.insert(build)),
                Outcome::Ignored | Outcome::Duplicate | Outcome::Dropped | Outcome::DeadLetter => {}
            }
        }
        let batch =
            Batch { decisions: &output.decisions, dead_letters: &[], sources: &[], meta: &[], live: None };
        if !output.decisions.is_empty() || below(&mut self.random, 50) == 0 {
            self.file.commit(&mut self.engine, &batch).unwrap();
        }
        assert!(self.engine.account().is_balanced(), "{:?}", self.engine.account());
    }

    /// The process ends and comes back.
    fn restart(&mut self) {
        let batch = Batch { decisions: &[], dead_letters: &[], sources: &[], meta: &[], live: None };
        self.file.commit(&mut self.engine, &batch).unwrap();
        let elsewhere = self.state.with_extension("none");
        self.file = State::open(&elsewhere, true).unwrap();
        self.file = State::open(&self.state, true).unwrap();
        self.engine = self.file.load(settings(), [0]).unwrap().engine;
        self.restarts += 1;
    }

    /// What is wrong at the end.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let followed = self.engine.name(self.engine.course().followed);
        if followed != "f44" {
            faults.push(format!(
                "{followed} is followed, the cutover waits for {:?}",
                self.engine.cutover_waits_for()
            ));
        }
        let leaked: Vec<_> = self.submitted.keys().filter(|build| **build < NEW).collect();
        if !leaked.is_empty() {
            faults.push(format!("old builds were submitted: {leaked:?}"));
        }
        for build in NEW..NEW + self.hub.newest {
            let times = self.submitted.get(&build).copied().unwrap_or_default();
            if times != 1 {
                faults.push(format!("new build {build} was submitted {times} times"));
            }
        }
        if !self.early.is_empty() {
            faults.push(format!("builds of the new tag went on too early: {:?}", self.early));
        }
        if !self.held.is_empty() {
            faults.push(format!("a person is asked about {:?}", self.held));
        }
        faults
    }
}

impl Hub {
    /// All that the hub does until `end`: a new build every 20 minutes or so, the clone in one second or over minutes.
    fn play(&mut self, at: &BTreeMap<Step, i64>, end: i64, random: &mut Random) {
        let cloned_at = at[&Step::Clone];
        let (mut when, mut later) = (MINUTE, Hub { newest: self.newest, ..Self::default() });
        while when < end - 4 * HOUR {
            // Rawhide's target leads to the new tag from the clone on, or from the move of the alias, whichever comes first.
            let is_new = when + HOUR > cloned_at.min(at[&Step::Alias]);
            later.build(when, if is_new { "f44" } else { "f43" });
            when += MINUTE + below(random, 40 * MINUTE);
        }
        let old: Vec<u64> = self.tagged["f43"].keys().copied().chain(later.has("f43", cloned_at)).collect();
        let per_second = 1 + below(random, 50);
        for (index, build) in (0..).zip(old) {
            later.tag(cloned_at + index / per_second, build, "f44", "releng");
        }
        later.bus.sort_by_key(|(when, _)| *when);
        self.bus = later.bus;
        self.newest = later.newest;
        for (tag, builds) in later.tagged {
            self.tagged.entry(tag).or_default().extend(builds);
        }
        self.repos = (1..end / HOUR).map(|hour| hour * HOUR).collect();
    }
}

#[test]
fn a_branching_needs_nobody_in_whatever_order_it_happens() {
    let asked: Option<u64> = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok());
    let orders = orders();
    assert_eq!(orders.len(), 24);
    let (mut failed, mut restarts) = (Vec::new(), 0);
    for (order, seed) in orders.iter().flat_map(|order| (0..SEEDS).map(move |seed| (*order, seed))) {
        if asked.is_some_and(|asked| asked != seed) {
            continue;
        }
        let mut branching = Branching::new(order, seed);
        branching.run();
        restarts += branching.restarts;
        let faults = branching.faults();
        if !faults.is_empty() {
            println!("{:?}, TIDEGATE_SEED={seed}, at {:?}: {faults:#?}", branching.order, branching.at);
            failed.push((order, seed));
        }
    }
    println!("{} orders, {SEEDS} seeds each, {restarts} restarts", orders.len());
    assert!(failed.is_empty(), "{} branchings went wrong: {failed:?}", failed.len());
    assert!(asked.is_some() || restarts > 100, "too few restarts to show anything: {restarts}");
}

#[test]
fn the_next_tag_is_that_of_the_test() {
    assert_eq!(next_of("f43").as_deref(), Some("f44"));
}
