//! What both readers take out of a record: the JSON text of the few fields that matter, not yet understood.
//!
//! Of a key that occurs twice the last one counts, as for every reader on the bus.

/// How many objects and lists may be nested; the outermost counts.
pub(super) const MAX_DEPTH: usize = 128;

/// The fields of one record, each as the text of its JSON value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope<'a> {
    pub(super) topic: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    /// `id` of the legacy shape.
    pub(super) msg_id: Option<&'a str>,
    /// Time of sending of the legacy shape.
    pub(super) timestamp: Option<&'a str>,
    /// `sent-at` of `headers`.
    pub(super) sent_at: Option<&'a str>,
    /// The messages of a datagrepper page.
    pub(super) raw_messages: Option<&'a str>,
    /// Where the body lay, with its text. `None`: there was neither `body` nor `msg`.
    pub(super) contained: Option<(Container, &'a str)>,
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
    pub(super) fn keep(&mut self, key: &[u8], raw: &'a str) {
        match key {
            b"topic" => self.topic = Some(raw),
            b"id" => self.id = Some(raw),
            b"msg_id" => self.msg_id = Some(raw),
            b"timestamp" => self.timestamp = Some(raw),
            b"raw_messages" => self.raw_messages = Some(raw),
            _ if self.contained.is_none() => {
                if let Some(slot) = self.fields.slot(key) {
                    *slot = Some(raw);
                }
            }
            _ => {}
        }
    }

    /// Takes a body. `body` counts more than `msg` wherever the two stand.
    pub(super) fn contain(&mut self, container: Container, raw: &'a str, fields: Fields<'a>) {
        if container == Container::Body || !matches!(self.contained, Some((Container::Body, _))) {
            self.contained = Some((container, raw));
            self.fields = fields;
        }
    }
}

/// The fields of a body that any topic needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) instance: Option<&'a str>,
    pub(super) tag: Option<&'a str>,
    pub(super) build_id: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    pub(super) release: Option<&'a str>,
    pub(super) owner: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) new: Option<&'a str>,
    pub(super) task_id: Option<&'a str>,
    pub(super) package: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Where the value of a key belongs, if anywhere.
    pub(super) fn slot(&mut self, key: &[u8]) -> Option<&mut Option<&'a str>> {
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
