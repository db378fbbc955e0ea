//! The turn of one event: dedupe, what it teaches, counting, and the hand-over to the burst operator.

use super::Engine;
use super::SWEEP_EVERY;
use super::counter::{Counted, CounterKey};
use super::decision::{Decision, Detail, Evidence, Reason};
use super::event::{Queued, TagEvent, Tagged, What};
use super::hold::TagKey;
use super::save::Change;
use super::seen::{BuildInTag, First};
use super::short::Short;
use super::tags::Role;
use super::trail::Appearance;
use crate::time::Second;
use std::sync::Arc;

impl Engine {
    /// Lets an event act; its effective time is not before that of the last one.
    pub(super) fn turn(&mut self, mut event: Queued) {
        self.now = self.now.max(event.effective);
        self.sweep_if_due();
        match std::mem::replace(
            &mut event.what,
            What::PackageList(super::names::Name::OTHER, super::names::Name::OTHER),
        ) {
            What::Completed(build) => {
                self.known.trails.complete(build, event.happened);
                self.decide_turn(event, Reason::BuildState);
            }
            What::PackageList(instance, tag) => {
                let now = self.now;
                let trigger =
                    self.triggers.iter_mut().find(|t| t.key.instance == instance && t.key.tag == tag);
                if let Some(trigger) = trigger {
                    trigger.package_list_change(now);
                }
                self.decide_turn(event, Reason::PackageList);
            }
            What::Untag(tagged) => self.untag(event, &tagged),
            What::Tag(tagged) => self.tag(event, tagged),
        }
    }

    fn untag(&mut self, event: Queued, tagged: &Tagged) {
        let key = BuildInTag::new(tagged.build, tagged.tag);
        if let Err(reason) = self.known.seen.untag(key, &event.id, event.happened, self.known.id_age) {
            self.decide_turn(event, reason);
            return;
        }
        let role = self.role(tagged);
        if role.trail.is_some() {
            self.appear(&event, tagged, role, true);
            self.count(&event, tagged, role, true);
        }
        self.decide_turn(event, Reason::Untag);
    }

    fn tag(&mut self, event: Queued, tagged: Tagged) {
        let role = self.role(&tagged);
        let key = BuildInTag::new(tagged.build, tagged.tag);
        let first = match self.known.seen.tag(key, &event.id, event.happened, self.known.id_age) {
            Ok(first) => first,
            Err(reason) => return self.duplicate(event, tagged, reason),
        };
        self.appear(&event, &tagged, role, false);
        if role.trigger {
            return self.trigger(event, tagged, first);
        }
        self.count(&event, &tagged, role, false);
        self.decide_turn(event, Reason::OtherTag);
    }

    /// An event of the trigger tag that is no duplicate.
    fn trigger(&mut self, event: Queued, tagged: Tagged, first: First) {
        let key = BuildInTag::new(tagged.build, tagged.tag);
        // Where it came late, what the windows ran on counts, so that nothing known passes for unknown.
        let first_seen = match first {
            First::Yes => event.effective,
            First::No => self.known.seen.first(key).unwrap_or(event.effective),
        };
        let teaches = self.teaching || self.is_before_begin(event.effective);
        let Some(event) = tag_event(event, tagged, first_seen) else { return };
        let verdict = if teaches {
            Some(Reason::BeforeBegin)
        } else if self.known.seen.is_submitted(event.build) {
            Some(Reason::AlreadySubmitted)
        } else {
            (!self.select.is_eligible(event.nvr.name())).then_some(Reason::NotEligible)
        };
        if let Some(reason) = verdict {
            self.decide_closed(reason, &event);
        }
        let key = TagKey { instance: event.build.instance, tag: event.tag };
        let Self { triggers, rules, known, runs, .. } = self;
        let Some(index) = triggers.iter().position(|trigger| trigger.key == key) else { return };
        let Some(trigger) = triggers.get_mut(index) else { return };
        let output = trigger.turn(rules, known, Arc::clone(&event), verdict.is_none(), runs);
        // What is not eligible never falls due: it is looked at now.
        let closed = verdict.is_some() && self.waits_for_cutover(key.tag);
        let evidence = closed.then(|| self.known.judge(&event, self.now).1);
        self.watch_unrest(index, &event, evidence.as_ref());
        self.settle(index, output);
    }

    /// Decides an event that counts in bursts but needs no more.
    fn decide_closed(&mut self, reason: Reason, event: &Arc<TagEvent>) {
        if self.teaching {
            return;
        }
        let detail = Detail {
            event: Arc::clone(event),
            evidence: Evidence::default(),
            run: None,
            hold: None,
            command: None,
        };
        self.decide_event(reason, None, detail);
        if reason == Reason::NotEligible && self.select.goes_by_list() {
            let now = self.now;
            self.changes.note(|| Change::Ignored(now, Arc::clone(event)));
            self.ignored.push_back((now, Arc::clone(event)));
            let since = self.now - self.settings.dedupe.ignored;
            while self.ignored.len() > self.settings.bounds.waiting as usize
                || self.ignored.front().is_some_and(|(at, _)| *at < since)
            {
                self.ignored.pop_front();
            }
        }
    }

    fn duplicate(&mut self, event: Queued, tagged: Tagged, reason: Reason) {
        let first = event.effective;
        let (position, id, happened) = (event.position, event.id.clone(), event.happened);
        match tag_event(event, tagged, first) {
            Some(event) if !self.teaching => {
                let detail =
                    Detail { event, evidence: Evidence::default(), run: None, hold: None, command: None };
                self.decide_event(reason, None, detail);
            }
            Some(_) | None => self.decide_at_once(position, id, reason, happened),
        }
    }

    fn role(&mut self, tagged: &Tagged) -> Role {
        self.known.tags.role(tagged.tag, &self.known.names)
    }

    /// Remembers an appearance in a tag of the trail.
    fn appear(&mut self, event: &Queued, tagged: &Tagged, role: Role, untag: bool) {
        if let Some(kind) = role.trail {
            let appearance =
                Appearance { tag: tagged.tag, kind, untag, at: Short::new(event.effective), run: 0 };
            self.known.trails.appear(tagged.build, appearance);
        }
    }

    /// Counts an event of a tag that triggers nothing.
    fn count(&mut self, event: &Queued, tagged: &Tagged, role: Role, untag: bool) {
        let key = CounterKey { instance: tagged.build.instance, tag: tagged.tag, untag };
        let one = Counted {
            build: tagged.build,
            effective: self.now,
            happened: event.happened,
            trail: role.trail.is_some(),
        };
        self.changes.note(|| Change::Counter(key));
        let counter = self.counters.entry(key).or_default();
        counter.count(&self.rules.settings, key, one, &mut self.known.trails, &mut self.runs);
    }

    fn is_before_begin(&self, effective: Second) -> bool {
        self.settings.clock.begin.is_some_and(|begin| effective < begin)
    }

    /// Decides at its turn, at its own time.
    fn decide_turn(&mut self, event: Queued, reason: Reason) {
        if self.teaching {
            return;
        }
        let reason = if self.is_before_begin(event.effective) { Reason::BeforeBegin } else { reason };
        self.account.decide(event.position.partition, reason);
        self.decisions.push(Decision {
            position: event.position,
            id: event.id,
            reason,
            code: None,
            burst: None,
            event_time: Some(event.happened),
            decided_at: Some(self.now),
            detail: None,
        });
    }

    fn sweep_if_due(&mut self) {
        if self.now < self.next_sweep {
            return;
        }
        let now = self.now;
        if self.next_sweep > Second::MIN {
            self.known.sweep(now);
            self.forget_old_waiting();
            let Self { counters, changes, .. } = self;
            counters.retain(|key, counter| {
                let idle = counter.is_idle(now);
                if idle {
                    changes.note(|| Change::Counter(*key));
                }
                !idle
            });
        }
        self.next_sweep = now + SWEEP_EVERY;
    }
}

/// The event of a trigger tag; `None` for another tag, of which no names are kept.
fn tag_event(event: Queued, tagged: Tagged, first_seen: Second) -> Option<Arc<TagEvent>> {
    Some(Arc::new(TagEvent {
        position: event.position,
        id: event.id,
        build: tagged.build,
        tag: tagged.tag,
        actor: tagged.actor,
        nvr: tagged.nvr?,
        effective: event.effective,
        happened: event.happened,
        first_seen,
        mark: event.mark,
        late: event.late,
    }))
}
