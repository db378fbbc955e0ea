//! What the submitter is told: how the sink takes builds, and its waits and bounds.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::governor::settings::Settings as GovernorSettings;

/// Inquiries in one check, and markers in one look-up.
pub(super) const BATCH_MAX: usize = 50;
/// Tasks asked after in one call.
pub(super) const FOLLOW_MAX: usize = 200;
/// The age from which on a finding is not used any more.
pub(super) const FINDING_AGE_MAX: Duration = Duration::from_secs(60);
/// What one look at the clock adds to a wait that a step of the clock must not cut short.
pub(super) const TICK: Duration = Duration::from_secs(10);
/// How long a row waits of which Koji told nothing clear, or that did not fit in.
pub(super) const ROW_WAIT: Duration = Duration::from_secs(300);
/// How long a sink that forbids is left alone.
pub(super) const FORBIDDEN_WAIT: Duration = Duration::from_secs(300);
/// The first wait after trouble, and the longest.
pub(super) const TROUBLE_WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// The first wait after a failure of the infrastructure, and the longest.
pub(super) const RETRY_WAIT: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(7_200));
/// The time after which a task that the hub does not know is reported.
pub(super) const UNKNOWN_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// How far before an intent its task is looked for: our clock may be that much ahead of the hub's.
pub(super) const LOOK_BACK_SECONDS: i64 = 24 * 3_600;
/// How far before the tagging: the hub's own clock said when that was.
pub(super) const TAGGED_MARGIN_SECONDS: i64 = 3_600;
/// Packages that can be denied.
pub(super) const DENIALS_MAX: usize = 10_000;

/// How a sink takes builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// One by one in a session that can be fenced; what is in doubt is looked up (Koji).
    Fenced,
    /// In chunks, without a look-up: what is in doubt, a person decides (`ELNBuildSync`).
    Batched {
        /// Builds in a chunk; at most 50.
        names_max: NonZeroU32,
        /// How long the next chunk waits for the last, if nobody says that it is done.
        chunk_timeout: Duration,
    },
    /// One by one with a key by which the receiver knows what it has: what is lost is sent again (Kafka, webhook).
    Repeatable,
    /// Nowhere.
    DryRun,
}

/// Settings of a submitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The governor's.
    pub governor: GovernorSettings,
    /// How the sink takes builds.
    pub manner: Manner,
    /// Whether Koji is asked before each submission. A fenced sink does so in any case.
    pub checks: bool,
    /// How long after the fence a call may still land.
    pub settle: Duration,
    /// Retries of a build after failures of the infrastructure.
    pub retries: u32,
    /// How often tasks are asked after.
    pub follow_every: Duration,
    /// How often the load is measured, while builds wait.
    pub sample_every: Duration,
}

impl Settings {
    /// With the design's defaults for all that is not given.
    pub fn new(governor: GovernorSettings, manner: Manner) -> Self {
        Self {
            governor,
            manner,
            checks: true,
            settle: Duration::from_secs(120),
            retries: 3,
            follow_every: Duration::from_secs(60),
            sample_every: Duration::from_secs(120),
        }
    }

    pub(super) fn is_checked(&self) -> bool {
        self.checks || self.manner == Manner::Fenced
    }

    pub(super) fn chunk_timeout(&self) -> Option<Duration> {
        match self.manner {
            Manner::Batched { chunk_timeout, .. } => Some(chunk_timeout),
            Manner::Fenced | Manner::Repeatable | Manner::DryRun => None,
        }
    }

    /// Orders in one call.
    pub(super) fn orders_max(&self) -> usize {
        match self.manner {
            Manner::Batched { names_max, .. } => {
                usize::try_from(names_max.get()).unwrap_or(BATCH_MAX).min(BATCH_MAX)
            }
            Manner::Fenced | Manner::Repeatable | Manner::DryRun => 1,
        }
    }
}
