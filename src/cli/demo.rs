//! `tidegate demo`: a branching comes while the live pipeline is paused; all in one process.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::engine::decision::Outcome;
use crate::live::demo::story::{Examples, Verdict};
use crate::live::demo::{DemoError, Stage};
use crate::live::view::View;
use crate::text::{escaped, grouped};

/// Show the live pipeline on a branching that comes while it is paused; needs no server
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate demo
  tidegate demo --folder demo --seed 7",
    after_long_help = "Everything is in this process: a Kafka broker, librdkafka's imitation, on the loopback; a generated branching of \
                       Fedora; and the pipeline of `tidegate run` with the shipped file for ELN. Nothing is submitted and no network is \
                       used. Exit code 1 if an old build was let through, a build was submitted twice, or anything was lost."
)]
pub(super) struct Demo {
    /// Where stream and state are kept; those of an earlier demo are replaced.
    #[arg(long, value_name = "DIR", default_value = "target/demo/live")]
    folder: PathBuf,
    /// Another seed gives another branching.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of a branching of full size, above 0 and at most 1.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

/// Counts over all partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Standing {
    read: u64,
    submitted: u64,
    dropped: u64,
    held: u64,
    waiting: u64,
}

impl Standing {
    fn of(view: &View) -> Self {
        let sum = |outcome| view.partitions.iter().map(|partition| partition.counts.outcome(outcome)).sum();
        Self {
            read: view.partitions.iter().map(|partition| partition.next).sum(),
            submitted: sum(Outcome::Submitted),
            dropped: sum(Outcome::Dropped),
            held: sum(Outcome::Held),
            waiting: view.backlog(),
        }
    }
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(DemoError::System)?;
        let passes = runtime.block_on(self.show(&mut io::stdout().lock()))?;
        if passes { Ok(()) } else { Err(Failure::NotPassed) }
    }

    /// Shows it, and returns whether it passes.
    async fn show(&self, to: &mut impl Write) -> Result<bool, Failure> {
        let mut stage = Stage::set(&self.folder, self.seed, self.scale)?;
        writeln!(to, "A branching of Fedora, live. The Kafka broker and the pipeline run in this")?;
        writeln!(to, "process; nothing is sent to any Koji.\n")?;
        morning(&mut stage, to).await?;
        let paused = branching(&mut stage, to).await?;
        let last = evening(&mut stage, paused, to).await?;
        let whole = is_whole(&last, stage.story().marks());
        let db = stage.state().to_owned();
        let verdict = stage.judge(&last).await?;
        judged(to, &verdict, whole)?;
        further(to, &db, &verdict)?;
        Ok(whole && verdict.passes())
    }
}

async fn morning(stage: &mut Stage, to: &mut impl Write) -> Result<(), Failure> {
    let (trigger, known) = (escaped(stage.trigger()).to_string(), grouped(stage.known));
    writeln!(to, "The morning: Tidegate follows {trigger}. {known} builds are known.")?;
    let standing = Standing::of(&*stage.morning().await?);
    writeln!(to, "  {} messages are read, of the weeks before and of today.", grouped(standing.read))?;
    writeln!(to, "  {} new builds are submitted.\n", grouped(standing.submitted))?;
    Ok(())
}

async fn branching(stage: &mut Stage, to: &mut impl Write) -> Result<Standing, Failure> {
    writeln!(to, "The branching, at {}. releng pauses Tidegate first:", stage.story().branching_at)?;
    writeln!(to, "  $ tidegate pause intake --reason \"branching\"")?;
    let paused = Standing::of(&*stage.branching("branching").await?);
    let flood = stage.story().flood();
    let [waiting, submitted, old] = [paused.waiting, flood.submitted, flood.old].map(grouped);
    writeln!(to, "  {waiting} messages wait in Kafka by the evening.")?;
    writeln!(to, "  An automation without Tidegate now submits {submitted} builds at once;")?;
    writeln!(to, "  {old} of them are old.\n")?;
    Ok(paused)
}

async fn evening(stage: &mut Stage, paused: Standing, to: &mut impl Write) -> Result<Arc<View>, Failure> {
    writeln!(to, "In the evening releng resumes:")?;
    writeln!(to, "  $ tidegate resume intake --reason \"branching is done\"")?;
    let mut rows = Rows { since: paused, told: None, failed: Ok(()), to };
    let last = stage.resume("branching is done", |view| rows.show(view)).await?;
    rows.failed?;
    Ok(last)
}

/// Whether every message is accounted for, and none waits but the marks.
fn is_whole(view: &View, marks: u64) -> bool {
    let counts = || view.partitions.iter().map(|partition| (partition.next, partition.counts));
    counts().all(|(read, counts)| counts.is_balanced() && counts.received == read)
        && counts().map(|(_, counts)| counts.pending).sum::<u64>() <= marks
}

/// A table that grows while it is read.
struct Rows<'a, W> {
    /// How it stood when it was resumed.
    since: Standing,
    told: Option<(Standing, String)>,
    failed: io::Result<()>,
    to: &'a mut W,
}

impl<W: Write> Rows<'_, W> {
    fn show(&mut self, view: &View) {
        let now = (Standing::of(view), view.phase.clone());
        if self.failed.is_ok() && self.told.as_ref() != Some(&now) {
            self.failed = self.row(view, &now.0);
        }
        self.told = Some(now);
    }

    fn row(&mut self, view: &View, now: &Standing) -> io::Result<()> {
        if self.told.is_none() {
            let of = format!("{} is", escaped(&view.trigger));
            writeln!(
                self.to,
                "\n  {:>9} {:>11} {:>9} {:>7}   {of}",
                "waiting", "submitted", "dropped", "held"
            )?;
        }
        let since = self.since;
        let [waiting, submitted, dropped, held] = [
            now.waiting,
            now.submitted - since.submitted.min(now.submitted),
            now.dropped - since.dropped.min(now.dropped),
            now.held - since.held.min(now.held),
        ]
        .map(grouped);
        writeln!(
            self.to,
            "  {waiting:>9} {submitted:>11} {dropped:>9} {held:>7}   {}",
            escaped(&view.phase)
        )?;
        self.to.flush()
    }
}

fn judged(to: &mut impl Write, verdict: &Verdict, whole: bool) -> io::Result<()> {
    let Verdict { new, submitted, held, lost, leaked, twice, undecided, .. } = verdict;
    writeln!(to, "\nThe truth about each message is known. Judged by it, of the whole day:")?;
    for (what, count) in [
        ("old builds submitted", leaked),
        ("builds submitted twice", twice),
        ("new builds", new),
        ("  submitted", submitted),
        ("  held, for a person to decide", held),
        ("  lost", lost),
        ("messages about our packages without a decision", undecided),
    ] {
        writeln!(to, "  {what:<48} {:>7}", grouped(*count))?;
    }
    let passes = whole && verdict.passes();
    let accounts =
        if whole { "every message is accounted for" } else { "messages are missing in the accounts" };
    writeln!(to, "  {}: {accounts}", if passes { "pass" } else { "FAIL" })
}

/// Names commands that show more of it, as they can be typed.
fn further(to: &mut impl Write, state: &Path, verdict: &Verdict) -> io::Result<()> {
    let program = std::env::args().next().unwrap_or_else(|| "tidegate".to_owned());
    let (program, state) = (escaped(&program), state.display().to_string());
    let state = escaped(&state);
    writeln!(to, "\nTo look further:")?;
    let Examples { dropped, submitted, held } = &verdict.examples;
    for (why, nvr) in [
        ("why an old build was dropped", dropped),
        ("why a new build went through", submitted),
        ("why a build waits for a person", held),
    ] {
        if let Some(nvr) = nvr {
            writeln!(to, "  # {why}\n  {program} explain {} \\\n      --state {state}", escaped(nvr))?;
        }
    }
    writeln!(to, "  # what was decided, and what about each message\n  {program} history --state {state}")?;
    writeln!(to, "  # the same with your Kafka, and how it stands meanwhile\n  {program} run --help")?;
    writeln!(to, "  {program} status --help")
}
