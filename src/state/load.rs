//! Reads a state back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rusqlite::params;
use serde::de::DeserializeOwned;

use super::{SourceProgress, State, StateError};
use crate::engine::Engine;
use crate::engine::counter::{Counter, CounterKey};
use crate::engine::decision::HoldId;
use crate::engine::event::TagEvent;
use crate::engine::hold::{HeldEvent, Hold, HoldKind, TagKey};
use crate::engine::journal::Facts;
use crate::engine::save::{RestoreError, Saved};
use crate::engine::select::PackageList;
use crate::event::Position;
use crate::settings::Settings;
use crate::time::Second;

/// Why an engine cannot be restored from a state.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// It does not fit the pipeline.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// An engine restored from a state, and how far its sources were read.
#[derive(Debug)]
pub struct Loaded {
    /// The engine; it notes what the state has to write down.
    pub engine: Engine,
    /// How far each source was read, in the order they were first read.
    pub sources: Vec<SourceProgress>,
    /// Whether the state had been written before.
    pub continued: bool,
}

impl State {
    /// Restores the engine that wrote this state, or makes one that has seen nothing.
    ///
    /// # Errors
    /// Where the file is damaged, or a cutover to a third tag goes on.
    pub fn load(
        &self,
        settings: Settings,
        partitions: impl IntoIterator<Item = u32>,
    ) -> Result<Loaded, LoadError> {
        let saved = self.saved()?;
        let continued = saved.machine.is_some();
        // What an alias stands for, whoever resolves it tells.
        let wanted = Some(settings.trigger.tag.clone()).filter(|_| !settings.trigger.by_alias);
        let mut engine = Engine::restore(settings, partitions, saved)?;
        self.replay_facts(&mut engine)?;
        engine.start_journal();
        if let Some(wanted) = wanted {
            engine.follow(&wanted, "the pipeline was started with it", None).map_err(RestoreError::from)?;
        }
        Ok(Loaded { engine, sources: self.sources()?, continued })
    }

    fn saved(&self) -> Result<Saved, StateError> {
        let machine = self.rows("SELECT data FROM machine", |row| row.get::<_, String>(0))?;
        let machine = machine.first().map(|text| parse("the machine", text)).transpose()?;
        let lists = self.lists()?;
        Ok(Saved {
            machine,
            names: self.rows("SELECT text FROM name ORDER BY id", |row| row.get(0))?,
            holds: self.holds()?,
            counters: self.counters()?,
            newest_admitted: self.newest_admitted()?,
            ignored: self.ignored()?,
            lists: (lists.get("in force").cloned(), lists.get("proposed").cloned()),
        })
    }

    fn replay_facts(&self, engine: &mut Engine) -> Result<(), StateError> {
        let mut statement = self.db.prepare("SELECT kind, data FROM fact ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, data): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let mut facts = Facts::default();
            match kind.as_str() {
                "seen" => facts.seen = unpack("facts of tags", &data)?,
                "trail" => facts.trail = unpack("facts of builds on their way", &data)?,
                other => {
                    let detail = format!("it is of the unknown kind {other:?}");
                    return Err(StateError::Damaged { what: "a row of facts", detail });
                }
            }
            engine.replay_facts(facts);
        }
        Ok(())
    }

    fn sources(&self) -> Result<Vec<SourceProgress>, StateError> {
        self.rows("SELECT name, head, first_line, lines FROM source ORDER BY first_line", |row| {
            let (first, lines): (i64, i64) = (row.get(2)?, row.get(3)?);
            Ok(SourceProgress {
                name: row.get(0)?,
                head: row.get(1)?,
                first_line: first.unsigned_abs(),
                lines: lines.unsigned_abs(),
            })
        })
    }

    fn holds(&self) -> Result<Vec<Hold>, StateError> {
        let headers = self.rows("SELECT id, version, ruled, data FROM hold", |row| {
            Ok((
                row.get::<_, u32>(0)?,
                row.get::<_, u32>(1)?,
                row.get::<_, bool>(2)?,
                row.get::<_, String>(3)?,
            ))
        })?;
        let mut holds = BTreeMap::new();
        for (id, version, ruled, text) in headers {
            let (key, kind, opened_at): (TagKey, HoldKind, Second) = parse("a hold", &text)?;
            let id = HoldId(id);
            holds.insert(id, Hold { id, key, kind, opened_at, version, ruled, members: BTreeMap::new() });
        }
        let held =
            self.rows("SELECT hold, data FROM held", |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        for (id, text) in held {
            let held: HeldEvent = parse("a held event", &text)?;
            if let Some(hold) = holds.get_mut(&HoldId(id)) {
                hold.members.insert((held.event.effective, held.event.position), held);
            }
        }
        Ok(holds.into_values().collect())
    }

    fn counters(&self) -> Result<Vec<(CounterKey, Counter)>, StateError> {
        let rows = self.rows("SELECT instance, tag, untag, data FROM counter", |row| {
            let name = |index| row.get(index).map(crate::engine::names::Name);
            let key = CounterKey { instance: name(0)?, tag: name(1)?, untag: row.get(2)? };
            Ok((key, row.get::<_, Vec<u8>>(3)?))
        })?;
        rows.into_iter().map(|(key, data)| Ok((key, unpack("a counter", &data)?))).collect()
    }

    fn newest_admitted(&self) -> Result<Vec<(String, Second, Position)>, StateError> {
        let mut newest: BTreeMap<String, (Second, Position)> = BTreeMap::new();
        let rows = self.rows("SELECT package, tagged_at, partition, offset FROM submission", |row| {
            let offset: i64 = row.get(3)?;
            let position = Position { partition: row.get(2)?, offset: offset.unsigned_abs() };
            Ok((row.get::<_, String>(0)?, (Second(row.get(1)?), position)))
        })?;
        for (package, at) in rows {
            let entry = newest.entry(package).or_insert(at);
            *entry = at.max(*entry);
        }
        Ok(newest.into_iter().map(|(package, (at, position))| (package, at, position)).collect())
    }

    fn ignored(&self) -> Result<VecDeque<(Second, Arc<TagEvent>)>, StateError> {
        let rows = self.rows("SELECT data FROM ignored ORDER BY id", |row| row.get::<_, Vec<u8>>(0))?;
        let mut events = VecDeque::new();
        for data in rows {
            let more: Vec<(Second, Arc<TagEvent>)> = unpack("ignored events", &data)?;
            events.extend(more);
        }
        Ok(events)
    }

    fn lists(&self) -> Result<BTreeMap<String, Arc<PackageList>>, StateError> {
        let rows = self.rows("SELECT slot, version, names FROM package_list", |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?;
        let list = |(slot, version, names): (String, String, String)| {
            let names: BTreeSet<String> = names.lines().map(str::to_owned).collect();
            (slot, Arc::new(PackageList { version, names }))
        };
        Ok(rows.into_iter().map(list).collect())
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StateError> {
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map(params![], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(super) fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StateError> {
    serde_json::from_str(text).map_err(|error| StateError::Damaged { what, detail: error.to_string() })
}

pub(super) fn unpack<T: DeserializeOwned>(what: &'static str, data: &[u8]) -> Result<T, StateError> {
    postcard::from_bytes(data).map_err(|error| StateError::Damaged { what, detail: error.to_string() })
}
