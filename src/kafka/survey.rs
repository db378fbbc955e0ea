//! Asks the brokers, before anything is read, whether all is there that reading takes. The group is not joined, nothing is
//! written, and no question takes longer than a few seconds.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::KafkaError;

use super::config::{self, ConfigError, Connection};
use super::context::Quiet;
use super::handover::TroubleKind;
use super::observer::{Observer, Place};
use super::reader::Reader;
use super::troubles::{Meaning, meaning};

/// How long a broker may take to tell the settings of a topic.
const SETTINGS_MAX: Duration = Duration::from_secs(2);

/// What brokers refuse or do not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Of what kind.
    pub kind: TroubleKind,
    /// What librdkafka says.
    pub text: String,
}

impl From<KafkaError> for Complaint {
    fn from(error: KafkaError) -> Self {
        let kind = match error.rdkafka_error_code().map(meaning) {
            Some(Meaning::Silence) => TroubleKind::Unreachable,
            Some(Meaning::Trouble(kind)) => kind,
            Some(Meaning::Range | Meaning::Nothing) | None => TroubleKind::Other,
        };
        Self { kind, text: error.to_string() }
    }
}

/// Settings of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// How long records are kept, in milliseconds; `None`: for ever.
    pub keep_millis: Option<i64>,
    /// How many bytes of a partition are kept; `None`: all.
    pub keep_bytes: Option<i64>,
    /// Times of records are those of the broker that took them, not of whoever wrote them.
    pub broker_times: bool,
}

/// A client that asks.
pub struct Survey {
    observer: Observer,
    reader: Reader,
    admin: AdminClient<Quiet>,
    group: String,
}

impl std::fmt::Debug for Survey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Survey").field("group", &self.group).finish_non_exhaustive()
    }
}

impl Survey {
    /// A client for these brokers and this group. Connects when it asks.
    ///
    /// # Errors
    /// Where the settings or the files with secrets are wrong.
    pub fn new(connection: &Connection, group: &str) -> Result<Self, ConfigError> {
        let admin = AdminClient::from_config_and_context(&config::base(connection)?, Quiet);
        Ok(Self {
            observer: Observer::new(connection)?,
            reader: Reader::new(connection, group)?,
            admin: admin.map_err(|error| ConfigError::Client(error.to_string()))?,
            group: group.to_owned(),
        })
    }

    /// How many partitions a topic has; 0 where it does not exist.
    ///
    /// # Errors
    /// What the brokers refuse, or that they do not answer.
    pub fn partitions(&self, topic: &str) -> Result<usize, Complaint> {
        Ok(self.places(topic)?.len())
    }

    /// The texts that the group has committed with its positions of a topic.
    ///
    /// # Errors
    /// As [`Survey::partitions`].
    pub fn committed(&self, topic: &str) -> Result<Vec<String>, Complaint> {
        let committed = self.reader.committed(&self.places(topic)?)?;
        Ok(committed.into_iter().flatten().map(|committed| committed.metadata).collect())
    }

    /// Reads the newest record of the topic's longest partition, and gives its Kafka time in milliseconds since 1970;
    /// `None` where there is no record, or none with a time.
    ///
    /// # Errors
    /// As [`Survey::partitions`].
    pub fn newest(&self, topic: &str) -> Result<Option<i64>, Complaint> {
        let places = self.places(topic)?;
        let (lows, ends) = (self.observer.lows(&places)?, self.observer.ends(&places)?);
        let bounds = places.iter().zip(lows.into_iter().zip(ends));
        let longest = bounds.filter(|(_, (low, end))| low < end).max_by_key(|(_, (_, end))| *end);
        let Some((place, (_, end))) = longest else { return Ok(None) };
        Ok(self.reader.first(place, end.saturating_sub(1))?.and_then(|found| found.kafka_millis))
    }

    /// Who is in the group, as `CLIENT at HOST`. Brokers that do not tell, tell of nobody.
    pub fn members(&self) -> Vec<String> {
        let members = self.observer.members(&self.group);
        members.into_iter().map(|member| format!("{} at {}", member.client_id, member.host)).collect()
    }

    /// The settings of a topic.
    ///
    /// # Errors
    /// As [`Survey::partitions`].
    pub async fn settings(&self, topic: &str) -> Result<TopicSettings, Complaint> {
        let options = AdminOptions::new().request_timeout(Some(SETTINGS_MAX));
        let asked = [ResourceSpecifier::Topic(topic)];
        let mut answers = self.admin.describe_configs(&asked, &options).await?;
        let other = |text: String| Complaint { kind: TroubleKind::Other, text };
        let answer = answers.pop().ok_or_else(|| other("the answer is empty".to_owned()))?;
        let answer = answer.map_err(|code| Complaint::from(KafkaError::AdminOp(code)))?;
        let value = |name: &str| answer.get(name).and_then(|entry| entry.value.as_deref());
        // A bound below zero stands for none.
        let bound = |name: &str| {
            let text = value(name).ok_or_else(|| other(format!("it does not tell {name}")))?;
            let bound: i64 = text.parse().map_err(|_| other(format!("{name} is no number")))?;
            Ok::<_, Complaint>((bound >= 0).then_some(bound))
        };
        Ok(TopicSettings {
            keep_millis: bound("retention.ms")?,
            keep_bytes: bound("retention.bytes")?,
            broker_times: value("message.timestamp.type") == Some("LogAppendTime"),
        })
    }

    fn places(&self, topic: &str) -> Result<Vec<Place>, Complaint> {
        Ok(self.observer.partitions(&Arc::from(topic))?)
    }
}
