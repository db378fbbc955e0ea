//! Speaks to a fake hub byte by byte, as no client does that is any good.

use std::net::SocketAddr;

use tidegate::koji::xmlrpc::{Answer, Call, Limits, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn answer(&self) -> Answer {
        Answer::decode(&self.body, &Limits::default()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request whose head has these lines beside those that HTTP wants; `None` where the connection ends without an
/// answer.
pub(crate) async fn send(
    address: SocketAddr,
    line: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).await.expect("the hub listens");
    let mut head =
        format!("{line}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head = head + name + ": " + value + "\r\n";
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.expect("the hub reads");
    stream.write_all(body).await.expect("the hub reads");
    let mut bytes = Vec::new();
    // A connection that is reset ends as one that is closed does: what has come by then is looked at.
    let _ended = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end + 4)?;
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, head, body: body.to_vec() })
}

/// Sends a call, in a session if one is given with the number of the call.
pub(crate) async fn call(
    address: SocketAddr,
    call: &Call,
    session: Option<(&Session, i64)>,
) -> Option<Answer> {
    let mut headers = vec![("Content-Type".to_owned(), "text/xml".to_owned())];
    if let Some((session, callnum)) = session {
        headers.extend(session.headers());
        headers.push(("Koji-Session-Callnum".to_owned(), callnum.to_string()));
    }
    let body = call.encode().expect("a call that can be written");
    let reply = send(address, "POST /kojihub HTTP/1.1", &headers, body.as_bytes()).await?;
    Some(reply.answer())
}

/// A session that has been opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) key: String,
}

impl Session {
    pub(crate) fn headers(&self) -> [(String, String); 2] {
        [
            ("Koji-Session-Id".to_owned(), self.id.to_string()),
            ("Koji-Session-Key".to_owned(), self.key.clone()),
        ]
    }

    /// From what a login answers.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let members = value.as_struct()?;
        let key = members.get("session-key")?.as_str()?.to_owned();
        Some(Self { id: members.get("session-id")?.as_int()?, key })
    }
}

pub(crate) async fn login(address: SocketAddr, user: &str, password: &str) -> Session {
    let answer = call(address, &Call::new("login").arg(user).arg(password), None).await.expect("an answer");
    let value = answer.into_result().expect("it is the password");
    Session::from_value(&value).expect("a session")
}
