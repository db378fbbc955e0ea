//! One list over `https`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION};
use reqwest::{Response, StatusCode, Url, redirect, retry};

use super::error::{Problem, shown};
use super::reach::{Guarded, Reach, Refused};
use super::{BODY_MAX_BYTES, FetchSettings};
use crate::koji::client::{chain, is_distrust, with_causes};
use crate::koji::tls::TlsError;
use crate::text::bounded;

const USER_AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
/// Redirects that are followed, all on the host that was named.
const REDIRECTS_MAX: usize = 3;
/// The longest tag of a version that is remembered, in bytes.
const ETAG_MAX_BYTES: usize = 1_024;
/// What is told of an error of the connection, in printed characters.
const CAUSE_MAX: usize = 300;

/// What a server answers about a list.
pub(super) enum Answer {
    /// It is as it was.
    Unchanged,
    /// Its text, and the tag of this version.
    Body { text: String, etag: Option<HeaderValue> },
}

/// The way to all servers of lists.
#[derive(Debug)]
pub(super) struct Http {
    client: reqwest::Client,
    reach: Reach,
    deadline: Duration,
}

impl Http {
    pub(super) fn new(settings: &FetchSettings) -> Result<Self, TlsError> {
        let guarded = Guarded { resolver: Arc::clone(&settings.resolver), reach: settings.reach };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(settings.tls.config(true)?)
            .user_agent(USER_AGENT)
            .https_only(true)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            // A proxy would look the name up by itself, and connect to what nobody judged.
            .no_proxy()
            .dns_resolver(guarded)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| TlsError::System(with_causes(&error)))?;
        Ok(Self { client, reach: settings.reach, deadline: settings.deadline })
    }

    /// Fetches a list, unless it is still the one that `before` is the tag of.
    pub(super) async fn get(&self, list: &str, before: Option<&HeaderValue>) -> Result<Answer, Problem> {
        let fetched = tokio::time::timeout(self.deadline, self.follow(list, before)).await;
        fetched.unwrap_or(Err(Problem::Slow(self.deadline)))
    }

    async fn follow(&self, list: &str, before: Option<&HeaderValue>) -> Result<Answer, Problem> {
        let mut url = Url::parse(list).map_err(|_| Problem::Address("cannot be read"))?;
        for _ in 0..=REDIRECTS_MAX {
            self.check(&url)?;
            let response = self.ask(url.clone(), before).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return answer(response).await;
            }
            url = redirected(&url, &response)?;
        }
        Err(Problem::Redirect { to: shown(url.as_str()), why: "and that is one redirect too many" })
    }

    /// What can be told of an address before its host is looked up. A host that is an address is never looked up.
    fn check(&self, url: &Url) -> Result<(), Problem> {
        if url.scheme() != "https" {
            return Err(Problem::Address("does not begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Problem::Address(
                "has a login in it, and it would be shown to whoever reads the file",
            ));
        }
        let host = url.host_str().ok_or(Problem::Address("names no host"))?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal.ok().and_then(|address| Some((address, self.reach.refuses(address)?))) {
            Some((address, what)) => {
                Err(Problem::Private { host: bounded(host, 100).to_string(), address, what })
            }
            None => Ok(()),
        }
    }

    async fn ask(&self, url: Url, before: Option<&HeaderValue>) -> Result<Response, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(tag) = before {
            headers.insert(IF_NONE_MATCH, tag.clone());
        }
        self.client.get(url).headers(headers).send().await.map_err(|error| failed(&error.without_url()))
    }
}

/// Where a redirect leads, if it stays on the host.
fn redirected(from: &Url, response: &Response) -> Result<Url, Problem> {
    let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let to =
        place.and_then(|place| from.join(place).ok()).ok_or(Problem::Status(response.status().as_u16()))?;
    let place =
        |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    if place(from) != place(&to) {
        return Err(Problem::Redirect { to: shown(to.as_str()), why: "which is another server" });
    }
    Ok(to)
}

async fn answer(mut response: Response) -> Result<Answer, Problem> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(Answer::Unchanged),
        status => return Err(Problem::Status(status.as_u16())),
    }
    if response.headers().get(CONTENT_TYPE).is_some_and(|kind| is_html(kind.as_bytes())) {
        return Err(Problem::Html);
    }
    let etag = response.headers().get(ETAG).filter(|tag| tag.len() <= ETAG_MAX_BYTES).cloned();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failed(&error.without_url()))? {
        if body.len() + piece.len() > BODY_MAX_BYTES {
            return Err(Problem::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    let text = String::from_utf8(body).map_err(|_| Problem::NotText)?;
    Ok(Answer::Body { text, etag })
}

fn is_html(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind == b"text/html" || kind == b"application/xhtml+xml"
}

/// Why there is no answer.
fn failed(error: &reqwest::Error) -> Problem {
    let refused = chain(error).find_map(|error| error.downcast_ref::<Refused>());
    if let Some(Refused { host, address, what }) = refused {
        return Problem::Private { host: bounded(host, 100).to_string(), address: *address, what };
    }
    let text = with_causes(error);
    let cause = bounded(&text, CAUSE_MAX).to_string();
    if is_distrust(error) {
        Problem::Untrusted(cause)
    } else if text.contains("dns error") {
        Problem::Unresolved(cause)
    } else if error.is_connect() {
        Problem::Unreachable(cause)
    } else {
        Problem::Lost(cause)
    }
}
