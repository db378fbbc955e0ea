//! Small words: times, lengths, numbers, lists, and texts from outside.

use crate::text::bounded;
pub(super) use crate::text::grouped;
use crate::time::{Second, Seconds};

/// The longest text from outside that is printed whole, in characters.
const TEXT_MAX: usize = 200;

/// A text from outside, safe to print.
pub(super) fn safe(text: &str) -> String {
    bounded(text, TEXT_MAX).to_string()
}

/// `2025-02-04 06:00:00 UTC`.
pub(super) fn utc(at: Second) -> String {
    at.to_string().replace('T', " ").replace('Z', " UTC")
}

/// `61 s`, `30 min`, `2 h`, `14 days`, `1 h 30 min`.
pub(super) fn length(of: Seconds) -> String {
    let total = of.0.unsigned_abs();
    if total < 120 {
        return format!("{total} s");
    }
    let days = total / 86_400;
    let parts = [
        (days, if days == 1 { "day" } else { "days" }),
        (total / 3_600 % 24, "h"),
        (total / 60 % 60, "min"),
        (total % 60, "s"),
    ];
    let parts: Vec<_> =
        parts.iter().filter(|(value, _)| *value > 0).map(|(value, unit)| format!("{value} {unit}")).collect();
    parts.join(" ")
}

/// `1 build`, `12,345 builds`.
pub(super) fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { more })
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn any_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_people_write_them() {
        for (seconds, text) in [
            (0, "0 s"),
            (61, "61 s"),
            (119, "119 s"),
            (120, "2 min"),
            (5_400, "1 h 30 min"),
            (86_400, "1 day"),
            (1_209_601, "14 days 1 s"),
        ] {
            assert_eq!(length(Seconds(seconds)), text);
        }
        assert_eq!(utc(Second(1_738_648_800)), "2025-02-04 06:00:00 UTC");
        assert_eq!(counted(1, "build", "builds"), "1 build");
        assert_eq!(counted(12_345, "build", "builds"), "12,345 builds");
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([any_of(&words[..1]), any_of(&words[..2]), any_of(&words)], ["a", "a or b", "a, b or c"]);
    }

    #[test]
    fn what_strangers_wrote_cannot_drive_a_terminal() {
        assert_eq!(safe("f42\u{1b}[2J"), "f42\\u{1b}[2J");
        assert_eq!(safe(&"x".repeat(1_000)).chars().count(), TEXT_MAX);
    }
}
