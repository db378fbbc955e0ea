//! The Unix socket of a running pipeline: operators ask through it, and nobody else.
//!
//! Whoever may enter its folder may command the pipeline: the folder is of mode 0700. One connection carries one request and
//! one answer, a JSON line each. A client that is slow, hangs up or writes rubbish costs a place of [`CONNECTIONS_MAX`] for
//! a short while, and nothing else.

mod client;
mod person;
mod place;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::wire::{LineError, Problem, ProblemKind, Reply};
use super::ask::{Answer, Ask};

pub use self::client::{SocketError, ask};
pub use self::person::{NAME_MAX_CHARS, NameError, check_name};
pub use self::place::{BindError, Socket, path_of};

/// Connections that are served at once; who comes then is told to try again.
pub const CONNECTIONS_MAX: usize = 16;
/// The longest line of a request, in bytes.
pub const REQUEST_MAX_BYTES: usize = 64 * 1024;
/// The longest line of an answer, in bytes.
pub const ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;
/// The longest reason, in characters.
pub const WHY_MAX_CHARS: usize = 1_000;

/// How long a client may take over each of its sides.
const DEADLINES: Deadlines = Deadlines { request: Duration::from_secs(5), answer: Duration::from_secs(30) };
/// How long nobody is let in after the system gave no connection: it has run out of something.
const RESPITE: Duration = Duration::from_millis(100);

/// A request, and where its answer goes.
pub type Asked = (Ask, oneshot::Sender<Answer>);

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
struct Deadlines {
    /// To send its request.
    request: Duration,
    /// To take the answer.
    answer: Duration,
}

impl Socket {
    /// Serves until `stop`: each request goes to `asks`, and its answer back to whoever asked. Requests that are under way then
    /// are still answered; the socket is gone when this returns.
    ///
    /// # Errors
    /// Where the socket cannot be handed to the runtime.
    pub async fn serve(self, asks: mpsc::Sender<Asked>, stop: CancellationToken) -> io::Result<()> {
        let (listener, place) = self.into_parts();
        let listener = UnixListener::from_std(listener)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            while connections.try_join_next().is_some() {}
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("the control socket lets nobody in: {error}");
                    tokio::time::sleep(RESPITE).await;
                    continue;
                }
            };
            match Arc::clone(&places).try_acquire_owned() {
                Ok(permit) => {
                    let (asks, stop) = (asks.clone(), stop.clone());
                    connections.spawn(async move {
                        serve_one(stream, &asks, &stop, DEADLINES).await;
                        drop(permit);
                    });
                }
                Err(_) => turn_away(&stream),
            }
        }
        drop((listener, place, asks));
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

/// Tells a client that all places are taken. A new connection has room for that line; whoever hung up need not be told.
fn turn_away(stream: &UnixStream) {
    let text = format!("{CONNECTIONS_MAX} others are connected: try again in a moment");
    let line = Reply::problem(ProblemKind::Busy, text).line();
    drop(stream.try_write(&line));
}

/// One connection, from its request to its end.
async fn serve_one(
    mut stream: UnixStream,
    asks: &mpsc::Sender<Asked>,
    stop: &CancellationToken,
    deadlines: Deadlines,
) {
    let reply = match request(&mut stream, stop, deadlines.request).await {
        Ok(Some(ask)) => answer(ask, asks).await,
        Ok(None) => return,
        Err(problem) => Reply::from(problem),
    };
    let write = async {
        stream.write_all(&reply.line()).await?;
        stream.shutdown().await
    };
    match timeout(deadlines.answer, write).await {
        Ok(Ok(())) => {}
        // It hung up: what it asked for was done all the same, and stands in the state.
        Ok(Err(error)) => tracing::debug!("an answer was not taken: {error}"),
        Err(_) => tracing::debug!("an answer was not taken within {} s", deadlines.answer.as_secs()),
    }
}

/// What a client asks; `None` where it hung up before it asked, or all comes to an end.
async fn request(
    stream: &mut UnixStream,
    stop: &CancellationToken,
    within: Duration,
) -> Result<Option<Ask>, Problem> {
    let credentials = stream.peer_cred().map_err(|error| {
        Problem::new(ProblemKind::Unreadable, format!("the system does not say who asks: {error}"))
    })?;
    let read = timeout(within, wire::read_line(stream, REQUEST_MAX_BYTES));
    let line = match stop.run_until_cancelled(read).await {
        None => return Err(Problem::stopping()),
        Some(Err(_)) => {
            let text = format!("no request came within {} s", within.as_secs_f32());
            return Err(Problem::new(ProblemKind::Unreadable, text));
        }
        Some(Ok(Err(LineError::Io(_) | LineError::Empty))) => return Ok(None),
        Some(Ok(Err(error))) => return Err(Problem::new(ProblemKind::Unreadable, error.to_string())),
        Some(Ok(Ok(line))) => line,
    };
    let (name, request) = wire::parse_request(&line)?;
    let who = person::who(credentials.uid(), name).await;
    Ok(Some(Ask { who, request }))
}

/// Lets the pipeline answer.
async fn answer(ask: Ask, asks: &mpsc::Sender<Asked>) -> Reply {
    let (sender, receiver) = oneshot::channel();
    if asks.send((ask, sender)).await.is_err() {
        return Problem::stopping().into();
    }
    match receiver.await {
        Ok(answer) => Reply::answer(answer),
        Err(_) => Problem::stopping().into(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::live::ask::Request;

    /// What one client is told that writes `bytes` and then nothing more, and what was asked of the pipeline.
    async fn told(bytes: &[u8], hang_up: bool) -> (String, Vec<Ask>) {
        let (asks, mut asked) = mpsc::channel::<Asked>(4);
        let (mut client, server) = UnixStream::pair().unwrap();
        let deadlines =
            Deadlines { request: Duration::from_millis(if hang_up { 60_000 } else { 50 }), ..DEADLINES };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(async move { serve_one(server, &asks, &stop, deadlines).await });
        let pipeline = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some((ask, reply)) = asked.recv().await {
                all.push(ask);
                drop(reply.send(Answer::Holds(Vec::new())));
            }
            all
        });
        // Whoever is told that a line is too long is not listened to any more.
        drop(client.write_all(bytes).await);
        if hang_up {
            client.shutdown().await.unwrap();
        }
        let mut text = Vec::new();
        let read = client.read_to_end(&mut text).await;
        serving.await.unwrap();
        drop(read);
        (String::from_utf8(text).unwrap(), pipeline.await.unwrap())
    }

    #[tokio::test]
    async fn every_line_is_answered_and_only_a_good_one_reaches_the_pipeline() {
        let long = format!(
            "{{\"tidegate\":1,\"request\":\"holds\",\"as\":\"{}\"}}\n",
            "x".repeat(REQUEST_MAX_BYTES)
        );
        let why = format!(
            "{{\"tidegate\":1,\"request\":{{\"accept_packages\":{{\"why\":\"{}\"}}}}}}\n",
            "y".repeat(1_001)
        );
        for (line, hang_up, said, asked) in [
            (
                "{\"tidegate\":1,\"request\":\"holds\"}\n",
                false,
                "{\"tidegate\":1,\"answer\":{\"holds\":[]}}\n",
                1,
            ),
            ("{\"tidegate\":1,\"as\":null,\"request\":\"holds\",\"more\":2}\n", false, "\"answer\"", 1),
            ("{\"tidegate\":1,\"request\":\"holds\"}", true, "\"answer\"", 1),
            ("{\"tidegate\":2,\"request\":\"holds\"}\n", false, "\"version\"", 0),
            ("{\"tidegate\":1,\"request\":\"dance\"}\n", false, "\"version\"", 0),
            ("{\"request\":\"holds\"}\n", false, "\"unreadable\"", 0),
            ("GET / HTTP/1.1\r\n", false, "\"unreadable\"", 0),
            ("\n", false, "\"unreadable\"", 0),
            ("{\"tidegate\":1,", false, "no request came within 0.05 s", 0),
            ("{\"tidegate\":1,", true, "\"unreadable\"", 0),
            ("", true, "", 0),
            (&long, false, "longer than 65536 bytes", 0),
            (&why, false, "1,000 characters", 0),
            ("{\"tidegate\":1,\"as\":\"\",\"request\":\"holds\"}\n", false, "\"unreadable\"", 0),
            ("{\"tidegate\":1,\"as\":\"ana (root)\",\"request\":\"holds\"}\n", false, "\"unreadable\"", 0),
            (
                "{\"tidegate\":1,\"request\":{\"discard\":{\"letter\":1,\"why\":\" \"}}}\n",
                false,
                "a reason",
                0,
            ),
        ] {
            let (text, asks) = told(line.as_bytes(), hang_up).await;
            assert!(text.contains(said), "{line:.80} is told {text}");
            assert!(!said.is_empty() || text.is_empty(), "{line:.80} is told {text}");
            assert_eq!(asks.len(), asked, "{line:.80}");
            assert!(asks.iter().all(|ask| ask.request == Request::Holds));
        }
        let (text, _) = told(b"\xff\xfe\n", false).await;
        assert!(text.contains("\"unreadable\""), "{text}");
    }

    #[tokio::test]
    async fn a_pipeline_that_goes_away_is_said_to_have_stopped() {
        let (asks, asked) = mpsc::channel::<Asked>(1);
        drop(asked);
        let reply = answer(Ask { who: "ana".into(), request: Request::Status }, &asks).await;
        assert_eq!(reply, Problem::stopping().into());
        let (asks, mut asked) = mpsc::channel::<Asked>(1);
        let waiting =
            tokio::spawn(
                async move { answer(Ask { who: "ana".into(), request: Request::Status }, &asks).await },
            );
        drop(asked.recv().await);
        assert_eq!(waiting.await.unwrap(), Problem::stopping().into());
    }
}
