//! What the commands share that ask a running pipeline: whom they ask, as whom, why, and what a refusal means.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use super::output::{Format, OutputArgs, plain};
use crate::live::ask::{Answer, Refusal, RefusalKind, Request};
use crate::live::socket::{SocketError, WHY_MAX_CHARS, ask, check_name, path_of};
use crate::state::StateError;

/// Which pipeline is asked, and by whom.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The state file of the running pipeline.
    #[arg(long, value_name = "DB", required_unless_present = "socket")]
    state: Option<PathBuf>,
    /// The socket of the running pipeline, where it is not `DB.control/socket`.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Who you are, where several people share the user that the pipeline runs as.
    #[arg(long = "as", value_name = "NAME", value_parser = name)]
    name: Option<String>,
}

impl Target {
    /// Asks, and gives the answer; a refusal is a failure.
    pub(super) fn ask(&self, request: Request) -> Result<Answer, Failure> {
        let beside = || self.state.as_deref().map(path_of);
        let path = self.socket.clone().or_else(beside).unwrap_or_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(ask(&path, self.name.as_deref(), request)) {
            Ok(Answer::Refused(refusal)) => Err(Failure::Refused(refusal)),
            Ok(answer) => Ok(answer),
            Err(error @ SocketError::NotRunning { .. }) => match &self.state {
                Some(path) if !path.exists() => Err(StateError::Missing { path: path.clone() }.into()),
                Some(_) | None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// An answer to something else than was asked.
pub(super) fn unexpected() -> Failure {
    Failure::Refused(Refusal {
        kind: RefusalKind::Failed,
        text: "the pipeline answered something else than was asked: is it another version?".to_owned(),
    })
}

/// Writes what was done: a document for programs, else a sentence.
pub(super) fn done(
    output: &OutputArgs,
    schema: &str,
    document: &impl serde::Serialize,
    sentence: &str,
    fields: &[&str],
) -> Result<(), Failure> {
    let out = output.out();
    let mut to = std::io::stdout().lock();
    match out.format {
        Format::Table => writeln!(to, "{sentence}")?,
        Format::Plain => plain(&mut to, fields)?,
        Format::Json | Format::Jsonl | Format::Yaml => out.data(&mut to, schema, document)?,
    }
    Ok(())
}

fn name(text: &str) -> Result<String, String> {
    check_name(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// A reason as it is typed.
pub(super) fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("say why in a few words, for whoever asks later".to_owned());
    }
    if text.chars().nth(WHY_MAX_CHARS).is_some() {
        return Err(format!("a reason has at most {WHY_MAX_CHARS} characters"));
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_ends() {
        assert_eq!(reason(" branching ").unwrap(), "branching");
        assert!(reason("").is_err() && reason(" \t").is_err());
        assert!(
            reason(&"x".repeat(WHY_MAX_CHARS)).is_ok() && reason(&"x".repeat(WHY_MAX_CHARS + 1)).is_err()
        );
    }
}
