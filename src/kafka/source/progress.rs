//! Once a second: how far each partition was read, whether that is proved to be all there is, and whether anything is
//! wrong with it.
//!
//! The proof. The end of a partition is fetched after its last record was taken over, and counts what open transactions
//! have written; where it equals the next offset to be read, nothing is there that was not handed over. Where records of
//! transactions are in between that nobody will ever see, a second reader shows that by reading to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;

use super::assigning::{Ours, at_offsets};
use super::{Phase, Worker};
use crate::kafka::clock::now;
use crate::kafka::context::Consumer;
use crate::kafka::handover::{Damage, FromKafka, PartitionProgress, Progress, TroubleKind};
use crate::kafka::observer::{self, Place};
use crate::kafka::positions::Reading;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Most partitions whose tail is read in one look: each takes some tens of milliseconds.
const TAILS_MAX: usize = 4;

/// What a look has shown.
enum Look {
    /// All is well, as far as can be seen.
    Sound,
    /// It takes another turn: commands and polls come between.
    Unfinished,
    /// Partitions that cannot be gone on from.
    Damaged(Vec<Damage>),
}

/// How far the partitions of an assignment were read.
pub(super) struct Readings {
    ours: Ours,
    each: BTreeMap<u32, Reading>,
    /// Topic, and the index of each of its partitions by number.
    indices: Vec<(Arc<str>, Vec<Option<u32>>)>,
    /// What the pipeline wants paused.
    paused: BTreeSet<u32>,
    /// Since when a partition has records that do not come.
    stuck: BTreeMap<u32, Instant>,
    /// A broker failed to answer, or did not have a position: what was known of the partitions may not hold any more.
    pub(super) unsure: bool,
    /// librdkafka has stopped reading a partition, since its position was not there.
    pub(super) out_of_range: bool,
}

impl Readings {
    pub(super) fn new(ours: Ours, each: BTreeMap<u32, Reading>) -> Self {
        let mut indices: Vec<(Arc<str>, Vec<Option<u32>>)> = Vec::new();
        for (index, (topic, number)) in ours.each() {
            if indices.last().is_none_or(|(last, _)| last != topic) {
                indices.push((Arc::clone(topic), Vec::new()));
            }
            let (Some((_, numbers)), Ok(number)) = (indices.last_mut(), usize::try_from(*number)) else {
                continue;
            };
            numbers.resize(numbers.len().max(number + 1), None);
            if let Some(place) = numbers.get_mut(number) {
                *place = Some(index);
            }
        }
        Self {
            ours,
            each,
            indices,
            paused: BTreeSet::new(),
            stuck: BTreeMap::new(),
            unsure: false,
            out_of_range: false,
        }
    }

    /// The index of a partition of ours.
    pub(super) fn index(&self, topic: &str, number: i32) -> Option<u32> {
        let (_, numbers) = self.indices.iter().find(|(name, _)| &**name == topic)?;
        *numbers.get(usize::try_from(number).ok()?)?
    }

    /// Topic and number of a partition of ours.
    pub(super) fn place(&self, index: u32) -> Option<&Place> {
        self.each.contains_key(&index).then(|| self.ours.place(index))?
    }

    /// A record came. Returns whether it is new.
    pub(super) fn advance(&mut self, index: u32, offset: u64, kafka_millis: Option<i64>) -> bool {
        let Some(reading) = self.each.get_mut(&index).filter(|reading| offset >= reading.next) else {
            return false;
        };
        reading.advance(offset, kafka_millis);
        true
    }

    pub(super) fn want_paused(&mut self, indices: &[u32], pause: bool) {
        for index in indices.iter().filter(|index| self.each.contains_key(index)) {
            if pause {
                self.paused.insert(*index)
            } else {
                self.paused.remove(index)
            };
        }
    }

    /// The partitions that are to be paused: all, or those the pipeline wants.
    pub(super) fn paused(&self, all: bool) -> Vec<(String, i32)> {
        let wanted = self.ours.each().filter(|(index, _)| all || self.paused.contains(index));
        wanted.map(|(_, (topic, number))| (topic.to_string(), *number)).collect()
    }

    /// For librdkafka: the partitions with the offsets to read next.
    pub(super) fn assignment(&self) -> KafkaResult<rdkafka::TopicPartitionList> {
        at_offsets(self.ours.each().filter_map(|(index, place)| Some((place, self.each.get(&index)?.next))))
    }
}

impl Worker {
    /// One look at the ends.
    pub(super) fn round(&mut self, consumer: &Consumer, mut readings: Box<Readings>) {
        // What is said of a position must come behind the records that it counts.
        if !self.outlet.push() || !self.flush() {
            self.phase = Phase::Reading(readings);
            return;
        }
        self.next_question = now() + LOOK;
        match self.look(consumer, &mut readings) {
            Ok(Look::Unfinished) => {
                self.next_question = now();
                self.phase = Phase::Reading(readings);
            }
            Ok(Look::Sound) => {
                self.phase = Phase::Reading(readings);
                self.restart_stuck(consumer);
            }
            Ok(Look::Damaged(damages)) => self.halt(consumer, readings.ours, damages),
            Err(error) => {
                readings.unsure = true;
                self.phase = Phase::Reading(readings);
                self.unanswered(&error);
            }
        }
    }

    fn look(&mut self, consumer: &Consumer, readings: &mut Readings) -> KafkaResult<Look> {
        let asked_at = now();
        let places = readings.ours.owned_places();
        if places.is_empty() {
            self.ping();
            return Ok(Look::Sound);
        }
        let ends = self.observer.ends(&places)?;
        if readings.unsure || readings.out_of_range {
            let close = self.look_closely(consumer, readings, &places, &ends)?;
            if !matches!(close, Look::Sound) {
                return Ok(close);
            }
        }
        self.answered();
        if readings.ours.covers(&self.settings.topics) {
            self.troubles.end(TroubleKind::NoTopic);
        }
        self.read_tails(consumer, readings, &places, &ends);
        let mut damages = Vec::new();
        let mut partitions = Vec::new();
        for ((index, reading), end) in readings.each.iter_mut().zip(&ends) {
            damages.extend(reading.look(*end).map(|kind| readings.ours.damage(*index, kind)));
            partitions.push(PartitionProgress {
                partition: *index,
                next: reading.next,
                end: *end,
                caught_up: reading.next == *end,
                last_kafka_millis: reading.last_kafka_millis,
            });
        }
        self.watch(readings, &partitions, asked_at);
        if !damages.is_empty() {
            return Ok(Look::Damaged(damages));
        }
        self.outlet.say(FromKafka::Progress(Progress { generation: self.generation, asked_at, partitions }));
        Ok(Look::Sound)
    }

    /// After a failure: are the partitions still those that were read?
    fn look_closely(
        &mut self,
        consumer: &Consumer,
        readings: &mut Readings,
        places: &[Place],
        ends: &[u64],
    ) -> KafkaResult<Look> {
        let Some(mut damages) = self.compare(&readings.ours, &readings.each)? else {
            return Ok(Look::Unfinished);
        };
        if readings.out_of_range {
            let lows = self.observer.lows(places)?;
            for ((index, reading), (low, end)) in readings.each.iter_mut().zip(lows.iter().zip(ends)) {
                damages
                    .extend(reading.out_of_range(*low, *end).map(|kind| readings.ours.damage(*index, kind)));
            }
            if damages.is_empty() {
                consumer.assign(&readings.assignment()?)?;
            }
        }
        readings.unsure = false;
        readings.out_of_range = false;
        Ok(if damages.is_empty() { Look::Sound } else { Look::Damaged(damages) })
    }

    /// Where a partition goes on behind the last record, though nothing comes: reads on to its end, and moves the
    /// position there if there is nothing for anybody to see.
    fn read_tails(&mut self, consumer: &Consumer, readings: &mut Readings, places: &[Place], ends: &[u64]) {
        let waits = |reading: &Reading, end: u64| reading.next < end && !reading.moved;
        let idle = self.idle && !self.pressed;
        let any = readings.each.values().zip(ends).any(|(reading, end)| waits(reading, *end));
        if !idle || !any {
            return;
        }
        let Ok(decided) = observer::decided_ends(consumer, places) else { return };
        let paused = &readings.paused;
        let tails = readings.each.iter_mut().zip(places).zip(ends.iter().zip(decided));
        let tails = tails.filter(|(((index, reading), _), (end, decided))| {
            waits(reading, **end) && decided >= *end && !paused.contains(index)
        });
        for (((_, reading), place), (end, _)) in tails.take(TAILS_MAX) {
            if let Ok(Ok(None)) = self.reader().map(|reader| reader.first(place, reading.next)) {
                reading.next = *end;
            }
        }
    }

    /// Notices partitions whose records do not come.
    fn watch(&mut self, readings: &mut Readings, partitions: &[PartitionProgress], at: Instant) {
        for progress in partitions {
            let moved =
                readings.each.get_mut(&progress.partition).is_some_and(|r| std::mem::take(&mut r.moved));
            let waits = progress.next < progress.end
                && !moved
                && !self.pressed
                && !readings.paused.contains(&progress.partition);
            if waits {
                readings.stuck.entry(progress.partition).or_insert(at);
            } else {
                readings.stuck.remove(&progress.partition);
            }
        }
        let stall = self.settings.stall_after;
        let stalled = |since: &Instant| at.saturating_duration_since(*since) >= stall;
        let names: Vec<String> = readings
            .stuck
            .iter()
            .filter(|(_, since)| stalled(since))
            .filter_map(|(index, _)| readings.ours.place(*index))
            .map(|(topic, number)| format!("{topic}/{number}"))
            .collect();
        if names.is_empty() {
            if readings.stuck.is_empty() {
                self.troubles.end(TroubleKind::Stalled);
            }
        } else {
            let reason = format!("{} for {} s", names.join(", "), stall.as_secs());
            self.trouble(TroubleKind::Stalled, &reason);
            self.restart = true;
            readings.stuck.clear();
        }
    }

    /// Begins reading anew where librdkafka has stopped without a word.
    fn restart_stuck(&mut self, consumer: &Consumer) {
        if !std::mem::take(&mut self.restart) {
            return;
        }
        if let Phase::Reading(readings) = &self.phase {
            let begun = readings.assignment().and_then(|list| consumer.assign(&list));
            if let Err(error) = begun {
                self.trouble(TroubleKind::Other, &error.to_string());
            }
        }
    }

    /// librdkafka has stopped reading a partition: the broker does not have its position.
    pub(super) fn out_of_range(&mut self) {
        if let Phase::Reading(readings) = &mut self.phase {
            readings.out_of_range = true;
            self.next_question = now();
        }
    }
}
