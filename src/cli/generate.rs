//! `tidegate generate`: streams of messages with their truth.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, say};
use crate::generate::{Options, generate_with, scenarios};

/// Generate a stream of bus messages, with the truth about each line
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  tidegate generate list
  tidegate generate mix --lines 1000000 | zstd > mix.jsonl.zst
  tidegate generate branching --seed 7 --scale 0.1 --truth branching
  tidegate replay pipelines/eln.toml --set trigger.follow=f42 --set trigger.family=f41@2025-02-04T10:00:00Z,f42 \\
      --input branching/events.jsonl --kafka branching/kafka.jsonl --packages branching/packages.txt \\
      --renames branching/renames --known branching/known_builds.jsonl --warmup branching/warmup.jsonl \\
      --decisions decisions.jsonl
  tidegate score branching decisions.jsonl

The same name, seed and options give the same bytes. When the old tag f41 was left is `left_at` in truth.json.")]
pub(super) struct Generate {
    /// Scenario; `list` shows all.
    name: String,
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
}

impl Generate {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.name == "list" {
            return list();
        }
        let Self { seed, scale, lines, cold, .. } = self;
        let world = generate_with(&self.name, Options { seed, scale, lines, cold })?;
        match &self.truth {
            None => world.write_events(&mut std::io::stdout().lock())?,
            Some(dir) => {
                world.write_all(dir).map_err(|source| Failure::Generated { path: dir.clone(), source })?;
                say(&format!("{} written to {}", self.name, dir.display()));
            }
        }
        Ok(())
    }
}

fn list() -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for scenario in scenarios() {
        writeln!(out, "{:<21} {}", scenario.name, scenario.summary)?;
    }
    Ok(())
}
