//! From partitions that the group gave to partitions that are read: facts for the pipeline, its answer, and the checks of
//! that answer. What is not sound is told, and nothing is read until the pipeline has decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;

use super::progress::Readings;
use super::{Phase, Worker};
use crate::kafka::clock::now;
use crate::kafka::context::Consumer;
use crate::kafka::handover::{
    Assignment, Damage, DamageKind, FromKafka, Owner, Partition, StartAt, TroubleKind,
};
use crate::kafka::members::Member;
use crate::kafka::observer::{self, Place, list};
use crate::kafka::positions::{Reading, replaced};
use crate::kafka::reader::Reader;

/// How long last records are compared in one turn.
const COMPARE: Duration = Duration::from_secs(2);

/// All partitions of the topics, and which of them are ours.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    /// Every partition, by topic and number; the index names it.
    pub(super) places: Vec<Place>,
    /// Indices of ours.
    pub(super) owned: Vec<u32>,
}

/// Where the pipeline wants to start.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    starts: BTreeMap<u32, StartAt>,
    /// An end before a stored position was seen once: an old leader may have answered.
    looked: bool,
}

impl Ours {
    pub(super) fn place(&self, index: u32) -> Option<&Place> {
        self.places.get(usize::try_from(index).ok()?)
    }

    /// Ours with their places.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, &Place)> {
        self.owned.iter().filter_map(|index| Some((*index, self.place(*index)?)))
    }

    pub(super) fn owned_places(&self) -> Vec<Place> {
        self.each().map(|(_, place)| place.clone()).collect()
    }

    /// Whether each topic has a partition.
    pub(super) fn covers(&self, topics: &[String]) -> bool {
        topics.iter().all(|topic| self.places.iter().any(|(known, _)| **known == **topic))
    }

    pub(super) fn damage(&self, partition: u32, kind: DamageKind) -> Damage {
        let name =
            self.place(partition).map_or_else(String::new, |(topic, number)| format!("{topic}/{number}"));
        Damage { partition, name, kind }
    }
}

impl Worker {
    /// Asks the brokers what is to be known next, if it is time.
    pub(super) fn ask(&mut self, consumer: &Consumer) {
        if now() < self.next_question {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Unassigned) {
            Phase::Given(given) => match self.gather(consumer, &given) {
                Ok(ours) => self.phase = Phase::Asked(ours),
                Err(error) => {
                    self.phase = Phase::Given(given);
                    self.unanswered(&error);
                }
            },
            Phase::Checking(ours, wanted) => self.check(consumer, ours, wanted),
            Phase::Reading(readings) => self.round(consumer, readings),
            phase @ (Phase::Unassigned | Phase::Asked(_)) => {
                self.phase = phase;
                self.ping();
            }
        }
    }

    /// Asks something where nothing else is asked and the last answer failed to come: is it over?
    pub(super) fn ping(&mut self) {
        self.next_question = now() + Duration::from_secs(1);
        let Some(topic) = self.settings.topics.first().filter(|_| self.silence.is_some()) else { return };
        match self.observer.partitions(&Arc::from(topic.as_str())) {
            Ok(_) => self.answered(),
            Err(error) => self.unanswered(&error),
        }
    }

    /// Learns all that the pipeline is told of an assignment, and tells it.
    fn gather(&mut self, consumer: &Consumer, given: &[(String, i32)]) -> KafkaResult<Ours> {
        let topics: BTreeSet<Arc<str>> =
            self.settings.topics.iter().map(|topic| Arc::from(topic.as_str())).collect();
        let mut places = Vec::new();
        let mut absent = Vec::new();
        for topic in &topics {
            let found = self.observer.partitions(topic)?;
            if found.is_empty() {
                absent.push(topic.to_string());
            }
            places.extend(found);
        }
        let is_ours =
            |(topic, number): &Place| given.iter().any(|(t, n)| t.as_str() == &**topic && n == number);
        if given.len() > places.iter().filter(|place| is_ours(place)).count() {
            // The group knows of partitions that this broker has not heard of yet.
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable));
        }
        let (lows, ends) = (self.observer.lows(&places)?, self.observer.ends(&places)?);
        let committed = observer::committed(consumer, &places)?;
        let others =
            if given.len() < places.len() { self.observer.members(&self.settings.group) } else { Vec::new() };
        let facts = places.iter().zip(lows).zip(ends).zip(committed);
        let partitions = facts.map(|(((place, low), end), committed)| Partition {
            topic: Arc::clone(&place.0),
            number: place.1,
            owner: if is_ours(place) { Owner::Ours } else { owner(place, &others) },
            low,
            end,
            committed,
        });
        let partitions: Vec<Partition> = partitions.collect();
        let owned =
            (0..).zip(&partitions).filter(|(_, p)| p.owner == Owner::Ours).map(|(index, _)| index).collect();

        self.answered();
        if absent.is_empty() {
            self.troubles.end(TroubleKind::NoTopic);
        } else {
            self.trouble(TroubleKind::NoTopic, &absent.join(", "));
        }
        self.generation += 1;
        self.outlet.say(FromKafka::Assigned(Assignment { generation: self.generation, partitions }));
        Ok(Ours { places, owned })
    }

    /// The pipeline has said where to start. An answer to a question that is not open changes nothing.
    pub(super) fn check_start(&mut self, generation: u64, partitions: Vec<(u32, StartAt)>) {
        if generation != self.generation {
            return;
        }
        if let Phase::Asked(ours) = &self.phase {
            self.compared.clear();
            let wanted = Wanted { starts: partitions.into_iter().collect(), looked: false };
            self.phase = Phase::Checking(ours.clone(), wanted);
            self.next_question = now();
        }
    }

    /// Checks the offsets to start from, and begins to read where all are sound.
    fn check(&mut self, consumer: &Consumer, ours: Ours, mut wanted: Wanted) {
        let begun = self.judge(&ours, &wanted).and_then(|judged| match judged {
            Some(Ok(readings)) => consumer.assign(&readings.assignment()?).map(|()| Some(Ok(readings))),
            other => Ok(other),
        });
        match begun {
            Err(error) => {
                self.phase = Phase::Checking(ours, wanted);
                self.unanswered(&error);
            }
            Ok(None) => {
                self.phase = Phase::Checking(ours, wanted);
                self.next_question = now();
            }
            Ok(Some(Err(damages))) if !wanted.looked && damages.iter().any(ends_before) => {
                self.next_question = now() + Duration::from_secs(1);
                wanted.looked = true;
                self.phase = Phase::Checking(ours, wanted);
            }
            Ok(Some(Err(damages))) => {
                self.answered();
                self.outlet.say(FromKafka::Damaged { generation: self.generation, damages });
                self.phase = Phase::Asked(ours);
            }
            Ok(Some(Ok(readings))) => {
                self.answered();
                self.tell_new_partitions(&ours, &wanted);
                self.next_question = now();
                self.phase = Phase::Reading(Box::new(readings));
                // Partitions that were paused in an earlier assignment would stay so.
                self.apply_pauses(consumer);
            }
        }
    }

    /// Whether all offsets are sound; `None` where that takes another turn.
    fn judge(&mut self, ours: &Ours, wanted: &Wanted) -> KafkaResult<Option<Result<Readings, Vec<Damage>>>> {
        let places = ours.owned_places();
        let (lows, ends) = (self.observer.lows(&places)?, self.observer.ends(&places)?);
        let mut damages = Vec::new();
        let mut readings = BTreeMap::new();
        for ((&index, low), end) in ours.owned.iter().zip(lows).zip(ends) {
            let at = wanted.starts.get(&index).copied().unwrap_or(StartAt::Earliest);
            match Reading::start(at, low, end) {
                Ok(reading) => drop(readings.insert(index, reading)),
                Err(kind) => damages.push(ours.damage(index, kind)),
            }
        }
        let Some(replaced) = self.compare(ours, &readings)? else { return Ok(None) };
        damages.extend(replaced);
        Ok(Some(if damages.is_empty() { Ok(Readings::new(ours.clone(), readings)) } else { Err(damages) }))
    }

    /// Compares the last record read of each partition with what stands there now. `None`: that takes another turn, so
    /// that it delays neither a stop nor a poll; what was compared by now is remembered.
    pub(super) fn compare(
        &mut self,
        ours: &Ours,
        readings: &BTreeMap<u32, Reading>,
    ) -> KafkaResult<Option<Vec<Damage>>> {
        let deadline = now() + COMPARE;
        for (&index, reading) in readings {
            let (Some(last), Some(place)) = (reading.last, ours.place(index)) else { continue };
            if self.compared.contains_key(&index) {
                continue;
            }
            if now() >= deadline {
                return Ok(None);
            }
            let found = match self.reader()?.first(place, last.offset) {
                Ok(found) => found,
                // It went by retention, and cannot be compared.
                Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                )) => None,
                Err(error) => return Err(error),
            };
            self.compared.insert(index, replaced(last, found).map(|kind| ours.damage(index, kind)));
        }
        Ok(Some(std::mem::take(&mut self.compared).into_values().flatten().collect()))
    }

    /// The client that reads single records, made when it is first needed.
    pub(super) fn reader(&mut self) -> KafkaResult<&Reader> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::new(&self.settings.connection, &self.settings.group)
                .map_err(|error| KafkaError::ClientCreation(error.to_string()))?,
        };
        Ok(self.reader.insert(reader))
    }

    /// A topic of which some partitions were read before and others not has grown.
    fn tell_new_partitions(&mut self, ours: &Ours, wanted: &Wanted) {
        let mut topics: BTreeMap<&Arc<str>, (usize, usize)> = BTreeMap::new();
        for (index, (topic, _)) in ours.each() {
            let (before, now) = topics.entry(topic).or_default();
            *now += 1;
            *before += usize::from(matches!(wanted.starts.get(&index), Some(StartAt::Stored { .. })));
        }
        let decided = |topic: &Arc<str>| {
            ours.each().any(|(index, place)| {
                place.0 == *topic && matches!(wanted.starts.get(&index), Some(StartAt::Decided(_)))
            })
        };
        let grown: Vec<_> = topics
            .into_iter()
            .filter(|(topic, (before, now))| *before > 0 && before < now && !decided(topic))
            .map(|(topic, (before, now))| FromKafka::Repartitioned { topic: Arc::clone(topic), before, now })
            .collect();
        for news in grown {
            self.outlet.say(news);
        }
    }

    /// The assignment is over.
    pub(super) fn revoke(&mut self, consumer: &Consumer) {
        let told = !matches!(self.phase, Phase::Unassigned | Phase::Given(_));
        self.hand_over_rest();
        self.phase = Phase::Unassigned;
        self.unassigned = now();
        self.compared.clear();
        self.apply_pauses(consumer);
        self.troubles.end(TroubleKind::Stalled);
        if told {
            self.outlet.say(FromKafka::Revoked { generation: self.generation });
        }
    }

    /// Reading stops until the pipeline has decided what to do about a damage.
    pub(super) fn halt(&mut self, consumer: &Consumer, ours: Ours, damages: Vec<Damage>) {
        self.hand_over_rest();
        self.phase = Phase::Asked(ours);
        self.apply_pauses(consumer);
        self.troubles.end(TroubleKind::Stalled);
        if let Err(error) = consumer.unassign() {
            self.trouble(TroubleKind::Other, &error.to_string());
        }
        self.outlet.say(FromKafka::Damaged { generation: self.generation, damages });
    }

    /// What was read belongs to the pipeline, also where the partitions do not any more.
    fn hand_over_rest(&mut self) {
        while !self.batch.is_empty() {
            self.say_batch();
        }
    }
}

fn ends_before(damage: &Damage) -> bool {
    matches!(damage.kind, DamageKind::EndsBefore { .. })
}

fn owner((topic, number): &Place, members: &[Member]) -> Owner {
    let reads =
        |member: &&Member| member.partitions.iter().any(|(t, n)| t.as_str() == &**topic && n == number);
    members.iter().find(reads).map_or(Owner::NotOurs, |member| Owner::Other {
        client_id: member.client_id.clone(),
        host: member.host.clone(),
    })
}

/// Partitions at their own offsets.
pub(super) fn at_offsets<'a>(
    each: impl Iterator<Item = (&'a Place, u64)>,
) -> KafkaResult<rdkafka::TopicPartitionList> {
    let mut all = list(&[], Offset::Invalid)?;
    for ((topic, number), next) in each {
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        all.add_partition(topic, *number).set_offset(Offset::Offset(next))?;
    }
    Ok(all)
}
