//! `tidegate generate`: streams of messages with their truth.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, Subcommand};
use clap_complete::Shell;

use super::output::{Column, Format, OutputArgs, Table, plain};
use super::{Cli, Failure, say};
use crate::generate::{Options, generate_with, scenarios};
use crate::metrics::table;

/// Generate a stream of bus messages with the truth about each line; also shell completions and manual pages
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    before_long_help = "Examples:
  tidegate generate list
  tidegate generate mix --lines 1000000 | zstd > mix.jsonl.zst
  tidegate generate branching --seed 7 --scale 0.1 --truth branching
  tidegate replay pipelines/eln.toml --set trigger.follow=f42 \\
      --set trigger.family=f41@2025-02-04T10:00:00Z,f42 \\
      --input branching/events.jsonl --kafka branching/kafka.jsonl \\
      --packages branching/packages.txt --renames branching/renames \\
      --known branching/known_builds.jsonl --warmup branching/warmup.jsonl \\
      --decisions decisions.jsonl
  tidegate score branching decisions.jsonl
  tidegate generate completions bash > /etc/bash_completion.d/tidegate
  tidegate generate man /usr/local/share/man/man1",
    after_long_help = "The same name, seed and options give the same bytes. When the old tag f41 was left is `left_at` in truth.json."
)]
pub(super) struct Generate {
    #[command(subcommand)]
    page: Option<Page>,
    /// Scenario; `list` shows all.
    #[arg(required = true)]
    name: Option<String>,
    /// Another seed gives another stream of the same kind.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of the full size, above 0 and at most 1.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Exactly so many lines; for `mix` only.
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
    /// No known builds; where old builds are tagged again no warm-up either.
    #[arg(long)]
    cold: bool,
    /// Write the stream and its truth into this folder; without it the messages go to standard output.
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is generated for whoever types.
#[derive(Debug, Subcommand)]
enum Page {
    /// Write what a shell needs to complete commands and options to standard output.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write a manual page for each command into a folder.
    Man {
        /// The folder; it is made if it is not there.
        dir: PathBuf,
    },
    /// Write the page about the metrics to standard output.
    #[command(hide = true)]
    Metrics,
}

impl Generate {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.page {
            Some(Page::Completions { shell }) => return completions(shell),
            Some(Page::Man { dir }) => return manual(&dir),
            Some(Page::Metrics) => {
                std::io::stdout().lock().write_all(table::page().as_bytes())?;
                return Ok(());
            }
            None => {}
        }
        let Self { seed, scale, lines, cold, name, .. } = self;
        let name = name.unwrap_or_default();
        if name == "list" {
            return list(&self.output);
        }
        let world = generate_with(&name, Options { seed, scale, lines, cold })?;
        match &self.truth {
            None => world.write_events(&mut std::io::stdout().lock())?,
            Some(dir) => {
                world.write_all(dir).map_err(|source| Failure::Generated { path: dir.clone(), source })?;
                say(&format!("{name} written to {}", dir.display()));
            }
        }
        Ok(())
    }
}

fn list(output: &OutputArgs) -> Result<(), Failure> {
    let (out, mut to) = (output.out(), std::io::stdout().lock());
    let mut table = Table::new(out, &[Column::text("scenario", 21), Column::text("what happens", 0)]);
    let told: Vec<_> = scenarios()
        .iter()
        .map(|scenario| serde_json::json!({"name": scenario.name, "summary": scenario.summary}))
        .collect();
    match out.format {
        Format::Json | Format::Jsonl | Format::Yaml => {
            out.data(&mut to, "tidegate.scenarios/1", &serde_json::json!({ "scenarios": told }))?;
        }
        Format::Table | Format::Plain => {
            for scenario in scenarios() {
                let cells = [scenario.name, scenario.summary];
                if out.format == Format::Plain {
                    plain(&mut to, &cells)?;
                } else {
                    table.row(&mut to, &cells)?;
                }
            }
        }
    }
    Ok(())
}

fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(())
}

fn manual(dir: &Path) -> Result<(), Failure> {
    let fail = |source| Failure::File { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(fail)?;
    clap_mangen::generate_to(examples_last(Cli::command()), dir).map_err(fail)?;
    say(&format!(
        "manual pages written to {}; read them with `man -l {}/tidegate.1`",
        dir.display(),
        dir.display()
    ));
    Ok(())
}

/// A manual page has its examples at its end; what stands before a help text would be left out.
fn examples_last(command: clap::Command) -> clap::Command {
    let texts = [command.get_before_long_help(), command.get_after_long_help()];
    let texts: Vec<String> = texts.into_iter().flatten().map(ToString::to_string).collect();
    let command = command.mut_subcommands(examples_last);
    if texts.is_empty() { command } else { command.after_long_help(texts.join("\n\n")) }
}
