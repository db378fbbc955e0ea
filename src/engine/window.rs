//! Counts the distinct builds of one key in sliding windows, and says when a burst rule holds.
//!
//! A window of `within` seconds is half-open: the one that ends with an event of second `t` covers the seconds
//! `t - within + 1 ..= t`. A late event is counted twice, at the watermark it came behind and at the second it
//! happened; either count can make a rule hold.

use std::collections::VecDeque;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::decision::BuildKey;
use super::happened::{HISTORY, Happened};
use crate::settings::Rule;
use crate::time::{Second, Seconds};

/// A rule that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// The rule.
    pub rule: Rule,
    /// Distinct builds in the window.
    pub count: u32,
    /// The second of the window's first event: what is pending from there on is claimed.
    pub from: Second,
    /// It holds by the time at which a late event happened.
    pub by_truth: bool,
}

/// The windows of one key. Events are given in the order of their turns.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Windows {
    /// The events of the longest window by effective time, oldest first; a build seen again stands here twice.
    recent: VecDeque<(Second, BuildKey)>,
    /// The newest effective time of each build in `recent`. Kept only while `recent` is long enough for a rule to hold:
    /// most tags never get there.
    newest: HashMap<BuildKey, Second, foldhash::fast::RandomState>,
    /// What each rule counts now, in the order of the rules.
    counts: Vec<RuleCount>,
    /// When events happened.
    happened: Happened,
}

#[derive(Debug, Clone, Copy, Default)]
struct RuleCount {
    /// How many events of `recent` the rule's window has left behind.
    passed: usize,
    /// Distinct builds in the rule's window.
    distinct: u32,
}

/// What [`Windows`] is rebuilt from.
#[derive(Clone, Serialize, Deserialize)]
struct Saved {
    recent: Vec<(Second, BuildKey)>,
    happened: Happened,
}

impl From<Windows> for Saved {
    fn from(windows: Windows) -> Self {
        Self { recent: windows.recent.into(), happened: windows.happened }
    }
}

impl From<Saved> for Windows {
    fn from(saved: Saved) -> Self {
        // Nothing is counted yet: it is as soon as a rule could hold.
        Self { recent: saved.recent.into(), happened: saved.happened, ..Self::default() }
    }
}

impl Windows {
    /// Counts one event: `effective` never goes back; `happened` lies before it only where the event is late. Gives the
    /// rule that holds with it; of several, the one that reaches back furthest.
    pub fn count(
        &mut self,
        rules: &[Rule],
        build: BuildKey,
        effective: Second,
        happened: Second,
    ) -> Option<Fired> {
        let by_turn = self.count_turn(rules, build, effective);
        self.happened.add(happened, build, effective);
        let by_truth = (happened < effective).then(|| self.held_at(rules, happened)).flatten();
        by_turn.into_iter().chain(by_truth).min_by_key(|fired| fired.from)
    }

    /// The same by its turn alone: for a key of which nobody asks when late events happened.
    pub fn count_turn(&mut self, rules: &[Rule], build: BuildKey, effective: Second) -> Option<Fired> {
        if !self.could_hold(rules, build, effective) {
            return None;
        }
        self.slide(rules, effective);
        self.add(rules, build, effective);
        let holds = rules.iter().zip(&self.counts).filter(|(rule, count)| count.distinct >= rule.count);
        let fired = holds.map(|(rule, count)| Fired {
            rule: *rule,
            count: count.distinct,
            from: self.first_of(rule, count, effective),
            by_truth: false,
        });
        fired.min_by_key(|fired| fired.from)
    }

    /// What happened to which builds from one second to another, both included, as far as is remembered.
    pub fn happened(&self, from: Second, to: Second) -> impl Iterator<Item = (Second, BuildKey)> + '_ {
        self.happened.between(from, to)
    }

    /// Whether nothing is remembered that a later event could be counted with.
    pub fn is_idle(&self, now: Second) -> bool {
        self.happened.last().is_none_or(|last| last < now - HISTORY)
            && self.recent.back().is_none_or(|(second, _)| *second < now - HISTORY)
    }

    fn first_of(&self, rule: &Rule, count: &RuleCount, effective: Second) -> Second {
        let start = effective - rule.within + Seconds(1);
        self.recent.get(count.passed).map_or(start, |(second, _)| *second)
    }

    /// Whether a rule could hold with one event more, by their number alone. Where none could the event is kept, and
    /// nothing is counted.
    fn could_hold(&mut self, rules: &[Rule], build: BuildKey, now: Second) -> bool {
        let smallest = rules.iter().map(|rule| rule.count).min().unwrap_or(u32::MAX) as usize;
        if self.newest.is_empty() {
            let longest = rules.iter().map(|rule| rule.within).max().unwrap_or_default();
            while self.recent.front().is_some_and(|(second, _)| *second <= now - longest) {
                self.recent.pop_front();
            }
            if self.recent.len() + 1 < smallest {
                self.recent.push_back((now, build));
                return false;
            }
            self.track(rules);
        } else if self.recent.len() * 2 < smallest {
            self.newest.clear();
            return self.could_hold(rules, build, now);
        }
        true
    }

    /// Begins to count what `recent` holds.
    fn track(&mut self, rules: &[Rule]) {
        let Self { recent, newest, .. } = self;
        recent.retain(|&(second, build)| newest.insert(build, second) != Some(second));
        self.recount(rules);
    }

    /// Lets every rule's window slide to the one that ends with second `now`.
    fn slide(&mut self, rules: &[Rule], now: Second) {
        for (rule, count) in rules.iter().zip(&mut self.counts) {
            let start = now - rule.within;
            while let Some((second, build)) =
                self.recent.get(count.passed).filter(|(second, _)| *second <= start)
            {
                // An older appearance of a build that came again is not what the window counts.
                if self.newest.get(build) == Some(second) {
                    count.distinct -= 1;
                }
                count.passed += 1;
            }
        }
        let passed_by_all = self.counts.iter().map(|count| count.passed).min().unwrap_or(0);
        for (second, build) in self.recent.drain(..passed_by_all) {
            if self.newest.get(&build) == Some(&second) {
                self.newest.remove(&build);
            }
        }
        self.counts.iter_mut().for_each(|count| count.passed -= passed_by_all);
    }

    fn add(&mut self, rules: &[Rule], build: BuildKey, now: Second) {
        let before = self.newest.insert(build, now);
        if before == Some(now) {
            return;
        }
        for (rule, count) in rules.iter().zip(&mut self.counts) {
            if before.is_none_or(|before| before <= now - rule.within) {
                count.distinct += 1;
            }
        }
        self.recent.push_back((now, build));
    }

    /// Counts anew what `recent` holds, for rules that are not those of before.
    fn recount(&mut self, rules: &[Rule]) {
        let distinct = u32::try_from(self.newest.len()).unwrap_or(u32::MAX);
        self.counts = vec![RuleCount { passed: 0, distinct }; rules.len()];
    }

    /// The rule that holds in a window around the second at which a late event happened.
    fn held_at(&self, rules: &[Rule], happened: Second) -> Option<Fired> {
        rules.iter().filter_map(|rule| self.window_around(rule, happened)).min_by_key(|fired| fired.from)
    }

    /// The first window of a rule that covers `second` and holds enough distinct builds by the time they happened.
    fn window_around(&self, rule: &Rule, second: Second) -> Option<Fired> {
        let (low, high) = (second - rule.within + Seconds(1), second + rule.within - Seconds(1));
        if !self.happened.has_between(low, high, rule.count) {
            return None;
        }
        let mut inside: HashMap<BuildKey, u32, foldhash::fast::RandomState> = HashMap::default();
        let mut first = self.happened.between(low, high).peekable();
        for (at, build) in self.happened.between(low, high) {
            *inside.entry(build).or_default() += 1;
            while let Some((_, gone)) = first.next_if(|(from, _)| *from <= at - rule.within) {
                if let Some(times) = inside.get_mut(&gone) {
                    *times -= 1;
                    if *times == 0 {
                        inside.remove(&gone);
                    }
                }
            }
            let from = first.peek().map_or(at, |(from, _)| *from);
            let covers = from <= second && second <= from + rule.within - Seconds(1);
            let count = u32::try_from(inside.len()).unwrap_or(u32::MAX);
            if count >= rule.count && (covers || at >= second) {
                return Some(Fired { rule: *rule, count, from, by_truth: true });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::Name;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn build(id: u64) -> BuildKey {
        BuildKey { instance: Name(1), id }
    }

    fn rule(count: u32, within: i64) -> Rule {
        Rule { count, within: Seconds(within) }
    }

    fn fires(rules: &[Rule], events: &[(i64, u64)]) -> Vec<Option<i64>> {
        let mut windows = Windows::default();
        let count = |(t, id): &(i64, u64)| windows.count(rules, build(*id), Second(*t), Second(*t));
        events.iter().map(count).map(|fired| fired.map(|fired| fired.from.0)).collect()
    }

    #[test]
    fn a_window_covers_its_first_second_and_not_the_one_behind_its_last() {
        let rules = [rule(3, 10)];
        assert_eq!(fires(&rules, &[(0, 1), (5, 2), (9, 3)]), [None, None, Some(0)]);
        assert_eq!(fires(&rules, &[(0, 1), (5, 2), (10, 3)]), [None, None, None]);
        assert_eq!(fires(&rules, &[(0, 1), (5, 2), (10, 3), (14, 4)]), [None, None, None, Some(5)]);
    }

    #[test]
    fn one_build_counts_once() {
        let rules = [rule(2, 10)];
        assert_eq!(fires(&rules, &[(0, 1), (1, 1), (1, 1), (9, 1), (10, 1)]), [None; 5]);
        // Seen again at 9, the build still counts when its first appearance has left the window.
        assert_eq!(fires(&rules, &[(0, 1), (9, 1), (12, 2)]), [None, None, Some(9)]);
    }

    #[test]
    fn of_two_rules_the_one_that_reaches_back_further_claims() {
        let rules = [rule(3, 2), rule(4, 60)];
        assert_eq!(fires(&rules, &[(0, 1), (50, 2), (51, 3), (51, 4)]), [None, None, None, Some(0)]);
    }

    #[test]
    fn a_late_event_counts_where_it_happened_and_where_it_came() {
        let rules = [rule(3, 10)];
        let mut windows = Windows::default();
        assert_eq!(windows.count(&rules, build(1), Second(100), Second(100)), None);
        assert_eq!(windows.count(&rules, build(2), Second(105), Second(105)), None);
        assert_eq!(windows.count(&rules, build(9), Second(300), Second(300)), None);
        let fired = windows.count(&rules, build(3), Second(300), Second(109));
        assert_eq!(fired, Some(Fired { rule: rules[0], count: 3, from: Second(100), by_truth: true }));
        assert_eq!(
            windows.count(&rules, build(4), Second(301), Second(301)).map(|fired| fired.from.0),
            Some(300)
        );
    }

    #[test]
    fn a_late_event_just_outside_the_window_does_not_make_it_hold() {
        let rules = [rule(3, 10)];
        for (happened, holds) in [(95, false), (96, true), (109, true), (110, false)] {
            let mut windows = Windows::default();
            windows.count(&rules, build(1), Second(100), Second(100));
            windows.count(&rules, build(2), Second(105), Second(105));
            windows.count(&rules, build(9), Second(300), Second(300));
            assert_eq!(
                windows.count(&rules, build(3), Second(300), Second(happened)).is_some(),
                holds,
                "{happened}"
            );
        }
    }

    #[test]
    fn what_is_saved_counts_on() {
        let rules = [rule(3, 10), rule(2, 3)];
        let mut windows = Windows::default();
        windows.count(&rules, build(1), Second(0), Second(0));
        windows.count(&rules, build(2), Second(5), Second(5));
        let text = serde_json::to_string(&windows).unwrap();
        let mut again: Windows = serde_json::from_str(&text).unwrap();
        for (id, t) in [(3, 9), (4, 10), (5, 30)] {
            let (a, b) = (
                windows.count(&rules, build(id), Second(t), Second(t)),
                again.count(&rules, build(id), Second(t), Second(t)),
            );
            assert_eq!(a, b);
        }
    }

    /// By definition: every window, every set.
    fn reference(rules: &[Rule], seen: &[(i64, i64, u64)]) -> Option<i64> {
        let (now, happened, _) = *seen.last()?;
        let mut from = Vec::new();
        for rule in rules {
            let window = |low: i64, time: fn(&(i64, i64, u64)) -> i64| {
                let inside: Vec<_> =
                    seen.iter().filter(|event| (low..low + rule.within.0).contains(&time(event))).collect();
                let distinct: BTreeSet<_> = inside.iter().map(|event| event.2).collect();
                let first = inside.iter().map(|event| time(event)).min();
                (distinct.len() >= rule.count as usize).then_some(first).flatten()
            };
            // A build's older appearance in the window is not counted where it came again: the first second is
            // told from all the same.
            from.extend(window(now - rule.within.0 + 1, |event| event.0));
            if happened < now {
                let lows = happened - rule.within.0 + 1..=happened;
                from.extend(lows.filter_map(|low| window(low, |event| event.1)).min());
            }
        }
        from.into_iter().min()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn agrees_with_the_definition(
            steps in prop::collection::vec((0i64..4, 0u64..9, prop::option::weighted(0.2, 1i64..30)), 1..60),
            count in 2u32..7, within in 1i64..9,
        ) {
            let rules = [rule(count, within), rule(count + 3, within * 3)];
            let (mut windows, mut seen, mut now) = (Windows::default(), Vec::new(), 1_000);
            for (step, id, late) in steps {
                now += step;
                let happened = late.map_or(now, |late| now - late);
                seen.push((now, happened, id));
                let fired = windows.count(&rules, build(id), Second(now), Second(happened));
                prop_assert_eq!(fired.is_some(), reference(&rules, &seen).is_some());
                prop_assert_eq!(fired.map(|fired| fired.from.0), reference(&rules, &seen));
            }
        }
    }
}
