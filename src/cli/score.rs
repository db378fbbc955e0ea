//! `tidegate score`: decisions against the truth of a stream.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::output::{Format, OutputArgs, plain};
use crate::score::score;

/// Judge decisions about a generated stream; exit code 0 where they pass, 1 where not
#[derive(Debug, Args)]
#[command(
    after_long_help = "A verdict fails where a line has no decision or two, a re-tag or a build already submitted is \
                       submitted, or a new build is lost. New builds that wait for a person are counted, but do not fail it."
)]
pub(super) struct Score {
    /// Folder with `truth.json` and `truth.jsonl`.
    dir: PathBuf,
    /// Decisions, as `tidegate replay --decisions` writes them.
    decisions: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

impl Score {
    pub(super) fn run(self) -> Result<(), Failure> {
        let score = score(&self.dir, &self.decisions)?;
        let (out, mut to) = (self.output.out(), std::io::stdout().lock());
        match out.format {
            Format::Table => write!(to, "{score}")?,
            Format::Plain => plain(&mut to, &[if score.pass { "pass" } else { "fail" }])?,
            Format::Json | Format::Jsonl | Format::Yaml => out.data(&mut to, "tidegate.score/1", &score)?,
        }
        if score.pass { Ok(()) } else { Err(Failure::NotPassed) }
    }
}
