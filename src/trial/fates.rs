//! What became of each message of a test, and whether that is what was expected.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::engine::decision::{Outcome, Reason};
use crate::engine::hold::HoldKind;
use crate::pipeline::{Amount, Expectation, Fate, Finding};
use crate::score::truth::Label;
use crate::time::Seconds;

/// Decisions that are gathered before they are taken.
const TAKE_AFTER: usize = 1_024;
/// How many fates a failure names at the most.
const SHOWN_MAX: usize = 6;

/// A message that was read.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) build: Option<u64>,
    /// Its package, where it triggers.
    pub(super) package: Option<Box<str>>,
    /// What it is by the truth of its stream.
    pub(super) label: Option<Label>,
    /// It tags a build into the trigger tag.
    pub(super) triggers: bool,
}

/// The last decision about a message.
#[derive(Debug, Clone, Copy)]
struct Decided {
    reason: Reason,
    /// How long after its event time.
    after: Option<Seconds>,
}

/// Messages, by their offset, with what became of them.
#[derive(Debug, Default)]
pub(super) struct Fates {
    messages: Vec<(Told, Option<Decided>)>,
}

impl Fates {
    /// How many messages there are.
    pub(super) fn len(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Notes the message whose offset is the next one, from 1.
    pub(super) fn tell(&mut self, told: Told) {
        self.messages.push((told, None));
    }

    /// Takes what was decided once there is a good deal.
    pub(super) fn take_now_and_then(&mut self, engine: &mut Engine) {
        if engine.undelivered() >= TAKE_AFTER {
            self.take(engine);
        }
    }

    /// Takes what was decided.
    pub(super) fn take(&mut self, engine: &mut Engine) {
        for decision in engine.take_output().decisions {
            let index =
                usize::try_from(decision.position.offset).ok().and_then(|offset| offset.checked_sub(1));
            let Some((_, decided)) = index.and_then(|index| self.messages.get_mut(index)) else { continue };
            let after = decision.event_time.zip(decision.decided_at).map(|(event, at)| at - event);
            *decided = Some(Decided { reason: decision.reason, after });
        }
    }

    /// Compares with what was expected; `None` where it is so.
    pub(super) fn judge(&self, engine: &Engine, expected: &Expectation) -> Option<Finding> {
        let holds = holds(engine);
        let (mut spoken_of, mut agreeing) = (0, 0);
        let mut fates: BTreeMap<String, (u64, String)> = BTreeMap::new();
        for (offset, (told, decided)) in (1..).zip(&self.messages) {
            if !is_spoken_of(expected, told, *decided) {
                continue;
            }
            spoken_of += 1;
            let hold = holds.get(&offset).copied();
            agreeing += u64::from(agrees(expected, *decided, hold));
            fates.entry(shown(*decided, hold)).or_insert_with(|| (0, name(told))).0 += 1;
        }
        let fine = match expected.amount {
            Amount::Each => spoken_of > 0 && agreeing == spoken_of,
            Amount::Exactly(count) => agreeing == count,
            Amount::AtLeast(count) => agreeing >= count,
            Amount::AtMost(count) => agreeing <= count,
        };
        if fine {
            return None;
        }
        let message =
            format!("expected: {}; was: {agreeing} of {spoken_of} ({})", wanted(expected), listed(fates));
        let help = "change the pipeline until it is so, or the expectation if this is what you want";
        Some(expected.mark.error(message, help.to_owned()))
    }
}

/// The kind of the open hold of each message that is held.
fn holds(engine: &Engine) -> BTreeMap<u64, HoldKind> {
    let members = engine
        .holds()
        .iter()
        .flat_map(|hold| hold.members.values().map(|held| (held.event.position.offset, hold.kind)));
    members.collect()
}

fn is_spoken_of(expected: &Expectation, told: &Told, decided: Option<Decided>) -> bool {
    let unreadable = decided.is_some_and(|decided| decided.reason.outcome() == Outcome::DeadLetter);
    let among = |(first, last): (u64, u64)| told.build.is_some_and(|build| (first..=last).contains(&build));
    (told.triggers || unreadable)
        && expected.label.is_none_or(|label| told.label == Some(label))
        && expected.package.as_deref().is_none_or(|package| told.package.as_deref() == Some(package))
        && expected.builds.is_none_or(among)
}

fn agrees(expected: &Expectation, decided: Option<Decided>, hold: Option<HoldKind>) -> bool {
    let fate = decided.map_or(Fate::Pending, |decided| Fate::Decided(decided.reason.outcome()));
    let after = decided.and_then(|decided| decided.after);
    expected.fate.is_none_or(|wanted| wanted == fate)
        && expected.reason.is_none_or(|reason| decided.is_some_and(|decided| decided.reason == reason))
        && expected.hold.is_none_or(|kind| hold == Some(kind))
        && expected.within.is_none_or(|most| after.is_some_and(|after| after <= most))
}

/// `submitted (trail)`.
fn shown(decided: Option<Decided>, hold: Option<HoldKind>) -> String {
    let Some(decided) = decided else { return "pending".to_owned() };
    let in_hold = hold.map_or(String::new(), |kind| format!(" in a hold of kind {}", kind.word()));
    format!("{} ({}){in_hold}", decided.reason.outcome().word(), decided.reason.word())
}

fn name(told: &Told) -> String {
    match (told.build, &told.package) {
        (Some(build), Some(package)) => format!("build {build} of {package}"),
        (Some(build), None) => format!("build {build}"),
        (None, _) => "a message that tells of no build".to_owned(),
    }
}

/// `28 submitted (trail), first build 1 of p1; 2 held (no_fresh_evidence), first build 7 of p7`.
fn listed(fates: BTreeMap<String, (u64, String)>) -> String {
    if fates.is_empty() {
        return "no such message came".to_owned();
    }
    let mut fates: Vec<_> = fates.into_iter().collect();
    fates.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let more = fates.len().saturating_sub(SHOWN_MAX);
    let shown = fates.into_iter().take(SHOWN_MAX);
    let mut parts: Vec<_> =
        shown.map(|(fate, (count, first))| format!("{count} {fate}, first {first}")).collect();
    if more > 0 {
        parts.push(format!("and {more} other outcomes"));
    }
    parts.join("; ")
}

fn messages(count: u64) -> String {
    match count {
        0 => "no message".to_owned(),
        1 => "one message".to_owned(),
        count => format!("{count} messages"),
    }
}

/// What was expected, in words.
fn wanted(expected: &Expectation) -> String {
    let mut parts = vec![match expected.amount {
        Amount::Each => "each message".to_owned(),
        Amount::Exactly(count) => messages(count),
        Amount::AtLeast(count) => format!("at least {}", messages(count)),
        Amount::AtMost(count) => format!("at most {}", messages(count)),
    }];
    parts.extend(expected.builds.map(|(first, last)| {
        if first == last { format!("of build {first}") } else { format!("of builds {first}..{last}") }
    }));
    parts.extend(expected.package.as_ref().map(|package| format!("of package {package}")));
    parts.extend(expected.label.map(|label| format!("labelled {label}")));
    parts.extend(match (expected.fate, expected.reason) {
        (Some(Fate::Pending), _) => Some("pending".to_owned()),
        (_, Some(reason)) => Some(format!("{} ({})", reason.outcome().word(), reason.word())),
        (Some(Fate::Decided(outcome)), None) => Some(outcome.word().to_owned()),
        (None, None) => None,
    });
    parts.extend(expected.hold.map(|kind| format!("in a hold of kind {}", kind.word())));
    parts.extend(expected.within.map(|within| format!("within {within}")));
    parts.join(" ")
}
