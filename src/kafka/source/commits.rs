//! Noting in Kafka how far was read, and pausing partitions.

use std::collections::BTreeSet;

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Phase, Worker};
use crate::kafka::context::Consumer;
use crate::kafka::handover::TroubleKind;

impl Worker {
    /// Sends a commit; its answer comes as a note. One about an assignment that is over would move positions that are
    /// somebody else's by now.
    pub(super) fn commit(
        &mut self,
        consumer: &Consumer,
        generation: u64,
        positions: &[(u32, u64)],
        metadata: &str,
    ) {
        let Phase::Reading(readings) = &self.phase else { return };
        if generation != self.generation || positions.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (index, next) in positions {
            let Some((topic, number)) = readings.place(*index) else { continue };
            let mut element = list.add_partition(topic, *number);
            element.set_metadata(metadata);
            if element.set_offset(Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX))).is_err() {
                return;
            }
        }
        if let Err(error) = consumer.commit(&list, CommitMode::Async) {
            self.trouble(TroubleKind::Commit, &error.to_string());
        }
    }

    /// The pipeline wants these partitions paused, or not.
    pub(super) fn pause(&mut self, consumer: &Consumer, indices: &[u32], pause: bool) {
        if let Phase::Reading(readings) = &mut self.phase {
            readings.want_paused(indices, pause);
            self.apply_pauses(consumer);
        }
    }

    /// Tells librdkafka what changed: a partition that is paused twice, or resumed without having been paused, misbehaves.
    pub(super) fn apply_pauses(&mut self, consumer: &Consumer) {
        let wanted = match &self.phase {
            Phase::Reading(readings) => readings.paused(self.pressed),
            Phase::Unassigned | Phase::Given(_) | Phase::Asked(_) | Phase::Checking(..) => Vec::new(),
        };
        let wanted: BTreeSet<(String, i32)> = wanted.into_iter().collect();
        let pause = list(wanted.difference(&self.paused));
        let resume = list(self.paused.difference(&wanted));
        let done = |list: TopicPartitionList, act: &dyn Fn(&TopicPartitionList) -> KafkaResult<()>| {
            if list.count() == 0 { Ok(()) } else { act(&list) }
        };
        let result =
            done(pause, &|list| consumer.pause(list)).and(done(resume, &|list| consumer.resume(list)));
        self.paused = wanted;
        if let Err(error) = result {
            self.trouble(TroubleKind::Other, &error.to_string());
        }
    }
}

fn list<'a>(partitions: impl Iterator<Item = &'a (String, i32)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, number) in partitions {
        list.add_partition(topic, *number);
    }
    list
}
