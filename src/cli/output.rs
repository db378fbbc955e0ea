//! How results are written: for people as tables and text, for programs as JSON, YAML or tab-separated lines.
//!
//! Results go to standard output, messages to standard error. What programs read carries a member `schema` with a name and a
//! version; `docs/output.md` describes them. Texts from outside are escaped in every format.

mod table;
mod yaml;

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::text::is_unsafe;

pub(super) use self::table::{Column, Table, wrapped};

/// Columns of a text where no terminal says how wide it is.
const WIDTH: usize = 100;
/// Lines of a text are not longer than this, however wide the terminal is: nobody reads them.
const TEXT_WIDTH_MAX: usize = 110;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// YAML.
    Yaml,
    /// One record a line, fields separated by tabs, no header.
    Plain,
}

/// What a person says about the output.
#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// How results are written.
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t = Format::Table, alias = "format")]
    output: Format,
    /// No colours, as where `NO_COLOR` is set or the output is no terminal.
    #[arg(long)]
    no_color: bool,
}

/// Where and how results are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    pub(super) format: Format,
    colour: bool,
    /// Columns of the terminal; `None` where there is none.
    terminal: Option<usize>,
}

impl OutputArgs {
    pub(super) fn out(&self) -> Out {
        let terminal = io::stdout().is_terminal();
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = variable("TERM").is_some_and(|value| value == "dumb");
        let columns = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Out {
            format: self.output,
            colour: terminal && !dumb && !self.no_color && variable("NO_COLOR").is_none(),
            terminal: if terminal { columns.or(Some(WIDTH)) } else { None },
        }
    }
}

/// A document for programs.
#[derive(Serialize)]
struct Versioned<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

impl Out {
    /// The same in another format.
    pub(super) fn with(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// For text that goes into a document or a message.
    pub(super) const fn bare() -> Self {
        Self { format: Format::Table, colour: false, terminal: None }
    }

    /// How long a line of text may be, in columns.
    pub(super) fn width(self) -> usize {
        self.terminal.unwrap_or(WIDTH).min(TEXT_WIDTH_MAX)
    }

    /// How long a row of a table may be, in columns: where no terminal is, as long as it takes.
    pub(super) fn row_width(self) -> usize {
        self.terminal.unwrap_or(usize::MAX)
    }

    /// Writes a document for programs: `schema` names what it is, and its version.
    pub(super) fn data(self, to: &mut impl Write, schema: &str, value: &impl Serialize) -> io::Result<()> {
        let document = Versioned { schema, value };
        match self.format {
            Format::Jsonl => writeln!(to, "{}", armoured(&serde_json::to_string(&document)?)),
            Format::Yaml => {
                let value = serde_json::to_value(&document)?;
                write!(to, "---\n{}", yaml::text(&value))
            }
            Format::Json | Format::Table | Format::Plain => {
                writeln!(to, "{}", armoured(&serde_json::to_string_pretty(&document)?))
            }
        }
    }

    /// A text that stands out on a terminal.
    pub(super) fn strong(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// An outcome in its colour.
    pub(super) fn outcome(self, printed: &str) -> String {
        let code = match printed.trim() {
            "submitted" => 32,
            "held" => 33,
            "dropped" | "dead_letter" => 31,
            _ => return printed.to_owned(),
        };
        if self.colour { format!("\u{1b}[{code}m{printed}\u{1b}[0m") } else { printed.to_owned() }
    }
}

/// One record as a line: fields separated by tabs. They are escaped, so none holds a tab or a line end.
pub(super) fn plain(to: &mut impl Write, fields: &[&str]) -> io::Result<()> {
    writeln!(to, "{}", fields.join("\t"))
}

/// JSON in which nothing can drive a terminal: outside of strings there is only ASCII, so every such character stands in one.
pub(super) fn armoured(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_unsafe(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.extend([format!("\\u{unit:04x}")]);
            }
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn out(format: Format) -> Out {
        Out { format, colour: false, terminal: None }
    }

    #[derive(Serialize)]
    struct Named {
        tag: String,
    }

    fn written(format: Format, tag: &str) -> String {
        let mut bytes = Vec::new();
        out(format).data(&mut bytes, "tidegate.test/1", &Named { tag: tag.to_owned() }).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn documents_say_what_they_are() {
        assert_eq!(written(Format::Jsonl, "f42"), "{\"schema\":\"tidegate.test/1\",\"tag\":\"f42\"}\n");
        assert_eq!(
            written(Format::Json, "f42"),
            "{\n  \"schema\": \"tidegate.test/1\",\n  \"tag\": \"f42\"\n}\n"
        );
        assert_eq!(written(Format::Yaml, "f42"), "---\nschema: \"tidegate.test/1\"\ntag: \"f42\"\n");
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let coloured = Out { colour: true, ..out(Format::Table) };
        assert_eq!(coloured.outcome("held "), "\u{1b}[33mheld \u{1b}[0m");
        assert_eq!(out(Format::Table).outcome("held"), "held");
        assert_eq!(coloured.outcome("ignored"), "ignored");
    }

    proptest! {
        #[test]
        fn json_holds_nothing_that_drives_a_terminal_and_means_the_same(text in any::<String>()) {
            let line = written(Format::Jsonl, &text);
            prop_assert!(!line.trim_end().chars().any(is_unsafe), "{line:?}");
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read.get("tag").and_then(|tag| tag.as_str()), Some(text.as_str()));
        }
    }
}
