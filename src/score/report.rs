//! The verdict and its figures, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Build;
use super::truth::{Facts, Label};
use crate::text::bounded;

/// How many characters of a name from a file are shown.
const NAME_CHARS: usize = 60;

/// What a pipeline's decisions are worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Score {
    /// The scenario's name.
    pub scenario: String,
    /// Whether nothing happened that must not.
    pub pass: bool,
    /// Lines of the stream.
    pub lines: u64,
    /// Whether every line has its one outcome.
    pub conservation: Conservation,
    /// What was built that must not be.
    pub leaks: Leaks,
    /// Lines submitted that are no builds for us, by what they are.
    pub wrong_submits: BTreeMap<Label, u64>,
    /// What became of the new builds.
    pub fresh: Fate,
    /// New builds that wait for a person, by the reason of the first line that was held.
    pub stranded_by_reason: BTreeMap<String, u64>,
    /// How long new builds waited until they were submitted; `None` where none was.
    pub latency: Option<Latency>,
    /// The bursts of the truth.
    pub bursts: Vec<BurstSeen>,
    /// Lines by label and outcome.
    pub outcomes: BTreeMap<Label, BTreeMap<String, u64>>,
}

/// Faults against the law that every line has exactly one outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Conservation {
    /// Lines without a decision.
    pub missing: u64,
    /// Decisions of a line that had one.
    pub double: u64,
    /// Decisions of a line that does not exist.
    pub unknown_line: u64,
    /// Decisions with an outcome that does not exist.
    pub bad_outcome: u64,
    /// Decisions that name another message than the line's.
    pub other_id: u64,
}

impl Conservation {
    fn kept(self) -> bool {
        self == Self::default()
    }
}

/// What was built that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Leaks {
    /// Lines of re-tagged builds that were submitted.
    pub retag: u64,
    /// Submissions of a new build beyond its first.
    pub twice: u64,
}

/// What became of the new builds: each counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Fate {
    /// All of them.
    pub builds: u64,
    /// Submitted, once or more.
    pub submitted: u64,
    /// Held until a person decides.
    pub stranded: u64,
    /// Said to be unreadable.
    pub dead_lettered: u64,
    /// Each line dropped, a duplicate or ignored.
    pub lost: u64,
    /// No line was decided.
    pub missing: u64,
}

/// How long new builds waited, in seconds of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub submitted: u64,
    /// Half of them waited no longer.
    pub median: i64,
    /// 99 of 100 waited no longer.
    pub p99: i64,
}

impl Latency {
    pub(crate) fn of(waits: &mut [i64]) -> Option<Self> {
        waits.sort_unstable();
        // The smallest value that so many hundredths of all do not exceed.
        let at_percent = |percent: usize| waits.get((waits.len() * percent).div_ceil(100).checked_sub(1)?);
        Some(Self { submitted: waits.len() as u64, median: *at_percent(50)?, p99: *at_percent(99)? })
    }
}

/// How much of a burst was seen as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BurstSeen {
    /// Its name in the truth.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// Its lines that tell of new or re-tagged builds of eligible packages.
    pub lines: u64,
    /// Those of them whose decision names a burst.
    pub marked: u64,
}

impl Score {
    pub(super) fn of(facts: &Facts, lines: u64) -> Self {
        let bursts = facts.bursts.iter().map(|burst| BurstSeen {
            id: burst.id.clone(),
            kind: burst.kind.clone(),
            lines: 0,
            marked: 0,
        });
        Self {
            scenario: facts.scenario.clone(),
            pass: false,
            lines,
            conservation: Conservation::default(),
            leaks: Leaks::default(),
            wrong_submits: BTreeMap::new(),
            fresh: Fate::default(),
            stranded_by_reason: BTreeMap::new(),
            latency: None,
            bursts: bursts.collect(),
            outcomes: BTreeMap::new(),
        }
    }

    pub(super) fn add_build(&mut self, build: &Build) {
        if build.retag {
            self.leaks.retag += build.submitted;
            return;
        }
        self.leaks.twice += build.submitted.saturating_sub(1);
        let fate = &mut self.fresh;
        fate.builds += 1;
        if build.submitted > 0 {
            fate.submitted += 1;
        } else if let Some(reason) = &build.held {
            fate.stranded += 1;
            *self.stranded_by_reason.entry(reason.clone()).or_default() += 1;
        } else if build.dead {
            fate.dead_lettered += 1;
        } else if build.lost {
            fate.lost += 1;
        } else {
            fate.missing += 1;
        }
    }

    pub(super) fn passes(&self) -> bool {
        self.conservation.kept()
            && self.leaks == Leaks::default()
            && self.wrong_submits.is_empty()
            && self.fresh.lost == 0
            && self.fresh.missing == 0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.pass { "pass" } else { "FAIL" };
        writeln!(f, "{}: {verdict}, {} lines", bounded(&self.scenario, NAME_CHARS), self.lines)?;
        let Conservation { missing, double, unknown_line, bad_outcome, other_id } = self.conservation;
        writeln!(
            f,
            "conservation    {missing} lines missing, {double} decided twice, {unknown_line} unknown, \
             {bad_outcome} with an unknown outcome, {other_id} with another id"
        )?;
        writeln!(
            f,
            "leaks           {} re-tags submitted, {} builds twice",
            self.leaks.retag, self.leaks.twice
        )?;
        let wrong: u64 = self.wrong_submits.values().sum();
        writeln!(f, "wrong submits   {wrong}{}", counts(&self.wrong_submits))?;
        let Fate { builds, submitted, stranded, dead_lettered, lost, missing } = self.fresh;
        writeln!(
            f,
            "new builds      {builds}: {submitted} submitted, {stranded} stranded, {dead_lettered} dead-lettered, \
             {lost} lost, {missing} without a decision"
        )?;
        for (reason, count) in &self.stranded_by_reason {
            writeln!(f, "  stranded      {count:>8} {}", bounded(reason, NAME_CHARS))?;
        }
        match self.latency {
            Some(wait) => writeln!(f, "latency         {} s median, {} s p99", wait.median, wait.p99)?,
            None => writeln!(f, "latency         nothing was submitted")?,
        }
        for burst in &self.bursts {
            let (id, kind) = (bounded(&burst.id, NAME_CHARS), bounded(&burst.kind, NAME_CHARS));
            writeln!(f, "burst {id} ({kind}): {} of {} lines marked as one", burst.marked, burst.lines)?;
        }
        for (label, outcomes) in &self.outcomes {
            writeln!(f, "{label:<15}{}", counts(outcomes).trim_start_matches(':'))?;
        }
        Ok(())
    }
}

/// `: 3 a, 1 b`, or nothing.
fn counts<K: fmt::Display>(of: &BTreeMap<K, u64>) -> String {
    let parts: Vec<_> = of.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}
