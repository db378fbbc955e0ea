//! Groups of rows: which slice of one may go, and what became of all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::row::{Plan, RowId};
use super::stage::End;
use crate::governor::queue::Admitted;

/// How the rows of a group ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Tally {
    /// Built.
    pub built: u32,
    /// Failed or refused.
    pub failed: u32,
    /// Canceled by somebody.
    pub canceled: u32,
    /// Taken by a receiver that tells no more.
    pub taken: u32,
    /// Not submitted: not tagged, built already, denied, withdrawn or superseded.
    pub not_submitted: u32,
}

/// A group all of whose rows ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupReport {
    /// The group.
    pub group: Arc<str>,
    /// How its rows ended.
    pub tally: Tally,
}

/// What is there of one group.
#[derive(Debug, Default)]
struct Group {
    /// Rows that have not ended, by slice; no slice is empty.
    live: BTreeMap<u32, BTreeSet<RowId>>,
    tally: Tally,
}

/// Groups that have rows which have not ended.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<Arc<str>, Group>);

impl Groups {
    pub(super) fn insert(&mut self, plan: &Plan) {
        if let Some(group) = &plan.admitted.group {
            let group = self.0.entry(Arc::clone(group)).or_default();
            group.live.entry(plan.slice).or_default().insert(plan.id);
        }
    }

    /// A row ended: the rows of the slice that may go now, and the report if it was the last.
    pub(super) fn end(&mut self, plan: &Plan, end: &End) -> (Vec<RowId>, Option<GroupReport>) {
        let Some(name) = &plan.admitted.group else { return (Vec::new(), None) };
        let Some(group) = self.0.get_mut(name) else { return (Vec::new(), None) };
        group.tally.count(end);
        if let Some(slice) = group.live.get_mut(&plan.slice) {
            slice.remove(&plan.id);
            if !slice.is_empty() {
                return (Vec::new(), None);
            }
            group.live.remove(&plan.slice);
        }
        if let Some((_, next)) = group.live.first_key_value() {
            return (next.iter().copied().collect(), None);
        }
        let report =
            self.0.remove(name).map(|group| GroupReport { group: Arc::clone(name), tally: group.tally });
        (Vec::new(), report)
    }

    /// A row that had ended when the process began.
    pub(super) fn count_ended(&mut self, admitted: &Admitted, end: &End) {
        if let Some(group) = &admitted.group {
            self.0.entry(Arc::clone(group)).or_default().tally.count(end);
        }
    }

    /// Takes out the groups without rows that have not ended.
    pub(super) fn finished(&mut self) -> Vec<GroupReport> {
        let all = std::mem::take(&mut self.0);
        let (finished, live): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.into_iter().partition(|(_, group)| group.live.is_empty());
        self.0 = live;
        finished.into_iter().map(|(group, of)| GroupReport { group, tally: of.tally }).collect()
    }

    /// Rows of higher slices, which wait for this one.
    pub(super) fn behind(&self, plan: &Plan) -> Vec<RowId> {
        let group = plan.admitted.group.as_ref().and_then(|group| self.0.get(group));
        let above = (Bound::Excluded(plan.slice), Bound::Unbounded);
        group
            .into_iter()
            .flat_map(|group| group.live.range(above))
            .flat_map(|(_, rows)| rows)
            .copied()
            .collect()
    }

    /// Rows of lower slices that have not ended, for which this one waits.
    pub(super) fn before(&self, plan: &Plan) -> usize {
        let group = plan.admitted.group.as_ref().and_then(|group| self.0.get(group));
        group.map_or(0, |group| group.live.range(..plan.slice).map(|(_, rows)| rows.len()).sum())
    }
}

impl Tally {
    fn count(&mut self, end: &End) {
        let count = match end {
            End::Built { .. } => &mut self.built,
            End::Failed { .. } | End::Refused { .. } => &mut self.failed,
            End::Canceled => &mut self.canceled,
            End::Taken => &mut self.taken,
            End::NotTagged { .. }
            | End::AlreadyBuilt { .. }
            | End::Denied { .. }
            | End::Withdrawn { .. }
            | End::Superseded { .. } => &mut self.not_submitted,
        };
        *count = count.saturating_add(1);
    }
}
