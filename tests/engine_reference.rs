//! The engine against a detector that is written down from the design's definitions alone.
//!
//! [`Reference`] keeps the whole history and asks it anew for everything: which events are duplicates, how many distinct
//! builds lie in a window, what is remembered of earlier groups. It goes through event time second by second. Streams
//! are random, of one tag, over two partitions, with jitter, duplicates, revocations and late events; rules are small,
//! so that most streams come to their edges.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a reference that cannot go on has failed, and it is read best as the definition"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use tidegate::engine::Engine;
use tidegate::engine::decision::{Decision, Reason};
use tidegate::event::{Body, Position, SentAt};
use tidegate::settings::{BurstSettings, Rule, Settings};
use tidegate::time::Seconds;

use common::{Feed, Message, T, complete, message, tagging};

const STREAMS: u64 = 10_000;
const DISORDER: i64 = 5;
/// Builds up to this one are seen in another tag of the family, those up to the next to complete; no others.
const KNOWN_TO: u64 = 8;
const FRESH_TO: u64 = 24;

/// What a decision is compared by: reason, second, number of the run, and whether that was a burst.
type Fate = (Reason, i64, Option<u32>, bool);

#[derive(Debug, Clone)]
struct Event {
    position: Position,
    sent: i64,
    /// `max(sent, watermark of the partition)`.
    effective: i64,
    untag: bool,
    build: u64,
    id: String,
    actor: &'static str,
}

impl Event {
    fn late(&self) -> bool {
        self.sent < self.effective
    }
}

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

struct Reference<'a> {
    burst: &'a BurstSettings,
    /// All events, in the order of their turns.
    events: &'a [Event],
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
    fates: BTreeMap<Position, Fate>,
}

impl Reference<'_> {
    /// Goes through all of event time.
    fn run_through(&mut self) {
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
    fn counted(&self, to: usize) -> impl Iterator<Item = &Event> {
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
    fn comes_to_an_edge(&self) -> bool {
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

fn is_fresh(build: u64) -> bool {
    build > KNOWN_TO && build <= FRESH_TO
}

/// A generator of random numbers that are the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 2).unwrap() % limit
    }

    fn one_in(&mut self, times: i64) -> bool {
        self.below(times) == 0
    }

    fn pick<V: Copy>(&mut self, values: &[V]) -> V {
        values[usize::try_from(self.below(i64::try_from(values.len()).unwrap())).unwrap()]
    }
}

fn random_settings(random: &mut Random) -> Settings {
    let mut settings = common::settings();
    let rule = |count, within| Rule { count, within: Seconds(within) };
    let burst = &mut settings.burst;
    burst.rules = random.pick(&[[rule(4, 5), rule(3, 9)], [rule(3, 2), rule(5, 9)]]).to_vec();
    burst.hold_back = Seconds(random.pick(&[10, 10, 14]));
    burst.quiet = Seconds(random.pick(&[5, 10, 25]));
    burst.large = random.pick(&[6, 500]);
    burst.quiet_large = Seconds(40);
    burst.suspect_max = Seconds(random.pick(&[25, 1_800]));
    burst.hold_size = random.pick(&[9, 6_000]);
    burst.actor_size = random.pick(&[5, 200]);
    settings
}

/// A stream of the tag, in the order of reading.
fn random_stream(random: &mut Random) -> Vec<Event> {
    let (first, last) = random.pick(&[(1, 32), (1, 12), (9, 24), (9, 32), (25, 40), (5, 28)]);
    let step = random.pick(&[2, 4, 7]);
    let mut events: Vec<Event> = Vec::new();
    let mut newest: BTreeMap<u32, i64> = BTreeMap::new();
    let mut offsets: BTreeMap<u32, u64> = BTreeMap::new();
    let mut now = 100;
    for number in 0..random.below(60) + 10 {
        now += if random.one_in(12) { random.below(40) } else { random.below(step) };
        let sent = now - if random.one_in(15) { random.below(60) } else { random.below(4) };
        let partition = u32::from(random.one_in(3));
        let repeated = if random.one_in(15) && !events.is_empty() {
            Some(events[usize::try_from(random.below(i64::try_from(events.len()).unwrap())).unwrap()].clone())
        } else {
            None
        };
        let build = u64::try_from(random.below(last - first + 1) + first).unwrap();
        let fresh = Event {
            position: Position { partition, offset: 0 },
            sent,
            effective: 0,
            untag: random.one_in(8),
            build,
            id: format!("m{number}"),
            actor: random.pick(&["bodhi", "releng", "releng", "kevin"]),
        };
        let mut event = repeated.unwrap_or(fresh);
        let offset = offsets.entry(partition).or_insert(1);
        *offset += 1;
        event.position = Position { partition, offset: *offset };
        let before = newest.get(&partition).copied();
        event.effective = before.map_or(event.sent, |newest| event.sent.max(newest - DISORDER));
        newest.insert(partition, before.map_or(event.sent, |newest| newest.max(event.sent)));
        events.push(event);
    }
    events
}

/// What the engine makes of a stream.
fn judged(settings: &Settings, stream: &[Event]) -> Vec<Decision> {
    let mut engine = Engine::new(settings.clone(), [0, 1]).unwrap();
    let mut feed = Feed::default();
    for build in 1..=KNOWN_TO {
        engine.know(None, build, "f41", common::at(0));
    }
    for build in KNOWN_TO + 1..=FRESH_TO {
        // Before the first event, in a partition that shows no time of its own.
        engine.teach(Ok(tidegate::event::Decoded {
            id: tidegate::event::MessageId::None,
            topic: "".into(),
            sent_at: SentAt::At(common::at(1)),
            body: complete(build),
        }));
    }
    for partition in [0, 1] {
        feed.read(&mut engine, &Message { partition, ..message(20, Body::Unused) });
    }
    for event in stream {
        let tagging = tagging("f42", event.build, event.actor);
        let body = if event.untag { Body::Untag(tagging) } else { Body::Tag(tagging) };
        let id = Some(event.id.clone());
        feed.read(
            &mut engine,
            &Message { partition: event.position.partition, id, ..message(event.sent, body) },
        );
    }
    feed.end(&mut engine);
    feed.decisions
}

fn fate(decision: &Decision) -> Fate {
    let run = decision.detail.as_ref().and_then(|detail| detail.run.as_ref());
    let second = decision.decided_at.unwrap().0 - T;
    (decision.reason, second, run.map(|run| run.number), decision.burst.is_some())
}

/// No event of a window in which a rule holds falls due alone: the rule has claimed it before.
fn assert_nothing_leaked(reference: &Reference<'_>, fates: &BTreeMap<Position, Fate>, seed: u64) {
    let (Some(first), Some(last)) = (reference.events.first(), reference.events.last()) else { return };
    let counted: Vec<_> = reference.counted(reference.events.len() - 1).collect();
    for rule in &reference.burst.rules {
        assert!(rule.within.0 < reference.burst.hold_back.0, "seed {seed}: the theorem asks for a hold-back");
        for start in first.effective - rule.within.0..=last.effective {
            let window = start..start + rule.within.0;
            let inside = || counted.iter().filter(|event| window.contains(&event.effective));
            let builds: BTreeSet<_> = inside().map(|event| event.build).collect();
            if builds.len() < rule.count as usize {
                continue;
            }
            for event in inside() {
                let (reason, _, run, _) = fates[&event.position];
                // What is decided at its turn needs no claim.
                let at_once = reason == Reason::AlreadySubmitted;
                assert!(run.is_some() || at_once, "seed {seed}: {event:?} fell due alone as {reason:?}");
            }
        }
    }
}

#[test]
fn decides_as_the_definitions_say() {
    let (mut edges, mut bursts, mut resolved, mut late) = (0, 0, 0, 0);
    for seed in 0..STREAMS {
        let mut random = Random(seed);
        let settings = random_settings(&mut random);
        let stream = random_stream(&mut random);
        let mut turns = stream.clone();
        turns.sort_by_key(|event| (event.effective, event.position));
        let mut reference = Reference {
            burst: &settings.burst,
            events: &turns,
            turned: 0,
            pending: Vec::new(),
            run: None,
            runs: 0,
            closed: Vec::new(),
            claims: BTreeMap::new(),
            submitted: BTreeMap::new(),
            fates: BTreeMap::new(),
        };
        reference.run_through();
        let decisions = judged(&settings, &stream);
        let fates: BTreeMap<_, _> = decisions
            .iter()
            .filter(|decision| decision.reason != Reason::OtherTopic)
            .map(|decision| (decision.position, fate(decision)))
            .collect();
        for event in &turns {
            let (expected, got) = (&reference.fates[&event.position], fates.get(&event.position));
            assert_eq!(got, Some(expected), "seed {seed}: {event:?} with {:?}", settings.burst);
        }
        assert_eq!(fates.len(), turns.len(), "seed {seed}");
        assert_nothing_leaked(&reference, &fates, seed);
        edges += u64::from(reference.comes_to_an_edge());
        bursts += u64::from(fates.values().any(|fate| fate.3));
        resolved += u64::from(fates.values().any(|fate| fate.2.is_some() && !fate.3));
        late += u64::from(turns.iter().any(Event::late));
    }
    println!(
        "of {STREAMS} streams {edges} come to an edge, {bursts} burst, {resolved} are resolved, {late} run late"
    );
    assert!(edges * 10 >= STREAMS * 3, "only {edges} of {STREAMS} streams come to the edge of a rule");
    for (count, what) in [(bursts, "a burst"), (resolved, "a group that is none"), (late, "a late event")] {
        assert!(count * 10 >= STREAMS * 2, "only {count} of {STREAMS} streams hold {what}");
    }
}
