//! `tidegate deadletters`: records that cannot be read.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Failure;
use super::control::{Target, done, reason, unexpected};
use super::output::{Column, Format, Out, OutputArgs, Table, plain};
use crate::live::ask::{Answer, Request};
use crate::state::read::{LetterRow, Reader};
use crate::text::escaped;

/// Characters of a record that are listed, and shown.
const LISTED: usize = 80;
/// All that is kept, if each byte has to be escaped.
const SHOWN: usize = 4 * crate::state::DEAD_LETTER_MAX_BYTES;

/// List records that cannot be read, and attend to them
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate deadletters list --state eln.db
  tidegate deadletters show 7 --state eln.db
  tidegate deadletters retry 7 --state eln.db --reason 'decoder was mended'
  tidegate deadletters discard 7 --state eln.db --reason 'a test message'",
    after_long_help = "`list` and `show` read the state file; for `retry` and `discard` `tidegate run` must be running."
)]
pub(super) struct DeadLetters {
    #[command(subcommand)]
    command: LettersCommand,
}

#[derive(Debug, Subcommand)]
enum LettersCommand {
    /// List those that nobody attended to, the oldest first.
    List {
        /// The state file.
        #[arg(long, value_name = "DB")]
        state: PathBuf,
        /// Also those that somebody attended to.
        #[arg(long)]
        all: bool,
        /// Only so many of the newest.
        #[arg(long, value_name = "N", default_value_t = 100)]
        last: u32,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show one with all that is kept of it.
    Show {
        /// Its number.
        letter: u64,
        /// The state file.
        #[arg(long, value_name = "DB")]
        state: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Judge one again, as a new record.
    Retry(Attend),
    /// Put one aside: it needs no more attention.
    Discard(Attend),
}

#[derive(Debug, Args)]
struct Attend {
    /// Its number.
    letter: u64,
    #[command(flatten)]
    target: Target,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    output: OutputArgs,
}

impl DeadLetters {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            LettersCommand::List { state, all, last, output } => {
                list(&Reader::open(&state)?.letters(all, last, LISTED)?, output.out())
            }
            LettersCommand::Show { letter, state, output } => {
                let found = Reader::open(&state)?.letter_row(letter, SHOWN)?;
                let text = || {
                    format!(
                        "there is no dead letter {letter}: list them with `tidegate deadletters list --all`"
                    )
                };
                show(&found.ok_or_else(|| Failure::NotFound(text()))?, output.out())
            }
            LettersCommand::Retry(attend) => attend.run(|letter, why| Request::Retry { letter, why }),
            LettersCommand::Discard(attend) => attend.run(|letter, why| Request::Discard { letter, why }),
        }
    }
}

impl Attend {
    fn run(self, request: impl FnOnce(u64, String) -> Request) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Attended<'a> {
            letter: u64,
            outcome: &'a str,
        }
        let Answer::Letter { letter, outcome } = self.target.ask(request(self.letter, self.reason))? else {
            return Err(unexpected());
        };
        let shown = escaped(&outcome).to_string();
        let document = Attended { letter, outcome: &outcome };
        let sentence = format!("dead letter {letter} was {shown}");
        done(
            &self.output,
            "tidegate.deadletter_handled/1",
            &document,
            &sentence,
            &[&letter.to_string(), &shown],
        )
    }
}

fn place(row: &LetterRow) -> String {
    let topic = row.topic.as_deref().map_or(String::new(), |topic| format!("{}/", escaped(topic)));
    format!("{topic}{}@{}", row.partition, row.offset)
}

fn list(rows: &[LetterRow], out: Out) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Listed<'a> {
        letters: &'a [LetterRow],
    }
    let mut to = BufWriter::new(std::io::stdout().lock());
    if matches!(out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        out.data(&mut to, "tidegate.deadletters/1", &Listed { letters: rows })?;
        return Ok(to.flush()?);
    }
    let columns = [
        Column::number("letter", 6),
        Column::text("status", 9),
        Column::text("code", 16),
        Column::text("record", 12),
        Column::text("explanation", 0),
    ];
    let mut table = Table::new(out, &columns);
    for row in rows {
        let safe = |text: &str| escaped(text).to_string();
        let (status, code, explanation) = (safe(&row.status), safe(&row.code), safe(&row.explanation));
        let cells = [row.letter.to_string(), status, code, place(row), explanation];
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        if out.format == Format::Plain { plain(&mut to, &cells)? } else { table.row(&mut to, &cells)? }
    }
    if rows.is_empty() && out.format == Format::Table {
        writeln!(to, "no record waits for attention")?;
    }
    Ok(to.flush()?)
}

fn show(row: &LetterRow, out: Out) -> Result<(), Failure> {
    let handled = match (&row.handled_by, row.handled_at) {
        (Some(who), Some(at)) => {
            let why = row.handled_why.as_deref().unwrap_or_default();
            format!(" by {} at {at}: {}", escaped(who), escaped(why))
        }
        _ => String::new(),
    };
    let sentence = format!(
        "dead letter {} of {}: {}\n{}{handled}\n\n{}",
        row.letter,
        place(row),
        escaped(&row.explanation),
        escaped(&row.status),
        row.text
    );
    let mut to = BufWriter::new(std::io::stdout().lock());
    match out.format {
        Format::Table => writeln!(to, "{sentence}")?,
        Format::Plain => {
            let (status, code) = (escaped(&row.status).to_string(), escaped(&row.code).to_string());
            plain(&mut to, &[&row.letter.to_string(), &status, &code, &place(row), &row.text])?;
        }
        Format::Json | Format::Jsonl | Format::Yaml => out.data(&mut to, "tidegate.deadletter/1", row)?,
    }
    Ok(to.flush()?)
}
