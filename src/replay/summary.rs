//! What a release engineer wants to know of a replay, as text and as JSON.

use std::fmt;

use serde::Serialize;

use crate::engine::burst::RunReport;
use crate::engine::decision::{Outcome, Reason};
use crate::engine::hold::HoldKind;
use crate::engine::{Engine, Output};
use crate::text::{escaped, grouped};
use crate::time::{Second, Seconds};

/// Bursts told of one by one.
const BURSTS_TOLD: usize = 1_000;

/// Counts while a replay runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    without: u64,
    bursts: Vec<Burst>,
    more_bursts: u64,
}

impl Tally {
    /// Counts what was decided.
    pub(super) fn add(&mut self, engine: &Engine, output: &Output) {
        for decision in &output.decisions {
            let Some(detail) = &decision.detail else { continue };
            let counts = !matches!(
                decision.reason,
                Reason::NotEligible | Reason::BeforeBegin | Reason::ReleasedByRule | Reason::DroppedByRule
            );
            self.without += u64::from(counts && engine.is_eligible(detail.event.nvr.name()));
        }
        for report in &output.runs {
            if self.bursts.len() < BURSTS_TOLD {
                self.bursts.push(Burst::new(engine, report));
            } else {
                self.more_bursts += 1;
            }
        }
    }

    /// How things stand now.
    pub(super) fn standing(&self, engine: &Engine) -> Standing {
        let total = engine.account().total();
        Standing {
            at: engine.now(),
            without_tidegate: self.without,
            submitted: total.outcome(Outcome::Submitted),
            held: total.outcome(Outcome::Held),
            dropped: total.outcome(Outcome::Dropped),
            phase: engine.phase(),
        }
    }

    /// The summary of a replay that is over.
    pub(super) fn summary(self, engine: &Engine, records: u64) -> Summary {
        let account = engine.account();
        let total = account.total();
        let outcomes = Outcome::ALL.iter().map(|outcome| (outcome.word(), total.outcome(*outcome))).collect();
        let submitted = total.outcome(Outcome::Submitted);
        let governor = engine.settings().governor;
        #[expect(clippy::cast_precision_loss, reason = "a count of builds is far below 2^52")]
        let hours = submitted.saturating_sub(u64::from(governor.capacity)) as f64 / governor.per_hour;
        let holds = engine.holds().iter().map(|hold| HoldLine {
            hold: hold.id.to_string(),
            tag: engine.name(hold.key.tag).to_owned(),
            kind: hold.kind.word(),
            builds: hold.members.len(),
            since: hold.opened_at.to_string(),
        });
        Summary {
            pipeline: engine.settings().name.clone(),
            pipeline_hash: engine.settings().hash.clone(),
            trigger_tag: engine.settings().trigger.tag.clone(),
            records,
            received: total.received,
            pending: total.pending,
            outcomes,
            reasons: account.reasons().map(|(reason, count)| (reason.word(), count)).collect(),
            bursts: self.bursts,
            more_bursts: self.more_bursts,
            holds: holds.collect(),
            holds_opened: engine.holds().opened(),
            without_tidegate: self.without,
            submitted,
            governor_per_hour: governor.per_hour,
            governor_hours: hours,
            balanced: account.is_balanced(),
        }
    }
}

/// How things stand at a time of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Standing {
    /// Event time.
    pub at: Second,
    /// What is submitted where nothing stands in between.
    pub without_tidegate: u64,
    /// What is submitted with it.
    pub submitted: u64,
    /// What waits for a person.
    pub held: u64,
    /// What was dropped.
    pub dropped: u64,
    /// State of the trigger tag: quiet, suspect or burst.
    pub phase: &'static str,
}

impl Standing {
    /// Changes of all counts together from which a new line is worth reading.
    const ENOUGH: u64 = 150;
    /// After this long any change is.
    const LONG: Seconds = Seconds(7_200);

    /// Whether it is worth telling after `told`.
    pub(super) fn differs_enough(&self, told: &Self) -> bool {
        let counts = |standing: &Self| {
            standing.without_tidegate + standing.submitted + standing.held + standing.dropped
        };
        let change = counts(self).abs_diff(counts(told));
        change >= Self::ENOUGH || self.phase != told.phase || change > 0 && self.at - told.at >= Self::LONG
    }

    /// The head of a table of these.
    pub const HEAD: &str = "time (UTC)            without: submitted  |  with Tidegate: submitted     held  dropped  trigger tag is";
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [without, submitted, held, dropped] =
            [self.without_tidegate, self.submitted, self.held, self.dropped].map(grouped);
        write!(f, "{}  {without:>18}  |  {submitted:>24} {held:>8} {dropped:>8}  {}", self.at, self.phase)
    }
}

/// What a replay gave.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The pipeline's name.
    pub pipeline: String,
    /// Hash of its effective configuration.
    pub pipeline_hash: String,
    /// The tag it follows.
    pub trigger_tag: String,
    /// Records read in this run.
    pub records: u64,
    /// Records received, those of earlier runs with the same state included.
    pub received: u64,
    /// Records that wait for their decision.
    pub pending: u64,
    /// Records by outcome.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Records by reason.
    pub reasons: Vec<(&'static str, u64)>,
    /// Runs in which a burst rule held, in the order they ended, in this run.
    pub bursts: Vec<Burst>,
    /// Further ones.
    pub more_bursts: u64,
    /// Open holds.
    pub holds: Vec<HoldLine>,
    /// Holds that were ever opened.
    pub holds_opened: u32,
    /// Eligible tag messages: what is submitted where nothing stands in between.
    pub without_tidegate: u64,
    /// What is submitted.
    pub submitted: u64,
    /// Builds an hour that the governor lets through.
    pub governor_per_hour: f64,
    /// How long the submitted builds take at that rate, in hours.
    pub governor_hours: f64,
    /// Every record is accounted for.
    pub balanced: bool,
}

/// One run in which a burst rule held.
#[derive(Debug, Clone, Serialize)]
pub struct Burst {
    /// The tag.
    pub tag: String,
    /// Its kind; `None` where it turned out to be no burst.
    pub kind: Option<&'static str>,
    /// Effective time of its first member.
    pub start: String,
    /// Effective time of its last member.
    pub end: String,
    /// Its length in seconds.
    pub seconds: i64,
    /// Members, eligible or not.
    pub builds: u32,
    /// Members that were in another family tag before.
    pub known: u32,
    /// Members shown to be new.
    pub fresh: u32,
    /// Members that nothing is known of.
    pub unproven: u32,
    /// Who tagged, and how many.
    pub actors: Vec<(String, u32)>,
    /// Members with another release's dist-tag.
    pub old_dist: u32,
    /// Share of neighbours in the order of their build ids, 0 to 1.
    pub oldest_first: f64,
    /// Share of neighbours in the order of their names, 0 to 1.
    pub by_name: f64,
    /// Changes of the tag's package list in the hour before.
    pub package_list_changes: u32,
    /// The rule that held first.
    pub rule: String,
}

impl Burst {
    fn new(engine: &Engine, report: &RunReport) -> Self {
        let RunReport { key, first, last, summary, kind, attributes, .. } = report;
        let share = |count: u32| f64::from(count) / f64::from(attributes.neighbours.max(1));
        let actors = attributes.actors.iter().map(|(actor, count)| (engine.name(*actor).to_owned(), *count));
        Self {
            tag: engine.name(key.tag).to_owned(),
            kind: kind.map(HoldKind::word),
            start: first.to_string(),
            end: last.to_string(),
            seconds: (*last - *first).0,
            builds: summary.members.total(),
            known: summary.members.known,
            fresh: summary.members.fresh,
            unproven: summary.members.unproven,
            actors: actors.collect(),
            old_dist: attributes.old_dist,
            oldest_first: share(attributes.ascending_ids),
            by_name: share(attributes.ascending_names),
            package_list_changes: attributes.package_list_changes,
            rule: format!("{} in {}", summary.rule.count, summary.rule.within),
        }
    }

    /// What its attributes suggest, in words.
    fn looks_like(&self) -> String {
        let mut words = Vec::new();
        if self.oldest_first > 0.9 && self.builds > 20 {
            words.push("oldest first, as clone-tag goes".to_owned());
        } else if self.by_name > 0.9 && self.builds > 20 {
            words.push("by name, as scripts go".to_owned());
        }
        if self.old_dist * 2 > self.builds {
            words.push(format!("{} with another release's dist-tag", self.old_dist));
        }
        if self.package_list_changes > 100 {
            words.push(format!("after {} package list changes", self.package_list_changes));
        }
        if words.is_empty() { String::new() } else { format!("; {}", words.join(", ")) }
    }
}

/// One open hold.
#[derive(Debug, Clone, Serialize)]
pub struct HoldLine {
    /// Its number.
    pub hold: String,
    /// The tag.
    pub tag: String,
    /// Its kind.
    pub kind: &'static str,
    /// Builds in it.
    pub builds: usize,
    /// When it was opened.
    pub since: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = escaped(&self.trigger_tag);
        writeln!(f, "Pipeline {} ({}), trigger tag {tag}", escaped(&self.pipeline), self.pipeline_hash)?;
        writeln!(f, "Records read    {:>10}", grouped(self.records))?;
        for (outcome, count) in self.outcomes.iter().filter(|(_, count)| *count > 0) {
            let of_it = self.reasons.iter().filter(|(reason, _)| outcome_of(reason) == *outcome);
            let why: Vec<_> =
                of_it.map(|(reason, count)| format!("{} {}", grouped(*count), spaced(reason))).collect();
            writeln!(f, "  {:<13} {:>10}   {}", spaced(outcome), grouped(*count), why.join(", "))?;
        }
        if self.pending > 0 {
            writeln!(f, "  {:<13} {:>10}   not decided yet", "pending", grouped(self.pending))?;
        }
        self.fmt_bursts(f)?;
        if !self.holds.is_empty() {
            writeln!(f, "\nHolds that wait for a decision")?;
        }
        for hold in &self.holds {
            let kind = spaced(hold.kind);
            let (builds, since) = (grouped(hold.builds as u64), &hold.since);
            writeln!(
                f,
                "  {:<5} {:<12} {builds:>7} builds in {}, since {since}",
                hold.hold,
                kind,
                escaped(&hold.tag)
            )?;
        }
        writeln!(
            f,
            "\nWithout Tidegate {} builds would have been submitted, at once.",
            grouped(self.without_tidegate)
        )?;
        let (submitted, rate) = (grouped(self.submitted), self.governor_per_hour);
        let time = how_long(self.governor_hours);
        writeln!(f, "With it {submitted} are: at {rate} an hour that takes {time} at the most.")?;
        if !self.balanced {
            writeln!(f, "\nThe accounts do not balance: that is a defect, please report it.")?;
        }
        Ok(())
    }
}

impl Summary {
    fn fmt_bursts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.bursts.is_empty() {
            writeln!(f, "\nBursts in tag {}", escaped(&self.trigger_tag))?;
        }
        for burst in &self.bursts {
            let kind = burst.kind.map_or_else(|| "no burst, let through".to_owned(), spaced);
            let (length, size) = (Seconds(burst.seconds), grouped(u64::from(burst.builds)));
            writeln!(f, "  {} for {length}: {size} builds, {kind}", burst.start)?;
            let actors: Vec<_> =
                burst.actors.iter().map(|(actor, count)| format!("{} {count}", escaped(actor))).collect();
            let (known, fresh, unproven) = (burst.known, burst.fresh, burst.unproven);
            writeln!(
                f,
                "      {known} known, {fresh} fresh, {unproven} unproven; by {}{}",
                actors.join(", "),
                burst.looks_like()
            )?;
        }
        if self.more_bursts > 0 {
            writeln!(f, "  and {} more", grouped(self.more_bursts))?;
        }
        Ok(())
    }
}

fn outcome_of(reason: &str) -> &'static str {
    let found = Reason::ALL.iter().find(|candidate| candidate.word() == reason);
    found.map_or("", |reason| reason.outcome().word())
}

fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

fn how_long(hours: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "hours of builds are far below 2^63")]
    let minutes = (hours * 60.0).ceil() as i64;
    if minutes <= 0 { "no time".to_owned() } else { Seconds(minutes * 60).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_with_its_outcome() {
        for reason in Reason::ALL {
            assert_eq!(outcome_of(reason.word()), reason.outcome().word());
        }
    }
}
