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

fn parse_uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let [hyphen_a, hyphen_b, hyphen_c, hyphen_d] = [text[8], text[13], text[18], text[23]];
    if [hyphen_a, hyphen_b, hyphen_c, hyphen_d] != [b'-'; 4] {
        return None;
    }
    let mut value = 0u128;
    let mut bad = 0;
    for part in [&text[..8], &text[9..13], &text[14..18], &text[19..23], &text[24..]] {
        let mut bits = 0u64;
        for byte in part {
            // 0xff marks what is no digit; a look at the end spares one at every digit.
            #[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
            let digit = HEX[*byte as usize];
            bad |= digit;
            bits = bits << 4 | u64::from(digit & 0xf);
        }
        value = value << (part.len() * 4) | u128::from(bits);
    }
    (bad < 0x10).then_some(value)
}

/// The value of each lower-case hexadecimal digit; 0xff for every other byte.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const HEX: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    table
};

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
    fn a_long_message_id_is_cut_at_a_character() {
        let long = "\u{10fff}".repeat(100);
        assert_eq!(MessageId::parse(&long).to_string().len(), MessageId::TEXT_MAX_BYTES);
    }
}
