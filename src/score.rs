//! Judges what a pipeline decided about a stream whose truth is known.
//!
//! What must never happen fails the verdict: a line without its one outcome, a re-tag or a second build submitted,
//! something submitted that nobody asked for, a new build lost. What is merely unwanted, a new build that waits for a
//! person, is counted beside it: a pipeline that holds everything passes, and shows what that costs.

pub mod truth;

mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::truth::{Fact, Facts, Label};
use crate::engine::decision::Outcome;
use crate::input::{InputError, Lines};
use crate::time::Second;

pub use self::report::{BurstSeen, Conservation, Fate, Latency, Leaks, Score};

/// The largest `truth.json` that is read, in bytes.
const FACTS_MAX_BYTES: u64 = 64 << 20;

/// Why a stream cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A file cannot be read, or a line of it is not what it should be.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The lines of the truth do not count up from 1.
    #[error(
        "{}: line {line} is the truth of line {said} of the stream; the file must have one line for each of the \
         stream's, in order: was it cut or sorted?", path.display()
    )]
    Order {
        /// The file.
        path: PathBuf,
        /// Where in the file, from 1.
        line: u64,
        /// Which line of the stream it names.
        said: u64,
    },
}

/// One decision, as far as it is judged.
#[derive(Debug, Deserialize)]
struct Row {
    line: Option<u64>,
    id: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    burst: Option<String>,
    decided_at_event_time: Option<String>,
}

/// What became of one build that was tagged into the trigger tag.
#[derive(Debug, Default)]
struct Build {
    retag: bool,
    submitted: u64,
    /// Why it was held first.
    held: Option<String>,
    dead: bool,
    lost: bool,
}

/// Compares decisions with the truth in a directory (`truth.json`, `truth.jsonl`).
///
/// # Errors
/// Where one of the files cannot be read.
pub fn score(truth_dir: &Path, decisions: &Path) -> Result<Score, ScoreError> {
    let truth = Truth::read(truth_dir)?;
    let mut score = Score::of(&truth.facts, truth.len());
    let rows = read_decisions(decisions, &truth.lines, &mut score.conservation)?;
    Ok(truth.judge(score, rows.iter().map(Option::as_ref)))
}

/// The truth of a stream.
pub(crate) struct Truth {
    facts: Facts,
    lines: Vec<Fact>,
}

impl Truth {
    /// Reads `truth.json` and `truth.jsonl` of a directory.
    pub(crate) fn read(dir: &Path) -> Result<Self, ScoreError> {
        let facts = read_whole(&dir.join("truth.json"))?;
        Ok(Self { facts, lines: read_truth(&dir.join("truth.jsonl"))? })
    }

    /// How many lines the stream has.
    pub(crate) fn len(&self) -> u64 {
        self.lines.len() as u64
    }

    /// What a line is, counted from 1.
    pub(crate) fn label(&self, line: u64) -> Option<Label> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.lines.get(index).map(|fact| fact.label)
    }

    /// Judges decisions, one for each line and in their order.
    pub(crate) fn score(&self, rows: impl Iterator<Item = Option<Decided>>) -> Score {
        let rows: Vec<Option<Decided>> = rows.take(self.lines.len()).collect();
        let mut score = Score::of(&self.facts, self.len());
        score.conservation.missing = self.len() - rows.iter().flatten().count() as u64;
        self.judge(score, rows.iter().map(Option::as_ref).chain(std::iter::repeat(None)))
    }

    fn judge<'a>(&self, score: Score, rows: impl Iterator<Item = Option<&'a Decided>>) -> Score {
        let mut judge =
            Judge { score, builds: BTreeMap::new(), latencies: Vec::new(), marked: BTreeMap::new() };
        for (fact, row) in self.lines.iter().zip(rows) {
            judge.line(fact, row);
        }
        judge.finish()
    }
}

/// A decision that is the one of its line.
pub(crate) struct Decided {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) reason: String,
    pub(crate) in_burst: bool,
    pub(crate) decided_at: Option<Second>,
}

fn read_decisions(
    path: &Path,
    truth: &[Fact],
    faults: &mut Conservation,
) -> Result<Vec<Option<Decided>>, ScoreError> {
    let mut rows: Vec<Option<Decided>> = Vec::new();
    rows.resize_with(truth.len(), || None);
    read_lines(path, |_, row: Row| {
        let index = row.line.and_then(|line| usize::try_from(line.checked_sub(1)?).ok());
        let Some((index, fact)) = index.and_then(|index| Some((index, truth.get(index)?))) else {
            faults.unknown_line += 1;
            return Ok(());
        };
        let Some(slot) = rows.get_mut(index) else { return Ok(()) };
        if slot.is_some() {
            faults.double += 1;
            return Ok(());
        }
        let outcome = row.outcome.as_deref().and_then(outcome_of);
        faults.bad_outcome += u64::from(outcome.is_none());
        let other_id = matches!((&row.id, &fact.id), (Some(said), Some(true_id)) if said != true_id);
        faults.other_id += u64::from(other_id);
        *slot = Some(Decided {
            outcome,
            reason: row.reason.unwrap_or_else(|| "no reason".to_owned()),
            in_burst: row.burst.is_some(),
            decided_at: row.decided_at_event_time.as_deref().and_then(Second::parse),
        });
        Ok(())
    })?;
    faults.missing = rows.iter().filter(|row| row.is_none()).count() as u64;
    Ok(rows)
}

/// Adds line by line.
struct Judge {
    score: Score,
    builds: BTreeMap<u64, Build>,
    latencies: Vec<i64>,
    /// By burst: lines of builds that matter, and those whose decision names a burst.
    marked: BTreeMap<String, (u64, u64)>,
}

impl Judge {
    fn line(&mut self, fact: &Fact, row: Option<&Decided>) {
        let outcome = row.and_then(|row| row.outcome);
        let word = outcome.map_or("missing", Outcome::word);
        *self.score.outcomes.entry(fact.label).or_default().entry(word.to_owned()).or_default() += 1;
        let submitted = outcome == Some(Outcome::Submitted);
        match (fact.base, fact.build) {
            (Label::Fresh | Label::Retag, Some(build)) => self.build(fact, build, row),
            _ if submitted => *self.score.wrong_submits.entry(fact.base).or_default() += 1,
            _ => {}
        }
        if let (Some(burst), Label::Fresh | Label::Retag) = (&fact.burst, fact.label) {
            let (lines, marked) = self.marked.entry(burst.clone()).or_default();
            *lines += 1;
            *marked += u64::from(row.is_some_and(|row| row.in_burst));
        }
        if submitted && fact.base == Label::Fresh {
            let decided_at = row.and_then(|row| row.decided_at);
            let published = Second::from_float(fact.t);
            self.latencies.extend(decided_at.zip(published).map(|(decided, at)| (decided - at).0));
        }
    }

    fn build(&mut self, fact: &Fact, id: u64, row: Option<&Decided>) {
        let build = self.builds.entry(id).or_default();
        // A build that was old once is old, whatever else is said of it.
        build.retag |= fact.base == Label::Retag;
        match row.and_then(|row| Some((row.outcome?, row))) {
            Some((Outcome::Submitted, _)) => build.submitted += 1,
            Some((Outcome::Held, row)) => {
                build.held.get_or_insert_with(|| row.reason.clone());
            }
            Some((Outcome::DeadLetter, _)) => build.dead = true,
            Some((Outcome::Ignored | Outcome::Duplicate | Outcome::Dropped, _)) => build.lost = true,
            None => {}
        }
    }

    fn finish(mut self) -> Score {
        for build in self.builds.values() {
            self.score.add_build(build);
        }
        self.score.latency = Latency::of(&mut self.latencies);
        for burst in &mut self.score.bursts {
            (burst.lines, burst.marked) = self.marked.get(&burst.id).copied().unwrap_or_default();
        }
        self.score.pass = self.score.passes();
        self.score
    }
}

fn outcome_of(word: &str) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|outcome| outcome.word() == word)
}

fn read_truth(path: &Path) -> Result<Vec<Fact>, ScoreError> {
    let mut truth: Vec<Fact> = Vec::new();
    read_lines(path, |line, fact: Fact| {
        if fact.line != truth.len() as u64 + 1 {
            return Err(ScoreError::Order { path: path.to_owned(), line, said: fact.line });
        }
        truth.push(fact);
        Ok(())
    })?;
    Ok(truth)
}

/// Gives each line that is not blank as what it should be.
fn read_lines<T: DeserializeOwned>(
    path: &Path,
    mut take: impl FnMut(u64, T) -> Result<(), ScoreError>,
) -> Result<(), ScoreError> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next_line()? {
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        let number = line.number;
        let row = serde_json::from_slice(line.bytes).map_err(|error| InputError::Line {
            path: path.to_owned(),
            line: number,
            problem: error.to_string(),
        })?;
        take(number, row)?;
    }
    Ok(())
}

fn read_whole<T: DeserializeOwned>(path: &Path) -> Result<T, ScoreError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FACTS_MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|source| InputError::Open { path: path.to_owned(), source })?;
    Ok(serde_json::from_slice(&bytes)
        .map_err(|error| InputError::File { path: path.to_owned(), problem: error.to_string() })?)
}
