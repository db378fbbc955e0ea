//! What Kafka headers say of a message, under the names that bridges give them.
//!
//! A bridge from AMQP keeps the body as the value and the rest in headers, each in its own spelling; a
//! re-publisher copies them plainly. Names are compared without regard to case; of two that mean the same the last
//! counts, as with Kafka itself.

use std::borrow::Cow;

use super::field;
use super::strict;
use crate::event::{MessageId, SentAt};
use crate::time::Second;

/// Prefixes of the Confluent source and the Camel source; others put none.
const PREFIXES: [&str; 3] = ["rabbitmq.headers.", "rabbitmq.", "CamelHeader."];

/// Names of the routing key, without prefix.
const TOPIC_NAMES: [&str; 5] =
    ["topic", "routing.key", "routing-key", "routing_key", "CamelSpringRabbitmqRoutingOverrideKey"];

/// Names of the message's identity, without prefix.
const ID_NAMES: [&str; 5] = ["id", "message.id", "message-id", "message_id", "CamelSpringRabbitmqMessageId"];

/// What the headers of one record say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Headers<'a> {
    pub(super) topic: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    sent_at: Option<Cow<'a, str>>,
}

impl<'a> Headers<'a> {
    /// Reads the headers that matter; an empty value counts as none.
    pub(super) fn read(headers: &'a [(String, Vec<u8>)]) -> Self {
        let mut read = Self::default();
        for (name, value) in headers {
            if value.is_empty() {
                continue;
            }
            let name = without_prefix(name);
            if is_one_of(name, &TOPIC_NAMES) {
                read.topic = text(value).or(read.topic);
            } else if is_one_of(name, &ID_NAMES) {
                read.id = text(value).or(read.id);
            } else if name.eq_ignore_ascii_case("sent-at") {
                // Bytes that are no text are no time either, but they were given.
                read.sent_at = Some(text(value).unwrap_or_default());
            }
        }
        read
    }

    pub(super) fn id(&self) -> MessageId {
        self.id.as_deref().map_or(MessageId::None, MessageId::parse)
    }

    /// A header has no type: a time in ISO 8601 or a number of seconds.
    pub(super) fn sent_at(&self) -> SentAt {
        match self.sent_at.as_deref() {
            None => SentAt::Missing,
            Some(text) => Second::parse(text).map_or_else(|| field::seconds(text), SentAt::At),
        }
    }
}

/// The text of a value. A converter may have written it as a JSON string.
fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?;
    Some(strict::value(text).text().unwrap_or(Cow::Borrowed(text))).filter(|text| !text.is_empty())
}

fn without_prefix(name: &str) -> &str {
    let strip = |prefix: &&str| {
        let (start, rest) = name.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    PREFIXES.iter().find_map(strip).unwrap_or(name)
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}
