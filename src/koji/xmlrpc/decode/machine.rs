//! The stack of open elements, and what each may contain.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{DecodeError, Document, Limits, clip};
use crate::koji::xmlrpc::message::{Answer, Fault};
use crate::koji::xmlrpc::stream::ListPlace;
use crate::koji::xmlrpc::value::{Struct, Value};

/// Reads opened elements, closed elements and text into a document.
pub(super) struct Machine {
    limits: Limits,
    open: Vec<Frame>,
    /// Text of the innermost element.
    text: String,
    values: usize,
    depth: usize,
    done: Option<Document>,
    /// The list of which the items are handed out, and the one that waits for it.
    items_from: Option<ListPlace>,
    item: Option<Value>,
}

/// An open element, with what was read of it.
#[derive(Debug)]
enum Frame {
    Call { method: Option<String>, params: Option<Vec<Value>> },
    Response(Option<Answer>),
    MethodName,
    Params(Vec<Value>),
    Fault(Option<Value>),
    Param(Option<Value>),
    Value(Option<Value>),
    Scalar(Scalar),
    Array(Option<Vec<Value>>),
    Data(Vec<Value>),
    Struct(Vec<(String, Value)>),
    Member { name: Option<String>, value: Option<Value> },
    Name,
}

#[derive(Debug, Clone, Copy)]
enum Scalar {
    Nil,
    Boolean,
    Int,
    Double,
    String,
    Base64,
    DateTime,
}

impl Machine {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            open: Vec::new(),
            text: String::new(),
            values: 0,
            depth: 0,
            done: None,
            items_from: None,
            item: None,
        }
    }

    pub(super) fn items_from(&mut self, place: ListPlace) {
        self.items_from = Some(place);
    }

    pub(super) fn item(&mut self) -> Option<Value> {
        self.item.take()
    }

    /// An element opens.
    pub(super) fn open(&mut self, name: &str, at: u64) -> Result<(), DecodeError> {
        let frame = match (self.open.last_mut(), name) {
            (None, "methodCall") if self.done.is_none() => Frame::Call { method: None, params: None },
            (None, "methodResponse") if self.done.is_none() => Frame::Response(None),
            (Some(Frame::Call { method: None, .. }), "methodName") => Frame::MethodName,
            (Some(Frame::Call { method: Some(_), params: None } | Frame::Response(None)), "params") => {
                Frame::Params(Vec::new())
            }
            (Some(Frame::Response(None)), "fault") => Frame::Fault(None),
            (Some(Frame::Params(_)), "param") => Frame::Param(None),
            (
                Some(
                    Frame::Fault(None)
                    | Frame::Param(None)
                    | Frame::Data(_)
                    | Frame::Member { name: Some(_), value: None },
                ),
                "value",
            ) => {
                self.count_value()?;
                Frame::Value(None)
            }
            (Some(Frame::Value(None)), _) if self.text.trim_ascii().is_empty() => inside_value(name, at)?,
            (Some(Frame::Array(None)), "data") => Frame::Data(Vec::new()),
            (Some(Frame::Struct(_)), "member") => Frame::Member { name: None, value: None },
            (Some(Frame::Member { name: None, .. }), "name") => Frame::Name,
            (parent, _) => {
                let name = clip(name);
                let place = parent.map_or("the document", |frame| frame.tag());
                return Err(wrong(format!("<{name}> has no place in {place}"), at));
            }
        };
        self.text.clear();
        self.open.push(frame);
        Ok(())
    }

    /// Text, or a part of it.
    pub(super) fn text(&mut self, text: &str, at: u64) -> Result<(), DecodeError> {
        match self.open.last() {
            Some(Frame::Value(None) | Frame::Scalar(_) | Frame::Name | Frame::MethodName) => {
                let length = u64::try_from(self.text.len().saturating_add(text.len())).unwrap_or(u64::MAX);
                if length > self.limits.text {
                    return Err(DecodeError::TextTooLong(self.limits.text));
                }
                self.text.push_str(text);
                Ok(())
            }
            _ if text.trim_ascii().is_empty() => Ok(()),
            frame => {
                let place = frame.map_or("the document", Frame::tag);
                Err(wrong(format!("text in {place}: {}", clip(text.trim())), at))
            }
        }
    }

    /// The innermost element closes.
    pub(super) fn close(&mut self, at: u64) -> Result<(), DecodeError> {
        let Some(frame) = self.open.pop() else {
            return Err(wrong("an element closes that was not opened".to_owned(), at));
        };
        let text = std::mem::take(&mut self.text);
        let tag = frame.tag();
        let is_item = matches!(frame, Frame::Value(_)) && self.is_at_items();
        let parent = self.open.last_mut();
        match (frame, parent) {
            (Frame::Call { method: Some(method), params }, None) => {
                self.done = Some(Document::Call { method, params: params.unwrap_or_default() });
            }
            (Frame::Response(Some(answer)), None) => self.done = Some(Document::Answer(answer)),
            (Frame::MethodName, Some(Frame::Call { method, .. })) if !text.is_empty() => *method = Some(text),
            (Frame::Params(read), Some(Frame::Call { params, .. })) => *params = Some(read),
            (Frame::Params(mut read), Some(Frame::Response(answer))) => {
                let (Some(result), true) = (read.pop(), read.is_empty()) else {
                    return Err(wrong("an answer without exactly one value".to_owned(), at));
                };
                *answer = Some(Answer::Value(result));
            }
            (Frame::Fault(Some(value)), Some(Frame::Response(answer))) => {
                let Some(fault) = value.as_struct().and_then(Fault::from_members) else {
                    return Err(wrong("a fault without code and text".to_owned(), at));
                };
                *answer = Some(Answer::Fault(fault));
            }
            (Frame::Param(Some(value)), Some(Frame::Params(all))) => all.push(value),
            (Frame::Value(value), Some(_)) if is_item => {
                self.depth = self.depth.saturating_sub(1);
                self.values = 0;
                self.item = Some(value.unwrap_or(Value::String(text)));
            }
            (Frame::Value(value), Some(parent)) => {
                self.depth = self.depth.saturating_sub(1);
                put(parent, value.unwrap_or(Value::String(text)));
            }
            (Frame::Scalar(kind), Some(Frame::Value(place))) => *place = Some(scalar(kind, text, at)?),
            (Frame::Array(Some(items)), Some(Frame::Value(place))) => *place = Some(Value::Array(items)),
            (Frame::Data(items), Some(Frame::Array(place))) => *place = Some(items),
            (Frame::Struct(members), Some(Frame::Value(place))) => {
                let members = Struct::from_members(members)
                    .map_err(|name| wrong(format!("two members named {}", clip(&name)), at))?;
                *place = Some(Value::Struct(members));
            }
            (Frame::Member { name: Some(name), value: Some(value) }, Some(Frame::Struct(members))) => {
                members.push((name, value));
            }
            (Frame::Name, Some(Frame::Member { name, .. })) => *name = Some(text),
            _ => return Err(wrong(format!("{tag} closes before it is complete"), at)),
        }
        Ok(())
    }

    /// The document ends.
    pub(super) fn finish(&mut self, at: u64) -> Result<Document, DecodeError> {
        let document = if self.open.is_empty() { self.done.take() } else { None };
        document.ok_or(DecodeError::Incomplete { at })
    }

    /// Whether the innermost open element is the list of which the items are handed out.
    fn is_at_items(&self) -> bool {
        let Some(place) = self.items_from else { return false };
        match (place, self.open.as_slice()) {
            (
                ListPlace::Answer,
                [
                    Frame::Response(_),
                    Frame::Params(_),
                    Frame::Param(_),
                    Frame::Value(_),
                    Frame::Array(_),
                    Frame::Data(_),
                ],
            ) => true,
            (
                ListPlace::Member(wanted),
                [
                    Frame::Response(_),
                    Frame::Params(_),
                    Frame::Param(_),
                    Frame::Value(_),
                    Frame::Struct(_),
                    Frame::Member { name: Some(name), .. },
                    Frame::Value(_),
                    Frame::Array(_),
                    Frame::Data(_),
                ],
            ) => name == wanted,
            _ => false,
        }
    }

    fn count_value(&mut self) -> Result<(), DecodeError> {
        self.values += 1;
        self.depth += 1;
        if self.values > self.limits.values {
            return Err(DecodeError::TooMany(self.limits.values));
        }
        if self.depth > self.limits.depth {
            return Err(DecodeError::TooDeep(self.limits.depth));
        }
        Ok(())
    }
}

impl Frame {
    fn tag(&self) -> &'static str {
        match self {
            Self::Call { .. } => "<methodCall>",
            Self::Response(_) => "<methodResponse>",
            Self::MethodName => "<methodName>",
            Self::Params(_) => "<params>",
            Self::Fault(_) => "<fault>",
            Self::Param(_) => "<param>",
            Self::Value(_) => "<value>",
            Self::Scalar(Scalar::Nil) => "<nil>",
            Self::Scalar(Scalar::Boolean) => "<boolean>",
            Self::Scalar(Scalar::Int) => "<int>",
            Self::Scalar(Scalar::Double) => "<double>",
            Self::Scalar(Scalar::String) => "<string>",
            Self::Scalar(Scalar::Base64) => "<base64>",
            Self::Scalar(Scalar::DateTime) => "<dateTime.iso8601>",
            Self::Array(_) => "<array>",
            Self::Data(_) => "<data>",
            Self::Struct(_) => "<struct>",
            Self::Member { .. } => "<member>",
            Self::Name => "<name>",
        }
    }
}

fn inside_value(name: &str, at: u64) -> Result<Frame, DecodeError> {
    Ok(Frame::Scalar(match name {
        "array" => return Ok(Frame::Array(None)),
        "struct" => return Ok(Frame::Struct(Vec::new())),
        "nil" | "ex:nil" => Scalar::Nil,
        "boolean" => Scalar::Boolean,
        "int" | "i4" | "i8" | "i1" | "i2" | "biginteger" => Scalar::Int,
        "double" | "float" => Scalar::Double,
        "string" => Scalar::String,
        "base64" => Scalar::Base64,
        "dateTime.iso8601" => Scalar::DateTime,
        _ => {
            let name = clip(name);
            return Err(wrong(format!("<{name}> is no type of a value"), at));
        }
    }))
}

/// Gives a complete value to the element that holds it; which may hold one was checked when it opened.
fn put(parent: &mut Frame, value: Value) {
    match parent {
        Frame::Fault(place) | Frame::Param(place) | Frame::Member { value: place, .. } => {
            *place = Some(value);
        }
        Frame::Data(items) => items.push(value),
        Frame::Call { .. }
        | Frame::Response(_)
        | Frame::MethodName
        | Frame::Params(_)
        | Frame::Value(_)
        | Frame::Scalar(_)
        | Frame::Array(_)
        | Frame::Struct(_)
        | Frame::Name => {}
    }
}

fn scalar(kind: Scalar, text: String, at: u64) -> Result<Value, DecodeError> {
    let bad = |what: &str| wrong(format!("{} is no {what}", clip(&text)), at);
    let word = text.trim_ascii();
    Ok(match kind {
        Scalar::Nil if word.is_empty() => Value::Nil,
        Scalar::Nil => return Err(bad("nil")),
        Scalar::Boolean => match word {
            "0" => Value::Bool(false),
            "1" => Value::Bool(true),
            _ => return Err(bad("boolean")),
        },
        Scalar::Int => Value::Int(word.parse().map_err(|_| bad("whole number of 64 bit"))?),
        Scalar::Double => match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Double(number),
            _ => return Err(bad("finite number")),
        },
        Scalar::String => Value::String(text),
        Scalar::Base64 => {
            let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            Value::Bytes(STANDARD.decode(packed).map_err(|_| bad("base64"))?)
        }
        Scalar::DateTime => Value::DateTime(word.to_owned()),
    })
}

fn wrong(problem: String, at: u64) -> DecodeError {
    DecodeError::NotXmlRpc { problem, at }
}
