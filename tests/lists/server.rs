//! A server with TLS on the loopback that plays one answer for each request, and counts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The name that the server's certificate is for, beside 127.0.0.1.
pub(crate) const HOST: &str = "lists.example";

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// Sends bytes and closes.
    Send(Vec<u8>),
    /// Sends bytes, and then nothing until the other side has gone.
    Hang(Vec<u8>),
}

/// An answer of HTTP with a body.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Play {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    Play::Send([head.as_bytes(), body].concat())
}

/// A good answer.
pub(crate) fn list(body: &str) -> Play {
    answer("200 OK", "Content-Type: text/plain\r\n", body.as_bytes())
}

/// A redirect.
pub(crate) fn redirect(to: &str) -> Play {
    answer("302 Found", &format!("Location: {to}\r\n"), b"")
}

/// An authority that signs servers.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Starts a server that plays `plays`, one for each request.
    pub(crate) async fn serve(&self, plays: Vec<Play>) -> Server {
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        // All of the loopback, 127.0.0.2 included.
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server { address, connections: Arc::default(), requests: Arc::default() };
        let (connections, requests) = (Arc::clone(&server.connections), Arc::clone(&server.requests));
        let plays = Arc::new(Mutex::new(plays.into_iter()));
        tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (accepted, plays) = (acceptor.accept(stream), Arc::clone(&plays));
                let requests = Arc::clone(&requests);
                tokio::spawn(async move {
                    if let Ok(stream) = accepted.await {
                        play(stream, &plays, &requests).await;
                    }
                });
            }
        });
        server
    }
}

/// A running server; it ends with the test.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/eln", self.port())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of the requests until now, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn play(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    plays: &Mutex<std::vec::IntoIter<Play>>,
    requests: &Mutex<Vec<String>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    requests.lock().unwrap().push(String::from_utf8_lossy(&head).to_ascii_lowercase());
    let next = plays.lock().unwrap().next();
    let (bytes, hangs) = match next {
        Some(Play::Send(bytes)) => (bytes, false),
        Some(Play::Hang(bytes)) => (bytes, true),
        None => return,
    };
    // A client that has seen enough goes away in the middle.
    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    if hangs {
        drop(stream.read_to_end(&mut Vec::new()).await);
    }
    drop(stream.shutdown().await);
}
