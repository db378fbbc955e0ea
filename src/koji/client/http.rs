//! One exchange with the hub.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Proxy, Response, StatusCode, Url, redirect, retry};

use super::body::{Body, body};
use super::{ClientSettings, SetupError};
use crate::koji::credential::Credential;
use crate::koji::error::{Problem, QUOTED_CHARS};
use crate::koji::secret::Secret;
use crate::koji::tls::Identity;
use crate::koji::xmlrpc::{Answer, Call, DecodeError, Item, ItemReader, Limits, ListPlace, read_answer};
use crate::text::{bounded, bounded_bytes};

const USER_AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
const SESSION_ID: HeaderName = HeaderName::from_static("koji-session-id");
const SESSION_KEY: HeaderName = HeaderName::from_static("koji-session-key");
const SESSION_CALLNUM: HeaderName = HeaderName::from_static("koji-session-callnum");
/// How long a connection is kept for the next call. Web servers close theirs after 5 to 15 s; a write sent into a
/// connection that is just being closed would be in doubt.
const KEPT_FOR: Duration = Duration::from_secs(4);
/// How much is read of a body that is no answer.
const REASON_BYTES: usize = 1024;

/// The connections to one hub.
#[derive(Debug)]
pub(in crate::koji) struct Wire {
    http: reqwest::Client,
    server: Url,
    login: Url,
    certificate: Option<Credential>,
    call_timeout: Duration,
    listing_timeout: Duration,
    limits: Limits,
    listing_limits: Limits,
}

/// In whose name a call is made.
#[derive(Debug)]
pub(in crate::koji) enum Sender<'a> {
    /// Nobody's.
    Nobody,
    /// A session's, with the number of the call.
    Session { id: u64, key: &'a Secret, callnum: u64 },
    /// That of whoever the certificate, or the token of SPNEGO, belongs to; the call goes to where logins go.
    Credentials { negotiate: Option<Secret> },
}

/// An answer that is read item by item.
pub(super) struct Items(ItemReader<Body>);

impl Wire {
    pub(super) fn new(settings: &ClientSettings) -> Result<Self, SetupError> {
        let (server, login) = addresses(&settings.server)?;
        let other = |error: reqwest::Error| SetupError::Other(with_causes(&error));
        let certificate = settings.tls.identity.as_ref().map(Identity::credential).transpose()?;
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(settings.tls.config(server.scheme() == "https")?)
            .user_agent(USER_AGENT)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .pool_idle_timeout(KEPT_FOR)
            .connect_timeout(settings.timeouts.connect)
            .read_timeout(settings.timeouts.idle);
        if let Some(proxy) = &settings.proxy {
            http = http.proxy(Proxy::all(proxy).map_err(other)?);
        }
        Ok(Self {
            http: http.build().map_err(other)?,
            server,
            login,
            certificate,
            call_timeout: settings.timeouts.call,
            listing_timeout: settings.timeouts.listing,
            limits: settings.limits,
            listing_limits: Limits { bytes: settings.listing_bytes, ..settings.limits },
        })
    }

    /// The certificate that is shown to the hub.
    pub(in crate::koji) fn certificate(&self) -> Option<&Credential> {
        self.certificate.as_ref()
    }

    /// The name of the hub's host, as Kerberos knows its service.
    #[cfg(feature = "gssapi")]
    pub(in crate::koji) fn host(&self) -> &str {
        self.server.host_str().unwrap_or_default()
    }

    /// Makes a call and reads its whole answer.
    pub(super) async fn exchange(&self, call: &Call, sender: &Sender<'_>) -> Result<Answer, Problem> {
        let response = self.send(call, sender, self.call_timeout).await?;
        read_answer(body(response), &self.limits).await.map_err(unreadable)
    }

    /// Makes a call of which the answer is read item by item.
    pub(super) async fn open_list(&self, call: &Call, place: ListPlace) -> Result<Items, Problem> {
        let response = self.send(call, &Sender::Nobody, self.listing_timeout).await?;
        Ok(Items(ItemReader::new(body(response), &self.listing_limits, place)))
    }

    async fn send(
        &self,
        call: &Call,
        sender: &Sender<'_>,
        time_limit: Duration,
    ) -> Result<Response, Problem> {
        let address = if matches!(sender, Sender::Credentials { .. }) { &self.login } else { &self.server };
        let request = self
            .http
            .post(address.clone())
            .headers(headers(sender)?)
            .body(call.encode()?)
            .timeout(time_limit);
        let response = request.send().await.map_err(|error| not_answered(&error.without_url()))?;
        let kind = response.headers().get(CONTENT_TYPE);
        let is_xml = kind.is_none_or(|kind| is_xml(kind.as_bytes()));
        match response.status() {
            StatusCode::OK if is_xml => Ok(response),
            StatusCode::OK => {
                let kind = kind.map(HeaderValue::as_bytes).unwrap_or_default();
                Err(Problem::ContentType(bounded_bytes(kind, 80).to_string()))
            }
            status => Err(Problem::Status { code: status.as_u16(), text: reason(response).await }),
        }
    }
}

impl Items {
    pub(super) async fn next(&mut self) -> Result<Item, Problem> {
        self.0.next().await.map_err(unreadable)
    }
}

/// Where calls go, and where logins go.
fn addresses(server: &str) -> Result<(Url, Url), SetupError> {
    let wrong = |problem: String| SetupError::Address { address: bounded(server, 80).to_string(), problem };
    let url = Url::parse(server).map_err(|error| wrong(error.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong(format!("its scheme is `{}`", bounded(url.scheme(), 20))));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a name or a password".to_owned()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has something after `?` or `#`".to_owned()));
    }
    let mut login = url.clone();
    login
        .path_segments_mut()
        .map_err(|()| wrong("it has no path".to_owned()))?
        .pop_if_empty()
        .push("ssllogin");
    Ok((url, login))
}

fn headers(sender: &Sender<'_>) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    match sender {
        Sender::Nobody | Sender::Credentials { negotiate: None } => {}
        Sender::Session { id, key, callnum } => {
            headers.insert(SESSION_ID, HeaderValue::from(*id));
            headers.insert(SESSION_KEY, secret(key.reveal())?);
            headers.insert(SESSION_CALLNUM, HeaderValue::from(*callnum));
        }
        Sender::Credentials { negotiate: Some(token) } => {
            headers.insert(reqwest::header::AUTHORIZATION, secret(&format!("Negotiate {}", token.reveal()))?);
        }
    }
    Ok(headers)
}

fn secret(text: &str) -> Result<HeaderValue, Problem> {
    let wrong =
        |_| Problem::Credentials("the session's key has characters that no header can carry".to_owned());
    let mut value = HeaderValue::from_str(text).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

/// `text/xml`, `application/xml`, and what ends in `+xml`.
fn is_xml(kind: &[u8]) -> bool {
    let media_type = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    media_type.to_ascii_lowercase().ends_with(b"xml")
}

/// The beginning of a body that is no answer, or where a redirect leads.
async fn reason(mut response: Response) -> String {
    if let Some(place) = response.headers().get(LOCATION) {
        return format!("to {}", bounded_bytes(place.as_bytes(), QUOTED_CHARS));
    }
    let mut text = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        text.extend(piece.iter().take(REASON_BYTES.saturating_sub(text.len())));
        if text.len() >= REASON_BYTES {
            break;
        }
    }
    bounded_bytes(text.trim_ascii(), QUOTED_CHARS).to_string()
}

/// Why there is not even the head of an answer.
fn not_answered(error: &reqwest::Error) -> Problem {
    let text = with_causes(error);
    let text = bounded(&text, QUOTED_CHARS).to_string();
    match (error.is_connect(), is_distrust(error)) {
        (_, true) => Problem::Untrusted(text),
        (true, false) => Problem::Unreachable(text),
        (false, false) => Problem::Lost(text),
    }
}

/// Whether the other side was not trusted, or did not trust us: nothing was given to the hub then.
pub(crate) fn is_distrust(error: &(dyn std::error::Error + 'static)) -> bool {
    use rustls::AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, NoCertificate, UnknownCA, UnsupportedCertificate,
    };
    let is_certificate = |alert: &rustls::AlertDescription| {
        matches!(
            alert,
            AccessDenied
                | BadCertificate
                | CertificateExpired
                | CertificateRequired
                | CertificateRevoked
                | CertificateUnknown
                | NoCertificate
                | UnknownCA
                | UnsupportedCertificate
        )
    };
    chain(error).filter_map(rustls_error).any(|error| {
        matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
            || matches!(error, rustls::Error::AlertReceived(alert) if is_certificate(alert))
    })
}

/// An error of rustls, also where it travels inside errors of I/O, which do not name it as their source.
fn rustls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let inside = |error: &&'a (dyn std::error::Error + 'static)| {
        let inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
        Some(inner as &(dyn std::error::Error + 'static))
    };
    std::iter::successors(Some(error), inside).find_map(|error| error.downcast_ref())
}

pub(crate) fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// An error with its causes; not its address, which people know.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in chain(error) {
        let text = error.to_string();
        if !texts.last().is_some_and(|last| last.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

fn unreadable(error: DecodeError) -> Problem {
    if let DecodeError::Broken(text) = error {
        return Problem::Lost(bounded(&text, QUOTED_CHARS).to_string());
    }
    Problem::Unreadable(error)
}
