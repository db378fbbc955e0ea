//! A server on the loopback that plays bytes: what a hub, or what stands before it, may send, to the letter.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tidegate::koji::xmlrpc::Answer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What is done with a connection after a request was read.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends the same bytes many times, as long as somebody reads them.
    Repeat(Vec<u8>, u64),
    /// Sends a byte at a time, with this many milliseconds between them.
    Drip(Vec<u8>, u64),
    /// Waits until the other side has gone.
    Silence,
    /// Closes the connection.
    Close,
}

/// A server that plays one script for each request, in order; after the last it closes its connections.
#[derive(Debug)]
pub(crate) struct Canned {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub(crate) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let canned = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let scripts = Arc::new(Mutex::new(scripts.into_iter()));
        let requests = Arc::clone(&canned.requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(play(stream, Arc::clone(&scripts), Arc::clone(&requests)));
            }
        });
        canned
    }

    /// The address of the hub that it plays.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/kojihub", self.address)
    }

    /// The requests until now, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Reads requests off a connection and plays the next script for each.
pub(crate) async fn play(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    scripts: Arc<Mutex<std::vec::IntoIter<Vec<Step>>>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        requests.lock().unwrap().push(request);
        let script = scripts.lock().unwrap().next();
        let Some(script) = script else { return };
        for step in script {
            if !take(&mut stream, step).await {
                return;
            }
        }
    }
}

/// Whether the connection goes on.
async fn take(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), step: Step) -> bool {
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok(),
        Step::Repeat(bytes, times) => {
            for _ in 0..times {
                if stream.write_all(&bytes).await.is_err() {
                    return false;
                }
            }
            stream.flush().await.is_ok()
        }
        Step::Drip(bytes, millis) => {
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(millis));
            for byte in bytes {
                ticks.tick().await;
                if stream.write_all(&[byte]).await.is_err() {
                    return false;
                }
            }
            true
        }
        Step::Silence => {
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
            false
        }
        Step::Close => {
            drop(stream.shutdown().await);
            false
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A whole answer of HTTP.
pub(crate) fn http(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The head of an answer of XML without a length: it ends where the connection ends.
pub(crate) fn endless() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n".to_vec()
}

/// What a hub answers.
pub(crate) fn answer(answer: &Answer) -> Vec<Step> {
    vec![Step::Send(http("200 OK", "text/xml", answer.encode().unwrap().as_bytes()))]
}
