//! What a running pipeline keeps beside the engine: how far each partition of Kafka was read, pauses, what operators did,
//! what is to be announced, and what went to the sink.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::outbox::{Admission, write_admissions, write_kept, write_rows};
use super::write::{int, json};
use super::{State, StateError};
use crate::kafka::handover::LastRead;
use crate::live::pause::{Kind, Pause};
use crate::submit::Kept;
use crate::submit::row::Row;
use crate::time::Second;

/// A partition of Kafka, by the number that positions name it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPartition {
    /// Its number: given at its first assignment, and kept for ever.
    pub number: u32,
    /// The topic.
    pub topic: String,
    /// The partition's number in the topic.
    pub partition: i32,
    /// Offset of the next record to be read.
    pub next: u64,
    /// The last record that was read, where one was.
    pub last: Option<LastRead>,
}

/// Something that an operator did, beside deciding about holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When, by the clock of the machine.
    pub at: Second,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// What: `pause intake`, `resume submission`, `adopt` and the like.
    pub what: String,
}

/// Something to be announced on a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which of the outputs: `decisions`, `bursts` or `dead_letters`.
    pub output: String,
    /// Records of one key stay in order.
    pub key: String,
    /// Headers, name and value.
    pub headers: Vec<(String, String)>,
    /// The document, JSON.
    pub data: String,
}

/// A dead letter that somebody attended to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandledLetter {
    /// Its number.
    pub letter: u64,
    /// `retried` or `discarded`.
    pub status: &'static str,
    /// Who did, when and why.
    pub act: Act,
}

/// The last decision of an operator about a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCommand {
    /// Who.
    pub who: String,
    /// When, by event time; `None`: in the batch under way.
    pub at: Option<Second>,
    /// `release` or `drop`.
    pub action: String,
    /// Why.
    pub why: String,
}

/// A dead letter as it is kept, for judging it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// The number of its partition, and its offset.
    pub position: crate::event::Position,
    /// Kafka's time of it.
    pub kafka_millis: Option<i64>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// `kept`, `retried` or `discarded`.
    pub status: String,
    /// Who attended to it, and when.
    pub handled: Option<(String, Second)>,
}

/// What a running pipeline writes in one batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LiveBatch {
    /// Partitions that were read further, or are new.
    pub partitions: Vec<StoredPartition>,
    /// The pauses in force, if they changed.
    pub pauses: Option<Vec<Pause>>,
    /// What operators did.
    pub acts: Vec<Act>,
    /// What is to be announced.
    pub notices: Vec<Notice>,
    /// Notices up to this number were confirmed: they go.
    pub announced: Option<u64>,
    /// Dead letters that were attended to.
    pub handled: Vec<HandledLetter>,
    /// The state is known to be the one that goes on, or an old copy of it. Before, its batches are not counted: an old
    /// copy could catch up with what was committed, and pass for the other.
    pub recognised: bool,
    /// All that is admitted went to the sink, at this time of the machine's clock.
    pub sent_at: Option<Second>,
    /// What is known of the builds that this batch admits.
    pub admissions: Vec<Admission>,
    /// Rows of the outbox that changed.
    pub rows: Vec<Row>,
    /// What the submitter keeps beside them, if it changed.
    pub kept: Option<Kept>,
    /// The machine's clock, for rows that end.
    pub now: Second,
}

impl State {
    /// Batches written so far.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn serial(&self) -> Result<u64, StateError> {
        Ok(self.meta("serial")?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// The partitions that were ever read, by their numbers.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn partitions(&self) -> Result<Vec<StoredPartition>, StateError> {
        let find =
            "SELECT number, topic, partition, next, last_offset, last_millis FROM partition ORDER BY number";
        self.rows(find, |row| {
            let offset: Option<i64> = row.get(4)?;
            let last = offset.zip(row.get(5)?);
            Ok(StoredPartition {
                number: row.get(0)?,
                topic: row.get(1)?,
                partition: row.get(2)?,
                next: row.get::<_, i64>(3)?.unsigned_abs(),
                last: last
                    .map(|(offset, kafka_millis)| LastRead { offset: offset.unsigned_abs(), kafka_millis }),
            })
        })
    }

    /// The pauses in force.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn pauses(&self) -> Result<Vec<Pause>, StateError> {
        let rows = self.rows("SELECT kind, who, why, since, until FROM pause ORDER BY since", |row| {
            let kind: String = row.get(0)?;
            let kind = Kind::ALL.into_iter().find(|known| known.word() == kind);
            let (since, until) = (Second(row.get(3)?), row.get::<_, Option<i64>>(4)?.map(Second));
            Ok(kind.map(|kind| (kind, row.get(1), row.get(2), since, until)))
        })?;
        let pause = |(kind, who, why, since, until)| -> Result<Pause, rusqlite::Error> {
            Ok(Pause { kind, who: who?, why: why?, since, until })
        };
        Ok(rows.into_iter().flatten().map(pause).collect::<Result<_, _>>()?)
    }

    /// Notices after `after` that are not confirmed, the oldest first, at most `most`.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn notices(&self, after: u64, most: u32) -> Result<Vec<(u64, Notice)>, StateError> {
        let find = "SELECT id, output, key, headers, data FROM notice WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = self.db.prepare_cached(find)?;
        let rows = statement.query_map(params![int(after), most], |row| {
            let (id, headers): (i64, String) = (row.get(0)?, row.get(3)?);
            Ok((id.unsigned_abs(), row.get(1)?, row.get(2)?, headers, row.get(4)?))
        })?;
        rows.map(|row| {
            let (id, output, key, headers, data) = row?;
            let headers = super::load::parse("headers of a notice", &headers)?;
            Ok((id, Notice { output, key, headers, data }))
        })
        .collect()
    }

    /// A dead letter; `None`: there is none of that number.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn letter(&self, letter: u64) -> Result<Option<KeptLetter>, StateError> {
        let find = "SELECT partition, offset, kafka_millis, headers, bytes, status, handled_by, handled_at
                    FROM dead_letter WHERE id = ?1";
        let row = self.db.query_row(find, params![int(letter)], |row| {
            let offset: i64 = row.get(1)?;
            let headers: Option<Vec<u8>> = row.get(3)?;
            let by: Option<String> = row.get(6)?;
            let at = row.get::<_, Option<i64>>(7)?.map(Second);
            let kept = KeptLetter {
                position: crate::event::Position { partition: row.get(0)?, offset: offset.unsigned_abs() },
                kafka_millis: row.get(2)?,
                headers: Vec::new(),
                bytes: row.get(4)?,
                status: row.get(5)?,
                handled: by.zip(at),
            };
            Ok((kept, headers))
        });
        let Some((kept, headers)) = row.optional()? else { return Ok(None) };
        let headers =
            headers.map(|data| super::load::unpack("headers of a dead letter", &data)).transpose()?;
        Ok(Some(KeptLetter { headers: headers.unwrap_or_default(), ..kept }))
    }

    /// The last decision of an operator about a hold: who, when by event time, what (`release` or `drop`), and why.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn last_command(&self, hold: u32) -> Result<Option<LastCommand>, StateError> {
        let find = "SELECT who, at, action, why FROM command WHERE hold = ?1 ORDER BY id DESC LIMIT 1";
        let row = self.db.query_row(find, params![hold], |row| {
            let at = Second(row.get(1)?);
            Ok(LastCommand { who: row.get(0)?, at: Some(at), action: row.get(2)?, why: row.get(3)? })
        });
        Ok(row.optional()?)
    }

    /// Counts of admitted builds that wait for the sink, of those that went there, and of dead letters that wait for
    /// attention.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn tallies(&self) -> Result<(u64, u64, u64), StateError> {
        let count = |what: &str| -> Result<u64, StateError> {
            let count: i64 = self.db.query_row(what, [], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        };
        Ok((
            count("SELECT count(*) FROM submission WHERE state = 'admitted'")?,
            count("SELECT count(*) FROM submission WHERE state <> 'admitted'")?,
            count("SELECT count(*) FROM dead_letter WHERE status = 'kept'")?,
        ))
    }
}

/// `before`: the newest row of `submission` before the batch.
pub(super) fn write_live(db: &Transaction<'_>, batch: &LiveBatch, before: i64) -> Result<(), StateError> {
    for stored in &batch.partitions {
        let put = "INSERT INTO partition VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (number) DO UPDATE
                   SET topic = excluded.topic, next = excluded.next, last_offset = excluded.last_offset, last_millis = excluded.last_millis";
        let StoredPartition { number, topic, partition, next, last } = stored;
        let last = last.map(|last| (int(last.offset), last.kafka_millis)).unzip();
        db.prepare_cached(put)?.execute(params![number, topic, partition, int(*next), last.0, last.1])?;
    }
    if let Some(pauses) = &batch.pauses {
        db.execute("DELETE FROM pause", [])?;
        for Pause { kind, who, why, since, until } in pauses {
            let put = "INSERT INTO pause VALUES (?1, ?2, ?3, ?4, ?5)";
            let until = until.map(|until| until.0);
            db.prepare_cached(put)?.execute(params![kind.word(), who, why, since.0, until])?;
        }
    }
    for Act { at, who, why, what } in &batch.acts {
        let put = "INSERT INTO act (at, who, why, what) VALUES (?1, ?2, ?3, ?4)";
        db.prepare_cached(put)?.execute(params![at.0, who, why, what])?;
    }
    for Notice { output, key, headers, data } in &batch.notices {
        let put = "INSERT INTO notice (output, key, headers, data) VALUES (?1, ?2, ?3, ?4)";
        let headers = json("headers of a notice", headers)?;
        db.prepare_cached(put)?.execute(params![output, key, headers, data])?;
    }
    if let Some(announced) = batch.announced {
        db.prepare_cached("DELETE FROM notice WHERE id <= ?1")?.execute(params![int(announced)])?;
    }
    for HandledLetter { letter, status, act } in &batch.handled {
        let put = "UPDATE dead_letter SET status = ?2, handled_at = ?3, handled_by = ?4, handled_why = ?5 WHERE id = ?1";
        db.prepare_cached(put)?.execute(params![int(*letter), status, act.at.0, act.who, act.why])?;
    }
    if let Some(at) = batch.sent_at {
        let put = "UPDATE submission SET state = 'submitted', sent_at = ?1 WHERE state = 'admitted'";
        db.prepare_cached(put)?.execute(params![at.0])?;
    }
    write_admissions(db, before, &batch.admissions)?;
    write_rows(db, &batch.rows, batch.now)?;
    batch.kept.as_ref().map_or(Ok(()), |kept| write_kept(db, kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::settings::Settings;
    use crate::state::Batch;

    fn stored(number: u32, next: u64, last: Option<LastRead>) -> StoredPartition {
        StoredPartition { number, topic: "fedora".to_owned(), partition: 2, next, last }
    }

    #[test]
    fn what_a_running_pipeline_writes_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(&folder.path().join("a.db"), false).unwrap();
        let mut engine = Engine::new(Settings::defaults("f42"), [0]).unwrap();
        engine.start_journal();
        let pause = Pause {
            kind: Kind::Intake,
            who: "ana".into(),
            why: "branching".into(),
            since: Second(5),
            until: None,
        };
        let notice = |data: &str| Notice {
            output: "bursts".into(),
            key: "primary/f42".into(),
            headers: vec![("a".into(), "b".into())],
            data: data.into(),
        };
        let mut live = LiveBatch {
            partitions: vec![stored(0, 0, None)],
            pauses: Some(vec![pause.clone()]),
            recognised: true,
            notices: vec![notice("1"), notice("2")],
            ..LiveBatch::default()
        };
        let mut write = |state: &mut State, live: &LiveBatch| {
            state.commit(&mut engine, &Batch { live: Some(live), ..Batch::default() }).unwrap();
        };
        write(&mut state, &live);
        assert_eq!(
            (state.partitions().unwrap(), state.pauses().unwrap()),
            (live.partitions.clone(), vec![pause])
        );
        assert_eq!(state.notices(0, 9).unwrap(), [(1, notice("1")), (2, notice("2"))]);
        let last = Some(LastRead { offset: 6, kafka_millis: 70 });
        live = LiveBatch {
            partitions: vec![stored(0, 7, last)],
            pauses: Some(Vec::new()),
            announced: Some(1),
            recognised: false,
            ..LiveBatch::default()
        };
        write(&mut state, &live);
        assert_eq!(state.partitions().unwrap(), live.partitions);
        assert!(state.pauses().unwrap().is_empty());
        assert_eq!(state.notices(0, 9).unwrap(), [(2, notice("2"))]);
        assert_eq!(state.serial().unwrap(), 1, "a batch of before the recognition is not counted");
    }
}
