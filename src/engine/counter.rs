//! Counts the events of a tag that triggers nothing, so that what appeared there in a burst is no evidence.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::decision::BuildKey;
use super::memory::{Class, Memory};
use super::names::Name;
use super::trail::Trails;
use super::window::{Fired, Windows};
use crate::settings::BurstSettings;
use crate::time::{Second, Seconds};

/// Which events are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterKey {
    /// The Koji instance.
    pub instance: Name,
    /// The tag.
    pub tag: Name,
    /// Builds that leave it, rather than enter it.
    pub untag: bool,
}

/// The counter of one such key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counter {
    windows: Windows,
    /// What no rule has claimed and one still could; only of tags of the trail.
    unclaimed: VecDeque<(Second, BuildKey)>,
    run: Option<Run>,
    size: Memory,
    /// What the run claimed by the time it happened, so that a flood of late events claims nothing twice.
    #[serde(skip)]
    claimed: Option<Claimed>,
}

/// How far a run has claimed by the time at which events happened: all from `from` on. What came since is in its turns.
#[derive(Debug, Clone, Copy)]
struct Claimed {
    run: u32,
    from: Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    number: u32,
    first: Second,
    held_at: Second,
}

/// One event to count.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The build.
    pub build: BuildKey,
    /// What windows run on.
    pub effective: Second,
    /// When it happened.
    pub happened: Second,
    /// The tag belongs to the trail: its appearances are evidence unless they are claimed.
    pub trail: bool,
}

impl Counter {
    /// Counts one event, and marks in `trails` what a rule claims. Gives the number of the run that it begins.
    pub fn count(
        &mut self,
        settings: &BurstSettings,
        key: CounterKey,
        event: Counted,
        trails: &mut Trails,
        runs: &mut u32,
    ) -> Option<u32> {
        let now = event.effective;
        if self.run.is_some_and(|run| run.held_at + settings.quiet <= now) {
            self.run = None;
        }
        let fired = if event.trail {
            self.unclaimed.push_back((now, event.build));
            self.windows.count(&settings.other_rules, event.build, now, event.happened)
        } else {
            self.windows.count_turn(&settings.other_rules, event.build, now)
        };
        let Some(fired) = fired else {
            self.forget(settings, now);
            return None;
        };
        let begins = self.run.is_none().then(|| {
            *runs += 1;
            *runs
        });
        let number = begins.unwrap_or_default();
        let run = self.run.get_or_insert(Run { number, first: fired.from, held_at: now });
        run.held_at = now;
        run.first = run.first.min(fired.from);
        let run = *run;
        self.claim(key, run, fired, trails);
        self.forget(settings, now);
        if self.size.size(now) >= f64::from(settings.hold_size) {
            trails.mark_large(run.number);
        }
        begins
    }

    /// Whether nothing is remembered that matters for a later event.
    pub fn is_idle(&self, now: Second) -> bool {
        self.windows.is_idle(now) && self.size.is_idle(now)
    }

    fn claim(&mut self, key: CounterKey, run: Run, fired: Fired, trails: &mut Trails) {
        let now = run.held_at;
        // What lies before the run stays: another rule may reach further back.
        let claimed = self.unclaimed.partition_point(|(at, _)| *at < run.first);
        for (_, build) in self.unclaimed.drain(claimed..) {
            trails.claim(build, key.tag, key.untag, run.first, run.number);
            self.size.add(Class::Unproven, Name::OTHER, now);
        }
        if fired.by_truth {
            self.claim_by_truth(key, run.number, fired.from, trails);
        }
    }

    /// Claims what happened from a second on, as far as the run has not claimed it before.
    fn claim_by_truth(&mut self, key: CounterKey, run: u32, from: Second, trails: &mut Trails) {
        let before = self.claimed.filter(|claimed| claimed.run == run);
        let reached = before.map_or(Second::MAX, |claimed| claimed.from);
        for (_, build) in self.windows.happened(from, reached - Seconds(1)) {
            trails.claim(build, key.tag, key.untag, from, run);
        }
        self.claimed = Some(Claimed { run, from: from.min(reached) });
    }

    /// Forgets what no rule can claim any more.
    fn forget(&mut self, settings: &BurstSettings, now: Second) {
        let longest = settings.other_rules.iter().map(|rule| rule.within).max().unwrap_or(Seconds(0));
        let since = self.run.map_or(now - longest, |run| run.first.min(now - longest));
        while self.unclaimed.front().is_some_and(|(at, _)| *at < since) {
            self.unclaimed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decision::Evidence;
    use super::super::short::Short;
    use super::super::tags::TrailTag;
    use super::super::trail::{Appearance, Proof, TrailRules};
    use super::*;
    use crate::settings::Settings;

    const KEY: CounterKey = CounterKey { instance: Name(1), tag: Name(5), untag: false };

    const T: i64 = 1_738_648_800;

    fn build(id: u64) -> BuildKey {
        BuildKey { instance: Name(1), id }
    }

    /// Feeds builds 0, 1, 2, ... at the given times and says which of them prove anything.
    fn proving(times: &[i64]) -> Vec<bool> {
        let settings = Settings::defaults("f42").burst;
        let (mut counter, mut trails, mut runs) = (Counter::default(), Trails::default(), 0);
        for (id, &t) in times.iter().enumerate() {
            let at = Second(T + t);
            let seen = Appearance {
                tag: KEY.tag,
                kind: TrailTag::Candidate,
                untag: false,
                at: Short::new(at),
                run: 0,
            };
            trails.appear(build(id as u64), seen);
            let event = Counted { build: build(id as u64), effective: at, happened: at, trail: true };
            counter.count(&settings, KEY, event, &mut trails, &mut runs);
        }
        let rules = TrailRules { max_age: Seconds(1_000_000), ripe_after: Seconds(61) };
        (0..times.len() as u64)
            .map(|id| {
                trails.prove(build(id), Second(T + 500_000), rules, &mut Evidence::default()) == Proof::Fresh
            })
            .collect()
    }

    #[test]
    fn a_burst_takes_the_proof_from_its_first_member_to_its_last() {
        let mut times = vec![0];
        times.extend((0..30).map(|n| 100 + 2 * n));
        times.push(300);
        let proving = proving(&times);
        assert!(proving[0] && proving[31]);
        assert!(proving[1..31].iter().all(|proves| !proves));
    }

    #[test]
    fn one_short_of_the_rule_is_no_burst() {
        let times: Vec<i64> = (0..29).map(|n| 100 + 2 * n).collect();
        assert!(proving(&times).iter().all(|&proves| proves));
    }

    #[test]
    fn what_comes_between_two_claims_of_one_run_belongs_to_it() {
        let mut times: Vec<i64> = (0..30).map(|n| 100 + n).collect();
        times.push(160);
        times.extend((0..30).map(|n| 180 + n / 4));
        assert!(proving(&times).iter().all(|proves| !proves));
    }
}
