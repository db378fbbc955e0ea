//! How calls travel to the hub: HTTP, time limits, what comes back that is no answer. Anonymous reads are made here.
//!
//! No redirect is followed, no cookie is kept, no proxy is used that is not set, and nothing is ever sent twice: what is
//! repeated is repeated by those who call.

mod body;
mod http;

pub(crate) use self::http::{chain, is_distrust, with_causes};

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::try_unfold;
use tokio_stream::Stream;

use self::http::Wire;
use super::credential::Credential;
use super::error::{CallError, Effect, Problem};
use super::query::{Listing, Page, Query};
use super::tls::Tls;
use super::xmlrpc::{Answer, Call, Fault, Item, Limits, Value};

/// Where the hub is, and how it is talked to.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The hub's address: `https://koji.example/kojihub`. Over `http` passwords and the keys of sessions can be read by
    /// anybody on the way.
    pub server: String,
    /// What is trusted, and the certificate to log in with.
    pub tls: Tls,
    /// A proxy of HTTP to go through; none is taken from the environment.
    pub proxy: Option<String>,
    /// The time limits.
    pub timeouts: Timeouts,
    /// What an answer may cost.
    pub limits: Limits,
    /// How many bytes a list may have that is read item by item.
    pub listing_bytes: u64,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection, with its encryption.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// A whole call.
    pub call: Duration,
    /// A whole call of which the answer is read item by item.
    pub listing: Duration,
}

impl Default for Timeouts {
    /// 20 s to connect, 2 min of silence, 5 min a call, 1 h a long list: a call may wait for a lock of the hub.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(120),
            call: Duration::from_secs(300),
            listing: Duration::from_secs(3_600),
        }
    }
}

impl ClientSettings {
    /// The defaults for a hub: the certificates that the system trusts, none of our own, 512 MiB for a long list.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            tls: Tls::default(),
            proxy: None,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            listing_bytes: 512 << 20,
        }
    }
}

/// Why a client cannot be made from its settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The address is none.
    #[error(
        "koji: `{address}` is no address of a hub: {problem}; write it like https://koji.example/kojihub"
    )]
    Address {
        /// The address, shortened.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of certificates or keys.
    #[error("koji: {0}")]
    Tls(#[from] super::tls::TlsError),
    /// Something else.
    #[error("koji: the client cannot be set up: {0}")]
    Other(String),
}

/// A client of one hub, for anonymous reads; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    wire: Arc<Wire>,
}

impl Client {
    /// A client for the hub of the settings. Connects only when the first call is made.
    pub fn new(settings: &ClientSettings) -> Result<Self, SetupError> {
        Ok(Self { wire: Arc::new(Wire::new(settings)?) })
    }

    /// Asks anonymously.
    pub async fn ask<T: 'static>(&self, query: &Query<T>) -> Result<T, CallError> {
        let value = self.ask_raw(query.call()).await?;
        query.read(value).map_err(|error| read_error(query.call(), error))
    }

    /// Asks anonymously, and leaves the answer as it is.
    pub(super) async fn ask_raw(&self, call: &Call) -> Result<Value, CallError> {
        self.call(call, Effect::Read, &Sender::Nobody).await
    }

    /// Asks many things anonymously, at most `at_once` of them in one call of the hub. An answer may be a fault of its
    /// own; an error is a call that brought nothing at all.
    pub async fn ask_all<T: 'static>(
        &self,
        queries: Vec<Query<T>>,
        at_once: NonZeroU32,
    ) -> Result<Vec<Result<T, Fault>>, CallError> {
        let at_once = usize::try_from(at_once.get()).unwrap_or(usize::MAX);
        let mut answers = Vec::with_capacity(queries.len());
        let mut queries = queries.into_iter();
        loop {
            let batch: Vec<_> = queries.by_ref().take(at_once).collect();
            if batch.is_empty() {
                return Ok(answers);
            }
            answers.extend(self.ask(&Query::batch(batch)).await?);
        }
    }

    /// Asks anonymously for a long list and hands it over item by item while it arrives; the body is never in memory as
    /// a whole. After an error nothing more comes. Whoever stops reading drops the connection.
    pub fn list<T: 'static>(&self, listing: Listing<T>) -> impl Stream<Item = Result<T, CallError>> + use<T> {
        try_unfold(Reading::Begin(self.clone(), listing), Reading::next)
    }

    /// Asks anonymously for a list page by page, `rows` at a time, until a page is not full. `page` makes the question of a
    /// part; it has to ask for a fixed order. What appears or vanishes while it is read may be seen twice or not at all.
    pub fn pages<T: 'static>(
        &self,
        rows: NonZeroU32,
        page: impl Fn(Page) -> Query<Vec<T>>,
    ) -> impl Stream<Item = Result<Vec<T>, CallError>> {
        let client = self.clone();
        try_unfold((page, Some(0u32)), move |(page, offset)| {
            let client = client.clone();
            async move {
                let Some(offset) = offset else { return Ok(None) };
                let query = page(Page { order: None, offset: Some(offset), limit: Some(rows.get()) });
                let items = client.ask(&query).await?;
                let is_full = u32::try_from(items.len()).is_ok_and(|count| count >= rows.get());
                let next = offset.checked_add(rows.get()).filter(|_| is_full);
                Ok(if items.is_empty() { None } else { Some((items, (page, next))) })
            }
        })
    }

    /// Makes a call and waits for its whole answer.
    pub(super) async fn call(
        &self,
        call: &Call,
        effect: Effect,
        sender: &Sender<'_>,
    ) -> Result<Value, CallError> {
        let failed = |problem| CallError::new(&call.method, effect, problem);
        let answer = self.wire.exchange(call, sender).await.map_err(failed)?;
        answer.into_result().map_err(|fault| failed(Problem::Fault(fault)))
    }

    /// The certificate by which the hub knows us, and when it ends; `None`: we show none.
    pub fn certificate(&self) -> Option<&Credential> {
        self.wire.certificate()
    }

    /// The name of the hub's host, as Kerberos knows its service.
    #[cfg(feature = "gssapi")]
    pub(super) fn host(&self) -> &str {
        self.wire.host()
    }
}

pub(super) use self::http::Sender;

/// How far the reading of a long list has come.
enum Reading<T> {
    Begin(Client, Listing<T>),
    Items(Listing<T>, Box<http::Items>),
}

impl<T> Reading<T> {
    async fn next(self) -> Result<Option<(T, Self)>, CallError> {
        let (listing, mut items) = match self {
            Self::Begin(client, listing) => {
                let items = client.wire.open_list(listing.call(), listing.place()).await;
                let items = items.map_err(|problem| failed_read(listing.call(), problem))?;
                (listing, Box::new(items))
            }
            Self::Items(listing, items) => (listing, items),
        };
        match items.next().await.map_err(|problem| failed_read(listing.call(), problem))? {
            Item::Value(value) => {
                let item = listing.read(&value).map_err(|error| read_error(listing.call(), error))?;
                Ok(Some((item, Self::Items(listing, items))))
            }
            Item::End(Answer::Fault(fault)) => Err(failed_read(listing.call(), Problem::Fault(fault))),
            Item::End(Answer::Value(rest)) => {
                listing.read_rest(&rest).map_err(|error| read_error(listing.call(), error))?;
                Ok(None)
            }
        }
    }
}

fn failed_read(call: &Call, problem: Problem) -> CallError {
    CallError::new(&call.method, Effect::Read, problem)
}

fn read_error(call: &Call, error: super::fields::Unexpected) -> CallError {
    failed_read(call, Problem::Unexpected(error))
}
