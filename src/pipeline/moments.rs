//! Kinds of values that only tests in a pipeline file have: ranges of builds, and points in time.

use serde_json::{Value, json};
use toml::de::DeValue;

use super::case::BUILDS_MAX;
use super::kinds::{Fault, Input, Kind, grouped, quoted};
use super::units;
use crate::time::Second;

/// Greatest number of a build in a test.
const NUMBER_MAX: u64 = 1_000_000_000;

/// One build, or builds with consecutive numbers: `7`, `"7"` or `"1..30"`, both ends included.
pub(super) struct BuildRange;

impl Kind for BuildRange {
    type Value = (u64, u64);

    fn shape(&self) -> String {
        "builds".to_owned()
    }

    fn range(&self) -> String {
        format!("up to {} builds, numbered from 1", grouped(BUILDS_MAX))
    }

    fn schema(&self) -> Value {
        json!({"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": NUMBER_MAX},
            {"type": "string", "pattern": "^\\s*[0-9]+\\s*(\\.\\.\\s*[0-9]+\\s*)?$"},
        ]})
    }

    fn read(&self, input: &Input<'_>) -> Result<(u64, u64), Vec<Fault>> {
        let help = "write one number, 7, or the first and the last: \"1..30\"";
        let text = match input.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return Err(input.unlike("number of a build", help)),
        };
        let (first, last) = text.split_once("..").unwrap_or((&text, &text));
        let number = |part: &str| {
            let digits = part.trim();
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|number| plain && (1..=NUMBER_MAX).contains(number))
        };
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(vec![input.fault(format!("{} names no builds", quoted(&text)), help)]);
        };
        if last < first {
            let message = format!("{} ends before it begins", quoted(&text));
            return Err(vec![input.fault(message, help)]);
        }
        if last - first >= BUILDS_MAX {
            let message = format!("{} builds are too many", grouped(last - first + 1));
            return Err(vec![input.fault(message, format!("state up to {}", grouped(BUILDS_MAX)))]);
        }
        Ok((first, last))
    }

    fn write(&self, value: &(u64, u64)) -> String {
        quoted(&format!("{}..{}", value.0, value.1))
    }
}

/// A point in time from 2010 on.
pub(super) struct TimeKind;

impl Kind for TimeKind {
    type Value = Second;

    fn shape(&self) -> String {
        "time".to_owned()
    }

    fn range(&self) -> String {
        "from 2010 on".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "pattern": "^\\s*[0-9]"})
    }

    fn read(&self, input: &Input<'_>) -> Result<Second, Vec<Fault>> {
        let help = "write a time as \"2025-02-04T10:00:00Z\"";
        let text = match input.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return Err(input.unlike("time", help)),
        };
        match units::time(&text) {
            Some(time) if time >= Second::YEAR_2010 => Ok(time),
            Some(time) => Err(vec![input.fault(format!("{time} lies before 2010"), help)]),
            None => Err(vec![input.fault(format!("{} is no time", quoted(&text)), help)]),
        }
    }

    fn write(&self, value: &Second) -> String {
        quoted(&value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<K: Kind>(kind: &K, toml: &str) -> Result<K::Value, String> {
        let text = format!("x = {toml}");
        let (table, _) = toml::de::DeTable::parse_recoverable(&text);
        let value = table.get_ref().get("x").ok_or("no TOML")?;
        let input = Input { value: value.get_ref(), span: value.span(), source: &text };
        kind.read(&input).map_err(|faults| faults.iter().map(|fault| fault.message.as_str()).collect())
    }

    #[test]
    fn builds_one_or_many() {
        for (toml, builds) in
            [("7", (7, 7)), ("\"7\"", (7, 7)), ("\"1..30\"", (1, 30)), ("\" 1 .. 1 \"", (1, 1))]
        {
            assert_eq!(read(&BuildRange, toml), Ok(builds), "{toml}");
        }
        assert_eq!(read(&BuildRange, "\"1..50000\""), Ok((1, 50_000)));
        for (toml, message) in [
            ("0", "\"0\" names no builds"),
            ("\"\"", "\"\" names no builds"),
            ("\"+1..2\"", "\"+1..2\" names no builds"),
            ("\"1..\"", "\"1..\" names no builds"),
            ("\"3..1\"", "\"3..1\" ends before it begins"),
            ("\"1..50001\"", "50,001 builds are too many"),
            ("1.5", "takes a number of a build, not the number `1.5`"),
        ] {
            assert_eq!(read(&BuildRange, toml), Err(message.to_owned()), "{toml}");
        }
    }

    #[test]
    fn times_as_text_and_as_toml() {
        for toml in ["2025-02-04T10:00:00Z", "\"2025-02-04T10:00:00Z\""] {
            assert_eq!(read(&TimeKind, toml), Ok(Second(1_738_663_200)), "{toml}");
        }
        assert_eq!(read(&TimeKind, "\"2009-01-01\"").unwrap_err(), "2009-01-01T00:00:00Z lies before 2010");
        assert_eq!(read(&TimeKind, "\"soon\"").unwrap_err(), "\"soon\" is no time");
    }
}
