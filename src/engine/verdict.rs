//! What becomes of an event that falls due: the last word before a sink.

use super::Engine;
use super::burst::{self, Due, MemberOf};
use super::decision::{Detail, Evidence, HoldId, Outcome, Reason};
use super::event::TagEvent;
use super::evidence::Standing;
use super::hold::{HeldEvent, HoldKind};
use super::save::Change;
use super::witness::Told;
use crate::settings::HoldAction;
use crate::time::Second;
use std::sync::Arc;

/// What becomes of an event that falls due.
enum Verdict {
    /// It waits in a hold of that kind.
    Hold(HoldKind, Reason),
    /// Nothing more will happen to it here.
    Final(Reason),
}

impl Engine {
    /// Settles what a trigger tag's burst operator let fall due.
    pub(super) fn settle(&mut self, index: usize, output: burst::Output) {
        let settles = !output.due.is_empty() || !output.reports.is_empty();
        for due in output.due {
            self.settle_one(index, due);
        }
        self.reports.extend(output.reports);
        // Not before all are settled: they are members of one hold, though it may be empty in between.
        if settles {
            self.close_empty_holds(index);
        }
    }

    fn settle_one(&mut self, index: usize, due: Due) {
        let Due { event, standing, evidence, member_of, at } = due;
        debug_assert!(at <= self.now, "what falls due at {at} is settled then, not at {}", self.now);
        let (run, kind) = match member_of {
            MemberOf::Nothing => (None, None),
            MemberOf::Resolved(run) => (Some(run), None),
            MemberOf::Burst(kind, run) => (Some(run), Some(kind)),
        };
        self.watch_unrest(index, &event, Some(&evidence));
        match self.verdict(index, standing, &evidence, kind, &event) {
            Verdict::Hold(held_as, reason) => {
                let detail = Detail { event, evidence, run, hold: None, command: None };
                self.hold(index, held_as, kind.is_some(), reason, detail);
            }
            Verdict::Final(reason) => {
                let burst = self.hold_of_burst(index, kind);
                let submits = reason.outcome() == Outcome::Submitted;
                let tag = event.tag;
                if submits && !self.waits_for_cutover(tag) {
                    self.admit(&event, false);
                }
                let detail = Detail { event, evidence, run, hold: None, command: None };
                if submits && self.waits_for_cutover(tag) {
                    self.wait_for_cutover(reason, burst, detail);
                } else {
                    self.decide_event(reason, burst, detail);
                }
            }
        }
    }

    /// What becomes of an event, from what its build is and what it is a member of.
    fn verdict(
        &self,
        index: usize,
        standing: Standing,
        evidence: &Evidence,
        kind: Option<HoldKind>,
        event: &TagEvent,
    ) -> Verdict {
        if self.known.seen.is_submitted(event.build) {
            return Verdict::Final(Reason::AlreadySubmitted);
        }
        if standing == Standing::Known {
            return Verdict::Final(Reason::KnownBuild);
        }
        let mass_rebuild = Verdict::Hold(HoldKind::MassRebuild, Reason::MassRebuild);
        if evidence.rebuild.is_some() || kind == Some(HoldKind::MassRebuild) {
            return mass_rebuild;
        }
        if standing == Standing::Unproven {
            return Verdict::Hold(kind.unwrap_or(HoldKind::Unproven), Reason::NoFreshEvidence);
        }
        // The last builds of a mass rebuild are too few to make a rule hold.
        let trigger = self.triggers.get(index).filter(|_| kind.is_none());
        if trigger.is_some_and(|trigger| trigger.is_mass_rebuilder(&self.rules, event.actor, self.now)) {
            return mass_rebuild;
        }
        Verdict::Final(if evidence.completed.is_some() { Reason::Completed } else { Reason::Trail })
    }

    /// The hold that names a burst.
    fn hold_of_burst(&mut self, index: usize, kind: Option<HoldKind>) -> Option<HoldId> {
        let key = self.triggers.get(index)?.key;
        kind.map(|kind| self.holds.open_or_join(key, kind, self.now))
    }

    /// Closes the holds of a quiet key that hold nothing. The kind of a burst may change while it lasts: there can be
    /// several.
    pub(super) fn close_empty_holds(&mut self, index: usize) {
        if let Some(trigger) = self.triggers.get(index).filter(|trigger| trigger.phase_word() == "quiet") {
            self.holds.close_empty(trigger.key);
        }
    }

    /// Hands an event on to the governor and the sink; `first`: before those that wait there.
    pub(super) fn admit(&mut self, event: &Arc<TagEvent>, first: bool) {
        self.known.seen.submit(event.build);
        self.changes.note(|| Change::Admitted(Arc::clone(event), first));
        let tagged = (event.effective, event.position);
        let newest = self.newest_admitted.entry(event.nvr.name().into()).or_insert(tagged);
        *newest = tagged.max(*newest);
    }

    /// Lets held events go, or not: what became submitted, known or superseded meanwhile is not submitted.
    pub(super) fn release(
        &mut self,
        held: Vec<HeldEvent>,
        reason: Reason,
        explicit: bool,
    ) -> Vec<(HeldEvent, Reason)> {
        let mut done = Vec::with_capacity(held.len());
        for held in held {
            let final_reason = self.release_reason(&held, reason, explicit);
            self.finish(&held, final_reason);
            done.push((held, final_reason));
        }
        done
    }

    /// What a held event would become if it was released now.
    pub(super) fn release_reason(&self, held: &HeldEvent, reason: Reason, explicit: bool) -> Reason {
        let event = &held.event;
        if self.known.seen.is_submitted(event.build) {
            return Reason::AlreadySubmitted;
        }
        let newest = self.newest_admitted.get(event.nvr.name());
        if newest.is_some_and(|newest| *newest > (event.effective, event.position)) {
            return Reason::Superseded;
        }
        // An operator who names the very build has it built; a group's known members stay dropped.
        if !explicit && self.known.judge(event, self.now).0 == Standing::Known {
            return Reason::KnownBuild;
        }
        reason
    }

    /// Takes a held event to its final outcome.
    pub(super) fn finish(&mut self, held: &HeldEvent, reason: Reason) {
        let event = &held.event;
        self.account.unhold(event.position.partition, held.reason);
        let (tag, submits) = (event.tag, reason.outcome() == Outcome::Submitted);
        let (event, evidence) = (Arc::clone(event), held.evidence.clone());
        let detail = Detail { event, evidence, run: None, hold: None, command: None };
        if submits && self.waits_for_cutover(tag) {
            return self.wait_for_cutover(reason, None, detail);
        }
        if submits {
            self.admit(&detail.event, false);
        }
        self.decide_event(reason, None, detail);
    }

    /// The stated rule of a hold is due.
    pub(super) fn apply_stated_rule(&mut self, id: HoldId, action: HoldAction, now: Second) {
        match action {
            HoldAction::Wait => {}
            HoldAction::Drop => {
                for held in self.holds.take(id, |_| true) {
                    self.finish(&held, Reason::DroppedByRule);
                }
            }
            HoldAction::Drain => {
                let known = &self.known;
                let fresh = |held: &HeldEvent| {
                    held.told.is_some_and(Told::is_fresh)
                        || known.judge(&held.event, now).0 == Standing::Fresh
                };
                let held = self.holds.take(id, fresh);
                self.release(held, Reason::ReleasedByRule, false);
            }
        }
        self.holds.close_if_empty(id);
    }
}
