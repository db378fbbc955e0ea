//! The sink that names packages to an `ELNBuildSync`, by its `/trigger`.
//!
//! It takes names, not builds, and answers 200 before it looks at them: what it makes of a name is seen in its
//! `/status.json` alone. A request is sent once; one without a clear answer is lost, and a person decides.

mod status;

use std::num::NonZeroU32;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

use self::status::Chunk;
use super::post::{Failed, Post, PostError, SecretFile, Timeouts, comes_later, reason};
use super::reads::Reads;
use super::{Sink, all, beside, trouble};
use crate::koji::tls::Tls;
use crate::submit::ask::{Answer, Ask, Order, Receipt, Trouble};
use crate::submit::row::{RowId, TaskId};

/// The most names in one request: what one batch builds at once.
pub const NAMES_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(39);
/// Where its answers about builds are.
const STATUS_PATH: &str = "/status.json";

/// How an `ELNBuildSync` is used.
#[derive(Debug, Clone)]
pub struct EbsSettings {
    /// The address of its `/trigger`, over `https`; over `http` on this machine only.
    pub url: String,
    /// The file with the bearer token, read anew for each request; `None`: it asks for none.
    pub token_file: Option<SecretFile>,
    /// Names in one request, at most [`NAMES_MAX`].
    pub names: NonZeroU32,
    /// What is trusted.
    pub tls: Tls,
    /// The time limits.
    pub timeouts: Timeouts,
}

/// An `ELNBuildSync` that packages are named to.
#[derive(Debug)]
pub struct EbsSink {
    trigger: Post,
    status: Post,
    token_file: Option<SecretFile>,
    names: usize,
    reads: Option<Reads>,
    /// The last names it took, as long as it is not known to be done with them.
    chunk: Option<Chunk>,
}

impl EbsSink {
    /// A sink for the address of the settings; nothing is sent yet. `reads`: the hub that builds are looked up at.
    ///
    /// # Errors
    /// Where the address is none that tokens may be sent to, or a file of certificates is of no use.
    pub fn new(settings: &EbsSettings, reads: Option<Reads>) -> Result<Self, PostError> {
        let trigger = Post::new(&settings.url, &settings.tls, settings.timeouts)?;
        let names = settings.names.min(NAMES_MAX);
        Ok(Self {
            status: trigger.beside(STATUS_PATH),
            trigger,
            token_file: settings.token_file.clone(),
            names: usize::try_from(names.get()).unwrap_or(1),
            reads,
            chunk: None,
        })
    }

    /// Sends the names in as many requests as it takes, and none any more after one that was not taken.
    async fn submit(&mut self, orders: &[Order]) -> Vec<(RowId, Receipt)> {
        let before = self.status().await.ok();
        let mut receipts = Vec::with_capacity(orders.len());
        let mut stopped = false;
        let mut chunk = Chunk::default();
        for orders in orders.chunks(self.names) {
            let receipt = if stopped {
                Receipt::NotDone(Trouble::Unreachable(
                    "an earlier part was not taken; nothing was sent".into(),
                ))
            } else {
                self.trigger(orders).await
            };
            stopped |= receipt != Receipt::Taken;
            // What may have been taken is looked for too.
            if matches!(receipt, Receipt::Taken | Receipt::Lost(_)) {
                chunk.add(orders.iter().map(|order| &*order.package), before.as_ref());
            }
            receipts.extend(all(orders, || receipt.clone()));
        }
        self.chunk = Some(chunk).filter(|chunk| !chunk.is_empty());
        receipts
    }

    async fn trigger(&self, orders: &[Order]) -> Receipt {
        let names: Vec<&str> = orders.iter().map(|order| &*order.package).collect();
        let Ok(body) = serde_json::to_vec(&names) else {
            return Receipt::Refused(trouble::generic("the names cannot be written as JSON"));
        };
        let headers = match self.headers() {
            Ok(headers) => headers,
            Err(trouble) => return Receipt::NotDone(trouble),
        };
        let response = match self.trigger.send(Method::POST, headers, body).await {
            Ok(response) => response,
            Err(Failed::Unsent(trouble)) => return Receipt::NotDone(trouble),
            Err(Failed::Lost(trouble)) => return Receipt::Lost(trouble),
        };
        let status = response.status();
        if status == StatusCode::OK {
            return Receipt::Taken;
        }
        let text = format!("/trigger did not take it: {}", reason(response).await);
        match status.as_u16() {
            _ if comes_later(status) => Receipt::NotDone(Trouble::Unreachable(text.into())),
            // It refuses the request, never a name: a person has to look at the address, the token, or its version.
            300..=407 | 409..=499 => Receipt::NotDone(Trouble::Forbidden(text.into())),
            _ => Receipt::Lost(Trouble::Unreachable(text.into())),
        }
    }

    fn headers(&self) -> Result<HeaderMap, Trouble> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(file) = &self.token_file {
            let token = file.read()?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
                Trouble::Forbidden(
                    "the token has characters that no header can carry: write a new one".into(),
                )
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    async fn status(&self) -> Result<status::Status, Trouble> {
        match self.status.send(Method::GET, HeaderMap::new(), Vec::new()).await {
            Ok(response) if response.status() == StatusCode::OK => status::read(response).await,
            Ok(response) => {
                let text = format!("{STATUS_PATH} cannot be read: {}", reason(response).await);
                Err(Trouble::Unreachable(text.into()))
            }
            Err(Failed::Unsent(trouble) | Failed::Lost(trouble)) => Err(trouble),
        }
    }

    /// How the last names stand.
    async fn follow(&mut self) -> Answer {
        let Some(chunk) = &self.chunk else {
            return Answer::Followed(vec![(TaskId(0), None)]);
        };
        match self.status().await {
            Ok(status) => Answer::Followed(vec![(TaskId(0), chunk.progress(&status))]),
            Err(trouble) => Answer::Failed(trouble),
        }
    }
}

impl Sink for EbsSink {
    async fn perform(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Submit { orders, .. } => Answer::Submitted(self.submit(&orders).await),
            Ask::Follow(tasks) if tasks.is_empty() => self.follow().await,
            ask @ (Ask::Sample | Ask::LogIn { .. } | Ask::Check(_) | Ask::Find { .. } | Ask::Follow(_)) => {
                beside(ask, self.reads.as_mut(), "\"ebs\"").await
            }
        }
    }
}
