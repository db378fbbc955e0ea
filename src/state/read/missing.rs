//! What a state says of what it does not have: how far it reaches, and what may have been meant.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension;

use super::Reader;
use super::rows::{Known, package_of};
use crate::explain::facts::{Missing, Near, Pipeline};
use crate::state::StateError;
use crate::state::find::Key;
use crate::time::Second;

/// Builds that are suggested.
const NEAREST_MAX: usize = 8;
/// Longest name that is compared: the distance costs the product of the lengths.
const NAME_MAX_BYTES: usize = 64;

impl Reader {
    /// What is told of something that is not there.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be read.
    pub fn missing(&self, asked: &str) -> Result<Missing, StateError> {
        let moment = self.moment()?;
        let known = &mut Known::default();
        let time = |order: &str| -> Result<Option<Second>, StateError> {
            let find = format!(
                "SELECT decided_at FROM decision WHERE decided_at IS NOT NULL AND outcome <> 'dead_letter' ORDER BY id {order} LIMIT 1"
            );
            Ok(self.db.query_row(&find, [], |row| row.get(0).map(Second)).optional()?)
        };
        // Counting them would read them all.
        let count = "SELECT coalesce(max(id) - (SELECT min(id) FROM decision) + 1, 0) FROM decision";
        let decisions: i64 = self.db.query_row(count, [], |row| row.get(0))?;
        let pipeline = self.last_pipeline()?;
        let trigger = pipeline.and_then(|pipeline| Some(pipeline.rules.as_ref()?.trigger.clone()));
        let missing = Missing {
            asked: asked.to_owned(),
            nearest: self.nearest(asked, known)?,
            trigger,
            decisions: decisions.unsigned_abs(),
            since: time("ASC")?,
            until: time("DESC")?,
            file: None,
        };
        drop(moment);
        Ok(missing)
    }

    /// The configuration that decided last.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be read.
    pub fn last_pipeline(&self) -> Result<Option<std::sync::Arc<Pipeline>>, StateError> {
        let id: Option<i64> = self
            .db
            .query_row("SELECT id FROM pipeline ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
            .optional()?;
        id.map(|id| self.pipeline(id, &mut Known::default())).transpose()
    }

    /// Builds of the package that `asked` names, or of the one whose name is nearest, newest first.
    fn nearest(&self, asked: &str, known: &mut Known) -> Result<Vec<Near>, StateError> {
        let name = asked.strip_suffix(".src.rpm").unwrap_or(asked);
        // An NVR, one without its release, a bare name.
        let shorter = name.rsplit_once('-').map(|(rest, _)| rest);
        for package in [package_of(name), shorter, Some(name)].into_iter().flatten() {
            let found = self.builds_of(package, known)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        match self.like(package_of(name).unwrap_or(name))? {
            Some(package) => self.builds_of(&package, known),
            None => Ok(Vec::new()),
        }
    }

    fn builds_of(&self, package: &str, known: &mut Known) -> Result<Vec<Near>, StateError> {
        let steps = self.steps(&[Key::Package(package)], known)?;
        let mut builds: BTreeMap<u64, Near> = BTreeMap::new();
        for step in steps {
            if let (Some(build_id), Some(nvr)) = (step.build_id, step.nvr)
                && package_of(&nvr) == Some(package)
            {
                builds.insert(build_id, Near { nvr, build_id, outcome: step.outcome });
            }
        }
        Ok(builds.into_values().rev().take(NEAREST_MAX).collect())
    }

    /// The package that was submitted or is listed whose name is close enough to be meant.
    fn like(&self, typed: &str) -> Result<Option<String>, StateError> {
        if typed.len() > NAME_MAX_BYTES {
            return Ok(None);
        }
        let slips = (typed.chars().count() / 3).clamp(1, 3);
        let mut best: Option<(usize, String)> = None;
        let mut consider = |name: &str| {
            if name.len() <= NAME_MAX_BYTES && name.len().abs_diff(typed.len()) <= slips {
                let distance = strsim::osa_distance(typed, name);
                if distance <= slips && best.as_ref().is_none_or(|(least, _)| distance < *least) {
                    best = Some((distance, name.to_owned()));
                }
            }
        };
        for find in [
            "SELECT names FROM package_list WHERE slot = 'in force'",
            "SELECT DISTINCT package FROM submission WHERE id > (SELECT max(id) FROM submission) - 50000",
        ] {
            let mut statement = self.db.prepare(find)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str().unwrap_or_default();
                text.lines().for_each(&mut consider);
            }
        }
        Ok(best.map(|(_, name)| name))
    }
}
