//! Single values: from the JSON text of a field to what it means, or to a sentence about what is wrong with it.

use std::borrow::Cow;

use super::Problem;
use super::envelope::Value;
use crate::event::SentAt;
use crate::text::bounded;
use crate::time::Second;

/// How much of a value that is wrong is shown.
const EXCERPT_CHARS: usize = 60;

/// The longest text of a field that decides. Koji's own names end at 256; without a bound anybody who may publish
/// could fill the memory with one name.
pub(super) const TEXT_MAX_BYTES: usize = 1_024;

/// The largest number that Koji's database can give a build.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// A field that decides: its name and its two codes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Code where it is missing or null.
    pub(super) missing: &'static str,
    /// Code where it is of the wrong kind.
    pub(super) bad: &'static str,
}

pub(super) const TOPIC: Field = Field { name: "topic", missing: "no_topic", bad: "bad_topic" };
pub(super) const BODY: Field = Field { name: "body", missing: "no_body", bad: "bad_body" };
pub(super) const INSTANCE: Field = Field { name: "instance", missing: "no_instance", bad: "bad_instance" };
pub(super) const TAG: Field = Field { name: "tag", missing: "no_tag", bad: "bad_tag" };
pub(super) const BUILD_ID: Field = Field { name: "build_id", missing: "no_build_id", bad: "bad_build_id" };
pub(super) const NAME: Field = Field { name: "name", missing: "no_name", bad: "bad_name" };
pub(super) const VERSION: Field = Field { name: "version", missing: "no_version", bad: "bad_version" };
pub(super) const RELEASE: Field = Field { name: "release", missing: "no_release", bad: "bad_release" };
pub(super) const NEW: Field = Field { name: "new", missing: "no_new", bad: "bad_new" };
pub(super) const PACKAGE: Field = Field { name: "package", missing: "no_package", bad: "bad_package" };

impl Field {
    /// The value, if one was given; null counts as none.
    pub(super) fn given(self, value: Option<Value<'_>>) -> Result<Value<'_>, Problem> {
        let how = match value {
            Some(NULL) => "null",
            Some(value) => return Ok(value),
            None => "missing",
        };
        Err(Problem::new(self.missing, format!("`{}` is {how}", self.name)))
    }

    /// A text that is not empty.
    pub(super) fn text(self, value: Option<Value<'_>>) -> Result<Cow<'_, str>, Problem> {
        let value = self.given(value)?;
        let text = value.text().ok_or_else(|| self.problem(value, "a text is needed"))?;
        if text.is_empty() {
            return Err(Problem::new(self.bad, format!("`{}` is an empty text", self.name)));
        }
        if text.len() > TEXT_MAX_BYTES {
            let (name, length) = (self.name, text.len());
            let excerpt = bounded(&text, EXCERPT_CHARS);
            let explanation =
                format!("`{name}` is {length} bytes long, more than {TEXT_MAX_BYTES}: `{excerpt}`");
            return Err(Problem::new(self.bad, explanation));
        }
        Ok(text)
    }

    /// A text that may be missing or null.
    pub(super) fn optional_text(self, value: Option<Value<'_>>) -> Result<Option<Cow<'_, str>>, Problem> {
        match value {
            None | Some(NULL) => Ok(None),
            given => self.text(given).map(Some),
        }
    }

    /// The number that Koji gave to something.
    pub(super) fn number(self, value: Option<Value<'_>>) -> Result<u64, Problem> {
        let value = self.given(value)?;
        lenient_number(value)
            .ok_or_else(|| self.problem(value, "a whole number from 1 to 2^63 - 1 is needed"))
    }

    /// Any whole number.
    pub(super) fn whole(self, value: Option<Value<'_>>) -> Result<i64, Problem> {
        let value = self.given(value)?;
        let whole = if let Value::Json(raw) = value { raw.parse().ok() } else { None };
        whole.ok_or_else(|| self.problem(value, "a whole number is needed"))
    }

    /// Says what was found instead of what is needed.
    pub(super) fn problem(self, found: Value<'_>, needed: &str) -> Problem {
        let (Value::Text(raw) | Value::Json(raw)) = found;
        let (excerpt, kind) = (bounded(raw, EXCERPT_CHARS), kind(found));
        Problem::new(self.bad, format!("`{}` is {kind} `{excerpt}`, {needed}", self.name))
    }
}

const NULL: Value<'static> = Value::Json("null");

/// What kind of value it is, for people.
fn kind(value: Value<'_>) -> &'static str {
    let Value::Json(raw) = value else { return "the text" };
    match raw.as_bytes().first() {
        Some(b'"') => "the text",
        Some(b'{') => "the object",
        Some(b'[') => "the list",
        Some(b't' | b'f') => "the truth value",
        _ => "the number",
    }
}

/// A text that explains but does not decide: whatever is no text counts as not given.
pub(super) fn lenient_text(value: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    value.and_then(Value::text).filter(|text| !text.is_empty() && text.len() <= TEXT_MAX_BYTES)
}

/// A number of Koji's, written with digits alone.
pub(super) fn lenient_number(value: Value<'_>) -> Option<u64> {
    let Value::Json(raw) = value else { return None };
    raw.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number))
}

/// A time as messages carry it: a text in ISO 8601 or a number of seconds.
pub(super) fn time(value: Option<Value<'_>>) -> SentAt {
    match value {
        None | Some(NULL) => SentAt::Missing,
        Some(Value::Json(raw)) if !raw.starts_with('"') => seconds(raw),
        Some(value) => {
            let second = value.text().and_then(|text| Second::parse(&text));
            second.map_or(SentAt::Unreadable, SentAt::At)
        }
    }
}

/// A number of seconds since 1970, with or without a fraction.
pub(super) fn seconds(text: &str) -> SentAt {
    text.parse().ok().and_then(Second::from_float).map_or(SentAt::Unreadable, SentAt::At)
}
