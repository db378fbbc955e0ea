//! What a record says once it is decoded, and where it stood.
//!
//! A [`Decoded`] borrows from the bytes it was read from: most records concern somebody else and are dropped
//! without an allocation. Nothing here judges; that is the engine's work.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Second;

/// Where a record stood: Kafka's partition and offset; of a file partition 0 and the line, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Kafka's partition, 0 for a file.
    pub partition: u32,
    /// Kafka's offset, or the line of a file.
    pub offset: u64,
}

/// One message as a source hands it over.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it stood.
    pub position: Position,
    /// The broker's or producer's timestamp in milliseconds since 1970, where there is one.
    pub kafka_millis: Option<i64>,
    /// Kafka headers, empty for a file.
    pub headers: &'a [(String, Vec<u8>)],
    /// The bytes of the value.
    pub value: &'a [u8],
    /// The source cut the value at its limit: it cannot be read whole.
    pub cut: bool,
}

/// What a message claims about the time of its sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentAt {
    /// No time was given.
    Missing,
    /// Something was given that is no time.
    Unreadable,
    /// The time that was given, whole seconds.
    At(Second),
}

/// The identity a message was published under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MessageId {
    /// The message carried none.
    None,
    /// A UUID in its usual spelling (lower case, hyphens), which is printed as it was read.
    Uuid(u128),
    /// Any other text, at most [`MessageId::TEXT_MAX_BYTES`] of it.
    Text(Box<str>),
}

impl MessageId {
    /// The longest identity that is kept, in bytes; a longer one is cut at a character boundary.
    pub const TEXT_MAX_BYTES: usize = 256;

    /// Reads an identity; the usual spelling of a UUID takes no allocation.
    pub fn parse(text: &str) -> Self {
        if let Some(value) = parse_uuid(text.as_bytes()) {
            return Self::Uuid(value);
        }
        let end = (0..=Self::TEXT_MAX_BYTES.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
        Self::Text(text.get(..end.unwrap_or(0)).unwrap_or_default().into())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Uuid(value) => {
                let part = |shift: u32, mask: u128| value >> shift & mask;
                write!(f, "{:08x}-{:04x}-", part(96, 0xffff_ffff), part(80, 0xffff))?;
                write!(
                    f,
                    "{:04x}-{:04x}-{:012x}",
                    part(64, 0xffff),
                    part(48, 0xffff),
                    part(0, 0xffff_ffff_ffff)
                )
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Reads eight digits at a time: every record has an identity, so this runs for each.
fn parse_uuid(text: &[u8]) -> Option<u128> {
    let hyphens = [8, 13, 18, 23].iter().all(|place| text.get(*place) == Some(&b'-'));
    if text.len() != 36 || !hyphens {
        return None;
    }
    let four = |place: usize| text.get(place..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk));
    [(0, 4), (9, 14), (19, 24), (28, 32)].iter().try_fold(0, |value, &(place, next)| {
        let digits = hex_digits(u64::from(four(place)?) << 32 | u64::from(four(next)?))?;
        Some(value << 32 | u128::from(digits))
    })
}

/// The value of eight hexadecimal digits in lower case, one a byte, the first in the highest byte.
fn hex_digits(text: u64) -> Option<u32> {
    const ONES: u64 = u64::MAX / 255;
    // Letters, and no digits, have bit 6 set; each step works on all eight bytes and stays within each.
    let nibbles = (text & (ONES * 0x0f)) + (text >> 6 & ONES) * 9;
    let letters = (nibbles + ONES * 0x76) >> 7 & ONES;
    let written = nibbles + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10);
    if nibbles & (ONES * 0xf0) != 0 || written != text {
        return None;
    }
    let pairs = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    u32::try_from((quads | quads >> 16) & 0xffff_ffff).ok()
}

/// A message, decoded as far as it is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<'a> {
    /// The identity it was published under.
    pub id: MessageId,
    /// The full topic, e.g. `org.fedoraproject.prod.buildsys.tag`.
    pub topic: Cow<'a, str>,
    /// When the hub says that it was sent.
    pub sent_at: SentAt,
    /// What it says.
    pub body: Body<'a>,
}

/// What a message says, by topic.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// `buildsys.tag`: a build was tagged.
    Tag(Tagging<'a>),
    /// `buildsys.untag`: a build was untagged.
    Untag(Tagging<'a>),
    /// `buildsys.build.state.change`.
    BuildState(BuildState<'a>),
    /// `buildsys.package.list.change`.
    PackageList(PackageListChange<'a>),
    /// A topic of this bus that the engine does not read (`repo.done`, `rpm.sign`, `task.state.change`, ...).
    Unused,
    /// A topic of another bus or another application.
    OtherTopic,
}

/// The body of a tag or an untag message.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagging<'a> {
    /// The Koji instance; `None` where the message does not say (then it is the pipeline's first).
    pub instance: Option<Cow<'a, str>>,
    /// The tag's name.
    pub tag: Cow<'a, str>,
    /// The hub's number of the build, greater than 0 and below 2^63.
    pub build_id: u64,
    /// Name of the source package.
    pub name: Cow<'a, str>,
    /// The build's version.
    pub version: Cow<'a, str>,
    /// The build's release (of the NVR), e.g. `1.fc42`.
    pub release: Cow<'a, str>,
    /// Who owns the build, where given.
    pub owner: Option<Cow<'a, str>>,
    /// Who tagged it, where given: the actor.
    pub user: Option<Cow<'a, str>>,
}

/// The body of a `build.state.change` message.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildState<'a> {
    /// The Koji instance, as in [`Tagging`].
    pub instance: Option<Cow<'a, str>>,
    /// The hub's number of the build.
    pub build_id: u64,
    /// The new state: 0 building, 1 complete, 2 deleted, 3 failed, 4 canceled.
    pub new: i64,
    /// The task that builds it, where given.
    pub task_id: Option<u64>,
}

/// The body of a `package.list.change` message.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageListChange<'a> {
    /// The Koji instance, as in [`Tagging`].
    pub instance: Option<Cow<'a, str>>,
    /// The tag whose package list changed.
    pub tag: Cow<'a, str>,
    /// The package.
    pub package: Cow<'a, str>,
}

/// Why a record cannot be read. It is kept, never skipped in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// A short stable code for metrics and decisions, e.g. `not_json`, `no_build_id`.
    pub code: &'static str,
    /// What is wrong, in a sentence a person understands; text from the record is escaped.
    pub explanation: String,
    /// The identity, where it could be read all the same.
    pub id: MessageId,
    /// The time of sending, as far as it could be read.
    pub sent_at: SentAt,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_printed_as_it_was_read() {
        for text in [
            "b1cb6938-bab8-4597-b278-dd45f5491ce8",
            "B1CB6938-BAB8-4597-B278-DD45F5491CE8",
            "2021-b1cb6938",
            "",
            "b1cb6938-bab8-4597-b278-dd45f5491ceg",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(MessageId::parse(text).to_string(), text);
        }
        assert!(matches!(MessageId::parse("b1cb6938-bab8-4597-b278-dd45f5491ce8"), MessageId::Uuid(_)));
    }

    #[test]
    fn a_uuid_is_one_at_every_digit() {
        let usual = b"b1cb6938-bab8-4597-b278-dd45f5491ce8";
        for place in 0..usual.len() {
            for byte in 0..=u8::MAX {
                let mut text = usual.to_vec();
                text[place] = byte;
                let digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let good = if usual[place] == b'-' { byte == b'-' } else { digit };
                let read = parse_uuid(&text);
                assert_eq!(read.is_some(), good, "byte {byte} at {place}");
                if let Some(value) = read {
                    assert_eq!(MessageId::Uuid(value).to_string().as_bytes(), text);
                }
            }
        }
        assert_eq!(parse_uuid(b"b1cb6938-bab8-4597-b278-dd45f5491ce"), None);
    }

    #[test]
    fn a_long_message_id_is_cut_at_a_character() {
        let long = "\u{10fff}".repeat(100);
        assert_eq!(MessageId::parse(&long).to_string().len(), MessageId::TEXT_MAX_BYTES);
    }
}
