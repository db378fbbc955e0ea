//! `tidegate doctor`: whether `tidegate run` has all that it needs.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::output::{Format, Out, OutputArgs, plain, wrapped};
use super::{Failure, PipelineArgs};
use crate::doctor::examine::{self, Site};
use crate::doctor::{Check, Verdict};
use crate::live::shell::Clock;
use crate::pipeline;
use crate::text::escaped;

/// Columns before the text of a check.
const INDENT: usize = 9;

/// Check all that a live pipeline needs, before it is started
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate doctor pipelines/eln.toml --set trigger.follow=f45 --state eln.db
  tidegate doctor pipelines/eln.toml --state eln.db -o json",
    after_long_help = "Looks at the pipeline file, files with secrets, the state, the brokers, package lists and hubs, within 30 s. Nothing is changed, \
                       and the consumer group is not joined. Run it as the user that runs `tidegate run`. Exit code 3: there are warnings; 1: \
                       something failed, and `tidegate run` would too."
)]
pub(super) struct Doctor {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The state file.
    #[arg(long, value_name = "DB")]
    state: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The checks, for programs.
#[derive(Serialize)]
struct Document<'a> {
    /// The worst of them.
    verdict: Verdict,
    checks: &'a [Check],
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let checks = self.checks()?;
        let mut to = BufWriter::new(std::io::stdout().lock());
        write(&mut to, &checks, self.output.out())?;
        to.flush()?;
        let failed = checks.iter().filter(|check| check.verdict == Verdict::Failed).count();
        match worst(&checks) {
            Verdict::Failed => Err(Failure::Unfit { failed }),
            Verdict::Warning => Err(Failure::Attention),
            Verdict::Fine | Verdict::Skipped => Ok(()),
        }
    }

    fn checks(&self) -> Result<Vec<Check>, Failure> {
        let file = &self.pipeline.pipeline;
        let pipeline = match pipeline::load(file, &self.pipeline.overrides) {
            Ok(pipeline) => pipeline,
            Err(report) => {
                let mut checks = examine::wrong_file(&report);
                checks.extend(examine::state(self.state.as_deref()));
                let rest = "brokers, package lists and hubs";
                checks.push(Check::skipped(rest, "the pipeline file has to be right first"));
                return Ok(checks);
            }
        };
        let folder = file.parent().unwrap_or(Path::new("."));
        let site = Site { pipeline: &pipeline, folder, state: self.state.as_deref(), clock: Clock::start() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let checks = runtime.block_on(site.examine());
        // A look-up of a name that still waits is not waited for.
        runtime.shutdown_background();
        Ok(checks)
    }
}

fn worst(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Fine)
}

fn write(to: &mut impl Write, checks: &[Check], out: Out) -> std::io::Result<()> {
    match out.format {
        Format::Json | Format::Jsonl | Format::Yaml => {
            out.data(to, "tidegate.doctor/1", &Document { verdict: worst(checks), checks })
        }
        Format::Plain => checks.iter().try_for_each(|check| {
            let [name, found] = [&check.name, &check.found].map(|text| escaped(text).to_string());
            let remedy = escaped(check.remedy.as_deref().unwrap_or("")).to_string();
            plain(to, &[check.verdict.word(), &name, &found, &remedy])
        }),
        Format::Table => checks.iter().try_for_each(|check| {
            let text = format!("{}: {}", escaped(&check.name), escaped(&check.found));
            let text = wrapped(&text, INDENT, out.width());
            let word = out.strong(&format!("{:width$}", check.verdict.word(), width = INDENT));
            write!(to, "{word}{}", text.trim_start())?;
            let Some(remedy) = &check.remedy else { return Ok(()) };
            write!(to, "{}", wrapped(&format!("-> {}", escaped(remedy)), INDENT, out.width()))
        }),
    }
}
