//! Runs two pipelines over the same records: what each would have submitted, held and dropped, and where they differ.
//!
//! Records are read once, and decoded once where both pipelines read the same topics and instances.

use std::collections::BTreeMap;
use std::path::Path;

use hashbrown::HashMap;

use super::comparison::{Comparison, Line, Side, Told};
use super::source::Source;
use super::summary::Tally;
use super::{
    Options, ReplayError, WRITE_AFTER, each_message, give, offer_lists, require_list, sidecar, teach,
};
use crate::engine::Engine;
use crate::engine::decision::{Decision, Outcome, Reason};
use crate::engine::hold::HoldKind;
use crate::event::Record;
use crate::score::truth::Label;
use crate::score::{Decided, Latency, ScoreError, Truth};
use crate::settings::{Route, Settings};
use crate::time::{Second, Seconds};

/// Most records of a backtest: something is kept of each.
pub const RECORDS_MAX: u64 = 20_000_000;

/// How often progress is told, in records.
const PROGRESS_EVERY: u64 = 20_000;

/// Why a backtest failed.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// As a replay fails.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The truth cannot be read.
    #[error(transparent)]
    Truth(#[from] ScoreError),
    /// The truth is that of another stream.
    #[error(
        "the truth speaks of {lines} lines, and {records} records were read: give the folder that belongs to this input"
    )]
    OtherTruth {
        /// Lines of the truth.
        lines: u64,
        /// Records read.
        records: u64,
    },
    /// There are more records than a backtest keeps account of.
    #[error("a backtest takes up to {RECORDS_MAX} records: give fewer files at a time")]
    TooMany,
}

/// Runs two pipelines over the same records; `state`, `decisions` and what belongs to them are left out of the options.
/// `progress` is told now and then how many bytes and records were read.
///
/// # Errors
/// Where an input or the truth cannot be read, or there are too many records.
pub fn backtest(
    (old, new): (Settings, Settings),
    options: &Options,
    truth: Option<&Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Comparison, BacktestError> {
    let truth = truth.map(Truth::read).transpose()?;
    let (mut old, mut new) = (Runner::start(old, options)?, Runner::start(new, options)?);
    let mut source = Source::new(options.inputs.clone(), options.kafka.as_deref(), Vec::new(), 1)
        .map_err(ReplayError::from)?;
    let mut records = 0;
    while let Some(record) = source.next_record().map_err(ReplayError::from)? {
        let messages = give_both(&mut old, &mut new, &record);
        source.skip_positions(messages - 1);
        let before = records / PROGRESS_EVERY;
        records += messages;
        if records > RECORDS_MAX {
            return Err(BacktestError::TooMany);
        }
        old.take_some();
        new.take_some();
        if records / PROGRESS_EVERY > before {
            progress(source.bytes_read(), records);
        }
    }
    if let Some(truth) = truth.as_ref().filter(|truth| truth.len() != records) {
        return Err(BacktestError::OtherTruth { lines: truth.len(), records });
    }
    old.end();
    new.end();
    Ok(compare(old, new, records, truth.as_ref()))
}

/// Gives a line to both engines. Gives how many messages it holds.
fn give_both(old: &mut Runner, new: &mut Runner, record: &Record<'_>) -> u64 {
    if old.route != new.route {
        give(&mut old.engine, &old.route, record, None);
        return give(&mut new.engine, &new.route, record, None);
    }
    let Runner { engine, route, .. } = old;
    each_message(route, record, |message, decoded| {
        engine.record(message.position, message.kafka_millis, decoded.clone());
        new.engine.record(message.position, message.kafka_millis, decoded);
    })
}

/// One of the two pipelines under way.
struct Runner {
    engine: Engine,
    route: Route,
    tally: Tally,
    /// The last decision about each record, by its position from 1.
    verdicts: Vec<Option<Verdict>>,
    /// The builds of the trigger tag, by position.
    builds: HashMap<u64, (u64, Box<str>)>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    reason: Reason,
    /// The kind of the hold it was put into.
    hold: Option<HoldKind>,
    in_burst: bool,
    decided_at: Option<Second>,
    /// How long after its event time.
    wait: Option<Seconds>,
}

impl Runner {
    fn start(settings: Settings, options: &Options) -> Result<Self, ReplayError> {
        let partitions = match &options.kafka {
            Some(path) => sidecar::partitions(path)?,
            None => [0].into(),
        };
        let route = settings.route.clone();
        let mut engine = Engine::new(settings, partitions)?;
        offer_lists(&mut engine, options)?;
        require_list(&engine)?;
        teach(&mut engine, &route, options)?;
        Ok(Self { engine, route, tally: Tally::default(), verdicts: Vec::new(), builds: HashMap::new() })
    }

    fn take_some(&mut self) {
        if self.engine.undelivered() >= WRITE_AFTER {
            self.take();
        }
    }

    fn take(&mut self) {
        let output = self.engine.take_output();
        self.tally.add(&self.engine, &output);
        for decision in &output.decisions {
            self.note(decision);
        }
    }

    fn note(&mut self, decision: &Decision) {
        let offset = decision.position.offset;
        let Some(index) = usize::try_from(offset).ok().and_then(|offset| offset.checked_sub(1)) else {
            return;
        };
        if self.verdicts.len() <= index {
            self.verdicts.resize(index + 1, None);
        }
        let detail = decision.detail.as_deref();
        let hold = detail.and_then(|detail| self.engine.holds().get(detail.hold?)).map(|hold| hold.kind);
        if let Some(slot) = self.verdicts.get_mut(index) {
            *slot = Some(Verdict {
                reason: decision.reason,
                hold: hold.filter(|_| decision.outcome() == Outcome::Held),
                in_burst: decision.burst.is_some(),
                decided_at: decision.decided_at,
                wait: decision.event_time.zip(decision.decided_at).map(|(event, at)| at - event),
            });
        }
        if let Some(detail) = detail {
            let event = &detail.event;
            self.builds.entry(offset).or_insert_with(|| (event.build.id, event.nvr.as_str().into()));
        }
    }

    fn end(&mut self) {
        self.engine.end();
        self.take();
    }

    fn verdict(&self, index: usize) -> Option<Verdict> {
        self.verdicts.get(index).copied().flatten()
    }

    fn side(self, records: u64, truth: Option<&Truth>) -> Side {
        let submitted = |verdict: &Verdict| verdict.reason.outcome() == Outcome::Submitted;
        let decided = self.verdicts.iter().flatten().filter(|verdict| submitted(verdict));
        let mut waits: Vec<i64> = decided.filter_map(|verdict| verdict.wait).map(|wait| wait.0).collect();
        let score = truth.map(|truth| {
            let rows = self.verdicts.iter().map(|verdict| {
                verdict.map(|verdict| Decided {
                    outcome: Some(verdict.reason.outcome()),
                    reason: verdict.reason.word().to_owned(),
                    in_burst: verdict.in_burst,
                    decided_at: verdict.decided_at,
                })
            });
            truth.score(rows)
        });
        Side { latency: Latency::of(&mut waits), score, summary: self.tally.summary(&self.engine, records) }
    }
}

fn compare(old: Runner, new: Runner, records: u64, truth: Option<&Truth>) -> Comparison {
    let mut changes: BTreeMap<(&'static str, &'static str), u64> = BTreeMap::new();
    let mut differences = Vec::new();
    let mut slower = 0;
    for index in 0..old.verdicts.len().max(new.verdicts.len()) {
        let (before, after) = (old.verdict(index), new.verdict(index));
        let what = |verdict: Option<Verdict>| verdict.map(|verdict| (verdict.reason, verdict.hold));
        if what(before) == what(after) {
            slower +=
                u64::from(before.and_then(|verdict| verdict.wait) != after.and_then(|verdict| verdict.wait));
            continue;
        }
        let word =
            |verdict: Option<Verdict>| verdict.map_or("pending", |verdict| verdict.reason.outcome().word());
        *changes.entry((word(before), word(after))).or_default() += 1;
        let line = index as u64 + 1;
        let build = old.builds.get(&line).or_else(|| new.builds.get(&line));
        differences.push(Line {
            line,
            build: build.map(|(build, _)| *build),
            nvr: build.map(|(_, nvr)| nvr.to_string()),
            truth: truth.and_then(|truth| truth.label(line)).map(Label::word),
            old: told(before),
            new: told(after),
        });
    }
    Comparison {
        records,
        changes,
        retimed: slower,
        differences,
        old: old.side(records, truth),
        new: new.side(records, truth),
    }
}

fn told(verdict: Option<Verdict>) -> Told {
    Told {
        outcome: verdict.map_or("pending", |verdict| verdict.reason.outcome().word()),
        reason: verdict.map(|verdict| verdict.reason.word()),
        hold: verdict.and_then(|verdict| verdict.hold).map(HoldKind::word),
        wait_s: verdict.and_then(|verdict| verdict.wait).map(|wait| wait.0),
    }
}
