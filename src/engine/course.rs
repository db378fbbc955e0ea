//! How the engine follows tags: begins and ends cutovers, lets builds wait for their end, and watches for what speaks against it.

use std::sync::Arc;

use super::Engine;
use super::burst::Burst;
use super::cutover::{
    Beside, Copied, Course, CourseError, Cutover, Followed, Waiting, WaitsFor, Word, next_of,
};
use super::decision::{Detail, Evidence, HoldId, Outcome, Reason};
use super::event::TagEvent;
use super::evidence::Standing;
use super::hold::TagKey;
use super::names::Name;
use crate::event::Position;
use crate::time::{Second, Seconds};

/// How long what waits for a tag that may be followed next is kept.
const KEPT: Seconds = Seconds(30 * 86_400);

impl Engine {
    /// What is followed.
    pub fn course(&self) -> &Course {
        &self.course
    }

    /// What still keeps the cutover from its end; empty where none goes on.
    pub fn cutover_waits_for(&self) -> Vec<WaitsFor> {
        let Some((mut open, at)) = self.cutover_end() else { return Vec::new() };
        if at > self.reached() {
            open.insert(0, WaitsFor::Quiet(at));
        }
        open
    }

    /// This tag is to be followed from now on. `observed`: when that was found out, by the machine's clock; `None`: nobody
    /// knows. Nothing of a new tag is submitted before the cutover ends.
    ///
    /// # Errors
    /// Where a cutover to a third tag goes on, or the name cannot be kept.
    pub fn follow(
        &mut self,
        tag: &str,
        why: &str,
        observed: Option<Second>,
    ) -> Result<Followed, CourseError> {
        let name = self.known.names.intern(tag);
        if name == Name::OTHER {
            return Err(CourseError::Name(tag.to_owned()));
        }
        let under_way = self.course.cutover().map(|(to, _)| to);
        if name == self.course.followed {
            self.course.called_off = None;
            if let Some(beside) = self.course.beside.as_mut().filter(|_| under_way.is_some()) {
                beside.cutover = None;
                return Ok(Followed::CalledOff);
            }
            return Ok(Followed::Unchanged);
        }
        match under_way {
            Some(to) if to == name => return Ok(Followed::Unchanged),
            Some(to) => {
                return Err(CourseError::UnderWay {
                    from: self.name(self.course.followed).to_owned(),
                    to: self.name(to).to_owned(),
                    wanted: tag.to_owned(),
                });
            }
            None => {}
        }
        if self.course.called_off == Some(name) {
            return Ok(Followed::StaysCalledOff);
        }
        self.course.called_off = None;
        self.begin_cutover(name, why, observed);
        Ok(Followed::Begun)
    }

    /// How many of the old tag's builds are in the new one, as Koji said at `at` by the machine's clock. That it is done stays,
    /// unless fewer are found later.
    pub fn found_copied(&mut self, copied: Copied, at: Second) {
        if let Some(cutover) = self.cutover_mut() {
            cutover.copied = Some(copied);
            cutover.copied_at = copied.is_done().then(|| cutover.copied_at.unwrap_or(at));
        }
        self.end_cutover_if_due(self.reached());
    }

    /// When the newest repository of the sink's buildroot was made.
    pub fn found_buildroot(&mut self, made: Second) {
        if let Some(cutover) = self.cutover_mut() {
            cutover.buildroot_at = cutover.buildroot_at.max(Some(made));
        }
        self.end_cutover_if_due(self.reached());
    }

    /// An operator says that nothing is copied, and no buildroot has to be waited for: the cutover ends as soon as the new tag
    /// has been quiet. One that was called off begins again.
    ///
    /// # Errors
    /// Where no cutover goes on or was called off, or no reason is given.
    pub fn confirm_cutover(&mut self, word: Word) -> Result<(), CourseError> {
        if word.why.trim().is_empty() {
            return Err(CourseError::NoReason);
        }
        if let Some(name) = self.course.called_off.take() {
            let why = format!("{} took back that it was called off: {}", word.who, word.why);
            self.begin_cutover(name, &why, Some(word.at));
        }
        let none = CourseError::None(self.name(self.course.followed).to_owned());
        self.cutover_mut().ok_or(none)?.confirmed = Some(word);
        self.end_cutover_if_due(self.reached());
        Ok(())
    }

    /// An operator will not have the tag followed, until another is asked for. Its builds go on waiting where it is the next of
    /// the family, and are ignored where it is not.
    ///
    /// # Errors
    /// Where no cutover goes on, or no reason is given.
    pub fn call_off_cutover(&mut self, why: &str) -> Result<(), CourseError> {
        if why.trim().is_empty() {
            return Err(CourseError::NoReason);
        }
        let none = CourseError::None(self.name(self.course.followed).to_owned());
        let beside = self.course.beside.as_mut().filter(|beside| beside.cutover.is_some()).ok_or(none)?;
        beside.cutover = None;
        self.course.called_off = Some(beside.tag);
        Ok(())
    }

    fn cutover_mut(&mut self) -> Option<&mut Cutover> {
        self.course.beside.as_mut().and_then(|beside| beside.cutover.as_mut())
    }

    fn begin_cutover(&mut self, tag: Name, why: &str, observed: Option<Second>) {
        if self.course.beside.as_ref().is_none_or(|beside| beside.tag != tag) {
            self.judge_beside(Some(tag));
        }
        let since = self.reached().max(observed.unwrap_or(Second::MIN));
        let cutover = Cutover {
            since,
            why: why.to_owned(),
            copied: None,
            copied_at: None,
            buildroot_at: None,
            confirmed: None,
        };
        if let Some(beside) = &mut self.course.beside {
            beside.cutover = Some(cutover);
        }
    }

    /// Judges the builds of a tag beside those of the followed one. What waited for another is ignored.
    fn judge_beside(&mut self, tag: Option<Name>) {
        if let Some(before) = self.course.beside.take() {
            for waiting in before.queue.into_values() {
                self.settle_waiting(waiting, Reason::OtherTag);
            }
        }
        self.course.beside = tag.map(|tag| Beside::new(tag, self.reached()));
        let text = tag.map(|tag| (tag, self.known.names.text(tag).to_owned()));
        self.known.tags.judge_beside(text.as_ref().map(|(tag, text)| (*tag, text.as_str())));
        if let Some(tag) = tag {
            self.add_triggers(tag);
        }
    }

    /// The next tag of the family is judged from its first event on, where an alias may move to it.
    pub(super) fn look_ahead(&mut self) {
        if self.course.beside.is_some() || !self.settings.trigger.by_alias {
            return;
        }
        if let Some(next) = next_of(self.name(self.course.followed)) {
            let name = self.known.names.intern(&next);
            if name != Name::OTHER {
                self.judge_beside(Some(name));
            }
        }
    }

    pub(super) fn add_triggers(&mut self, tag: Name) {
        for &instance in &self.instances {
            let key = TagKey { instance, tag };
            if self.triggers.iter().all(|trigger| trigger.key != key) {
                self.triggers.push(Burst::new(key));
            }
        }
    }

    /// An event of the tag beside took its turn, or fell due: what speaks against an end of the cutover is noted.
    pub(super) fn watch_unrest(&mut self, index: usize, event: &TagEvent, evidence: Option<&Evidence>) {
        let Some(beside) = self.course.beside.as_mut().filter(|beside| beside.tag == event.tag) else {
            return;
        };
        let held_at = self.triggers.get(index).and_then(Burst::rule_held_at);
        let unproven =
            evidence.is_some_and(|evidence| evidence.completed.is_none() && evidence.trail.is_none());
        let unrest = held_at.max(unproven.then_some(event.effective));
        beside.restless_at = beside.restless_at.max(unrest);
    }

    /// A cutover that was asked for before any time was known begins with the first.
    pub(super) fn date_cutover(&mut self) {
        let now = self.reached();
        if let Some(cutover) = self.cutover_mut().filter(|cutover| cutover.since == Second::MIN) {
            cutover.since = now;
        }
    }

    /// Whether what would be submitted of a tag has to wait.
    pub(super) fn waits_for_cutover(&self, tag: Name) -> bool {
        self.course.beside.as_ref().is_some_and(|beside| beside.tag == tag)
    }

    /// Lets a build wait for the end of the cutover.
    pub(super) fn wait_for_cutover(&mut self, reason: Reason, burst: Option<HoldId>, detail: Detail) {
        let Detail { event, evidence, run, .. } = detail;
        let waiting = Waiting { event, reason, evidence, run, burst };
        if let Some(beside) = &mut self.course.beside {
            let place = (waiting.event.effective, waiting.event.position);
            beside.queue.insert(place, waiting);
        }
    }

    fn cutover_end(&self) -> Option<(Vec<WaitsFor>, Second)> {
        self.course.beside.as_ref()?.end(&self.settings)
    }

    /// When the cutover ends, if nothing but time is missing.
    pub(super) fn cutover_timer(&self) -> Option<Second> {
        let (open, at) = self.cutover_end().filter(|_| !self.ending)?;
        open.is_empty().then_some(at)
    }

    /// Ends the cutover where its time has come by `now`.
    pub(super) fn end_cutover_if_due(&mut self, now: Second) {
        if self.cutover_timer().is_some_and(|at| at <= now) {
            self.now = self.now.max(now);
            self.end_cutover();
        }
    }

    fn end_cutover(&mut self) {
        let Some(beside) = self.course.beside.take() else { return };
        let text = self.name(beside.tag).to_owned();
        self.known.tags.follow((beside.tag, &text), beside.since, self.now);
        self.course.followed = beside.tag;
        self.settings.trigger.tag = text;
        for waiting in beside.queue.into_values() {
            let reason = self.reason_after_cutover(&waiting);
            self.settle_waiting(waiting, reason);
        }
        self.look_ahead();
    }

    /// What became submitted or known meanwhile is not submitted.
    fn reason_after_cutover(&self, waiting: &Waiting) -> Reason {
        if self.known.seen.is_submitted(waiting.event.build) {
            Reason::AlreadySubmitted
        } else if waiting.reason != Reason::ReleasedByOperator
            && self.known.judge(&waiting.event, self.now).0 == Standing::Known
        {
            Reason::KnownBuild
        } else {
            waiting.reason
        }
    }

    fn settle_waiting(&mut self, waiting: Waiting, reason: Reason) {
        let Waiting { event, evidence, run, burst, .. } = waiting;
        if reason.outcome() == Outcome::Submitted {
            self.admit(&event, true);
        }
        self.decide_event(reason, burst, Detail { event, evidence, run, hold: None, command: None });
    }

    /// What waits for a tag that is not to be followed is kept for 30 days.
    pub(super) fn forget_old_waiting(&mut self) {
        let since = self.now - KEPT;
        let Some(beside) = self.course.beside.as_mut().filter(|beside| beside.cutover.is_none()) else {
            return;
        };
        let kept = beside.queue.split_off(&(since, Position { partition: 0, offset: 0 }));
        for waiting in std::mem::replace(&mut beside.queue, kept).into_values() {
            self.settle_waiting(waiting, Reason::OtherTag);
        }
    }

    /// All that waits for a cutover, in the order of turns: for the end of the input.
    pub(super) fn drain_waiting(&mut self) -> Vec<Arc<TagEvent>> {
        let beside = self.course.beside.as_mut();
        let queue = beside.map(|beside| std::mem::take(&mut beside.queue)).unwrap_or_default();
        queue.into_values().map(|waiting| waiting.event).collect()
    }
}
