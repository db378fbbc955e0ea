//! Koji as a witness of held builds: when it is asked about which of them. Pure: time and the engine's questions come as
//! arguments; [`hub`] asks.
//!
//! A build is asked about at once when it is held, then after 1, 5 and 30 min, then every hour, for as long as Koji's answer
//! may still change. However many are held, the hub gets one call at a time, with at most [`BATCH_MAX`] builds in it, and has
//! rest after each: at least a second, and four times as long as it worked. A flood of 20,000 builds is asked about within
//! some ten minutes and takes at most a fifth of what the hub does for one client.

pub mod hub;
pub mod read;

use std::collections::BinaryHeap;
use std::time::Duration;

use super::reconcile::Past;
use super::runner::{Now, Runner};
use crate::engine::Engine;
use crate::engine::hold::HoldKind;
use crate::engine::witness::{Finding, Question};
use crate::generate::rng::Rng;
use crate::koji::answers::HistoryRow;
use crate::time::{Second, Seconds};

/// Builds in one call.
pub const BATCH_MAX: u32 = 50;
/// The shortest rest of the hub between two calls, and how many times the length of a call it has to be.
const REST: (Duration, u32) = (Duration::from_secs(1), 4);
/// The shortest time between two looks at what is held.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after an answer a build is asked about again: after the first answer, the second, and so on.
const AGAIN: [Seconds; 4] = [Seconds(60), Seconds(300), Seconds(1_800), Seconds(3_600)];
/// A wait is longer by up to this part of it, so that builds that were held together are not asked about together for ever.
const SPREAD: i64 = 5;
/// The longest wait after the first failure of the hub; it doubles up to the second.
const AFTER_FAILURE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// What Koji is to be asked.
#[derive(Debug)]
pub enum Inquiry {
    /// What it knows of held builds.
    Builds(Builds),
    /// What happened to the tags of the family.
    Past(Past),
}

/// Held builds, and what counts about them.
#[derive(Debug)]
pub struct Builds {
    /// The builds, at most [`BATCH_MAX`].
    pub questions: Vec<Question>,
    /// When they are asked about, by the clock of the machine.
    pub asked_at: Second,
    /// The tags that matter.
    pub scope: Scope,
}

/// The tags that matter for what Koji says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The trigger tag.
    pub trigger: String,
    /// All tags that are or were followed, the trigger tag included.
    pub family: Vec<String>,
    /// Tags of mass rebuilds.
    pub rebuild_tags: Vec<String>,
}

impl Scope {
    /// The tags of an engine.
    pub fn of(engine: &Engine) -> Self {
        let tags = engine.knowledge().tags.family();
        let family: Vec<String> = tags.iter().map(|member| engine.name(member.tag).to_owned()).collect();
        let patterns = &engine.settings().evidence.rebuild_tags;
        let of_release = |release: &String| {
            patterns.iter().map(|pattern| pattern.replace("{release}", release)).collect::<Vec<_>>()
        };
        Self {
            trigger: engine.settings().trigger.tag.clone(),
            rebuild_tags: family.iter().flat_map(of_release).collect(),
            family,
        }
    }
}

/// What came of an inquiry; an error is told in words.
#[derive(Debug)]
pub enum Report {
    /// What was found about held builds.
    Builds(Result<Vec<Finding>, String>),
    /// The newest stay of each build in each tag that changed, in the order of the hub's history.
    Past(Result<Vec<HistoryRow>, String>),
}

/// When which held builds are asked about.
#[derive(Debug)]
pub(super) struct Witness {
    /// Whether Koji is asked at all.
    is_on: bool,
    /// Since when a call is under way.
    under_way: Option<Duration>,
    /// Nothing is asked before.
    next: Duration,
    /// Nothing is due before, unless the holds change from what they were.
    due: Second,
    holds: HoldsMark,
    /// Builds in question, as of the last look.
    waiting: u64,
    /// Builds that were asked about since the start.
    asked: u64,
    failures: u32,
    trouble: Option<String>,
    /// Spreads waits after failures: other pipelines wait for the same hub.
    seed: u64,
}

/// Tells whether holds changed: how many events they hold, and the sum of their versions.
type HoldsMark = (usize, u64);

impl Witness {
    pub(super) fn new(is_on: bool, seed: u64) -> Self {
        Self {
            is_on,
            under_way: None,
            next: Duration::ZERO,
            due: Second::MIN,
            holds: (0, 0),
            waiting: 0,
            asked: 0,
            failures: 0,
            trouble: None,
            seed,
        }
    }

    /// The builds that are to be asked about now, at most [`BATCH_MAX`], those first that were due first.
    fn look(&mut self, engine: &Engine, now: Now) -> Option<Vec<Question>> {
        if !self.is_on || self.under_way.is_some() || now.mono < self.next {
            return None;
        }
        let holds = mark(engine);
        if holds == self.holds && now.wall < self.due {
            return None;
        }
        (self.next, self.holds) = (now.mono + LOOK_EVERY, holds);
        let picked = pick(engine.questions(), now.wall);
        (self.waiting, self.due) = (picked.all, picked.next);
        if picked.due.is_empty() {
            return None;
        }
        self.under_way = Some(now.mono);
        Some(picked.due)
    }

    /// Whether the holds changed since the last look, and it is time for another.
    fn is_stale(&self, engine: &Engine, now: Now) -> bool {
        self.is_on && now.mono >= self.next && mark(engine) != self.holds
    }

    /// A call has come to its end.
    fn answered(&mut self, asked: Result<usize, String>, now: Now) {
        let took = now.mono.saturating_sub(self.under_way.take().unwrap_or(now.mono));
        self.due = Second::MIN;
        match asked {
            Ok(builds) => {
                self.asked += builds as u64;
                (self.failures, self.trouble) = (0, None);
                self.next = now.mono + REST.0.max(took * REST.1);
            }
            Err(error) => {
                self.next = now.mono + after_failure(self.failures, self.seed);
                self.failures = self.failures.saturating_add(1);
                // It is told once: the words of the first failure stand until an answer comes.
                self.trouble.get_or_insert_with(|| {
                    format!("Koji cannot be asked about held builds; they wait, and it is asked again within minutes: {error}")
                });
            }
        }
    }

    pub(super) fn trouble(&self) -> Option<&String> {
        self.trouble.as_ref()
    }

    /// Builds in question, and those that were asked about since the start.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.waiting, self.asked)
    }
}

impl Runner {
    /// What Koji is to be asked next; `None` where nothing is, or it still works on what it was asked last.
    pub fn take_inquiry(&mut self, now: Now) -> Option<Inquiry> {
        if !self.recognised || self.stopping {
            return None;
        }
        if let Some(past) = self.look_back(now) {
            return Some(Inquiry::Past(past));
        }
        if self.witness.is_stale(&self.engine, now) {
            // Some may have waited for the word about others that are decided now.
            self.engine.koji_says(&[]);
            self.dirty |= self.engine.undelivered() > 0;
        }
        let questions = self.witness.look(&self.engine, now)?;
        let scope = Scope::of(&self.engine);
        Some(Inquiry::Builds(Builds { questions, asked_at: now.wall, scope }))
    }

    /// Takes what came of an inquiry.
    pub fn take_report(&mut self, report: Report, now: Now) {
        match report {
            Report::Past(rows) => self.take_past(rows, now),
            Report::Builds(found) => {
                self.witness.answered(found.as_ref().map(Vec::len).map_err(Clone::clone), now);
                if let Ok(findings) = found {
                    self.engine.koji_says(&findings);
                    self.dirty = true;
                }
            }
        }
    }
}

fn mark(engine: &Engine) -> HoldsMark {
    let asked = engine.holds().iter().filter(|hold| hold.kind != HoldKind::MassRebuild);
    (engine.holds().held(), asked.map(|hold| u64::from(hold.version)).sum())
}

/// What is due among all questions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Picked {
    due: Vec<Question>,
    /// When the next is due that is not among them.
    next: Second,
    all: u64,
}

fn pick(questions: impl Iterator<Item = Question>, now: Second) -> Picked {
    // The greatest of those that were picked is on top, and gives way.
    let mut first: BinaryHeap<(Second, Question)> = BinaryHeap::new();
    let mut picked = Picked { next: Second::MAX, ..Picked::default() };
    for question in questions {
        picked.all += 1;
        let due = due(&question, now);
        if due > now {
            picked.next = picked.next.min(due);
            continue;
        }
        first.push((due, question));
        if first.len() > BATCH_MAX as usize {
            first.pop();
            picked.next = now;
        }
    }
    picked.due = first.into_sorted_vec().into_iter().map(|(_, question)| question).collect();
    picked
}

/// When a build is to be asked about. A clock that was set back does not lengthen the wait.
fn due(question: &Question, now: Second) -> Second {
    let Some(told) = question.told else { return Second::MIN };
    let index = usize::try_from(told.asked.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = AGAIN.get(index).or(AGAIN.last()).copied().unwrap_or_default();
    let spread = drawn(question.build_id, told.asked, (wait.0 / SPREAD).unsigned_abs());
    let spread = Seconds(i64::try_from(spread).unwrap_or(0));
    told.at.min(now) + wait + spread
}

/// The wait after a failure that `failures` others came before: from half of its longest up to that.
pub(super) fn after_failure(failures: u32, seed: u64) -> Duration {
    let longest = AFTER_FAILURE.0.saturating_mul(1 << failures.min(16)).min(AFTER_FAILURE.1);
    let half = longest / 2;
    half + Duration::from_millis(drawn(seed, failures, u64::try_from(half.as_millis()).unwrap_or(u64::MAX)))
}

/// A number from 0 to `most`, the same for the same numbers.
fn drawn(seed: u64, step: u32, most: u64) -> u64 {
    Rng::new("koji", seed.wrapping_add(u64::from(step).rotate_left(32))).below(most.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::decision::HoldId;
    use crate::engine::witness::{Says, Told};
    use crate::event::Position;

    fn question(build_id: u64, told: Option<(u32, i64)>) -> Question {
        let place = (Second(0), Position { partition: 0, offset: build_id });
        let told = told.map(|(asked, at)| Told { asked, at: Second(at), says: Says::Absent });
        Question { hold: HoldId(1), place, build_id, told }
    }

    #[test]
    fn a_build_is_asked_about_at_once_then_after_1_5_and_30_minutes_then_hourly() {
        assert!(due(&question(7, None), Second(50)) <= Second(50));
        for (asked, wait) in [(1, 60), (2, 300), (3, 1_800), (4, 3_600), (5, 3_600), (u32::MAX, 3_600)] {
            let due = due(&question(7, Some((asked, 1_000))), Second(1_000)).0 - 1_000;
            assert!((wait..=wait + wait / SPREAD).contains(&due), "after {asked} answers: {due} s");
        }
        let set_back = due(&question(7, Some((1, 9_000))), Second(1_000));
        assert!(set_back <= Second(1_072), "a clock that was set back: {set_back}");
    }

    #[test]
    fn waits_after_failures_double_up_to_ten_minutes() {
        for (failures, longest) in [(0, 30), (1, 60), (2, 120), (4, 480), (5, 600), (6, 600), (u32::MAX, 600)]
        {
            let wait = after_failure(failures, 3);
            let (half, whole) = (Duration::from_secs(longest / 2), Duration::from_secs(longest));
            assert!(half <= wait && wait <= whole, "{wait:?} after {failures}");
        }
        let waits: std::collections::BTreeSet<_> = (0..20).map(|seed| after_failure(0, seed)).collect();
        assert!(waits.len() > 15, "pipelines wait alike: {waits:?}");
    }

    proptest! {
        #[test]
        fn those_are_picked_that_were_due_first(
            told in prop::collection::vec(prop::option::of((1u32..6, 0i64..9_000)), 0..130), now in 0i64..12_000,
        ) {
            let now = Second(now);
            let questions: Vec<_> = told.iter().zip(0..).map(|(told, id)| question(id, *told)).collect();
            let picked = pick(questions.iter().copied(), now);
            let mut dues: Vec<_> = questions.iter().map(|question| (due(question, now), *question)).collect();
            dues.sort_unstable();
            let late: Vec<_> = dues.iter().filter(|(at, _)| *at <= now).map(|(_, question)| *question).collect();
            let batch = late.len().min(BATCH_MAX as usize);
            prop_assert_eq!(&picked.due[..], &late[..batch]);
            prop_assert_eq!(picked.all, questions.len() as u64);
            let next = dues.iter().map(|(at, _)| (*at).max(now)).nth(batch).unwrap_or(Second::MAX);
            prop_assert_eq!(picked.next, next);
        }

        /// However many are held, the hub gets at most 50 builds a second, and nobody waits for ever.
        #[test]
        fn a_flood_is_spread(builds in 1u64..2_000, took in 0u64..3_000) {
            let mut waiting: BTreeMap<u64, Option<(u32, i64)>> = (0..builds).map(|id| (id, None)).collect();
            let (mut now, mut calls) = (0u64, 0u64);
            while waiting.values().any(Option::is_none) {
                let at = Second(i64::try_from(now / 1_000).unwrap());
                let picked = pick(waiting.iter().map(|(id, told)| question(*id, *told)), at).due;
                prop_assert!(!picked.is_empty());
                calls += 1;
                for question in picked {
                    let asked = question.told.map_or(0, |told| told.asked);
                    waiting.insert(question.build_id, Some((asked + 1, at.0)));
                }
                let rest = REST.0.max(Duration::from_millis(took) * REST.1);
                now += took + u64::try_from(rest.as_millis()).unwrap();
            }
            prop_assert_eq!(calls, builds.div_ceil(u64::from(BATCH_MAX)), "the same are asked about again first");
            prop_assert!(now >= calls * 1_000 && now >= calls * took * 5);
        }
    }
}
