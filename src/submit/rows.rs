//! The rows that have not ended, each with its seat: what it waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::{GroupReport, Groups};
use super::row::{Row, RowId, TaskId};
use super::stage::Stage;
use crate::engine::decision::BuildKey;
use crate::governor::clock::Moment;
use crate::governor::queue::PackageKey;

/// What a row waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    /// For its place to be found.
    Nowhere,
    /// For its turn, in the governor.
    Lane,
    /// For a time.
    Delayed(Moment),
    /// For the lower slices of its group.
    Slice,
    /// For its package to be allowed again.
    Denied,
    /// For the answer to its call.
    Sent,
    /// For a word on what became of its call.
    Doubt(Fence),
    /// For its task, which is asked after then.
    Task(Moment),
}

/// How far the doubt about a row is cleared up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    /// The session of its call may still run it.
    Missing,
    /// So many milliseconds it may still land.
    Settling(u64),
    /// It can be looked up.
    Done,
    /// No look-up can tell: a person has to.
    Person,
}

/// A row with its seat.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) row: Row,
    pub(super) seat: Seat,
}

/// All of them, and the ways to find them. Bounded by what the governor lets wait and be under way.
#[derive(Debug, Default)]
pub(super) struct Rows {
    live: BTreeMap<RowId, Live>,
    builds: BTreeMap<BuildKey, RowId>,
    packages: BTreeMap<PackageKey, BTreeSet<RowId>>,
    tasks: BTreeMap<TaskId, RowId>,
    polls: BTreeSet<(Moment, RowId)>,
    delayed: BTreeSet<(Moment, RowId)>,
    doubts: BTreeSet<RowId>,
    pub(super) groups: Groups,
    pub(super) changed: BTreeSet<RowId>,
    ended: Vec<Row>,
}

impl Rows {
    pub(super) fn insert(&mut self, row: Row, seat: Seat) {
        let (id, build) = (row.id(), row.build());
        self.builds.insert(build, id);
        self.packages.entry(row.plan().admitted.package()).or_default().insert(id);
        self.groups.insert(row.plan());
        self.live.insert(id, Live { row, seat: Seat::Nowhere });
        self.seat(id, seat);
    }

    pub(super) fn get(&self, id: RowId) -> Option<&Live> {
        self.live.get(&id)
    }

    /// The row, to be changed: it counts as changed from here on.
    pub(super) fn change(&mut self, id: RowId) -> Option<&mut Row> {
        let live = self.live.get_mut(&id)?;
        self.changed.insert(id);
        Some(&mut live.row)
    }

    pub(super) fn of_build(&self, build: BuildKey) -> Option<RowId> {
        self.builds.get(&build).copied()
    }

    pub(super) fn of_task(&self, task: TaskId) -> Option<RowId> {
        self.tasks.get(&task).copied()
    }

    pub(super) fn of_package(&self, package: &PackageKey) -> Vec<RowId> {
        self.packages.get(package).into_iter().flatten().copied().collect()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (RowId, &Live)> {
        self.live.iter().map(|(id, live)| (*id, live))
    }

    pub(super) fn doubts(&self) -> impl Iterator<Item = (RowId, Fence)> {
        self.doubts.iter().filter_map(|id| {
            let Seat::Doubt(fence) = self.live.get(id)?.seat else { return None };
            Some((*id, fence))
        })
    }

    /// Gives a row another seat.
    pub(super) fn seat(&mut self, id: RowId, seat: Seat) {
        let Some(live) = self.live.get_mut(&id) else { return };
        match live.seat {
            Seat::Delayed(until) => _ = self.delayed.remove(&(until, id)),
            Seat::Doubt(_) => _ = self.doubts.remove(&id),
            Seat::Task(poll) => _ = self.polls.remove(&(poll, id)),
            Seat::Nowhere | Seat::Lane | Seat::Slice | Seat::Denied | Seat::Sent => {}
        }
        live.seat = seat;
        match seat {
            Seat::Delayed(until) => _ = self.delayed.insert((until, id)),
            Seat::Doubt(_) => _ = self.doubts.insert(id),
            Seat::Task(poll) => {
                self.polls.insert((poll, id));
                if let Some(task) = live.row.stage().task() {
                    self.tasks.insert(task, id);
                }
            }
            Seat::Nowhere | Seat::Lane | Seat::Slice | Seat::Denied | Seat::Sent => {}
        }
    }

    /// The row is not followed by this task any more.
    pub(super) fn forget_task(&mut self, task: TaskId) {
        self.tasks.remove(&task);
    }

    /// Takes a row out that has ended; it is handed over with the next changes. What that means for its group.
    pub(super) fn take_ended(&mut self, id: RowId) -> (Vec<RowId>, Option<GroupReport>) {
        self.seat(id, Seat::Nowhere);
        let Some(Live { row, .. }) = self.live.remove(&id) else { return (Vec::new(), None) };
        self.builds.remove(&row.build());
        self.changed.remove(&id);
        let package = row.plan().admitted.package();
        if let Some(rows) = self.packages.get_mut(&package) {
            rows.remove(&id);
            if rows.is_empty() {
                self.packages.remove(&package);
            }
        }
        let of_group = match row.stage() {
            Stage::Ended(end) => self.groups.end(row.plan(), end),
            Stage::Planned { .. }
            | Stage::Intent(_)
            | Stage::InDoubt { .. }
            | Stage::Accepted { .. }
            | Stage::Building { .. } => (Vec::new(), None),
        };
        self.ended.push(row);
        of_group
    }

    pub(super) fn drain_changed(&mut self) -> Vec<Row> {
        let changed = std::mem::take(&mut self.changed);
        let mut rows = std::mem::take(&mut self.ended);
        rows.extend(changed.iter().filter_map(|id| self.live.get(id)).map(|live| live.row.clone()));
        rows.sort_by_key(Row::id);
        rows
    }

    /// Rows whose wait is over by then.
    pub(super) fn due(&self, now: Moment) -> Vec<RowId> {
        self.delayed.range(..=(now, RowId(u64::MAX))).map(|(_, id)| *id).collect()
    }

    /// Tasks to be asked after by then, the longest due first.
    pub(super) fn polls_due(&self, now: Moment, max: usize) -> Vec<TaskId> {
        let due = self.polls.range(..=(now, RowId(u64::MAX))).take(max);
        due.filter_map(|(_, id)| self.live.get(id)?.row.stage().task()).collect()
    }

    pub(super) fn first_delayed(&self) -> Option<Moment> {
        self.delayed.first().map(|(until, _)| *until)
    }

    pub(super) fn first_poll(&self) -> Option<Moment> {
        self.polls.first().map(|(poll, _)| *poll)
    }

    /// Rows that have not been sent.
    pub(super) fn planned(&self) -> usize {
        self.live.len() - self.doubts.len() - self.polls.len()
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }
}
