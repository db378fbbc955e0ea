//! The command line: what is typed, and which exit code comes back.

mod backtest;
mod check;
mod config;
mod control;
mod deadletters;
mod demo;
mod doctor;
mod explain;
mod fake_hub;
mod generate;
mod history;
mod holds;
#[cfg(feature = "gssapi")]
mod kerberos_ticket;
mod known;
pub mod logging;
mod output;
mod packages;
mod pause;
mod reconcile;
mod replay;
mod run;
mod score;
mod state;
mod status;
mod tap;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::live::ask::{Refusal, RefusalKind};
use crate::live::demo::DemoError;
use crate::live::socket::SocketError;
use crate::pipeline::{self, Override, Pipeline, Report, Unresolved};
use crate::replay::ReplayError;
use crate::state::StateError;

/// Exit codes of every command (design section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Failed = 1,
    Usage = 2,
    Attention = 3,
    NotFound = 4,
    Refused = 5,
}

/// Stands between a bus of Koji tag events and rebuild automation: holds mass-tag bursts back before their first build is
/// submitted, lets honest builds through, and submits at a rate that Koji can bear.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    max_term_width = 110,
    before_long_help = "Examples:
  tidegate generate branching --truth stream
  tidegate replay pipelines/eln.toml --set trigger.follow=f42 --input stream/events.jsonl \\
      --packages stream/packages.txt --state eln.db
  tidegate explain bash-5.2.37-1.fc42 --state eln.db
  tidegate history --state eln.db --outcome held",
    after_help = "Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 degraded or a decision is waiting, 4 not found, 5 refused."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Config(config::Config),
    Backtest(backtest::Backtest),
    Replay(replay::Replay),
    Run(run::Run),
    Doctor(doctor::Doctor),
    Status(status::Status),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Holds(holds::Holds),
    Reconcile(reconcile::Reconcile),
    Packages(packages::Packages),
    Reload(packages::Reload),
    #[command(name = "deadletters")]
    DeadLetters(deadletters::DeadLetters),
    Explain(explain::Explain),
    History(history::History),
    Tap(tap::Tap),
    Known(known::Known),
    State(state::State),
    Demo(demo::Demo),
    Generate(generate::Generate),
    Score(score::Score),
    FakeHub(fake_hub::FakeHub),
    #[cfg(feature = "gssapi")]
    KerberosTicket(kerberos_ticket::KerberosTicket),
}

/// The pipeline file and what is set over it.
#[derive(Debug, Args)]
struct PipelineArgs {
    /// Pipeline file.
    pipeline: PathBuf,
    /// Set a key over the file: `--set trigger.follow=f42 --set trigger.family=f41@2025-02-04T10:00:00Z,f42`.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = Override::parse)]
    overrides: Vec<Override>,
}

impl PipelineArgs {
    fn load(&self) -> Result<Pipeline, Failure> {
        Ok(pipeline::load(&self.pipeline, &self.overrides)?)
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Pipeline(#[from] Report),
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Input(#[from] crate::input::InputError),
    #[error(transparent)]
    Generate(#[from] crate::generate::GenerateError),
    #[error("{}: the stream cannot be written: {source}", path.display())]
    Generated { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Score(#[from] crate::score::ScoreError),
    #[error(transparent)]
    Backtest(#[from] crate::replay::backtest::BacktestError),
    #[error("{0}")]
    NotFound(String),
    #[error("{path}: cannot be written: {source}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    FakeHub(#[from] fake_hub::FakeHubError),
    #[error(transparent)]
    Koji(#[from] known::KojiError),
    #[error(transparent)]
    Live(#[from] run::LiveError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error("the state is not whole: {faults} fault{}; restore a backup", if *faults == 1 { "" } else { "s" })]
    NotWhole { faults: usize },
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("{}", crate::text::escaped(&.0.text))]
    Refused(Refusal),
    /// What was shown needs a person; it says itself why.
    #[error("degraded, or a decision is waiting")]
    Attention,
    #[error("`tidegate run` lacks what it needs: {failed} check{} failed", if *failed == 1 { "" } else { "s" })]
    Unfit { failed: usize },
    #[error("the decisions do not pass")]
    NotPassed,
    #[error("{wrong} of {files} pipeline file{} cannot be used as {}", if *files == 1 { "" } else { "s" }, if *wrong == 1 { "it is" } else { "they are" })]
    Check { wrong: usize, files: usize },
    #[error("cannot write the result: {0}")]
    Write(#[from] std::io::Error),
}

impl Failure {
    fn exit(&self) -> Exit {
        let state = match self {
            Self::Live(error) => return error.exit(),
            Self::State(error)
            | Self::Replay(ReplayError::State(error))
            | Self::Demo(DemoError::State(error)) => error,
            Self::Socket(SocketError::Permission { .. } | SocketError::OtherVersion { .. })
            | Self::Replay(ReplayError::Restore(crate::engine::save::RestoreError::Course(_))) => {
                return Exit::Refused;
            }
            Self::Generate(_) | Self::Demo(DemoError::Generate(_)) => return Exit::Usage,
            Self::NotFound(_) => return Exit::NotFound,
            Self::Attention => return Exit::Attention,
            Self::Refused(refusal) => {
                return match refusal.kind {
                    RefusalKind::NotFound => Exit::NotFound,
                    RefusalKind::Refused => Exit::Refused,
                    RefusalKind::Failed => Exit::Failed,
                };
            }
            Self::Pipeline(_)
            | Self::Unresolved(_)
            | Self::Replay(_)
            | Self::Input(_)
            | Self::Generated { .. }
            | Self::File { .. }
            | Self::Score(_)
            | Self::Backtest(_)
            | Self::FakeHub(_)
            | Self::Koji(_)
            | Self::Demo(_)
            | Self::Socket(_)
            | Self::Unfit { .. }
            | Self::NotPassed
            | Self::NotWhole { .. }
            | Self::Check { .. }
            | Self::Write(_) => return Exit::Failed,
        };
        of_state(state)
    }
}

fn of_state(error: &StateError) -> Exit {
    match error {
        StateError::Network { .. }
        | StateError::Foreign { .. }
        | StateError::Newer { .. }
        | StateError::Older { .. }
        | StateError::InUse { .. } => Exit::Refused,
        StateError::Missing { .. } => Exit::NotFound,
        StateError::Place { .. } | StateError::Damaged { .. } | StateError::Sqlite(_) => Exit::Failed,
    }
}

/// Runs the command that was typed.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Backtest(backtest) => backtest.run(),
        Command::Check(check) => check.run(),
        Command::Config(config) => config.run(),
        Command::Replay(replay) => replay.run(),
        Command::Run(run) => run.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Status(status) => status.run(),
        Command::Pause(pause) => pause.run(),
        Command::Resume(resume) => resume.run(),
        Command::Holds(holds) => holds.run(),
        Command::Reconcile(reconcile) => reconcile.run(),
        Command::Packages(packages) => packages.run(),
        Command::Reload(reload) => reload.run(),
        Command::DeadLetters(letters) => letters.run(),
        Command::Explain(explain) => explain.run(),
        Command::History(history) => history.run(),
        Command::Tap(tap) => tap.run(),
        Command::Known(known) => known.run(),
        Command::State(state) => state.run(),
        Command::Demo(demo) => demo.run(),
        Command::Generate(generate) => generate.run(),
        Command::Score(score) => score.run(),
        Command::FakeHub(fake_hub) => fake_hub.run(),
        #[cfg(feature = "gssapi")]
        Command::KerberosTicket(ticket) => ticket.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, such as `head`, closes the pipe: that is no failure.
        Err(Failure::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure @ Failure::Attention) => ExitCode::from(failure.exit() as u8),
        Err(failure) => {
            say(&format!("tidegate: {failure}"));
            ExitCode::from(failure.exit() as u8)
        }
    }
}

/// Tells a person something beside the result.
#[expect(clippy::print_stderr, reason = "messages for people go to standard error, and only from here")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
