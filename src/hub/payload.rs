//! Bodies of answers: whole ones, and those that no client should get.

use std::io;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Bytes that are sent or packed at a time.
const CHUNK: usize = 64 << 10;
/// What stands before and behind a string that is an answer.
const BEFORE: &[u8] = b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><string>";
const BEHIND: &[u8] = b"</string></value>\n</param>\n</params>\n</methodResponse>\n";

/// A body that is sent.
#[derive(Debug)]
pub(super) enum Payload {
    /// All of it at once.
    Whole(Bytes),
    /// A part; then the connection ends.
    Cut {
        /// What still arrives.
        rest: Bytes,
        /// The length that the head has promised.
        promised: u64,
        /// Whether what arrives has been handed over for sending.
        sent: bool,
    },
    /// A string without an end.
    Flood {
        /// What stands before it.
        head: Bytes,
        /// Its bytes that are still to come.
        left: u64,
    },
}

impl Payload {
    /// The first bytes of a body, and no more.
    pub(super) fn cut(body: &str, after_bytes: usize) -> Self {
        let all = Bytes::copy_from_slice(body.as_bytes());
        let promised = all.len() as u64;
        Self::Cut { rest: all.slice(..after_bytes.min(all.len())), promised, sent: false }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.get_mut() {
            Self::Whole(bytes) | Self::Cut { rest: bytes, .. } | Self::Flood { head: bytes, .. }
                if !bytes.is_empty() =>
            {
                Some(Ok(Frame::data(std::mem::take(bytes))))
            }
            Self::Whole(_) | Self::Flood { left: 0, .. } => None,
            Self::Cut { sent, .. } if !*sent => {
                // The server sends what it has before it asks again: only then the connection may end.
                *sent = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Self::Cut { .. } => Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))),
            Self::Flood { left, .. } => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(CHUNK);
                *left -= length as u64;
                Some(Ok(Frame::data(Bytes::from(vec![b'a'; length]))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Cut { promised, .. } => SizeHint::with_exact(*promised),
            Self::Flood { .. } => SizeHint::default(),
        }
    }
}

/// An answer that is an array in an array, and so on.
pub(super) fn deep(depth: usize) -> String {
    let (open, close) = ("<value><array><data>", "</data></array></value>");
    format!(
        "<?xml version='1.0'?>\n<methodResponse><params><param>{}{}</param></params></methodResponse>",
        open.repeat(depth),
        close.repeat(depth)
    )
}

/// An answer that is a string of about so many bytes, compressed.
pub(super) fn gzip_bomb(bytes: u64) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(BEFORE)?;
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
        packer.write_all(&vec![b'a'; length])?;
        left -= length as u64;
    }
    packer.write_all(BEHIND)?;
    packer.finish()
}

/// An answer that is a string of so many bytes and does not end.
pub(super) fn flood(bytes: u64) -> Payload {
    Payload::Flood { head: Bytes::from_static(BEFORE), left: bytes }
}
