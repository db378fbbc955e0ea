//! Rows of decisions, with the names that they give by number.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Row, params};
use serde::Deserialize;

use super::Reader;
use crate::engine::decision::{Outcome, RunSummary, TimeMark};
use crate::engine::hold::Selection;
use crate::event::Position;
use crate::explain::facts::{Command, InTag, Letter, Pipeline, Step, Why, selected};
use crate::state::StateError;
use crate::state::load::parse;
use crate::time::Second;

/// Columns of a decision, in the order that [`Reader::step`] reads them.
pub(super) const COLUMNS: &str =
    "id, partition, offset, message_id, build_id, instance, nvr, tag, outcome, reason, hold, event_time,
    decided_at, pipeline, why, command";

/// Which decisions are asked for; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The tag.
    pub tag: Option<String>,
    /// The package's upstream name.
    pub package: Option<String>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// The word of the reason.
    pub reason: Option<String>,
    /// Decided at that event time or later.
    pub since: Option<Second>,
    /// Decided before that event time.
    pub until: Option<Second>,
}

impl Filter {
    /// Whether a decision is asked for.
    pub fn wants(&self, step: &Step) -> bool {
        let in_time = |at: Second| {
            self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
        };
        let untimed = self.since.is_none() && self.until.is_none();
        self.tag.as_ref().is_none_or(|tag| step.tag.as_ref() == Some(tag))
            && self.outcome.is_none_or(|outcome| step.outcome == outcome.word())
            && self.reason.as_ref().is_none_or(|reason| step.reason == *reason)
            && self.package.as_ref().is_none_or(|name| step.nvr.as_deref().and_then(package_of) == Some(name))
            && step.decided_at.map_or(untimed, in_time)
    }
}

/// The package of an NVR: all before the last two hyphens.
pub(super) fn package_of(nvr: &str) -> Option<&str> {
    let (rest, _) = nvr.rsplit_once('-')?;
    Some(rest.rsplit_once('-')?.0)
}

/// `why` as it is stored.
#[derive(Deserialize)]
struct StoredWhy {
    actor: String,
    effective_at: Second,
    #[serde(default)]
    time: TimeMark,
    #[serde(default)]
    late: bool,
    known: Option<(String, Second)>,
    completed_at: Option<Second>,
    trail: Option<(String, Second)>,
    trail_in_burst: Option<(String, Second)>,
    koji_completed_at: Option<Second>,
    rebuild_tag: Option<String>,
    run: Option<RunSummary>,
}

impl From<StoredWhy> for Why {
    fn from(stored: StoredWhy) -> Self {
        let in_tag = |seen: Option<(String, Second)>| seen.map(|(tag, at)| InTag { tag, at });
        Self {
            actor: stored.actor,
            effective_at: stored.effective_at,
            time: stored.time,
            late: stored.late,
            known: in_tag(stored.known),
            completed_at: stored.completed_at,
            trail: in_tag(stored.trail),
            trail_in_burst: in_tag(stored.trail_in_burst),
            koji_completed_at: stored.koji_completed_at,
            rebuild_tag: stored.rebuild_tag,
            run: stored.run,
        }
    }
}

/// Names that rows give by number, looked up once.
#[derive(Debug, Default)]
pub struct Known {
    names: BTreeMap<u32, Option<String>>,
    pipelines: BTreeMap<i64, Arc<Pipeline>>,
}

impl Reader {
    /// The decisions behind a number, at most `limit`, in their order; and the number of the last one that was looked at.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be read.
    pub fn after(
        &self,
        id: i64,
        limit: u32,
        filter: &Filter,
        known: &mut Known,
    ) -> Result<(Vec<Step>, i64), StateError> {
        let mut last = id;
        let mut steps = Vec::new();
        let find = format!("SELECT {COLUMNS} FROM decision WHERE id > ?1 ORDER BY id LIMIT ?2");
        let mut statement = self.db.prepare_cached(&find)?;
        let mut rows = statement.query(params![id, limit])?;
        while let Some(row) = rows.next()? {
            let step = self.step(row, known)?;
            last = step.id;
            if filter.wants(&step) {
                steps.push(step);
            }
        }
        Ok((steps, last))
    }

    /// The newest decisions that are asked for, at most `count`, the oldest first.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be read.
    pub fn newest_of(&self, count: u32, filter: &Filter, known: &mut Known) -> Result<Vec<Step>, StateError> {
        let mut steps = Vec::new();
        let find = format!("SELECT {COLUMNS} FROM decision ORDER BY id DESC");
        let mut statement = self.db.prepare_cached(&find)?;
        let mut rows = statement.query([])?;
        while steps.len() < count as usize {
            let Some(row) = rows.next()? else { break };
            let step = self.step(row, known)?;
            if filter.wants(&step) {
                steps.push(step);
            }
        }
        steps.reverse();
        Ok(steps)
    }

    /// Event time of the newest decision.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn reaches(&self) -> Result<Option<Second>, StateError> {
        let find = "SELECT decided_at FROM decision WHERE decided_at IS NOT NULL AND outcome <> 'dead_letter'
                    ORDER BY id DESC LIMIT 1";
        Ok(self.db.query_row(find, [], |row| row.get(0).map(Second)).optional()?)
    }

    /// The number of the last decision before a time, in event time: what comes behind it was decided then or later.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn last_before(&self, at: Second) -> Result<i64, StateError> {
        // Decisions stand in the order of their time; a dead letter has the time that it claims, if any.
        let newest = self.newest()?;
        let (mut low, mut high) = (0, newest);
        let find = "SELECT id, decided_at FROM decision WHERE id > ?1 AND id <= ?2 AND decided_at IS NOT NULL
                    AND outcome <> 'dead_letter' ORDER BY id LIMIT 1";
        let mut statement = self.db.prepare_cached(find)?;
        while low < high {
            let middle = low + (high - low) / 2;
            let found: Option<(i64, i64)> = statement
                .query_row(params![middle, high], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match found {
                Some((id, decided)) if Second(decided) < at => low = id,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The number of the newest decision; 0 where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn newest(&self) -> Result<i64, StateError> {
        Ok(self.db.query_row("SELECT coalesce(max(id), 0) FROM decision", [], |row| row.get(0))?)
    }

    /// One row of [`COLUMNS`].
    pub(super) fn step(&self, row: &Row<'_>, known: &mut Known) -> Result<Step, StateError> {
        let (partition, offset): (u32, i64) = (row.get(1)?, row.get(2)?);
        let position = Position { partition, offset: offset.unsigned_abs() };
        let instance: Option<u32> = row.get(5)?;
        let why: Option<String> = row.get(14)?;
        let why = why.map(|text| parse::<StoredWhy>("what explains a decision", &text)).transpose()?;
        let command: Option<u32> = row.get(15)?;
        let build_id = row.get::<_, Option<i64>>(4)?.map(i64::unsigned_abs);
        let letter = if build_id.is_none() { self.letter(position)? } else { None };
        Ok(Step {
            id: row.get(0)?,
            position,
            message_id: row.get(3)?,
            build_id,
            instance: instance.map(|number| self.name(number, known)).transpose()?.flatten(),
            nvr: row.get(6)?,
            tag: row.get(7)?,
            outcome: row.get(8)?,
            reason: row.get(9)?,
            hold: row.get::<_, Option<u32>>(10)?.map(|hold| format!("h{hold}")),
            event_time: row.get::<_, Option<i64>>(11)?.map(Second),
            decided_at: row.get::<_, Option<i64>>(12)?.map(Second),
            pipeline: self.pipeline(row.get(13)?, known)?,
            why: why.map(Why::from),
            command: command.map(|number| self.command(number)).transpose()?.flatten(),
            letter,
        })
    }

    /// The text of a name; `None` for the one that stands for all others.
    pub(super) fn name(&self, number: u32, known: &mut Known) -> Result<Option<String>, StateError> {
        if let Some(text) = known.names.get(&number) {
            return Ok(text.clone());
        }
        let mut find = self.db.prepare_cached("SELECT text FROM name WHERE id = ?1")?;
        let text: Option<String> = find.query_row(params![number], |row| row.get(0)).optional()?;
        known.names.insert(number, text.clone());
        Ok(text)
    }

    /// An effective configuration by its number.
    pub(super) fn pipeline(&self, id: i64, known: &mut Known) -> Result<Arc<Pipeline>, StateError> {
        if let Some(pipeline) = known.pipelines.get(&id) {
            return Ok(Arc::clone(pipeline));
        }
        let mut find = self.db.prepare_cached("SELECT name, hash, rules FROM pipeline WHERE id = ?1")?;
        let found: Option<(String, String, Option<String>)> =
            find.query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let (name, hash, rules) = found.unwrap_or_else(|| ("unknown".to_owned(), "unknown".to_owned(), None));
        let rules = rules.map(|text| parse("a pipeline", &text)).transpose()?;
        let pipeline = Arc::new(Pipeline { name, hash, rules });
        known.pipelines.insert(id, Arc::clone(&pipeline));
        Ok(pipeline)
    }

    fn command(&self, number: u32) -> Result<Option<Command>, StateError> {
        let find = "SELECT at, who, why, action, hold, selection, builds FROM command WHERE id = ?1";
        let mut find = self.db.prepare_cached(find)?;
        let found = find
            .query_row(params![number], |row| {
                let (hold, builds): (u32, i64) = (row.get(4)?, row.get(6)?);
                let command = Command {
                    at: Second(row.get(0)?),
                    who: row.get(1)?,
                    why: row.get(2)?,
                    action: row.get(3)?,
                    hold: format!("h{hold}"),
                    selection: String::new(),
                    builds: builds.unsigned_abs(),
                };
                Ok((command, row.get::<_, String>(5)?))
            })
            .optional()?;
        let Some((command, selection)) = found else { return Ok(None) };
        let selection = selected(&parse::<Selection>("a selection", &selection)?);
        Ok(Some(Command { selection, ..command }))
    }

    fn letter(&self, position: Position) -> Result<Option<Letter>, StateError> {
        let find = "SELECT code, explanation, substr(bytes, 1, 1024) FROM dead_letter WHERE partition = ?1 AND offset = ?2";
        let offset = crate::state::write::int(position.offset);
        let mut find = self.db.prepare_cached(find)?;
        let read = |row: &Row<'_>| {
            let bytes: Vec<u8> = row.get(2)?;
            Ok(Letter::new(position, row.get(0)?, row.get(1)?, &bytes))
        };
        Ok(find.query_row(params![position.partition, offset], read).optional()?)
    }
}
