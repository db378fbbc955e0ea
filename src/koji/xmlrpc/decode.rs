//! Reads XML-RPC within bounds: each element is a step of a machine with a stack of its own, so that no document can
//! cost more than its [`Limits`], however it is made.

mod machine;

use quick_xml::Reader;
use quick_xml::events::Event;

use self::machine::Machine;
use super::message::Answer;
use super::stream::ListPlace;
use super::value::Value;

/// What a document may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole document.
    pub bytes: u64,
    /// Bytes of one piece of text, or of one tag.
    pub text: u64,
    /// Values inside values inside values.
    pub depth: usize,
    /// Values in all.
    pub values: usize,
}

impl Default for Limits {
    /// 16 MiB, 2 MiB of them in one text, 64 deep, 200,000 values: 6,000 builds of `listTagged`, and less than 50 MB of memory for the
    /// worst document that keeps within them.
    fn default() -> Self {
        Self { bytes: 16 << 20, text: 2 << 20, depth: 64, values: 200_000 }
    }
}

/// Why a body is no XML-RPC document. No text of the body is repeated here beyond a few dozen characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Over [`Limits::bytes`].
    #[error("longer than {0} bytes")]
    TooLong(u64),
    /// Over [`Limits::text`].
    #[error("a single text or tag longer than {0} bytes")]
    TextTooLong(u64),
    /// Over [`Limits::depth`].
    #[error("values nested deeper than {0}")]
    TooDeep(usize),
    /// Over [`Limits::values`].
    #[error("more than {0} values")]
    TooMany(usize),
    /// It ends in the middle, or is empty.
    #[error("ends after {at} bytes, before it is complete")]
    Incomplete {
        /// Bytes read.
        at: u64,
    },
    /// Declarations and entities of its own, which no hub sends and which can blow a document up.
    #[error("contains {what} at byte {at}, which XML-RPC does not have")]
    Forbidden {
        /// What it contains, with its article.
        what: &'static str,
        /// Where.
        at: u64,
    },
    /// Not well-formed XML.
    #[error("not XML: {problem} (at byte {at})")]
    NotXml {
        /// What is wrong.
        problem: String,
        /// Where.
        at: u64,
    },
    /// XML, but not XML-RPC.
    #[error("not XML-RPC: {problem} (at byte {at})")]
    NotXmlRpc {
        /// What is wrong.
        problem: String,
        /// Where.
        at: u64,
    },
    /// A call where an answer was wanted, or the other way.
    #[error("{found} instead of {wanted}")]
    Unexpected {
        /// What it is.
        found: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
    /// The bytes stopped coming.
    #[error("could not be read to its end: {0}")]
    Broken(String),
}

/// A whole document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Document {
    /// `<methodCall>`.
    Call {
        /// The method's name.
        method: String,
        /// All arguments, a struct of named ones included.
        params: Vec<Value>,
    },
    /// `<methodResponse>`.
    Answer(Answer),
}

/// The machine that takes the events of an XML reader one by one.
pub(super) struct Decoder {
    machine: Machine,
}

impl Decoder {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { machine: Machine::new(limits) }
    }

    /// Hands out the items of the list at `place` one by one, by [`Decoder::item`], instead of keeping them. Each may
    /// hold as many values as a document otherwise may.
    pub(super) fn item_by_item(mut self, place: ListPlace) -> Self {
        self.machine.items_from(place);
        self
    }

    /// The item that was complete with the last event.
    pub(super) fn item(&mut self) -> Option<Value> {
        self.machine.item()
    }

    /// Takes one event that ended at byte `at`; the document once there is no more to come.
    pub(super) fn take(&mut self, event: Event<'_>, at: u64) -> Result<Option<Document>, DecodeError> {
        let forbidden = |what| Err(DecodeError::Forbidden { what, at });
        match event {
            Event::Start(tag) => self.machine.open(tag.name().as_ref(), at)?,
            Event::End(_) => self.machine.close(at)?,
            Event::Text(text) => self.machine.text(&text.xml10_content(), at)?,
            Event::CData(text) => self.machine.text(&text.xml10_content(), at)?,
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref() {
                    Ok(Some(character)) => character,
                    Ok(None) => match predefined(&reference.into_inner()) {
                        Some(character) => character,
                        None => return forbidden("an entity of its own"),
                    },
                    Err(_) => return forbidden("a reference to no character"),
                };
                self.machine.text(character.encode_utf8(&mut [0; 4]), at)?;
            }
            Event::Decl(declaration) => match declaration.encoding() {
                None => {}
                Some(Ok(name)) if ["utf-8", "us-ascii"].contains(&name.to_ascii_lowercase().as_str()) => {}
                Some(_) => return forbidden("another encoding than UTF-8"),
            },
            Event::Comment(_) => {}
            Event::DocType(_) => return forbidden("a document type"),
            Event::PI(_) => return forbidden("a processing instruction"),
            // The reader is told to open and close empty elements.
            Event::Empty(_) => return forbidden("an element that was not opened"),
            Event::Eof => return self.machine.finish(at).map(Some),
        }
        Ok(None)
    }
}

/// The five entities that XML has without a document type.
fn predefined(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// Sets a reader up as the decoder wants it.
pub(super) fn configure<R>(reader: &mut Reader<R>) {
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;
}

/// What the XML reader complains of, in short.
pub(super) fn not_xml(error: &quick_xml::Error, at: u64) -> DecodeError {
    use quick_xml::errors::{IllFormedError, SyntaxError};
    match error {
        quick_xml::Error::Syntax(SyntaxError::UnclosedDoctype) => {
            DecodeError::Forbidden { what: "a document type", at }
        }
        quick_xml::Error::Syntax(_) | quick_xml::Error::IllFormed(IllFormedError::MissingEndTag(_)) => {
            DecodeError::Incomplete { at }
        }
        quick_xml::Error::Io(_)
        | quick_xml::Error::IllFormed(_)
        | quick_xml::Error::InvalidAttr(_)
        | quick_xml::Error::Encoding(_)
        | quick_xml::Error::Escape(_)
        | quick_xml::Error::Namespace(_) => DecodeError::NotXml { problem: clip(&error.to_string()), at },
    }
}

/// The beginning of a text that may be of any length.
pub(super) fn clip(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut short: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('\u{2026}');
    }
    short
}

/// Reads a document that is in memory.
pub(super) fn decode(body: &[u8], limits: &Limits) -> Result<Document, DecodeError> {
    if u64::try_from(body.len()).is_ok_and(|length| length > limits.bytes) {
        return Err(DecodeError::TooLong(limits.bytes));
    }
    let mut reader = Reader::from_reader(body);
    configure(&mut reader);
    let mut decoder = Decoder::new(limits);
    let mut buffer = Vec::new();
    loop {
        let start = reader.buffer_position();
        let event = reader.read_event_into(&mut buffer);
        let at = reader.buffer_position();
        if at.saturating_sub(start) > limits.text {
            return Err(DecodeError::TextTooLong(limits.text));
        }
        match event {
            Ok(event) => {
                if let Some(document) = decoder.take(event, at)? {
                    return Ok(document);
                }
            }
            Err(error) => return Err(not_xml(&error, at)),
        }
        buffer.clear();
    }
}

#[cfg(test)]
mod tests;
