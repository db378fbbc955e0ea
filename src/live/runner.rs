//! The live pipeline's one owner: the engine, the state, and what is told to the Kafka thread.
//!
//! It is given what happened, one thing after another, with the time; it changes the engine, says what the Kafka thread
//! has to do, and writes everything in one transaction when [`Runner::commit`] is called (invariant I7). It never waits and
//! never reads a clock, so a test can play everything around it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ask::Answer;
use super::fail::{FailAt, FailPoint};
use super::notices::{News, Notices};
use super::outlet::{Outlet, admissions};
use super::partitions::Partitions;
use super::pause::{Kind, Pauses};
use super::reconcile::Reconcile;
use super::rivals::Rivals;
use super::silence::Silence;
use super::truth::Mark;
use super::view::PackagesView;
use super::witness::Witness;
use crate::engine::Engine;
use crate::engine::command::HoldCommand;
use crate::engine::decision::{Decision, Outcome};
use crate::engine::save::RestoreError;
use crate::engine::select::{ListVerdict, PackageList};
use crate::kafka::handover::{FromKafka, ToKafka, TroubleKind};
use crate::pipeline::Outputs;
use crate::state::live::{Act, LiveBatch, Notice, StoredPartition};
use crate::state::{Batch, DeadLetter, LoadError, Stage, State, StateError};
use crate::submit::row::Row;
use crate::submit::{self, stage::Stage as RowStage};
use crate::time::Second;

/// Records after which a batch is written even while more wait, unless the opening says otherwise.
pub const BATCH_RECORDS: usize = 10_000;
/// The shortest time between two writes while there is little to do.
const BATCH_AGE: Duration = Duration::from_millis(100);
/// The shortest time between two notes in Kafka of how far was read.
const NOTE_AGE: Duration = Duration::from_secs(1);

/// The time, as the shell reads it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Since any fixed moment of this process; it never goes back.
    pub mono: Duration,
    /// The clock of this machine.
    pub wall: Second,
}

/// Notices that are on their way at once.
const NOTICES: u32 = 1_000;

/// Takes the answer to a request.
pub type Reply = Box<dyn FnOnce(Answer) + Send>;

/// Why the live pipeline ends, beside being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state does not fit the pipeline.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Another state goes with this consumer group.
    #[error(
        "the consumer group {group} belongs to {}: what it has committed is not of the state file {path} (state {ours}). Give each pipeline a \
         group of its own (source.group), or the state file that goes with this one; nothing was read",
        foreign(state.as_deref())
    )]
    Foreign {
        /// The group.
        group: String,
        /// The state that committed, where it is one.
        state: Option<String>,
        /// Our state file.
        path: String,
        /// Our state.
        ours: String,
    },
    /// Somebody else reads a part of the topics.
    #[error(
        "the consumer group {group} has another member: {who} reads {partition}. Bursts are counted over all partitions or \
         not at all, so one process reads a topic: stop that one, or give this one a group of its own (source.group)"
    )]
    SecondMember {
        /// The group.
        group: String,
        /// The other member.
        who: String,
        /// A partition that it reads.
        partition: String,
    },
    /// The Kafka thread ended without having been told to.
    #[error(
        "the thread that reads from Kafka has failed: this is a fault of Tidegate; nothing is lost, start it again"
    )]
    SourceFailed,
}

impl From<LoadError> for RunError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::State(error) => Self::State(error),
            LoadError::Restore(error) => Self::Restore(error),
        }
    }
}

fn is_first_intent(row: &Row) -> bool {
    row.attempt() == 1 && matches!(row.stage(), RowStage::Intent(_))
}

fn foreign(state: Option<&str>) -> String {
    state.map_or("another program".to_owned(), |state| format!("another state of Tidegate ({state})"))
}

/// The live pipeline. `intake.rs` takes what comes from Kafka, `commands.rs` carries out what operators ask, `show.rs` tells how it stands, `open.rs` begins.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Runner {
    pub(super) engine: Engine,
    pub(super) state: State,
    pub(super) partitions: Partitions,
    pub(super) rivals: Rivals,
    pub(super) pauses: Pauses,
    pub(super) silence: Silence,
    pub(super) packages: PackagesView,
    pub(super) witness: Witness,
    pub(super) reconcile: Reconcile,
    /// Identity of the state, and batches that it has written.
    pub(super) mark: Mark,
    pub(super) group: String,
    /// The state is an old copy: the serial that was committed by the one that went on.
    pub(super) old_copy: Option<u64>,
    pub(super) troubles: BTreeMap<TroubleKind, String>,
    pub(super) damages: Vec<String>,
    pub(super) pressure: Option<&'static str>,
    pub(super) stopping: bool,
    pub(super) started_at: Second,
    /// Admitted builds that wait for the sink, and those that went there; dead letters that wait for attention.
    pub(super) outbox: u64,
    pub(super) submitted: u64,
    pub(super) dead_letters: u64,
    /// What the next batch will write beside the engine.
    pub(super) batch: LiveBatch,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) meta: Vec<(&'static str, String)>,
    /// Answers that wait until it is committed what they say.
    pub(super) replies: Vec<(Reply, Answer)>,
    pub(super) to_kafka: Vec<ToKafka>,
    pub(super) notices: Notices,
    /// The last notice that was given out to be announced, and the last that is confirmed.
    announced: (u64, u64),
    /// Commands that were carried out since the last batch.
    pub(super) commands: Vec<HoldCommand>,
    /// Where admitted builds go; `None`: nowhere, they count as submitted.
    pub(super) outlet: Option<Outlet>,
    /// The group's commits were looked at: the state is known to go on, or to be an old copy.
    pub(super) recognised: bool,
    /// Intake stands still by our own wish.
    pub(super) halted: bool,
    /// Records judged since the last commit, and whether anything else has to be written.
    pub(super) records: usize,
    batch_records: usize,
    pub(super) dirty: bool,
    /// What [`Now::mono`] counts from.
    pub(super) epoch: Instant,
    committed_at: Duration,
    noted: (Duration, u64),
    fail: FailAt,
}

/// What a runner starts from.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) engine: Engine,
    pub(super) state: State,
    pub(super) partitions: Partitions,
    pub(super) mark: Mark,
    pub(super) group: String,
    pub(super) old_copy: Option<u64>,
    pub(super) forgotten_after: Duration,
    pub(super) packages_wanted: bool,
    pub(super) outputs: Outputs,
    pub(super) witness: Witness,
    pub(super) reconcile: Reconcile,
    pub(super) outlet: Option<Outlet>,
    pub(super) batch_records: usize,
    pub(super) acts: Vec<Act>,
    pub(super) meta: Vec<(&'static str, String)>,
}

impl Runner {
    pub(super) fn new(start: Start, epoch: Instant, now: Now) -> Result<Self, RunError> {
        let Start {
            engine,
            state,
            partitions,
            mark,
            group,
            old_copy,
            forgotten_after,
            packages_wanted,
            outputs,
            witness,
            reconcile,
            outlet,
            batch_records,
            acts,
            meta,
        } = start;
        let (outbox, submitted, dead_letters) = state.tallies()?;
        let settings = engine.settings();
        let mut silence = Silence::new(settings.clock.source_silence, now.mono);
        for entry in partitions.iter() {
            let number = entry.stored.number;
            let newest = engine.clock_of(number).1;
            silence.record(number, now.mono, newest, entry.stored.last.map(|last| last.kafka_millis));
        }
        Ok(Self {
            rivals: Rivals::new(forgotten_after),
            pauses: Pauses::new(state.pauses()?),
            silence,
            packages: PackagesView { wanted: packages_wanted, ..PackagesView::default() },
            witness,
            reconcile,
            outlet,
            mark,
            group,
            old_copy,
            troubles: BTreeMap::new(),
            damages: Vec::new(),
            pressure: None,
            stopping: false,
            started_at: now.wall,
            outbox,
            submitted,
            dead_letters,
            batch: LiveBatch { acts, ..LiveBatch::default() },
            letters: Vec::new(),
            meta,
            replies: Vec::new(),
            to_kafka: Vec::new(),
            notices: Notices::new(outputs, &engine),
            announced: (0, 0),
            commands: Vec::new(),
            recognised: false,
            halted: false,
            records: 0,
            batch_records,
            dirty: true,
            epoch,
            committed_at: now.mono,
            noted: (now.mono, 0),
            fail: FailAt::of_environment(),
            engine,
            state,
            partitions,
        })
    }

    /// Identity of the state.
    pub fn state_id(&self) -> &str {
        &self.mark.state
    }

    /// What the Kafka thread has to be told, in order.
    pub fn take_orders(&mut self) -> Vec<ToKafka> {
        std::mem::take(&mut self.to_kafka)
    }

    /// The next notices to be announced, in order; none while too many are on their way, nor of an old copy: the state that
    /// went on has announced others by the same numbers.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn take_notices(&mut self) -> Result<Vec<(u64, Notice)>, RunError> {
        if !self.recognised || self.old_copy.is_some() || self.announced.0 > self.announced.1 {
            return Ok(Vec::new());
        }
        let notices = self.state.notices(self.announced.0, NOTICES)?;
        if let Some((last, _)) = notices.last() {
            self.announced.0 = *last;
        }
        Ok(notices)
    }

    /// Notices up to this number are confirmed.
    pub fn confirm(&mut self, announced: u64) {
        self.announced.1 = self.announced.1.max(announced);
        self.batch.announced = self.batch.announced.max(Some(announced));
        self.dirty = true;
    }

    /// Takes a package list that stands in until one was fetched.
    pub fn take_fallback(&mut self, list: Arc<PackageList>) {
        if self.engine.package_list().is_none() {
            self.engine.offer_packages(list);
            self.dirty = true;
        }
    }

    /// Takes news of the Kafka thread.
    ///
    /// # Errors
    /// Where this process must not go on.
    pub fn take(&mut self, news: FromKafka, now: Now) -> Result<(), RunError> {
        match news {
            FromKafka::Assigned(assignment) => self.assigned(&assignment, now)?,
            FromKafka::Damaged { damages, .. } => {
                self.damages = damages.iter().map(ToString::to_string).collect();
            }
            FromKafka::Repartitioned { topic, before, now } => {
                tracing::warn!(%topic, before, now, "the topic has more partitions now; the new ones are read from their first record");
            }
            FromKafka::Revoked { generation } => self.partitions.revoke(generation),
            FromKafka::Records { generation, records } => {
                for record in &records {
                    self.record(generation, record, now);
                }
                self.relieve();
            }
            FromKafka::Progress(progress) => self.progress(&progress),
            FromKafka::Trouble(trouble) => drop(self.troubles.insert(trouble.kind, trouble.text)),
            FromKafka::Over(kind) => drop(self.troubles.remove(&kind)),
            FromKafka::Stopped { left_group } => {
                if !left_group {
                    tracing::warn!(
                        "the broker did not answer in time: it will find out by itself that this member has left"
                    );
                }
            }
        }
        Ok(())
    }

    /// Time goes on: pauses end, what was due is done, and Kafka is told how far was read though nothing more comes.
    ///
    /// # Errors
    /// Where this process must not go on.
    pub fn tick(&mut self, now: Now) -> Result<(), RunError> {
        for pause in self.pauses.end_due(now.wall) {
            let what = format!("resume {}", pause.kind);
            let why = format!("the pause of {} was to end at this time: {}", pause.who, pause.why);
            self.act(now, "tidegate", &why, what);
            self.pauses_changed();
        }
        self.relieve();
        self.note(now, false);
        self.give_way(now)
    }

    /// Takes a package list that was fetched, or why that failed.
    pub fn take_packages(&mut self, fetched: Result<Arc<PackageList>, String>, now: Now) {
        let list = match fetched {
            Ok(list) => list,
            Err(why) => {
                self.packages.failed = Some(why);
                return;
            }
        };
        (self.packages.fetched_at, self.packages.failed) = (Some(now.wall), None);
        match self.engine.offer_packages(list) {
            ListVerdict::Unchanged => {}
            ListVerdict::Applied | ListVerdict::Waits { .. } => self.dirty = true,
            ListVerdict::Empty => {
                self.packages.failed = Some("the list is empty; the one in force stays".to_owned());
            }
        }
    }

    /// Records that were judged since the last batch.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Whether a batch has all the records that it may have.
    pub fn is_full(&self) -> bool {
        self.records >= self.batch_records
    }

    /// Whether a batch is due: many records, or a few that have waited.
    pub fn is_due(&self, now: Now) -> bool {
        let waited = now.mono.saturating_sub(self.committed_at) >= BATCH_AGE;
        let wants = self.records > 0
            || self.dirty
            || self.outlet.as_ref().is_some_and(|outlet| outlet.is_due(now, self.may_ask()));
        self.is_full() || (wants && waited) || !self.replies.is_empty()
    }

    /// Writes all since the last batch in one transaction, then answers whoever waits for it.
    ///
    /// # Errors
    /// Where the state cannot be written: then nothing was, and the process has to end.
    pub fn commit(&mut self, now: Now) -> Result<(), RunError> {
        self.fail.visit(FailPoint::BeforeBegin);
        let output = self.engine.take_output();
        let admitted =
            output.decisions.iter().filter(|decision| decision.outcome() == Outcome::Submitted).count();
        self.outbox += admitted as u64;
        let mut live = std::mem::take(&mut self.batch);
        live.partitions.extend(self.partitions.take_changed());
        live.recognised = self.recognised;
        self.submit(&output.decisions, &mut live, now);
        let letters = std::mem::take(&mut self.letters);
        let meta: Vec<(&str, String)> = std::mem::take(&mut self.meta);
        let partitions: Vec<&StoredPartition> = self.partitions.iter().map(|entry| &entry.stored).collect();
        let news = News {
            decisions: &output.decisions,
            runs: &output.runs,
            letters: &letters,
            commands: &std::mem::take(&mut self.commands),
            partitions: &partitions,
        };
        live.notices = self.notices.of_batch(&self.engine, &news);
        let batch = Batch {
            decisions: &output.decisions,
            dead_letters: &letters,
            sources: &[],
            meta: &meta,
            live: Some(&live),
        };
        let Self { state, engine, fail, .. } = self;
        let watch = |stage| match stage {
            Stage::Engine => fail.visit(FailPoint::AfterWrite),
            Stage::All => fail.visit(FailPoint::BeforeCommit),
        };
        state.commit_watched(engine, &batch, watch)?;
        self.fail.visit(FailPoint::AfterCommit);
        if let Some(outlet) = &mut self.outlet {
            outlet.written(&self.state, &self.engine, now)?;
        }
        self.mark.serial += u64::from(live.recognised);
        (self.records, self.dirty, self.committed_at) = (0, false, now.mono);
        for (reply, answer) in self.replies.drain(..) {
            reply(answer);
        }
        self.note(now, false);
        Ok(())
    }

    /// Whether the sink may be asked anything at all: the state is the one that goes on, and so is this process.
    fn may_ask(&self) -> bool {
        self.recognised && self.old_copy.is_none() && !self.stopping
    }

    /// Says in a batch what becomes of admitted builds: without a sink they count as submitted.
    fn submit(&mut self, decisions: &[Decision], live: &mut LiveBatch, now: Now) {
        let closed = self.closed();
        let may_ask = self.may_ask();
        let Some(outlet) = &mut self.outlet else {
            if self.outbox > 0 && closed.is_empty() {
                live.sent_at = Some(now.wall);
                self.submitted += std::mem::take(&mut self.outbox);
            }
            return;
        };
        live.admissions = admissions(decisions);
        if !live.admissions.is_empty() {
            outlet.admits();
        }
        let changes = outlet.choose(now, may_ask, &closed);
        let sent = changes.rows.iter().filter(|row| is_first_intent(row)).count() as u64;
        self.submitted += sent;
        self.outbox = outlet.shown().map_or(0, |status| status.planned as u64);
        (live.rows, live.kept, live.now) = (changes.rows, changes.kept, now.wall);
    }

    /// What the sink is to be asked now; once.
    pub fn take_ask(&mut self) -> Option<submit::Ask> {
        self.outlet.as_mut()?.take_ask()
    }

    /// What the sink answered.
    pub fn take_answer(&mut self, answer: submit::Answer, now: Now) {
        if let Some(outlet) = &mut self.outlet {
            outlet.answer(answer, now);
        }
    }

    /// Nothing more is read: the last batch is written and noted. [`Runner::take_orders`] then ends with [`ToKafka::Stop`].
    ///
    /// # Errors
    /// As [`Runner::commit`].
    pub fn stop(&mut self, now: Now) -> Result<(), RunError> {
        self.stopping = true;
        self.commit(now)?;
        self.note(now, true);
        self.to_kafka.push(ToKafka::Stop);
        Ok(())
    }

    /// Notes in Kafka how far was read. An old copy does not: it would pass for the state that went on.
    fn note(&mut self, now: Now, at_once: bool) {
        let due = at_once || now.mono.saturating_sub(self.noted.0) >= NOTE_AGE;
        if !due || self.noted.1 == self.mark.serial || self.old_copy.is_some() {
            return;
        }
        let Some((generation, positions)) = self.partitions.positions() else { return };
        self.fail.visit(FailPoint::BeforeKafkaCommit);
        self.to_kafka.push(ToKafka::Commit { generation, positions, metadata: self.mark.to_string() });
        self.noted = (now.mono, self.mark.serial);
    }

    /// Why nothing goes to the sink now, in plain words; empty where it does.
    pub(super) fn closed(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(pause) = self.pauses.of(Kind::Submission) {
            reasons.push(format!("{} paused it: {}", pause.who, pause.why));
        }
        if let Some(committed) = self.old_copy {
            reasons.push(format!(
                "this state file is an old copy (batch {}, and batch {committed} was written by the one that went on): look \
                 whether that one still exists, then take this one with `tidegate state adopt`",
                self.mark.serial
            ));
        }
        if self.partitions.generation().is_none() {
            reasons.push(self.rivals.waiting().unwrap_or_else(|| "no partition is read yet".to_owned()));
        }
        let elsewhere =
            self.partitions.elsewhere().map(|(partition, who)| format!("{who} reads {partition}"));
        reasons.extend(elsewhere);
        reasons
    }

    pub(super) fn act(&mut self, now: Now, who: &str, why: &str, what: String) {
        let (who, why) = (who.to_owned(), why.to_owned());
        self.batch.acts.push(Act { at: now.wall, who, why, what });
        self.dirty = true;
    }

    pub(super) fn pauses_changed(&mut self) {
        self.batch.pauses = Some(self.pauses.iter().cloned().collect());
        self.dirty = true;
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("mark", &self.mark)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}
