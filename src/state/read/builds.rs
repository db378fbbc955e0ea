//! Finds builds by their name, number or message, and reads all that is known of each.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::Reader;
use super::rows::{COLUMNS, Known, package_of};
use super::sightings::Wanted;
use crate::engine::decision::{Outcome, Reason};
use crate::event::MessageId;
use crate::explain::facts::{Near, Step, Story, Waiting};
use crate::state::StateError;
use crate::state::find::{Key, places};
use crate::time::Second;

/// Builds that one question is answered with.
const STORIES_MAX: usize = 20;
/// Decisions told of one build: the newest.
const STEPS_MAX: usize = 1_000;

impl Reader {
    /// The stories of the builds that `asked` names: an NVR, the number of a build, or the identity of a message. Empty
    /// where nothing is known of it.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be read.
    pub fn stories(&self, asked: &str) -> Result<Vec<Story>, StateError> {
        let moment = self.moment()?;
        let known = &mut Known::default();
        let number: Option<u64> = asked.parse().ok();
        let mut keys = vec![Key::Nvr(asked), Key::Message(asked)];
        keys.extend(number.map(Key::Build));
        let named = |step: &Step| {
            step.nvr.as_deref() == Some(asked)
                || step.message_id.as_deref() == Some(asked)
                || number.is_some() && step.build_id == number
        };
        let found: Vec<Step> = self.steps(&keys, known)?.into_iter().filter(named).collect();
        let mut stories: BTreeMap<(Option<u64>, Option<String>), Story> = BTreeMap::new();
        for step in found {
            let story = stories.entry((step.build_id, step.instance.clone())).or_insert_with(|| Story {
                build_id: step.build_id,
                instance: step.instance.clone(),
                ..Story::default()
            });
            // What cannot be read belongs to no build: its decision is all there is.
            if step.build_id.is_none() {
                story.steps.push(step);
            }
            if stories.len() >= STORIES_MAX {
                break;
            }
        }
        let message = MessageId::parse(asked);
        let mut stories: Vec<Story> = stories.into_values().collect();
        for story in &mut stories {
            self.fill(story, known)?;
        }
        let wanted = Wanted { builds: number.into_iter().collect(), message: Some(message) };
        self.see(wanted, &mut stories, known)?;
        drop(moment);
        Ok(stories)
    }

    /// Reads all decisions about a build, and the holds that it waits in.
    fn fill(&self, story: &mut Story, known: &mut Known) -> Result<(), StateError> {
        let Some(build_id) = story.build_id else { return Ok(()) };
        let steps = self.steps(&[Key::Build(build_id)], known)?;
        story.steps = steps
            .into_iter()
            .filter(|step| step.build_id == Some(build_id) && step.instance == story.instance)
            .collect();
        story.steps.drain(..story.steps.len().saturating_sub(STEPS_MAX));
        story.nvr = story.steps.iter().rev().find_map(|step| step.nvr.clone());
        for step in &story.steps {
            if step.outcome == Outcome::Held.word() {
                story.waits.extend(self.waiting(step)?);
            }
        }
        story.waits.dedup();
        let superseded = story.steps.iter().rfind(|step| step.reason == Reason::Superseded.word());
        story.superseded_by = match superseded.and_then(|step| package_of(step.nvr.as_deref()?)) {
            Some(package) => {
                let package = package.to_owned();
                let of_it = |step: &Step| step.nvr.as_deref().and_then(package_of) == Some(&package);
                let steps = self.steps(&[Key::Package(&package)], known)?;
                let newer =
                    steps.into_iter().filter(|step| step.outcome == Outcome::Submitted.word() && of_it(step));
                newer.max_by_key(|step| step.event_time).and_then(|step| {
                    Some(Near { nvr: step.nvr?, build_id: step.build_id?, outcome: step.outcome })
                })
            }
            None => None,
        };
        Ok(())
    }

    /// The open hold that a decision put its build into, if the build still is there.
    fn waiting(&self, step: &Step) -> Result<Option<Waiting>, StateError> {
        let hold: Option<u32> = step.hold.as_deref().and_then(|hold| hold.strip_prefix('h')?.parse().ok());
        let offset = crate::state::write::int(step.position.offset);
        let find =
            "SELECT kind, opened_at, (SELECT count(*) FROM held WHERE hold = ?1) FROM hold WHERE id = ?1
                    AND EXISTS (SELECT 1 FROM held WHERE hold = ?1 AND partition = ?2 AND offset = ?3)";
        let mut find = self.db.prepare_cached(find)?;
        let found: Option<(String, String, i64)> = find
            .query_row(params![hold, step.position.partition, offset], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        Ok(found.map(|(kind, opened_at, builds)| Waiting {
            hold: step.hold.clone().unwrap_or_default(),
            kind,
            opened_at: Second::parse(&opened_at).unwrap_or_default(),
            builds: builds.unsigned_abs(),
        }))
    }

    /// The decisions that may be about a key: a fingerprint may be of another.
    pub(super) fn steps(&self, keys: &[Key<'_>], known: &mut Known) -> Result<Vec<Step>, StateError> {
        let mut ids = self.candidates(keys)?;
        ids.sort_unstable();
        ids.dedup();
        let mut find = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM decision WHERE id = ?1"))?;
        let mut steps = Vec::new();
        for id in ids {
            let mut rows = find.query(params![id])?;
            if let Some(row) = rows.next()? {
                steps.push(self.step(row, known)?);
            }
        }
        Ok(steps)
    }

    fn candidates(&self, keys: &[Key<'_>]) -> Result<Vec<i64>, StateError> {
        let mut ids = Vec::new();
        let mut first_printed = None;
        let mut statement = self.db.prepare_cached("SELECT first, keys FROM finder ORDER BY first")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let first: i64 = row.get(0)?;
            first_printed.get_or_insert(first);
            let prints = row.get_ref(1)?.as_blob().unwrap_or_default();
            for key in keys {
                ids.extend(
                    (first..)
                        .zip(places(prints, *key))
                        .map(|(_, place)| first + i64::try_from(place).unwrap_or(0)),
                );
            }
        }
        // What an older version wrote has no fingerprints.
        self.unprinted(keys, first_printed.unwrap_or(i64::MAX), &mut ids)?;
        Ok(ids)
    }

    fn unprinted(&self, keys: &[Key<'_>], before: i64, ids: &mut Vec<i64>) -> Result<(), StateError> {
        for key in keys {
            let (column, value) = match *key {
                Key::Build(id) => {
                    ("build_id = ?2", rusqlite::types::Value::from(crate::state::write::int(id)))
                }
                Key::Nvr(text) => ("nvr = ?2", text.to_owned().into()),
                Key::Message(text) => ("message_id = ?2", text.to_owned().into()),
                Key::Package(text) => ("substr(nvr, 1, length(?2) + 1) = ?2 || '-'", text.to_owned().into()),
            };
            let find = format!("SELECT id FROM decision WHERE id < ?1 AND {column}");
            let mut statement = self.db.prepare_cached(&find)?;
            let found = statement.query_map(params![before, value], |row| row.get(0))?;
            ids.extend(found.collect::<Result<Vec<i64>, _>>()?);
        }
        Ok(())
    }
}
