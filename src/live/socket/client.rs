//! The other end: asks a running pipeline, and says in plain words why it does not answer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::ANSWER_MAX_BYTES;
use super::wire::{self, LineError, ProblemKind, Reply};
use crate::live::ask::{Answer, Request};
use crate::text::escaped;

/// How long an answer may take: it comes when what was asked for is written down.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Nobody listens.
    #[error(
        "no pipeline runs with this state: nobody listens at {}; start it with `tidegate run`, or name the socket that it was \
         started with by --socket PATH", path.display()
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// Another user's pipeline.
    #[error(
        "this user may not ask the pipeline at {}: only the user who runs it may, or root; try `sudo -u USER tidegate ... --as \
         NAME`", path.display()
    )]
    Permission {
        /// The socket.
        path: PathBuf,
    },
    /// The connection broke.
    #[error(
        "the pipeline at {} stopped before it answered: what was asked for may have been done; look with `tidegate status` once \
         it runs again", path.display()
    )]
    Stopped {
        /// The socket.
        path: PathBuf,
    },
    /// No answer in time.
    #[error(
        "the pipeline at {} did not answer within {} s: what was asked for may still be done; look with `tidegate status` and \
         into its log", path.display(), PATIENCE.as_secs()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// All places are taken.
    #[error("the pipeline at {} is busy: {}", path.display(), escaped(text))]
    Busy {
        /// The socket.
        path: PathBuf,
        /// What it says.
        text: String,
    },
    /// The two do not understand each other.
    #[error(
        "what listens at {} is another version of Tidegate{}: use the program that the pipeline was started with",
        path.display(), said(text.as_deref())
    )]
    OtherVersion {
        /// The socket.
        path: PathBuf,
        /// What it says, if anything.
        text: Option<String>,
    },
    /// The request cannot be carried out as it is.
    #[error("{}", escaped(.0))]
    Refused(String),
    /// The system says no.
    #[error("the pipeline at {} cannot be asked: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn said(text: Option<&str>) -> String {
    text.map_or(String::new(), |text| format!(" ({})", escaped(text)))
}

/// Asks the pipeline that listens at a socket, and waits for its answer.
///
/// # Errors
/// Where nobody listens, this user may not ask, it stops meanwhile, or it is of another version.
pub async fn ask(path: &Path, name: Option<&str>, request: Request) -> Result<Answer, SocketError> {
    let path = || path.to_owned();
    let mut stream = UnixStream::connect(path()).await.map_err(|source| refused(path(), source))?;
    let line =
        wire::request_line(name, request).map_err(|source| SocketError::Io { path: path(), source })?;
    let exchange = async {
        // One that turns this client away does not read what it writes, and has said why.
        drop(stream.write_all(&line).await);
        wire::read_line(&mut stream, ANSWER_MAX_BYTES).await
    };
    let line = match timeout(PATIENCE, exchange).await {
        Err(_) => return Err(SocketError::Silent { path: path() }),
        Ok(Err(LineError::Empty | LineError::Io(_))) => return Err(SocketError::Stopped { path: path() }),
        Ok(Err(LineError::TooLong(_))) => return Err(SocketError::OtherVersion { path: path(), text: None }),
        Ok(Ok(line)) => line,
    };
    let problem = match Reply::parse(&line) {
        None => return Err(SocketError::OtherVersion { path: path(), text: None }),
        Some(Ok(answer)) => return Ok(answer),
        Some(Err(problem)) => problem,
    };
    Err(match problem.kind {
        ProblemKind::Version => SocketError::OtherVersion { path: path(), text: Some(problem.text) },
        ProblemKind::Busy => SocketError::Busy { path: path(), text: problem.text },
        ProblemKind::Stopping => SocketError::Stopped { path: path() },
        ProblemKind::Unreadable | ProblemKind::TooLong => SocketError::Refused(problem.text),
    })
}

/// Why nobody lets this client in.
fn refused(path: PathBuf, source: io::Error) -> SocketError {
    if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        SocketError::NotRunning { path }
    } else if source.kind() == io::ErrorKind::PermissionDenied {
        SocketError::Permission { path }
    } else {
        SocketError::Io { path, source }
    }
}
