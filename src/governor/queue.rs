//! The builds that are admitted: those that wait for their turn, and those that are under way.
//!
//! Of a package at most one build waits: a newer one replaces it, and an older one that comes after is turned away. *Newer* is
//! tagged later into the trigger tag (Koji's own rule); in the same second, read later. A build of whose group a member is
//! held stands aside until the hold ends or its wait is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::{GuardedClock, Millis, Moment};
use super::lanes::{Lane, Lanes, Place, Ticket};
use crate::engine::decision::BuildKey;
use crate::engine::names::Name;
use crate::event::Position;
use crate::time::Second;

/// A build that was admitted, as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// Which build.
    pub build: BuildKey,
    /// Its package, downstream name.
    pub package: Arc<str>,
    /// As what it was admitted.
    pub lane: Lane,
    /// Where in the lane it is placed.
    pub place: Place,
    /// The builds that belong together, by any name for them; `None`: it belongs to none.
    pub group: Option<Arc<str>>,
    /// When it was tagged into the trigger tag.
    pub tagged_at: Second,
    /// Where the record stood that said so.
    pub position: Position,
    /// When it was admitted; waits for partners count from then.
    pub admitted_at: Millis,
}

impl Admitted {
    /// What decides which of two builds of a package is newer; the build itself where a record stood at the same place,
    /// as in two files.
    pub(crate) fn age(&self) -> (Second, Position, BuildKey) {
        (self.tagged_at, self.position, self.build)
    }

    pub(crate) fn package(&self) -> PackageKey {
        (self.build.instance, Arc::clone(&self.package))
    }
}

/// What became of a build that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits.
    Waiting,
    /// It waits, in the place of an older build of its package, which is superseded.
    Replaced(Box<Admitted>),
    /// It is superseded: this newer build of its package waits or is under way.
    Superseded(BuildKey),
    /// It waits already; nothing was changed.
    AlreadyWaiting,
    /// It is under way already; nothing was changed.
    UnderWay,
}

/// No more can be taken in: read no more until some of it has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// As many builds wait as may.
    #[error("{0} builds wait for the sink, more may not; reading pauses until some are submitted")]
    Builds(u32),
    /// As many groups have a held member as may.
    #[error("{0} groups have a held member, more may not; decide some holds, then admit again")]
    Groups(u32),
}

/// A build that may be submitted now. Its token is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The build.
    pub admitted: Admitted,
    /// How long it waited here, in milliseconds.
    pub waited_ms: u64,
}

/// Builds by package: an instance's package, for the order of tagging means nothing across instances.
pub(crate) type PackageKey = (Name, Arc<str>);

/// A build with its place.
#[derive(Debug, Clone)]
struct Entry {
    admitted: Admitted,
    ticket: Ticket,
    since: Moment,
    /// Until then it waits for a held partner; later it goes in any case.
    partner_until: Moment,
}

/// What is there of one package.
#[derive(Debug, Clone, Default)]
struct OfPackage {
    waiting: Option<BuildKey>,
    under_way: BTreeSet<BuildKey>,
}

/// All builds that are admitted and not finished.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<BuildKey, Entry>,
    under_way: BTreeMap<BuildKey, Entry>,
    packages: BTreeMap<PackageKey, OfPackage>,
    /// Those of the waiting that may go.
    pub(super) lanes: Lanes,
    /// Those of the waiting that stand aside, by the end of their wait.
    aside: BTreeMap<(Moment, Ticket), BuildKey>,
    /// The waiting members of groups.
    groups: BTreeMap<Arc<str>, BTreeSet<BuildKey>>,
    /// Groups of which a member is held.
    held: BTreeSet<Arc<str>>,
    tickets: u64,
}

impl Queue {
    /// Takes a build in.
    pub(super) fn enqueue(
        &mut self,
        clock: &GuardedClock,
        admitted: Admitted,
        partner_held: Duration,
        waiting_max: u32,
    ) -> Result<Enqueued, QueueFull> {
        let build = admitted.build;
        if self.waiting.contains_key(&build) {
            return Ok(Enqueued::AlreadyWaiting);
        }
        if self.under_way.contains_key(&build) {
            return Ok(Enqueued::UnderWay);
        }
        if let Some(newer) = self.newer_than(&admitted) {
            return Ok(Enqueued::Superseded(newer));
        }
        let older = self.packages.get(&admitted.package()).and_then(|package| package.waiting);
        if older.is_none() && self.waiting.len() >= usize::try_from(waiting_max).unwrap_or(usize::MAX) {
            return Err(QueueFull::Builds(waiting_max));
        }
        let older = older.and_then(|older| self.take_waiting(older));
        let wait = clock.rest_of(admitted.admitted_at, partner_held);
        let ticket = match &older {
            // A package that is built anew again and again would never have its turn at the end of the lane.
            Some(older) if keeps_place(&older.admitted, &admitted) => older.ticket,
            _ => self.ticket(admitted.place),
        };
        let since = clock.moment();
        let partner_until = Moment(since.0.saturating_add(wait));
        self.put_waiting(since, Entry { admitted, ticket, since, partner_until });
        Ok(older.map_or(Enqueued::Waiting, |older| Enqueued::Replaced(Box::new(older.admitted))))
    }

    /// A build that was under way when the process ended: it has had its token.
    pub(super) fn resume(&mut self, now: Moment, admitted: Admitted) {
        let build = admitted.build;
        if self.under_way.contains_key(&build) {
            return;
        }
        let entry = self.take_waiting(build).unwrap_or_else(|| {
            let ticket = self.ticket(admitted.place);
            Entry { admitted, ticket, since: now, partner_until: now }
        });
        self.put_under_way(entry);
    }

    /// The build whose turn it is goes under way.
    pub(super) fn start_next(&mut self, now: Moment) -> Option<Permit> {
        let build = self.lanes.next()?;
        let entry = self.take_waiting(build)?;
        let waited_ms = now.0.saturating_sub(entry.since.0);
        let admitted = entry.admitted.clone();
        self.put_under_way(entry);
        Some(Permit { admitted, waited_ms })
    }

    /// A build is no longer under way; `false` where it was not.
    pub(super) fn finish(&mut self, build: BuildKey) -> bool {
        self.take_under_way(build).is_some()
    }

    /// A build under way goes back to its old place, or is found superseded. `None` where it was not under way.
    pub(super) fn put_back(&mut self, now: Moment, build: BuildKey) -> Option<Enqueued> {
        let mut entry = self.take_under_way(build)?;
        if let Some(newer) = self.newer_than(&entry.admitted) {
            return Some(Enqueued::Superseded(newer));
        }
        let older = self.packages.get(&entry.admitted.package()).and_then(|package| package.waiting);
        let older = older.and_then(|older| self.take_waiting(older));
        entry.since = now;
        self.put_waiting(now, entry);
        Some(older.map_or(Enqueued::Waiting, |older| Enqueued::Replaced(Box::new(older.admitted))))
    }

    /// A waiting build waits no more.
    pub(super) fn withdraw(&mut self, build: BuildKey) -> Option<Admitted> {
        self.take_waiting(build).map(|entry| entry.admitted)
    }

    /// A member of the group is held: its waiting members stand aside.
    pub(super) fn hold_group(&mut self, now: Moment, group: &str, groups_max: u32) -> Result<(), QueueFull> {
        if self.held.contains(group) {
            return Ok(());
        }
        if self.held.len() >= usize::try_from(groups_max).unwrap_or(usize::MAX) {
            return Err(QueueFull::Groups(groups_max));
        }
        self.held.insert(Arc::from(group));
        self.place_group(now, group);
        Ok(())
    }

    /// No member of the group is held any more.
    pub(super) fn release_group(&mut self, now: Moment, group: &str) {
        if self.held.remove(group) {
            self.place_group(now, group);
        }
    }

    /// Lets those go that have waited for their partners long enough.
    pub(super) fn advance(&mut self, now: Moment) {
        while let Some(first) = self.aside.first_entry().filter(|first| first.key().0 <= now) {
            let build = first.remove();
            if let Some(entry) = self.waiting.get(&build) {
                self.lanes.insert(entry.admitted.lane, entry.ticket, build);
            }
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// When the first of those that stand aside need not wait any longer.
    pub(super) fn first_aside_until(&self) -> Option<Moment> {
        self.aside.first_key_value().map(|((until, _), _)| *until)
    }

    /// A newer build of the same package, waiting or under way.
    fn newer_than(&self, admitted: &Admitted) -> Option<BuildKey> {
        let package = self.packages.get(&admitted.package())?;
        let waiting = package.waiting.and_then(|build| self.waiting.get(&build));
        let under_way = package.under_way.iter().filter_map(|build| self.under_way.get(build));
        let newest = waiting
            .into_iter()
            .chain(under_way)
            .map(|entry| &entry.admitted)
            .max_by_key(|other| other.age())?;
        (newest.age() > admitted.age()).then_some(newest.build)
    }

    fn ticket(&mut self, place: Place) -> Ticket {
        self.tickets += 1;
        Ticket { place, number: self.tickets }
    }

    fn put_waiting(&mut self, now: Moment, entry: Entry) {
        let build = entry.admitted.build;
        self.packages.entry(entry.admitted.package()).or_default().waiting = Some(build);
        if let Some(group) = &entry.admitted.group {
            self.groups.entry(Arc::clone(group)).or_default().insert(build);
        }
        self.waiting.insert(build, entry);
        self.place(now, build);
    }

    fn put_under_way(&mut self, entry: Entry) {
        let build = entry.admitted.build;
        self.packages.entry(entry.admitted.package()).or_default().under_way.insert(build);
        self.under_way.insert(build, entry);
    }

    fn take_waiting(&mut self, build: BuildKey) -> Option<Entry> {
        let entry = self.waiting.remove(&build)?;
        self.lanes.remove(entry.admitted.lane, entry.ticket);
        self.aside.remove(&(entry.partner_until, entry.ticket));
        self.forget(&entry.admitted, |package| package.waiting = None);
        if let Some(group) = &entry.admitted.group
            && let Some(members) = self.groups.get_mut(group)
        {
            members.remove(&build);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
        Some(entry)
    }

    fn take_under_way(&mut self, build: BuildKey) -> Option<Entry> {
        let entry = self.under_way.remove(&build)?;
        self.forget(&entry.admitted, |package| {
            package.under_way.remove(&build);
        });
        Some(entry)
    }

    fn forget(&mut self, admitted: &Admitted, change: impl FnOnce(&mut OfPackage)) {
        let key = admitted.package();
        if let Some(package) = self.packages.get_mut(&key) {
            change(package);
            if package.waiting.is_none() && package.under_way.is_empty() {
                self.packages.remove(&key);
            }
        }
    }

    /// Puts a waiting build where it belongs: into its lane, or aside.
    fn place(&mut self, now: Moment, build: BuildKey) {
        let Some(entry) = self.waiting.get(&build) else { return };
        let is_held = entry.admitted.group.as_ref().is_some_and(|group| self.held.contains(group));
        if is_held && now < entry.partner_until {
            self.lanes.remove(entry.admitted.lane, entry.ticket);
            self.aside.insert((entry.partner_until, entry.ticket), build);
        } else {
            self.aside.remove(&(entry.partner_until, entry.ticket));
            self.lanes.insert(entry.admitted.lane, entry.ticket, build);
        }
    }

    fn place_group(&mut self, now: Moment, group: &str) {
        let members: Vec<_> = self.groups.get(group).into_iter().flatten().copied().collect();
        for build in members {
            self.place(now, build);
        }
    }
}

/// Whether a newer build takes over the older one's place.
fn keeps_place(older: &Admitted, newer: &Admitted) -> bool {
    (older.lane, older.place) == (newer.lane, newer.place)
}
