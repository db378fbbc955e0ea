//! Checks all that `tidegate run` needs before it is started, each with what to do about it.
//!
//! A [`Check`] is data: what was looked at, how it stands, what was found, and the remedy. [`judge`] makes checks of facts and
//! is pure; [`examine`] finds the facts, within a time that it is given, and goes on where one check fails. Nothing is
//! changed anywhere, the consumer group is not joined, and no content of a file with a secret is kept or shown.

pub mod examine;
pub mod judge;

use serde::Serialize;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// It could not be looked at, for the reason that is told.
    Skipped,
    /// `tidegate run` works, and somebody should know.
    Warning,
    /// `tidegate run` does not work like this.
    Failed,
}

impl Verdict {
    /// The word for it, as programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One thing that was looked at. Texts may hold what strangers wrote, and are escaped where they are printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `topic koji`.
    pub name: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; `None` where nothing is to be done.
    pub remedy: Option<String>,
}

impl Check {
    /// All is well.
    pub fn fine(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Fine, found: found.into(), remedy: None }
    }

    /// It could not be looked at, and why.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Skipped, found: why.into(), remedy: None }
    }

    /// Somebody should know.
    pub fn warning(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (name, found, remedy) = (name.into(), found.into(), Some(remedy.into()));
        Self { name, verdict: Verdict::Warning, found, remedy }
    }

    /// It does not work.
    pub fn failed(name: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, ..Self::warning(name, found, remedy) }
    }
}
