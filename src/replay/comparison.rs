//! What a backtest found, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::summary::Summary;
use crate::engine::decision::Outcome;
use crate::score::{Latency, Score};
use crate::text::escaped;
use crate::text::grouped;
use crate::time::Seconds;

/// Two pipelines over the same records.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Records that were read.
    pub records: u64,
    /// Records whose outcome, reason or hold differs, by both outcomes.
    #[serde(serialize_with = "as_list")]
    pub changes: BTreeMap<(&'static str, &'static str), u64>,
    /// Records that are decided alike, but sooner or later.
    pub retimed: u64,
    /// The first pipeline.
    pub old: Side,
    /// The second pipeline.
    pub new: Side,
    /// Each record that differs, in the order of the input.
    pub differences: Vec<Line>,
}

/// One pipeline of the two.
#[derive(Debug, Serialize)]
pub struct Side {
    /// What a replay of it gives.
    #[serde(flatten)]
    pub summary: Summary,
    /// How long after their event time builds were submitted; `None` where none was.
    pub latency: Option<Latency>,
    /// The verdict by the truth of the stream, where that is known.
    pub score: Option<Score>,
}

/// A record that the two decide otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The record, from 1.
    pub line: u64,
    /// The build, of the trigger tag's events.
    pub build: Option<u64>,
    /// Its name, version and release.
    pub nvr: Option<String>,
    /// What it is by the truth.
    pub truth: Option<&'static str>,
    /// What the first pipeline makes of it.
    pub old: Told,
    /// What the second makes of it.
    pub new: Told,
}

/// What a pipeline makes of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The outcome, or `pending`.
    pub outcome: &'static str,
    /// Why.
    pub reason: Option<&'static str>,
    /// The kind of the hold it is in.
    pub hold: Option<&'static str>,
    /// How long after its event time it was decided, in seconds.
    pub wait_s: Option<i64>,
}

/// One kind of change.
#[derive(Serialize)]
struct Change {
    old: &'static str,
    new: &'static str,
    records: u64,
}

fn as_list<S: Serializer>(
    changes: &BTreeMap<(&'static str, &'static str), u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(changes.len()))?;
    for ((old, new), records) in changes {
        list.serialize_element(&Change { old, new, records: *records })?;
    }
    list.end()
}

impl Line {
    /// Its fields as one row: line, build, NVR, truth, then outcome, reason and hold of the first and of the second
    /// pipeline; empty where there is nothing to say.
    pub fn fields(&self) -> [String; 10] {
        let text = |text: Option<&str>| text.map_or(String::new(), |text| escaped(text).to_string());
        let build = self.build.map_or(String::new(), |build| build.to_string());
        [
            self.line.to_string(),
            build,
            text(self.nvr.as_deref()),
            text(self.truth),
            text(Some(self.old.outcome)),
            text(self.old.reason),
            text(self.old.hold),
            text(Some(self.new.outcome)),
            text(self.new.reason),
            text(self.new.hold),
        ]
    }
}

impl Comparison {
    /// The text for people, with so many of the differences.
    pub fn text(&self, shown: usize) -> impl fmt::Display + '_ {
        Text { of: self, shown }
    }
}

struct Text<'a> {
    of: &'a Comparison,
    shown: usize,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Comparison { records, changes, retimed, old, new, differences } = self.of;
        writeln!(f, "{} records, read by both", grouped(*records))?;
        writeln!(f, "{:<28} {:>20} {:>20}", "", escaped_name(old), escaped_name(new))?;
        for (name, of) in ROWS {
            let (was, is) = (of(old), of(new));
            if was.is_some() || is.is_some() {
                let cell = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
                writeln!(f, "  {name:<26} {:>20} {:>20}", cell(was), cell(is))?;
            }
        }
        if differences.is_empty() {
            writeln!(f, "\nBoth decide every record alike.")?;
        } else {
            writeln!(f, "\n{} records are decided otherwise", grouped(differences.len() as u64))?;
        }
        for ((was, is), count) in changes {
            let otherwise = if was == is { ", for another reason or in another hold" } else { "" };
            writeln!(f, "  {:>10}  {} to {}{otherwise}", grouped(*count), spaced(was), spaced(is))?;
        }
        if *retimed > 0 {
            writeln!(f, "  {:>10}  as before, but sooner or later", grouped(*retimed))?;
        }
        for line in differences.iter().take(self.shown) {
            let nvr = line.nvr.as_deref().map_or_else(|| "-".to_owned(), |nvr| escaped(nvr).to_string());
            let truth =
                line.truth.map_or_else(String::new, |truth| format!("  (in truth {})", spaced(truth)));
            writeln!(f, "  line {:<9} {nvr}: {} to {}{truth}", line.line, line.old, line.new)?;
        }
        if let Some(more @ 1..) = differences.len().checked_sub(self.shown) {
            writeln!(f, "  and {} more; -o json has all", grouped(more as u64))?;
        }
        Ok(())
    }
}

/// A row of the table: its name, and its value for one side.
type Row = (&'static str, fn(&Side) -> Option<String>);

const ROWS: [Row; 14] = [
    ("submitted", |side| Some(outcome(side, Outcome::Submitted))),
    ("held", |side| Some(outcome(side, Outcome::Held))),
    ("dropped", |side| Some(outcome(side, Outcome::Dropped))),
    ("duplicate", |side| Some(outcome(side, Outcome::Duplicate))),
    ("ignored", |side| Some(outcome(side, Outcome::Ignored))),
    ("dead letter", |side| Some(outcome(side, Outcome::DeadLetter))),
    ("open holds", |side| Some(grouped(side.summary.holds.len() as u64))),
    ("bursts in the trigger tag", |side| {
        Some(grouped(side.summary.bursts.len() as u64 + side.summary.more_bursts))
    }),
    ("wait, half of submitted", |side| Some(Seconds(side.latency?.median).to_string())),
    ("wait, 99 of 100", |side| Some(Seconds(side.latency?.p99).to_string())),
    ("old builds submitted", |side| Some(grouped(side.score.as_ref()?.leaks.retag))),
    ("submitted twice", |side| Some(grouped(side.score.as_ref()?.leaks.twice))),
    ("new builds lost", |side| Some(grouped(side.score.as_ref()?.fresh.lost))),
    ("new builds that wait", |side| Some(grouped(side.score.as_ref()?.fresh.stranded))),
];

fn outcome(side: &Side, outcome: Outcome) -> String {
    let found = side.summary.outcomes.iter().find(|(word, _)| *word == outcome.word());
    grouped(found.map_or(0, |(_, count)| *count))
}

fn escaped_name(side: &Side) -> String {
    escaped(&side.summary.pipeline).to_string()
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", spaced(self.outcome))?;
        match (self.reason, self.hold) {
            (Some(reason), Some(hold)) => write!(f, " ({} in {} hold)", spaced(reason), spaced(hold)),
            (Some(reason), None) => write!(f, " ({})", spaced(reason)),
            (None, _) => Ok(()),
        }
    }
}
