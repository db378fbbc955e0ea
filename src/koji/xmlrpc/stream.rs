//! Reads an answer while it arrives: the body is never in memory as a whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use quick_xml::Reader;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use super::decode::{DecodeError, Decoder, Limits, configure, not_xml};
use super::message::Answer;
use super::value::Value;

/// Reads an answer from a stream of bytes, within the limits. Dropping the future drops what was read.
pub async fn read_answer(body: impl AsyncBufRead + Unpin, limits: &Limits) -> Result<Answer, DecodeError> {
    let mut reader = ItemReader::with_decoder(body, limits, Decoder::new(limits));
    loop {
        if let Item::End(answer) = reader.next().await? {
            return Ok(answer);
        }
    }
}

/// Where in an answer the list stands that is read item by item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListPlace {
    /// The answer is the list.
    Answer,
    /// The answer is a struct, and the list its member of this name.
    Member(&'static str),
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// The next item of the list.
    Value(Value),
    /// The answer without the items that were handed out: an empty list where the list stood, or a fault.
    End(Answer),
}

/// Reads a list out of an answer while it arrives.
///
/// One item is in memory at a time, so that a list of any length costs no more than its longest item. [`Limits::values`]
/// holds for each item, the other limits for the whole.
pub struct ItemReader<R> {
    reader: Reader<Bounded<R>>,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> ItemReader<R> {
    /// Reads the list at `place`.
    pub fn new(body: R, limits: &Limits, place: ListPlace) -> Self {
        Self::with_decoder(body, limits, Decoder::new(limits).item_by_item(place))
    }

    fn with_decoder(body: R, limits: &Limits, decoder: Decoder) -> Self {
        let mut reader = Reader::from_reader(Bounded::new(body, limits));
        configure(&mut reader);
        Self { reader, decoder, buffer: Vec::new() }
    }

    /// The next item, or the end. After the end, or after an error, there is nothing more to read.
    pub async fn next(&mut self) -> Result<Item, DecodeError> {
        loop {
            self.buffer.clear();
            self.reader.get_mut().begin_text();
            let event = self.reader.read_event_into_async(&mut self.buffer).await;
            let at = self.reader.buffer_position();
            match event {
                Ok(event) => {
                    if let Some(document) = self.decoder.take(event, at)? {
                        return Answer::from_document(document).map(Item::End);
                    }
                }
                Err(error) => {
                    return Err(self.reader.get_mut().failure.take().unwrap_or_else(|| not_xml(&error, at)));
                }
            }
            if let Some(item) = self.decoder.item() {
                return Ok(Item::Value(item));
            }
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::koji::xmlrpc::{Fault, Struct};

    async fn read(
        answer: &Answer,
        place: ListPlace,
        limits: &Limits,
    ) -> (Vec<Value>, Result<Answer, DecodeError>) {
        let body = answer.encode().unwrap();
        let mut reader = ItemReader::new(body.as_bytes(), limits, place);
        let mut items = Vec::new();
        loop {
            match reader.next().await {
                Ok(Item::Value(item)) => items.push(item),
                Ok(Item::End(rest)) => return (items, Ok(rest)),
                Err(error) => return (items, Err(error)),
            }
        }
    }

    fn rows(count: i64) -> Vec<Struct> {
        (0..count).map(|number| Struct::new().with("id", number).with("parts", vec![number; 3])).collect()
    }

    #[tokio::test]
    async fn a_list_comes_item_by_item() {
        let limits = Limits { values: 10, ..Limits::default() };
        let whole = Value::from(rows(100));
        let (items, rest) = read(&Answer::Value(whole.clone()), ListPlace::Answer, &limits).await;
        assert_eq!(Value::Array(items), whole);
        assert_eq!(rest, Ok(Answer::Value(Value::Array(Vec::new()))));
    }

    #[tokio::test]
    async fn a_list_inside_a_struct_comes_item_by_item_and_its_neighbours_stay() {
        let answer = Struct::new().with("other", rows(2)).with("rows", rows(5));
        let (items, rest) =
            read(&Answer::Value(answer.into()), ListPlace::Member("rows"), &Limits::default()).await;
        assert_eq!(Value::Array(items), Value::from(rows(5)));
        let left = Struct::new().with("other", rows(2)).with("rows", Vec::<Value>::new());
        assert_eq!(rest, Ok(Answer::Value(left.into())));
    }

    proptest! {
        #[test]
        fn items_are_the_same_however_the_bytes_come(
            texts in proptest::collection::vec(".{0,20}", 0..8), piece in 1usize..64,
        ) {
            let clean = |text: &String| text.replace(|c: char| c.is_control() || c > '\u{ff00}', "");
            let list: Vec<String> = texts.iter().map(clean).collect();
            let body = Answer::Value(Value::from(list.clone())).encode().unwrap();
            let pieces = tokio::io::BufReader::with_capacity(piece, body.as_bytes());
            let mut reader = ItemReader::new(pieces, &Limits::default(), ListPlace::Answer);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let found = runtime.block_on(async {
                let mut items = Vec::new();
                while let Item::Value(item) = reader.next().await.unwrap() {
                    items.push(item);
                }
                items
            });
            prop_assert_eq!(Value::Array(found), Value::from(list));
        }
    }

    #[tokio::test]
    async fn a_list_elsewhere_is_no_list_of_items() {
        let nested = Value::from(vec![Value::from(rows(2))]);
        let (items, _) =
            read(&Answer::Value(nested.clone()), ListPlace::Member("rows"), &Limits::default()).await;
        assert_eq!(items, []);
        let (items, _) = read(&Answer::Value(nested), ListPlace::Answer, &Limits::default()).await;
        assert_eq!(items, [Value::from(rows(2))]);
        let fault = Answer::Fault(Fault::new(1000, "No such tagInfo: 'nope'"));
        assert_eq!(read(&fault, ListPlace::Answer, &Limits::default()).await, (vec![], Ok(fault)));
    }

    #[tokio::test]
    async fn an_item_keeps_within_the_limits() {
        let limits = Limits { values: 3, ..Limits::default() };
        let (items, rest) = read(&Answer::Value(rows(1).into()), ListPlace::Answer, &limits).await;
        assert_eq!((items, rest), (vec![], Err(DecodeError::TooMany(3))));
    }
}
