//! What is wrong with a text as TOML, in words for somebody who does not know TOML.

use std::ops::Range;

use toml::de::DeTable;

use super::FINDINGS_MAX;
use super::kinds::quoted;
use super::source::{Finding, Source};

/// A text read as TOML as far as it is TOML.
pub(super) struct Document<'i> {
    pub(super) table: DeTable<'i>,
    pub(super) findings: Vec<Finding>,
    /// Lines, from 1, that are no TOML.
    pub(super) broken: Vec<usize>,
    /// Whether the keys can be told although something is wrong.
    pub(super) readable: bool,
}

/// Reads a text as TOML. Of each line only the first fault is told, and none behind a list that stays open: the
/// others follow from it.
pub(super) fn read(source: &Source) -> Document<'_> {
    let (table, mut errors) = DeTable::parse_recoverable(&source.text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut document =
        Document { table: table.into_inner(), findings: Vec::new(), broken: Vec::new(), readable: true };
    let open_list = errors.iter().any(|error| error.message().starts_with("unclosed array"));
    document.readable &= errors.len() <= FINDINGS_MAX;
    for error in errors.into_iter().take(FINDINGS_MAX) {
        let span = error.span().unwrap_or(0..0);
        let cause = Cause::of(error.message());
        let line = source.line(span.start);
        document.readable &= cause != Cause::Other || stays_in_its_line(source, line, error.message());
        if document.broken.contains(&line) {
            continue;
        }
        document.broken.push(line);
        let raw = source.text.get(span.clone()).unwrap_or_default();
        let (span, message, help) = cause.tell(error.message(), span, raw);
        document.findings.push(source.error(&span, message, help));
        if open_list && matches!(cause, Cause::Comma | Cause::Other) {
            document.readable = false;
            break;
        }
    }
    document
}

/// Whether a fault leaves the lines below it what they are: a header would change their section, and what stays
/// open would swallow them.
fn stays_in_its_line(source: &Source, line: usize, message: &str) -> bool {
    let text = source.text.split('\n').nth(line - 1).unwrap_or_default();
    let local = [
        "key with no value",
        "unexpected key or value",
        "invalid basic string",
        "invalid literal string",
        "`_` may only go between digits",
    ];
    !text.trim_start().starts_with('[') && local.iter().any(|words| message.starts_with(words))
}

/// The faults whose cause and cure are plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Bare,
    Twice,
    Comma,
    Escape,
    Other,
}

impl Cause {
    fn of(message: &str) -> Self {
        let begins = |words: &str| message.starts_with(words);
        if begins("string values must be quoted") || begins("invalid boolean") {
            Self::Bare
        } else if begins("duplicate key") {
            Self::Twice
        } else if begins("missing comma") {
            Self::Comma
        } else if begins("missing escaped value") {
            Self::Escape
        } else {
            Self::Other
        }
    }

    fn tell(self, parser: &str, span: Range<usize>, raw: &str) -> (Range<usize>, String, String) {
        match self {
            Self::Bare if raw.is_empty() => {
                (span, "a value is missing".to_owned(), "write it behind the `=`".to_owned())
            }
            Self::Bare if raw.eq_ignore_ascii_case("true") || raw.eq_ignore_ascii_case("false") => {
                (span, format!("`{raw}` is not written like this"), format!("write {}", raw.to_lowercase()))
            }
            Self::Bare => (span, format!("`{raw}` lacks its quotes"), format!("write {}", quoted(raw))),
            Self::Twice => (span, format!("`{raw}` is stated twice"), "keep one of them".to_owned()),
            Self::Comma => (
                span,
                "a list goes on without a comma".to_owned(),
                "write the `,`, or close the list with `]`".to_owned(),
            ),
            Self::Escape => (
                span,
                "a backslash in double quotes begins a special character, and this is none".to_owned(),
                "put the text in single quotes, where a backslash is only itself: '\\d+'".to_owned(),
            ),
            Self::Other => (
                span,
                format!("this is no TOML: {parser}"),
                "a pipeline file has sections `[burst]` and lines `key = value`, with texts in quotes"
                    .to_owned(),
            ),
        }
    }
}
