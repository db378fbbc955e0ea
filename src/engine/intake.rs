//! Takes records in: gives them their time, tells whose they are, and queues them for their turn.

use std::borrow::Cow;

use super::Engine;
use super::clock::{PartitionClock, Stamp};
use super::decision::{BuildKey, Decision, Reason};
use super::event::{Nvr, Queued, Tagged, What};
use super::names::Name;
use crate::event::{Body, Decoded, MessageId, Position, SentAt, Tagging, Unreadable};
use crate::time::Second;

/// The state of a build that was completed.
const COMPLETE: i64 = 1;

impl Engine {
    /// Takes one record of the stream. Records of one partition come in the order of their offsets.
    pub fn record(
        &mut self,
        position: Position,
        kafka_millis: Option<i64>,
        message: Result<Decoded<'_>, Unreadable>,
    ) {
        self.account.receive(position.partition);
        match message {
            Err(unreadable) => self.dead_letter(position, unreadable),
            Ok(decoded) => {
                let clock = self.clocks.entry(position.partition).or_default();
                let stamp = clock.stamp(&self.settings.clock, decoded.sent_at, kafka_millis);
                let stamp = stamp.not_before(self.reached());
                self.date_the_undated(position.partition);
                self.take_in(position, stamp, decoded);
            }
        }
        self.run_to_watermark();
    }

    /// Takes a record once more that could not be read when it came, as a new record at `position`. It moves no watermark
    /// and belongs to none: it comes late for its turn, unless it is newer than all that was worked off.
    pub fn again(
        &mut self,
        position: Position,
        kafka_millis: Option<i64>,
        message: Result<Decoded<'_>, Unreadable>,
    ) {
        self.account.receive(position.partition);
        match message {
            Err(unreadable) => self.dead_letter(position, unreadable),
            Ok(decoded) => {
                let stamp =
                    PartitionClock::default().stamp(&self.settings.clock, decoded.sent_at, kafka_millis);
                let oldest = self.reached().max(Second::YEAR_2010);
                let dated = if stamp.effective == Second::MIN {
                    Stamp { effective: oldest, happened: oldest, ..stamp }
                } else {
                    stamp.not_before(oldest)
                };
                self.take_in(position, dated, decoded);
            }
        }
        self.run_to_watermark();
    }

    /// Takes one record of the warm-up: it only teaches. It moves no watermark and gets no decision.
    pub fn teach(&mut self, message: Result<Decoded<'_>, Unreadable>) {
        let Ok(decoded) = message else { return };
        let mut stamp = self.lessons.stamp(&self.settings.clock, decoded.sent_at, None);
        let newest = self.lessons.newest();
        if let Some(newest) = newest {
            // A time far ahead that no second one confirms may be wrong: it was not later than what follows.
            stamp.effective = stamp.effective.min(newest);
            stamp.happened = stamp.happened.min(newest);
            stamp = stamp.not_before(self.now);
            self.learn_undated(stamp.happened);
        }
        self.teaching = true;
        self.take_in(Position { partition: 0, offset: 0 }, stamp, decoded);
        self.run(Second(stamp.effective.0.saturating_add(1)));
        self.teaching = false;
    }

    /// Lets what the warm-up said before it showed any time act at `at`.
    pub(super) fn learn_undated(&mut self, at: Second) {
        if self.undated_lessons.is_empty() {
            return;
        }
        self.teaching = true;
        for mut event in std::mem::take(&mut self.undated_lessons) {
            (event.effective, event.happened) = (at.max(self.now), at);
            self.turn(event);
        }
        self.teaching = false;
    }

    /// What was worked off: no event has a turn before it. Only what a partition brings that appeared late, or a
    /// stream that begins before the end of its warm-up, would.
    pub(super) fn reached(&self) -> Second {
        self.now.max(self.passed.unwrap_or(Second::MIN))
    }

    /// What came before its partition showed any time is judged as soon as it does.
    fn date_the_undated(&mut self, partition: u32) {
        if self.undated.is_empty() {
            return;
        }
        let clock = self.clocks.get(&partition);
        let Some(watermark) = clock.and_then(|clock| clock.watermark(&self.settings.clock)) else { return };
        let at = watermark.max(self.reached());
        for mut event in self.undated.remove(&partition).unwrap_or_default() {
            event.effective = at;
            event.happened = at;
            self.queue.push(event);
        }
    }

    fn take_in(&mut self, position: Position, stamp: Stamp, decoded: Decoded<'_>) {
        let Decoded { id, body, .. } = decoded;
        let what = match body {
            Body::OtherTopic | Body::Unused => Err(Reason::OtherTopic),
            Body::Tag(tagging) => self.tagged(&tagging).map(What::Tag),
            Body::Untag(tagging) => self.tagged(&tagging).map(What::Untag),
            Body::BuildState(state) => match self.instance(state.instance.as_ref()) {
                None => Err(Reason::OtherInstance),
                Some(_) if state.new != COMPLETE => Err(Reason::BuildState),
                Some(instance) => Ok(What::Completed(BuildKey { instance, id: state.build_id })),
            },
            Body::PackageList(change) => match self.instance(change.instance.as_ref()) {
                None => Err(Reason::OtherInstance),
                Some(instance) => Ok(What::PackageList(instance, self.known.names.intern(&change.tag))),
            },
        };
        let Stamp { effective, happened, mark, late } = stamp;
        match what {
            Err(reason) => self.decide_at_once(position, id, reason, happened),
            Ok(what) => {
                let event = Queued { position, id, effective, happened, mark, late, what };
                if effective == Second::MIN && self.teaching {
                    // Beyond the bound a lesson is not learned: that strands a build, and leaks none.
                    if self.undated_lessons.len() < self.settings.bounds.waiting as usize {
                        self.undated_lessons.push(event);
                    }
                } else if effective == Second::MIN {
                    self.undated.entry(position.partition).or_default().push(event);
                } else {
                    self.queue.push(event);
                }
            }
        }
    }

    fn tagged(&mut self, tagging: &Tagging<'_>) -> Result<Tagged, Reason> {
        let instance = self.instance(tagging.instance.as_ref()).ok_or(Reason::OtherInstance)?;
        let names = &mut self.known.names;
        let tag = names.intern(&tagging.tag);
        let actor = tagging.user.as_deref().map_or(Name::OTHER, |user| names.intern(user));
        let nvr = self
            .known
            .tags
            .is_judged(tag)
            .then(|| Nvr::new(&tagging.name, &tagging.version, &tagging.release));
        Ok(Tagged { build: BuildKey { instance, id: tagging.build_id }, tag, actor, nvr })
    }

    /// The number of an instance that is read; a message that names none is of the first.
    fn instance(&self, text: Option<&Cow<'_, str>>) -> Option<Name> {
        let Some(text) = text else { return self.instances.first().copied() };
        let wanted = self.settings.route.instances.iter().zip(&self.instances);
        wanted.into_iter().find(|(name, _)| *name == text).map(|(_, number)| *number)
    }

    fn dead_letter(&mut self, position: Position, unreadable: Unreadable) {
        let event_time = match unreadable.sent_at {
            SentAt::At(sent) => Some(sent),
            SentAt::Missing | SentAt::Unreadable => None,
        };
        self.account.decide(position.partition, Reason::Unreadable);
        self.decisions.push(Decision {
            position,
            id: unreadable.id,
            reason: Reason::Unreadable,
            code: Some(unreadable.code),
            burst: None,
            event_time,
            decided_at: event_time,
            detail: None,
        });
    }

    /// Decides a record that no operator has to see.
    pub(super) fn decide_at_once(&mut self, position: Position, id: MessageId, reason: Reason, at: Second) {
        if self.teaching {
            return;
        }
        let at = (at != Second::MIN).then_some(at);
        self.account.decide(position.partition, reason);
        self.decisions.push(Decision {
            position,
            id,
            reason,
            code: None,
            burst: None,
            event_time: at,
            decided_at: at,
            detail: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decision::Outcome;
    use crate::settings::Settings;

    const T: i64 = 1_738_648_800;

    fn tagging(sent: i64, build_id: u64) -> Decoded<'static> {
        let tagging = Tagging {
            instance: None,
            build_id,
            name: "bash".into(),
            version: "1".into(),
            release: "1.fc42".into(),
            tag: "f42".into(),
            owner: None,
            user: Some("bodhi".into()),
        };
        Decoded {
            id: MessageId::parse(&format!("m{build_id}")),
            topic: "org.fedoraproject.prod.buildsys.tag".into(),
            sent_at: SentAt::At(Second(T + sent)),
            body: Body::Tag(tagging),
        }
    }

    #[test]
    fn a_record_that_is_taken_again_moves_no_watermark_and_is_decided() {
        let mut engine = Engine::new(Settings::defaults("f42"), [0]).unwrap();
        let at = |partition, offset| Position { partition, offset };
        engine.record(at(0, 0), None, Ok(tagging(1_000, 1)));
        let watermark = engine.watermark();
        engine.again(at(u32::MAX, 3), None, Ok(tagging(9_000, 2)));
        assert_eq!(engine.watermark(), watermark, "however new it claims to be");
        engine.again(at(u32::MAX, 4), None, Ok(tagging(10, 3)));
        engine.record(at(0, 1), None, Ok(tagging(2_000, 4)));
        let decided: Vec<_> = engine.take_output().decisions.iter().map(|one| one.position).collect();
        assert_eq!(decided, [at(u32::MAX, 4), at(0, 0)], "an old one takes its turn now");
        engine.end();
        assert!(engine.account().is_balanced());
        assert_eq!(engine.account().total().outcome(Outcome::Held), 4);
    }

    #[test]
    fn the_watermark_waits_for_a_partition_that_is_owned_and_for_none_that_is_gone() {
        let mut engine = Engine::new(Settings::defaults("f42"), [0]).unwrap();
        let at = |partition, offset| Position { partition, offset };
        engine.record(at(0, 0), None, Ok(tagging(0, 1)));
        engine.own(1);
        engine.record(at(0, 1), None, Ok(tagging(1_000, 2)));
        assert_eq!(engine.watermark(), Some(Second(T - 5)), "nothing is known of the new one");
        assert_eq!(engine.clock_of(1), (None, None));
        engine.disown(1);
        assert_eq!(engine.watermark(), Some(Second(T + 995)));
        assert!(engine.undelivered() > 0, "what waited only for it is decided at once");
    }
}
