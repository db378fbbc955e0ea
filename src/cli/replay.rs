//! `tidegate replay`: what a pipeline would have decided about files of records.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{Format, OutputArgs, plain};
use super::{Failure, PipelineArgs, say};
use crate::replay::summary::Standing;
use crate::replay::{Options, replay, replay_watched};

/// Run a pipeline over files of records, and tell what it would have decided
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate generate branching --seed 1 --truth stream
  tidegate replay pipelines/eln.toml --set trigger.follow=f42 --input stream/events.jsonl \\
      --packages stream/packages.txt --known stream/known_builds.jsonl --state eln.db",
    after_long_help = "Records are JSON lines: the dump envelope of fedora-messaging, bare bodies with --kafka, or the legacy shape; \
                       plain, gzip or zstd. Each record gets one line in the decisions file; `admitted` counts as submitted there, and nothing is sent \
                       anywhere. With --state a later run goes on where this one stopped."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Replay {
    #[command(flatten)]
    pipeline: PipelineArgs,
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
    /// Keep the state in this file, and go on from it if it is there.
    #[arg(long, value_name = "DB")]
    state: Option<PathBuf>,
    /// Let the state stand on a network file system.
    #[arg(long, requires = "state")]
    allow_network_state: bool,
    /// At the end of the input let time run on until all is decided; without --state this is so anyway.
    #[arg(long)]
    end: bool,
    /// Write one decision a line to this file; `-` is standard output.
    #[arg(long, value_name = "OUT")]
    decisions: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    /// Neither progress nor summary.
    #[arg(long, short)]
    quiet: bool,
    /// Show side by side, as the time of the stream goes on, what is submitted without Tidegate and with it.
    #[arg(long, conflicts_with = "quiet")]
    watch: bool,
    /// Records between two writes of the state.
    #[arg(long, value_name = "N", hide_short_help = true)]
    batch_records: Option<u64>,
    /// Stop after so many records of this run, before the end of the input.
    #[arg(long, value_name = "N", hide_short_help = true)]
    stop_after: Option<u64>,
}

impl Replay {
    pub(super) fn run(self) -> Result<(), Failure> {
        let pipeline = self.pipeline.load()?;
        let out = self.output.out();
        if !self.quiet {
            for warning in &pipeline.warnings {
                say(&warning.to_string());
            }
        }
        let settings = pipeline.settings()?;
        let bar = self.progress_bar();
        let to_stdout = self.decisions.as_ref().is_some_and(|path| path.as_os_str() == "-");
        let options = Options {
            inputs: self.input,
            kafka: self.kafka,
            packages: self.packages,
            renames: self.renames,
            known: self.known,
            warmup: self.warmup,
            state: self.state.clone(),
            allow_network_state: self.allow_network_state,
            end: (self.end || self.state.is_none()).then_some(true),
            decisions: self.decisions,
            batch_records: self.batch_records,
            stop_after: self.stop_after,
        };
        let mut progress = |bytes, records| {
            bar.set_position(bytes);
            bar.set_message(format!("{records} records"));
        };
        let mut failed = Ok(());
        let mut row = |standing: &Standing| {
            let mut out = std::io::stdout().lock();
            if failed.is_ok() {
                failed = bar.suspend(|| writeln!(out, "{standing}"));
            }
        };
        let summary = if self.watch {
            writeln!(std::io::stdout().lock(), "{}", Standing::HEAD)?;
            replay_watched(settings, &options, &mut progress, Some(&mut row))?
        } else {
            replay(settings, &options, &mut progress)?
        };
        failed?;
        if self.watch {
            writeln!(std::io::stdout().lock())?;
        }
        bar.finish_and_clear();
        if self.quiet {
            return Ok(());
        }
        let mut text = Vec::new();
        match out.format {
            Format::Table => write!(text, "{summary}")?,
            Format::Plain => {
                for (outcome, count) in &summary.outcomes {
                    plain(&mut text, &[outcome, &count.to_string()])?;
                }
            }
            Format::Json | Format::Jsonl | Format::Yaml => {
                out.data(&mut text, "tidegate.replay/1", &summary)?;
            }
        }
        if to_stdout {
            say(String::from_utf8_lossy(&text).trim_end());
        } else {
            std::io::stdout().lock().write_all(&text)?;
        }
        Ok(())
    }

    /// A bar on a terminal, nothing elsewhere.
    fn progress_bar(&self) -> ProgressBar {
        if self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let sizes = self.input.iter().map(|path| std::fs::metadata(path).map(|file| file.len()));
        let total = sizes.sum::<Result<u64, _>>().ok().filter(|total| *total > 0);
        let template = if total.is_some() {
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {msg}, {eta} left"
        } else {
            "{spinner} {bytes} {bytes_per_sec} {msg}"
        };
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style))
    }
}
