//! The shell of the live pipeline: clocks, threads, channels and signals around the [`Runner`].
//!
//! One thread owns the engine and the state. What happens outside comes to it as one merged stream, cut into micro-batches
//! by number and time; what it decides leaves by channels. Everything else runs on a small runtime of its own, so that
//! neither a slow page nor a slow list can keep records waiting.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::{IntervalStream, ReceiverStream};
use tokio_stream::{Stream, StreamExt};

use super::ask::{Answer, Ask};
use super::commands::Reloaded;
use super::heartbeat::Heartbeat;
use super::runner::{Now, Reply, RunError, Runner};
use super::view::View;
use super::witness::{Inquiry, Report};
use crate::engine::select::PackageList;
use crate::kafka::handover::{FromKafka, ToKafka, TroubleKind};
use crate::kafka::source::Source;
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::state::live::Notice;
use crate::submit;
use crate::time::Second;

/// Inputs of one micro-batch; the Kafka thread puts up to 500 records into one input.
const BATCH_INPUTS: usize = 32;
/// Longest time that an input waits for others.
const BATCH_AGE: Duration = Duration::from_millis(20);
/// How often timers of this process are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often it is told how the pipeline stands, at most.
const VIEW_AGE: Duration = Duration::from_millis(250);
/// How long the Kafka thread may take to end.
const LEAVE: Duration = Duration::from_secs(8);
/// Inputs from outside that may wait.
const INPUTS: usize = 64;

/// Something that happened outside, beside what Kafka says.
pub enum Input {
    /// An operator asks.
    Ask(Ask, Reply),
    /// The pipeline file was read anew, by whom.
    Reload(String, Reloaded, Reply),
    /// A package list was fetched, or why that failed.
    Packages(Result<Arc<PackageList>, String>),
    /// A package list that stands in until one was fetched.
    Fallback(Arc<PackageList>),
    /// Notices up to this number were confirmed.
    Announced(u64),
    /// Koji was asked.
    Koji(Report),
    /// The sink answered.
    Sink(submit::Answer),
    /// Come to an end.
    Stop,
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// Starts at zero now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the live pipeline reads the monotonic clock"
    )]
    pub fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    /// What [`Now::mono`] counts from.
    pub fn epoch(self) -> Instant {
        self.epoch
    }

    /// Now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the live pipeline reads the clock of the machine"
    )]
    pub fn now(self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Second(i64::try_from(since.as_secs()).unwrap_or(i64::MAX / 4));
        Now { mono: self.epoch.elapsed(), wall }
    }
}

/// A running pipeline, seen from outside.
#[derive(Debug)]
pub struct Running {
    /// Takes what happens outside.
    pub inputs: mpsc::Sender<Input>,
    /// How it stands; told anew a few times a second, and after every batch that changed something.
    pub view: watch::Receiver<Arc<View>>,
    /// What is to be announced, in order; where nobody takes it, it waits in the state.
    pub notices: mpsc::Receiver<Vec<(u64, Notice)>>,
    /// What Koji is to be asked; where nobody takes it, it waits.
    pub inquiries: mpsc::Receiver<Inquiry>,
    /// What the sink is to be asked, one thing at a time; where nobody takes it, it waits.
    pub submissions: mpsc::Receiver<submit::Ask>,
    /// How it ended.
    pub ended: oneshot::Receiver<Result<(), RunError>>,
}

/// Who is told that the pipeline turns, and what it did.
#[derive(Debug, Clone)]
pub struct Watchers {
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Whether it turns.
    pub heartbeat: Arc<Heartbeat>,
}

/// Starts the thread of the pipeline.
///
/// # Errors
/// Where the system gives no thread.
pub fn start(
    runner: Runner,
    pipeline: Pipeline,
    source: Source,
    clock: Clock,
    watchers: Watchers,
) -> Result<Running, std::io::Error> {
    let Watchers { metrics, heartbeat } = watchers;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (inputs, outside) = mpsc::channel(INPUTS);
    let (show, view) = watch::channel(Arc::new(runner.view(clock.now())));
    let (done, ended) = oneshot::channel();
    let (announce, notices) = mpsc::channel(1);
    let (inquire, inquiries) = mpsc::channel(1);
    let (submit, submissions) = mpsc::channel(1);
    let drive = Drive {
        runner,
        pipeline,
        to: source.to,
        announce,
        inquire,
        submit,
        clock,
        show,
        metrics,
        heartbeat,
        shown: Duration::ZERO,
        stopped: None,
    };
    let run = move || {
        let outcome = runtime.block_on(drive.run(source.from, outside));
        // Whoever started it may have gone.
        drop(done.send(outcome));
    };
    std::thread::Builder::new().name("pipeline".to_owned()).spawn(run)?;
    Ok(Running { inputs, view, notices, inquiries, submissions, ended })
}

/// The merged stream of everything that happens.
enum Event {
    Kafka(FromKafka),
    KafkaEnded,
    Outside(Input),
    Tick,
}

struct Drive {
    runner: Runner,
    /// The file in force.
    pipeline: Pipeline,
    to: mpsc::Sender<ToKafka>,
    announce: mpsc::Sender<Vec<(u64, Notice)>>,
    inquire: mpsc::Sender<Inquiry>,
    submit: mpsc::Sender<submit::Ask>,
    clock: Clock,
    show: watch::Sender<Arc<View>>,
    metrics: Arc<Metrics>,
    heartbeat: Arc<Heartbeat>,
    shown: Duration,
    /// Since when it is coming to an end.
    stopped: Option<Duration>,
}

impl Drive {
    async fn run(
        mut self,
        kafka: mpsc::Receiver<FromKafka>,
        outside: mpsc::Receiver<Input>,
    ) -> Result<(), RunError> {
        let mut batches = pin!(merged(kafka, outside).chunks_timeout(BATCH_INPUTS, BATCH_AGE));
        while let Some(batch) = batches.next().await {
            for event in batch {
                match event {
                    Event::KafkaEnded if self.stopped.is_some() => return Ok(()),
                    Event::KafkaEnded => return Err(RunError::SourceFailed),
                    Event::Kafka(news) if self.stopped.is_none() => {
                        self.watch(&news);
                        self.runner.take(news, self.clock.now())?;
                    }
                    // What comes after the last batch is read again at the next start.
                    Event::Kafka(_) => {}
                    Event::Outside(input) => self.outside(input)?,
                    Event::Tick => self.runner.tick(self.clock.now())?,
                }
                if self.runner.is_full() {
                    self.turn().await?;
                }
            }
            self.turn().await?;
            let now = self.clock.now();
            if self.stopped.is_some_and(|since| now.mono.saturating_sub(since) > LEAVE) {
                tracing::warn!("the thread that reads from Kafka did not end in time; it is left behind");
                return Ok(());
            }
        }
        Ok(())
    }

    fn watch(&self, news: &FromKafka) {
        match news {
            FromKafka::Assigned(_) => {
                self.metrics.assigned();
                self.heartbeat.started();
            }
            FromKafka::Trouble(trouble) => {
                self.metrics.kafka_trouble(trouble.kind, true);
                if trouble.kind == TroubleKind::Commit {
                    self.metrics.commit_failed();
                }
            }
            FromKafka::Over(kind) => self.metrics.kafka_trouble(*kind, false),
            FromKafka::Damaged { .. }
            | FromKafka::Repartitioned { .. }
            | FromKafka::Revoked { .. }
            | FromKafka::Records { .. }
            | FromKafka::Progress(_)
            | FromKafka::Stopped { .. } => {}
        }
    }

    /// Ends a micro-batch: writes what is due, tells the Kafka thread, and shows how it stands.
    async fn turn(&mut self) -> Result<(), RunError> {
        let now = self.clock.now();
        self.heartbeat.turn(tokio::time::Instant::from_std(self.clock.epoch() + now.mono));
        let commits = self.stopped.is_none() && self.runner.is_due(now);
        if commits {
            let records = self.runner.records();
            self.runner.commit(now)?;
            self.metrics.committed(self.clock.now().mono.saturating_sub(now.mono), records);
        }
        for order in self.runner.take_orders() {
            if self.to.send(order).await.is_err() && self.stopped.is_none() {
                return Err(RunError::SourceFailed);
            }
        }
        if commits && let Ok(room) = self.announce.try_reserve() {
            let notices = self.runner.take_notices()?;
            if !notices.is_empty() {
                room.send(notices);
            }
        }
        let now = self.clock.now();
        if let Ok(room) = self.inquire.try_reserve()
            && let Some(inquiry) = self.runner.take_inquiry(now)
        {
            room.send(inquiry);
        }
        if let Ok(room) = self.submit.try_reserve()
            && let Some(ask) = self.runner.take_ask()
        {
            room.send(ask);
        }
        if now.mono.saturating_sub(self.shown) >= VIEW_AGE {
            self.shown = now.mono;
            let view = self.runner.view(now);
            self.metrics.show(&view);
            self.show.send_replace(Arc::new(view));
        }
        Ok(())
    }

    fn outside(&mut self, input: Input) -> Result<(), RunError> {
        let now = self.clock.now();
        match input {
            Input::Ask(ask, reply) => self.runner.ask(ask, reply, now),
            Input::Reload(who, read, reply) => {
                let (answer, applied) = self.runner.reload(&who, &self.pipeline, read, now)?;
                if let Some(pipeline) = applied {
                    self.pipeline = *pipeline;
                }
                self.runner.answer_when_written(reply, answer);
            }
            Input::Packages(fetched) => self.runner.take_packages(fetched, now),
            Input::Fallback(list) => self.runner.take_fallback(list),
            Input::Announced(last) => self.runner.confirm(last),
            Input::Koji(report) => self.runner.take_report(report, now),
            Input::Sink(answer) => self.runner.take_answer(answer, now),
            Input::Stop if self.stopped.is_none() => {
                self.runner.stop(now)?;
                self.stopped = Some(now.mono);
            }
            Input::Stop => {}
        }
        Ok(())
    }
}

fn merged(kafka: mpsc::Receiver<FromKafka>, outside: mpsc::Receiver<Input>) -> impl Stream<Item = Event> {
    let kafka = ReceiverStream::new(kafka).map(Event::Kafka).chain(tokio_stream::once(Event::KafkaEnded));
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let outside = ReceiverStream::new(outside).map(Event::Outside);
    kafka.merge(outside.merge(IntervalStream::new(ticks).map(|_| Event::Tick)))
}

/// Answers through a channel; whoever waits for it may have gone.
pub fn reply_to(sender: oneshot::Sender<Answer>) -> Reply {
    Box::new(move |answer| drop(sender.send(answer)))
}
