//! What Koji said of builds just before they are submitted, for as long as that may be relied on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::row::RowId;
use super::settings::FINDING_AGE_MAX;
use crate::governor::clock::Moment;

/// Sources of builds that are complete and tagged, with the time at which Koji was asked. Holds no more than one check gave.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<RowId, (Moment, Arc<str>)>);

impl Findings {
    /// All is asked anew: what was found before is forgotten.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn note(&mut self, row: RowId, asked: Moment, source: Arc<str>) {
        self.0.insert(row, (asked, source));
    }

    pub(super) fn forget(&mut self, row: RowId) {
        self.0.remove(&row);
    }

    /// The source of a build, where that was found within the last minute.
    pub(super) fn fresh(&self, row: RowId, now: Moment) -> Option<&Arc<str>> {
        let (asked, source) = self.0.get(&row)?;
        (now <= asked.after(FINDING_AGE_MAX)).then_some(source)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
