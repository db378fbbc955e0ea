//! `tidegate fake-hub`: a Koji hub with a virtual farm, to rehearse against.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::hub::{
    FakeHub as Hub, JsonLines, Kafka, Latency, Nowhere, Pace, Publisher, Script, ScriptError, Settings,
    StartError, WorldError, WorldFile,
};

/// How often it is looked at whether messages can still be written.
const LOOK: Duration = Duration::from_secs(1);

/// Run a Koji hub with a virtual farm, to rehearse against
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  tidegate fake-hub --world tests/fixtures/hub/small.toml
  tidegate fake-hub --world small.toml --listen 127.0.0.1:8080 --speed 60 --messages bus.jsonl --faults faults.toml

The first line of the output is the address that clients are given. Runs until it gets SIGTERM or Ctrl-C. It asks for
no TLS and has no secrets worth keeping, so that it listens on this machine only.")]
pub(super) struct FakeHub {
    /// Address and port; port 0 takes one that is free.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// File with tags, targets, users, hosts and builds.
    #[arg(long, value_name = "FILE")]
    world: PathBuf,
    /// Write the bus messages into this file, as JSON lines; what is there is overwritten.
    #[arg(long, value_name = "FILE")]
    messages: Option<PathBuf>,
    /// Publish the bus messages to Kafka, by these brokers: `HOST:PORT`, separated by commas; takes --topic.
    #[arg(long, value_name = "BROKERS", requires = "topic", conflicts_with = "messages")]
    kafka: Option<String>,
    /// The topic, which must exist.
    #[arg(long, requires = "kafka")]
    topic: Option<String>,
    /// So many times as fast as the clock.
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    speed: f64,
    /// File that says which calls go wrong, and how.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Milliseconds that each call takes at least.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency: u64,
    /// Microseconds that each task that is not over adds to each call: an overloaded hub is slow.
    #[arg(long, default_value_t = 0, value_name = "US")]
    latency_per_task: u64,
}

/// Why the hub does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum FakeHubError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    World { path: PathBuf, source: WorldError },
    #[error("{}: {source}", path.display())]
    Script { path: PathBuf, source: ScriptError },
    #[error("--speed has to be a number above 0, not {0}")]
    Speed(f64),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("messages cannot be written any more: {0}")]
    Messages(io::Error),
    #[error("the system gives no threads or signals: {0}")]
    System(io::Error),
}

impl FakeHub {
    pub(super) fn run(self) -> Result<(), Failure> {
        let settings = self.settings()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.map_err(FakeHubError::System)?.block_on(serve(settings))
    }

    fn settings(&self) -> Result<Settings, FakeHubError> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(FakeHubError::Speed(self.speed));
        }
        let world = WorldFile::parse(&read(&self.world)?)
            .map_err(|source| FakeHubError::World { path: self.world.clone(), source })?;
        let script = match &self.faults {
            None => Script::default(),
            Some(path) => Script::parse(&read(path)?)
                .map_err(|source| FakeHubError::Script { path: path.clone(), source })?,
        };
        let publisher: Box<dyn Publisher> = match (&self.messages, &self.kafka, &self.topic) {
            (None, Some(brokers), Some(topic)) => {
                Box::new(Kafka::new(brokers, topic).map_err(FakeHubError::Messages)?)
            }
            (None, ..) => Box::new(Nowhere),
            (Some(path), ..) => Box::new(
                JsonLines::create(path)
                    .map_err(|source| FakeHubError::File { path: path.clone(), source })?,
            ),
        };
        Ok(Settings {
            world,
            listen: self.listen,
            pace: Pace::Times(self.speed),
            script,
            latency: Latency {
                least: Duration::from_millis(self.latency),
                each_live_task: Duration::from_micros(self.latency_per_task),
            },
            publisher,
        })
    }
}

fn read(path: &Path) -> Result<String, FakeHubError> {
    fs::read_to_string(path).map_err(|source| FakeHubError::File { path: path.to_owned(), source })
}

/// Runs until a signal comes, or messages cannot be written.
async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(FakeHubError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(FakeHubError::System)?;
    let hub = Hub::start(settings).await.map_err(FakeHubError::Start)?;
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", hub.url())?;
        out.flush()?;
    }
    let mut look = tokio::time::interval(LOOK);
    let failure = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            _ = look.tick() => {
                if let Some(error) = hub.take_failure() {
                    break Some(error);
                }
            }
        }
    };
    hub.stop().await;
    match failure {
        None => Ok(()),
        Some(error) => Err(FakeHubError::Messages(error).into()),
    }
}
