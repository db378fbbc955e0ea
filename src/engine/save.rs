//! What the state keeps of an engine: a small machine that is written whole, and changes that are appended.
//!
//! An engine that was restored decides exactly as one that never stopped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::account::Account;
use super::burst::Burst;
use super::clock::PartitionClock;
use super::command::CommandRecord;
use super::counter::{Counter, CounterKey};
use super::cutover::{Course, CourseError};
use super::event::{Queued, TagEvent};
use super::hold::{Hold, HoldChange};
use super::journal::Facts;
use super::names::Names;
use super::select::{BadExpression, PackageList};
use super::tags::Member;
use crate::event::Position;
use crate::settings::Settings;
use crate::time::Second;

/// Something the state has to write down.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An event was admitted; whether before those that wait for the sink.
    Admitted(Arc<TagEvent>, bool),
    /// An event was ignored for its package, at that time.
    Ignored(Second, Arc<TagEvent>),
    /// All ignored events were judged again; those that still are ignored follow.
    IgnoredAgain,
    /// The counter of a tag changed, or was forgotten.
    Counter(CounterKey),
    /// A package list was taken, put aside or accepted.
    Lists,
    /// An operator's command was carried out.
    Command(Box<CommandRecord>),
}

/// The part of an engine that is small and changes with every record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    trigger: String,
    /// What is followed; a state of an older version has only its name.
    #[serde(default)]
    course: Option<Course>,
    #[serde(default)]
    family: Vec<Member>,
    clocks: BTreeMap<u32, PartitionClock>,
    undated: BTreeMap<u32, Vec<Queued>>,
    queue: Vec<Queued>,
    triggers: Vec<Burst>,
    account: Account,
    runs: u32,
    #[serde(default)]
    commands: u32,
    holds_opened: u32,
    now: Second,
    passed: Option<Second>,
    next_sweep: Second,
    lessons: PartitionClock,
    undated_lessons: Vec<Queued>,
}

/// The package list in force and the one that waits for an operator.
pub type Lists = (Option<Arc<PackageList>>, Option<Arc<PackageList>>);

/// What changed since the state was last written.
#[derive(Debug)]
pub struct Changes {
    /// Number of the first new name, and the new names.
    pub names: (usize, Vec<String>),
    /// How the memory grew.
    pub facts: Facts,
    /// How the holds changed.
    pub holds: Vec<HoldChange>,
    /// Counters as they are now; `None` for one that was forgotten.
    pub counters: Vec<(CounterKey, Option<Counter>)>,
    /// Admitted events, and whether they go before those that wait for the sink.
    pub admitted: Vec<(Arc<TagEvent>, bool)>,
    /// Whether the ignored events stand here anew, and ignored events to add.
    pub ignored: (bool, Vec<(Second, Arc<TagEvent>)>),
    /// The package lists, if they changed.
    pub lists: Option<Lists>,
    /// Commands of operators that were carried out.
    pub commands: Vec<CommandRecord>,
}

/// All that an engine is restored from.
#[derive(Debug, Default)]
pub struct Saved {
    /// The machine; `None` for a state that was never written.
    pub machine: Option<Machine>,
    /// Names, from number 1 on.
    pub names: Vec<String>,
    /// Open holds with their members.
    pub holds: Vec<Hold>,
    /// Counters.
    pub counters: Vec<(CounterKey, Counter)>,
    /// The newest admitted event of each package.
    pub newest_admitted: Vec<(String, Second, Position)>,
    /// Ignored events, oldest first.
    pub ignored: VecDeque<(Second, Arc<TagEvent>)>,
    /// Package lists.
    pub lists: Lists,
}

/// Why a state cannot be continued with a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// An expression of the pipeline cannot be used.
    #[error(transparent)]
    Expression(#[from] BadExpression),
    /// A tag is to be followed that cannot be.
    #[error(transparent)]
    Course(#[from] CourseError),
}

impl Engine {
    /// An engine that goes on where another stopped. The facts of its memory are then given to [`Engine::replay_facts`],
    /// in their order, and [`Engine::start_journal`] ends the restoring.
    ///
    /// # Errors
    /// Where an expression cannot be used.
    pub fn restore(
        settings: Settings,
        partitions: impl IntoIterator<Item = u32>,
        saved: Saved,
    ) -> Result<Self, RestoreError> {
        let mut names = Names::new(settings.bounds.names);
        for text in &saved.names {
            names.intern(text);
        }
        let mut engine = Self::with_names(settings, partitions, names)?;
        let Some(machine) = saved.machine else { return Ok(engine) };
        engine.restore_course(machine.course, &machine.trigger, machine.family);
        engine.clocks.extend(machine.clocks);
        engine.undated = machine.undated;
        for event in machine.queue {
            engine.queue.push(event);
        }
        let known: BTreeSet<_> = machine.triggers.iter().map(|trigger| trigger.key).collect();
        engine.triggers.retain(|trigger| !known.contains(&trigger.key));
        engine.triggers.splice(0..0, machine.triggers);
        engine.account = machine.account;
        engine.runs = machine.runs;
        engine.commands = machine.commands;
        engine.now = machine.now;
        engine.passed = machine.passed;
        engine.lessons = machine.lessons;
        engine.undated_lessons = machine.undated_lessons;
        engine.next_sweep = machine.next_sweep;
        engine.holds.restore(saved.holds, machine.holds_opened);
        engine.counters.extend(saved.counters);
        let newest = saved.newest_admitted.into_iter();
        engine
            .newest_admitted
            .extend(newest.map(|(name, at, position)| (name.into_boxed_str(), (at, position))));
        engine.ignored = saved.ignored;
        engine.select.restore_lists(saved.lists.0, saved.lists.1);
        Ok(engine)
    }

    /// Takes up what was followed. What the pipeline wants to follow is not looked at here: that is [`Engine::follow`].
    fn restore_course(&mut self, course: Option<Course>, trigger: &str, family: Vec<Member>) {
        let course = course.unwrap_or_else(|| Course::new(self.known.names.intern(trigger)));
        let text = self.known.names.text(course.followed).to_owned();
        self.known.tags.restore(course.followed, family, &self.known.names);
        let beside = course.beside.as_ref().map(|beside| beside.tag);
        let beside = beside.map(|tag| (tag, self.known.names.text(tag).to_owned()));
        self.known.tags.judge_beside(beside.as_ref().map(|(tag, text)| (*tag, text.as_str())));
        self.course = course;
        self.settings.trigger.tag = text;
        self.triggers.clear();
        self.add_triggers(self.course.followed);
        self.look_ahead();
    }

    /// Applies facts of the memory that were written down.
    pub fn replay_facts(&mut self, facts: Facts) {
        self.known.replay(facts);
    }

    /// Begins to note what the state has to write down.
    pub fn start_journal(&mut self) {
        self.changes.start();
        self.holds.journal.start();
        self.known.start_journal();
    }

    /// The machine as it is now.
    pub fn machine(&self) -> Machine {
        Machine {
            trigger: self.settings.trigger.tag.clone(),
            course: Some(self.course.clone()),
            family: self.known.tags.family().to_vec(),
            clocks: self.clocks.clone(),
            undated: self.undated.clone(),
            queue: self.queue.iter().cloned().collect(),
            triggers: self.triggers.clone(),
            account: self.account.clone(),
            runs: self.runs,
            commands: self.commands,
            holds_opened: self.holds.opened(),
            now: self.now,
            passed: self.passed,
            lessons: self.lessons.clone(),
            undated_lessons: self.undated_lessons.clone(),
            next_sweep: self.next_sweep,
        }
    }

    /// What changed since this was last called; `names_written` names were written before.
    pub fn take_changes(&mut self, names_written: usize) -> Changes {
        let mut changes = Changes {
            names: (names_written.max(1), Vec::new()),
            facts: self.known.take_facts(),
            holds: self.holds.journal.take(),
            counters: Vec::new(),
            admitted: Vec::new(),
            ignored: (false, Vec::new()),
            lists: None,
            commands: Vec::new(),
        };
        changes.names.1 =
            self.known.names.texts_from(names_written).iter().map(ToString::to_string).collect();
        let mut counters = BTreeSet::new();
        for change in self.changes.take() {
            match change {
                Change::Admitted(event, first) => changes.admitted.push((event, first)),
                Change::Ignored(at, event) => changes.ignored.1.push((at, event)),
                Change::IgnoredAgain => changes.ignored = (true, Vec::new()),
                Change::Counter(key) => drop(counters.insert(key)),
                Change::Command(record) => changes.commands.push(*record),
                Change::Lists => {
                    let (list, proposed) = self.select.lists();
                    changes.lists = Some((list.cloned(), proposed.cloned()));
                }
            }
        }
        let now = |key| (key, self.counters.get(&key).cloned());
        changes.counters = counters.into_iter().map(now).collect();
        changes
    }
}
