//! Runs a pipeline over files with a dry-run sink: what it would have decided.
//!
//! The same engine runs live; here it reads as fast as it can, and what is admitted counts as submitted.

pub mod backtest;
pub mod comparison;
pub mod output;
mod source;
pub mod summary;

use std::path::{Path, PathBuf};

use crate::decode::{CODE_PAGE, decode, split_page};
use crate::engine::Engine;
use crate::engine::save::RestoreError;
use crate::engine::select::BadExpression;
use crate::event::{Decoded, Position, Record, Unreadable};
use crate::input::known;
use crate::input::{InputError, Lines, lists, sidecar};
use crate::settings::{HoldAction, Route, Settings};
use crate::state::{Batch, DeadLetter, State, StateError};
use crate::time::Seconds;

use self::output::{Output, OutputError};
use self::source::Source;
use self::summary::{Standing, Summary, Tally};

/// Records between two writes of the state.
pub const BATCH_RECORDS: u64 = 20_000;

/// Decisions that are gathered before they are written out.
const WRITE_AFTER: usize = 1_024;

/// How often it is looked whether enough happened to be told, in event time.
const WATCH_EVERY: Seconds = Seconds(15);

/// What a replay is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Files of records, `-` for standard input, in order.
    pub inputs: Vec<PathBuf>,
    /// For each record its partition, Kafka time and headers.
    pub kafka: Option<PathBuf>,
    /// Downstream names of the eligible packages.
    pub packages: Option<PathBuf>,
    /// Pairs of upstream and downstream names.
    pub renames: Option<PathBuf>,
    /// Known builds.
    pub known: Option<PathBuf>,
    /// Records that only teach, in time order.
    pub warmup: Option<PathBuf>,
    /// Where the state is kept between runs.
    pub state: Option<PathBuf>,
    /// The state may stand on a network file system.
    pub allow_network_state: bool,
    /// Whether the watermark runs on at the end. Default: where there is no state.
    pub end: Option<bool>,
    /// Where decisions are written, a JSON object a line.
    pub decisions: Option<PathBuf>,
    /// Records between two writes of the state; default [`BATCH_RECORDS`].
    pub batch_records: Option<u64>,
    /// Stop before the end of the input, after so many records of this run.
    pub stop_after: Option<u64>,
}

/// Why a replay failed. What was written to the state until then stays, and a later run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// An input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state does not fit the pipeline.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// An expression of the pipeline cannot be used.
    #[error(transparent)]
    Expression(#[from] BadExpression),
    /// Decisions cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The pipeline takes a package list, and none was given.
    #[error(
        "pipeline {pipeline}: it takes a package list (select.packages), and replay fetches nothing: give the list as a file with \
         --packages, or let every package be eligible with --set select.packages=[]"
    )]
    NoPackages {
        /// The pipeline's name.
        pipeline: String,
    },
    /// The state kept a package list that this one differs from too much.
    #[error(
        "{}: the list differs from the one in force by {added} names more and {removed} fewer, of {of}: more than \
         select.list_change_max allows at once. If that is meant, replay with a new state, or raise it with --set \
         select.list_change_max=1", path.display()
    )]
    ListChanged {
        /// The list.
        path: PathBuf,
        /// Names more.
        added: usize,
        /// Names fewer.
        removed: usize,
        /// Names in the list in force.
        of: usize,
    },
}

impl From<crate::state::LoadError> for ReplayError {
    fn from(error: crate::state::LoadError) -> Self {
        match error {
            crate::state::LoadError::State(error) => Self::State(error),
            crate::state::LoadError::Restore(error) => Self::Restore(error),
        }
    }
}

/// Runs a pipeline over files. `progress` is told now and then how many bytes and records were read.
///
/// # Errors
/// Where an input, the state or the decisions cannot be read or written.
pub fn replay(
    settings: Settings,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary, ReplayError> {
    replay_watched(settings, options, progress, None)
}

/// The same, and tells `watch` how things stand as event time goes on.
///
/// # Errors
/// As [`replay`].
pub fn replay_watched(
    settings: Settings,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
    mut watch: Option<&mut dyn FnMut(&Standing)>,
) -> Result<Summary, ReplayError> {
    let mut run = Run::start(settings, options)?;
    let mut told = Standing::default();
    let mut since_commit = 0;
    while options.stop_after.is_none_or(|most| run.records < most) {
        let batch = options.batch_records.unwrap_or(BATCH_RECORDS).max(1);
        let more = run.step()?;
        since_commit += 1;
        if let Some(watch) = &mut watch {
            run.tell(&mut told, watch)?;
        }
        if since_commit >= batch || !more {
            run.commit()?;
            progress(run.source.bytes_read(), run.records);
            since_commit = 0;
        }
        if !more {
            break;
        }
    }
    run.finish(options)
}

/// A replay under way.
struct Run {
    engine: Engine,
    route: Route,
    state: Option<State>,
    source: Source,
    output: Output,
    tally: Tally,
    letters: Vec<DeadLetter>,
    /// The position up to which what is held was written at the end of the input.
    held_written: Option<u64>,
    /// Records read in this run.
    records: u64,
}

impl Run {
    fn start(settings: Settings, options: &Options) -> Result<Self, ReplayError> {
        let partitions = match &options.kafka {
            Some(path) => sidecar::partitions(path)?,
            None => [0].into(),
        };
        let route = settings.route.clone();
        let later_decided = settings.burst.hold_rule.is_some_and(|rule| rule.then != HoldAction::Wait);
        let (mut engine, state, sources, continued) = match &options.state {
            None => (Engine::new(settings, partitions)?, None, Vec::new(), false),
            Some(path) => {
                let state = State::open(path, options.allow_network_state)?;
                let loaded = state.load(settings, partitions)?;
                (loaded.engine, Some(state), loaded.sources, loaded.continued)
            }
        };
        offer_lists(&mut engine, options)?;
        require_list(&engine)?;
        if !continued {
            teach(&mut engine, &route, options)?;
        }
        let output = Output::open(options.decisions.as_deref(), state.as_ref(), later_decided)?;
        let position = match &state {
            Some(state) => state.meta("next_position")?.and_then(|text| text.parse().ok()).unwrap_or(1),
            None => 1,
        };
        let source = Source::new(options.inputs.clone(), options.kafka.as_deref(), sources, position)?;
        let mut run = Self {
            engine,
            route,
            state,
            source,
            output,
            tally: Tally::default(),
            letters: Vec::new(),
            held_written: None,
            records: 0,
        };
        if !continued {
            run.commit()?;
        }
        Ok(run)
    }

    /// Reads one line and lets the engine decide. Gives whether there was one.
    fn step(&mut self) -> Result<bool, ReplayError> {
        let Self { engine, route, source, letters, state, .. } = self;
        let Some(record) = source.next_record()? else { return Ok(false) };
        let keep = state.is_some().then_some(letters);
        let messages = give(engine, route, &record, keep);
        source.skip_positions(messages - 1);
        self.records += messages;
        if self.engine.undelivered() >= WRITE_AFTER {
            self.write_out()?;
        }
        Ok(true)
    }

    /// Tells how things stand, if enough happened since it was told last.
    fn tell(&mut self, told: &mut Standing, watch: &mut dyn FnMut(&Standing)) -> Result<(), ReplayError> {
        if self.engine.now() - told.at < WATCH_EVERY {
            return Ok(());
        }
        self.write_out()?;
        let standing = self.tally.standing(&self.engine);
        if standing.differs_enough(told) {
            watch(&standing);
            *told = standing;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), ReplayError> {
        let decided = self.engine.take_output();
        self.tally.add(&self.engine, &decided);
        self.output.write(&decided.decisions)?;
        if self.state.is_some() {
            self.output.keep(decided.decisions);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), ReplayError> {
        self.write_out()?;
        let Some(state) = &mut self.state else { return Ok(()) };
        let written = self.output.sync()?;
        let position = self.source.next_position().to_string();
        let (file, bytes) = (written.file, written.bytes.to_string());
        let mut meta =
            vec![("next_position", position), ("decisions_file", file), ("decisions_bytes", bytes)];
        meta.extend(self.held_written.map(|position| ("held_written", position.to_string())));
        let decisions = self.output.take_kept();
        let sources = self.source.progress();
        let batch = Batch {
            decisions: &decisions,
            dead_letters: &self.letters,
            sources: &sources,
            meta: &meta,
            live: None,
        };
        state.commit(&mut self.engine, &batch)?;
        self.letters.clear();
        Ok(())
    }

    fn finish(mut self, options: &Options) -> Result<Summary, ReplayError> {
        if options.end.unwrap_or(self.state.is_none()) {
            self.engine.end();
            self.write_out()?;
            let written = |state: &State| {
                state.meta("held_written").map(|text| text.and_then(|text| text.parse().ok()))
            };
            let since = self.state.as_ref().map(written).transpose()?.flatten().unwrap_or(0);
            self.output.write_held(&self.engine, since)?;
            self.held_written = Some(self.source.next_position());
            self.commit()?;
        }
        self.output.sync()?;
        Ok(self.tally.summary(&self.engine, self.records))
    }
}

/// Gives a line to the engine. Gives how many messages it holds.
fn give(
    engine: &mut Engine,
    route: &Route,
    record: &Record<'_>,
    mut letters: Option<&mut Vec<DeadLetter>>,
) -> u64 {
    each_message(route, record, |message, decoded| give_one(engine, message, decoded, letters.as_deref_mut()))
}

/// Decodes a line: one record, or the messages of a page, numbered on from its position. Gives how many there are.
fn each_message(
    route: &Route,
    record: &Record<'_>,
    mut take: impl FnMut(&Record<'_>, Result<Decoded<'_>, Unreadable>),
) -> u64 {
    let decoded = decode(route, record);
    let is_page = decoded.as_ref().is_err_and(|unreadable| unreadable.code == CODE_PAGE);
    let page = if is_page { split_page(record.value).filter(|messages| !messages.is_empty()) } else { None };
    let Some(messages) = page else {
        take(record, decoded);
        return 1;
    };
    for (offset, value) in (record.position.offset..).zip(&messages) {
        let position = Position { offset, ..record.position };
        let message = Record { position, value, ..*record };
        take(&message, decode(route, &message));
    }
    messages.len() as u64
}

fn give_one(
    engine: &mut Engine,
    record: &Record<'_>,
    decoded: Result<Decoded<'_>, Unreadable>,
    letters: Option<&mut Vec<DeadLetter>>,
) {
    if let (Err(unreadable), Some(letters)) = (&decoded, letters) {
        letters.push(DeadLetter::of(record, unreadable));
    }
    engine.record(record.position, record.kafka_millis, decoded);
}

fn offer_lists(engine: &mut Engine, options: &Options) -> Result<(), ReplayError> {
    use crate::engine::select::ListVerdict;
    if let Some(path) = &options.renames {
        engine.add_renames(lists::renames(path)?);
    }
    let Some(path) = &options.packages else { return Ok(()) };
    match engine.offer_packages(std::sync::Arc::new(lists::packages(path)?)) {
        ListVerdict::Applied | ListVerdict::Unchanged | ListVerdict::Empty => Ok(()),
        ListVerdict::Waits { added, removed, of } => {
            Err(ReplayError::ListChanged { path: path.clone(), added, removed, of })
        }
    }
}

/// Refuses to judge without the package list that the pipeline takes.
fn require_list(engine: &Engine) -> Result<(), ReplayError> {
    let settings = engine.settings();
    if settings.select.needs_list && engine.package_list().is_none() {
        return Err(ReplayError::NoPackages { pipeline: settings.name.clone() });
    }
    Ok(())
}

/// Feeds what only teaches: known builds first, then the warm-up.
fn teach(engine: &mut Engine, route: &Route, options: &Options) -> Result<(), ReplayError> {
    if let Some(path) = &options.known {
        import(engine, path)?;
    }
    let Some(path) = &options.warmup else { return Ok(()) };
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next_line()? {
        let position = Position { partition: 0, offset: line.number };
        let record = Record { position, kafka_millis: None, headers: &[], value: line.bytes, cut: line.cut };
        engine.teach(decode(route, &record));
    }
    Ok(())
}

/// Feeds a file of known builds. Gives how many there were.
///
/// # Errors
/// Where the file cannot be read, or a line is no known build.
pub fn import(engine: &mut Engine, path: &Path) -> Result<u64, InputError> {
    known::read(path, |build| {
        engine.know(build.instance.as_deref(), build.build_id, &build.tag, build.tagged_at);
    })
}
