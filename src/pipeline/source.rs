//! Texts that settings are read from (the file, or one `--set`), and findings at places in them.

use std::fmt;
use std::ops::Range;

/// How much of a long line is shown around the place of a finding, in characters.
const QUOTE_MAX: usize = 100;

/// A text that settings are read from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The file's name; not used for `--set`.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) medium: Medium,
}

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    File,
    Set,
}

/// Where a finding is. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A place in the pipeline file.
    File {
        /// The file's name as it was given.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A place in the text of one `--set`.
    Set {
        /// The text behind `--set`.
        text: String,
        /// Column in it, from 1.
        column: usize,
    },
    /// The file as a whole, as where it cannot be read.
    Whole {
        /// The file's name as it was given.
        name: String,
    },
}

/// Whether a finding refuses the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The pipeline is refused.
    Error,
    /// The pipeline is taken; a person should know.
    Warning,
}

/// One thing that is wrong, or doubtful, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it refuses the pipeline.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
    quote: Option<Quote>,
}

/// A place of which something may be said later, as of an expectation when its test was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    place: Place,
    quote: Quote,
}

/// The line of a finding, cut to what can be shown, with the marked part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quote {
    text: String,
    before: usize,
    width: usize,
}

impl Source {
    /// An error at `span`, given in bytes of the text.
    pub(super) fn error(&self, span: &Range<usize>, message: String, help: String) -> Finding {
        self.mark(span).error(message, help)
    }

    /// The place at `span`, given in bytes of the text.
    pub(super) fn mark(&self, span: &Range<usize>) -> Mark {
        let (line, column, quote) = self.locate(span);
        let place = match self.medium {
            Medium::File => Place::File { name: self.name.clone(), line, column },
            Medium::Set => Place::Set { text: printable(&Self::unsecret(&self.text)), column },
        };
        Mark { place, quote }
    }

    /// The line, from 1, that a byte belongs to.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
    }

    fn locate(&self, span: &Range<usize>) -> (usize, usize, Quote) {
        let start = floor_boundary(&self.text, span.start);
        let head = self.text.get(..start).unwrap_or_default();
        let line_start = head.rfind('\n').map_or(0, |at| at + 1);
        let before = head.get(line_start..).unwrap_or_default().chars().count();
        let rest = self.text.get(line_start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let marked = self.text.get(start..floor_boundary(&self.text, span.end)).unwrap_or_default();
        let width = marked.split(['\r', '\n']).next().unwrap_or_default().chars().count();
        let quote = Quote::new(&Self::unsecret(line), before, width);
        (self.line(start), before + 1, quote)
    }

    /// A line without its value where it looks like a secret written into the file.
    fn unsecret(line: &str) -> String {
        match line.split_once('=') {
            Some((key, _)) if is_secret(key.trim().rsplit('.').next().unwrap_or_default()) => {
                format!("{key}= (not shown)")
            }
            _ => without_login(line),
        }
    }
}

/// A line without the login of an address in it, `https://login@host`.
fn without_login(line: &str) -> String {
    let login = line.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '"', '\'']).next().unwrap_or_default();
        let (login, _) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://(not shown){}", rest.get(login.len()..).unwrap_or_default()))
    });
    login.unwrap_or_else(|| line.to_owned())
}

/// Whether a key of this name would carry a secret itself.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.trim_matches(['"', '\'']).to_lowercase();
    let words =
        ["password", "passphrase", "passwd", "secret", "token", "keytab", "credential", "api_key", "pem"];
    !key.ends_with("_file") && words.iter().any(|word| key.contains(word))
}

impl Mark {
    /// An error at this place.
    pub fn error(&self, message: String, help: String) -> Finding {
        let (place, quote) = (self.place.clone(), Some(self.quote.clone()));
        Finding { severity: Severity::Error, place, message, help, quote }
    }
}

impl Finding {
    /// The line of the text that it is about, as far as it is shown.
    pub fn quoted(&self) -> Option<&str> {
        self.quote.as_ref().map(|quote| quote.text.as_str())
    }

    /// An error of the file as a whole.
    pub(super) fn whole(name: &str, message: String, help: String) -> Self {
        let place = Place::Whole { name: name.to_owned() };
        Self { severity: Severity::Error, place, message, help, quote: None }
    }

    /// Order of reports: the file as a whole, its lines, the `--set`s as they were met.
    pub(super) fn rank(&self) -> (u8, usize, usize) {
        match self.place {
            Place::Whole { .. } => (0, 0, 0),
            Place::File { line, column, .. } => (1, line, column),
            Place::Set { .. } => (2, 0, 0),
        }
    }

    /// The same as a warning.
    pub(super) fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

impl Quote {
    fn new(line: &str, before: usize, width: usize) -> Self {
        let length = line.chars().count();
        let before = before.min(length);
        let from = if length > QUOTE_MAX { before.saturating_sub(QUOTE_MAX / 3) } else { 0 };
        let text: String = printable(line).chars().skip(from).take(QUOTE_MAX).collect();
        let before = before - from;
        let width = width.min(text.chars().count().saturating_sub(before)).max(1);
        Self { text, before, width }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Set { text, column } => write!(f, "--set {text} (column {column})"),
            Self::Whole { name } => f.write_str(name),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match &self.place {
            Place::File { line, .. } => line.to_string(),
            Place::Set { .. } | Place::Whole { .. } => String::new(),
        };
        let margin = " ".repeat(number.len());
        writeln!(f, "{}: {}", self.severity, self.message)?;
        writeln!(f, "{margin}--> {}", self.place)?;
        if let Some(Quote { text, before, width }) = &self.quote {
            writeln!(f, "{margin} |")?;
            writeln!(f, "{number} | {text}")?;
            writeln!(f, "{margin} | {}{}", " ".repeat(*before), "^".repeat(*width))?;
        }
        write!(f, "{margin} = help: {}", self.help)
    }
}

/// One character of output for each of input, none of which moves a terminal's cursor.
pub(super) fn printable(text: &str) -> String {
    let show = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(show).collect()
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Source {
        Source { name: "x.toml".to_owned(), text: text.to_owned(), medium: Medium::File }
    }

    #[test]
    fn a_finding_shows_its_line_with_a_caret() {
        let text = "[burst]\n\tquiet = \"é\" # 1\r\n";
        let at = text.find("\" #").unwrap();
        let finding = file(text).error(&(at..at + 1), "no".to_owned(), "do".to_owned());
        assert_eq!(
            finding.to_string(),
            "error: no\n --> x.toml:2:12\n  |\n2 |  quiet = \"é\" # 1\n  |            ^\n  = help: do"
        );
    }

    #[test]
    fn places_outside_the_text_and_inside_a_character_are_shown_at_the_nearest() {
        let source = file("é");
        for span in [0..1, 1..9, 7..9] {
            let finding = source.error(&span, String::new(), String::new());
            let Place::File { line: 1, column, .. } = finding.place else { panic!("{finding}") };
            assert!(column <= 2, "{finding}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let shown = file(&text).error(&(500..501), String::new(), String::new()).to_string();
        assert!(shown.contains("x.toml:1:501") && shown.contains("axb") && shown.len() < 400, "{shown}");
    }

    #[test]
    fn secrets_and_control_characters_are_not_shown() {
        let shown = file("password = \"hunter2\"").error(&(0..8), String::new(), String::new()).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        let shown = file("a = \"\u{1b}[2J\"").error(&(0..1), String::new(), String::new()).to_string();
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let shown = file("url = \"https://me:hunter2@host/x\"").error(&(0..3), String::new(), String::new());
        assert!(shown.to_string().contains("https://(not shown)@host/x"), "{shown}");
        let set = Source { medium: Medium::Set, ..file("sink.token=hunter2") };
        let shown = set.error(&(5..10), String::new(), String::new()).to_string();
        assert!(shown.contains("--set sink.token= (not shown) (column 6)"), "{shown}");
        assert!(!is_secret("token_file") && is_secret("Token") && !is_secret("follow"));
    }
}
