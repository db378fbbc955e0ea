//! The hub's word that it is offline, and when to ask it again.
//!
//! Offline is a state of the hub, not a failure of a build: it costs neither a retry nor, while it lasts, a token. The
//! shell asks with a cheap anonymous call; its answer comes back as online, or as offline once more.

use serde::{Deserialize, Serialize};

use super::clock::{Moment, whole_millis};
use super::settings::ProbeSettings;

/// A random number of the shell's, spread evenly over all values, by which a wait is shortened, so that those who wait for
/// one hub do not all ask at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(pub u32);

/// Whether the hub is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum Hub {
    #[default]
    Online,
    Offline(Offline),
}

/// A hub that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offline {
    pub(super) since: Moment,
    /// Probes that found it offline.
    pub(super) probes: u32,
    /// When the next one is due.
    pub(super) next: Moment,
}

impl Hub {
    /// The hub said that it is offline. Before the next probe is due that is no news: several calls may have met the same
    /// outage, and must not lengthen the wait.
    pub(super) fn offline(&mut self, now: Moment, jitter: Jitter, settings: ProbeSettings) {
        let (since, probes) = match *self {
            Self::Online => (now, 0),
            Self::Offline(offline) if now < offline.next => return,
            Self::Offline(offline) => (offline.since, offline.probes.saturating_add(1)),
        };
        let next = Moment(now.0.saturating_add(wait(probes, jitter, settings)));
        *self = Self::Offline(Offline { since, probes, next });
    }

    pub(super) fn probe_due(self, now: Moment) -> bool {
        matches!(self, Self::Offline(offline) if now >= offline.next)
    }
}

/// The wait before the probe after `probes` others, in milliseconds: from half of its longest up to that.
fn wait(probes: u32, jitter: Jitter, settings: ProbeSettings) -> u64 {
    let first = u128::from(whole_millis(settings.first));
    let longest = first.saturating_mul(1 << probes.min(64)).min(u128::from(whole_millis(settings.max)));
    let least = longest.div_ceil(2);
    let more = (longest - least) * u128::from(jitter.0) / u128::from(u32::MAX);
    u64::try_from(least + more).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SETTINGS: ProbeSettings =
        ProbeSettings { first: Duration::from_secs(20), max: Duration::from_secs(600) };

    #[test]
    fn waits_double_up_to_the_longest() {
        let seconds = [20, 40, 80, 160, 320, 600, 600, 600];
        for (probes, longest) in (0..).zip(seconds) {
            assert_eq!(wait(probes, Jitter(0), SETTINGS), longest * 500, "after {probes}");
            assert_eq!(wait(probes, Jitter(u32::MAX), SETTINGS), longest * 1_000, "after {probes}");
        }
        assert_eq!(wait(u32::MAX, Jitter(u32::MAX), SETTINGS), 600_000);
        assert_eq!(wait(0, Jitter(1 << 31), SETTINGS), 15_000);
    }

    #[test]
    fn only_a_probe_that_was_due_lengthens_the_wait() {
        let mut hub = Hub::Online;
        hub.offline(Moment(0), Jitter(0), SETTINGS);
        let once = hub;
        hub.offline(Moment(9_999), Jitter(0), SETTINGS);
        assert_eq!(hub, once);
        assert!(!hub.probe_due(Moment(9_999)) && hub.probe_due(Moment(10_000)));
        hub.offline(Moment(10_000), Jitter(0), SETTINGS);
        assert_eq!(hub, Hub::Offline(Offline { since: Moment(0), probes: 1, next: Moment(30_000) }));
        assert!(!Hub::Online.probe_due(Moment(0)));
    }

    proptest! {
        #[test]
        fn a_wait_stays_between_its_half_and_its_whole(
            probes in 0u32..100, jitter: u32, first in 1u64..100_000_000, factor in 1u64..1_000,
        ) {
            let settings = ProbeSettings {
                first: Duration::from_millis(first),
                max: Duration::from_millis(first * factor),
            };
            let longest = (0..probes).fold(first, |wait, _| (wait * 2).min(first * factor));
            let found = wait(probes, Jitter(jitter), settings);
            prop_assert!(longest.div_ceil(2) <= found && found <= longest, "{found} of {longest}");
        }
    }
}
