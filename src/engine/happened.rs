//! When the events of one key happened, for the sake of those that come late.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::decision::BuildKey;
use crate::time::{Second, Seconds};

/// How long it is remembered.
pub const HISTORY: Seconds = Seconds(3_600);
/// The most events that are remembered; beyond it the oldest give way.
const HISTORY_MAX: usize = 200_000;

/// Builds by the second at which something happened to them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(Second, BuildKey)>", into = "Vec<(Second, BuildKey)>")]
pub struct Happened {
    /// What came in time, oldest first.
    in_time: VecDeque<(Second, BuildKey)>,
    /// What came behind something that happened later. In a tree, so that a flood of late events costs no more for each
    /// the larger it is.
    late: BTreeSet<(Second, BuildKey)>,
}

impl From<Vec<(Second, BuildKey)>> for Happened {
    fn from(events: Vec<(Second, BuildKey)>) -> Self {
        Self { in_time: events.into(), late: BTreeSet::new() }
    }
}

impl From<Happened> for Vec<(Second, BuildKey)> {
    fn from(happened: Happened) -> Self {
        happened.between(Second::MIN, Second::MAX).collect()
    }
}

impl Happened {
    /// Remembers an event, and forgets what lies more than [`HISTORY`] before `now`.
    pub fn add(&mut self, at: Second, build: BuildKey, now: Second) {
        if self.in_time.back().is_none_or(|(last, _)| *last <= at) {
            self.in_time.push_back((at, build));
        } else {
            self.late.insert((at, build));
        }
        while self.first().is_some_and(|first| first < now - HISTORY) || self.len() > HISTORY_MAX {
            self.forget_first();
        }
    }

    /// What happened from one second to another, both included, oldest first.
    pub fn between(&self, from: Second, to: Second) -> impl Iterator<Item = (Second, BuildKey)> + '_ {
        let mut in_time = self.in_time_from(from).peekable();
        let mut late = self.late_from(from).peekable();
        let next = move || match (in_time.peek(), late.peek()) {
            (Some((a, _)), Some((b, _))) if b < a => late.next(),
            (None, _) => late.next(),
            (Some(_), _) => in_time.next(),
        };
        std::iter::from_fn(next).take_while(move |(at, _)| *at <= to)
    }

    /// Whether at least `count` events happened from one second to another; a build may stand for several.
    pub fn has_between(&self, from: Second, to: Second, count: u32) -> bool {
        self.between(from, to).nth((count as usize).saturating_sub(1)).is_some()
    }

    /// When the last of them happened.
    pub fn last(&self) -> Option<Second> {
        let late = self.late.last().map(|(at, _)| *at);
        self.in_time.back().map(|(at, _)| *at).max(late)
    }

    fn in_time_from(&self, from: Second) -> impl Iterator<Item = (Second, BuildKey)> + '_ {
        let start = self.in_time.partition_point(|(at, _)| *at < from);
        self.in_time.range(start..).copied()
    }

    fn late_from(&self, from: Second) -> impl Iterator<Item = (Second, BuildKey)> + '_ {
        let least = BuildKey { instance: super::names::Name(0), id: 0 };
        self.late.range((Bound::Included((from, least)), Bound::Unbounded)).copied()
    }

    fn first(&self) -> Option<Second> {
        let in_time = self.in_time.front().map(|(at, _)| *at);
        let late = self.late.first().map(|(at, _)| *at);
        in_time.into_iter().chain(late).min()
    }

    fn forget_first(&mut self) {
        let in_time = self.in_time.front().map(|(at, _)| *at);
        let late = self.late.first().map(|(at, _)| *at);
        if late.is_some_and(|late| in_time.is_none_or(|at| late < at)) {
            self.late.pop_first();
        } else {
            self.in_time.pop_front();
        }
    }

    fn len(&self) -> usize {
        self.in_time.len() + self.late.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::names::Name;
    use super::*;

    fn build(id: u64) -> BuildKey {
        BuildKey { instance: Name(1), id }
    }

    proptest! {
        #[test]
        fn tells_what_happened_between_two_seconds(
            events in prop::collection::vec((0i64..5_000, 0i64..40, 0u64..9), 0..80), from in 0i64..5_000, span in 0i64..3_000,
        ) {
            let mut happened = Happened::default();
            let (mut all, mut now) = (Vec::new(), 0);
            for (late, step, id) in events {
                now += step;
                let at = (now - late % 200).max(0);
                happened.add(Second(at), build(id), Second(now));
                all.push((at, id));
            }
            // Of what came late, a build is remembered once in a second.
            let count = |list: &[(i64, u64)]| {
                list.iter().fold(BTreeMap::<_, usize>::new(), |mut map, key| { *map.entry(*key).or_default() += 1; map })
            };
            let told: Vec<_> = happened.between(Second(from), Second(from + span)).map(|(at, build)| (at.0, build.id)).collect();
            prop_assert!(told.is_sorted_by_key(|(at, _)| *at));
            all.retain(|(at, _)| (from..=from + span).contains(at));
            let (told_counts, all_counts) = (count(&told), count(&all));
            prop_assert!(told_counts.keys().eq(all_counts.keys()));
            prop_assert!(told_counts.iter().all(|(key, times)| times <= &all_counts[key]));
            let many = u32::try_from(told.len()).unwrap();
            prop_assert!(many == 0 || happened.has_between(Second(from), Second(from + span), many));
            prop_assert!(!happened.has_between(Second(from), Second(from + span), many + 1));
            let saved = serde_json::to_string(&happened).unwrap();
            let again: Happened = serde_json::from_str(&saved).unwrap();
            prop_assert_eq!(again.between(Second::MIN, Second::MAX).collect::<Vec<_>>(), happened.between(Second::MIN, Second::MAX).collect::<Vec<_>>());
        }
    }

    #[test]
    fn is_remembered_for_an_hour_and_not_a_second_longer() {
        for (later, remembered) in [(3_600, true), (3_601, false)] {
            let mut happened = Happened::default();
            happened.add(Second(1_000), build(1), Second(1_000));
            happened.add(Second(999), build(2), Second(1_000));
            happened.add(Second(1_000 + later), build(3), Second(1_000 + later));
            assert_eq!(happened.has_between(Second(1_000), Second(1_000), 1), remembered, "{later}");
            assert!(!happened.has_between(Second(0), Second(999), 1));
            assert_eq!(happened.last(), Some(Second(1_000 + later)));
        }
    }
}
