//! The hub as a server: plain HTTP on a loopback address, for tests and rehearsals.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::exchange;
use super::moment::{MICROS, Moment};
use super::publish::{Nowhere, Publisher};
use super::trouble::{Script, Troubles};
use super::world::{World, WorldError, WorldFile};

/// The longest that the clock waits before it looks whether somebody else has changed what is due next.
const TICK: Duration = Duration::from_millis(100);

/// How a hub is set up.
pub struct Settings {
    /// Its world.
    pub world: WorldFile,
    /// Where it listens; a loopback address, port 0 for any that is free.
    pub listen: SocketAddr,
    /// How its time passes.
    pub pace: Pace,
    /// What goes wrong.
    pub script: Script,
    /// How long each call takes, beside its work.
    pub latency: Latency,
    /// Where its messages go.
    pub publisher: Box<dyn Publisher>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            world: WorldFile::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pace: Pace::Still,
            script: Script::default(),
            latency: Latency::default(),
            publisher: Box::new(Nowhere),
        }
    }
}

/// How the time of a world passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// It stands still until a test advances it.
    Still,
    /// So many times as fast as the clock.
    Times(f64),
}

/// How long a call takes in real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// At least.
    pub least: Duration,
    /// And this for each task that is not over: an overloaded hub is slow.
    pub each_live_task: Duration,
}

/// Why a hub cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It has no protection, so that it serves its own machine only.
    #[error("the fake hub listens on a loopback address only, such as 127.0.0.1:0, not on {0}")]
    NotLoopback(SocketAddr),
    /// Its world cannot be.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A hub that runs.
#[derive(Debug)]
pub struct FakeHub {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What all calls of a hub share.
pub(super) struct Shared {
    core: Mutex<Core>,
    troubles: Mutex<Troubles>,
    /// Rows of sessions that calls hold.
    rows: Mutex<BTreeMap<i64, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) latency: Latency,
    clock: Option<Clock>,
    /// How many calls run, also those whose clients have gone away.
    running: watch::Sender<usize>,
    /// How many calls wait to be released, and how often that has happened.
    stalled: watch::Sender<usize>,
    released: watch::Sender<u64>,
}

/// A call that runs.
pub(super) struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|count| *count -= 1);
    }
}

/// The world and where its messages go.
pub(super) struct Core {
    pub(super) world: World,
    publisher: Box<dyn Publisher>,
    failure: Option<io::Error>,
}

/// A world's time that passes by itself.
#[derive(Debug, Clone, Copy)]
struct Clock {
    began: Instant,
    at: Moment,
    times: f64,
}

impl Clock {
    /// The time of the world now.
    #[expect(clippy::cast_possible_truncation, reason = "a time beyond the range becomes its end")]
    fn now(&self) -> Moment {
        let micros = self.began.elapsed().as_secs_f64() * self.times * 1e6;
        self.at.plus_micros(micros as i64)
    }
}

impl Core {
    /// Publishes what has happened.
    pub(super) fn publish(&mut self) {
        let messages = self.world.take_messages();
        if messages.is_empty() {
            return;
        }
        if let Err(error) = self.publisher.publish(&messages) {
            self.failure.get_or_insert(error);
        }
    }
}

impl Shared {
    /// The world, with what is due by now done.
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clock) = &self.clock {
            core.world.advance(clock.now());
            core.publish();
        }
        core
    }

    pub(super) fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the row of a session. Callers get it in the order in which they come.
    pub(super) async fn hold_row(&self, session: i64) -> OwnedMutexGuard<()> {
        let row = {
            let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(rows.entry(session).or_default())
        };
        row.lock_owned().await
    }

    /// Counts a call until what this gives is dropped.
    pub(super) fn begin_call(self: &Arc<Self>) -> Running {
        self.running.send_modify(|count| *count += 1);
        Running(Arc::clone(self))
    }

    /// Waits so long, or until somebody releases what waits.
    pub(super) async fn stall(&self, millis: Option<u64>) {
        if let Some(millis) = millis {
            return tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        let mut released = self.released.subscribe();
        released.mark_unchanged();
        self.stalled.send_modify(|count| *count += 1);
        // The sender lives as long as this does.
        released.changed().await.unwrap_or_default();
        self.stalled.send_modify(|count| *count -= 1);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("latency", &self.latency).finish_non_exhaustive()
    }
}

impl FakeHub {
    /// Begins to listen. Runs until it is stopped or dropped.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings { world, listen, pace, script, latency, publisher } = settings;
        if !listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(listen));
        }
        let world = World::new(&world)?;
        let at_address = |source| StartError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(at_address)?;
        let address = listener.local_addr().map_err(at_address)?;
        let clock = match pace {
            Pace::Still => None,
            Pace::Times(times) => Some(Clock { began: Instant::now(), at: world.now(), times }),
        };
        let shared = Arc::new(Shared {
            core: Mutex::new(Core { world, publisher, failure: None }),
            troubles: Mutex::new(Troubles::new(script)),
            rows: Mutex::default(),
            latency,
            clock,
            running: watch::Sender::new(0),
            stalled: watch::Sender::new(0),
            released: watch::Sender::new(0),
        });
        let stop = watch::Sender::new(false);
        let mut tasks = vec![tokio::spawn(accept(listener, Arc::clone(&shared), stop.subscribe()))];
        if clock.is_some() {
            tasks.push(tokio::spawn(tick(Arc::clone(&shared), stop.subscribe())));
        }
        Ok(Self { address, shared, stop, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that clients are given.
    pub fn url(&self) -> String {
        format!("http://{}/kojihub", self.address)
    }

    /// Looks at the world, or changes it; what happens by that is published.
    pub fn world<R>(&self, look: impl FnOnce(&mut World) -> R) -> R {
        let mut core = self.shared.core();
        let result = look(&mut core.world);
        core.publish();
        result
    }

    /// Lets so many seconds of the world pass.
    pub fn advance_seconds(&self, seconds: i64) {
        self.world(|world| world.advance(world.now().plus_micros(seconds.saturating_mul(MICROS))));
    }

    /// Puts another script in the place of the one that it has; calls are counted anew.
    pub fn set_script(&self, script: Script) {
        *self.shared.troubles() = Troubles::new(script);
    }

    /// Waits until so many calls wait to be released.
    pub async fn wait_stalled(&self, count: usize) {
        let mut stalled = self.shared.stalled.subscribe();
        // The sender lives as long as the hub.
        stalled.wait_for(|stalled| *stalled >= count).await.map(|_| ()).unwrap_or_default();
    }

    /// Waits until no call runs any more, also none whose client has gone away.
    pub async fn wait_idle(&self) {
        let mut running = self.shared.running.subscribe();
        // The sender lives as long as the hub.
        running.wait_for(|running| *running == 0).await.map(|_| ()).unwrap_or_default();
    }

    /// Lets all calls go on that wait to be released.
    pub fn release(&self) {
        self.shared.released.send_modify(|times| *times += 1);
    }

    /// Why messages could not be published, the first time it happened.
    pub fn take_failure(&self) -> Option<io::Error> {
        self.shared.core().failure.take()
    }

    /// Stops to listen, and waits until the calls that run have ended.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.release();
        self.wait_idle().await;
        for task in self.tasks {
            // One that has panicked has nothing more to end.
            task.await.unwrap_or_default();
        }
    }
}

/// Takes connections until the hub is stopped.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            // A sender that is gone is a hub that was dropped.
            _ = stop.changed() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = stream else { continue };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let answer = service_fn(move |request| exchange::answer(Arc::clone(&shared), request));
            let connection =
                http1::Builder::new().title_case_headers(true).serve_connection(TokioIo::new(stream), answer);
            // A connection that breaks concerns only its client.
            connection.await.unwrap_or_default();
        });
    }
    connections.shutdown().await;
}

/// Lets time pass while nobody calls.
async fn tick(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            _ = ticks.tick() => drop(shared.core()),
        }
    }
}
