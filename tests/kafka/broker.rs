//! The two kinds of brokers, and what tests do with them besides reading.

use std::env;
use std::future::Future;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tidegate::kafka::config::Connection;
use tidegate::kafka::mock::MockBroker;
use tidegate::kafka::source::SourceSettings;

/// How long anything may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Stories that stop the real broker run alone.
static CALM: RwLock<()> = RwLock::new(());

pub(crate) enum Broker {
    Mock(MockBroker),
    Real { bootstrap: String, _calm: Option<RwLockReadGuard<'static, ()>> },
}

/// The listener of the real Kafka that wants TLS and a login.
#[derive(Debug, Clone)]
pub(crate) struct Secure {
    pub(crate) address: String,
    pub(crate) ca_file: String,
    pub(crate) username: String,
    pub(crate) password_file: String,
}

impl Secure {
    /// That of the script's Kafka; else says what is therefore not shown.
    pub(crate) fn of_script(guarantee: &str) -> Option<Self> {
        let stated = |name| env::var(name).ok();
        let secure = || {
            Some(Self {
                address: stated("KAFKA_TLS_BOOTSTRAP")?,
                ca_file: stated("KAFKA_CA_FILE")?,
                username: stated("KAFKA_USERNAME")?,
                password_file: stated("KAFKA_PASSWORD_FILE")?,
            })
        };
        let found = secure();
        if found.is_none() {
            println!("skipped: not shown without a Kafka of scripts/kafka.sh: {guarantee}");
        }
        found
    }
}

/// A record to be written by a test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    pub(crate) partition: i32,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(&'static str, Option<&'static [u8]>)>,
}

impl Given {
    pub(crate) fn text(partition: i32, value: impl Into<String>) -> Self {
        Self { partition, value: Some(value.into().into_bytes()), headers: Vec::new() }
    }
}

/// Records `from..to` of a partition, each with its number as its value.
pub(crate) fn numbered(partition: i32, numbers: std::ops::Range<u64>) -> Vec<Given> {
    numbers.map(|number| Given::text(partition, number.to_string())).collect()
}

/// Runs a future to its end.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

impl Broker {
    pub(crate) fn mock() -> Self {
        Self::Mock(MockBroker::start().unwrap())
    }

    /// The real Kafka, where there is one; else says what is therefore not shown.
    pub(crate) fn real(guarantee: &str) -> Option<Self> {
        let Ok(bootstrap) = env::var("KAFKA_BOOTSTRAP") else {
            println!("skipped: not shown without a real Kafka (scripts/kafka.sh test): {guarantee}");
            return None;
        };
        let calm = CALM.read().unwrap_or_else(PoisonError::into_inner);
        Some(Self::Real { bootstrap, _calm: Some(calm) })
    }

    /// The same while no other story uses it, where it was started by the script and can be stopped.
    pub(crate) fn alone(guarantee: &str) -> Option<(Self, RwLockWriteGuard<'static, ()>)> {
        let (Ok(bootstrap), Ok(_)) = (env::var("KAFKA_BOOTSTRAP"), env::var("KAFKA_SCRIPT")) else {
            println!("skipped: not shown without a Kafka of scripts/kafka.sh: {guarantee}");
            return None;
        };
        let alone = CALM.write().unwrap_or_else(PoisonError::into_inner);
        Some((Self::Real { bootstrap, _calm: None }, alone))
    }

    pub(crate) fn bootstrap(&self) -> String {
        match self {
            Self::Mock(mock) => mock.bootstrap(),
            Self::Real { bootstrap, .. } => bootstrap.clone(),
        }
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Self::Real { .. })
    }

    pub(crate) fn connection(&self) -> Connection {
        let properties = [
            // So that what a group notices by time is noticed soon.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "500"),
            ("topic.metadata.refresh.interval.ms", "1000"),
            ("topic.metadata.propagation.max.ms", "1000"),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Connection { brokers: vec![self.bootstrap()], properties, ..Connection::default() }
    }

    /// A source of these topics, in a group that nobody else uses.
    pub(crate) fn settings(&self, topics: &[&str]) -> SourceSettings {
        SourceSettings {
            connection: self.connection(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            group: name("group"),
            stall_after: Duration::from_secs(30),
        }
    }

    /// Makes a topic with a name of its own.
    pub(crate) fn topic(&self, partitions: i32) -> String {
        let topic = name("topic");
        self.create(&topic, partitions);
        topic
    }

    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        match self {
            Self::Mock(mock) => mock.create_topic(topic, partitions).unwrap(),
            Self::Real { .. } => {
                let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1))
                    .set("max.message.bytes", "20000000")
                    .set("compression.type", "zstd");
                let made = wait(self.admin().create_topics([&new], &AdminOptions::new())).unwrap();
                assert!(made.iter().all(Result::is_ok), "{made:?}");
            }
        }
    }

    /// The same where it may still be there. Gives whether it was made.
    pub(crate) fn try_create(&self, topic: &str, partitions: i32) -> bool {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let made = wait(self.admin().create_topics([&new], &AdminOptions::new())).unwrap();
        made.iter().all(Result::is_ok)
    }

    pub(crate) fn delete(&self, topic: &str) {
        let gone = wait(self.admin().delete_topics(&[topic], &AdminOptions::new())).unwrap();
        assert!(gone.iter().all(Result::is_ok), "{gone:?}");
    }

    /// Deletes the records of partition 0 before an offset.
    pub(crate) fn delete_records(&self, topic: &str, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(before)).unwrap();
        wait(self.admin().delete_records(&list, &AdminOptions::new())).unwrap();
    }

    pub(crate) fn grow(&self, topic: &str, partitions: usize) {
        let new = NewPartitions::new(topic, partitions);
        let grown = wait(self.admin().create_partitions([&new], &AdminOptions::new())).unwrap();
        assert!(grown.iter().all(Result::is_ok), "{grown:?}");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.bootstrap()).create().unwrap()
    }

    /// Writes records, zstd-compressed, and waits until all are there.
    pub(crate) fn write(&self, topic: &str, records: impl IntoIterator<Item = Given>) {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            .set("message.max.bytes", "20000000")
            .set("queue.buffering.max.messages", "2000000")
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        for record in records {
            let mut headers = OwnedHeaders::new();
            for (key, value) in &record.headers {
                headers = headers.insert(Header { key, value: *value });
            }
            let mut new = BaseRecord::<(), [u8]>::to(topic).partition(record.partition).headers(headers);
            if let Some(value) = &record.value {
                new = new.payload(value.as_slice());
            }
            producer.send(new).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        assert_eq!(producer.in_flight_count(), 0);
    }

    /// A producer of transactions.
    pub(crate) fn transactions(&self) -> BaseProducer {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("transactional.id", name("transactions"))
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer
    }

    /// No client reaches it any more.
    pub(crate) fn down(&self) {
        match self {
            Self::Mock(mock) => mock.down().unwrap(),
            Self::Real { .. } => script("halt"),
        }
    }

    /// It takes connections and answers nothing, as a machine that hangs.
    pub(crate) fn freeze(&self) {
        assert!(self.is_real(), "the imitation does not hang");
        script("freeze");
    }

    /// It answers again.
    pub(crate) fn thaw(&self) {
        assert!(self.is_real(), "the imitation does not hang");
        script("thaw");
    }

    /// It is back.
    pub(crate) fn up(&self) {
        match self {
            Self::Mock(mock) => mock.up().unwrap(),
            Self::Real { .. } => script("resume"),
        }
    }
}

fn script(what: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka.sh");
    assert!(Command::new(path).arg(what).status().unwrap().success(), "{path} {what} failed");
}

/// A name that no other test uses, of this run or another.
pub(crate) fn name(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
