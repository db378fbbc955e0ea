//! How fast the bucket fills.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Builds an hour, kept as a whole number of millionths, so that every sum made from it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rate(u64);

/// A rate that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum RateError {
    /// Negative or not a number.
    #[error("a rate is 0 or more builds an hour, not {0}")]
    NoRate(f64),
    /// Above [`Rate::MAX`].
    #[error("a rate is at most 1,000,000 builds an hour, not {0}")]
    TooFast(f64),
    /// Above 0, but less than half a millionth of a build an hour: it would be rounded to a standstill.
    #[error("{0} builds an hour is less than one build in a century; write 0 to stop")]
    TooSlow(f64),
}

impl Rate {
    /// Nothing flows: the bucket keeps what it has.
    pub const STOPPED: Self = Self(0);
    /// The fastest rate, 1,000,000 builds an hour.
    pub const MAX: Self = Self(1_000_000 * Self::SCALE);
    const SCALE: u64 = 1_000_000;

    /// From whole builds an hour; more than [`Rate::MAX`] counts as that.
    pub fn per_hour(builds: u32) -> Self {
        Self((u64::from(builds) * Self::SCALE).min(Self::MAX.0))
    }

    /// From builds an hour with a fraction, to the nearest millionth. That is the rate from here on: what the governor
    /// promises, it promises of the rounded one, which differs by at most one build in 228 years.
    pub fn from_per_hour(builds: f64) -> Result<Self, RateError> {
        if !(builds >= 0.0 && builds.is_finite()) {
            return Err(RateError::NoRate(builds));
        }
        let scaled = (builds * 1e6).round();
        if scaled > 1e12 {
            return Err(RateError::TooFast(builds));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 10^12, as checked above"
        )]
        let millionths = scaled as u64;
        if millionths == 0 && builds > 0.0 { Err(RateError::TooSlow(builds)) } else { Ok(Self(millionths)) }
    }

    /// Millionths of a build an hour.
    pub fn millionths_per_hour(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Rate {
    type Error = String;

    fn try_from(millionths: u64) -> Result<Self, String> {
        if millionths <= Self::MAX.0 {
            Ok(Self(millionths))
        } else {
            Err(format!("a rate is at most {} millionths of a build an hour, not {millionths}", Self::MAX.0))
        }
    }
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

impl fmt::Display for Rate {
    /// As people write it: `40/h`, `0.5/h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::SCALE, self.0 % Self::SCALE);
        if fraction == 0 {
            return write!(f, "{whole}/h");
        }
        let digits = format!("{fraction:06}");
        write!(f, "{whole}.{}/h", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_as_it_was_meant() {
        for (builds, millionths, text) in [
            (0.0, 0, "0/h"),
            (40.0, 40_000_000, "40/h"),
            (0.5, 500_000, "0.5/h"),
            (4.35, 4_350_000, "4.35/h"),
            (1.0 / 7.0, 142_857, "0.142857/h"),
            (0.000_000_5, 1, "0.000001/h"),
            (1e6, 1_000_000_000_000, "1000000/h"),
        ] {
            let rate = Rate::from_per_hour(builds).unwrap();
            assert_eq!((rate.millionths_per_hour(), rate.to_string().as_str()), (millionths, text));
            assert_eq!(serde_json::from_str::<Rate>(&serde_json::to_string(&rate).unwrap()).unwrap(), rate);
        }
        assert_eq!(Rate::per_hour(40), Rate::from_per_hour(40.0).unwrap());
        assert_eq!(Rate::per_hour(u32::MAX), Rate::MAX);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for builds in [-1.0, f64::NAN, f64::INFINITY, -f64::MIN_POSITIVE] {
            assert!(matches!(Rate::from_per_hour(builds), Err(RateError::NoRate(_))), "{builds}");
        }
        assert_eq!(Rate::from_per_hour(1_000_000.1), Err(RateError::TooFast(1_000_000.1)));
        assert_eq!(Rate::from_per_hour(0.000_000_4), Err(RateError::TooSlow(0.000_000_4)));
        assert!(serde_json::from_str::<Rate>("1000000000001").is_err());
    }
}
