//! `tidegate run`: the live pipeline.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::logging::{self, LogArgs, LogError};
use super::{Exit, Failure, PipelineArgs, say};
use crate::engine::save::RestoreError;
use crate::kafka::config::{ConfigError, Connection};
use crate::kafka::source::{self, SourceSettings};
use crate::live::ask::Answer;
use crate::live::commands::Reloaded;
use crate::live::heartbeat::Heartbeat;
use crate::live::http::{self, Observed};
use crate::live::open::{OpenError, Opening, open};
use crate::live::outlet::Submitting;
use crate::live::partitions::Decided;
use crate::live::runner::{BATCH_RECORDS, RunError};
use crate::live::services::{self, ServiceError, Site};
use crate::live::shell::{self, Clock, Input, Running, Watchers};
use crate::live::socket::{BindError, Socket, path_of};
use crate::metrics::Metrics;
use crate::pipeline::{Override, Pipeline};
use crate::state::LoadError;

/// Read a Kafka topic and decide about it, for ever
#[derive(Debug, Args)]
#[command(
    before_long_help = "Examples:
  tidegate known import pipelines/eln.toml --set trigger.follow=f45 --state eln.db known.jsonl
  tidegate run pipelines/eln.toml --set trigger.follow=f45 --state eln.db",
    after_long_help = "Runs until SIGTERM or Ctrl-C, which end the batch under way; a second one ends the process at once. SIGHUP reads the pipeline \
                       file anew and applies what can be changed while it runs. What was decided is in the state file: `tidegate status`, `holds`, \
                       `explain` and `history` look into it while this runs."
)]
pub(super) struct Run {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The state file; it is made where there is none.
    #[arg(long, value_name = "DB")]
    state: PathBuf,
    /// Let the state stand on a network file system.
    #[arg(long)]
    allow_network_state: bool,
    /// Begin without known builds: what nothing proves new is then held, not dropped.
    #[arg(long)]
    accept_cold: bool,
    /// Read a damaged partition on: `TOPIC/PARTITION=earliest` (it was made anew) or `TOPIC/PARTITION=OFFSET`.
    #[arg(long, value_name = "PARTITION=WHERE", value_parser = read_on)]
    read_on: Vec<((String, i32), Decided)>,
    /// Where metrics and probes are served; port 0 takes one that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// The socket for operators; by default `socket` in the folder `DB.control`.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Write a batch after so many records even while more wait.
    #[arg(long, value_name = "N", default_value_t = BATCH_RECORDS, hide = true)]
    batch_records: usize,
}

/// Why the live pipeline did not run, or ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LiveError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("Kafka: {0}")]
    Kafka(#[from] ConfigError),
    #[error(
        "pipeline {0}: it says nothing of Kafka: state source.brokers and source.topics, in the file or by --set source.brokers=[\"HOST:PORT\"]"
    )]
    NoSource(String),
    #[error(transparent)]
    Socket(#[from] BindError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("metrics and probes cannot be served at {address}: {source}; give another address with --listen")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("the system gives no threads or signals: {0}")]
    System(#[from] std::io::Error),
}

impl LiveError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Open(OpenError::State(error) | OpenError::Load(LoadError::State(error)))
            | Self::Run(RunError::State(error)) => super::of_state(error),
            Self::NoSource(_) | Self::Log(_) => Exit::Usage,
            Self::Socket(error) if !matches!(error, BindError::Io { .. }) => Exit::Refused,
            Self::Open(
                OpenError::Cold { .. }
                | OpenError::OtherTrigger { .. }
                | OpenError::Load(LoadError::Restore(RestoreError::Course(_)))
                | OpenError::Run(RunError::Foreign { .. } | RunError::SecondMember { .. }),
            )
            | Self::Run(RunError::Foreign { .. } | RunError::SecondMember { .. }) => Exit::Refused,
            Self::Open(_)
            | Self::Run(_)
            | Self::Socket(_)
            | Self::Kafka(_)
            | Self::Service(_)
            | Self::Listen { .. }
            | Self::System(_) => Exit::Failed,
        }
    }
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        logging::start(&self.log).map_err(LiveError::from)?;
        let pipeline = self.pipeline.load()?;
        let settings = pipeline.settings()?;
        check(&pipeline)?;
        let clock = Clock::start();
        let opening = Opening {
            state: &self.state,
            allow_network: self.allow_network_state,
            begin: pipeline.begin,
            group: pipeline.kafka.group.clone(),
            forgotten_after: Connection::of_source(&pipeline.kafka).forgotten_after(),
            accept_cold: self.accept_cold,
            read_on: self.read_on.iter().cloned().collect::<BTreeMap<_, _>>(),
            outputs: pipeline.outputs.clone(),
            reconcile: pipeline.evidence_hub.as_ref().map(|_| pipeline.reconcile),
            submitting: Submitting::of(&pipeline, &settings)
                .map_err(OpenError::from)
                .map_err(LiveError::from)?,
            batch_records: self.batch_records,
            who: std::env::var("USER").unwrap_or_else(|_| "whoever started it".to_owned()),
        };
        let id = uuid::Uuid::new_v4().to_string();
        let runner = open(opening, settings, &id, clock.epoch(), clock.now()).map_err(LiveError::from)?;
        let source = source::start(SourceSettings::of(&pipeline.kafka)).map_err(LiveError::from)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(LiveError::from)?;
        let state = runner.state_id().to_owned();
        // Bound while the lock of the state is held: a socket that is found there is a dead one.
        let path = self.socket.clone().unwrap_or_else(|| path_of(&self.state));
        let socket = Socket::bind(&path).map_err(LiveError::from)?;
        let listen = |source| LiveError::Listen { address: self.listen, source };
        let listener = std::net::TcpListener::bind(self.listen).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let watchers = Watchers {
            metrics: Arc::new(Metrics::new(&pipeline.name, env!("CARGO_PKG_VERSION"))),
            heartbeat: Arc::new(Heartbeat::new(clock.epoch().into())),
        };
        let running = shell::start(runner, pipeline.clone(), source, clock, watchers.clone());
        let running = running.map_err(LiveError::from)?;
        let folder = self.pipeline.pipeline.parent().unwrap_or(Path::new(".")).to_owned();
        runtime.block_on(self.serve(
            running,
            Site { pipeline, state, folder },
            socket,
            listener,
            watchers,
        ))?;
        // Tasks that still wait for somebody outside are not waited for.
        runtime.shutdown_background();
        Ok(())
    }

    /// Waits for signals and for the end.
    async fn serve(
        &self,
        running: Running,
        site: Site,
        socket: Socket,
        listener: std::net::TcpListener,
        watchers: Watchers,
    ) -> Result<(), LiveError> {
        let Running { inputs, view, notices, inquiries, submissions, mut ended } = running;
        let listener = TcpListener::from_std(listener)?;
        tracing::info!(
            address = %listener.local_addr()?, socket = %socket.path().display(),
            "metrics and probes, and the socket for operators"
        );
        let Watchers { metrics, heartbeat } = watchers;
        let observed = Observed { view: view.clone(), heartbeat, metrics };
        let (_serving, stop) = watch::channel(false);
        tokio::spawn(http::serve(listener, observed, stop));
        services::tell(view);
        let (asks, asked) = mpsc::channel(16);
        tokio::spawn(socket.serve(asks, CancellationToken::new()));
        let (file, overrides) = (self.pipeline.pipeline.clone(), self.pipeline.overrides.clone());
        services::operators(asked, inputs.clone(), move || read(&file, &overrides));
        services::packages(&site, &inputs)?;
        services::announce(&site, notices, &inputs)?;
        services::koji(&site, inquiries, &inputs)?;
        services::sink(&site, submissions, &inputs)?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut stopping = false;
        loop {
            tokio::select! {
                outcome = &mut ended => return Ok(outcome.unwrap_or(Err(RunError::SourceFailed))?),
                _ = hang_up.recv() => {
                    self.reload(&inputs).await;
                    continue;
                }
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stopping {
                say("tidegate: stopped at once; the batch under way is read again at the next start");
                std::process::exit(1);
            }
            stopping = true;
            drop(inputs.send(Input::Stop).await);
        }
    }

    /// Reads the pipeline file anew, applies it and says what came of it.
    async fn reload(&self, inputs: &mpsc::Sender<Input>) {
        let (sender, answer) = oneshot::channel();
        let input = Input::Reload(
            "SIGHUP".to_owned(),
            read(&self.pipeline.pipeline, &self.pipeline.overrides),
            shell::reply_to(sender),
        );
        drop(inputs.send(input).await);
        match answer.await {
            Ok(Answer::Reloaded { hash, changed }) if changed.is_empty() => {
                tracing::info!(hash, "the pipeline file says nothing new");
            }
            Ok(Answer::Reloaded { hash, changed }) => {
                tracing::info!(hash, changed = changed.join(", "), "the pipeline file was applied");
            }
            Ok(Answer::Refused(refusal)) => {
                tracing::error!("the pipeline file was not applied: {}", refusal.text);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

fn read(file: &Path, overrides: &[Override]) -> Reloaded {
    let pipeline = crate::pipeline::load(file, overrides).map_err(|report| report.to_string())?;
    let settings = pipeline.settings().map_err(|error| error.to_string())?;
    Ok(Box::new((pipeline, settings)))
}

fn check(pipeline: &Pipeline) -> Result<(), LiveError> {
    if pipeline.kafka.brokers.is_empty() || pipeline.kafka.topics.is_empty() {
        return Err(LiveError::NoSource(pipeline.name.clone()));
    }
    Ok(())
}

fn read_on(text: &str) -> Result<((String, i32), Decided), String> {
    let wrong = || format!("{text:?} is not TOPIC/PARTITION=earliest or TOPIC/PARTITION=OFFSET");
    let (place, at) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (topic, partition) = place.rsplit_once('/').ok_or_else(wrong)?;
    let partition = partition.parse().map_err(|_| wrong())?;
    let decided = match at {
        "earliest" => Decided::Earliest,
        offset => Decided::Offset(offset.parse().map_err(|_| wrong())?),
    };
    Ok(((topic.to_owned(), partition), decided))
}
