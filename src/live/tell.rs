//! What is worth a line in the log: changes of how a pipeline stands. Pure.
//!
//! Two views that stand the same give no line, so that nothing is told per record or twice. What grows is told at 1, 10,
//! 100 and so on.

use std::collections::BTreeMap;

use tracing::Level;

use super::ask::HoldLine;
use super::pause::Pause;
use super::view::{Intake, Submission, View};
use crate::text::{bounded, grouped};

/// Most lines that one change gives.
const LINES_MAX: usize = 50;
/// Longest text of somebody else in a line, in characters.
const TEXT_MAX: usize = 300;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters: `ERROR` wants a person, `WARN` a look.
    pub level: Level,
    /// What happened, readable alone.
    pub text: String,
}

/// The lines that lead from one view to the next, at most 50; without a first view those that tell how it stands.
pub fn changes(before: Option<&View>, now: &View) -> Vec<Line> {
    let mut lines = Lines(Vec::new());
    configuration(before, now, &mut lines);
    if before.is_none_or(|before| before.intake != now.intake) {
        lines.intake(&now.intake);
    }
    if before.map_or(&Submission::Open, |before| &before.submission) != &now.submission {
        lines.submission(&now.submission);
    }
    let phase_before = before.map_or("quiet", |before| &*before.phase);
    if phase_before != now.phase {
        lines.phase(&now.trigger, &now.phase);
    }
    holds(before.map_or(&[], |before| &before.holds), &now.holds, &mut lines);
    pauses(before.map_or(&[], |before| &before.pauses), &now.pauses, &mut lines);
    if before.is_some_and(|before| before.silent) != now.silent {
        lines.silence(now.silent);
    }
    packages(before, now, &mut lines);
    if let (Some(koji), Some(before)) = (now.koji, before.and_then(|before| before.koji))
        && koji.missed > before.missed
    {
        let count = grouped(koji.missed - before.missed);
        lines.add(
            Level::WARN,
            format!("the bus did not bring {count} changes of tags that Koji's history has: they are judged as late messages are"),
        );
    }
    let letters = before.map_or(0, |before| before.dead_letters);
    if grew_tenfold(letters, now.dead_letters) {
        let count = grouped(now.dead_letters);
        lines.add(
            Level::WARN,
            format!("{count} records cannot be read and wait for attention: `tidegate status`"),
        );
    }
    troubles(before.map_or(&[], |before| &before.troubles), &now.troubles, &mut lines);
    lines.bounded()
}

struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, level: Level, text: impl Into<String>) {
        self.0.push(Line { level, text: text.into() });
    }

    fn intake(&mut self, intake: &Intake) {
        match intake {
            Intake::Waiting => self.add(Level::INFO, "waiting for the broker and for partitions"),
            Intake::Reading => self.add(Level::INFO, "reading"),
            Intake::Paused => self.add(Level::INFO, "reading is paused"),
            Intake::Full { bound } => {
                let bound = bounded(bound, TEXT_MAX);
                self.add(
                    Level::WARN,
                    format!("reading stands still at the bound {bound} until there is room"),
                );
            }
            Intake::Damaged => self.add(
                Level::ERROR,
                "reading has stopped: a partition is damaged, `tidegate status` says what to decide",
            ),
            Intake::Stopping => self.add(Level::INFO, "stopping"),
        }
    }

    fn submission(&mut self, submission: &Submission) {
        match submission {
            Submission::Open => self.add(Level::INFO, "what is admitted is submitted"),
            Submission::Closed(why) => {
                let why = why.join("; ");
                self.add(Level::WARN, format!("nothing is submitted: {}", bounded(&why, TEXT_MAX)));
            }
        }
    }

    fn phase(&mut self, tag: &str, phase: &str) {
        let tag = bounded(tag, TEXT_MAX);
        match phase {
            "quiet" => self.add(Level::INFO, format!("{tag} is quiet again")),
            "burst" => self.add(Level::WARN, format!("a burst in {tag}: its builds are judged as one")),
            other => {
                let phase = bounded(other, TEXT_MAX);
                self.add(
                    Level::INFO,
                    format!("{tag} is {phase}: its builds wait until it is clear what they are"),
                );
            }
        }
    }

    fn silence(&mut self, silent: bool) {
        if silent {
            self.add(
                Level::WARN,
                "no record of any partition has come for too long: the backlog may stand before Kafka, builds that wait go on waiting",
            );
        } else {
            self.add(Level::INFO, "records come again");
        }
    }

    fn bounded(mut self) -> Vec<Line> {
        if self.0.len() > LINES_MAX {
            let more = self.0.len() - (LINES_MAX - 1);
            self.0.truncate(LINES_MAX - 1);
            self.add(
                Level::WARN,
                format!("{more} more changes at once: `tidegate status` shows how it stands"),
            );
        }
        self.0
    }
}

fn configuration(before: Option<&View>, now: &View, lines: &mut Lines) {
    let trigger = bounded(&now.trigger, TEXT_MAX);
    match before {
        None => {
            let (pipeline, hash) = (bounded(&now.pipeline, TEXT_MAX), bounded(&now.hash, TEXT_MAX));
            lines.add(Level::INFO, format!("pipeline {pipeline} follows {trigger}, configuration {hash}"));
        }
        Some(before) => {
            if before.hash != now.hash {
                let hash = bounded(&now.hash, TEXT_MAX);
                lines.add(Level::INFO, format!("configuration {hash} is in force"));
            }
            if before.trigger != now.trigger {
                let old = bounded(&before.trigger, TEXT_MAX);
                lines.add(Level::WARN, format!("the trigger tag is {trigger} now, it was {old}"));
            }
        }
    }
}

fn holds(before: &[HoldLine], now: &[HoldLine], lines: &mut Lines) {
    let old: BTreeMap<u32, &HoldLine> = before.iter().map(|hold| (hold.id, hold)).collect();
    let new: BTreeMap<u32, &HoldLine> = now.iter().map(|hold| (hold.id, hold)).collect();
    for hold in now {
        let members = builds(hold.members);
        let (tag, kind) = (bounded(&hold.tag, TEXT_MAX), bounded(&hold.kind, TEXT_MAX));
        match old.get(&hold.id) {
            None => lines.add(
                Level::WARN,
                format!(
                    "hold h{} ({kind}) of {tag} is open with {members}: `tidegate holds` shows it",
                    hold.id
                ),
            ),
            Some(old) if grew_tenfold(old.members as u64, hold.members as u64) => {
                lines.add(Level::WARN, format!("hold h{} ({kind}) of {tag} has grown to {members}", hold.id));
            }
            Some(_) => {}
        }
    }
    for hold in before.iter().filter(|hold| !new.contains_key(&hold.id)) {
        let (tag, kind) = (bounded(&hold.tag, TEXT_MAX), bounded(&hold.kind, TEXT_MAX));
        lines.add(Level::INFO, format!("hold h{} ({kind}) of {tag} is closed", hold.id));
    }
}

fn builds(count: usize) -> String {
    if count == 1 { "1 build".to_owned() } else { format!("{} builds", grouped(count as u64)) }
}

fn pauses(before: &[Pause], now: &[Pause], lines: &mut Lines) {
    for Pause { kind, who, why, until, .. } in now.iter().filter(|pause| !before.contains(pause)) {
        let (who, why) = (bounded(who, TEXT_MAX), bounded(why, TEXT_MAX));
        let until = until.map_or_else(|| "somebody resumes it".to_owned(), |until| until.to_string());
        lines.add(Level::WARN, format!("{kind} is paused by {who} until {until}: {why}"));
    }
    for pause in before.iter().filter(|old| now.iter().all(|pause| pause.kind != old.kind)) {
        lines.add(Level::INFO, format!("{} is no longer paused", pause.kind));
    }
}

fn packages(before: Option<&View>, now: &View, lines: &mut Lines) {
    let before = before.map(|before| &before.packages);
    let now = &now.packages;
    if let Some((version, size)) = &now.in_force
        && before.and_then(|before| before.in_force.as_ref()) != now.in_force.as_ref()
    {
        let (version, size) = (bounded(version, TEXT_MAX), grouped(*size as u64));
        lines.add(Level::INFO, format!("package list {version} of {size} packages is in force"));
    }
    if let Some((version, size)) = &now.proposed
        && before.and_then(|before| before.proposed.as_ref()) != now.proposed.as_ref()
    {
        let (version, size) = (bounded(version, TEXT_MAX), grouped(*size as u64));
        lines.add(
            Level::WARN,
            format!("package list {version} of {size} packages waits: `tidegate packages accept` takes it"),
        );
    }
    let failed_before = before.and_then(|before| before.failed.as_ref());
    match &now.failed {
        Some(why) if failed_before != Some(why) => {
            lines.add(Level::WARN, format!("the package list cannot be fetched: {}", bounded(why, TEXT_MAX)));
        }
        None if failed_before.is_some() => lines.add(Level::INFO, "the package list is fetched again"),
        Some(_) | None => {}
    }
}

fn troubles(before: &[String], now: &[String], lines: &mut Lines) {
    for text in now.iter().filter(|text| !before.contains(text)) {
        lines.add(Level::WARN, bounded(text, TEXT_MAX).to_string());
    }
    for text in before.iter().filter(|text| !now.contains(text)) {
        lines.add(Level::INFO, format!("over: {}", bounded(text, TEXT_MAX)));
    }
}

/// Whether a count has more digits than before: it is told at 1, 10, 100 and so on.
fn grew_tenfold(before: u64, now: u64) -> bool {
    now.checked_ilog10() > before.checked_ilog10()
}

#[cfg(test)]
mod tests;
