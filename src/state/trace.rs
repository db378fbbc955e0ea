//! Writes what explains decisions to a person later: the numbers of the pipeline, what operators said, and fingerprints.

use rusqlite::{Transaction, params};

use super::StateError;
use super::find::Prints;
use super::write::{int, json};
use crate::engine::Engine;
use crate::engine::command::{Action, CommandRecord};
use crate::explain::rules::Rules;

/// The number that decisions name the effective configuration by.
pub(super) fn pipeline_id(db: &Transaction<'_>, engine: &Engine) -> Result<i64, StateError> {
    let settings = engine.settings();
    let find = "SELECT id FROM pipeline WHERE hash = ?1 AND rules IS NOT NULL";
    let mut rows = db.prepare_cached(find)?;
    if let Some(row) = rows.query(params![settings.hash])?.next()? {
        return Ok(row.get(0)?);
    }
    let put = "INSERT INTO pipeline (name, hash, rules) VALUES (?1, ?2, ?3)
               ON CONFLICT (hash) DO UPDATE SET rules = excluded.rules RETURNING id";
    let rules = json("a pipeline", &Rules::of(settings))?;
    Ok(db.query_row(put, params![settings.name, settings.hash, rules], |row| row.get(0))?)
}

/// Writes who commanded what, and why.
pub(super) fn write_commands(db: &Transaction<'_>, commands: &[CommandRecord]) -> Result<(), StateError> {
    for CommandRecord { number, at, command, builds } in commands {
        let put = "INSERT INTO command VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let action = match command.action {
            Action::Release => "release",
            Action::Drop => "drop",
        };
        let selection = json("a selection", &command.selection)?;
        let (hold, builds) = (command.hold.0, int(*builds as u64));
        db.prepare_cached(put)?.execute(params![
            number,
            at.0,
            command.who,
            command.reason,
            action,
            hold,
            selection,
            builds
        ])?;
    }
    Ok(())
}

/// Writes the fingerprints of the decisions that were inserted last, one after another, in this transaction.
pub(super) fn write_prints(db: &Transaction<'_>, prints: &Prints) -> Result<(), StateError> {
    if prints.is_empty() {
        return Ok(());
    }
    let first = db.last_insert_rowid() + 1 - int(prints.len() as u64);
    // A row of that number is left over where somebody deleted the newest decisions.
    let put = "INSERT OR REPLACE INTO finder VALUES (?1, ?2)";
    db.prepare_cached(put)?.execute(params![first, prints.bytes()])?;
    Ok(())
}
