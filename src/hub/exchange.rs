//! One request and its answer: HTTP around a call, and what goes wrong on the way.

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::call::{self, Client};
use super::faults::NOT_ALLOWED;
use super::methods::VERSION;
use super::payload::{self, Payload};
use super::server::Shared;
use super::session::Credentials;
use super::trouble::{Point, Trouble};
use crate::koji::xmlrpc::{Answer, Call, DecodeError, Fault, Limits};

/// The longest request, as a hub has it by default.
const REQUEST_MAX: usize = 4 << 20;
/// A header by which a test says whose certificate the client has shown: `CN=releng,O=Example`.
const SUBJECT: &str = "Fake-Hub-Subject";

/// Answers a request. The call runs to its end also when the client has gone away.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Payload>, io::Error> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        let text = "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n";
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    }
    let body = match Limited::new(body, REQUEST_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(plain(StatusCode::BAD_REQUEST, "Invalid request: Request too long\n"));
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let (credentials, client) = read_head(&head.headers, head.uri.path(), head.uri.query());
    if head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/octet-stream") {
        let text = if credentials.id.is_some() {
            "this hub takes no files"
        } else {
            "you must be logged-in to upload a file"
        };
        return whole(&Answer::Fault(Fault::new(NOT_ALLOWED, text)));
    }
    let call = match Call::decode(&body, &Limits::default()) {
        Ok(call) => call,
        Err(error) => {
            let text = format!("Invalid request: {}\n", as_expat(&error, &body));
            return Ok(plain(StatusCode::BAD_REQUEST, &text));
        }
    };
    let running = shared.begin_call();
    let answer = tokio::spawn(async move {
        let answer = run(&shared, call, &credentials, &client).await;
        drop(running);
        answer
    });
    answer.await.map_err(io::Error::other)?
}

/// Session and client, as the head of a request tells them.
fn read_head(headers: &HeaderMap, path: &str, query: Option<&str>) -> (Credentials, Client) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let argument = |name: &str| {
        let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    let credentials = match header("Koji-Session-Id") {
        Some(id) => Credentials {
            id: Some(id),
            key: header("Koji-Session-Key"),
            callnum: header("Koji-Session-Callnum").or_else(|| header("Koji-Callnum")),
        },
        // As clients did before there were headers for it.
        None => Credentials {
            id: argument("session-id"),
            key: argument("session-key"),
            callnum: argument("callnum"),
        },
    };
    (credentials, Client { subject: header(SUBJECT), at_login: path.ends_with("/ssllogin") })
}

/// Runs a call in its two transactions, with the trouble that the script has for it.
async fn run(
    shared: &Shared,
    call: Call,
    credentials: &Credentials,
    client: &Client,
) -> Result<Response<Payload>, io::Error> {
    let troubles = shared.troubles().next(&call.method);
    let session = credentials.session();
    for trouble in &troubles {
        match trouble {
            Trouble::Fault { code, text } => return whole(&Answer::Fault(Fault::new(*code, text))),
            Trouble::Status { status } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                return Ok(page(status));
            }
            Trouble::Expire => {
                if let Some(session) = session {
                    shared.core().world.expire_session(session);
                }
            }
            Trouble::Stall { .. }
            | Trouble::LoseAnswer
            | Trouble::Cut { .. }
            | Trouble::Html
            | Trouble::Flood { .. }
            | Trouble::Deep { .. }
            | Trouble::GzipBomb { .. } => {}
        }
    }
    wait(shared, &troubles, Point::Arrival).await;
    let latency = shared.latency;
    if !(latency.least.is_zero() && latency.each_live_task.is_zero()) {
        let live = u32::try_from(shared.core().world.count_live_tasks()).unwrap_or(u32::MAX);
        tokio::time::sleep(latency.least + latency.each_live_task.saturating_mul(live)).await;
    }
    let answer = transact(shared, &troubles, &call, credentials, client).await;
    wait(shared, &troubles, Point::Answer).await;
    send(&answer, &troubles)
}

/// The two transactions of a call.
async fn transact(
    shared: &Shared,
    troubles: &[Trouble],
    call: &Call,
    credentials: &Credentials,
    client: &Client,
) -> Answer {
    let own = credentials.session();
    let row = match own {
        Some(session) => Some(shared.hold_row(session).await),
        None => None,
    };
    let admitted = call::admit(&mut shared.core().world, credentials, &call.method);
    drop(row);
    let mut admitted = match admitted {
        Ok(admitted) => admitted,
        Err(fault) => return Answer::Fault(fault),
    };
    wait(shared, troubles, Point::Between).await;

    let mut rows = Vec::new();
    for session in call::rows(call, credentials) {
        rows.push(shared.hold_row(session).await);
    }
    admitted.begin(&shared.core().world);
    wait(shared, troubles, Point::Running).await;
    let mut core = shared.core();
    let answer = call::run(&mut core.world, &admitted, client, call);
    core.publish();
    answer
}

/// Waits where the script says so.
async fn wait(shared: &Shared, troubles: &[Trouble], here: Point) {
    for trouble in troubles {
        if let Trouble::Stall { at, millis } = trouble
            && *at == here
        {
            shared.stall(*millis).await;
        }
    }
}

/// Sends an answer, or what the script puts in its place.
fn send(answer: &Answer, troubles: &[Trouble]) -> Result<Response<Payload>, io::Error> {
    for trouble in troubles {
        match trouble {
            Trouble::LoseAnswer => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            Trouble::Cut { after_bytes } => {
                let body = answer.encode().map_err(io::Error::other)?;
                return Ok(xml(Payload::cut(&body, *after_bytes)));
            }
            Trouble::Html => return Ok(page(StatusCode::OK)),
            Trouble::Flood { bytes } => return Ok(xml(payload::flood(*bytes))),
            Trouble::Deep { depth } => return Ok(xml(Payload::Whole(payload::deep(*depth).into()))),
            Trouble::GzipBomb { bytes } => {
                let mut response = xml(Payload::Whole(payload::gzip_bomb(*bytes)?.into()));
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                return Ok(response);
            }
            Trouble::Fault { .. } | Trouble::Expire | Trouble::Stall { .. } | Trouble::Status { .. } => {}
        }
    }
    whole(answer)
}

fn whole(answer: &Answer) -> Result<Response<Payload>, io::Error> {
    let body = answer.encode().map_err(io::Error::other)?;
    Ok(xml(Payload::Whole(body.into())))
}

fn xml(body: Payload) -> Response<Payload> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert("Koji-Version", HeaderValue::from_static(VERSION));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Payload> {
    let mut response = xml(Payload::Whole(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// What a server in front of the hub shows to people.
fn page(status: StatusCode) -> Response<Payload> {
    let title = status.canonical_reason().unwrap_or("Error");
    let text = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
    let mut response = Response::new(Payload::Whole(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

/// The words of the parser that a hub has, for the errors that clients can make.
fn as_expat(error: &DecodeError, body: &[u8]) -> String {
    match error {
        _ if body.is_empty() => "Empty request".to_owned(),
        DecodeError::Incomplete { .. } => {
            let text = String::from_utf8_lossy(body);
            let lines = text.matches('\n').count() + 1;
            let column = text.rsplit('\n').next().map_or(0, |line| line.chars().count());
            format!("no element found: line {lines}, column {column}")
        }
        DecodeError::NotXml { .. }
        | DecodeError::NotXmlRpc { .. }
        | DecodeError::Forbidden { .. }
        | DecodeError::Unexpected { .. } => "syntax error: line 1, column 0".to_owned(),
        DecodeError::TooLong(_)
        | DecodeError::TextTooLong(_)
        | DecodeError::TooDeep(_)
        | DecodeError::TooMany(_)
        | DecodeError::Broken(_) => error.to_string(),
    }
}
