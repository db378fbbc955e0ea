//! From the bytes of a record to what it says.
//!
//! Four shapes are read: the dump envelope (`topic`, `headers`, `id`, `body`; any order of keys), a bare body with its
//! metadata in Kafka headers, the legacy shape (`topic`, `msg`, `timestamp`, `msg_id`), and the datagrepper page,
//! which [`split_page`] takes apart first.
//!
//! * Every record must be a JSON object as a whole, whatever its topic: nothing that merely begins well is taken.
//! * What decides (topic, instance, tag, build, its name, version and release, the new state) must be there and of
//!   its kind, or the record is [`Unreadable`]. What only explains (owner, user, task) is taken if it is usable.
//! * A clock is never a reason: a time that cannot be read is [`SentAt::Unreadable`].
//! * Of a topic that is not read, nothing but the envelope is looked at.
//! * Of a key that occurs twice the last one counts, as for every other reader on the bus.
//!
//! Codes of what is unreadable: `empty`, `cut`, `not_utf8`, `not_json`, `not_object`, `too_deep`, `page`; and for each
//! field that decides (topic, body, instance, tag, `build_id`, name, version, release, new, package) `no_<field>` where
//! it is missing or null, `bad_<field>` where it is of the wrong kind, empty or too long. Null is no instance.
//!
//! A hand-written scan ([`scan`]) reads nearly all records in one pass; [`strict`] reads the rest with `serde_json`,
//! and [`decode_strictly`] reads all of them so: tests hold the two against each other.

use std::borrow::Cow;

use crate::event::{
    Body, BuildState, Decoded, MessageId, PackageListChange, Record, SentAt, Tagging, Unreadable,
};
use crate::settings::Route;
use crate::text::bounded;

use envelope::{Container, Envelope, Fields, Value};
use headers::Headers;

mod envelope;
mod field;
mod headers;
mod page;
mod scan;
mod strict;

pub use page::{PAGE_MAX_MESSAGES, split_page};

/// Code of a record that is a datagrepper page: [`split_page`] makes messages of it.
pub const CODE_PAGE: &str = "page";

/// Decodes one record as far as `route` needs it.
///
/// Texts borrow from the record unless they were written with escapes. The work is linear in the length of the
/// record, which the source bounds.
///
/// # Errors
/// [`Unreadable`] with a stable code, the identity and the time of sending where they could be read all the same.
pub fn decode<'a>(route: &Route, record: &Record<'a>) -> Result<Decoded<'a>, Unreadable> {
    let mut envelope = Envelope::default();
    let quick = !record.cut
        && std::str::from_utf8(record.value).is_ok_and(|text| scan::scan(text, &mut envelope).is_some());
    if quick { understand(route, record, &envelope) } else { decode_strictly(route, record) }
}

/// The same as [`decode`], by `serde_json` alone and at a fraction of its speed: what [`decode`] is tested against.
///
/// # Errors
/// As [`decode`].
pub fn decode_strictly<'a>(route: &Route, record: &Record<'a>) -> Result<Decoded<'a>, Unreadable> {
    let whole = if record.cut { Err(cut(record.value.len())) } else { strict::read(record.value) };
    match whole {
        Ok(envelope) => understand(route, record, &envelope),
        Err(problem) => {
            let headers = Headers::read(record.headers);
            Err(problem.of(headers.id(), headers.sent_at()))
        }
    }
}

/// What is wrong with a record, before it is known whose record it is.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    code: &'static str,
    explanation: String,
}

impl Problem {
    const fn new(code: &'static str, explanation: String) -> Self {
        Self { code, explanation }
    }

    fn of(self, id: MessageId, sent_at: SentAt) -> Unreadable {
        Unreadable { code: self.code, explanation: self.explanation, id, sent_at }
    }
}

fn understand<'a>(
    route: &Route,
    record: &Record<'a>,
    envelope: &Envelope<'a>,
) -> Result<Decoded<'a>, Unreadable> {
    let Metadata { topic, id, sent_at } = Metadata::read(envelope, record.headers);
    let topic = match topic {
        Ok(topic) => topic,
        Err(problem) => return Err(problem.of(id, sent_at)),
    };
    match body(Topic::of(route, &topic), envelope) {
        Ok(body) => Ok(Decoded { id, topic, sent_at, body }),
        Err(problem) => Err(about(&topic, &problem).of(id, sent_at)),
    }
}

fn cut(kept: usize) -> Problem {
    let explanation = format!(
        "the record is longer than its source reads: only the first {kept} bytes were kept; \
         raise the limit of the source and feed the record again"
    );
    Problem::new("cut", explanation)
}

/// Names the topic of a message whose body is wrong.
fn about(topic: &str, problem: &Problem) -> Problem {
    const TOPIC_CHARS: usize = 80;
    let explanation =
        format!("{} in a message of topic {}", problem.explanation, bounded(topic, TOPIC_CHARS));
    Problem::new(problem.code, explanation)
}

/// What a message says about itself, wherever it says so.
struct Metadata<'a> {
    topic: Result<Cow<'a, str>, Problem>,
    id: MessageId,
    sent_at: SentAt,
}

impl<'a> Metadata<'a> {
    /// The envelope's own word goes first. Kafka headers fill what is missing; of a bare body they are all there is.
    fn read(envelope: &Envelope<'a>, headers: &'a [(String, Vec<u8>)]) -> Self {
        let mut topic = own_topic(envelope);
        let mut id = own_id(envelope);
        let mut sent_at = own_sent_at(envelope);
        let complete = topic.is_ok() && id != MessageId::None && sent_at != SentAt::Missing;
        let bare = envelope.contained.is_none();
        if !headers.is_empty() && (bare || !complete) {
            let headers = Headers::read(headers);
            if bare && headers.topic.is_some() {
                // `id` or `timestamp` of a bare body are fields of the body.
                (id, sent_at) = (headers.id(), headers.sent_at());
            } else {
                id = if id == MessageId::None { headers.id() } else { id };
                sent_at = if sent_at == SentAt::Missing { headers.sent_at() } else { sent_at };
            }
            if let (Some(given), true) = (headers.topic, bare || topic.is_err()) {
                topic = Ok(given);
            }
        }
        Self { topic, id, sent_at }
    }
}

fn own_topic<'a>(envelope: &Envelope<'a>) -> Result<Cow<'a, str>, Problem> {
    if envelope.topic.is_none() && envelope.raw_messages.is_some() {
        let explanation = "the record is a datagrepper page of many messages, not one: \
                           write its `raw_messages` one a line";
        return Err(Problem::new(CODE_PAGE, explanation.to_owned()));
    }
    let given = field::TOPIC.given(envelope.topic)?;
    let topic = given.text().ok_or_else(|| field::TOPIC.problem(given, "a text is needed"))?;
    if topic.is_empty() {
        return Err(Problem::new(field::TOPIC.bad, "`topic` is an empty text".to_owned()));
    }
    Ok(topic)
}

fn own_id(envelope: &Envelope<'_>) -> MessageId {
    let text = |value: Option<Value<'_>>| {
        let text = value.and_then(Value::text).filter(|text| !text.is_empty())?;
        Some(MessageId::parse(&text))
    };
    text(envelope.id).or_else(|| text(envelope.msg_id)).unwrap_or(MessageId::None)
}

fn own_sent_at(envelope: &Envelope<'_>) -> SentAt {
    match field::time(envelope.sent_at) {
        SentAt::Missing => field::time(envelope.timestamp),
        given @ (SentAt::Unreadable | SentAt::At(_)) => given,
    }
}

/// What a topic means to a route.
#[derive(Debug, Clone, Copy)]
enum Topic {
    Tag,
    Untag,
    BuildState,
    PackageList,
    Unused,
    Other,
}

impl Topic {
    fn of(route: &Route, topic: &str) -> Self {
        match topic.strip_prefix(route.topic_prefix.as_str()) {
            Some("tag") => Self::Tag,
            Some("untag") => Self::Untag,
            Some("build.state.change") => Self::BuildState,
            Some("package.list.change") => Self::PackageList,
            Some(_) => Self::Unused,
            None => Self::Other,
        }
    }
}

fn body<'a>(topic: Topic, envelope: &Envelope<'a>) -> Result<Body<'a>, Problem> {
    Ok(match topic {
        Topic::Tag => Body::Tag(tagging(body_fields(envelope)?)?),
        Topic::Untag => Body::Untag(tagging(body_fields(envelope)?)?),
        Topic::BuildState => Body::BuildState(build_state(body_fields(envelope)?)?),
        Topic::PackageList => Body::PackageList(package_list(body_fields(envelope)?)?),
        Topic::Unused => Body::Unused,
        Topic::Other => Body::OtherTopic,
    })
}

/// The fields of the body, which must be an object. Where the record contains none, it is the body itself, unless
/// it names its topic: then it is an envelope without one.
fn body_fields<'e, 'a>(envelope: &'e Envelope<'a>) -> Result<&'e Fields<'a>, Problem> {
    let (container, value) = match envelope.contained {
        Some(contained) => contained,
        None if envelope.topic.is_none() => return Ok(&envelope.fields),
        None => return field::BODY.given(None).map(|_| &envelope.fields),
    };
    let field = match container {
        Container::Body => field::BODY,
        Container::Msg => field::Field { name: "msg", ..field::BODY },
    };
    let given = field.given(Some(value))?;
    let is_object = matches!(given, Value::Json(raw) if raw.starts_with('{'));
    if is_object { Ok(&envelope.fields) } else { Err(field.problem(given, "an object is needed")) }
}

fn tagging<'a>(fields: &Fields<'a>) -> Result<Tagging<'a>, Problem> {
    Ok(Tagging {
        instance: field::INSTANCE.optional_text(fields.instance)?,
        tag: field::TAG.text(fields.tag)?,
        build_id: field::BUILD_ID.number(fields.build_id)?,
        name: field::NAME.text(fields.name)?,
        version: field::VERSION.text(fields.version)?,
        release: field::RELEASE.text(fields.release)?,
        owner: field::lenient_text(fields.owner),
        user: field::lenient_text(fields.user),
    })
}

fn build_state<'a>(fields: &Fields<'a>) -> Result<BuildState<'a>, Problem> {
    Ok(BuildState {
        instance: field::INSTANCE.optional_text(fields.instance)?,
        build_id: field::BUILD_ID.number(fields.build_id)?,
        new: field::NEW.whole(fields.new)?,
        task_id: fields.task_id.and_then(field::lenient_number),
    })
}

fn package_list<'a>(fields: &Fields<'a>) -> Result<PackageListChange<'a>, Problem> {
    Ok(PackageListChange {
        instance: field::INSTANCE.optional_text(fields.instance)?,
        tag: field::TAG.text(fields.tag)?,
        package: field::PACKAGE.text(fields.package)?,
    })
}
