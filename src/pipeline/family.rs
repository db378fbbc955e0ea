//! Kinds of the trigger tag's family and of the time at which judging begins.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::kinds::{Fault, Input, Kind, quoted};
use super::names::{Text, one_or_list, written};
use super::units::{self, Misread};
use crate::settings::FamilyTag;
use crate::time::Second;

const FAMILY_MAX: usize = 64;
const TIME_HELP: &str = "write a time as 2025-02-04T10:00:00Z";

/// From where on records are judged; those before only teach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// From the first start on.
    Now,
    /// From the oldest record on that the source still has.
    Earliest,
    /// From an event time on.
    At(Second),
}

/// Reads [`Begin`].
pub(super) struct BeginKind;

impl Kind for BeginKind {
    type Value = Begin;

    fn shape(&self) -> String {
        "word or time".to_owned()
    }

    fn range(&self) -> String {
        "\"now\", \"earliest\" or a time from 2010 on".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "pattern": "^\\s*(now|earliest|[0-9].*)$"})
    }

    fn read(&self, input: &Input<'_>) -> Result<Begin, Vec<Fault>> {
        let help = "state \"now\", \"earliest\", or a time such as \"2025-02-04T10:00:00Z\"";
        let time = match input.value {
            DeValue::String(word) if word == "now" => return Ok(Begin::Now),
            DeValue::String(word) if word == "earliest" => return Ok(Begin::Earliest),
            DeValue::String(text) => units::time(text),
            DeValue::Datetime(time) => units::time(&time.to_string()),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return Err(input.unlike("word or a time", help)),
        };
        let raw = input.source.get(input.span.clone()).unwrap_or_default();
        match time {
            Some(time) if time >= Second::YEAR_2010 => Ok(Begin::At(time)),
            Some(time) => Err(vec![input.fault(format!("{time} lies before 2010"), help)]),
            None => Err(vec![input.fault(format!("{raw} is no time"), help)]),
        }
    }

    fn write(&self, value: &Begin) -> String {
        match value {
            Begin::Now => "\"now\"".to_owned(),
            Begin::Earliest => "\"earliest\"".to_owned(),
            Begin::At(time) => quoted(&time.to_string()),
        }
    }
}

/// The tags ever followed: a list of `tag` or `tag@time it was left`, or one text with commas between.
pub(super) struct Family;

impl Kind for Family {
    type Value = Vec<FamilyTag>;

    fn shape(&self) -> String {
        "list of tag or tag@time".to_owned()
    }

    fn range(&self) -> String {
        format!("up to {FAMILY_MAX}, oldest first")
    }

    fn schema(&self) -> Value {
        one_or_list(&json!({"type": "string", "minLength": 1}), 0, FAMILY_MAX)
    }

    fn read(&self, input: &Input<'_>) -> Result<Vec<FamilyTag>, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut family: Vec<FamilyTag> = Vec::new();
        let mut seen = BTreeSet::new();
        for item in input.items() {
            let Some(text) = item.text() else {
                faults.extend(item.unlike("tag", "write \"f44\" or \"f43@2025-08-12T10:00:00Z\""));
                continue;
            };
            for part in parts(text) {
                match member(text, part.clone()) {
                    Err(misread) => faults.push(item.misread(text, misread)),
                    Ok(tag) if seen.insert(tag.tag.clone()) => family.push(tag),
                    Ok(tag) => {
                        let message = format!("{} is in the family twice", quoted(&tag.tag));
                        faults.push(item.misread(text, Misread::new(part, message, "keep one of them")));
                    }
                }
            }
        }
        if family.len() > FAMILY_MAX {
            faults.push(input.fault(
                format!("the family has {} tags", family.len()),
                format!("keep the newest {FAMILY_MAX} tags"),
            ));
        }
        if faults.is_empty() { Ok(family) } else { Err(faults) }
    }

    fn write(&self, value: &Vec<FamilyTag>) -> String {
        written(value.iter().map(|member| match member.left_at {
            Some(time) => quoted(&format!("{}@{time}", member.tag)),
            None => quoted(&member.tag),
        }))
    }
}

/// The bytes of each part of a text between commas.
fn parts(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    text.split(',')
        .map(|part| {
            let range = start..start + part.len();
            start = range.end + 1;
            range
        })
        .collect()
}

fn member(text: &str, range: Range<usize>) -> Result<FamilyTag, Misread> {
    let part = text.get(range.clone()).unwrap_or_default();
    let (tag, left) = part.split_once('@').map_or((part, None), |(tag, left)| (tag, Some(left)));
    let at = range.start + tag.len() + 1;
    let tag = tag.trim();
    if !Text::is_tag(tag) {
        let message = format!("{} is no Koji tag", quoted(tag));
        return Err(Misread::new(range, message, "write \"f44\" or \"f43@2025-08-12T10:00:00Z\""));
    }
    let Some(left) = left else { return Ok(FamilyTag { tag: tag.to_owned(), left_at: None }) };
    match units::time(left) {
        Some(time) => Ok(FamilyTag { tag: tag.to_owned(), left_at: Some(time) }),
        None => Err(Misread::new(at..range.end, format!("{} is no time", quoted(left.trim())), TIME_HELP)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_with_and_without_the_time_they_were_left() {
        let left =
            |tag: &str, time: Option<i64>| FamilyTag { tag: tag.to_owned(), left_at: time.map(Second) };
        for (text, expected) in [
            ("f42", left("f42", None)),
            (" f42 ", left("f42", None)),
            ("f41@2025-02-04T10:00:00Z", left("f41", Some(1_738_663_200))),
            ("f41@2025-02-04T10:00:00.5+00:00", left("f41", Some(1_738_663_200))),
            ("f41@1738663200.5", left("f41", Some(1_738_663_200))),
        ] {
            assert_eq!(member(text, 0..text.len()), Ok(expected), "{text}");
        }
        for (text, range) in [("", 0..0), ("@2025", 0..5), ("f41@", 4..4), ("f41@soon", 4..8), ("f 41", 0..4)]
        {
            assert_eq!(member(text, 0..text.len()).unwrap_err().range, range, "{text}");
        }
        assert_eq!(parts("a,bc,"), [0..1, 2..4, 5..5]);
    }
}
