//! What the governor is told: rate, bounds, limits.

use std::num::NonZeroU32;
use std::time::Duration;

use super::bucket::Bucket;
use super::load::Load;
use super::rate::Rate;

/// Settings of a governor. Lengths are in the time that is handed to it, to the millisecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How fast the bucket fills.
    pub rate: Rate,
    /// Tokens the bucket holds: what may go at once after a pause. At most 1,000,000.
    pub capacity: NonZeroU32,
    /// Builds under way at one time.
    pub in_flight: NonZeroU32,
    /// Builds that wait at one time; at the bound more are refused. Those under way have a place beside it, to be put back
    /// to. As many groups can be held.
    pub waiting_max: NonZeroU32,
    /// The longest that a build waits for a held one of its group, from its admission.
    pub partner_held: Duration,
    /// When Koji counts as overloaded; `None`: the sink has no load to be measured.
    pub load: Option<LoadSettings>,
    /// How a hub that is offline is probed.
    pub probes: ProbeSettings,
}

/// When Koji counts as overloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadSettings {
    /// Limits of the busiest arch, in millionths.
    pub host_load: Limit,
    /// Limits of the number of FREE tasks; `None`: not looked at.
    pub free_tasks: Option<Limit>,
    /// Limits of the number of unfinished `newRepo` tasks.
    pub new_repos: Option<Limit>,
    /// Limits of the time a cheap call takes.
    pub latency_ms: Option<Limit>,
    /// How long the gate stays closed at least.
    pub dwell: Duration,
    /// The age from which on a sample says nothing any more; more than twice the time between samples.
    pub stale_after: Duration,
}

/// Two limits of one measure: above the upper the gate closes, at or below the lower it may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    upper: u32,
    lower: u32,
}

/// How a hub that is offline is asked whether it is back. The waits double from `first` up to `max`; of each, the second half
/// is subject to jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeSettings {
    /// The longest wait before the first probe.
    pub first: Duration,
    /// The longest wait before any probe.
    pub max: Duration,
}

/// Settings that contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The capacity is above what the bucket can count.
    #[error("capacity is at most 1,000,000 builds, not {0}")]
    Capacity(u32),
    /// A lower limit that is not below the upper.
    #[error("a gate that closes above {upper} cannot open at {lower}: the second must be smaller")]
    Limit {
        /// Above this it closes.
        upper: u32,
        /// At or below this it opens.
        lower: u32,
    },
    /// The waits between probes make no sense.
    #[error("the first wait before a probe is longer than 0 s and no longer than the longest")]
    Probes,
}

impl Limit {
    /// `lower` must be below `upper`: with one limit for both the gate would flap.
    pub fn new(upper: u32, lower: u32) -> Result<Self, SettingsError> {
        if lower < upper { Ok(Self { upper, lower }) } else { Err(SettingsError::Limit { upper, lower }) }
    }

    pub(super) fn is_above_upper(self, value: u32) -> bool {
        value > self.upper
    }

    pub(super) fn is_above_lower(self, value: u32) -> bool {
        value > self.lower
    }

    pub(super) fn lower(self) -> u32 {
        self.lower
    }
}

impl LoadSettings {
    /// Closes above `load_max`, opens at 0.1 below it (at idle for less), looks at the other measures with their defaults.
    ///
    /// Their reasons: 30 `newRepo` tasks are what Fedora's Kojira allows itself; a cheap call takes a hub 4 ms at rest,
    /// so one of 10 s waits in a queue; 2,000 FREE tasks are some hours of work for Fedora's builders.
    pub fn new(load_max: Load) -> Result<Self, SettingsError> {
        let open_at = load_max.less(Load::from_share(0.1));
        Ok(Self {
            host_load: Limit::new(load_max.millionths(), open_at.millionths())?,
            free_tasks: Some(Limit { upper: 2_000, lower: 1_000 }),
            new_repos: Some(Limit { upper: 30, lower: 20 }),
            latency_ms: Some(Limit { upper: 10_000, lower: 2_000 }),
            dwell: Duration::from_secs(300),
            stale_after: Duration::from_secs(600),
        })
    }

    pub(super) fn host_load_open_at(&self) -> Load {
        Load::from_millionths(self.host_load.lower)
    }
}

impl Settings {
    /// With the design's defaults for all that is not given, and no load gate.
    pub fn new(rate: Rate, capacity: NonZeroU32, in_flight: NonZeroU32) -> Self {
        Self {
            rate,
            capacity,
            in_flight,
            waiting_max: NonZeroU32::MIN.saturating_add(500_000 - 1),
            partner_held: Duration::from_secs(2 * 3_600),
            load: None,
            probes: ProbeSettings { first: Duration::from_secs(20), max: Duration::from_secs(600) },
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if self.capacity.get() > Bucket::CAPACITY_MAX {
            return Err(SettingsError::Capacity(self.capacity.get()));
        }
        if self.probes.first.is_zero() || self.probes.first > self.probes.max {
            return Err(SettingsError::Probes);
        }
        Ok(())
    }
}
