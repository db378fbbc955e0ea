//! The reader of reference: `serde_json` alone. It reads what the quick scan leaves to it and explains what is no
//! JSON; the quick scan is tested against it.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Problem;
use super::envelope::{Container, Envelope, MAX_DEPTH, Value};
use crate::text::{bounded, bounded_bytes};

/// How much of a record that cannot be read is shown.
const EXCERPT_CHARS: usize = 60;

/// Reads a record whole.
pub(super) fn read(value: &[u8]) -> Result<Envelope<'_>, Problem> {
    let text = std::str::from_utf8(value).map_err(|error| not_utf8(value, error.valid_up_to()))?;
    let start = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if start.is_empty() {
        return Err(Problem::new("empty", "the record is empty".to_owned()));
    }
    if !start.starts_with('{') {
        return Err(not_object(text, start));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
    if depth(value) > MAX_DEPTH {
        let explanation = format!("objects and lists are nested more than {MAX_DEPTH} deep");
        return Err(Problem::new("too_deep", explanation));
    }
    Ok(envelope)
}

fn not_utf8(value: &[u8], at: usize) -> Problem {
    // A few bytes before the fault show the place.
    let around = value.get(at.saturating_sub(20)..).unwrap_or_default();
    let excerpt = bounded_bytes(around, EXCERPT_CHARS);
    Problem::new("not_utf8", format!("byte {at} of {} is not UTF-8, near `{excerpt}`", value.len()))
}

fn not_json(text: &str, error: &serde_json::Error) -> Problem {
    let excerpt = bounded(text, EXCERPT_CHARS);
    let length = text.len();
    Problem::new("not_json", format!("not JSON: {error}; the record of {length} bytes begins `{excerpt}`"))
}

fn not_object(text: &str, start: &str) -> Problem {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return not_json(text, &error);
    }
    let what = match start.as_bytes().first() {
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        _ => "a single value",
    };
    let excerpt = bounded(start, EXCERPT_CHARS);
    Problem::new("not_object", format!("a message is a JSON object, the record is {what}: `{excerpt}`"))
}

/// How deep objects and lists are nested in a text that is JSON.
fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut depth) = (0usize, 0usize);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(inside) = bytes.next()
                    && *inside != b'"'
                {
                    if *inside == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut envelope = Envelope::default();
        deserializer.deserialize_map(Members(|key: &[u8], raw: &'de str| match key {
            b"body" => contain(&mut envelope, Container::Body, raw),
            b"msg" => contain(&mut envelope, Container::Msg, raw),
            b"headers" => {
                envelope.sent_at = None;
                each_member(raw, |key, raw| {
                    if key == b"sent-at" {
                        envelope.sent_at = Some(value(raw));
                    }
                });
            }
            _ => envelope.keep(key, value(raw)),
        }))?;
        Ok(envelope)
    }
}

fn contain<'a>(envelope: &mut Envelope<'a>, container: Container, raw: &'a str) {
    if !envelope.takes(container) {
        return;
    }
    envelope.contained = Some((container, Value::Json(raw)));
    each_member(raw, |key, raw| {
        if let Some(slot) = envelope.fields.slot(key) {
            *slot = Some(value(raw));
        }
    });
}

/// A value from its JSON text.
pub(super) fn value(raw: &str) -> Value<'_> {
    let inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inside.filter(|text| !text.contains('\\')) {
        Some(text) => Value::Text(text),
        None => Value::Json(raw),
    }
}

/// Shows each member of `raw`, a JSON text known to be valid; one that is no object has none.
fn each_member<'a>(raw: &'a str, member: impl FnMut(&[u8], &'a str)) {
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    // The only error left is that the value is no object.
    drop((&mut deserializer).deserialize_map(Members(member)));
}

/// Shows each member of an object: its key, unescaped, and its value as JSON text.
struct Members<F>(F);

impl<'de, F: FnMut(&[u8], &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            // A key that is no text (half a surrogate pair) is none that matters.
            if let Some(key) = self::value(key.get()).text() {
                (self.0)(key.as_bytes(), value.get());
            }
        }
        Ok(())
    }
}
