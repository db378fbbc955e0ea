//! `tidegate state`: backup, check and adoption of a state file.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Column, Format, OutputArgs, Table, plain};
use super::{Failure, say};
use crate::live::shell::Clock;
use crate::state::State as File;
use crate::state::care::{Verified, backup, verify};

/// Copy a state file, check it, or take an old copy for the one that goes on
#[derive(Debug, Args)]
#[command(before_long_help = "Examples:
  tidegate state backup eln.db eln-2026-02-03.db
  tidegate state verify eln-2026-02-03.db
  tidegate state adopt eln.db --reason \"restored from the backup of Monday; the old disk is lost\"")]
pub(super) struct State {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Copy a state into a new file, of one moment, also while it is used.
    Backup {
        /// The state file.
        state: PathBuf,
        /// The copy; nothing may stand there.
        copy: PathBuf,
    },
    /// Check that a state is whole, and count what it holds. Exit code 1 where it is not.
    Verify {
        /// The state file.
        state: PathBuf,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Take an old copy for the state that goes on: `tidegate run` submits nothing with it before.
    Adopt {
        /// The state file; nothing may be using it.
        state: PathBuf,
        /// Why, for whoever asks later.
        #[arg(long)]
        reason: String,
        /// Who decides, where all share one user.
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
    },
}

/// What `verify` tells programs.
#[derive(Serialize)]
struct Report<'a> {
    serial: u64,
    rows: std::collections::BTreeMap<&'a str, u64>,
    faults: &'a [String],
}

impl State {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            StateCommand::Backup { state, copy } => {
                backup(&state, &copy)?;
                say(&format!(
                    "{} is a copy of {}; check it with `tidegate state verify`",
                    copy.display(),
                    state.display()
                ));
                Ok(())
            }
            StateCommand::Verify { state, output } => report(&verify(&state)?, &output),
            StateCommand::Adopt { state, reason, name } => {
                let mut file = File::open(&state, true)?;
                let Some(committed) = file.old_copy()? else {
                    return Err(Failure::NotFound(format!(
                        "{} is not known to be an old copy: `tidegate run` finds that out from Kafka; there is nothing to adopt",
                        state.display()
                    )));
                };
                let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
                file.adopt(committed, name.as_deref().unwrap_or(&user), &reason, Clock::start().now().wall)?;
                say(&format!(
                    "{} goes on from batch {}; start `tidegate run` with it",
                    state.display(),
                    committed + 1
                ));
                Ok(())
            }
        }
    }
}

fn report(verified: &Verified, output: &OutputArgs) -> Result<(), Failure> {
    let (out, mut to) = (output.out(), std::io::stdout().lock());
    match out.format {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let rows = verified.rows.iter().copied().collect();
            let report = Report { serial: verified.serial, rows, faults: &verified.faults };
            out.data(&mut to, "tidegate.state/1", &report)?;
        }
        Format::Plain => {
            for (table, rows) in &verified.rows {
                plain(&mut to, &[table, &rows.to_string()])?;
            }
        }
        Format::Table => {
            let mut table = Table::new(out, &[Column::text("table", 12), Column::number("rows", 12)]);
            for (name, rows) in &verified.rows {
                table.row(&mut to, &[name, &rows.to_string()])?;
            }
            writeln!(to, "\n{} batches were written.", verified.serial)?;
        }
    }
    for fault in &verified.faults {
        say(&format!("fault: {}", crate::text::escaped(fault)));
    }
    if verified.faults.is_empty() { Ok(()) } else { Err(Failure::NotWhole { faults: verified.faults.len() }) }
}
