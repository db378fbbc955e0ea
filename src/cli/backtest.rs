//! `tidegate backtest`: what another pipeline file would have decided about the same records.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::output::{Format, OutputArgs, plain};
use super::{Failure, say};
use crate::pipeline::{self, Override};
use crate::replay::Options;
use crate::replay::backtest::backtest;
use crate::settings::Settings;

/// Run two pipeline files over the same records, and tell where they differ
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  tidegate generate branching --seed 1 --truth branching
  tidegate backtest pipelines/eln.toml my.toml --set trigger.follow=f42 \\
      --set trigger.family=f41@2025-02-04T09:08:23Z,f42 --input branching/events.jsonl --kafka branching/kafka.jsonl \\
      --packages branching/packages.txt --renames branching/renames --known branching/known_builds.jsonl \\
      --warmup branching/warmup.jsonl --truth branching

What each file gives is what `tidegate replay` gives with it. With --truth, what is known of the stream tells which
builds were old: how many of them each would have submitted, and how many new ones wait for a person.")]
pub(super) struct Backtest {
    /// The pipeline file in force.
    old: PathBuf,
    /// The pipeline file to compare it with.
    new: PathBuf,
    /// Set a key over both files.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = Override::parse)]
    overrides: Vec<Override>,
    /// Files of records, in order; `-` is standard input.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// For each line of the input its partition, Kafka timestamp and headers.
    #[arg(long, value_name = "FILE")]
    kafka: Option<PathBuf>,
    /// Eligible packages, one downstream name a line.
    #[arg(long, value_name = "FILE")]
    packages: Option<PathBuf>,
    /// Renames, `upstream downstream` a line.
    #[arg(long, value_name = "FILE")]
    renames: Option<PathBuf>,
    /// Known builds: JSON lines with `build_id`, `nvr`, `tag`, `tagged_at`.
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Records that only teach, in time order; they are read first.
    #[arg(long, value_name = "FILE")]
    warmup: Option<PathBuf>,
    /// Folder with `truth.json` and `truth.jsonl` of the records.
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
    /// How many of the records that differ the text names; JSON has all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    show: usize,
    #[command(flatten)]
    output: OutputArgs,
}

impl Backtest {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (old, new) = (self.settings(&self.old)?, self.settings(&self.new)?);
        let options = Options {
            inputs: self.input,
            kafka: self.kafka,
            packages: self.packages,
            renames: self.renames,
            known: self.known,
            warmup: self.warmup,
            ..Options::default()
        };
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let mut progress = |_, records| bar.set_message(format!("{records} records"));
        let comparison = backtest((old, new), &options, self.truth.as_deref(), &mut progress)?;
        bar.finish_and_clear();
        let (out, mut to) = (self.output.out(), std::io::stdout().lock());
        match out.format {
            Format::Table => write!(to, "{}", comparison.text(self.show))?,
            Format::Plain => {
                for difference in &comparison.differences {
                    let fields = difference.fields();
                    plain(&mut to, &fields.each_ref().map(String::as_str))?;
                }
            }
            Format::Json | Format::Jsonl | Format::Yaml => {
                out.data(&mut to, "tidegate.backtest/1", &comparison)?;
            }
        }
        Ok(())
    }

    fn settings(&self, path: &Path) -> Result<Settings, Failure> {
        let pipeline = pipeline::load(path, &self.overrides)?;
        for warning in &pipeline.warnings {
            say(&warning.to_string());
        }
        Ok(pipeline.settings()?)
    }
}
