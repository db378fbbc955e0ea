//! What both readers take out of a record: the values of the few fields that matter, not yet understood.
//!
//! Of a key that occurs twice the last one counts, as for every reader on the bus.

use std::borrow::Cow;

/// How many objects and lists may be nested; the outermost counts.
pub(super) const MAX_DEPTH: usize = 128;

/// The value of a field as it stands in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string without escapes: what stands between its quotes.
    Text(&'a str),
    /// Anything else, as JSON.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// The text that a string means. `None`: it is no string, or stands for no text (half a surrogate pair).
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(raw) if raw.starts_with('"') => serde_json::from_str(raw).ok().map(Cow::Owned),
            Self::Json(_) => None,
        }
    }
}

/// The fields of one record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) topic: Option<Value<'a>>,
    pub(super) id: Option<Value<'a>>,
    /// `id` of the legacy shape.
    pub(super) msg_id: Option<Value<'a>>,
    /// Time of sending of the legacy shape.
    pub(super) timestamp: Option<Value<'a>>,
    /// `sent-at` of `headers`.
    pub(super) sent_at: Option<Value<'a>>,
    /// The messages of a datagrepper page.
    pub(super) raw_messages: Option<Value<'a>>,
    /// Where the body lay, with its text. `None`: there was neither `body` nor `msg`.
    pub(super) contained: Option<(Container, Value<'a>)>,
    /// The fields of the body, or of the record itself where it contains none: then it may be a bare body.
    pub(super) fields: Fields<'a>,
}

/// The key under which a message keeps its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// `body`, of the dump envelope.
    Body,
    /// `msg`, of the legacy shape.
    Msg,
}

impl<'a> Envelope<'a> {
    /// Keeps the value of a key other than `body`, `msg` and `headers`, if it is of use.
    pub(super) fn keep(&mut self, key: &[u8], value: Value<'a>) {
        match key {
            b"topic" => self.topic = Some(value),
            b"id" => self.id = Some(value),
            b"msg_id" => self.msg_id = Some(value),
            b"timestamp" => self.timestamp = Some(value),
            b"raw_messages" => self.raw_messages = Some(value),
            _ if self.contained.is_none() => {
                if let Some(slot) = self.fields.slot(key) {
                    *slot = Some(value);
                }
            }
            _ => {}
        }
    }

    /// Makes ready for the fields of a body; false where it is not to be read. `body` counts more than `msg` wherever
    /// the two stand.
    pub(super) fn takes(&mut self, container: Container) -> bool {
        let takes = container == Container::Body || !matches!(self.contained, Some((Container::Body, _)));
        if takes {
            self.fields = Fields::default();
        }
        takes
    }
}

/// The fields of a body that any topic needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) instance: Option<Value<'a>>,
    pub(super) tag: Option<Value<'a>>,
    pub(super) build_id: Option<Value<'a>>,
    pub(super) name: Option<Value<'a>>,
    pub(super) version: Option<Value<'a>>,
    pub(super) release: Option<Value<'a>>,
    pub(super) owner: Option<Value<'a>>,
    pub(super) user: Option<Value<'a>>,
    pub(super) new: Option<Value<'a>>,
    pub(super) task_id: Option<Value<'a>>,
    pub(super) package: Option<Value<'a>>,
}

impl<'a> Fields<'a> {
    /// Where the value of a key belongs, if anywhere.
    pub(super) fn slot(&mut self, key: &[u8]) -> Option<&mut Option<Value<'a>>> {
        Some(match key {
            b"instance" => &mut self.instance,
            b"tag" => &mut self.tag,
            b"build_id" => &mut self.build_id,
            b"name" => &mut self.name,
            b"version" => &mut self.version,
            b"release" => &mut self.release,
            b"owner" => &mut self.owner,
            b"user" => &mut self.user,
            b"new" => &mut self.new,
            b"task_id" => &mut self.task_id,
            b"package" => &mut self.package,
            _ => return None,
        })
    }
}
