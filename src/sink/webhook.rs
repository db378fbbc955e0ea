//! The sink that posts each build to an address of the operator's, signed.
//!
//! The signature is the HMAC-SHA256 of the time, a dot and the body; the receiver refuses what is older than 5 minutes.
//! The receiver knows a build by its key, so that a message whose answer was lost may be sent once more.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use super::message::{self, Message};
use super::post::{Failed, Post, PostError, SecretFile, Timeouts, comes_later, reason};
use super::reads::Reads;
use super::{Sink, beside, clock, trouble};
use crate::koji::secret::Secret;
use crate::koji::tls::Tls;
use crate::submit::ask::{Answer, Ask, Order, Receipt, Trouble};

/// When the message was signed, in seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("tidegate-timestamp");
/// `sha256=` and the signature in hexadecimal digits.
pub const SIGNATURE: HeaderName = HeaderName::from_static("tidegate-signature");
/// The key of the build: what was taken under it is not to be done again.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How a webhook is called.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The address, over `https`; over `http` on this machine only.
    pub url: String,
    /// The file with the key that messages are signed with; `None`: they are not signed.
    pub secret_file: Option<SecretFile>,
    /// What is trusted.
    pub tls: Tls,
    /// The time limits.
    pub timeouts: Timeouts,
}

/// An address that builds are posted to, one by one.
#[derive(Debug)]
pub struct WebhookSink {
    post: Post,
    secret_file: Option<SecretFile>,
    reads: Option<Reads>,
}

impl WebhookSink {
    /// A sink for the address of the settings; nothing is sent yet. `reads`: the hub that builds are looked up at.
    ///
    /// # Errors
    /// Where the address is none that secrets may be sent to, or a file of certificates is of no use.
    pub fn new(settings: &WebhookSettings, reads: Option<Reads>) -> Result<Self, PostError> {
        let post = Post::new(&settings.url, &settings.tls, settings.timeouts)?;
        Ok(Self { post, secret_file: settings.secret_file.clone(), reads })
    }

    async fn submit(&self, order: &Order) -> Receipt {
        let (headers, body) = match self.request(order) {
            Ok(request) => request,
            Err(receipt) => return receipt,
        };
        let response = match self.post.send(Method::POST, headers, body).await {
            Ok(response) => response,
            Err(Failed::Unsent(trouble)) => return Receipt::NotDone(trouble),
            Err(Failed::Lost(trouble)) => return Receipt::Lost(trouble),
        };
        let status = response.status();
        if status.is_success() {
            return Receipt::Taken;
        }
        let text = format!("the webhook did not take it: {}", reason(response).await);
        match status.as_u16() {
            _ if comes_later(status) => Receipt::NotDone(Trouble::Unreachable(text.into())),
            // Who we are, or where the address is: that is no fault of the build.
            300..=399 | 401 | 403 | 404 | 405 | 407 | 410 => {
                Receipt::NotDone(Trouble::Forbidden(text.into()))
            }
            408 => Receipt::Lost(Trouble::Unreachable(text.into())),
            code @ 400..=499 => Receipt::Refused(trouble::status(code, &text)),
            _ => Receipt::Lost(Trouble::Unreachable(text.into())),
        }
    }

    fn request(&self, order: &Order) -> Result<(HeaderMap, Vec<u8>), Receipt> {
        let unwritable = |what: &str| Receipt::Refused(trouble::generic(what));
        let body =
            Message::of(order).bytes().map_err(|_| unwritable("the build cannot be written as JSON"))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let key = HeaderValue::from_str(message::key(order))
            .map_err(|_| unwritable("the marker has characters that no header can carry"))?;
        headers.insert(IDEMPOTENCY_KEY, key);
        if let Some(file) = &self.secret_file {
            let secret = file.read().map_err(Receipt::NotDone)?;
            let now = clock::wall();
            let signature =
                sign(&secret, now, &body).ok_or_else(|| unwritable("the message cannot be signed"))?;
            headers.insert(TIMESTAMP, HeaderValue::from(now));
            headers.insert(SIGNATURE, signature);
        }
        Ok((headers, body))
    }
}

impl Sink for WebhookSink {
    async fn perform(&mut self, ask: Ask) -> Answer {
        let Ask::Submit { orders, .. } = ask else {
            return beside(ask, self.reads.as_mut(), "\"webhook\"").await;
        };
        let mut receipts = Vec::with_capacity(orders.len());
        for order in &orders {
            receipts.push((order.row, self.submit(order).await));
        }
        Answer::Submitted(receipts)
    }
}

/// The signature of a body at a time, as the header has it. HMAC takes a key of any length, so that there is always one.
fn sign(secret: &Secret, seconds: u64, body: &[u8]) -> Option<HeaderValue> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).ok()?;
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut text = String::from("sha256=");
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").ok()?;
    }
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_other_programs_compute() {
        // printf '1738648800.{"a":1}' | openssl dgst -sha256 -hmac hush
        let expected = "sha256=5c7af5651814bb7860ecc6a93242c7c2a73cc76ea0c8042f7577ec3ac3dd103f";
        assert_eq!(sign(&Secret::new("hush"), 1_738_648_800, br#"{"a":1}"#).unwrap(), expected);
    }
}
