//! Kinds of values: how the value of a key is read from TOML, checked by itself, and written.
//!
//! What takes two keys to judge belongs in `checks`.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::units::{self, Misread};
use crate::time::Seconds;

/// How values of one kind are read and written.
pub(super) trait Kind {
    /// What is read.
    type Value: Clone;
    /// The kind's name in the documentation.
    fn shape(&self) -> String;
    /// The range of values in the documentation; empty where any is taken.
    fn range(&self) -> String;
    /// JSON Schema of the values: all that is taken passes it.
    fn schema(&self) -> Value;
    /// Reads a value, or tells all that is wrong with it.
    fn read(&self, input: &Input<'_>) -> Result<Self::Value, Vec<Fault>>;
    /// Writes a value so that it is read as the same again: TOML, one line.
    fn write(&self, value: &Self::Value) -> String;
}

/// Something wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes of the source text.
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

/// A value as it stands in a source text.
#[derive(Clone)]
pub(super) struct Input<'a> {
    pub(super) value: &'a DeValue<'a>,
    pub(super) span: Range<usize>,
    /// The whole source text.
    pub(super) source: &'a str,
}

impl<'a> Input<'a> {
    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// The elements of an array; any other value counts as an array of itself.
    pub(super) fn items(&self) -> Vec<Input<'a>> {
        let Some(array) = self.value.as_array() else { return vec![self.clone()] };
        array
            .iter()
            .map(|item| Input { value: item.get_ref(), span: item.span(), source: self.source })
            .collect()
    }

    /// A fault of the whole value.
    pub(super) fn fault(&self, message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { span: self.span.clone(), message: message.into(), help: help.into() }
    }

    /// A value of another type than the kind takes.
    pub(super) fn unlike(&self, shape: &str, help: impl Into<String>) -> Vec<Fault> {
        let raw = self.source.get(self.span.clone()).unwrap_or_default();
        let found = match self.value {
            DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => String::new(),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
                format!(" `{raw}`")
            }
        };
        let kind = match self.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "whole number",
            DeValue::Float(_) => "number",
            DeValue::Boolean(_) => "truth value",
            DeValue::Datetime(_) => "time",
            DeValue::Array(_) => "list",
            DeValue::Table(_) => "table",
        };
        vec![self.fault(format!("takes a {shape}, not the {kind}{found}"), help)]
    }

    /// A fault at some bytes of a text value; the whole value where escapes hide the place.
    pub(super) fn misread(&self, text: &str, misread: Misread) -> Fault {
        let span = &self.span;
        let inner = span.start + 1..span.end.saturating_sub(1);
        let offset = if self.source.get(span.clone()) == Some(text) {
            Some(span.start)
        } else {
            (self.source.get(inner) == Some(text)).then_some(span.start + 1)
        };
        let place = offset.map(|offset| offset + misread.range.start..offset + misread.range.end);
        Fault { span: place.unwrap_or_else(|| span.clone()), message: misread.message, help: misread.help }
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    separated(number, ',')
}

fn separated(number: u64, separator: char) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let written = write!(out, "\\U{:08X}", u32::from(c));
                debug_assert!(written.is_ok(), "writing to a String cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A duration between two lengths.
pub(super) struct Length {
    pub(super) min: i64,
    pub(super) max: i64,
}

impl Kind for Length {
    type Value = Seconds;

    fn shape(&self) -> String {
        "duration".to_owned()
    }

    fn range(&self) -> String {
        format!("{} to {}", Seconds(self.min), Seconds(self.max))
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "pattern": "^\\s*([0-9]+ *[a-z]+\\s*)+$"})
    }

    fn read(&self, input: &Input<'_>) -> Result<Seconds, Vec<Fault>> {
        let Some(text) = input.text() else {
            let raw = input.source.get(input.span.clone()).unwrap_or_default();
            let help = match input.value.as_integer() {
                Some(_) => format!("write the unit and quotes: \"{raw}s\""),
                None => "write a text with a unit: \"90s\", \"10m\", \"2h\", \"14d\"".to_owned(),
            };
            return Err(input.unlike("duration", help));
        };
        let length = units::length(text).map_err(|misread| vec![input.misread(text, misread)])?;
        if (self.min..=self.max).contains(&length.0) {
            return Ok(length);
        }
        let side = if length.0 < self.min { "below" } else { "above" };
        Err(vec![input.fault(
            format!("{length} is {side} the range"),
            format!("state {} to {}", Seconds(self.min), Seconds(self.max)),
        )])
    }

    fn write(&self, value: &Seconds) -> String {
        format!("\"{value}\"")
    }
}

/// A number of things an hour.
pub(super) struct Rate {
    pub(super) max: u32,
}

impl Kind for Rate {
    type Value = f64;

    fn shape(&self) -> String {
        "rate".to_owned()
    }

    fn range(&self) -> String {
        format!("above 0, up to {}/h", grouped(u64::from(self.max)))
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "pattern": "^.+/\\s*[a-z]+\\s*$"})
    }

    fn read(&self, input: &Input<'_>) -> Result<f64, Vec<Fault>> {
        let Some(text) = input.text() else {
            return Err(input.unlike("rate", "write how many in which time, in quotes: \"40/h\""));
        };
        let rate = units::rate(text).map_err(|misread| vec![input.misread(text, misread)])?;
        if rate > 0.0 && rate <= f64::from(self.max) {
            return Ok(rate);
        }
        Err(vec![
            input.fault(
                format!("a rate of {rate}/h is out of range"),
                format!("state a rate {}", self.range()),
            ),
        ])
    }

    fn write(&self, value: &f64) -> String {
        format!("\"{value}/h\"")
    }
}

/// A whole number between two others.
pub(super) struct Count {
    pub(super) min: u32,
    pub(super) max: u32,
}

impl Count {
    /// A bound of something that grows.
    pub(super) const BOUND: Self = Self { min: 1, max: 1_000_000_000 };
}

impl Kind for Count {
    type Value = u32;

    fn shape(&self) -> String {
        "whole number".to_owned()
    }

    fn range(&self) -> String {
        format!("{} to {}", grouped(self.min.into()), grouped(self.max.into()))
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": self.min, "maximum": self.max})
    }

    fn read(&self, input: &Input<'_>) -> Result<u32, Vec<Fault>> {
        let help = format!("state a whole number from {}", self.range());
        let Some(number) = input.value.as_integer() else {
            return Err(input.unlike("whole number", help));
        };
        i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (self.min..=self.max).contains(number))
            .ok_or_else(|| vec![input.fault(format!("{number} is out of range"), help)])
    }

    fn write(&self, value: &u32) -> String {
        separated((*value).into(), '_')
    }
}

/// A share, 0 to 1.
pub(super) struct Share;

impl Kind for Share {
    type Value = f64;

    fn shape(&self) -> String {
        "number".to_owned()
    }

    fn range(&self) -> String {
        "0 to 1".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "number", "minimum": 0, "maximum": 1})
    }

    fn read(&self, input: &Input<'_>) -> Result<f64, Vec<Fault>> {
        let help = "state a share from 0 to 1: 10 % is 0.1";
        let number = match input.value {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok().filter(|_| number.radix() == 10),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return Err(input.unlike("number", help)),
        };
        // Minus zero would be written as another value than zero.
        let share = number.filter(|number| (0.0..=1.0).contains(number)).map(f64::abs);
        share.ok_or_else(|| {
            let raw = input.source.get(input.span.clone()).unwrap_or_default();
            vec![input.fault(format!("{raw} is no share"), help)]
        })
    }

    fn write(&self, value: &f64) -> String {
        value.to_string()
    }
}

/// A share above 0, at most 1.
pub(super) struct Fraction;

impl Kind for Fraction {
    type Value = f64;

    fn shape(&self) -> String {
        "number".to_owned()
    }

    fn range(&self) -> String {
        "above 0, up to 1".to_owned()
    }

    fn schema(&self) -> Value {
        json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1})
    }

    fn read(&self, input: &Input<'_>) -> Result<f64, Vec<Fault>> {
        match Share.read(input)? {
            share if share > 0.0 => Ok(share),
            _ => Err(vec![input.fault("0 makes nothing", "state a share above 0: a tenth is 0.1")]),
        }
    }

    fn write(&self, value: &f64) -> String {
        Share.write(value)
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn shape(&self) -> String {
        "true or false".to_owned()
    }

    fn range(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Value {
        json!({"type": "boolean"})
    }

    fn read(&self, input: &Input<'_>) -> Result<bool, Vec<Fault>> {
        let help = "write true or false, without quotes";
        input.value.as_bool().ok_or_else(|| input.unlike("truth value", help))
    }

    fn write(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// One of a few words.
pub(super) struct Choice<'a, T>(pub(super) &'a [(&'static str, T)]);

impl<T> Choice<'_, T> {
    fn words(&self) -> String {
        self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
    }
}

impl<T: Copy + PartialEq> Kind for Choice<'_, T> {
    type Value = T;

    fn shape(&self) -> String {
        "word".to_owned()
    }

    fn range(&self) -> String {
        self.words()
    }

    fn schema(&self) -> Value {
        let words: Vec<&str> = self.0.iter().map(|&(word, _)| word).collect();
        json!({"enum": words})
    }

    fn read(&self, input: &Input<'_>) -> Result<T, Vec<Fault>> {
        let help = format!("state one of {}", self.words());
        let Some(text) = input.text() else { return Err(input.unlike("word", help)) };
        let found = self.0.iter().find(|&&(word, _)| word == text).map(|&(_, value)| value);
        found.ok_or_else(|| {
            let near = super::nearest::nearest(text, self.0.iter().map(|&(word, _)| word));
            let help = near.map_or(help, |near| format!("did you mean \"{near}\"?"));
            vec![input.fault(format!("{} is not one of the words it takes", quoted(text)), help)]
        })
    }

    fn write(&self, value: &T) -> String {
        let word = self.0.iter().find(|(_, candidate)| candidate == value).map_or("", |&(word, _)| word);
        quoted(word)
    }
}
