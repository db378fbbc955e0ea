//! Durations, rates and times as people write them: `"1h30m"`, `"40/h"`, `"2025-02-04T10:00:00Z"`.

use std::ops::Range;

use crate::time::{Second, Seconds};

/// Why a text could not be read, and at which bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

impl Misread {
    pub(super) fn new(range: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { range, message: message.into(), help: help.into() }
    }
}

/// Longest duration taken at all, far above every key's own range: 1,000 years.
const LENGTH_MAX: i64 = 1_000 * 365 * 86_400;

const UNITS: [(i64, &[&str]); 5] = [
    (604_800, &["w", "week", "weeks"]),
    (86_400, &["d", "day", "days"]),
    (3_600, &["h", "hour", "hours"]),
    (60, &["m", "min", "minute", "minutes"]),
    (1, &["s", "sec", "second", "seconds"]),
];

const LENGTH_HELP: &str =
    "a duration is written as \"90s\", \"10m\", \"2h\", \"1h30m\" or \"14d\"; units are s, m, h, d and w";
const RATE_HELP: &str = "a rate is written as \"40/h\"; the unit behind the stroke is s, m, h or d";

/// Reads a duration such as `61s` or `1h30m`: whole numbers with units, the greatest unit first.
pub(super) fn length(text: &str) -> Result<Seconds, Misread> {
    let whole = 0..text.len();
    let mut total = 0_i64;
    let mut smallest = i64::MAX;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.trim_start().is_empty()) {
        let start = at + (rest.len() - rest.trim_start().len());
        let (number, unit) = term(text, start);
        at = unit.end;
        let written = text.get(number.clone()).unwrap_or_default();
        let name = text.get(unit.clone()).unwrap_or_default();
        if written.is_empty() {
            return Err(Misread::new(start..unit.end.max(start + 1), "this is no duration", LENGTH_HELP));
        }
        if name.is_empty() {
            let rest = text.get(number.end..).unwrap_or_default();
            let message = match rest.chars().next() {
                Some('.' | ',') => "a duration is made of whole numbers".to_owned(),
                Some(_) => "this is no duration".to_owned(),
                None => format!("`{written}` has no unit"),
            };
            return Err(Misread::new(number.start..text.len(), message, LENGTH_HELP));
        }
        let Some(seconds) = UNITS.iter().find(|(_, names)| names.contains(&name)).map(|&(s, _)| s) else {
            return Err(Misread::new(unit, format!("`{name}` is no unit of time"), LENGTH_HELP));
        };
        if seconds >= smallest {
            let message = "the units of a duration go from the greatest to the smallest, each once";
            return Err(Misread::new(unit, message, LENGTH_HELP));
        }
        smallest = seconds;
        total = written
            .parse::<i64>()
            .ok()
            .and_then(|count| count.checked_mul(seconds))
            .and_then(|part| part.checked_add(total))
            .filter(|&total| total <= LENGTH_MAX)
            .ok_or_else(|| Misread::new(whole.clone(), "this duration is beyond all use", LENGTH_HELP))?;
    }
    if smallest == i64::MAX {
        return Err(Misread::new(whole, "a duration is missing", LENGTH_HELP));
    }
    Ok(Seconds(total))
}

/// Reads a duration as it is typed on a command line.
///
/// # Errors
/// What is wrong with it, and how one is written.
pub fn duration(text: &str) -> Result<Seconds, String> {
    length(text).map_err(|misread| format!("{}; {}", misread.message, misread.help))
}

/// The bytes of a number at `start` and of the letters behind it.
fn term(text: &str, start: usize) -> (Range<usize>, Range<usize>) {
    let span = |from: usize, of: fn(u8) -> bool| {
        let tail = text.as_bytes().get(from..).unwrap_or_default();
        from..from + tail.iter().take_while(|&&byte| of(byte)).count()
    };
    let number = span(start, |byte| byte.is_ascii_digit());
    let gap = span(number.end, |byte| byte == b' ');
    let unit = span(gap.end, |byte| byte.is_ascii_alphabetic());
    (number, unit)
}

/// Reads a rate such as `40/h` as a number an hour.
pub(super) fn rate(text: &str) -> Result<f64, Misread> {
    let whole = 0..text.len();
    let Some((number, unit)) = text.split_once('/') else {
        return Err(Misread::new(whole, "a rate says how many in which time", RATE_HELP));
    };
    let unit_at = number.len() + 1;
    let count = number.trim().parse::<f64>().ok().filter(|count| count.is_finite());
    let Some(count) = count else {
        return Err(Misread::new(0..number.len(), format!("`{}` is no number", number.trim()), RATE_HELP));
    };
    let name = unit.trim();
    let Some(&(seconds, _)) = UNITS.iter().skip(1).find(|(_, names)| names.contains(&name)) else {
        return Err(Misread::new(unit_at..text.len(), format!("`{name}` is no unit of time"), RATE_HELP));
    };
    #[expect(clippy::cast_precision_loss, reason = "at most 86,400")]
    let per_hour = count * (3_600.0 / seconds as f64);
    Ok(per_hour)
}

/// Reads a point in time: ISO 8601 in any spelling, also without seconds or without a time of day (midnight UTC),
/// also `20250204T100000Z`, or seconds since 1970 with or without a fraction.
pub(super) fn time(text: &str) -> Option<Second> {
    let text = text.trim();
    Second::parse(text).or_else(|| shortened(text)).or_else(|| compact(text)).or_else(|| epoch(text))
}

/// `2025-02-04` and `2025-02-04T10:00Z`.
fn shortened(text: &str) -> Option<Second> {
    if text.len() == 10 {
        return Second::parse(&format!("{text}T00:00:00Z"));
    }
    let (minutes, zone) = text.split_at_checked(16)?;
    if zone.starts_with(':') {
        return None;
    }
    Second::parse(&format!("{minutes}:00{zone}"))
}

/// `20250204T100000Z`.
fn compact(text: &str) -> Option<Second> {
    let (date, clock) = text.split_once(['T', 't'])?;
    let [year, month, day] = [date.get(..4)?, date.get(4..6)?, date.get(6..)?];
    let [hour, minute, rest] = [clock.get(..2)?, clock.get(2..4)?, clock.get(4..)?];
    Second::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{rest}"))
}

/// Seconds since 1970, from 2010 on: smaller numbers are rather a mistyped date.
fn epoch(text: &str) -> Option<Second> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse::<f64>().ok().filter(|_| plain)?;
    Second::from_float(seconds).filter(|&second| second >= Second::YEAR_2010)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_as_people_write_them() {
        for (text, seconds) in [
            ("60s", 60),
            ("14d", 1_209_600),
            ("2h", 7_200),
            ("1h30m", 5_400),
            (" 1h 30 min ", 5_400),
            ("2w1d", 1_296_000),
            ("1 day", 86_400),
            ("90 seconds", 90),
            ("0s", 0),
        ] {
            assert_eq!(length(text), Ok(Seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_marked_where_it_goes_wrong() {
        for (text, range, message) in [
            ("", 0..0, "a duration is missing"),
            ("61", 0..2, "`61` has no unit"),
            ("1h 30", 3..5, "`30` has no unit"),
            ("1.5h", 0..4, "a duration is made of whole numbers"),
            ("-5s", 0..1, "this is no duration"),
            ("500ms", 3..5, "`ms` is no unit of time"),
            ("1m1h", 3..4, "the units of a duration go from the greatest to the smallest, each once"),
            ("1h1h", 3..4, "the units of a duration go from the greatest to the smallest, each once"),
            ("s", 0..1, "this is no duration"),
            ("1h;", 2..3, "this is no duration"),
            ("5\u{b5}s", 0..4, "this is no duration"),
            ("99999999999999999999s", 0..21, "this duration is beyond all use"),
            ("9999999999999w", 0..14, "this duration is beyond all use"),
        ] {
            let misread = length(text).unwrap_err();
            assert_eq!((misread.range, misread.message.as_str()), (range, message), "{text}");
        }
    }

    #[test]
    fn rates_as_people_write_them() {
        for (text, per_hour) in
            [("40/h", 40.0), ("1/min", 60.0), ("0.5/s", 1_800.0), ("960/d", 40.0), ("40 / hour", 40.0)]
        {
            let read = rate(text).unwrap();
            assert!((read - per_hour).abs() < 1e-9, "{text}: {read}");
        }
        for (text, range) in [("40", 0..2), ("x/h", 0..1), ("40/", 3..3), ("40/month", 3..8), ("inf/h", 0..3)]
        {
            assert_eq!(rate(text).unwrap_err().range, range, "{text}");
        }
    }

    #[test]
    fn times_in_every_spelling() {
        for text in [
            "2025-02-04T10:00:00Z",
            "2025-02-04T10:00:00+00:00",
            "2025-02-04 11:00:00.25+01:00",
            "2025-02-04T10:00:00",
            "2025-02-04T10:00Z",
            "2025-02-04T12:00+02:00",
            "20250204T100000Z",
            "1738663200",
            "1738663200.75",
        ] {
            assert_eq!(time(text), Some(Second(1_738_663_200)), "{text}");
        }
        assert_eq!(time("2025-02-04"), Some(Second(1_738_627_200)));
        for text in
            ["", "now", "2025", "20250204", "2025-02-30", "1e10", "-1738663200", "2025-02-04T10:0\u{e9}"]
        {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn durations_round_trip(seconds in 0..LENGTH_MAX) {
            prop_assert_eq!(length(&Seconds(seconds).to_string()), Ok(Seconds(seconds)));
        }

        #[test]
        fn no_text_panics_and_every_misread_lies_in_the_text(text in "\\PC{0,12}|[0-9smhdw/. ]{0,12}") {
            time(&text);
            for misread in [length(&text).err(), rate(&text).err()].into_iter().flatten() {
                prop_assert!(misread.range.end <= text.len().max(misread.range.start + 1), "{misread:?}");
            }
        }
    }
}
