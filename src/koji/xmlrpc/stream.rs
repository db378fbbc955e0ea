//! Reads an answer while it arrives: the body is never in memory as a whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use quick_xml::Reader;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::decode::{DecodeError, Decoder, Limits, configure, not_xml};
use super::message::Answer;

/// Reads an answer from a stream of bytes, within the limits. Dropping the future drops what was read.
pub async fn read_answer(body: impl AsyncBufRead + Unpin, limits: &Limits) -> Result<Answer, DecodeError> {
    let mut reader = Reader::from_reader(Bounded::new(body, limits));
    configure(&mut reader);
    let mut decoder = Decoder::new(limits);
    let mut buffer = Vec::new();
    loop {
        reader.get_mut().begin_text();
        let event = reader.read_event_into_async(&mut buffer).await;
        let at = reader.buffer_position();
        match event {
            Ok(event) => {
                if let Some(document) = decoder.take(event, at)? {
                    return Answer::from_document(document);
                }
            }
            Err(error) => {
                return Err(reader.get_mut().failure.take().unwrap_or_else(|| not_xml(&error, at)));
            }
        }
        buffer.clear();
    }
}

/// Bytes that fail once there are too many of them, in all or since [`Bounded::begin_text`].
struct Bounded<R> {
    inner: R,
    limits: Limits,
    left: u64,
    text_left: u64,
    failure: Option<DecodeError>,
}

impl<R> Bounded<R> {
    fn new(inner: R, limits: &Limits) -> Self {
        Self { inner, limits: *limits, left: limits.bytes, text_left: limits.text, failure: None }
    }

    fn begin_text(&mut self) {
        self.text_left = self.limits.text;
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for Bounded<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let bytes = match ready!(Pin::new(&mut this.inner).poll_fill_buf(context)) {
            Ok(bytes) => bytes,
            Err(error) => {
                this.failure = Some(DecodeError::Broken(error.to_string()));
                return Poll::Ready(Err(error));
            }
        };
        let allowed = usize::try_from(this.left.min(this.text_left)).unwrap_or(usize::MAX);
        if allowed == 0 && !bytes.is_empty() {
            let failure = if this.left == 0 {
                DecodeError::TooLong(this.limits.bytes)
            } else {
                DecodeError::TextTooLong(this.limits.text)
            };
            this.failure = Some(failure.clone());
            return Poll::Ready(Err(io::Error::other(failure)));
        }
        Poll::Ready(Ok(bytes.get(..allowed).unwrap_or(bytes)))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        let consumed = u64::try_from(amount).unwrap_or(u64::MAX);
        this.left = this.left.saturating_sub(consumed);
        this.text_left = this.text_left.saturating_sub(consumed);
        Pin::new(&mut this.inner).consume(amount);
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(context))?;
        let amount = bytes.len().min(target.remaining());
        target.put_slice(bytes.get(..amount).unwrap_or_default());
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}
