//! Tells how the pipeline stands, for status, pages and metrics.

use super::ask::{HeldLine, HoldLine, HoldPage};
use super::outlet::Outlet;
use super::partitions::{Entry, Reader};
use super::pause::Kind;
use super::runner::{Now, Runner};
use super::view::{Intake, PackagesView, PartitionView, Submission, View};
use crate::engine::account::Counts;
use crate::engine::command::{Action, HoldCommand};
use crate::engine::hold::{HeldEvent, Hold, Selection};
use crate::kafka::handover::TroubleKind;

impl Runner {
    /// How it stands.
    pub fn view(&self, now: Now) -> View {
        let (engine, settings) = (&self.engine, self.engine.settings());
        let closed = self.closed();
        let knowledge = engine.knowledge();
        View {
            pipeline: settings.name.clone(),
            hash: settings.hash.clone(),
            trigger: settings.trigger.tag.clone(),
            state: self.mark.state.clone(),
            serial: self.mark.serial,
            started_at: self.started_at,
            told_at: now.wall,
            intake: self.intake(),
            submission: if closed.is_empty() { Submission::Open } else { Submission::Closed(closed) },
            phase: engine.phase().to_owned(),
            watermark: engine.watermark(),
            unreachable: [TroubleKind::Unreachable, TroubleKind::Login]
                .iter()
                .any(|kind| self.troubles.contains_key(kind)),
            silent: self.silence.is_silent(now.mono),
            partitions: self
                .partitions
                .iter()
                .filter_map(|entry| self.partition(entry))
                .chain(self.koji_partition())
                .collect(),
            reasons: engine
                .account()
                .reasons()
                .map(|(reason, count)| (reason.word().to_owned(), count))
                .collect(),
            holds: engine.holds().iter().map(|hold| self.hold_line(hold)).collect(),
            pauses: self.pauses.iter().cloned().collect(),
            troubles: self
                .troubles
                .values()
                .chain(&self.damages)
                .chain(self.witness.trouble())
                .chain(self.reconcile.trouble())
                .cloned()
                .collect(),
            known_builds: knowledge.seen.len() as u64,
            trails: knowledge.trails.len() as u64,
            packages: self.packages_view(),
            outbox: self.outbox,
            submitted: self.submitted,
            dead_letters: self.dead_letters,
            runs: u64::from(engine.runs()),
            commands: u64::from(engine.commands()),
            koji: self.koji_view(),
            sink: self.outlet.as_ref().map(Outlet::view),
        }
    }

    fn intake(&self) -> Intake {
        if self.stopping {
            Intake::Stopping
        } else if !self.damages.is_empty() {
            Intake::Damaged
        } else if self.pauses.of(Kind::Intake).is_some() {
            Intake::Paused
        } else if let Some(bound) = self.pressure {
            Intake::Full { bound: bound.to_owned() }
        } else if self.partitions.generation().is_none() {
            Intake::Waiting
        } else {
            Intake::Reading
        }
    }

    fn partition(&self, entry: &Entry) -> Option<PartitionView> {
        let owner = match &entry.reader {
            Reader::Gone => return None,
            Reader::Ours => None,
            Reader::Elsewhere(who) => Some(who.clone()),
            Reader::Nobody => Some("nobody".to_owned()),
        };
        let number = entry.stored.number;
        let (watermark, newest) = self.engine.clock_of(number);
        let counts = self.engine.account().partitions().iter().find(|(known, _)| *known == number);
        Some(PartitionView {
            number,
            topic: entry.stored.topic.clone(),
            partition: entry.stored.partition,
            owner,
            next: entry.stored.next,
            end: entry.end,
            caught_up: entry.caught_up,
            watermark,
            newest,
            last_kafka_millis: entry.stored.last.map(|last| last.kafka_millis),
            counts: counts.map_or_else(Counts::default, |(_, counts)| *counts),
        })
    }

    fn packages_view(&self) -> PackagesView {
        let size = |list: &crate::engine::select::PackageList| (list.version.clone(), list.names.len());
        let (in_force, proposed) = self.engine.package_lists();
        PackagesView {
            in_force: in_force.map(|list| size(list)),
            proposed: proposed.map(|list| size(list)),
            ..self.packages.clone()
        }
    }

    pub(super) fn hold_line(&self, hold: &Hold) -> HoldLine {
        HoldLine {
            id: hold.id.0,
            kind: hold.kind.word().to_owned(),
            instance: self.engine.name(hold.key.instance).to_owned(),
            tag: self.engine.name(hold.key.tag).to_owned(),
            opened_at: hold.opened_at,
            version: hold.version,
            members: hold.members.len(),
            growing: self.engine.is_in_burst(hold.key),
        }
    }

    pub(super) fn hold_page(&self, hold: &Hold, members_max: usize) -> HoldPage {
        let fates = self.fates(hold);
        let line = |(index, held): (usize, &HeldEvent)| HeldLine {
            nvr: held.event.nvr.as_str().to_owned(),
            build_id: held.event.build.id,
            reason: held.reason.word().to_owned(),
            actor: self.engine.name(held.event.actor).to_owned(),
            tagged_at: held.event.happened,
            held_at: held.held_at,
            released_as: fates.get(index).cloned().unwrap_or_default(),
        };
        let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
        for held in hold.members.values() {
            *reasons.entry(held.reason.word()).or_default() += 1;
        }
        HoldPage {
            hold: self.hold_line(hold),
            members: hold.members.values().enumerate().take(members_max).map(line).collect(),
            more: hold.members.len().saturating_sub(members_max),
            reasons: reasons.into_iter().map(|(word, count)| (word.to_owned(), count)).collect(),
        }
    }

    /// What a release of the whole would make of each member, in the order of turns.
    fn fates(&self, hold: &Hold) -> Vec<String> {
        let command = HoldCommand {
            hold: hold.id,
            version: None,
            selection: Selection::All,
            action: Action::Release,
            reason: "a look".to_owned(),
            who: String::new(),
        };
        let report = self.engine.preview(&command).unwrap_or_default();
        report.builds.into_iter().map(|(_, reason)| reason.word().to_owned()).collect()
    }
}
