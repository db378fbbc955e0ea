//! Why nothing may be submitted now, and until when.

use std::fmt;

use serde::Serialize;

use super::clock::Millis;
use super::gate::Strain;
use super::rate::Rate;

/// A refusal. Of several reasons the first in the order of [`Why`] is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotUntil {
    /// When this reason ends by itself: asking before is of no use, unless something else happened to the governor. `None`: it
    /// ends only by that. With [`Why::Tokens`] asking then succeeds, with [`Why::HubOffline`] a probe is due then.
    pub at: Option<Millis>,
    /// The reason.
    pub why: Why,
}

/// The reason of a refusal, in the order in which they are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason", content = "detail")]
pub enum Why {
    /// No build waits.
    QueueEmpty,
    /// The hub said that it is offline (fault 1014).
    HubOffline {
        /// When it was found so.
        since: Millis,
        /// Probes that found it so again.
        probes: u32,
    },
    /// Koji is overloaded, or nothing is known of its load.
    LoadGate(Strain),
    /// As many builds are under way as may.
    InFlight {
        /// How many are.
        in_flight: u32,
        /// How many may.
        max: u32,
    },
    /// All that wait stand aside for a held build of their group.
    PartnerHeld {
        /// How many builds do.
        builds: u32,
    },
    /// The bucket has no whole token.
    Tokens {
        /// How fast it fills.
        rate: Rate,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueEmpty => f.write_str("no build waits"),
            Self::HubOffline { since, probes } => {
                write!(f, "Koji says that it is offline, since {since}; probes so far: {probes}")
            }
            Self::LoadGate(strain) => strain.fmt(f),
            Self::InFlight { in_flight, max } => {
                write!(f, "{in_flight} builds are under way, more than {max} may not be")
            }
            Self::PartnerHeld { builds } => {
                write!(
                    f,
                    "builds that wait for a held build of their group: {builds}; decide the hold to let them go"
                )
            }
            Self::Tokens { rate } if *rate == Rate::STOPPED => {
                f.write_str("the rate is 0/h; set another to let builds go")
            }
            Self::Tokens { rate } => write!(f, "the rate of {rate} is used up"),
        }
    }
}

impl fmt::Display for NotUntil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)?;
        match self.at {
            Some(at) => write!(f, " (until {at})"),
            None => Ok(()),
        }
    }
}
