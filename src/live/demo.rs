//! The live pipeline within one process, without any server: a branching comes while it is paused.
//!
//! The bus is the embedded broker, the messages are generated; the pipeline is the one of `tidegate run`. Here both are
//! set up and driven, and it is waited for what must come. What is said about it does not belong here.

pub mod story;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use self::story::{Published, Story, Verdict};
use super::ask::{Answer, Ask, Request};
use super::heartbeat::Heartbeat;
use super::open::{OpenError, Opening, open};
use super::pause::Kind;
use super::runner::RunError;
use super::shell::{self, Clock, Input, Running, Watchers};
use super::view::{Intake, View};
use crate::engine::select::PackageList;
use crate::generate::{GenerateError, World, generate};
use crate::input::{InputError, lists};
use crate::kafka::config::{ConfigError, Connection};
use crate::kafka::mock::{MockBroker, MockError};
use crate::kafka::source::{self, SourceSettings};
use crate::metrics::Metrics;
use crate::pipeline::{self, Override, OverrideError, Pipeline, Report, Unresolved};
use crate::replay::import;
use crate::score::truth::Facts;
use crate::state::read::{Filter, Known, Reader};
use crate::state::{Batch, LoadError, State, StateError};

/// The pipeline file that is shipped for ELN.
const FILE: &str = include_str!("../../pipelines/eln.toml");
/// Its name.
const NAME: &str = "eln";
/// The topic.
const TOPIC: &str = "bus";
/// Records after which a batch is written: few, so that it can be watched.
const BATCH_RECORDS: usize = 250;
/// Decisions that are read at once.
const ROWS: u32 = 1_000;
/// How long anything may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The stream cannot be made.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A file cannot be written, read or removed.
    #[error("{}: {source}; give another folder with --folder", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The generated stream cannot be used.
    #[error("the generated stream cannot be used: {0}; this is a fault of Tidegate")]
    Story(std::io::Error),
    /// A generated file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The pipeline cannot be set up.
    #[error("{0}")]
    Pipeline(#[from] Report),
    /// A key cannot be set over the pipeline file.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The pipeline does not say which tag it follows.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] MockError),
    /// Its client cannot be made.
    #[error("Kafka: {0}")]
    Kafka(#[from] ConfigError),
    /// The pipeline cannot begin.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The pipeline failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    System(std::io::Error),
    /// The pipeline refused what the operator asked.
    #[error("the pipeline refused: {0}")]
    Refused(String),
    /// The broker has dropped messages.
    #[error(
        "the embedded broker keeps 5 MiB of a partition and dropped messages: choose a smaller --scale ({0})"
    )]
    TooMuch(String),
    /// Something did not come in time.
    #[error("waited {} s in vain for this: {what}{troubles}; try again on a machine with less to do", PATIENCE.as_secs())]
    Late {
        /// What did not come.
        what: &'static str,
        /// What the pipeline says is wrong, behind a `: `; else empty.
        troubles: String,
    },
}

/// A pipeline that runs on the embedded broker.
#[derive(Debug)]
pub struct Stage {
    broker: MockBroker,
    running: Running,
    story: Story,
    state: PathBuf,
    trigger: String,
    published: BTreeMap<u32, u64>,
    /// Builds that were known before it began.
    pub known: u64,
}

impl Stage {
    /// Writes the stream of a branching into a folder, makes a state there in the place of an earlier demo's, and starts
    /// broker and pipeline. What was written until then stays where it fails.
    ///
    /// # Errors
    /// Where one of them cannot be made.
    pub fn set(folder: &Path, seed: u64, scale: f64) -> Result<Self, DemoError> {
        let world = generate("branching", seed, scale)?;
        let stream = folder.join("stream");
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| DemoError::File { path, source }
        };
        world.write_all(&stream).map_err(at(&stream))?;
        let story = story(&world, &stream)?;
        let state = folder.join("demo.db");
        clear(&state)?;
        let broker = MockBroker::start()?;
        let partitions = i32::try_from(world.partitions().len()).unwrap_or(i32::MAX);
        broker.create_topic(TOPIC, partitions)?;
        let pipeline = pipeline(&world, &story, &broker, &stream)?;
        let known = fill(&state, &pipeline, &stream.join("known_builds.jsonl"))?;
        let packages = lists::packages(&stream.join("packages.txt"))?;
        let running = start(&state, pipeline)?;
        // The channel is new: there is room.
        drop(running.inputs.try_send(Input::Packages(Ok(Arc::<PackageList>::new(packages)))));
        let trigger = world.trigger_tag();
        Ok(Self { broker, running, story, state, trigger, published: BTreeMap::new(), known })
    }

    /// What is published, and the truth about it.
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// The tag whose builds trigger.
    pub fn trigger(&self) -> &str {
        &self.trigger
    }

    /// The state file.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Publishes what came before the branching, and waits until it is read.
    ///
    /// # Errors
    /// Where the broker or the pipeline fails, or it takes too long.
    pub async fn morning(&mut self) -> Result<Arc<View>, DemoError> {
        let Self { broker, story, published, .. } = self;
        publish(broker, story.parts().0, published)?;
        self.until_read(|_| ()).await
    }

    /// Publishes the branching and what came after it while nothing is read, and waits until the pipeline knows of it.
    ///
    /// # Errors
    /// As [`Stage::morning`]; also where the operator's pause is refused.
    pub async fn branching(&mut self, why: &str) -> Result<Arc<View>, DemoError> {
        self.ask(Request::Pause { kind: Kind::Intake, why: why.to_owned(), until: None }).await?;
        let Self { broker, story, published, .. } = self;
        publish(broker, story.parts().1, published)?;
        let all: u64 = published.values().sum();
        let knows = |view: &View| {
            view.partitions.iter().map(|partition| partition.end).sum::<u64>() >= all
                && view.intake == Intake::Paused
        };
        self.until("the pipeline knows how many records wait", knows, |_| ()).await
    }

    /// Goes on reading, as an operator does, and waits until all is read. `each` is given every standing on the way.
    ///
    /// # Errors
    /// As [`Stage::morning`]; also where it is refused.
    pub async fn resume(&mut self, why: &str, each: impl FnMut(&View)) -> Result<Arc<View>, DemoError> {
        self.ask(Request::Resume { kind: Kind::Intake, why: why.to_owned(), dry_run: false }).await?;
        self.until_read(each).await
    }

    /// Ends the pipeline, and judges what it has written.
    ///
    /// # Errors
    /// Where the pipeline fails, or its state cannot be read.
    pub async fn judge(self, last: &View) -> Result<Verdict, DemoError> {
        let Self { broker, running, story, state, .. } = self;
        let Running { inputs, mut ended, .. } = running;
        drop(inputs.send(Input::Stop).await);
        let outcome = timeout(PATIENCE, &mut ended).await;
        outcome.map_err(|_| late("the pipeline ends", last))?.unwrap_or(Err(RunError::SourceFailed))?;
        drop(broker);
        let places: BTreeMap<u32, u32> = last
            .partitions
            .iter()
            .map(|partition| (partition.number, partition.partition.unsigned_abs()))
            .collect();
        let (reader, known) = (Reader::open(&state)?, &mut Known::default());
        let (mut steps, mut reached) = (Vec::new(), 0);
        let newest = reader.newest()?;
        while reached < newest {
            let (mut more, last) = reader.after(reached, ROWS, &Filter::default(), known)?;
            for step in &mut more {
                let place = places.get(&step.position.partition);
                step.position.partition = place.copied().unwrap_or(u32::MAX);
            }
            steps.append(&mut more);
            if last == reached {
                break;
            }
            reached = last;
        }
        Ok(story.judge(&steps))
    }

    async fn until_read(&mut self, each: impl FnMut(&View)) -> Result<Arc<View>, DemoError> {
        let published = self.published.clone();
        let is_read = move |view: &View| {
            let next = |partition: &u32| {
                let of = view.partitions.iter().find(|entry| entry.partition.unsigned_abs() == *partition);
                of.map_or(0, |entry| entry.next)
            };
            published.iter().all(|(partition, count)| next(partition) >= *count)
        };
        self.until("all that was published is read", is_read, each).await
    }

    /// Waits until the pipeline stands so.
    async fn until(
        &mut self,
        what: &'static str,
        holds: impl Fn(&View) -> bool,
        mut each: impl FnMut(&View),
    ) -> Result<Arc<View>, DemoError> {
        let Running { view: standing, ended, .. } = &mut self.running;
        let wait = async {
            loop {
                let view = Arc::clone(&standing.borrow_and_update());
                each(&view);
                if view.intake == Intake::Damaged {
                    return Err(DemoError::TooMuch(view.troubles.join("; ")));
                }
                if holds(&view) {
                    return Ok(view);
                }
                if standing.changed().await.is_err() {
                    let outcome = ended.await.unwrap_or(Err(RunError::SourceFailed));
                    return Err(outcome.err().unwrap_or(RunError::SourceFailed).into());
                }
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| Err(late(what, &self.running.view.borrow())))
    }

    /// Asks the pipeline as an operator does, and waits for the answer.
    async fn ask(&mut self, request: Request) -> Result<(), DemoError> {
        let (sender, answer) = oneshot::channel();
        let ask = Ask { who: "releng".to_owned(), request };
        drop(self.running.inputs.send(Input::Ask(ask, shell::reply_to(sender))).await);
        let what = "the pipeline answers its operator";
        match timeout(PATIENCE, answer).await.map_err(|_| late(what, &self.running.view.borrow()))? {
            Ok(Answer::Refused(refusal)) => Err(DemoError::Refused(refusal.text)),
            Ok(_) => Ok(()),
            Err(_) => Err(RunError::SourceFailed.into()),
        }
    }
}

fn late(what: &'static str, view: &View) -> DemoError {
    let troubles = view.troubles.join("; ");
    let troubles = if troubles.is_empty() { troubles } else { format!(": {troubles}") };
    DemoError::Late { what, troubles }
}

fn publish(
    broker: &MockBroker,
    messages: &[Published],
    published: &mut BTreeMap<u32, u64>,
) -> Result<(), DemoError> {
    let records = messages
        .iter()
        .map(|message| (i32::try_from(message.partition).unwrap_or(i32::MAX), message.bytes.as_slice()));
    broker.publish(TOPIC, records)?;
    for (partition, count) in Story::partitions(messages) {
        *published.entry(partition).or_default() += count;
    }
    Ok(())
}

/// The story of a stream, with the truth that was written beside it.
fn story(world: &World, stream: &Path) -> Result<Story, DemoError> {
    let read = |name: &str| {
        let path = stream.join(name);
        fs::read_to_string(&path).map_err(|source| DemoError::File { path, source })
    };
    let wrong = |error: serde_json::Error| DemoError::Story(error.into());
    let facts: Facts = serde_json::from_str(&read("truth.json")?).map_err(wrong)?;
    let lines = read("truth.jsonl")?;
    let truth = lines.lines().map(serde_json::from_str).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    Story::of(world, &facts, truth).map_err(DemoError::Story)
}

/// Removes the state of an earlier demo, unless somebody uses it.
fn clear(state: &Path) -> Result<(), DemoError> {
    if !state.exists() {
        return Ok(());
    }
    if let Err(error @ StateError::InUse { .. }) = State::open(state, true) {
        return Err(error.into());
    }
    for end in ["", "-wal", "-shm"] {
        let mut path = state.as_os_str().to_owned();
        path.push(end);
        let path = PathBuf::from(path);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(DemoError::File { path, source });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The shipped file, with what every site states for itself.
fn pipeline(world: &World, story: &Story, broker: &MockBroker, stream: &Path) -> Result<Pipeline, DemoError> {
    let list = |items: Vec<String>| toml::Value::from(items).to_string();
    let family = world.family().into_iter().map(|member| match member.left_at {
        Some(left_at) => format!("{}@{left_at}", member.tag),
        None => member.tag,
    });
    let packages = std::path::absolute(stream.join("packages.txt"))
        .map_err(|source| DemoError::File { path: stream.to_owned(), source })?;
    let sets = [
        format!("source.brokers={}", list(vec![broker.bootstrap()])),
        format!("source.topics={}", list(vec![TOPIC.to_owned()])),
        format!("source.begin={}", story.begin),
        format!("trigger.follow={}", world.trigger_tag()),
        format!("trigger.family={}", list(family.collect())),
        format!("select.packages={}", list(vec![packages.display().to_string()])),
        // Nothing outside this process is asked.
        "evidence.ask_koji=false".to_owned(),
    ];
    let sets = sets.iter().map(|set| Override::parse(set)).collect::<Result<Vec<_>, _>>()?;
    Ok(pipeline::parse(NAME, FILE, &sets)?)
}

/// Makes a state and reads the known builds into it.
fn fill(state: &Path, pipeline: &Pipeline, known: &Path) -> Result<u64, DemoError> {
    let mut db = State::open(state, false)?;
    let mut engine = db.load(pipeline.settings()?, [])?.engine;
    let count = import(&mut engine, known)?;
    db.commit(&mut engine, &Batch::default())?;
    Ok(count)
}

/// Starts the pipeline as `tidegate run` does.
fn start(state: &Path, pipeline: Pipeline) -> Result<Running, DemoError> {
    let clock = Clock::start();
    let opening = Opening {
        state,
        allow_network: false,
        begin: pipeline.begin,
        group: pipeline.kafka.group.clone(),
        forgotten_after: Connection::of_source(&pipeline.kafka).forgotten_after(),
        accept_cold: false,
        read_on: BTreeMap::new(),
        outputs: pipeline.outputs.clone(),
        reconcile: None,
        submitting: None,
        batch_records: BATCH_RECORDS,
        who: "the demo".to_owned(),
    };
    let id = uuid::Uuid::new_v4().to_string();
    let runner = open(opening, pipeline.settings()?, &id, clock.epoch(), clock.now())?;
    let source = source::start(SourceSettings::of(&pipeline.kafka))?;
    let watchers = Watchers {
        metrics: Arc::new(Metrics::new(&pipeline.name, env!("CARGO_PKG_VERSION"))),
        heartbeat: Arc::new(Heartbeat::new(clock.epoch().into())),
    };
    shell::start(runner, pipeline, source, clock, watchers).map_err(DemoError::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_an_earlier_demo_is_replaced_unless_somebody_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.db");
        clear(&path).unwrap();
        let state = State::open(&path, true).unwrap();
        let error = clear(&path).unwrap_err();
        assert!(matches!(error, DemoError::State(StateError::InUse { .. })) && path.exists(), "{error}");
        drop(state);
        clear(&path).unwrap();
        assert!(!path.exists());
    }
}
