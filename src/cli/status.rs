//! `tidegate status`: how a running pipeline stands, at a glance.

use std::io::{BufWriter, Write};

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::control::{Target, unexpected};
use super::holds::{HoldDocument, write_holds};
use super::output::{Column, Format, Out, OutputArgs, Table, plain, wrapped};
use super::packages::{PackagesDocument, in_words};
use super::pause::{PauseDocument, end};
use crate::engine::decision::Outcome;
use crate::live::ask::{Answer, Request};
use crate::live::view::{Intake, KojiView, PartitionView, SinkView, Submission, View};
use crate::text::{escaped, grouped};
use crate::time::Second;

/// Columns of what a line is about, with the space behind it.
const HEAD_WIDTH: usize = 13;

/// Show how a running pipeline stands
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate status --state eln.db
  tidegate status --state eln.db -o json
  tidegate status --state eln.db --quiet || echo 'somebody is needed'",
    after_long_help = "Exit code 3: something is degraded, or a decision is waiting; what, stands under `needs attention`."
)]
pub(super) struct Status {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: OutputArgs,
    /// Print nothing: the exit code says it.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    pipeline: &'a str,
    hash: &'a str,
    trigger: &'a str,
    state: &'a str,
    serial: u64,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    started_at: Second,
    #[serde(serialize_with = "crate::explain::facts::iso_one")]
    told_at: Second,
    intake: String,
    submission: &'static str,
    closed_because: &'a [String],
    phase: &'a str,
    #[serde(serialize_with = "crate::explain::facts::iso")]
    watermark: Option<Second>,
    silent: bool,
    backlog: u64,
    partitions: Vec<PartitionDocument<'a>>,
    outcomes: Vec<(&'static str, u64)>,
    reasons: &'a [(String, u64)],
    pending: u64,
    holds: Vec<HoldDocument<'a>>,
    pauses: Vec<PauseDocument<'a>>,
    packages: PackagesDocument<'a>,
    known_builds: u64,
    trails: u64,
    outbox: u64,
    submitted: u64,
    dead_letters: u64,
    bursts: u64,
    commands: u64,
    koji: Option<KojiDocument>,
    sink: Option<&'a SinkView>,
    troubles: &'a [String],
    attention: &'a [String],
}

#[derive(Serialize)]
struct KojiDocument {
    waiting: u64,
    asked: u64,
    #[serde(serialize_with = "crate::explain::facts::iso")]
    compared_until: Option<Second>,
    missed: u64,
}

impl From<KojiView> for KojiDocument {
    fn from(view: KojiView) -> Self {
        let KojiView { waiting, asked, compared_until, missed } = view;
        Self { waiting, asked, compared_until, missed }
    }
}

#[derive(Serialize)]
struct PartitionDocument<'a> {
    topic: &'a str,
    partition: i32,
    owner: Option<&'a str>,
    next: u64,
    end: u64,
    lag: u64,
    caught_up: bool,
    #[serde(serialize_with = "crate::explain::facts::iso")]
    watermark: Option<Second>,
    #[serde(serialize_with = "crate::explain::facts::iso")]
    newest: Option<Second>,
}

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Answer::Status(view) = self.target.ask(Request::Status)? else { return Err(unexpected()) };
        let attention = view.attention();
        let out = self.output.out();
        if !self.quiet {
            let mut to = BufWriter::new(std::io::stdout().lock());
            match out.format {
                Format::Table => screen(&mut to, &view, &attention, out)?,
                Format::Plain => lines(&view).try_for_each(|(head, text)| plain(&mut to, &[head, &text]))?,
                Format::Json | Format::Jsonl | Format::Yaml => {
                    out.data(&mut to, "tidegate.status/1", &document(&view, &attention))?;
                }
            }
            to.flush()?;
        }
        if attention.is_empty() { Ok(()) } else { Err(Failure::Attention) }
    }
}

/// Records by outcome, over all partitions.
fn outcomes(view: &View) -> Vec<(&'static str, u64)> {
    let sum = |outcome| view.partitions.iter().map(|partition| partition.counts.outcome(outcome)).sum();
    Outcome::ALL.map(|outcome| (outcome.word(), sum(outcome))).to_vec()
}

fn document<'a>(view: &'a View, attention: &'a [String]) -> Document<'a> {
    let (submission, closed_because) = match &view.submission {
        Submission::Open => ("open", [].as_slice()),
        Submission::Closed(reasons) => ("closed", reasons.as_slice()),
    };
    Document {
        pipeline: &view.pipeline,
        hash: &view.hash,
        trigger: &view.trigger,
        state: &view.state,
        serial: view.serial,
        started_at: view.started_at,
        told_at: view.told_at,
        intake: word(&view.intake).to_owned(),
        submission,
        closed_because,
        phase: &view.phase,
        watermark: view.watermark,
        silent: view.silent,
        backlog: view.backlog(),
        partitions: view.partitions.iter().map(partition).collect(),
        outcomes: outcomes(view),
        reasons: &view.reasons,
        pending: view.partitions.iter().map(|partition| partition.counts.pending).sum(),
        holds: view.holds.iter().map(Into::into).collect(),
        pauses: view.pauses.iter().map(Into::into).collect(),
        packages: (&view.packages).into(),
        known_builds: view.known_builds,
        trails: view.trails,
        outbox: view.outbox,
        submitted: view.submitted,
        dead_letters: view.dead_letters,
        bursts: view.runs,
        commands: view.commands,
        koji: view.koji.map(KojiDocument::from),
        sink: view.sink.as_ref(),
        troubles: &view.troubles,
        attention,
    }
}

fn partition(view: &PartitionView) -> PartitionDocument<'_> {
    let PartitionView { topic, partition, owner, next, end, caught_up, watermark, newest, .. } = view;
    let lag = end.saturating_sub(*next);
    let (next, end, caught_up) = (*next, *end, *caught_up);
    let (watermark, newest) = (*watermark, *newest);
    let owner = owner.as_deref();
    PartitionDocument { topic, partition: *partition, owner, next, end, lag, caught_up, watermark, newest }
}

fn word(intake: &Intake) -> &'static str {
    match intake {
        Intake::Waiting => "waiting",
        Intake::Reading => "reading",
        Intake::Paused => "paused",
        Intake::Full { .. } => "full",
        Intake::Damaged => "damaged",
        Intake::Stopping => "stopping",
    }
}

/// A time and how long ago it was.
fn with_age(at: Option<Second>, now: Second) -> String {
    at.map_or("none yet".to_owned(), |at| format!("{at} ({} ago)", now - at))
}

/// What is said of the pipeline, line by line.
fn lines(view: &View) -> impl Iterator<Item = (&'static str, String)> {
    let submission = match &view.submission {
        Submission::Open => "open".to_owned(),
        Submission::Closed(reasons) => {
            let reasons: Vec<String> = reasons.iter().map(|reason| escaped(reason).to_string()).collect();
            format!("closed: {}", reasons.join("; "))
        }
    };
    let counts = |pairs: &[(&str, u64)]| {
        let some = pairs.iter().filter(|(_, count)| *count > 0);
        some.map(|(word, count)| format!("{} {word}", grouped(*count))).collect::<Vec<_>>().join(", ")
    };
    let held: usize = view.holds.iter().map(|hold| hold.members).sum();
    let silent = if view.silent { ", and the source is silent" } else { "" };
    let pauses = view.pauses.iter().map(|pause| {
        let (who, why) = (escaped(&pause.who), escaped(&pause.why));
        ("pause", format!("{} by {who} since {}, {}: {why}", pause.kind, pause.since, end(pause.until)))
    });
    let mut all = vec![
        (
            "pipeline",
            format!(
                "{}, configuration {}, follows {}",
                escaped(&view.pipeline),
                escaped(&view.hash),
                escaped(&view.trigger)
            ),
        ),
        (
            "running",
            format!(
                "since {}; state {}, batch {}",
                with_age(Some(view.started_at), view.told_at),
                escaped(&view.state),
                grouped(view.serial)
            ),
        ),
        ("intake", format!("{}; {} records wait in Kafka", word(&view.intake), grouped(view.backlog()))),
        ("submission", submission),
        ("phase", escaped(&view.phase).to_string()),
        ("watermark", format!("{}{silent}", with_age(view.watermark, view.told_at))),
        ("records", counts(&outcomes(view))),
        ("held", format!("{} builds in {} holds", grouped(held as u64), view.holds.len())),
        (
            "sink",
            format!("{} admitted builds wait, {} went there", grouped(view.outbox), grouped(view.submitted)),
        ),
        ("known", format!("{} builds, {} trails", grouped(view.known_builds), grouped(view.trails))),
        ("packages", in_words(&view.packages)),
        ("dead letters", grouped(view.dead_letters)),
    ];
    all.extend(view.sink.iter().flat_map(sink_in_words));
    all.extend(view.koji.as_ref().map(|koji| ("koji", koji_in_words(koji))));
    all.extend(pauses);
    all.into_iter()
}

fn sink_in_words(sink: &SinkView) -> impl Iterator<Item = (&'static str, String)> {
    let SinkView { rate, tokens, in_flight, in_doubt, aside, refusal, drained_at, .. } = sink;
    let drained = drained_at.map_or("never".to_owned(), |at| at.to_string());
    let next = refusal.as_ref().map_or("the next build goes now".to_owned(), |why| escaped(why).to_string());
    let governor = format!(
        "{}, {} of {} tokens, {} of {} builds under way; {next}",
        escaped(rate),
        tokens.0,
        tokens.1,
        in_flight.0,
        in_flight.1
    );
    let queue = format!(
        "{} stand aside, {} are in doubt; at this rate the last of those that wait goes at {drained}",
        grouped(*aside),
        grouped(*in_doubt)
    );
    [("governor", governor), ("queue", queue)].into_iter()
}

fn koji_in_words(koji: &KojiView) -> String {
    let KojiView { waiting, asked, compared_until, missed } = koji;
    let compared = compared_until.map_or("not compared yet".to_owned(), |at| format!("compared up to {at}"));
    format!(
        "{} held builds wait for its word, {} asked about; its history: {compared}, {} messages were missing",
        grouped(*waiting),
        grouped(*asked),
        grouped(*missed)
    )
}

fn screen(to: &mut impl Write, view: &View, attention: &[String], out: Out) -> Result<(), Failure> {
    let verdict = if attention.is_empty() { "all is well" } else { "needs attention" };
    writeln!(to, "{}", out.strong(&format!("{}: {verdict}", escaped(&view.pipeline))))?;
    for item in attention {
        write!(to, "{}", wrapped(&format!("* {item}"), 2, out.width()))?;
    }
    writeln!(to)?;
    for (head, text) in lines(view) {
        let text = wrapped(&text, HEAD_WIDTH + 1, out.width());
        writeln!(to, "{head:<HEAD_WIDTH$} {}", text.trim())?;
    }
    if !view.partitions.is_empty() {
        writeln!(to)?;
        let columns = [
            Column::text("topic", 6),
            Column::number("partition", 9),
            Column::number("next", 8),
            Column::number("lag", 8),
            Column::text("watermark (UTC)", 20),
            Column::text("read by", 0),
        ];
        let mut table = Table::new(out, &columns);
        for partition in &view.partitions {
            let (topic, number) = (escaped(&partition.topic).to_string(), partition.partition.to_string());
            let lag = partition.end.saturating_sub(partition.next).to_string();
            let watermark = partition.watermark.map_or(String::new(), |at| at.to_string());
            let owner = partition
                .owner
                .as_deref()
                .map_or("this process".to_owned(), |owner| escaped(owner).to_string());
            table.row(to, &[&topic, &number, &partition.next.to_string(), &lag, &watermark, &owner])?;
        }
    }
    if !view.holds.is_empty() {
        writeln!(to)?;
        write_holds(to, out, &view.holds)?;
    }
    Ok(())
}
