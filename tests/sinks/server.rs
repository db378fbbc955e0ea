//! A server of HTTP on the loopback that answers each request with the next thing it was given.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is done once a request was read.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Answers with this status, this header line beside those that HTTP wants, and this body.
    Answer(u16, &'static str, String),
    /// Closes the connection.
    Close,
    /// Never answers.
    Silence,
    /// Begins to answer, and closes the connection.
    Half,
}

/// Answers `200` with a body.
pub(crate) fn ok(body: &str) -> Reply {
    Reply::Answer(200, "", body.to_owned())
}

/// Answers with a status and no body.
pub(crate) fn status(status: u16) -> Reply {
    Reply::Answer(status, "", String::new())
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The value of a header, of which the name may be written in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The server; after its last reply it closes its connections.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = Arc::clone(&server.requests);
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let reply = replies.pop_front().unwrap_or(Reply::Close);
                tokio::spawn(serve(stream, reply, Arc::clone(&requests)));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// One request a connection: the sinks keep none.
async fn serve(mut stream: TcpStream, reply: Reply, requests: Arc<Mutex<Vec<Request>>>) {
    let Some(request) = read(&mut stream).await else { return };
    requests.lock().unwrap().push(request);
    let bytes = match reply {
        Reply::Answer(status, header, body) => {
            let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
            let length = body.len();
            format!(
                "HTTP/1.1 {status} x\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        }
        Reply::Close => return,
        Reply::Half => "HTTP/1.1 2".to_owned(),
        Reply::Silence => {
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            return;
        }
    };
    // A client that has gone reads nothing.
    drop(stream.write_all(bytes.as_bytes()).await);
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let request = Request { head: head.to_owned(), body: body.to_owned() };
            let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(request);
            }
        }
        let mut piece = [0; 4_096];
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => bytes.extend(piece.iter().take(count)),
            _ => return None,
        }
    }
}
