//! The source: one OS thread that owns the consumer and polls it without pause.
//!
//! Nothing slow happens between two polls: a full channel pauses partitions, and every question to a broker has a
//! deadline of 2 s. Where the pipeline decides (offsets to start from), the group's wish is first answered with no
//! partition at all, so that the pipeline may take its time.
//!
//! Reading the topic does not depend on wake-ups of librdkafka, only on `poll` being called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc as thread_channel;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::clock::now;
use super::config::{self, ConfigError, Connection};
use super::context::{Consumer, Note, Notes};
use super::handover::{Damage, FromKafka, KafkaRecord, ToKafka, TroubleKind};
use super::observer::Observer;
use super::outlet::Outlet;
use super::reader::Reader;
use super::records;
use super::troubles::{self, Meaning, Troubles};
use crate::pipeline::KafkaSource;

mod assigning;
mod commits;
mod progress;

use assigning::Ours;

/// Most records of one batch.
const BATCH_MAX: usize = 500;
/// Longest time that a record waits for its batch to fill.
const BATCH_AGE: Duration = Duration::from_millis(20);
/// Longest wait for a record; commands are looked at as often.
const POLL: Duration = Duration::from_millis(50);
/// Batches and news that may wait for the pipeline.
const CHANNEL: usize = 16;
/// Commands that may wait for this thread.
const COMMANDS: usize = 64;
/// How long the thread waits for room before it pauses the partitions, which throws away what librdkafka has fetched.
const ROOM: Duration = Duration::from_secs(1);
/// How long a silence of all brokers is taken for an ordinary hiccup.
const SILENCE: Duration = Duration::from_secs(3);
/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(5);

/// What is read, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// How the brokers are reached.
    pub connection: Connection,
    /// The topics.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// After how long without a record, while there are some, a partition counts as stalled.
    pub stall_after: Duration,
}

impl SourceSettings {
    /// What a pipeline states.
    pub fn of(source: &KafkaSource) -> Self {
        Self {
            connection: Connection::of_source(source),
            topics: source.topics.clone(),
            group: source.group.clone(),
            stall_after: Duration::from_secs(30),
        }
    }
}

/// A running source.
#[derive(Debug)]
pub struct Source {
    /// What the thread tells. Ends after [`FromKafka::Stopped`]; an end without it means that the thread has failed.
    pub from: mpsc::Receiver<FromKafka>,
    /// What the thread is told. Dropping it stops the thread as [`ToKafka::Stop`] does.
    pub to: mpsc::Sender<ToKafka>,
}

/// Starts the thread. Brokers that cannot be reached are no error here: that is told as trouble, and they are waited for.
///
/// # Errors
///
/// Where the settings or the files with secrets are wrong.
pub fn start(settings: SourceSettings) -> Result<Source, ConfigError> {
    if settings.topics.is_empty() {
        return Err(ConfigError::Missing("topics"));
    }
    let failed = |error: &dyn std::fmt::Display| ConfigError::Client(error.to_string());
    let config = config::consumer(&settings.connection, &settings.group)?;
    let consumer: Consumer = config.create_with_context(Notes::default()).map_err(|error| failed(&error))?;
    let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).map_err(|error| failed(&error))?;
    let observer = Observer::new(&settings.connection)?;
    let (sender, from) = mpsc::channel(CHANNEL);
    let (to, commands) = mpsc::channel(COMMANDS);
    let worker = Worker::new(settings, observer, Outlet::new(sender), commands);
    let spawned = thread::Builder::new().name("kafka-source".to_owned()).spawn(move || worker.run(consumer));
    spawned.map_err(|error| failed(&error))?;
    Ok(Source { from, to })
}

/// Where the thread stands with its assignment.
enum Phase {
    /// The group has given nothing yet, or has taken it away.
    Unassigned,
    /// The group has given these partitions; facts about them are being gathered.
    Given(Vec<(String, i32)>),
    /// The pipeline was asked where to start, or has been told that it cannot be there.
    Asked(Ours),
    /// The pipeline has said where to start; that is being checked.
    Checking(Ours, assigning::Wanted),
    /// Records are read.
    Reading(Box<progress::Readings>),
}

struct Worker {
    settings: SourceSettings,
    brokers: String,
    observer: Observer,
    outlet: Outlet,
    commands: mpsc::Receiver<ToKafka>,
    troubles: Troubles,
    phase: Phase,
    /// Assignments so far.
    generation: u64,
    /// Records that were read and not handed over.
    batch: Vec<KafkaRecord>,
    /// When the first of them was read.
    batch_began: Instant,
    /// The pipeline does not keep up: all partitions are paused.
    pressed: bool,
    /// Partitions that librdkafka was told to pause. It remembers that across assignments, so this does too.
    paused: BTreeSet<(String, i32)>,
    /// When a broker last answered.
    contact: Instant,
    /// Why none has answered since, if one was asked.
    silence: Option<String>,
    /// Since when the group has given nothing.
    unassigned: Instant,
    /// Questions to brokers wait until then.
    next_question: Instant,
    /// Reads single records beside the group. Kept to the end: dropping it waits for a broker.
    reader: Option<Reader>,
    /// Partitions whose last record was compared, and what is wrong with it, until all are.
    compared: BTreeMap<u32, Option<Damage>>,
    /// The last poll found nothing.
    idle: bool,
    /// Reading is to begin anew where it stands.
    restart: bool,
}

impl Worker {
    fn new(
        settings: SourceSettings,
        observer: Observer,
        outlet: Outlet,
        commands: mpsc::Receiver<ToKafka>,
    ) -> Self {
        let began = now();
        Self {
            brokers: settings.connection.brokers.join(", "),
            settings,
            observer,
            outlet,
            commands,
            troubles: Troubles::default(),
            phase: Phase::Unassigned,
            generation: 0,
            batch: Vec::with_capacity(BATCH_MAX),
            batch_began: began,
            pressed: false,
            paused: BTreeSet::new(),
            contact: began,
            silence: None,
            unassigned: began,
            next_question: began,
            reader: None,
            compared: BTreeMap::new(),
            idle: false,
            restart: false,
        }
    }

    fn run(mut self, consumer: Consumer) {
        while self.obey(&consumer) {
            self.listen(&consumer);
            self.ask(&consumer);
            self.notice();
            self.hand_over(&consumer);
            self.read(&consumer);
        }
        self.leave(consumer);
    }

    /// Does what the pipeline says. Returns whether to go on.
    fn obey(&mut self, consumer: &Consumer) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(ToKafka::Start { generation, partitions }) => self.check_start(generation, partitions),
                Ok(ToKafka::Pause(indices)) => self.pause(consumer, &indices, true),
                Ok(ToKafka::Resume(indices)) => self.pause(consumer, &indices, false),
                Ok(ToKafka::Commit { generation, positions, metadata }) => {
                    self.commit(consumer, generation, &positions, &metadata);
                }
                Ok(ToKafka::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return !self.outlet.is_closed(),
            }
        }
    }

    /// Takes in what librdkafka has called back with.
    fn listen(&mut self, consumer: &Consumer) {
        self.observer.serve();
        if let Some(reader) = &self.reader {
            reader.serve();
        }
        for note in consumer.context().take() {
            match note {
                Note::Given(partitions) => {
                    self.revoke(consumer);
                    self.troubles.end(TroubleKind::Unassigned);
                    self.troubles.end(TroubleKind::Expelled);
                    self.phase = Phase::Given(partitions);
                    self.next_question = now();
                }
                Note::Taken => self.revoke(consumer),
                Note::Committed(Ok(())) => self.troubles.end(TroubleKind::Commit),
                Note::Committed(Err(why)) => self.trouble(TroubleKind::Commit, &why),
                Note::Error(code, reason) => self.complaint(code, &reason),
            }
        }
    }

    /// An error of the consumer, or of a question to a broker.
    fn complaint(&mut self, code: RDKafkaErrorCode, reason: &str) {
        match troubles::meaning(code) {
            Meaning::Trouble(kind) => self.trouble(kind, reason),
            Meaning::Silence => self.silence = Some(reason.to_owned()),
            Meaning::Range => self.out_of_range(),
            Meaning::Nothing => {}
        }
    }

    fn trouble(&mut self, kind: TroubleKind, reason: &str) {
        let brokers = &self.brokers;
        self.troubles.begin(kind, || troubles::text(kind, brokers, reason));
    }

    /// A question to a broker failed: it is asked again a second later.
    fn unanswered(&mut self, error: &KafkaError) {
        self.next_question = now() + Duration::from_secs(1);
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        match troubles::meaning(code) {
            Meaning::Trouble(kind) => self.trouble(kind, &error.to_string()),
            // Whatever the reason: a question that stays open is a silence.
            Meaning::Silence | Meaning::Range | Meaning::Nothing => self.silence = Some(error.to_string()),
        }
    }

    /// A broker has answered.
    fn answered(&mut self) {
        self.contact = now();
        self.silence = None;
        for kind in [TroubleKind::Unreachable, TroubleKind::Login, TroubleKind::Other] {
            self.troubles.end(kind);
        }
    }

    /// Notices what has lasted for too long.
    fn notice(&mut self) {
        if let Some(reason) = self.silence.clone()
            && self.contact.elapsed() > SILENCE
        {
            self.trouble(TroubleKind::Unreachable, &reason);
        }
        let patience = self.settings.stall_after;
        let waits = matches!(self.phase, Phase::Unassigned) && self.unassigned.elapsed() > patience;
        if waits && !self.troubles.is(TroubleKind::Unreachable) {
            let reason = format!("{} for {} s", self.settings.group, patience.as_secs());
            self.trouble(TroubleKind::Unassigned, &reason);
        }
    }

    /// Passes on news and full batches; pauses all partitions where the pipeline does not take them.
    fn hand_over(&mut self, consumer: &Consumer) {
        // Told as it stands when there is room: what comes and goes meanwhile takes no memory.
        if self.outlet.push() {
            for news in self.troubles.news() {
                self.outlet.say(news);
            }
        }
        let due = self.batch.len() >= BATCH_MAX
            || !self.batch.is_empty() && self.batch_began.elapsed() >= BATCH_AGE;
        if due && !self.flush() {
            if !self.pressed && self.outlet.wait(now() + ROOM) {
                self.flush();
            } else if !self.pressed {
                self.pressed = true;
                self.apply_pauses(consumer);
            }
        }
        if self.pressed && self.batch.is_empty() && self.outlet.push() {
            self.pressed = false;
            self.apply_pauses(consumer);
        }
    }

    /// Hands the batch over if there is room for it. Returns whether nothing is left.
    fn flush(&mut self) -> bool {
        while !self.batch.is_empty() {
            if !self.outlet.push() {
                return false;
            }
            self.say_batch();
        }
        true
    }

    /// Says the first records of the batch; there is more than one message of them only after a standstill.
    fn say_batch(&mut self) {
        let rest = self.batch.split_off(self.batch.len().min(BATCH_MAX));
        let records = std::mem::replace(&mut self.batch, rest);
        self.outlet.say(FromKafka::Records { generation: self.generation, records });
    }

    /// Polls: for one record with patience, then for those that are there already.
    fn read(&mut self, consumer: &Consumer) {
        if self.batch.len() >= 2 * BATCH_MAX {
            // All partitions are paused by now; what still came is enough.
            self.outlet.wait(now() + POLL);
            return;
        }
        let rests = self.batch.is_empty() || self.pressed;
        let mut patience = if rests { POLL } else { BATCH_AGE.saturating_sub(self.batch_began.elapsed()) };
        for _ in 0..BATCH_MAX {
            match consumer.poll(patience) {
                Some(Ok(message)) => self.take_over(&message),
                Some(Err(error)) => self.read_error(&error),
                None => {
                    self.idle = true;
                    return;
                }
            }
            self.idle = false;
            if self.batch.len() >= BATCH_MAX {
                return;
            }
            patience = Duration::ZERO;
        }
    }

    /// Errors are told in full to the callbacks; those of a single message come only here.
    fn read_error(&mut self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        if let Some(code) = code.filter(|code| troubles::meaning(*code) == Meaning::Range) {
            self.complaint(code, &error.to_string());
        } else if let KafkaError::MessageConsumptionFatal(_) = error {
            self.trouble(TroubleKind::Other, &format!("{error}, for good: start Tidegate again"));
        }
    }

    fn take_over(&mut self, message: &BorrowedMessage<'_>) {
        // What was fetched before an assignment was over does not belong to the next.
        let Phase::Reading(readings) = &mut self.phase else { return };
        let Some(index) = readings.index(message.topic(), message.partition()) else { return };
        let record = records::record(index, message);
        if !readings.advance(index, record.offset, record.kafka_millis) {
            return;
        }
        if self.batch.is_empty() {
            self.batch_began = now();
        }
        self.batch.push(record);
        self.troubles.end(TroubleKind::Permission);
    }

    /// Leaves the group and ends, within a deadline: closing waits for brokers that may be gone, so it happens on a
    /// thread of its own, which is left to itself if it takes too long.
    fn leave(self, consumer: Consumer) {
        let Self { observer, reader, mut outlet, .. } = self;
        let (closed, wait) = thread_channel::channel();
        let close = move || {
            drop((consumer, observer, reader));
            // Nobody waits any more where this took too long.
            let (Ok(()) | Err(_)) = closed.send(());
        };
        let spawned = thread::Builder::new().name("kafka-close".to_owned()).spawn(close);
        let left_group = spawned.is_ok() && wait.recv_timeout(LEAVE).is_ok();
        outlet.say(FromKafka::Stopped { left_group });
        let deadline = now() + ROOM;
        while !outlet.push() && outlet.wait(deadline) {}
    }
}
