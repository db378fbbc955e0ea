//! The governor's time: the wall clock as it is handed in, and the guarded time that is counted from it.
//!
//! The wall clock may step. Everything inside the governor (refill, waits, probes) therefore runs on guarded time, which
//! adds up the forward movements of the wall clock and nothing else: a step back costs no wait already served and grants
//! none, a step forward shortens waits and refills at most one full bucket. It goes on over a restart.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Second;

/// A reading of the wall clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl fmt::Display for Millis {
    /// ISO 8601 in UTC, the fraction of a second cut off.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Second::from_millis(self.0).fmt(f)
    }
}

/// A point in guarded time: milliseconds the governor has seen pass since its first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn after(self, length: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(length)))
    }

    /// Whether `length` has passed since `earlier`.
    pub(crate) fn is_past(self, earlier: Self, length: Duration) -> bool {
        self >= earlier.after(length)
    }
}

/// A length in milliseconds, a fraction counted as a whole one: a wait is never cut short.
pub(crate) fn whole_millis(length: Duration) -> u64 {
    u64::try_from(length.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The last reading of the wall clock, and the guarded time it stood for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GuardedClock {
    wall: Millis,
    moment: Moment,
}

impl GuardedClock {
    /// Guarded time begins at this reading.
    pub(crate) fn begin(now: Millis) -> Self {
        Self { wall: now, moment: Moment(0) }
    }

    /// Takes a new reading; returns the milliseconds that passed, 0 where the wall clock went back.
    pub(crate) fn read(&mut self, now: Millis) -> u64 {
        let elapsed = if now > self.wall { now.0.abs_diff(self.wall.0) } else { 0 };
        self.wall = now;
        self.moment = Moment(self.moment.0.saturating_add(elapsed));
        elapsed
    }

    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    /// What the wall clock will show at `moment`, unless it steps before.
    pub(crate) fn wall_at(&self, moment: Moment) -> Millis {
        let ahead = i128::from(moment.0) - i128::from(self.moment.0);
        let wall = (i128::from(self.wall.0) + ahead).clamp(i64::MIN.into(), i64::MAX.into());
        Millis(i64::try_from(wall).unwrap_or(i64::MAX))
    }

    /// What is left, from the last reading on, of a wait of `length` that began when the wall clock showed `begun`:
    /// never longer than `length`, whatever the clock says.
    pub(crate) fn rest_of(&self, begun: Millis, length: Duration) -> u64 {
        let served = if self.wall > begun { self.wall.0.abs_diff(begun.0) } else { 0 };
        whole_millis(length).saturating_sub(served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forward_movements_count() {
        let mut clock = GuardedClock::begin(Millis(1_000));
        let readings = [(1_000, 0), (1_500, 500), (200, 0), (300, 100), (300, 0), (i64::MAX, i64::MAX - 300)];
        for (now, elapsed) in readings {
            assert_eq!(clock.read(Millis(now)), u64::try_from(elapsed).unwrap(), "at {now}");
        }
        assert_eq!(clock.read(Millis(i64::MIN)), 0);
        assert_eq!(clock.read(Millis(i64::MAX)), u64::MAX);
        assert_eq!(clock.moment(), Moment(u64::MAX));
    }

    #[test]
    fn a_moment_is_told_in_the_time_of_the_wall() {
        let mut clock = GuardedClock::begin(Millis(5_000));
        clock.read(Millis(7_000));
        for (moment, wall) in [(2_000, 7_000), (2_001, 7_001), (0, 5_000)] {
            assert_eq!(clock.wall_at(Moment(moment)), Millis(wall));
        }
        assert_eq!(clock.wall_at(Moment(u64::MAX)), Millis(i64::MAX));
    }

    #[test]
    fn the_rest_of_a_wait_is_never_longer_than_the_wait() {
        let clock = GuardedClock::begin(Millis(10_000));
        for (begun, rest) in [(10_000, 4_000), (9_999, 3_999), (6_000, 0), (0, 0), (99_000, 4_000)] {
            assert_eq!(clock.rest_of(Millis(begun), Duration::from_secs(4)), rest, "begun at {begun}");
        }
        assert_eq!(whole_millis(Duration::from_nanos(1)), 1);
    }
}
