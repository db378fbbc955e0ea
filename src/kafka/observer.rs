//! Asks the brokers about topics, partitions and the group, without being a member of it.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::config::{self, ConfigError, Connection};
use super::context::{Consumer, Quiet};
use super::handover::Committed;
use super::members::{self, Member};

/// How long one question may take: the thread that asks also polls.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Most partitions of one topic that are taken in.
const PARTITIONS_MAX: usize = 10_000;

/// Topic and number of a partition.
pub(super) type Place = (Arc<str>, i32);

/// A client that only asks. It sees the end of a partition with all that open transactions have written.
pub(super) struct Observer {
    client: BaseConsumer<Quiet>,
}

impl Observer {
    pub(super) fn new(connection: &Connection) -> Result<Self, ConfigError> {
        let client = config::observer(connection)?.create_with_context(Quiet);
        Ok(Self { client: client.map_err(|error| ConfigError::Client(error.to_string()))? })
    }

    /// Serves what librdkafka wants to tell this client, so that it does not pile up.
    pub(super) fn serve(&self) {
        for _ in 0..100 {
            if self.client.poll(Duration::ZERO).is_none() {
                return;
            }
        }
    }

    /// The partitions of a topic by number, none where it does not exist.
    pub(super) fn partitions(&self, topic: &Arc<str>) -> KafkaResult<Vec<Place>> {
        let metadata = self.client.fetch_metadata(Some(topic), ANSWER_MAX)?;
        let mut numbers = Vec::new();
        for found in metadata.topics().iter().filter(|found| found.name() == &**topic) {
            match found.error().map(RDKafkaErrorCode::from) {
                None => {
                    numbers.extend(found.partitions().iter().take(PARTITIONS_MAX).map(MetadataPartition::id));
                }
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {}
                Some(code) => return Err(KafkaError::MetadataFetch(code)),
            }
        }
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|number| (Arc::clone(topic), number)).collect())
    }

    /// Offsets of the first records that are kept.
    pub(super) fn lows(&self, places: &[Place]) -> KafkaResult<Vec<u64>> {
        bounds(&self.client, places, Offset::Beginning)
    }

    /// Offsets behind the last records, those of open transactions included.
    pub(super) fn ends(&self, places: &[Place]) -> KafkaResult<Vec<u64>> {
        bounds(&self.client, places, Offset::End)
    }

    /// The members of a group. Brokers that do not tell, tell of none.
    pub(super) fn members(&self, group: &str) -> Vec<Member> {
        let Ok(list) = self.client.fetch_group_list(Some(group), ANSWER_MAX) else { return Vec::new() };
        let groups = list.groups().iter().filter(|found| found.name() == group);
        let member = |member: &rdkafka::groups::GroupMemberInfo| Member {
            client_id: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
            partitions: member.assignment().map(members::partitions).unwrap_or_default(),
        };
        groups.flat_map(|group| group.members().iter().map(member)).collect()
    }
}

/// Offsets behind the last records that are decided: what a reader of committed records could have been given.
pub(super) fn decided_ends(consumer: &Consumer, places: &[Place]) -> KafkaResult<Vec<u64>> {
    bounds(consumer, places, Offset::End)
}

/// What the group has committed for each partition.
pub(super) fn committed<C>(
    consumer: &BaseConsumer<C>,
    places: &[Place],
) -> KafkaResult<Vec<Option<Committed>>>
where
    C: rdkafka::consumer::ConsumerContext,
{
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let answer = consumer.committed_offsets(list(places, Offset::Invalid)?, ANSWER_MAX)?;
    let mut found = Vec::with_capacity(places.len());
    for (topic, number) in places {
        let element = answer.find_partition(topic, *number).ok_or(missing())?;
        element.error()?;
        found.push(match element.offset() {
            Offset::Offset(next) => {
                let next = u64::try_from(next).unwrap_or(0);
                Some(Committed { next, metadata: element.metadata().to_owned() })
            }
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => {
                None
            }
        });
    }
    Ok(found)
}

/// A list for librdkafka, all at one offset.
pub(super) fn list(places: &[Place], offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, number) in places {
        list.add_partition(topic, *number).set_offset(offset)?;
    }
    Ok(list)
}

/// One question for all partitions: one request to each broker that leads some.
fn bounds<C>(client: &BaseConsumer<C>, places: &[Place], bound: Offset) -> KafkaResult<Vec<u64>>
where
    C: rdkafka::consumer::ConsumerContext,
{
    if places.is_empty() {
        return Ok(Vec::new());
    }
    // The protocol takes first and last as special timestamps.
    let answer = client.offsets_for_times(list(places, bound)?, ANSWER_MAX)?;
    let mut found = Vec::with_capacity(places.len());
    for (topic, number) in places {
        let element = answer.find_partition(topic, *number).ok_or(missing())?;
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => found.push(u64::try_from(offset).map_err(|_| missing())?),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => {
                return Err(missing());
            }
        }
    }
    Ok(found)
}

/// The broker's answer says nothing of a partition that was asked for.
fn missing() -> KafkaError {
    KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition)
}
