//! What a running pipeline announces of a batch: decisions, what happened to bursts and holds, and dead letters.
//!
//! Pure. The notices are written in the transaction of the batch and sent afterwards by [`super::announcer`], so that none
//! is lost and none speaks of what was not done. `docs/topics.md` documents what is in them.

pub mod documents;

use std::collections::{BTreeMap, BTreeSet};

use self::documents::{BURST, Burst, DEAD_LETTER, DECISION, Decided, Event, Writer};
use crate::engine::Engine;
use crate::engine::burst::RunReport;
use crate::engine::command::HoldCommand;
use crate::engine::decision::{Decision, HoldId, Reason, RunSummary};
use crate::engine::hold::{Hold, HoldKind, TagKey};
use crate::explain::facts::Command;
use crate::pipeline::Outputs;
use crate::state::DeadLetter;
use crate::state::live::{Notice, StoredPartition};

/// What there is to announce of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct News<'a> {
    /// Decisions of the batch, in their order.
    pub decisions: &'a [Decision],
    /// Runs that are over.
    pub runs: &'a [RunReport],
    /// Records that cannot be read.
    pub letters: &'a [DeadLetter],
    /// Commands of operators that were carried out in the batch, in their order.
    pub commands: &'a [HoldCommand],
    /// The partitions, by which positions are told.
    pub partitions: &'a [&'a StoredPartition],
}

/// What was told of an open hold.
#[derive(Debug, Clone, Copy)]
struct Told {
    key: TagKey,
    kind: HoldKind,
    /// How often its size had doubled.
    doublings: u32,
    ruled: bool,
}

/// Makes the notices of each batch.
#[derive(Debug)]
pub struct Notices {
    outputs: Outputs,
    holds: BTreeMap<HoldId, Told>,
}

impl Notices {
    /// Of a pipeline whose engine stands where the state was last written: its open holds were told of.
    pub fn new(outputs: Outputs, engine: &Engine) -> Self {
        let told = |hold: &Hold| (hold.id, told(hold, hold.members.len()));
        Self { outputs, holds: engine.holds().iter().map(told).collect() }
    }

    /// The pipeline file was read anew: what is announced may be other things.
    pub fn set_outputs(&mut self, outputs: Outputs) {
        self.outputs = outputs;
    }

    /// The notices of a batch: at most one for each decision, dead letter, run and command, and for each hold one of its
    /// opening or growth and two of its stated rule. `engine` stands at the end of the batch.
    pub fn of_batch(&mut self, engine: &Engine, news: &News<'_>) -> Vec<Notice> {
        let writer = Writer::new(engine, news.partitions);
        let commands = commands_of(engine, news);
        let mut notices = Vec::new();
        if self.outputs.decisions.is_some() {
            let letters: BTreeMap<_, _> =
                news.letters.iter().map(|letter| (letter.position, letter)).collect();
            let told = news.decisions.iter().filter(|one| one.detail.is_some() || one.code.is_some());
            notices.extend(told.map(|decision| {
                let command = decision.detail.as_ref().and_then(|detail| detail.command);
                let command = command.and_then(|number| commands.get(&number)).map(|(_, command)| command);
                writer.decision(decision, command, letters.get(&decision.position).copied())
            }));
        }
        let bursts = self.bursts(engine, news, &commands);
        if self.outputs.bursts.is_some() {
            notices.extend(bursts.iter().map(|burst| writer.burst(burst)));
        }
        if self.outputs.dead_letters.is_some() {
            notices.extend(news.letters.iter().map(|letter| writer.dead_letter(letter)));
        }
        notices
    }

    /// What happened to bursts and holds, in this order: opened and grown, resolved and closed, decided.
    fn bursts<'a>(&mut self, engine: &Engine, news: &News<'a>, commands: &Commands) -> Vec<Burst<'a>> {
        let runs = runs_of_holds(news.decisions);
        let ruled = self.ruled(engine);
        let mut bursts = Vec::new();
        for hold in engine.holds().iter() {
            let run = runs.get(&hold.id).copied();
            let size = hold.members.len().max(run.map_or(0, |run| run.members.total() as usize));
            let now = told(hold, size);
            let before = self.holds.get(&hold.id).map(|told| told.doublings);
            let event = match before {
                None => Some((Event::Opened, hold.opened_at)),
                Some(before) => (now.doublings > before).then(|| (Event::Grown, engine.now())),
            };
            let doublings = now.doublings.max(before.unwrap_or_default());
            self.holds.insert(hold.id, Told { doublings, ..now });
            bursts.extend(event.map(|(event, at)| Burst {
                kind: Some(hold.kind),
                run,
                ..Burst::new(event, at, hold.key, Some(hold.id))
            }));
        }
        bursts.extend(news.runs.iter().map(|report| self.over(engine, report, &runs)));
        bursts.extend(commands.values().map(|(key, command)| self.decided_by_operator(key, command)));
        bursts.extend(decided_by_rule(engine, news.decisions, &ruled));
        self.holds.retain(|id, _| engine.holds().get(*id).is_some());
        bursts
    }

    /// The holds whose stated rule was carried out since the last batch.
    fn ruled(&self, engine: &Engine) -> Vec<(HoldId, Told)> {
        let is_ruled = |id: &HoldId| engine.holds().get(*id).is_none_or(|hold| hold.ruled);
        self.holds
            .iter()
            .filter(|(id, told)| !told.ruled && is_ruled(id))
            .map(|(id, told)| (*id, *told))
            .collect()
    }

    /// A run that is over.
    fn over<'a>(
        &self,
        engine: &Engine,
        report: &'a RunReport,
        runs: &BTreeMap<HoldId, &'a RunSummary>,
    ) -> Burst<'a> {
        let open = report.kind.and_then(|kind| engine.holds().find(report.key, kind));
        let named = || runs.iter().find(|(_, run)| run.number == report.summary.number).map(|(id, _)| *id);
        let known = || {
            let same = |told: &Told| told.key == report.key && Some(told.kind) == report.kind;
            self.holds.iter().find(|(_, told)| same(told)).map(|(id, _)| *id)
        };
        let hold = report.kind.and_then(|_| open.or_else(named).or_else(known));
        let event = if report.kind.is_some() { Event::Closed } else { Event::Resolved };
        Burst {
            kind: report.kind,
            run: Some(&report.summary),
            report: Some(report),
            ..Burst::new(event, report.ended_at, report.key, hold)
        }
    }

    fn decided_by_operator(&self, key: &(TagKey, HoldId), command: &Command) -> Burst<'static> {
        let (key, hold) = *key;
        let decided = Decided::by_operator(command);
        Burst {
            kind: self.holds.get(&hold).map(|told| told.kind),
            decided: Some(decided),
            ..Burst::new(Event::Decided, command.at, key, Some(hold))
        }
    }
}

fn told(hold: &Hold, size: usize) -> Told {
    Told { key: hold.key, kind: hold.kind, doublings: size.max(1).ilog2(), ruled: hold.ruled }
}

/// Commands by their numbers, each with the hold that it was about.
type Commands = BTreeMap<u32, ((TagKey, HoldId), Command)>;

/// The commands of the batch. The engine numbers them in their order, and each decides one build at least.
fn commands_of(engine: &Engine, news: &News<'_>) -> Commands {
    let mut numbers: BTreeMap<u32, (TagKey, _, u64)> = BTreeMap::new();
    for decision in news.decisions {
        let Some(detail) = &decision.detail else { continue };
        let Some(number) = detail.command else { continue };
        let key = TagKey { instance: detail.event.build.instance, tag: detail.event.tag };
        let at = decision.decided_at.unwrap_or(engine.now());
        numbers.entry(number).or_insert((key, at, 0)).2 += 1;
    }
    let numbered = numbers.into_iter().zip(news.commands);
    numbered
        .map(|((number, (key, at, builds)), command)| {
            (number, ((key, command.hold), Command::new(command, at, builds)))
        })
        .collect()
}

/// The newest state of the run that each hold's members came in.
fn runs_of_holds(decisions: &[Decision]) -> BTreeMap<HoldId, &RunSummary> {
    let named =
        |decision: &'_ Decision| decision.detail.as_ref().and_then(|detail| detail.hold).or(decision.burst);
    let of_run = decisions.iter().filter_map(|decision| {
        let run = decision.detail.as_ref()?.run.as_ref()?;
        Some((named(decision)?, run))
    });
    of_run.collect()
}

/// What the stated rule of holds decided. Of which hold is told where only one of the tag's was ruled.
fn decided_by_rule(engine: &Engine, decisions: &[Decision], ruled: &[(HoldId, Told)]) -> Vec<Burst<'static>> {
    let mut groups: BTreeMap<(TagKey, Reason), (u64, _)> = BTreeMap::new();
    let by_rule = |reason| matches!(reason, Reason::ReleasedByRule | Reason::DroppedByRule);
    for decision in decisions.iter().filter(|decision| by_rule(decision.reason)) {
        let Some(detail) = &decision.detail else { continue };
        let key = TagKey { instance: detail.event.build.instance, tag: detail.event.tag };
        let group = groups.entry((key, decision.reason)).or_insert((0, decision.decided_at));
        group.0 += 1;
    }
    let told = groups.into_iter().map(|((key, reason), (builds, at))| {
        let of_key: BTreeSet<_> =
            ruled.iter().filter(|(_, told)| told.key == key).map(|(id, _)| *id).collect();
        let hold = of_key.first().copied().filter(|_| of_key.len() == 1);
        let kind = ruled.iter().find(|(id, _)| Some(*id) == hold).map(|(_, told)| told.kind);
        let at = at.unwrap_or(engine.now());
        let decided = Decided::by_rule(engine.settings().burst.hold_rule, reason, builds);
        Burst { kind, decided: Some(decided), ..Burst::new(Event::Decided, at, key, hold) }
    });
    told.collect()
}

/// The names of the schemas, one for each output.
pub const SCHEMAS: [&str; 3] = [DECISION, BURST, DEAD_LETTER];
