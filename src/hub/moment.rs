//! A point in the hub's time, to the microsecond, and the text that Koji writes for it.

use crate::time::Second;

/// Microseconds in a second.
pub(super) const MICROS: i64 = 1_000_000;

/// Microseconds since 1970-01-01, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub i64);

impl Moment {
    /// The whole second it falls into.
    pub fn second(self) -> Second {
        Second(self.0.div_euclid(MICROS))
    }

    /// So many microseconds later.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// So many whole seconds later.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_micros(seconds.saturating_mul(MICROS))
    }

    /// Seconds since 1970 with a fraction, as in the members whose names end in `_ts`.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this age are below 2^53")]
    pub fn timestamp(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// As Python's `isoformat` writes it: no fraction where there is none.
    pub fn text(self, between: char) -> String {
        let whole: String = self
            .second()
            .to_string()
            .chars()
            .filter(|letter| *letter != 'Z')
            .map(|letter| if letter == 'T' { between } else { letter })
            .collect();
        match self.0.rem_euclid(MICROS) {
            0 => format!("{whole}+00:00"),
            micros => format!("{whole}.{micros:06}+00:00"),
        }
    }

    /// Reads what [`crate::time::Second::parse`] reads; the fraction counts, to the microsecond.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = Self::from(Second::parse(text)?);
        let micros = text.split_once('.').map_or(0, |(_, rest)| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).chain(std::iter::repeat(b'0'));
            digits.take(6).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
        });
        Some(whole.plus_micros(micros))
    }
}

impl From<Second> for Moment {
    fn from(second: Second) -> Self {
        Self(second.0.saturating_mul(MICROS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_python() {
        for (text, micros) in [
            ("2025-02-04 06:00:00.016378+00:00", 1_738_648_800_016_378),
            ("2025-02-04 06:00:00+00:00", 1_738_648_800_000_000),
            ("1969-12-31 23:59:59.999999+00:00", -1),
        ] {
            assert_eq!(Moment(micros).text(' '), text);
            assert_eq!(Moment::parse(text), Some(Moment(micros)), "{text}");
        }
        assert_eq!(Moment::parse("2025-02-04T06:00:00.5Z"), Some(Moment(1_738_648_800_500_000)));
        assert_eq!(Moment::parse("yesterday"), None);
    }
}
