//! The body of an answer as a stream of bytes.

use std::io;
use std::pin::Pin;

use futures_util::TryStreamExt;
use reqwest::Response;
use tokio_stream::Stream;
use tokio_util::bytes::Bytes;
use tokio_util::io::StreamReader;

use super::http::with_causes;

type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Bytes as they arrive.
pub(super) type Body = StreamReader<Pieces, Bytes>;

/// The body of an answer. An error of the connection keeps its words.
pub(super) fn body(response: Response) -> Body {
    let pieces = response.bytes_stream().map_err(|error| {
        let error = error.without_url();
        io::Error::other(with_causes(&error))
    });
    StreamReader::new(Box::pin(pieces))
}
