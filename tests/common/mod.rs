//! Messages of the bus for tests of the engine, built as the decoder hands them over.
//!
//! Times are seconds after [`T`]. What tells stories with them belongs to `story.rs`.

use std::collections::BTreeMap;

use tidegate::engine::Engine;
use tidegate::engine::burst::RunReport;
use tidegate::engine::decision::Decision;
use tidegate::event::{Body, BuildState, Decoded, MessageId, Position, SentAt, Tagging};
use tidegate::settings::{FamilyTag, Settings};
use tidegate::time::Second;

/// 2025-02-04T06:00:00Z, the second 0 of all tests.
pub(crate) const T: i64 = 1_738_648_800;

/// A second of a test.
pub(crate) fn at(second: i64) -> Second {
    Second(T + second)
}

/// The design's defaults for `f42`, which followed `f41`.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::defaults("f42");
    settings.trigger.family.insert(0, FamilyTag { tag: "f41".to_owned(), left_at: None });
    settings
}

/// A message and how it comes.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The partition it is read from.
    pub(crate) partition: u32,
    /// What it claims about its time.
    pub(crate) sent: SentAt,
    /// Kafka's second after [`T`], where there is one.
    pub(crate) kafka: Option<i64>,
    /// Its identity; `None`: one that no other message has. Empty: it has none.
    pub(crate) id: Option<String>,
    /// What it says.
    pub(crate) body: Body<'static>,
}

impl Message {
    /// Kafka's time in milliseconds, and the message as the decoder hands it over; `offset` tells it from others.
    pub(crate) fn decoded(&self, offset: u64) -> (Option<i64>, Decoded<'static>) {
        let id = self.id.clone().unwrap_or_else(|| format!("{}-{offset}", self.partition));
        let decoded = Decoded {
            id: if id.is_empty() { MessageId::None } else { MessageId::parse(&id) },
            topic: "org.fedoraproject.prod.buildsys.tag".into(),
            sent_at: self.sent,
            body: self.body.clone(),
        };
        (self.kafka.map(|second| (T + second) * 1_000), decoded)
    }
}

/// A message of partition 0, sent at a second, with an identity of its own.
pub(crate) fn message(second: i64, body: Body<'static>) -> Message {
    Message { partition: 0, sent: SentAt::At(at(second)), kafka: None, id: None, body }
}

/// A build and who tags it where.
pub(crate) fn tagging(tag: &str, build: u64, actor: &str) -> Tagging<'static> {
    Tagging {
        instance: None,
        tag: tag.to_owned().into(),
        build_id: build,
        name: format!("p{build}").into(),
        version: "1".into(),
        release: "1.fc42".into(),
        owner: None,
        user: Some(actor.to_owned().into()),
    }
}

/// A build is complete.
pub(crate) fn complete(build: u64) -> Body<'static> {
    Body::BuildState(BuildState { instance: None, build_id: build, new: 1, task_id: None })
}

/// Reads messages into an engine: numbers them in their partitions and keeps what is decided.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    offsets: BTreeMap<u32, u64>,
    /// All decisions until now.
    pub(crate) decisions: Vec<Decision>,
    /// All runs that are over.
    pub(crate) runs: Vec<RunReport>,
}

impl Feed {
    /// Lets the engine read one message, and checks what has to hold after every record.
    pub(crate) fn read(&mut self, engine: &mut Engine, message: &Message) {
        let offset = self.offsets.entry(message.partition).or_default();
        *offset += 1;
        let position = Position { partition: message.partition, offset: *offset };
        let (kafka, decoded) = message.decoded(*offset);
        let before = engine.watermark();
        engine.record(position, kafka, Ok(decoded));
        assert!(engine.watermark() >= before, "the watermark went back from {before:?}");
        self.settle(engine);
    }

    /// Lets the stream end.
    pub(crate) fn end(&mut self, engine: &mut Engine) {
        engine.end();
        self.settle(engine);
        assert_eq!(engine.waiting(), 0, "nothing waits once the stream is over");
        assert_eq!(engine.account().total().pending, 0, "every record is decided once the stream is over");
    }

    /// Keeps what was decided, and checks the accounts.
    pub(crate) fn settle(&mut self, engine: &mut Engine) {
        let output = engine.take_output();
        self.decisions.extend(output.decisions);
        self.runs.extend(output.runs);
        assert!(engine.account().is_balanced(), "the accounts do not balance: {:?}", engine.account());
    }
}
