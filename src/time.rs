//! Time in the core: whole seconds since 1970, UTC.
//!
//! The hub stamps its messages with whole seconds, so every window and timer of the core counts in them.
//! Nothing here reads a clock: time always comes as an argument.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A point in event time: whole seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Second(pub i64);

/// A length of event time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Seconds(pub i64);

impl Second {
    /// Before every real event.
    pub const MIN: Self = Self(i64::MIN / 4);
    /// After every real event.
    pub const MAX: Self = Self(i64::MAX / 4);
    /// 2010-01-01T00:00:00Z: no message that Tidegate reads is older, a clock that says so is wrong.
    pub const YEAR_2010: Self = Self(1_262_304_000);

    /// Reads an ISO 8601 date and time as people and programs write it: `2025-02-04T06:00:00+00:00`, with `Z`,
    /// any offset, a fraction (cut off), or no zone (taken as UTC). `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (date, rest) = bytes.split_at_checked(19)?;
        let [
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T' | b't' | b' ',
            h0,
            h1,
            b':',
            i0,
            i1,
            b':',
            s0,
            s1,
        ] = *date
        else {
            return None;
        };
        let year = digits(&[y0, y1, y2, y3])?;
        let (month, day) = (digits(&[m0, m1])?, digits(&[d0, d1])?);
        let (hour, minute, second) = (digits(&[h0, h1])?, digits(&[i0, i1])?, digits(&[s0, s1])?);
        let valid = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !valid {
            return None;
        }
        let offset = zone(fraction(rest)?)?;
        Some(Self(days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset))
    }

    /// From seconds with a fraction, as legacy messages carry them. `None` where no date can be meant.
    pub fn from_float(seconds: f64) -> Option<Self> {
        const LIMIT: f64 = 1e12;
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked in the same expression")]
        (seconds.is_finite() && seconds.abs() < LIMIT).then(|| Self(seconds.floor() as i64))
    }

    /// The second that a time in milliseconds since 1970 falls into.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.div_euclid(1_000))
    }
}

impl Add<Seconds> for Second {
    type Output = Self;
    fn add(self, length: Seconds) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<Seconds> for Second {
    type Output = Self;
    fn sub(self, length: Seconds) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

impl Sub for Second {
    type Output = Seconds;
    fn sub(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Second {
    /// ISO 8601 in UTC: `2025-02-04T06:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
    }
}

impl fmt::Display for Seconds {
    /// As people write it: `61s`, `10m`, `1h30m`, `14d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let total = self.0.unsigned_abs();
        for (value, unit) in
            [(total / 86_400, "d"), (total / 3_600 % 24, "h"), (total / 60 % 60, "m"), (total % 60, "s")]
        {
            if value > 0 {
                write!(f, "{value}{unit}")?;
            }
        }
        Ok(())
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Skips a fraction of a second; `None` where a point has no digit behind it.
fn fraction(rest: &[u8]) -> Option<&[u8]> {
    let [b'.' | b',', tail @ ..] = rest else { return Some(rest) };
    let length = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 { None } else { tail.get(length..) }
}

/// The offset of a time zone in seconds.
fn zone(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *text {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] | [sign @ (b'+' | b'-'), h0, h1, m0, m1] => {
            (sign, digits(&[h0, h1])?, digits(&[m0, m1])?)
        }
        [sign @ (b'+' | b'-'), h0, h1] => (sign, digits(&[h0, h1])?, 0),
        _ => return None,
    };
    let length = hours * 3_600 + minutes * 60;
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -length } else { length })
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (algorithm of Howard Hinnant).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of a day count since 1970-01-01: the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_spelling_of_one_second() {
        let noon = Second(1_738_670_400);
        for text in [
            "2025-02-04T12:00:00+00:00",
            "2025-02-04T12:00:00Z",
            "2025-02-04T12:00:00",
            "2025-02-04 12:00:00z",
            "2025-02-04T12:00:00.999999+00:00",
            "2025-02-04T07:00:00-05:00",
            "2025-02-04T17:30:00+0530",
            "2025-02-04T13:00:00+01",
        ] {
            assert_eq!(Second::parse(text), Some(noon), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2025-02-04",
            "2025-02-30T12:00:00Z",
            "2025-13-01T12:00:00Z",
            "2025-02-04T24:00:00Z",
            "2025-02-04T12:00:00.Z",
            "2025-02-04T12:00:00+25:00",
            "2025-02-04T12:00:00 UTC",
            "2025-2-4T12:00:00Z",
            "2025-02-04T12:00:0\u{e9}",
            "20250204T120000Z",
        ] {
            assert_eq!(Second::parse(text), None, "{text}");
        }
        assert_eq!(Second::from_float(f64::NAN), None);
        assert_eq!(Second::from_float(1e300), None);
        assert_eq!(Second::from_float(-0.5), Some(Second(-1)));
    }

    #[test]
    fn lengths_are_written_as_people_write_them() {
        for (seconds, text) in
            [(0, "0s"), (61, "1m1s"), (600, "10m"), (5_400, "1h30m"), (1_209_600, "14d"), (-5, "-5s")]
        {
            assert_eq!(Seconds(seconds).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(second in -62_135_596_800i64..253_402_300_800) {
            let text = Second(second).to_string();
            prop_assert_eq!(Second::parse(&text), Some(Second(second)), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let read = Second::parse(&text);
            prop_assert!(read.is_none_or(|second| second < Second::MAX));
        }
    }
}
