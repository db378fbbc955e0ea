//! What a running pipeline serves to those who watch it: metrics for Prometheus, and probes for whoever restarts it.
//!
//! Nothing can be changed here; operators have the socket. Connections are few, short and bounded, so that no one who
//! watches can keep another from watching for longer than [`Bounds::whole`].

mod probes;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::probes::Verdict;
use super::heartbeat::Heartbeat;
use super::view::View;
use crate::metrics::Metrics;

/// The content type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long nobody is let in after the system refused a connection, as where no file descriptor is left.
const REFUSED: Duration = Duration::from_millis(200);
/// What stands at `/`.
const ABOUT: &str = "tidegate
/metrics  metrics for Prometheus
/startup  200 once the state is open and partitions are assigned
/alive    200 while the pipeline turns
/readyz   200 while it reads, or somebody paused it on purpose
";

/// What is watched.
#[derive(Debug, Clone)]
pub struct Observed {
    /// How the pipeline stands.
    pub view: watch::Receiver<Arc<View>>,
    /// Whether it turns.
    pub heartbeat: Arc<Heartbeat>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
}

/// What a connection may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at a time; more wait at the system's door.
    pub connections: usize,
    /// Until the head of a request has come.
    pub head: Duration,
    /// A whole connection.
    pub whole: Duration,
}

impl Default for Bounds {
    /// 32 connections; 5 s for the head of a request, 10 s for all.
    fn default() -> Self {
        Self { connections: 32, head: Duration::from_secs(5), whole: Duration::from_secs(10) }
    }
}

/// Serves until `stop` says so or its sender is gone. Connections that are open then are closed.
pub async fn serve(listener: TcpListener, observed: Observed, stop: watch::Receiver<bool>) {
    serve_within(Bounds::default(), listener, observed, stop).await;
}

/// The same with other bounds.
pub async fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    observed: Observed,
    mut stop: watch::Receiver<bool>,
) {
    let routes = routes(observed);
    let mut connections = JoinSet::new();
    let stopped = async move {
        // A sender that is gone is a pipeline that has ended.
        drop(stop.wait_for(|stop| *stop).await);
    };
    tokio::pin!(stopped);
    loop {
        let has_room = connections.len() < bounds.connections;
        tokio::select! {
            () = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener), if has_room => {
                // A connection that broke while it was made concerns only its client.
                if let Some(stream) = accepted {
                    connections.spawn(answer(bounds, stream, routes.clone()));
                }
            }
        }
    }
    connections.shutdown().await;
}

/// The next connection.
async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => None,
        Err(_) => {
            tokio::time::sleep(REFUSED).await;
            None
        }
    }
}

/// Answers one request.
async fn answer(bounds: Bounds, stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // A connection that breaks, or takes too long, concerns only its client.
    drop(tokio::time::timeout(bounds.whole, connection).await);
}

fn routes(observed: Observed) -> Router {
    Router::new()
        .route("/", get(async || ABOUT))
        .route("/metrics", get(metrics))
        .route("/startup", get(startup))
        .route("/alive", get(alive))
        .route("/readyz", get(readyz))
        .with_state(observed)
}

async fn metrics(State(observed): State<Observed>) -> Response {
    // What is read now is told, not what was when somebody last looked.
    observed.metrics.show(&observed.view());
    ([(header::CONTENT_TYPE, METRICS_TYPE)], observed.metrics.render()).into_response()
}

async fn startup(State(observed): State<Observed>) -> Verdict {
    probes::startup(&observed.heartbeat, &observed.view())
}

async fn alive(State(observed): State<Observed>) -> Verdict {
    probes::alive(observed.heartbeat.age(Instant::now()))
}

async fn readyz(State(observed): State<Observed>) -> Verdict {
    probes::ready(observed.heartbeat.age(Instant::now()), &observed.view())
}

impl Observed {
    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }
}

impl IntoResponse for Verdict {
    fn into_response(self) -> Response {
        match self {
            Self::Good => (StatusCode::OK, "ok\n").into_response(),
            Self::Bad(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        }
    }
}
