//! The documents of notices, as readers of the topics get them. `docs/topics.schema.json` is their JSON Schema.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::engine::attributes::Attributes;
use crate::engine::burst::RunReport;
use crate::engine::decision::{Decision, Detail, HoldId, Reason, RunSummary};
use crate::engine::hold::{HoldKind, TagKey};
use crate::engine::names::Name;
use crate::event::{MessageId, Position};
use crate::explain::facts::{Command, InTag, Letter, Pipeline, Step, Why};
use crate::settings::{HoldAction, HoldRule};
use crate::state::DeadLetter;
use crate::state::live::{Notice, StoredPartition};
use crate::time::Second;

/// Schema of a decision.
pub const DECISION: &str = "tidegate.decision/1";
/// Schema of what happened to a burst or a hold.
pub const BURST: &str = "tidegate.burst/1";
/// Schema of a record that cannot be read.
pub const DEAD_LETTER: &str = "tidegate.dead_letter/1";
/// What is passed on of a dead letter's headers, in bytes.
const HEADERS_MAX_BYTES: usize = 64 << 10;

/// What happened to a burst or a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A hold was opened: by a burst, or for single builds that nothing proves new.
    Opened,
    /// Its size has doubled since it was last told.
    Grown,
    /// A group that was suspected is over, and was no burst.
    Resolved,
    /// A burst is over; what it left in its hold waits for a decision.
    Closed,
    /// An operator or the stated rule decided about builds of a hold.
    Decided,
}

impl Event {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Grown => "grown",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Decided => "decided",
        }
    }
}

/// Something that happened to a burst or a hold.
#[derive(Debug, Clone)]
pub(super) struct Burst<'a> {
    pub(super) event: Event,
    pub(super) at: Second,
    pub(super) key: TagKey,
    pub(super) hold: Option<HoldId>,
    pub(super) kind: Option<HoldKind>,
    pub(super) run: Option<&'a RunSummary>,
    pub(super) report: Option<&'a RunReport>,
    pub(super) decided: Option<Decided>,
}

impl Burst<'_> {
    pub(super) fn new(event: Event, at: Second, key: TagKey, hold: Option<HoldId>) -> Self {
        Self { event, at, key, hold, kind: None, run: None, report: None, decided: None }
    }
}

/// Who decided about builds of a hold, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Decided {
    by: &'static str,
    who: Option<String>,
    why: String,
    action: String,
    selection: String,
    builds: u64,
}

impl Decided {
    pub(super) fn by_operator(command: &Command) -> Self {
        Self {
            by: "operator",
            who: Some(command.who.clone()),
            why: command.why.clone(),
            action: command.action.clone(),
            selection: command.selection.clone(),
            builds: command.builds,
        }
    }

    pub(super) fn by_rule(rule: Option<HoldRule>, reason: Reason, builds: u64) -> Self {
        let why = rule.map_or_else(String::new, |HoldRule { after, then }| {
            let then = match then {
                HoldAction::Wait => "wait",
                HoldAction::Drain => "drain",
                HoldAction::Drop => "drop",
            };
            format!("burst.hold_rule: {then} after {after}")
        });
        let dropped = reason == Reason::DroppedByRule;
        let (action, selection) =
            if dropped { ("drop", "all") } else { ("release", "all that is proved new") };
        Self {
            by: "rule",
            who: None,
            why,
            action: action.to_owned(),
            selection: selection.to_owned(),
            builds,
        }
    }
}

#[derive(Serialize)]
struct BurstDocument<'a> {
    schema: &'static str,
    pipeline: &'a Pipeline,
    event: Event,
    at: String,
    instance: &'a str,
    tag: &'a str,
    hold: Option<String>,
    kind: Option<&'static str>,
    /// Builds that are in the hold now.
    held: Option<usize>,
    run: Option<&'a RunSummary>,
    first: Option<String>,
    last: Option<String>,
    attributes: Option<Value>,
    decided: Option<&'a Decided>,
}

#[derive(Serialize)]
struct LetterDocument<'a> {
    schema: &'static str,
    pipeline: &'a Pipeline,
    topic: Option<&'a str>,
    partition: Option<i32>,
    offset: u64,
    code: &'a str,
    explanation: &'a str,
    beginning: String,
    /// Base64.
    bytes: String,
    kafka_millis: Option<i64>,
    /// Name, and value in base64.
    headers: Vec<(&'a str, String)>,
    /// More headers did not fit.
    headers_cut: bool,
}

/// Writes the documents of a batch.
pub(super) struct Writer<'a> {
    engine: &'a Engine,
    partitions: &'a [&'a StoredPartition],
    pipeline: Arc<Pipeline>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(engine: &'a Engine, partitions: &'a [&'a StoredPartition]) -> Self {
        let settings = engine.settings();
        let pipeline = Pipeline { name: settings.name.clone(), hash: settings.hash.clone(), rules: None };
        Self { engine, partitions, pipeline: Arc::new(pipeline) }
    }

    pub(super) fn decision(
        &self,
        decision: &Decision,
        command: Option<&Command>,
        letter: Option<&DeadLetter>,
    ) -> Notice {
        let (topic, partition) = self.place(decision.position).unzip();
        let key = decision
            .detail
            .as_ref()
            .map_or_else(|| self.place_key(decision.position), |detail| detail.event.nvr.name().to_owned());
        let mut document = json!(self.step(decision, command, letter));
        if let Some(members) = document.as_object_mut() {
            // The state's own numbers of rows and partitions mean nothing elsewhere.
            members.remove("id");
            members.insert("schema".to_owned(), json!(DECISION));
            members.insert("topic".to_owned(), json!(topic));
            members.insert("partition".to_owned(), json!(partition));
            if let Some(letter) = members.get_mut("letter").and_then(Value::as_object_mut) {
                letter.remove("partition");
                letter.remove("offset");
            }
        }
        self.notice("decisions", key, DECISION, decision.outcome().word(), document.to_string())
    }

    pub(super) fn burst(&self, burst: &Burst<'_>) -> Notice {
        let (instance, tag) = (self.engine.name(burst.key.instance), self.engine.name(burst.key.tag));
        let held = burst.hold.map(|id| self.engine.holds().get(id).map_or(0, |hold| hold.members.len()));
        let document = json!(BurstDocument {
            schema: BURST,
            pipeline: &self.pipeline,
            event: burst.event,
            at: burst.at.to_string(),
            instance,
            tag,
            hold: burst.hold.map(|id| id.to_string()),
            kind: burst.kind.map(HoldKind::word),
            held,
            run: burst.run,
            first: burst.report.map(|report| report.first.to_string()),
            last: burst.report.map(|report| report.last.to_string()),
            attributes: burst.report.map(|report| self.attributes(&report.attributes)),
            decided: burst.decided.as_ref(),
        });
        self.notice("bursts", format!("{instance}/{tag}"), BURST, burst.event.word(), document.to_string())
    }

    pub(super) fn dead_letter(&self, letter: &DeadLetter) -> Notice {
        let (topic, partition) = self.place(letter.position).unzip();
        let mut room = HEADERS_MAX_BYTES;
        let fitting = letter.headers.iter().map_while(|(name, value)| {
            room = room.checked_sub(name.len() + value.len())?;
            Some((name.as_str(), BASE64_STANDARD.encode(value)))
        });
        let headers: Vec<_> = fitting.collect();
        let shown = Letter::new(letter.position, String::new(), String::new(), &letter.bytes);
        let document = json!(LetterDocument {
            schema: DEAD_LETTER,
            pipeline: &self.pipeline,
            topic,
            partition,
            offset: letter.position.offset,
            code: letter.code,
            explanation: &letter.explanation,
            beginning: shown.beginning,
            bytes: BASE64_STANDARD.encode(&letter.bytes),
            kafka_millis: letter.kafka_millis,
            headers_cut: headers.len() < letter.headers.len(),
            headers,
        });
        self.notice(
            "dead_letters",
            self.place_key(letter.position),
            DEAD_LETTER,
            letter.code,
            document.to_string(),
        )
    }

    fn notice(&self, output: &str, key: String, schema: &str, kind: &str, data: String) -> Notice {
        let headers = [
            ("tidegate-schema", schema),
            ("tidegate-pipeline", &self.pipeline.name),
            ("tidegate-kind", kind),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Notice { output: output.to_owned(), key, headers, data }
    }

    /// The topic, and the partition's number in it; `None` where the record was none of a topic.
    fn place(&self, position: Position) -> Option<(&'a str, i32)> {
        let stored = self.partitions.iter().find(|stored| stored.number == position.partition)?;
        Some((&stored.topic, stored.partition))
    }

    /// What comes from one partition stays in its order.
    fn place_key(&self, position: Position) -> String {
        self.place(position)
            .map_or_else(|| "again".to_owned(), |(topic, partition)| format!("{topic}-{partition}"))
    }

    /// The decision as `history` tells it.
    fn step(&self, decision: &Decision, command: Option<&Command>, letter: Option<&DeadLetter>) -> Step {
        let detail = decision.detail.as_deref();
        let event = detail.map(|detail| &detail.event);
        // What was not eligible was judged by its name alone.
        let judged = detail.filter(|_| decision.reason != Reason::NotEligible);
        let hold = detail.and_then(|detail| detail.hold).or(decision.burst);
        Step {
            id: 0,
            position: decision.position,
            message_id: (decision.id != MessageId::None).then(|| decision.id.to_string()),
            build_id: event.map(|event| event.build.id),
            instance: event.map(|event| self.engine.name(event.build.instance).to_owned()),
            nvr: event.map(|event| event.nvr.as_str().to_owned()),
            tag: event.map(|event| self.engine.name(event.tag).to_owned()),
            outcome: decision.outcome().word().to_owned(),
            reason: decision.code.unwrap_or_else(|| decision.reason.word()).to_owned(),
            hold: hold.map(|hold| hold.to_string()),
            event_time: decision.event_time,
            decided_at: decision.decided_at,
            pipeline: Arc::clone(&self.pipeline),
            why: judged.map(|detail| self.why(detail)),
            command: command.cloned(),
            letter: letter.map(|DeadLetter { position, code, explanation, bytes, .. }| {
                Letter::new(*position, (*code).to_owned(), explanation.clone(), bytes)
            }),
        }
    }

    fn why(&self, detail: &Detail) -> Why {
        let Detail { event, evidence, run, .. } = detail;
        let in_tag = |seen: Option<(Name, Second)>| {
            seen.map(|(tag, at)| InTag { tag: self.engine.name(tag).to_owned(), at })
        };
        Why {
            actor: self.engine.name(event.actor).to_owned(),
            effective_at: event.effective,
            time: event.mark,
            late: event.late,
            known: in_tag(evidence.known),
            completed_at: evidence.completed,
            trail: in_tag(evidence.trail),
            trail_in_burst: in_tag(evidence.burst_trail),
            koji_completed_at: evidence.koji,
            rebuild_tag: evidence.rebuild.map(|tag| self.engine.name(tag).to_owned()),
            run: run.clone(),
        }
    }

    fn attributes(&self, attributes: &Attributes) -> Value {
        let actors: Vec<_> = attributes
            .actors
            .iter()
            .map(|(actor, events)| json!({"actor": self.engine.name(*actor), "events": events}))
            .collect();
        json!({
            "actors": actors,
            "other_actors": attributes.other_actors,
            "old_dist": attributes.old_dist,
            "ascending_ids": attributes.ascending_ids,
            "ascending_names": attributes.ascending_names,
            "neighbours": attributes.neighbours,
            "package_list_changes": attributes.package_list_changes,
        })
    }
}
