//! Writes one batch in one transaction.

use rusqlite::{Transaction, params};
use serde::Serialize;

use super::find::Prints;
use super::live::{LiveBatch, write_live};
use super::{DEAD_LETTER_MAX_BYTES, DEAD_LETTERS_MAX, State, StateError};
use super::{outbox, trace};
use crate::engine::Engine;
use crate::engine::decision::{Decision, Detail, Reason, RunSummary, TimeMark};
use crate::engine::event::TagEvent;
use crate::engine::hold::HoldChange;
use crate::engine::journal::Facts;
use crate::engine::names::Name;
use crate::engine::save::{Changes, Lists};
use crate::event::{MessageId, Position, Record, Unreadable};
use crate::time::Second;

/// Facts are gathered into a snapshot when more than this was appended, and more than the last snapshot held.
const SNAPSHOT_AFTER_BYTES: u64 = 32 << 20;
/// Facts of one row of a snapshot.
const SNAPSHOT_ROW_FACTS: usize = 50_000;

/// What is written beside the engine's own changes.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// Decisions since the last batch.
    pub decisions: &'a [Decision],
    /// Records since the last batch that cannot be read.
    pub dead_letters: &'a [DeadLetter],
    /// How far each source was read.
    pub sources: &'a [SourceProgress],
    /// Values for the `meta` table.
    pub meta: &'a [(&'a str, String)],
    /// What a running pipeline writes.
    pub live: Option<&'a LiveBatch>,
}

/// A record that cannot be read, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stood.
    pub position: Position,
    /// The code of what is wrong.
    pub code: &'static str,
    /// What is wrong, for people.
    pub explanation: String,
    /// Its first bytes, at most [`DEAD_LETTER_MAX_BYTES`].
    pub bytes: Vec<u8>,
    /// Kafka's time of it, in milliseconds since 1970.
    pub kafka_millis: Option<i64>,
    /// Its headers in Kafka.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl DeadLetter {
    /// What is kept of a record that cannot be read.
    pub fn of(record: &Record<'_>, unreadable: &Unreadable) -> Self {
        Self {
            position: record.position,
            code: unreadable.code,
            explanation: unreadable.explanation.clone(),
            bytes: record.value.get(..DEAD_LETTER_MAX_BYTES).unwrap_or(record.value).to_vec(),
            kafka_millis: record.kafka_millis,
            headers: record.headers.to_vec(),
        }
    }
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProgress {
    /// The file, as it was named.
    pub name: String,
    /// A fingerprint of its beginning.
    pub head: String,
    /// The number of its first line in the whole of what was read.
    pub first_line: u64,
    /// Lines read of it.
    pub lines: u64,
}

/// How far the writing of a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The engine's own changes are written.
    Engine,
    /// All is written.
    All,
}

impl State {
    /// Writes all that changed since the last batch, in one transaction.
    ///
    /// # Errors
    /// Where the file cannot be written; then nothing of the batch was.
    pub fn commit(&mut self, engine: &mut Engine, batch: &Batch<'_>) -> Result<(), StateError> {
        self.commit_watched(engine, batch, |_| ())
    }

    /// The same; `watch` is told how far it is, before anything is committed.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn commit_watched(
        &mut self,
        engine: &mut Engine,
        batch: &Batch<'_>,
        mut watch: impl FnMut(Stage),
    ) -> Result<(), StateError> {
        let changes = engine.take_changes(self.names_written);
        let names_written = changes.names.0 + changes.names.1.len();
        let transaction = self.db.transaction()?;
        let before = outbox::newest(&transaction)?;
        write_engine(&transaction, engine, &changes)?;
        watch(Stage::Engine);
        let appended = write_facts(&transaction, &changes.facts, false)?;
        let pipeline = trace::pipeline_id(&transaction, engine)?;
        write_decisions(&transaction, engine, pipeline, batch.decisions)?;
        write_dead_letters(&transaction, batch.dead_letters)?;
        for source in batch.sources {
            let put = "INSERT OR REPLACE INTO source VALUES (?1, ?2, ?3, ?4)";
            let (first, lines) = (int(source.first_line), int(source.lines));
            transaction.prepare_cached(put)?.execute(params![source.name, source.head, first, lines])?;
        }
        for (key, value) in batch.meta {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
                .execute(params![key, value])?;
        }
        if let Some(live) = batch.live {
            write_live(&transaction, live, before)?;
        }
        let serial =
            "INSERT INTO meta VALUES ('serial', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1";
        if batch.live.is_none_or(|live| live.recognised) {
            transaction.prepare_cached(serial)?.execute([])?;
        }
        let mut fact_bytes = (self.fact_bytes.0 + appended, self.fact_bytes.1);
        if fact_bytes.0 > SNAPSHOT_AFTER_BYTES.max(fact_bytes.1) {
            transaction.execute("DELETE FROM fact", [])?;
            fact_bytes = (0, write_facts(&transaction, &engine.knowledge().all_facts(), true)?);
        }
        watch(Stage::All);
        transaction.commit()?;
        (self.names_written, self.fact_bytes) = (names_written, fact_bytes);
        Ok(())
    }
}

fn write_engine(db: &Transaction<'_>, engine: &Engine, changes: &Changes) -> Result<(), StateError> {
    let machine = json("the machine", &engine.machine())?;
    db.prepare_cached("INSERT OR REPLACE INTO machine VALUES (1, ?1)")?.execute(params![machine])?;
    for (id, text) in (changes.names.0..).zip(&changes.names.1) {
        db.prepare_cached("INSERT INTO name VALUES (?1, ?2)")?.execute(params![int(id as u64), text])?;
    }
    for (key, counter) in &changes.counters {
        let (instance, tag) = (key.instance.0, key.tag.0);
        if let Some(counter) = counter {
            let put = "INSERT OR REPLACE INTO counter VALUES (?1, ?2, ?3, ?4)";
            db.prepare_cached(put)?.execute(params![
                instance,
                tag,
                key.untag,
                packed("a counter", counter)?
            ])?;
        } else {
            let forget = "DELETE FROM counter WHERE instance = ?1 AND tag = ?2 AND untag = ?3";
            db.prepare_cached(forget)?.execute(params![instance, tag, key.untag])?;
        }
    }
    for (event, _) in &changes.admitted {
        write_admitted(db, engine, event)?;
    }
    write_ignored(db, engine, changes)?;
    if let Some(lists) = &changes.lists {
        write_lists(db, lists)?;
    }
    trace::write_commands(db, &changes.commands)?;
    write_holds(db, engine, &changes.holds)
}

fn write_admitted(db: &Transaction<'_>, engine: &Engine, event: &TagEvent) -> Result<(), StateError> {
    let put =
        "INSERT INTO submission (partition, offset, build_id, package, nvr, tag, tagged_at, instance, state)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'admitted')";
    let Position { partition, offset } = event.position;
    let tag = engine.name(event.tag);
    let row = params![
        partition,
        int(offset),
        int(event.build.id),
        event.nvr.name(),
        event.nvr.as_str(),
        tag,
        event.effective.0,
        event.build.instance.0
    ];
    db.prepare_cached(put)?.execute(row)?;
    Ok(())
}

fn write_ignored(db: &Transaction<'_>, engine: &Engine, changes: &Changes) -> Result<(), StateError> {
    let (anew, events) = &changes.ignored;
    if *anew {
        db.execute("DELETE FROM ignored", [])?;
    }
    if let Some((last_at, _)) = events.last() {
        let put = "INSERT INTO ignored (last_at, events, data) VALUES (?1, ?2, ?3)";
        let data = packed("ignored events", events)?;
        db.prepare_cached(put)?.execute(params![last_at.0, int(events.len() as u64), data])?;
        let since = engine.now() - engine.settings().dedupe.ignored;
        db.prepare_cached("DELETE FROM ignored WHERE last_at < ?1")?.execute(params![since.0])?;
    }
    Ok(())
}

fn write_lists(db: &Transaction<'_>, lists: &Lists) -> Result<(), StateError> {
    db.execute("DELETE FROM package_list", [])?;
    for (slot, list) in [("in force", &lists.0), ("proposed", &lists.1)] {
        if let Some(list) = list {
            let names: Vec<&str> = list.names.iter().map(String::as_str).collect();
            let put = "INSERT INTO package_list VALUES (?1, ?2, ?3)";
            db.prepare_cached(put)?.execute(params![slot, list.version, names.join("\n")])?;
        }
    }
    Ok(())
}

fn write_holds(db: &Transaction<'_>, engine: &Engine, changes: &[HoldChange]) -> Result<(), StateError> {
    for change in changes {
        let id = match change {
            HoldChange::Header(id) => *id,
            HoldChange::Put(id, held) => {
                let put = "INSERT OR REPLACE INTO held VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                let Position { partition, offset } = held.event.position;
                let (nvr, reason, at) =
                    (held.event.nvr.as_str(), held.reason.word(), held.held_at.to_string());
                let (build, data) = (int(held.event.build.id), json("a held event", held)?);
                let row = params![id.0, partition, int(offset), build, nvr, reason, at, data];
                db.prepare_cached(put)?.execute(row)?;
                *id
            }
            HoldChange::Took(id, position) => {
                let take = "DELETE FROM held WHERE hold = ?1 AND partition = ?2 AND offset = ?3";
                db.prepare_cached(take)?.execute(params![id.0, position.partition, int(position.offset)])?;
                *id
            }
            HoldChange::Closed(id) => {
                db.prepare_cached("DELETE FROM hold WHERE id = ?1")?.execute(params![id.0])?;
                continue;
            }
        };
        if let Some(hold) = engine.holds().get(id) {
            let put = "INSERT OR REPLACE INTO hold VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let (instance, tag) = (engine.name(hold.key.instance), engine.name(hold.key.tag));
            let (kind, at) = (hold.kind.word(), hold.opened_at.to_string());
            let data = json("a hold", &(hold.key, hold.kind, hold.opened_at))?;
            let row = params![id.0, instance, tag, kind, at, hold.version, hold.ruled, data];
            db.prepare_cached(put)?.execute(row)?;
        }
    }
    Ok(())
}

fn write_facts(db: &Transaction<'_>, facts: &Facts, snapshot: bool) -> Result<u64, StateError> {
    Ok(write_kind(db, "seen", &facts.seen, snapshot)? + write_kind(db, "trail", &facts.trail, snapshot)?)
}

fn write_kind<T: Serialize>(
    db: &Transaction<'_>,
    kind: &str,
    facts: &[T],
    snapshot: bool,
) -> Result<u64, StateError> {
    let mut bytes = 0;
    for row in facts.chunks(SNAPSHOT_ROW_FACTS) {
        let data = packed("facts", row)?;
        bytes += data.len() as u64;
        let put = "INSERT INTO fact (kind, facts, snapshot, data) VALUES (?1, ?2, ?3, ?4)";
        db.prepare_cached(put)?.execute(params![kind, int(row.len() as u64), snapshot, data])?;
    }
    Ok(bytes)
}

/// Writes the decisions that somebody may ask about; what concerns other tags and topics is only counted.
fn write_decisions(
    db: &Transaction<'_>,
    engine: &Engine,
    pipeline: i64,
    decisions: &[Decision],
) -> Result<(), StateError> {
    let put = "INSERT INTO decision (partition, offset, message_id, build_id, nvr, tag, outcome, reason, hold, event_time,
               decided_at, pipeline, why, instance, command)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    let mut put = db.prepare_cached(put)?;
    let mut prints = Prints::default();
    let told = decisions.iter().filter(|decision| decision.detail.is_some() || decision.code.is_some());
    for decision in told {
        let id = (decision.id != MessageId::None).then(|| decision.id.to_string());
        let detail = decision.detail.as_deref();
        let event = detail.map(|detail| &detail.event);
        // What was not eligible was judged by its name alone.
        let judged = detail.filter(|_| decision.reason != Reason::NotEligible);
        put.execute(params![
            decision.position.partition,
            int(decision.position.offset),
            id,
            event.map(|event| int(event.build.id)),
            event.map(|event| event.nvr.as_str()),
            event.map(|event| engine.name(event.tag)),
            decision.outcome().word(),
            decision.code.unwrap_or_else(|| decision.reason.word()),
            detail.and_then(|detail| detail.hold).or(decision.burst).map(|hold| hold.0),
            decision.event_time.map(|at| at.0),
            decision.decided_at.map(|at| at.0),
            pipeline,
            judged.map(|detail| json("a decision", &Why::new(engine, detail))).transpose()?,
            event.map(|event| event.build.instance.0),
            detail.and_then(|detail| detail.command),
        ])?;
        let names = event.map(|event| (event.nvr.as_str(), event.nvr.name()));
        prints.push(event.map(|event| event.build.id), names, id.as_deref());
    }
    trace::write_prints(db, &prints)
}

/// What explains a decision, with names as texts.
#[derive(Serialize)]
struct Why<'a> {
    actor: &'a str,
    effective_at: Second,
    #[serde(skip_serializing_if = "is_sent")]
    time: TimeMark,
    #[serde(skip_serializing_if = "is_false")]
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<(&'a str, Second)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Second>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trail: Option<(&'a str, Second)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trail_in_burst: Option<(&'a str, Second)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    koji_completed_at: Option<Second>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuild_tag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a RunSummary>,
}

impl<'a> Why<'a> {
    fn new(engine: &'a Engine, detail: &'a Detail) -> Self {
        let Detail { event, evidence, run, .. } = detail;
        let named = |seen: Option<(Name, Second)>| seen.map(|(tag, at)| (engine.name(tag), at));
        Self {
            actor: engine.name(event.actor),
            effective_at: event.effective,
            time: event.mark,
            late: event.late,
            known: named(evidence.known),
            completed_at: evidence.completed,
            trail: named(evidence.trail),
            trail_in_burst: named(evidence.burst_trail),
            koji_completed_at: evidence.koji,
            rebuild_tag: evidence.rebuild.map(|tag| engine.name(tag)),
            run: run.as_ref(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for references")]
fn is_sent(mark: &TimeMark) -> bool {
    *mark == TimeMark::Sent
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for references")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn write_dead_letters(db: &Transaction<'_>, letters: &[DeadLetter]) -> Result<(), StateError> {
    for letter in letters {
        let put =
            "INSERT INTO dead_letter (partition, offset, code, explanation, bytes, kafka_millis, headers)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let headers = (!letter.headers.is_empty()).then(|| packed("headers", &letter.headers)).transpose()?;
        let Position { partition, offset } = letter.position;
        let bytes = letter.bytes.get(..DEAD_LETTER_MAX_BYTES).unwrap_or(&letter.bytes);
        db.prepare_cached(put)?.execute(params![
            partition,
            int(offset),
            letter.code,
            letter.explanation,
            bytes,
            letter.kafka_millis,
            headers
        ])?;
    }
    if !letters.is_empty() {
        let bound = "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?1";
        db.prepare_cached(bound)?.execute(params![DEAD_LETTERS_MAX])?;
    }
    Ok(())
}

/// SQLite's integers are signed; offsets and build ids lie below 2^63.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn json(what: &'static str, value: &impl Serialize) -> Result<String, StateError> {
    serde_json::to_string(value).map_err(|error| StateError::Damaged { what, detail: error.to_string() })
}

/// What nobody reads but Tidegate, in few bytes.
pub(super) fn packed(what: &'static str, value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, StateError> {
    postcard::to_stdvec(value).map_err(|error| StateError::Damaged { what, detail: error.to_string() })
}
