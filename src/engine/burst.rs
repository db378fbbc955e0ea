//! The burst operator of a trigger tag: hold-back, and QUIET, SUSPECT, BURST (design section 7).
//!
//! Every event waits `hold_back` from its effective time on. When a rule holds, all pending events from its window's
//! first event on are claimed: that makes the key SUSPECT, which holds everything, until it is seen to be a BURST or is
//! resolved. The operator says when an event falls due and as a member of what; what becomes of it then is judged from
//! its evidence by [`super::verdict`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::decision::{Evidence, RunSummary};
use super::event::TagEvent;
use super::evidence::{Knowledge, Standing};
use super::hold::{HoldKind, TagKey};
use super::memory::{Class, Classes, Memory};
use super::names::Name;
use super::window::{Fired, Windows};
use crate::event::Position;
use crate::settings::{BurstSettings, Rule};
use crate::time::{Second, Seconds};

/// Bursts that are over and that a late event may still belong to.
const CLOSED_MAX: usize = 64;
/// How long a `package.list.change` storm is told of.
const STORM: Seconds = Seconds(3_600);

/// An event that falls due, and as what.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The event.
    pub event: Arc<TagEvent>,
    /// What its build is.
    pub standing: Standing,
    /// The terms of that.
    pub evidence: Evidence,
    /// What it is a member of.
    pub member_of: MemberOf,
    /// The time of the timer or event that let it fall due.
    pub at: Second,
}

/// What an event is a member of when it falls due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberOf {
    /// Of nothing: the key was quiet.
    Nothing,
    /// Of a group that turned out to be no burst.
    Resolved(RunSummary),
    /// Of a burst of a kind.
    Burst(HoldKind, RunSummary),
}

/// A run that is over: what is told to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The tag.
    pub key: TagKey,
    /// Effective time of the first member.
    pub first: Second,
    /// Effective time of the last member.
    pub last: Second,
    /// When it was over.
    pub ended_at: Second,
    /// Its rule, counts and members.
    pub summary: RunSummary,
    /// Its kind, if it was a burst.
    pub kind: Option<HoldKind>,
    /// What explains it to a person.
    pub attributes: Attributes,
}

/// What the operator has to say after an input.
#[derive(Debug, Default)]
pub struct Output {
    /// Events that fell due, in order.
    pub due: Vec<Due>,
    /// Runs that are over.
    pub reports: Vec<RunReport>,
}

/// The settings of the operator, with names as numbers.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Rules, sizes and times.
    pub settings: BurstSettings,
    /// Actors of the normal gating.
    pub gating: Vec<Name>,
}

impl Rules {
    fn smallest_count(&self) -> u32 {
        self.settings.rules.iter().map(|rule| rule.count).min().unwrap_or(u32::MAX)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pending {
    event: Arc<TagEvent>,
    /// It needs a decision; one that is not eligible only counts.
    open: bool,
    /// Its class, once it was claimed.
    claimed: Option<Class>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Suspect,
    Burst,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Run {
    number: u32,
    phase: Phase,
    rule: Rule,
    count: u32,
    /// First second of the window that fired first.
    from: Second,
    /// The earliest second from which on everything pending was claimed.
    reached: Second,
    /// Effective time of the first member.
    first: Second,
    /// Effective time of the last member.
    last: Second,
    /// When a rule last held.
    held_at: Second,
    /// At one of its claims enough new builds were remembered for a mass rebuild: that stays true when memory fades.
    mass: bool,
    members: Classes,
    attributes: Attributes,
}

impl Run {
    fn summary(&self) -> RunSummary {
        RunSummary {
            number: self.number,
            rule: self.rule,
            count: self.count,
            from: self.from,
            members: self.members,
            burst: self.phase == Phase::Burst,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Closed {
    first: Second,
    last: Second,
    kind: HoldKind,
    summary: RunSummary,
}

/// The burst operator of one trigger tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Burst {
    /// The tag.
    pub key: TagKey,
    windows: Windows,
    /// In the order of turns; the first `due` of them are past their hold-back (only while SUSPECT).
    pending: VecDeque<Pending>,
    due: usize,
    /// Past their hold-back, but their evidence is not old enough yet.
    #[serde(with = "super::pairs")]
    ripening: BTreeMap<(Second, Position), (Arc<TagEvent>, MemberOf)>,
    run: Option<Run>,
    memory: Memory,
    closed: VecDeque<Closed>,
    storm: (u32, Second),
}

impl Burst {
    /// The operator of a tag that nothing was seen of.
    pub fn new(key: TagKey) -> Self {
        Self {
            key,
            windows: Windows::default(),
            pending: VecDeque::new(),
            due: 0,
            ripening: BTreeMap::new(),
            run: None,
            memory: Memory::default(),
            closed: VecDeque::new(),
            storm: (0, Second::MIN),
        }
    }

    /// Takes the turn of one event. `open`: it needs a decision. `runs` numbers the runs of the engine.
    pub fn turn(
        &mut self,
        rules: &Rules,
        known: &Knowledge,
        event: Arc<TagEvent>,
        open: bool,
        runs: &mut u32,
    ) -> Output {
        let mut output = Output::default();
        let now = event.effective;
        let fired = self.windows.count(&rules.settings.rules, event.build, now, event.happened);
        self.pending.push_back(Pending { event, open, claimed: None });
        if let Some(fired) = fired {
            self.claim(rules, known, fired, now, runs);
            self.look(rules, known, now, &mut output);
        }
        output
    }

    /// Takes an event in that is judged once more: it waits its hold-back again, and was counted before.
    pub fn readmit(&mut self, mut event: Arc<TagEvent>, now: Second) {
        let again = Arc::make_mut(&mut event);
        again.effective = again.effective.max(now);
        self.pending.push_back(Pending { event, open: true, claimed: None });
    }

    /// The package list of the tag changed: an early warning.
    pub fn package_list_change(&mut self, now: Second) {
        let count = if now - self.storm.1 <= STORM { self.storm.0 } else { 0 };
        self.storm = (count.saturating_add(1), now);
    }

    /// When the next timer is due.
    pub fn next_timer(&self, rules: &Rules) -> Option<Second> {
        let falls_due =
            self.pending.get(self.due).map(|pending| pending.event.effective + rules.settings.hold_back);
        let ripens = self.ripening.first_key_value().map(|((at, _), _)| *at);
        let ends = self.run.as_ref().map(|run| run_end(rules, run));
        [falls_due, ripens, ends].into_iter().flatten().min()
    }

    /// Fires all timers of the time `now`, none of which is earlier.
    pub fn fire(&mut self, rules: &Rules, known: &Knowledge, now: Second, runs: &mut u32) -> Output {
        let mut output = Output::default();
        let hold_back = rules.settings.hold_back;
        while self.pending.get(self.due).is_some_and(|pending| pending.event.effective + hold_back <= now) {
            self.fall_due(rules, known, now, &mut output);
        }
        while self.ripening.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
            self.ripen(known, now, &mut output);
        }
        if self.run.as_ref().is_some_and(|run| run_end(rules, run) <= now) {
            self.end_run(rules, known, now, runs, &mut output);
        }
        output
    }

    /// How many events wait for a decision.
    pub fn waiting(&self) -> usize {
        self.pending.iter().filter(|pending| pending.open).count() + self.ripening.len()
    }

    /// All events that wait for a decision, in the order of their turns: for the end of the input.
    pub fn drain(&mut self) -> Vec<Arc<TagEvent>> {
        let ripening = std::mem::take(&mut self.ripening).into_values().map(|(event, _)| event);
        let pending = self.pending.drain(..).filter(|pending| pending.open).map(|pending| pending.event);
        let mut events: Vec<_> = ripening.chain(pending).collect();
        events.sort_by_key(|event| (event.effective, event.position));
        self.due = 0;
        events
    }

    /// When a rule of the run that goes on last held.
    pub fn rule_held_at(&self) -> Option<Second> {
        self.run.as_ref().map(|run| run.held_at)
    }

    /// Whether a rule holds or held a short while ago: `SUSPECT` or `BURST`.
    pub fn phase_word(&self) -> &'static str {
        match self.run.as_ref().map(|run| run.phase) {
            None => "quiet",
            Some(Phase::Suspect) => "suspect",
            Some(Phase::Burst) => "burst",
        }
    }

    /// A member of a burst turned out to be of a class, after it was decided that nothing was known of it.
    pub fn told(&mut self, class: Class, actor: Name, now: Second) {
        self.memory.change(Class::Unproven, class, actor, now);
    }

    /// New builds that are remembered now: of all, and of one actor.
    pub fn remembered_fresh(&self, actor: Name, now: Second) -> (f64, f64) {
        (self.memory.fresh(now), self.memory.fresh_of(actor, now))
    }

    /// Whether an actor was seen to merge a mass rebuild into this tag a short while ago.
    pub fn is_mass_rebuilder(&self, rules: &Rules, actor: Name, now: Second) -> bool {
        !rules.gating.contains(&actor)
            && self.memory.fresh_of(actor, now) >= f64::from(rules.settings.actor_size)
    }

    fn claim(&mut self, rules: &Rules, known: &Knowledge, fired: Fired, now: Second, runs: &mut u32) {
        let storm = if now - self.storm.1 <= STORM { self.storm.0 } else { 0 };
        let run = self.run.get_or_insert_with(|| {
            *runs += 1;
            Run {
                number: *runs,
                phase: Phase::Suspect,
                rule: fired.rule,
                count: fired.count,
                from: fired.from,
                reached: now,
                first: now,
                last: now,
                held_at: now,
                mass: false,
                members: Classes::default(),
                attributes: Attributes::new(storm),
            }
        });
        // All members of a run lie between its first and its last: what came in between belongs to it. Only a window
        // that reaches further back than all before it has to look past those that are members already.
        let reaches_back = fired.from < run.reached;
        let from = fired.from.min(run.first);
        run.reached = run.reached.min(from);
        let mut claimed = Vec::new();
        for (index, pending) in self.pending.iter().enumerate().rev() {
            if pending.event.effective < from || pending.claimed.is_some() && !reaches_back {
                break;
            }
            if pending.claimed.is_none() {
                claimed.push(index);
            }
        }
        for index in claimed.into_iter().rev() {
            let Some(pending) = self.pending.get_mut(index) else { continue };
            let class = known.judge(&pending.event, now).0.class();
            pending.claimed = Some(class);
            run.first = run.first.min(pending.event.effective);
            run.members.add(class);
            run.attributes.add(&pending.event, known.names.text(pending.event.tag));
            self.memory.add(class, pending.event.actor, now);
        }
        run.last = now;
        run.held_at = now;
        run.mass |= is_mass(rules, &self.memory, now);
    }

    /// Looks whether what is suspected is a burst.
    fn look(&mut self, rules: &Rules, known: &Knowledge, now: Second, output: &mut Output) {
        let Some(run) = self.run.as_mut().filter(|run| run.phase == Phase::Suspect) else { return };
        let settings = &rules.settings;
        let members = run.members.total();
        let mostly_unproven = members >= rules.smallest_count() && run.members.fresh * 2 < members;
        let large = self.memory.size(now) >= f64::from(settings.hold_size);
        let by_one = self.memory.fresh_of_one_actor(&rules.gating, now) >= f64::from(settings.actor_size);
        if mostly_unproven || large || by_one {
            run.phase = Phase::Burst;
            self.settle_due(rules, known, now, output);
        }
    }

    /// The hold-back of the next pending event is over.
    fn fall_due(&mut self, rules: &Rules, known: &Knowledge, now: Second, output: &mut Output) {
        match self.run.as_ref().map(|run| run.phase) {
            Some(Phase::Suspect) => self.due += 1,
            Some(Phase::Burst) | None => {
                if let Some(pending) = self.pending.pop_front() {
                    self.settle(rules, known, pending, now, output);
                }
            }
        }
    }

    /// Settles all that is past its hold-back.
    fn settle_due(&mut self, rules: &Rules, known: &Knowledge, now: Second, output: &mut Output) {
        for _ in 0..std::mem::take(&mut self.due) {
            if let Some(pending) = self.pending.pop_front() {
                self.settle(rules, known, pending, now, output);
            }
        }
    }

    /// Lets one event fall due as a member of what the key is in now.
    fn settle(
        &mut self,
        rules: &Rules,
        known: &Knowledge,
        pending: Pending,
        now: Second,
        output: &mut Output,
    ) {
        let Pending { event, open, claimed } = pending;
        let (standing, evidence) = known.judge(&event, now);
        self.reclass(claimed, standing.class(), event.actor, now);
        if !open {
            return;
        }
        let member_of = self.member_of(rules, &event, claimed.is_some(), now);
        self.push(Due { event, standing, evidence, member_of, at: now }, output);
    }

    fn push(&mut self, due: Due, output: &mut Output) {
        let must_ripen = !matches!(due.member_of, MemberOf::Burst(HoldKind::MassRebuild, _));
        if let (Standing::Unripe(at), true, None) = (due.standing, must_ripen, due.evidence.rebuild) {
            self.ripening.insert((at, due.event.position), (due.event, due.member_of));
            return;
        }
        output.due.push(due);
    }

    /// An event whose evidence was too young is judged again.
    fn ripen(&mut self, known: &Knowledge, now: Second, output: &mut Output) {
        let Some((_, (event, member_of))) = self.ripening.pop_first() else { return };
        let (standing, evidence) = known.judge(&event, now);
        self.push(Due { event, standing, evidence, member_of, at: now }, output);
    }

    /// What an event belongs to as it falls due.
    fn member_of(&self, rules: &Rules, event: &TagEvent, claimed: bool, now: Second) -> MemberOf {
        // What waited for its window's end, and was before the first member, is judged alone.
        let run = self.run.as_ref().filter(|run| claimed || event.effective >= run.first);
        if let Some(run) = run.filter(|run| run.phase == Phase::Burst) {
            return MemberOf::Burst(self.kind(rules, run, now), run.summary());
        }
        // A late event makes the rule of the burst that it belongs to hold once more: that suspicion is answered.
        let late_into = |burst: &&Closed| event.late && (burst.first..=burst.last).contains(&event.happened);
        if let Some(burst) = self.closed.iter().rev().find(late_into) {
            return MemberOf::Burst(burst.kind, burst.summary.clone());
        }
        match run.filter(|_| claimed) {
            Some(run) => MemberOf::Resolved(run.summary()),
            None => MemberOf::Nothing,
        }
    }

    /// The kind of a burst, told anew whenever it is asked.
    fn kind(&self, rules: &Rules, run: &Run, now: Second) -> HoldKind {
        let (members, half) = (&run.members, run.members.total() / 2);
        if members.fresh > half && (run.mass || is_mass(rules, &self.memory, now)) {
            HoldKind::MassRebuild
        } else if members.known > half {
            HoldKind::Retag
        } else {
            HoldKind::Flood
        }
    }

    /// A member's class turned out to be another than when it was claimed.
    fn reclass(&mut self, claimed: Option<Class>, class: Class, actor: Name, now: Second) {
        let Some(before) = claimed.filter(|&before| before != class) else { return };
        if let Some(run) = &mut self.run {
            run.members.change(before, class);
        }
        self.memory.change(before, class, actor, now);
    }

    /// A run is over: quiet came, or it was suspected for too long.
    fn end_run(
        &mut self,
        rules: &Rules,
        known: &Knowledge,
        now: Second,
        runs: &mut u32,
        output: &mut Output,
    ) {
        self.settle_due(rules, known, now, output);
        let Some(run) = self.run.take() else { return };
        let kind = (run.phase == Phase::Burst).then(|| self.kind(rules, &run, now));
        if let Some(kind) = kind {
            let closed = Closed { first: run.first, last: run.last, kind, summary: run.summary() };
            self.closed.push_back(closed);
            if self.closed.len() > CLOSED_MAX {
                self.closed.pop_front();
            }
        }
        self.begin_next_group(&run, runs);
        let Run { first, last, .. } = run;
        let (summary, attributes) = (run.summary(), run.attributes);
        output.reports.push(RunReport {
            key: self.key,
            first,
            last,
            ended_at: now,
            summary,
            kind,
            attributes,
        });
        self.look(rules, known, now, output);
    }

    /// Members whose hold-back is not over when a group is resolved for its age begin the next one.
    fn begin_next_group(&mut self, resolved: &Run, runs: &mut u32) {
        let mut rest = self.pending.iter().filter(|pending| pending.claimed.is_some()).peekable();
        let Some(first) = rest.peek() else { return };
        *runs += 1;
        let mut next = Run {
            number: *runs,
            phase: Phase::Suspect,
            first: first.event.effective,
            members: Classes::default(),
            attributes: resolved.attributes.next(),
            ..resolved.clone()
        };
        for pending in rest {
            pending.claimed.into_iter().for_each(|class| next.members.add(class));
        }
        self.run = Some(next);
    }
}

/// Whether so many new builds are remembered, of all or of one actor, that it is a mass rebuild.
fn is_mass(rules: &Rules, memory: &Memory, now: Second) -> bool {
    let settings = &rules.settings;
    memory.fresh(now) >= f64::from(settings.hold_size)
        || memory.fresh_of_one_actor(&rules.gating, now) >= f64::from(settings.actor_size)
}

/// When a run is over, or was suspected for too long.
fn run_end(rules: &Rules, run: &Run) -> Second {
    let settings = &rules.settings;
    let large = run.phase == Phase::Suspect && run.members.total() > settings.large;
    let quiet = run.held_at + if large { settings.quiet_large } else { settings.quiet };
    let over = quiet.max(run.last + settings.hold_back);
    match run.phase {
        Phase::Suspect => over.min(run.first + settings.suspect_max),
        Phase::Burst => over,
    }
}
