//! The detector, written down from the definitions: it keeps the whole history and asks it anew for everything.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::engine::decision::Reason;
use tidegate::event::Position;
use tidegate::settings::{BurstSettings, Rule};

use super::streams::{Event, FRESH_TO, KNOWN_TO, is_fresh};

/// What a decision is compared by: reason, second, number of the run, and whether that was a burst.
pub(crate) type Fate = (Reason, i64, Option<u32>, bool);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Suspect,
    Burst,
}

#[derive(Debug, Clone)]
struct Run {
    number: u32,
    phase: Phase,
    first: i64,
    last: i64,
    mass: bool,
    members: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    MassRebuild,
    Other,
}

/// The detector of one tag.
pub(crate) struct Reference<'a> {
    pub(crate) burst: &'a BurstSettings,
    /// All events, in the order of their turns.
    pub(crate) events: &'a [Event],
    /// Events that had their turn.
    turned: usize,
    /// Events whose hold-back is not over, or that a suspected group withholds.
    pending: Vec<usize>,
    run: Option<Run>,
    runs: u32,
    closed: Vec<(Run, Kind)>,
    /// When which event was claimed.
    claims: BTreeMap<usize, i64>,
    submitted: BTreeMap<u64, i64>,
    /// What became of each event.
    pub(crate) fates: BTreeMap<Position, Fate>,
}

impl<'a> Reference<'a> {
    /// Before the first event.
    pub(crate) fn new(burst: &'a BurstSettings, events: &'a [Event]) -> Self {
        Self {
            burst,
            events,
            turned: 0,
            pending: Vec::new(),
            run: None,
            runs: 0,
            closed: Vec::new(),
            claims: BTreeMap::new(),
            submitted: BTreeMap::new(),
            fates: BTreeMap::new(),
        }
    }

    /// Goes through all of event time.
    pub(crate) fn run_through(&mut self) {
        let (Some(first), Some(last)) = (self.events.first(), self.events.last()) else { return };
        for second in first.effective..=last.effective + 2_000 {
            self.timers(second);
            while self.events.get(self.turned).is_some_and(|event| event.effective == second) {
                self.turned += 1;
                self.turn(self.turned - 1);
            }
        }
    }

    fn timers(&mut self, now: i64) {
        if self.run.as_ref().is_none_or(|run| run.phase == Phase::Burst) {
            self.decide_due(now);
        }
        if self.run.as_ref().is_some_and(|run| self.end_of(run) <= now) {
            self.decide_due(now);
            let Some(run) = self.run.take() else { return };
            if run.phase == Phase::Burst {
                let kind = self.kind(&run, now);
                self.closed.push((run, kind));
            } else {
                self.begin_next_group(&run);
                self.look(now);
            }
        }
    }

    /// Quiet, and the last member's hold-back over; a suspected group no later than `suspect_max`.
    fn end_of(&self, run: &Run) -> i64 {
        let suspect = run.phase == Phase::Suspect;
        let large = suspect && run.members.len() > self.burst.large as usize;
        let quiet = if large { self.burst.quiet_large } else { self.burst.quiet };
        let end = (run.last + quiet.0).max(run.last + self.burst.hold_back.0);
        if suspect { end.min(run.first + self.burst.suspect_max.0) } else { end }
    }

    fn begin_next_group(&mut self, resolved: &Run) {
        let members: Vec<_> =
            self.pending.iter().copied().filter(|index| self.claims.contains_key(index)).collect();
        let Some(&first) = members.first() else { return };
        self.runs += 1;
        let first = self.events[first].effective;
        self.run = Some(Run { number: self.runs, first, members, ..resolved.clone() });
    }

    fn turn(&mut self, index: usize) {
        let event = &self.events[index];
        let now = event.effective;
        if event.untag {
            let reason = if self.message_seen(index) { Reason::MessageSeen } else { Reason::Untag };
            self.fates.insert(event.position, (reason, now, None, false));
            return;
        }
        if let Some(reason) = self.duplicate(index) {
            self.fates.insert(event.position, (reason, now, None, false));
            return;
        }
        if self.submitted.contains_key(&event.build) {
            self.fates.insert(event.position, (Reason::AlreadySubmitted, now, None, false));
        }
        self.pending.push(index);
        let Some(from) = self.holds_from(index) else { return };
        let mut run = self.run.take().unwrap_or_else(|| {
            self.runs += 1;
            let members = Vec::new();
            Run { number: self.runs, phase: Phase::Suspect, first: now, last: now, mass: false, members }
        });
        let from = from.min(run.first);
        for &index in &self.pending {
            let effective = self.events[index].effective;
            if effective >= from && !self.claims.contains_key(&index) {
                self.claims.insert(index, now);
                run.members.push(index);
                run.first = run.first.min(effective);
            }
        }
        run.last = now;
        run.mass |= self.is_mass(now);
        self.run = Some(run);
        self.look(now);
    }

    fn look(&mut self, now: i64) {
        let Some(run) = self.run.as_ref().filter(|run| run.phase == Phase::Suspect) else { return };
        let smallest = self.burst.rules.iter().map(|rule| rule.count as usize).min().unwrap();
        let mostly_unproven = run.members.len() >= smallest && self.fresh_in(run) * 2 < run.members.len();
        let large = self.remembered(now, |_| true) >= f64::from(self.burst.hold_size);
        if mostly_unproven || large || self.by_one(now) {
            if let Some(run) = &mut self.run {
                run.phase = Phase::Burst;
            }
            self.decide_due(now);
        }
    }

    fn decide_due(&mut self, now: i64) {
        let due = |index: &usize| self.events[*index].effective + self.burst.hold_back.0 <= now;
        let due: Vec<_> = self.pending.iter().copied().filter(due).collect();
        self.pending.retain(|index| !due.contains(index));
        for index in due {
            if !self.fates.contains_key(&self.events[index].position) {
                self.decide(index, now);
            }
        }
    }

    fn decide(&mut self, index: usize, now: i64) {
        let event = &self.events[index];
        let claimed = self.claims.contains_key(&index);
        let run = self.run.clone().filter(|run| claimed || event.effective >= run.first);
        let within = |run: &Run| event.late() && (run.first..=run.last).contains(&event.sent);
        let (number, kind) = match run {
            Some(run) if run.phase == Phase::Burst => (Some(run.number), Some(self.kind(&run, now))),
            run => match self.closed.iter().rev().find(|(closed, _)| within(closed)) {
                Some((closed, kind)) => (Some(closed.number), Some(*kind)),
                None => (run.filter(|_| claimed).map(|run| run.number), None),
            },
        };
        let tail = kind.is_none()
            && !self.is_gating(event.actor)
            && self.fresh_of(event.actor, now) >= f64::from(self.burst.actor_size);
        let reason = match event.build {
            build if self.submitted.contains_key(&build) => Reason::AlreadySubmitted,
            ..=KNOWN_TO => Reason::KnownBuild,
            _ if kind == Some(Kind::MassRebuild) => Reason::MassRebuild,
            build if build > FRESH_TO => Reason::NoFreshEvidence,
            _ if tail => Reason::MassRebuild,
            build => {
                self.submitted.insert(build, now);
                Reason::Completed
            }
        };
        self.fates.insert(event.position, (reason, now, number, kind.is_some()));
    }

    fn kind(&self, run: &Run, now: i64) -> Kind {
        let mostly_fresh = self.fresh_in(run) > run.members.len() / 2;
        if mostly_fresh && (run.mass || self.is_mass(now)) { Kind::MassRebuild } else { Kind::Other }
    }

    fn fresh_in(&self, run: &Run) -> usize {
        run.members.iter().filter(|&&index| is_fresh(self.events[index].build)).count()
    }

    fn is_mass(&self, now: i64) -> bool {
        let fresh = self.remembered(now, |event| is_fresh(event.build));
        fresh >= f64::from(self.burst.hold_size) || self.by_one(now)
    }

    fn by_one(&self, now: i64) -> bool {
        let actors: BTreeSet<_> = self.events.iter().map(|event| event.actor).collect();
        let large = |actor: &&str| self.fresh_of(actor, now) >= f64::from(self.burst.actor_size);
        actors.into_iter().filter(|actor| !self.is_gating(actor)).any(|actor| large(&actor))
    }

    fn is_gating(&self, actor: &str) -> bool {
        self.burst.gating_users.iter().any(|user| user == actor)
    }

    fn fresh_of(&self, actor: &str, now: i64) -> f64 {
        self.remembered(now, |event| event.actor == actor && is_fresh(event.build))
    }

    /// Claimed events, each of which counts half after an hour.
    fn remembered(&self, now: i64, wanted: impl Fn(&Event) -> bool) -> f64 {
        let wanted = self.claims.iter().filter(|(index, _)| wanted(&self.events[**index]));
        wanted.map(|(_, &at)| (-((now - at) as f64) / 3_600.0).exp2()).sum()
    }

    /// The same message about the same build was read before.
    fn message_seen(&self, index: usize) -> bool {
        let event = &self.events[index];
        let same =
            |other: &&Event| other.untag == event.untag && other.build == event.build && other.id == event.id;
        self.events[..index].iter().any(|other| same(&other))
    }

    fn duplicate(&self, index: usize) -> Option<Reason> {
        if self.message_seen(index) {
            return Some(Reason::MessageSeen);
        }
        // The last word about the build, repetitions aside, was that it is in the tag.
        let build = self.events[index].build;
        let last =
            (0..index).rev().find(|&before| self.events[before].build == build && !self.message_seen(before));
        last.filter(|&last| !self.events[last].untag).map(|_| Reason::BuildInTag)
    }

    /// Events that count in windows, up to one.
    pub(crate) fn counted(&self, to: usize) -> impl Iterator<Item = &Event> {
        (0..=to)
            .filter(|&index| !self.events[index].untag && self.duplicate(index).is_none())
            .map(|index| &self.events[index])
    }

    /// The first event of the window in which a rule holds with this event.
    fn holds_from(&self, index: usize) -> Option<i64> {
        let event = &self.events[index];
        let mut from = Vec::new();
        for rule in &self.burst.rules {
            from.extend(
                self.window(rule, event.effective - rule.within.0 + 1, index, |event| event.effective),
            );
            if event.late() {
                let starts = event.sent - rule.within.0 + 1..=event.sent;
                from.extend(starts.filter_map(|start| self.window(rule, start, index, |event| event.sent)));
            }
        }
        from.into_iter().min()
    }

    /// The first event in `start .. start + within`, if there are enough distinct builds.
    fn window(&self, rule: &Rule, start: i64, to: usize, time: fn(&Event) -> i64) -> Option<i64> {
        let inside: Vec<_> =
            self.counted(to).filter(|event| (start..start + rule.within.0).contains(&time(event))).collect();
        let builds: BTreeSet<_> = inside.iter().map(|event| event.build).collect();
        let first = inside.iter().map(|event| time(event)).min();
        first.filter(|_| builds.len() >= rule.count as usize)
    }

    /// Whether a window that ends with an event holds a rule's count of builds, one less, or one more.
    pub(crate) fn comes_to_an_edge(&self) -> bool {
        (0..self.events.len()).any(|index| {
            let now = self.events[index].effective;
            self.burst.rules.iter().any(|rule| {
                let start = now - rule.within.0 + 1;
                let builds: BTreeSet<_> = self
                    .counted(index)
                    .filter(|event| event.effective >= start)
                    .map(|event| event.build)
                    .collect();
                builds.len().abs_diff(rule.count as usize) <= 1
            })
        })
    }
}
