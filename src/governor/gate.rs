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
