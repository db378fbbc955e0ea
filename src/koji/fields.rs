//! Reads typed things out of values, and says where one is not as it should be.

use std::fmt;

use super::xmlrpc::{Struct, Value};
use crate::text::bounded;
use crate::time::Second;

/// A value that is missing, or of another kind than the method answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexpected {
    /// Where it stands in the answer: `[3].build_id`; empty for the answer itself.
    place: String,
    wanted: &'static str,
    found: String,
}

impl std::error::Error for Unexpected {}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, wanted, found } = self;
        let place = if place.is_empty() { "it" } else { place };
        write!(f, "{} should be {wanted}, is {}", bounded(place, 80), bounded(found, 80))
    }
}

impl Unexpected {
    /// At `place`, `wanted` was wanted and `found` was found; both with their articles.
    pub fn new(place: impl Into<String>, wanted: &'static str, found: impl Into<String>) -> Self {
        Self { place: place.into(), wanted, found: found.into() }
    }

    /// A value that is not `wanted`.
    pub fn value(wanted: &'static str, found: &Value) -> Self {
        Self::new("", wanted, found.kind())
    }

    /// The same, as seen from what it stands in.
    #[must_use]
    pub fn inside(mut self, place: &str) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{place}{dot}{}", self.place);
        self
    }
}

/// How a value is read.
pub(super) type Read<T> = fn(&Value) -> Result<T, Unexpected>;

/// The members of a struct.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a Struct);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, Unexpected> {
        value.as_struct().map(Self).ok_or_else(|| Unexpected::value("a struct", value))
    }

    /// A member that must be there.
    pub(super) fn must<T>(self, name: &str, read: Read<T>) -> Result<T, Unexpected> {
        let value = self.0.get(name).unwrap_or(&Value::Nil);
        read(value).map_err(|error| error.inside(name))
    }

    /// A member that may be nil or absent.
    pub(super) fn may<T>(self, name: &str, read: Read<T>) -> Result<Option<T>, Unexpected> {
        self.0
            .get(name)
            .filter(|value| !value.is_nil())
            .map(read)
            .transpose()
            .map_err(|error| error.inside(name))
    }
}

/// An array of which each item is read alike.
pub(super) fn list<T>(value: &Value, read: Read<T>) -> Result<Vec<T>, Unexpected> {
    let items = value.as_array().ok_or_else(|| Unexpected::value("an array", value))?;
    let item = |(index, item)| read(item).map_err(|error| error.inside(&format!("[{index}]")));
    items.iter().enumerate().map(item).collect()
}

/// What may be nil.
pub(super) fn optional<T>(value: &Value, read: Read<T>) -> Result<Option<T>, Unexpected> {
    if value.is_nil() { Ok(None) } else { read(value).map(Some) }
}

pub(super) fn text(value: &Value) -> Result<String, Unexpected> {
    value.as_str().map(str::to_owned).ok_or_else(|| Unexpected::value("a string", value))
}

pub(super) fn whole(value: &Value) -> Result<i64, Unexpected> {
    value.as_int().ok_or_else(|| Unexpected::value("a whole number", value))
}

/// The number of something: never below 0.
pub(super) fn id(value: &Value) -> Result<u64, Unexpected> {
    let number = whole(value)?;
    u64::try_from(number).map_err(|_| Unexpected::new("", "an id, at least 0", number.to_string()))
}

pub(super) fn flag(value: &Value) -> Result<bool, Unexpected> {
    value.as_bool().ok_or_else(|| Unexpected::value("a boolean", value))
}

pub(super) fn number(value: &Value) -> Result<f64, Unexpected> {
    value.as_double().ok_or_else(|| Unexpected::value("a number", value))
}

/// A point in time as seconds since 1970.
pub(super) fn timestamp(value: &Value) -> Result<Second, Unexpected> {
    let seconds = number(value)?;
    Second::from_float(seconds).ok_or_else(|| Unexpected::new("", "a time", seconds.to_string()))
}

/// A point in time as the hub writes it: `2026-11-24 03:08:50.432786+00:00`.
pub(super) fn date(value: &Value) -> Result<Second, Unexpected> {
    let text = text(value)?;
    Second::parse(&text).ok_or_else(|| Unexpected::new("", "a time", text))
}

pub(super) fn members(value: &Value) -> Result<Struct, Unexpected> {
    value.as_struct().cloned().ok_or_else(|| Unexpected::value("a struct", value))
}

/// Anything at all.
#[expect(clippy::unnecessary_wraps, reason = "read like all others")]
pub(super) fn any(value: &Value) -> Result<Value, Unexpected> {
    Ok(value.clone())
}

/// Nothing.
pub(super) fn nothing(value: &Value) -> Result<(), Unexpected> {
    if value.is_nil() { Ok(()) } else { Err(Unexpected::value("nil", value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let row = Struct::new().with("build_id", "7").with("epoch", Value::Nil);
        let answer = Value::from(vec![Struct::new().with("build_id", 7), row]);
        let read: Read<u64> = |value| Fields::of(value)?.must("build_id", id);
        let error = list(&answer, read).unwrap_err();
        assert_eq!(error.to_string(), "[1].build_id should be a whole number, is a string");

        let fields = Fields::of(answer.as_array().unwrap().last().unwrap()).unwrap();
        assert_eq!(fields.may("epoch", whole), Ok(None));
        assert_eq!(fields.may("absent", whole), Ok(None));
        let error = fields.may("build_id", whole).unwrap_err();
        assert_eq!(error.to_string(), "build_id should be a whole number, is a string");
        let error = fields.must("nvr", text).unwrap_err();
        assert_eq!(error.to_string(), "nvr should be a string, is nil");
        let error = list(&Value::Nil, read).unwrap_err();
        assert_eq!(error.to_string(), "it should be an array, is nil");
        let error = id(&Value::from(-1)).unwrap_err();
        assert_eq!(error.to_string(), "it should be an id, at least 0, is -1");
    }

    #[test]
    fn times_are_read_in_both_spellings() {
        let second = Second::parse("2026-11-24T03:08:50Z").unwrap();
        assert_eq!(date(&Value::from("2026-11-24 03:08:50.432786+00:00")), Ok(second));
        assert_eq!(timestamp(&Value::from(1_795_489_730.432_786)), Ok(second));
        assert!(date(&Value::from("yesterday")).is_err());
        assert!(timestamp(&Value::from(f64::MAX)).is_err());
    }
}
