//! The outbox: how far each admitted build is on its way to a result, in the rows of `submission`.
//!
//! A build is admitted by the engine's own batch; the batch after it has its row, as the submitter plans it. What a row says is
//! written with everything else of its batch, so before the call that it tells of is sent (invariant I13).

use rusqlite::{Row as SqlRow, Transaction, params};

use super::write::{int, json};
use super::{State, StateError, load};
use crate::engine::decision::{BuildKey, HoldId};
use crate::engine::names::Name;
use crate::event::Position;
use crate::governor::lanes::Lane;
use crate::submit::Kept;
use crate::submit::row::{Row, RowId};
use crate::submit::stage::{End, Stage};
use crate::time::Second;

/// Key of what the submitter keeps beside its rows.
const SUBMITTER: &str = "submitter";

/// What the decision about an admitted build tells of how it is to be submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The record that it was decided by.
    pub position: Position,
    /// Whether it came out of a hold.
    pub lane: Lane,
    /// The hold that it came out of.
    pub hold: Option<HoldId>,
}

/// An admitted build that the submitter does not know yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplanned {
    /// The number of its row.
    pub id: RowId,
    /// The build; `None`: a version of Tidegate without an outbox admitted it, and did not write of which instance it is.
    pub build: Option<BuildKey>,
    /// Its number at the hub.
    pub build_id: u64,
    /// Its package, as it is called upstream.
    pub package: String,
    /// Name, version and release.
    pub nvr: String,
    /// The tag that it came into.
    pub tag: String,
    /// When, in effective time.
    pub tagged_at: Second,
    /// The record that it was decided by.
    pub position: Position,
    /// As what it was admitted.
    pub lane: Lane,
    /// The hold that it came out of.
    pub hold: Option<HoldId>,
}

/// What the submitter has to go on from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    /// Rows that have not ended, and the ended ones of holds that others came out of.
    pub rows: Vec<Row>,
    /// What it keeps beside them.
    pub kept: Kept,
}

impl State {
    /// The outbox as it was written last.
    ///
    /// # Errors
    /// Where the file cannot be read, or holds something else.
    pub fn outbox(&self) -> Result<Outbox, StateError> {
        let find = "SELECT data FROM submission WHERE data IS NOT NULL AND (ended_at IS NULL OR hold IN
                    (SELECT hold FROM submission WHERE data IS NOT NULL AND ended_at IS NULL)) ORDER BY id";
        let texts: Vec<String> = self.rows(find, |row| row.get(0))?;
        let rows = texts
            .iter()
            .map(|text| load::parse("a row of the outbox", text))
            .collect::<Result<_, StateError>>()?;
        let kept = match self.meta(SUBMITTER)? {
            Some(text) => load::parse("what the submitter keeps", &text)?,
            None => Kept::default(),
        };
        Ok(Outbox { rows, kept })
    }

    /// Admitted builds that the submitter does not know yet, behind a row, in the order of their admission, at most `most`.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn unplanned(&self, after: RowId, most: u32) -> Result<Vec<Unplanned>, StateError> {
        let find = "SELECT id, build_id, package, nvr, tag, tagged_at, partition, offset, instance, lane, hold
                    FROM submission WHERE state = 'admitted' AND data IS NULL AND id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = self.db.prepare_cached(find)?;
        let rows = statement.query_map(params![int(after.0), most], unplanned)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn unplanned(row: &SqlRow<'_>) -> rusqlite::Result<Unplanned> {
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let build_id = number(1)?;
    let instance: Option<u32> = row.get(8)?;
    let lane: Option<String> = row.get(9)?;
    Ok(Unplanned {
        id: RowId(number(0)?),
        build: instance.map(|instance| BuildKey { instance: Name(instance), id: build_id }),
        build_id,
        package: row.get(2)?,
        nvr: row.get(3)?,
        tag: row.get(4)?,
        tagged_at: Second(row.get(5)?),
        position: Position { partition: row.get(6)?, offset: number(7)? },
        lane: if lane.as_deref() == Some("drained") { Lane::Drained } else { Lane::Fresh },
        hold: row.get::<_, Option<u32>>(10)?.map(HoldId),
    })
}

/// Writes what is known of the builds that this batch admits; it inserted their rows behind `before`.
pub(super) fn write_admissions(
    db: &Transaction<'_>,
    before: i64,
    admissions: &[Admission],
) -> Result<(), StateError> {
    let put = "UPDATE submission SET lane = ?4, hold = ?5 WHERE id > ?1 AND partition = ?2 AND offset = ?3";
    for Admission { position, lane, hold } in admissions {
        let lane = match lane {
            Lane::Fresh => "fresh",
            Lane::Drained => "drained",
        };
        let Position { partition, offset } = position;
        db.prepare_cached(put)?.execute(params![
            before,
            partition,
            int(*offset),
            lane,
            hold.map(|hold| hold.0)
        ])?;
    }
    Ok(())
}

/// The number of the newest row; 0: there is none.
pub(super) fn newest(db: &Transaction<'_>) -> Result<i64, StateError> {
    Ok(db.query_row("SELECT coalesce(max(id), 0) FROM submission", [], |row| row.get(0))?)
}

/// Writes how rows are now.
pub(super) fn write_rows(db: &Transaction<'_>, rows: &[Row], now: Second) -> Result<(), StateError> {
    let put = "UPDATE submission SET state = ?2, attempt = ?3, task = ?4, data = ?5,
               sent_at = CASE WHEN ?6 THEN coalesce(sent_at, ?7) ELSE sent_at END,
               ended_at = CASE WHEN ?8 THEN ?7 END WHERE id = ?1";
    for row in rows {
        let (stage, task) = (row.stage(), row.stage().task().map(|task| int(task.0)));
        let is_sent = matches!(stage, Stage::Intent(_));
        let is_ended = matches!(stage, Stage::Ended(_));
        let data = json("a row of the outbox", row)?;
        let values =
            params![int(row.id().0), word(stage), row.attempt(), task, data, is_sent, now.0, is_ended];
        db.prepare_cached(put)?.execute(values)?;
    }
    Ok(())
}

/// Writes what the submitter keeps beside its rows.
pub(super) fn write_kept(db: &Transaction<'_>, kept: &Kept) -> Result<(), StateError> {
    let put = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)";
    db.prepare_cached(put)?.execute(params![SUBMITTER, json("what the submitter keeps", kept)?])?;
    Ok(())
}

/// What the column `state` says of a row.
pub fn word(stage: &Stage) -> &'static str {
    match stage {
        Stage::Planned { .. } => "admitted",
        Stage::Intent(_) => "intent",
        Stage::InDoubt { .. } => "in_doubt",
        Stage::Accepted { .. } => "accepted",
        Stage::Building { .. } => "building",
        Stage::Ended(end) => match end {
            End::Built { .. } => "built",
            End::Failed { .. } => "failed",
            End::Refused { .. } => "refused",
            End::Canceled => "canceled",
            End::Taken => "taken",
            End::NotTagged { .. } => "not_tagged",
            End::AlreadyBuilt { .. } => "already_built",
            End::Denied { .. } => "denied",
            End::Withdrawn { .. } => "withdrawn",
            End::Superseded { .. } => "superseded",
        },
    }
}
