//! `--set section.key=value`.

use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{Medium, Source, is_secret};

/// Longest text of one `--set` in bytes.
const SET_MAX: usize = 64 * 1_024;

/// One `--set section.key=value`: it stands for the key in the file, and wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    path: String,
    text: String,
}

/// Why a `--set` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// There is no `=`.
    #[error("`{0}` sets nothing: write `--set section.key=value`, as in `--set trigger.follow=f44`")]
    NoValue(String),
    /// What stands before `=` is no `section.key`.
    #[error("`{0}` is no key: write `--set section.key=value`, as in `--set trigger.follow=f44`")]
    NoKey(String),
    /// The text is too long.
    #[error("the value of `{0}` has more than {SET_MAX} bytes: write it into the pipeline file")]
    TooLong(String),
}

impl Override {
    /// Reads `section.key=value`. The value is taken as TOML where it is TOML, else as a text.
    pub fn parse(text: &str) -> Result<Self, OverrideError> {
        let Some((key, _)) = text.split_once('=') else {
            return Err(OverrideError::NoValue(shown(text)));
        };
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if !key.contains('.') || !key.split('.').all(part) {
            return Err(OverrideError::NoKey(shown(key)));
        }
        if text.len() > SET_MAX {
            return Err(OverrideError::TooLong(shown(key)));
        }
        Ok(Self { path: key.to_owned(), text: text.to_owned() })
    }

    /// The key, `section.key`.
    pub fn key(&self) -> &str {
        &self.path
    }

    pub(super) fn source(&self) -> Source {
        Source { name: String::new(), text: self.text.clone(), medium: Medium::Set }
    }

    /// The value as it stands in the text.
    pub(super) fn value(&self) -> Spanned<DeValue<'_>> {
        let start = self.path.len() + 1;
        let plain = self.text.get(start..).unwrap_or_default();
        let as_text = || Spanned::new(start..self.text.len(), DeValue::String(plain.into()));
        self.as_toml().unwrap_or_else(as_text)
    }

    /// The value where the whole text is TOML with this one key.
    fn as_toml(&self) -> Option<Spanned<DeValue<'_>>> {
        let mut table = DeTable::parse(&self.text).ok()?.into_inner();
        let mut keys = self.path.split('.').peekable();
        while let Some(key) = keys.next() {
            let only = table.len() == 1;
            let value = table.remove(key).filter(|_| only)?;
            if keys.peek().is_none() {
                return Some(value);
            }
            let DeValue::Table(inner) = value.into_inner() else { return None };
            table = inner;
        }
        None
    }
}

/// A short form for a message; no secret.
fn shown(text: &str) -> String {
    let key = text.split('=').next().unwrap_or_default();
    let text = if is_secret(key) { key } else { text };
    super::source::printable(text).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> (String, std::ops::Range<usize>) {
        let set = Override::parse(text).unwrap();
        let value = set.value();
        (format!("{:?}", value.get_ref()), value.span())
    }

    #[test]
    fn values_are_toml_where_they_can_be() {
        for (text, shown, span) in [
            ("trigger.follow=f42", "String(\"f42\")", 15..18),
            ("trigger.follow=\"f42\"", "String(\"f42\")", 15..20),
            ("burst.allow_leak=true", "Boolean(true)", 17..21),
            (
                "trigger.family=f41@2025-02-04T10:00:00Z,f42",
                "String(\"f41@2025-02-04T10:00:00Z,f42\")",
                15..43,
            ),
            ("burst.rules=100 in 5s", "String(\"100 in 5s\")", 12..21),
            ("select.include=a=b", "String(\"a=b\")", 15..18),
            ("select.include=", "String(\"\")", 15..15),
            ("trigger.tag=x\ny=1", "String(\"x\\ny=1\")", 12..17),
            ("burst.large=1\ny=1", "String(\"1\\ny=1\")", 12..17),
        ] {
            assert_eq!(value(text), (shown.to_owned(), span), "{text}");
        }
        assert!(value("decode.instances=[\"a\", \"b\"]").0.starts_with("Array"));
        assert!(value("burst.large=500").0.starts_with("Integer"));
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for text in ["", "follow", "trigger.follow"] {
            assert!(matches!(Override::parse(text), Err(OverrideError::NoValue(_))), "{text}");
        }
        for text in ["=1", "follow=f42", "trigger.=1", ".follow=1", "trigger.fol low=1", "trigger.\u{e9}=1"] {
            assert!(matches!(Override::parse(text), Err(OverrideError::NoKey(_))), "{text}");
        }
        let long = format!("trigger.follow={}", "x".repeat(SET_MAX));
        assert!(matches!(Override::parse(&long), Err(OverrideError::TooLong(_))));
    }
}
