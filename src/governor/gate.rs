//! The load gate: nothing is submitted while Koji is overloaded.
//!
//! It closes at once when any measure of a sample is above its limit. It opens again when `dwell` has passed since and
//! the newest sample has every measure at or below the lower of its two limits. So it closes at most once in each
//! `dwell`, however the measures swing. Without a sample of the last `stale_after` nothing is known of Koji, and nothing
//! is submitted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::clock::Moment;
use super::load::Load;
use super::settings::{Limit, LoadSettings};

/// What the shell measured of Koji at one time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadSample {
    /// The load of each arch that the builds need, by [`arch_load`](super::load::arch_load).
    pub arches: BTreeMap<Box<str>, Load>,
    /// Tasks that no builder has taken yet (state FREE).
    pub free_tasks: u32,
    /// `newRepo` tasks that are not finished.
    pub new_repos: u32,
    /// What a cheap call (`getLastEvent`) took.
    pub latency_ms: u32,
}

/// What speaks against submitting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strain {
    /// The builders of an arch are busy.
    HostLoad {
        /// The busiest arch.
        arch: Box<str>,
        /// Its load.
        load: Load,
        /// The gate opens at this load or below.
        open_at: Load,
    },
    /// Too many tasks wait for a builder.
    FreeTasks {
        /// How many do.
        count: u32,
        /// The gate opens at this number or below.
        open_at: u32,
    },
    /// Too many repositories wait to be made.
    NewRepos {
        /// How many do.
        count: u32,
        /// The gate opens at this number or below.
        open_at: u32,
    },
    /// The hub answers slowly.
    Latency {
        /// What a cheap call took.
        latency_ms: u32,
        /// The gate opens at this length or below.
        open_at_ms: u32,
    },
    /// All measures are low again, but the gate closed less than `dwell` ago.
    Dwell,
    /// Nothing has been measured yet.
    NoSample,
    /// The newest sample is too old to say anything.
    StaleSample {
        /// Its age.
        age_ms: u64,
    },
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostLoad { arch, load, open_at } => {
                write!(
                    f,
                    "the load of Koji's {arch} builders is {load}; submitting goes on at {open_at} or below"
                )
            }
            Self::FreeTasks { count, open_at } => {
                write!(
                    f,
                    "{count} tasks wait for a builder in Koji; submitting goes on at {open_at} or fewer"
                )
            }
            Self::NewRepos { count, open_at } => {
                write!(
                    f,
                    "{count} newRepo tasks are unfinished in Koji; submitting goes on at {open_at} or fewer"
                )
            }
            Self::Latency { latency_ms, open_at_ms } => {
                write!(
                    f,
                    "Koji took {latency_ms} ms for a cheap call; submitting goes on at {open_at_ms} ms or less"
                )
            }
            Self::Dwell => f.write_str("Koji's load is low again, but was high a moment ago"),
            Self::NoSample => f.write_str("Koji's load has not been measured yet"),
            Self::StaleSample { age_ms } => {
                write!(
                    f,
                    "Koji's load was last measured {} s ago; check that the hub can be asked",
                    age_ms / 1_000
                )
            }
        }
    }
}

/// Open or closed, and the newest sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(super) struct Gate {
    /// When it closed; `None`: open.
    closed_at: Option<Moment>,
    /// The newest sample: when it came, and what in it is above the lower limit.
    newest: Option<(Moment, Option<Strain>)>,
}

impl Gate {
    /// Takes a sample.
    pub(super) fn sample(&mut self, at: Moment, sample: &LoadSample, settings: &LoadSettings) {
        if self.closed_at.is_none() && strain(sample, settings, Limit::is_above_upper).is_some() {
            self.closed_at = Some(at);
        }
        self.newest = Some((at, strain(sample, settings, Limit::is_above_lower)));
    }

    /// Opens, where it is time.
    pub(super) fn advance(&mut self, now: Moment, settings: &LoadSettings) {
        let is_low = matches!(self.newest, Some((_, None)));
        if is_low && self.closed_at.is_some_and(|closed_at| now.is_past(closed_at, settings.dwell)) {
            self.closed_at = None;
        }
    }

    /// What speaks against submitting, with the time at which that ends by itself, if it can.
    pub(super) fn strain(&self, now: Moment, settings: &LoadSettings) -> Option<(Strain, Option<Moment>)> {
        let Some((sampled_at, strain)) = &self.newest else {
            return Some((Strain::NoSample, None));
        };
        if now > sampled_at.after(settings.stale_after) {
            return Some((Strain::StaleSample { age_ms: now.0.saturating_sub(sampled_at.0) }, None));
        }
        let closed_at = self.closed_at?;
        Some(match strain {
            Some(strain) => (strain.clone(), None),
            None => (Strain::Dwell, Some(closed_at.after(settings.dwell))),
        })
    }
}

/// Which of a measure's two limits is asked for.
type IsAbove = fn(Limit, u32) -> bool;

/// The first measure of a sample that is above its limit; of the arches the busiest.
fn strain(sample: &LoadSample, settings: &LoadSettings, is_above: IsAbove) -> Option<Strain> {
    let busiest = sample.arches.iter().max_by_key(|(_, load)| **load);
    let hosts =
        busiest.filter(|(_, load)| is_above(settings.host_load, load.millionths())).map(|(arch, load)| {
            Strain::HostLoad { arch: arch.clone(), load: *load, open_at: settings.host_load_open_at() }
        });
    let over = |limit: Option<Limit>, value: u32| {
        limit.filter(|limit| is_above(*limit, value)).map(|limit| (value, limit.lower()))
    };
    hosts
        .or_else(|| {
            over(settings.latency_ms, sample.latency_ms)
                .map(|(latency_ms, open_at_ms)| Strain::Latency { latency_ms, open_at_ms })
        })
        .or_else(|| {
            over(settings.new_repos, sample.new_repos)
                .map(|(count, open_at)| Strain::NewRepos { count, open_at })
        })
        .or_else(|| {
            over(settings.free_tasks, sample.free_tasks)
                .map(|(count, open_at)| Strain::FreeTasks { count, open_at })
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn settings() -> LoadSettings {
        let limit = |upper, lower| Some(Limit::new(upper, lower).unwrap());
        LoadSettings {
            free_tasks: limit(100, 50),
            new_repos: limit(30, 20),
            latency_ms: limit(5_000, 1_000),
            dwell: Duration::from_secs(60),
            stale_after: Duration::from_secs(600),
            ..LoadSettings::new(Load::from_share(0.75)).unwrap()
        }
    }

    fn hosts(share: f64) -> LoadSample {
        LoadSample {
            arches: [("x86_64".into(), Load::from_share(0.1)), ("s390x".into(), Load::from_share(share))]
                .into(),
            ..LoadSample::default()
        }
    }

    fn is_open(gate: &Gate, now: Moment) -> bool {
        gate.strain(now, &settings()).is_none()
    }

    fn sampled(gate: &mut Gate, at: u64, sample: &LoadSample) -> bool {
        gate.sample(Moment(at), sample, &settings());
        gate.advance(Moment(at), &settings());
        is_open(gate, Moment(at))
    }

    #[test]
    fn each_measure_closes_above_its_upper_limit_and_opens_at_its_lower() {
        let free = |free_tasks| LoadSample { free_tasks, ..hosts(0.0) };
        let repos = |new_repos| LoadSample { new_repos, ..hosts(0.0) };
        let slow = |latency_ms| LoadSample { latency_ms, ..hosts(0.0) };
        for (name, fine, strained, still, low) in [
            ("s390x builders is 0.751", hosts(0.75), hosts(0.750_001), hosts(0.650_001), hosts(0.65)),
            ("101 tasks", free(100), free(101), free(51), free(50)),
            ("31 newRepo", repos(30), repos(31), repos(21), repos(20)),
            ("took 5001 ms", slow(5_000), slow(5_001), slow(1_001), slow(1_000)),
        ] {
            let mut gate = Gate::default();
            assert!(sampled(&mut gate, 0, &fine), "{name}: at the upper limit");
            assert!(!sampled(&mut gate, 0, &strained), "{name}: above it");
            let (strain, until) = gate.strain(Moment(0), &settings()).unwrap();
            assert!(strain.to_string().contains(name) && until.is_none(), "{strain}");
            assert!(!sampled(&mut gate, 60_000, &still), "{name}: above the lower limit");
            assert!(sampled(&mut gate, 60_001, &low), "{name}: at the lower limit");
            assert!(sampled(&mut gate, 60_001, &fine), "{name}: it is open, so only the upper counts");
        }
    }

    #[test]
    fn it_stays_closed_for_the_dwell() {
        let mut gate = Gate::default();
        assert!(!sampled(&mut gate, 1_000, &hosts(0.9)));
        assert!(!sampled(&mut gate, 2_000, &hosts(0.0)));
        assert_eq!(gate.strain(Moment(60_999), &settings()), Some((Strain::Dwell, Some(Moment(61_000)))));
        gate.advance(Moment(60_999), &settings());
        assert!(!is_open(&gate, Moment(60_999)));
        gate.advance(Moment(61_000), &settings());
        assert!(is_open(&gate, Moment(61_000)));
    }

    #[test]
    fn without_a_young_sample_it_is_closed() {
        let mut gate = Gate::default();
        assert_eq!(gate.strain(Moment(0), &settings()), Some((Strain::NoSample, None)));
        assert!(sampled(&mut gate, 0, &hosts(0.5)));
        assert!(is_open(&gate, Moment(600_000)));
        assert_eq!(
            gate.strain(Moment(600_001), &settings()),
            Some((Strain::StaleSample { age_ms: 600_001 }, None))
        );
        assert!(sampled(&mut gate, 600_001, &hosts(0.5)));
    }

    #[test]
    fn a_measure_without_limits_is_not_looked_at() {
        let settings = LoadSettings { free_tasks: None, new_repos: None, latency_ms: None, ..settings() };
        let sample = LoadSample { free_tasks: 9_999, new_repos: 9_999, latency_ms: 99_999, ..hosts(0.0) };
        let mut gate = Gate::default();
        gate.sample(Moment(0), &sample, &settings);
        assert_eq!(gate.strain(Moment(0), &settings), None);
    }

    proptest! {
        /// However the load swings: never open on a sample above the upper limit, never closed on one below the lower for
        /// longer than the dwell, and between two closings there is a dwell.
        #[test]
        fn it_does_not_flap(samples in prop::collection::vec((0u64..30_000, 0.5f64..1.0), 1..200)) {
            let mut gate = Gate::default();
            let (mut now, mut was_open, mut closed_at): (u64, bool, Option<u64>) = (0, true, None);
            for (wait, share) in samples {
                now += wait;
                let share = (share * 100.0).round() / 100.0;
                let open = sampled(&mut gate, now, &hosts(share));
                prop_assert!(!(open && share > 0.75), "open at {share}");
                if was_open && !open {
                    prop_assert!(share > 0.75, "closed at {share}");
                    prop_assert!(closed_at.is_none_or(|before| now >= before + 60_000), "closed twice by {now}");
                    closed_at = Some(now);
                }
                if !was_open && open {
                    prop_assert!(share <= 0.65, "opened at {share}");
                }
                let dwelt = closed_at.is_none_or(|at| now >= at + 60_000);
                prop_assert!(open || share > 0.65 || !dwelt, "still closed at {share}");
                was_open = open;
            }
        }
    }
}
