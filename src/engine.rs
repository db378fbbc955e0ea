//! The engine: from decoded records to decisions. Pure: no clock, no I/O, no async; one engine runs live, in replay
//! and in simulation.
//!
//! Records come in by [`Engine::record`] in any interleaving of partitions. Operators act on an event when the watermark
//! has passed it, in the order (effective time, partition, offset); timers fire up to the watermark, a timer before an
//! event of the same second. So reading speed, batching and restarts never change a decision.

pub mod account;
pub mod attributes;
pub mod burst;
pub mod clock;
pub mod command;
pub mod counter;
pub mod course;
pub mod cutover;
pub mod decision;
pub mod entries;
pub mod event;
pub mod evidence;
pub mod happened;
pub mod hold;
pub mod intake;
pub mod journal;
pub mod memory;
pub mod names;
pub mod packages;
pub mod pairs;
pub mod reorder;
pub mod save;
pub mod seen;
pub mod select;
pub mod shards;
pub mod short;
pub mod tags;
pub mod trail;
pub mod turn;
pub mod verdict;
pub mod window;
pub mod witness;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;

use self::account::Account;
use self::burst::{Burst, RunReport};
use self::clock::PartitionClock;
use self::counter::{Counter, CounterKey};
use self::cutover::Course;
use self::decision::{Decision, Detail, HoldId, Reason};
use self::event::{Queued, TagEvent};
use self::evidence::Knowledge;
use self::hold::{HeldEvent, HoldBook, TagKey};
use self::journal::Journal;
use self::names::{Name, Names};
use self::reorder::Reorder;
use self::save::Change;
use self::seen::BuildInTag;
use self::select::{BadExpression, Select};
use crate::event::Position;
use crate::settings::{HoldAction, Settings};
use crate::time::{Second, Seconds};

/// How often what is too old is forgotten, in event time.
const SWEEP_EVERY: Seconds = Seconds(7 * 86_400);

/// What the engine has to say since it was last asked.
#[derive(Debug, Default)]
pub struct Output {
    /// Decisions, in the order they were taken.
    pub decisions: Vec<Decision>,
    /// Runs of bursts that are over.
    pub runs: Vec<RunReport>,
}

/// The chain of operators of one pipeline.
#[derive(Debug, Clone)]
pub struct Engine {
    settings: Settings,
    rules: burst::Rules,
    instances: Vec<Name>,
    clocks: BTreeMap<u32, PartitionClock>,
    /// Records of a partition that has not seen a time yet.
    undated: BTreeMap<u32, Vec<Queued>>,
    /// The clock of the warm-up.
    lessons: PartitionClock,
    /// Records of the warm-up from before its first time.
    undated_lessons: Vec<Queued>,
    queue: Reorder<Queued>,
    known: Knowledge,
    counters: HashMap<CounterKey, Counter, foldhash::fast::RandomState>,
    triggers: Vec<Burst>,
    course: Course,
    holds: HoldBook,
    select: Select,
    account: Account,
    /// The newest admitted event of each package.
    newest_admitted: HashMap<Box<str>, (Second, Position), foldhash::fast::RandomState>,
    /// Events that were ignored for their package, oldest first.
    ignored: VecDeque<(Second, Arc<TagEvent>)>,
    runs: u32,
    /// Commands of operators that were carried out.
    commands: u32,
    now: Second,
    /// The watermark up to which events and timers were worked off.
    passed: Option<Second>,
    next_sweep: Second,
    /// Records only teach: warm-up.
    teaching: bool,
    /// The stream is over: only what decides runs on.
    ending: bool,
    /// What the state has to write down beside what the parts of the engine note themselves.
    changes: Journal<Change>,
    decisions: Vec<Decision>,
    reports: Vec<RunReport>,
}

impl Engine {
    /// An engine that has seen nothing, for the partitions that its source owns.
    ///
    /// # Errors
    /// Where an include or exclude expression cannot be used.
    pub fn new(settings: Settings, partitions: impl IntoIterator<Item = u32>) -> Result<Self, BadExpression> {
        let names = Names::new(settings.bounds.names);
        Self::with_names(settings, partitions, names)
    }

    /// The same, with names numbered before.
    fn with_names(
        settings: Settings,
        partitions: impl IntoIterator<Item = u32>,
        names: Names,
    ) -> Result<Self, BadExpression> {
        let mut known = Knowledge::new(&settings, names);
        let instances: Vec<_> =
            settings.route.instances.iter().map(|text| known.names.intern(text)).collect();
        let gating = settings.burst.gating_users.iter().map(|user| known.names.intern(user)).collect();
        let course = Course::new(known.tags.followed());
        let mut engine = Self {
            rules: burst::Rules { settings: settings.burst.clone(), gating },
            select: Select::new(&settings.select)?,
            clocks: partitions.into_iter().map(|partition| (partition, PartitionClock::default())).collect(),
            settings,
            instances,
            undated: BTreeMap::new(),
            lessons: PartitionClock::default(),
            undated_lessons: Vec::new(),
            queue: Reorder::default(),
            known,
            counters: HashMap::default(),
            triggers: Vec::new(),
            course,
            holds: HoldBook::default(),
            account: Account::default(),
            newest_admitted: HashMap::default(),
            ignored: VecDeque::new(),
            runs: 0,
            commands: 0,
            now: Second::MIN,
            passed: None,
            next_sweep: Second::MIN,
            teaching: false,
            ending: false,
            changes: Journal::default(),
            decisions: Vec::new(),
            reports: Vec::new(),
        };
        engine.add_triggers(engine.course.followed);
        engine.look_ahead();
        Ok(engine)
    }

    /// What was decided since this was last called.
    pub fn take_output(&mut self) -> Output {
        Output { decisions: std::mem::take(&mut self.decisions), runs: std::mem::take(&mut self.reports) }
    }

    /// How many decisions wait to be taken.
    pub fn undelivered(&self) -> usize {
        self.decisions.len()
    }

    /// The event time before which no more records are expected; `None` while a partition has not shown one. It does
    /// not go back for a partition that appears later: it stands still until that has caught up.
    pub fn watermark(&self) -> Option<Second> {
        let each = self.clocks.values().map(|clock| clock.watermark(&self.settings.clock));
        each.min().flatten().max(self.passed)
    }

    /// A partition was proved to be caught up: no record of before `watermark` will come there.
    pub fn caught_up(&mut self, partition: u32, watermark: Second) {
        self.clocks.entry(partition).or_default().prove(watermark);
        self.run_to_watermark();
    }

    /// The source owns a further partition: the watermark waits for it.
    pub fn own(&mut self, partition: u32) {
        self.clocks.entry(partition).or_default();
    }

    /// A partition does not exist any more: the watermark waits for it no longer. What it brought is judged.
    pub fn disown(&mut self, partition: u32) {
        self.clocks.remove(&partition);
        let at = self.queue.next().unwrap_or(Second::YEAR_2010).max(self.reached());
        for mut event in self.undated.remove(&partition).unwrap_or_default() {
            (event.effective, event.happened) = (at, at);
            self.queue.push(event);
        }
        self.run_to_watermark();
    }

    /// What the clock of a partition shows: its watermark, and the newest time that is believed.
    pub fn clock_of(&self, partition: u32) -> (Option<Second>, Option<Second>) {
        let clock = self.clocks.get(&partition);
        (
            clock.and_then(|clock| clock.watermark(&self.settings.clock)),
            clock.and_then(PartitionClock::newest),
        )
    }

    /// A build was in a tag at a time, as an import or Koji says.
    pub fn know(&mut self, instance: Option<&str>, build_id: u64, tag: &str, at: Second) {
        let instance = match instance {
            Some(text) => self.known.names.intern(text),
            None => self.instances.first().copied().unwrap_or(Name::OTHER),
        };
        let tag = self.known.names.intern(tag);
        if tag == Name::OTHER {
            return;
        }
        self.known.tags.add_to_family(tag);
        self.known.seen.know(BuildInTag::new(decision::BuildKey { instance, id: build_id }, tag), at);
    }

    /// Whether any build of the family is known.
    pub fn knows_family(&self) -> bool {
        self.known.tags.family().iter().any(|member| !self.known.seen.in_tag(member.tag).is_empty())
    }

    /// Whether a burst of a tag goes on.
    pub fn is_in_burst(&self, key: TagKey) -> bool {
        self.triggers.iter().any(|trigger| trigger.key == key && trigger.phase_word() == "burst")
    }

    /// Runs of the trigger tag so far.
    pub fn runs(&self) -> u32 {
        self.runs
    }

    /// Commands of operators that were carried out.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// The stream is over: the watermark runs on through hold-back and quiet, and what is then undecided is held.
    pub fn end(&mut self) {
        self.ending = true;
        // No time was ever shown where these came from: they take the oldest there is.
        let oldest = self.queue.next().unwrap_or(Second::YEAR_2010).max(self.reached());
        self.learn_undated(oldest);
        for mut event in std::mem::take(&mut self.undated).into_values().flatten() {
            (event.effective, event.happened) = (oldest, oldest);
            self.queue.push(event);
        }
        self.run(Second::MAX);
        for index in 0..self.triggers.len() {
            let Some(trigger) = self.triggers.get_mut(index) else { continue };
            for event in trigger.drain() {
                self.hold_at_end(index, event);
            }
        }
        for event in self.drain_waiting() {
            let key = TagKey { instance: event.build.instance, tag: event.tag };
            if let Some(index) = self.triggers.iter().position(|trigger| trigger.key == key) {
                self.hold_at_end(index, event);
            }
        }
        self.ending = false;
    }

    /// The names of tags, instances and actors.
    pub fn name(&self, name: Name) -> &str {
        self.known.names.text(name)
    }

    /// All open holds.
    pub fn holds(&self) -> &HoldBook {
        &self.holds
    }

    /// The accounts.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What the stream taught about builds.
    pub fn knowledge(&self) -> &Knowledge {
        &self.known
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// State of the trigger tag: `burst`, `suspect` or `quiet`, of several instances the gravest.
    pub fn phase(&self) -> &'static str {
        let words = self.triggers.iter().map(Burst::phase_word);
        words
            .min_by_key(|word| ["burst", "suspect", "quiet"].iter().position(|known| known == word))
            .unwrap_or("quiet")
    }

    /// Effective time of the last event or timer.
    pub fn now(&self) -> Second {
        self.now
    }

    /// Events between reading and decision.
    pub fn waiting(&self) -> usize {
        let undecided = self.triggers.iter().map(Burst::waiting).sum::<usize>() + self.course.waiting();
        self.queue.len() + self.undated.values().map(Vec::len).sum::<usize>() + undecided
    }

    /// Which bound is reached, so that reading has to pause; `None` where there is room.
    pub fn pressure(&self) -> Option<&'static str> {
        let bounds = &self.settings.bounds;
        if self.holds.held() >= bounds.held as usize {
            return Some("held");
        }
        if self.waiting() >= bounds.waiting as usize {
            return Some("waiting");
        }
        let builds = self.known.seen.len().max(self.known.trails.len());
        (builds >= bounds.builds as usize).then_some("builds")
    }

    fn run_to_watermark(&mut self) {
        if let Some(watermark) = self.watermark() {
            self.passed = Some(watermark);
            self.date_cutover();
            self.learn_undated(self.queue.next().unwrap_or(watermark).min(watermark));
            self.run(watermark);
        }
    }

    /// Works off events before `limit` and timers up to it.
    fn run(&mut self, limit: Second) {
        loop {
            let event = self.queue.next().filter(|second| *second < limit);
            let timer = self.next_timer().filter(|second| *second <= limit);
            match (timer, event) {
                (Some(timer), event) if event.is_none_or(|event| timer <= event) => self.fire(timer),
                (_, Some(_)) => {
                    if let Some(event) = self.queue.pop_before(limit) {
                        self.turn(event);
                    }
                }
                (_, None) => break,
            }
        }
    }

    fn next_timer(&self) -> Option<Second> {
        let bursts = self.triggers.iter().filter_map(|trigger| trigger.next_timer(&self.rules)).min();
        let timers = bursts.into_iter().chain(self.cutover_timer());
        match self.stated_rule() {
            None => timers.min(),
            Some((after, _)) => {
                let unruled = self.holds.iter().filter(|hold| !hold.ruled).map(|hold| hold.opened_at + after);
                timers.chain(unruled).min()
            }
        }
    }

    /// The stated rule of holds, if it does anything.
    fn stated_rule(&self) -> Option<(Seconds, HoldAction)> {
        let rule =
            self.settings.burst.hold_rule.filter(|rule| rule.then != HoldAction::Wait && !self.ending)?;
        Some((rule.after, rule.then))
    }

    fn fire(&mut self, now: Second) {
        self.now = self.now.max(now);
        for index in 0..self.triggers.len() {
            let Self { triggers, rules, known, runs, .. } = self;
            let Some(trigger) = triggers.get_mut(index) else { continue };
            if trigger.next_timer(rules).is_some_and(|at| at <= now) {
                let output = trigger.fire(rules, known, now, runs);
                self.settle(index, output);
            }
        }
        self.fire_stated_rules(now);
        self.end_cutover_if_due(now);
        // Progress: a timer that stays due would let the loop spin for ever.
        debug_assert!(
            self.next_timer().is_none_or(|next| next > now),
            "a timer of {now} fired and did not move on"
        );
    }

    fn fire_stated_rules(&mut self, now: Second) {
        let Some((after, action)) = self.stated_rule() else { return };
        let due: Vec<HoldId> = self
            .holds
            .iter()
            .filter(|hold| !hold.ruled && hold.opened_at + after <= now)
            .map(|hold| hold.id)
            .collect();
        for id in due {
            self.holds.mark_ruled(id);
            self.apply_stated_rule(id, action, now);
        }
    }

    fn hold_at_end(&mut self, index: usize, event: Arc<TagEvent>) {
        let (_, evidence) = self.known.judge(&event, self.now);
        let detail = Detail { event, evidence, run: None, hold: None, command: None };
        self.hold(index, hold::HoldKind::Unproven, false, Reason::EndOfInput, detail);
    }

    /// Puts an event into the hold of its key and of a kind.
    fn hold(
        &mut self,
        index: usize,
        kind: hold::HoldKind,
        in_burst: bool,
        reason: Reason,
        mut detail: Detail,
    ) {
        let Some(key) = self.triggers.get(index).map(|trigger| trigger.key) else { return };
        let id = self.holds.open_or_join(key, kind, self.now);
        let (event, evidence) = (Arc::clone(&detail.event), detail.evidence.clone());
        self.holds.put(id, HeldEvent { event, reason, in_burst, held_at: self.now, evidence, told: None });
        detail.hold = Some(id);
        self.decide_event(reason, in_burst.then_some(id), detail);
    }

    fn decide_event(&mut self, reason: Reason, burst: Option<HoldId>, detail: Detail) {
        let event = &detail.event;
        self.account.decide(event.position.partition, reason);
        self.decisions.push(Decision {
            position: event.position,
            id: event.id.clone(),
            reason,
            code: None,
            burst,
            event_time: Some(event.happened),
            decided_at: Some(self.now),
            detail: Some(Box::new(detail)),
        });
    }
}
