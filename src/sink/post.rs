//! One request over HTTP, sent once: to a webhook, to an `ELNBuildSync`.
//!
//! Over `https`; over `http` only to this machine, since tokens and messages could be read by anybody on the way. No
//! redirect is followed, no proxy is used, no connection is kept: a request sent into a connection that is just being
//! closed would be in doubt.

use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, Response, StatusCode, Url, redirect, retry};

use crate::koji::client::{is_distrust, with_causes};
use crate::koji::secret::Secret;
use crate::koji::tls::{Tls, TlsError};
use crate::submit::ask::Trouble;
use crate::text::{bounded, bounded_bytes};

const USER_AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
const LOCALHOST: &str = "localhost";
/// What is told of somebody else's text, in printed characters.
const QUOTED_MAX: usize = 300;
/// How much is read of the body of an answer that people are told.
const REASON_BYTES_MAX: usize = 1_024;
/// The longest secret that is read from a file.
const SECRET_BYTES_MAX: u64 = 4_096;

/// Why there is no way to an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The address cannot be used.
    #[error("the address `{address}` {problem}")]
    Address {
        /// The address, shortened.
        address: String,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// A file of certificates is of no use.
    #[error("the connection cannot be set up: {0}")]
    Tls(#[from] TlsError),
    /// Something else.
    #[error("the connection cannot be set up: {0}")]
    Other(String),
}

/// How long requests may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection, with its encryption.
    pub connect: Duration,
    /// A whole request.
    pub request: Duration,
}

impl Default for Timeouts {
    /// 20 s to connect, 60 s in all.
    fn default() -> Self {
        Self { connect: Duration::from_secs(20), request: Duration::from_secs(60) }
    }
}

/// The way to one address.
#[derive(Debug, Clone)]
pub(super) struct Post {
    http: reqwest::Client,
    url: Url,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nothing was sent.
    Unsent(Trouble),
    /// It was sent, in part or whole, and there is no answer.
    Lost(Trouble),
}

impl Post {
    /// The way to an address. Connects only when the first request is made.
    pub(super) fn new(address: &str, tls: &Tls, timeouts: Timeouts) -> Result<Self, PostError> {
        let url = checked(address)?;
        let other = |error: reqwest::Error| PostError::Other(with_causes(&error));
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.config(url.scheme() == "https")?)
            .user_agent(USER_AGENT)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(0)
            // A name that means this machine leads to it, whatever a server of names says.
            .resolve_to_addrs(LOCALHOST, &this_machine())
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.request)
            .build()
            .map_err(other)?;
        Ok(Self { http, url })
    }

    /// Another address of the same server.
    pub(super) fn beside(&self, path: &str) -> Self {
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query(None);
        Self { http: self.http.clone(), url }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response, Failed> {
        let request = self.http.request(method, self.url.clone()).headers(headers).body(body);
        request.send().await.map_err(|error| failed(&error.without_url()))
    }
}

/// An address that secrets may be sent to.
fn checked(address: &str) -> Result<Url, PostError> {
    let wrong = |problem| PostError::Address { address: shown(address), problem };
    let url = Url::parse(address)
        .map_err(|_| wrong("cannot be read: write it like https://rebuilds.example/hook"))?;
    let host = url.host_str().ok_or_else(|| wrong("names no host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a login in it, which would be shown to whoever reads the file: take it out"));
    }
    if url.fragment().is_some() {
        return Err(wrong("has a part after `#`, which is never sent: take it out"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_this_machine(host) => Ok(url),
        "http" => Err(wrong("is not encrypted: begin it with https://, http:// is for this machine only")),
        _ => Err(wrong("does not begin with https://")),
    }
}

/// An address for people, without the login that it may have.
fn shown(address: &str) -> String {
    let rest = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
    bounded(rest, 100).to_string()
}

/// Where the name `localhost` leads; the port is that of the address.
fn this_machine() -> [SocketAddr; 2] {
    [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))]
}

fn is_this_machine(host: &str) -> bool {
    if host == LOCALHOST {
        return true;
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    literal.is_ok_and(|address| address.is_loopback())
}

/// Why there is no answer, and whether anything was sent.
fn failed(error: &reqwest::Error) -> Failed {
    let text = with_causes(error);
    let text = bounded(&text, QUOTED_MAX);
    if is_distrust(error) {
        let text = format!("no trusted connection: {text}; check the certificates of both sides");
        return Failed::Unsent(Trouble::Forbidden(text.into()));
    }
    if error.is_connect() || error.is_builder() {
        return Failed::Unsent(Trouble::Unreachable(format!("no connection: {text}").into()));
    }
    Failed::Lost(Trouble::Unreachable(format!("the answer did not come: {text}").into()))
}

/// What an answer that is no success says, for people.
pub(super) async fn reason(mut response: Response) -> String {
    let status = response.status().as_u16();
    if let Some(place) = response.headers().get(LOCATION) {
        let place = bounded_bytes(place.as_bytes(), QUOTED_MAX);
        return format!(
            "HTTP status {status}: to {place}; no redirect is followed, set the address that it leads to"
        );
    }
    let mut text = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        text.extend(piece.iter().take(REASON_BYTES_MAX.saturating_sub(text.len())));
        if text.len() >= REASON_BYTES_MAX {
            break;
        }
    }
    let text = bounded_bytes(text.trim_ascii(), QUOTED_MAX).to_string();
    if text.is_empty() { format!("HTTP status {status}") } else { format!("HTTP status {status}: {text}") }
}

/// Whether a status says that the receiver has not taken the request, and may take it later.
pub(super) fn comes_later(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// A secret in a file, read anew each time, so that a new one counts at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// The file's place.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self(file.into())
    }

    /// The first and only line of the file. The failure is for people, and names the file, not what is in it.
    pub(super) fn read(&self) -> Result<Secret, Trouble> {
        let file = self.0.as_path();
        let wrong = |what: String| {
            let name = file.display().to_string();
            Trouble::Forbidden(format!("the file {} {what}", bounded(&name, QUOTED_MAX)).into())
        };
        let mut text = String::new();
        let read =
            File::open(file).and_then(|open| open.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text));
        read.map_err(|error| wrong(format!("cannot be read: {error}; check who may read it")))?;
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err(wrong(
                "is longer than a secret: write the secret into it, and nothing else".to_owned(),
            ));
        }
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.contains(['\r', '\n']) {
            return Err(wrong("has not one line: write the secret into it, and nothing else".to_owned()));
        }
        Ok(Secret::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_secrets_may_be_sent_to() {
        for (address, expected) in [
            ("https://rebuilds.example/hook", None),
            ("https://10.0.0.1:8443/hook?for=eln", None),
            ("http://127.0.0.1:8080/hook", None),
            ("http://127.9.9.9/hook", None),
            ("http://[::1]:8080/hook", None),
            ("http://rebuilds.example/hook", Some("is not encrypted")),
            ("http://localhost:8080/hook", None),
            // Who answers to any other name is up to somebody else.
            ("http://localhost.example/hook", Some("is not encrypted")),
            ("http://127.0.0.1.example/hook", Some("is not encrypted")),
            ("http://[::ffff:10.0.0.1]/hook", Some("is not encrypted")),
            ("https://me:hush@rebuilds.example/hook", Some("has a login in it")),
            ("https://rebuilds.example/hook#x", Some("has a part after `#`")),
            ("ftp://rebuilds.example/hook", Some("does not begin with https://")),
            ("/hook", Some("cannot be read")),
            ("", Some("cannot be read")),
        ] {
            let problem = checked(address).err().map(|error| error.to_string());
            assert_eq!(problem.is_some(), expected.is_some(), "{address}: {problem:?}");
            if let (Some(problem), Some(expected)) = (problem, expected) {
                assert!(problem.contains(expected), "{problem}");
                assert!(!problem.contains("hush"), "{problem}");
            }
        }
    }

    #[test]
    fn a_secret_is_one_line_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = SecretFile::new(&path);
        assert!(matches!(file.read(), Err(Trouble::Forbidden(_))));
        for (content, expected) in [
            ("hush\n", Some("hush")),
            ("hush", Some("hush")),
            ("hu sh\r\n", Some("hu sh")),
            ("", None),
            ("\n", None),
            ("hush\nhush\n", None),
            (&"x".repeat(5_000), None),
        ] {
            std::fs::write(&path, content).unwrap();
            let found = file.read();
            assert_eq!(found.as_ref().ok().map(Secret::reveal), expected, "{content:?}");
            if let Err(Trouble::Forbidden(text)) = found {
                assert!(text.contains("token") && !text.contains("hush"), "{text}");
            }
        }
    }
}
