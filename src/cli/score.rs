//! `tidegate score`: decisions against the truth of a stream.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, Format};
use crate::score::score;

/// Judge decisions about a generated stream; exit code 0 where they pass, 1 where not
#[derive(Debug, Args)]
#[command(
    after_long_help = "A verdict fails where a line has no decision or two, a re-tag or a build already submitted is
submitted, or a new build is lost. New builds that wait for a person are counted, but do not fail it."
)]
pub(super) struct Score {
    /// Folder with `truth.json` and `truth.jsonl`.
    dir: PathBuf,
    /// Decisions, as `tidegate replay --decisions` writes them.
    decisions: PathBuf,
    /// How the verdict is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Score {
    pub(super) fn run(self) -> Result<(), Failure> {
        let score = score(&self.dir, &self.decisions)?;
        let text = match self.format {
            Format::Text => score.to_string(),
            Format::Json => serde_json::to_string_pretty(&score).map_err(std::io::Error::from)? + "\n",
        };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        if score.pass { Ok(()) } else { Err(Failure::NotPassed) }
    }
}
