//! `tidegate reconcile`: what the bus has lost.

use std::io::{BufWriter, Write as _};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::control::{Target, unexpected};
use super::history::When;
use super::output::{Column, Format, OutputArgs, Table, plain};
use crate::live::ask::{Answer, MissedLine, Reconciled, Request};
use crate::live::shell::Clock;
use crate::text::{escaped, grouped};
use crate::time::Second;

/// Compare Koji's history with what the bus brought, and judge what it lost
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate reconcile --state eln.db --dry-run
  tidegate reconcile --state eln.db --since 2026-02-03T00:00:00Z",
    after_long_help = "A running pipeline that asks Koji (evidence.ask_koji) does this by itself, ten minutes after its start and then every evidence.reconcile, \
                       from where it ended, and six hours before. What was missing is judged as a late message is: held back, counted in bursts, and in need of \
                       evidence. What is younger than ten minutes behind the watermark is left alone: its message may still come."
)]
pub(super) struct Reconcile {
    #[command(flatten)]
    target: Target,
    /// Compare from that time on, instead of from where the last comparison ended: a time, or how long ago (`12h`).
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    since: Option<When>,
    /// Only show what is missing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was compared, for programs.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    since: Second,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    until: Second,
    builds: u64,
    missed: Vec<Missed<'a>>,
    more: u64,
    dry_run: bool,
}

#[derive(Serialize)]
struct Missed<'a> {
    nvr: &'a str,
    build_id: u64,
    tag: &'a str,
    what: &'a str,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    at: Second,
}

impl<'a> From<&'a MissedLine> for Missed<'a> {
    fn from(line: &'a MissedLine) -> Self {
        let MissedLine { nvr, build_id, tag, what, at } = line;
        Self { nvr, build_id: *build_id, tag, what, at: *at }
    }
}

impl Reconcile {
    pub(super) fn run(self) -> Result<(), Failure> {
        let since = self.since.map(|when| when.resolve(Clock::start().now().wall));
        let request = Request::Reconcile { since, dry_run: self.dry_run };
        let Answer::Reconciled(answer) = self.target.ask(request)? else { return Err(unexpected()) };
        let out = self.output.out();
        let mut to = BufWriter::new(std::io::stdout().lock());
        match out.format {
            Format::Json | Format::Jsonl | Format::Yaml => {
                let Reconciled { since, until, builds, more, dry_run, .. } = answer;
                let missed = answer.missed.iter().map(Missed::from).collect();
                let document = Document { since, until, builds, missed, more, dry_run };
                out.data(&mut to, "tidegate.reconciled/1", &document)?;
            }
            Format::Plain => answer
                .missed
                .iter()
                .try_for_each(|line| plain(&mut to, &cells(line).each_ref().map(String::as_str)))?,
            Format::Table => {
                writeln!(to, "{}", sentence(&answer))?;
                let columns = [
                    Column::text("at (UTC)", 20),
                    Column::text("message", 7),
                    Column::text("tag", 16),
                    Column::text("build", 0),
                ];
                if !answer.missed.is_empty() {
                    writeln!(to)?;
                    let mut table = Table::new(out, &columns);
                    for line in &answer.missed {
                        table.row(&mut to, &cells(line).each_ref().map(String::as_str))?;
                    }
                }
                if answer.more > 0 {
                    writeln!(to, "... and {} more", grouped(answer.more))?;
                }
            }
        }
        Ok(to.flush()?)
    }
}

fn cells(line: &MissedLine) -> [String; 4] {
    let text = |text: &str| escaped(text).to_string();
    [line.at.to_string(), text(&line.what), text(&line.tag), text(&line.nvr)]
}

fn sentence(answer: &Reconciled) -> String {
    let Reconciled { since, until, builds, missed, more, dry_run } = answer;
    let count = missed.len() as u64 + more;
    let did = match (count, dry_run) {
        (0, _) => "nothing is missing".to_owned(),
        (count, true) => format!("{} messages are missing; nothing was changed", grouped(count)),
        (count, false) => format!("{} messages were missing, and are judged now", grouped(count)),
    };
    format!("compared from {since} to {until}, {} builds in Koji's history: {did}", grouped(*builds))
}
