//! `tidegate pause` and `tidegate resume`: intake and submission.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Failure;
use super::control::{Target, done, reason, unexpected};
use super::output::OutputArgs;
use crate::live::ask::{Answer, Request};
use crate::live::pause::{Kind, Pause as Paused};
use crate::live::shell::Clock;
use crate::pipeline::duration;
use crate::text::{escaped, grouped};
use crate::time::{Second, Seconds};

/// What can be paused.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Reading: records stay in Kafka.
    Intake,
    /// Sending: records are judged, and what is admitted waits.
    Submission,
}

impl From<What> for Kind {
    fn from(what: What) -> Self {
        match what {
            What::Intake => Self::Intake,
            What::Submission => Self::Submission,
        }
    }
}

/// Stop reading, or stop submitting
#[derive(Debug, Args)]
#[command(before_long_help = "Examples:
  tidegate pause submission --state eln.db --reason 'Koji outage' --for 2h
  tidegate pause intake --state eln.db --reason 'branching' --as ana")]
pub(super) struct Pause {
    /// What.
    what: What,
    #[command(flatten)]
    target: Target,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// End it after this time, as 90m, 2h or 1d; else somebody has to resume.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Seconds>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Go on reading, or submitting
#[derive(Debug, Args)]
#[command(before_long_help = "Examples:
  tidegate resume intake --state eln.db --reason 'branching is over' --dry-run
  tidegate resume intake --state eln.db --reason 'branching is over'")]
pub(super) struct Resume {
    /// What.
    what: What,
    #[command(flatten)]
    target: Target,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Only say what waits behind the pause.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// A pause, for programs.
#[derive(Debug, Serialize)]
pub(super) struct PauseDocument<'a> {
    kind: &'static str,
    who: &'a str,
    why: &'a str,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    since: Second,
    #[serde(serialize_with = "crate::explain::facts::iso")]
    until: Option<Second>,
}

impl<'a> From<&'a Paused> for PauseDocument<'a> {
    fn from(pause: &'a Paused) -> Self {
        let Paused { kind, who, why, since, until } = pause;
        Self { kind: kind.word(), who, why, since: *since, until: *until }
    }
}

/// When a pause ends, in words.
pub(super) fn end(until: Option<Second>) -> String {
    until.map_or("until somebody resumes it".to_owned(), |until| format!("until {until}"))
}

impl Pause {
    pub(super) fn run(self) -> Result<(), Failure> {
        let until = self.length.map(|length| Clock::start().now().wall + length);
        let request = Request::Pause { kind: self.what.into(), why: self.reason, until };
        let Answer::Paused(pause) = self.target.ask(request)? else { return Err(unexpected()) };
        let (who, why) = (escaped(&pause.who).to_string(), escaped(&pause.why).to_string());
        let sentence = format!("{} is paused by {who}, {}: {why}", pause.kind, end(pause.until));
        let until = pause.until.map_or(String::new(), |until| until.to_string());
        let fields = [pause.kind.word(), &who, &why, &pause.since.to_string(), &until];
        done(&self.output, "tidegate.pause/1", &PauseDocument::from(&pause), &sentence, &fields)
    }
}

impl Resume {
    pub(super) fn run(self) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Resumed<'a> {
            pause: PauseDocument<'a>,
            waiting: u64,
            dry_run: bool,
        }
        let request = Request::Resume { kind: self.what.into(), why: self.reason, dry_run: self.dry_run };
        let Answer::Resumed { pause, waiting, dry_run } = self.target.ask(request)? else {
            return Err(unexpected());
        };
        let what = match pause.kind {
            Kind::Intake => "records wait in Kafka",
            Kind::Submission => "admitted builds wait",
        };
        let (who, why) = (escaped(&pause.who).to_string(), escaped(&pause.why).to_string());
        let would = if dry_run { "would go on (nothing was changed)" } else { "goes on" };
        let sentence = format!(
            "{} {would}: {} {what}; it was paused by {who} since {}: {why}",
            pause.kind,
            grouped(waiting),
            pause.since
        );
        let fields = [pause.kind.word(), &waiting.to_string(), if dry_run { "dry_run" } else { "done" }];
        let document = Resumed { pause: (&pause).into(), waiting, dry_run };
        done(&self.output, "tidegate.resume/1", &document, &sentence, &fields)
    }
}
