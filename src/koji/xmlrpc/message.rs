//! Calls and answers: what the values of a body stand for.

use super::decode::{DecodeError, Document, Limits, decode};
use super::value::{Struct, Value};

/// The member by which Koji knows that a last struct carries named arguments.
pub(super) const STARSTAR: &str = "__starstar";

/// A call of a method: what a client sends and a hub reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// The method's name.
    pub method: String,
    /// The arguments given by position.
    pub params: Vec<Value>,
    /// The arguments given by name, without the mark `__starstar`.
    pub named: Struct,
}

/// What a hub answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The method's result.
    Value(Value),
    /// The method, or the hub before it, refused.
    Fault(Fault),
}

/// A fault: the hub's way to say that a call did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault {code}: {text}")]
pub struct Fault {
    /// Koji's code, 1000 to 1024, or 1 for an exception that Koji has no code for.
    pub code: i64,
    /// The hub's words.
    pub text: String,
}

impl Call {
    /// A call without arguments.
    pub fn new(method: impl Into<String>) -> Self {
        Self { method: method.into(), params: Vec::new(), named: Struct::new() }
    }

    /// This call with one more argument by position.
    #[must_use]
    pub fn arg(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// This call with one more argument by name.
    #[must_use]
    pub fn named(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.named.insert(name, value);
        self
    }

    /// This call with one more argument by name if there is a value for it.
    #[must_use]
    pub fn named_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.named(name, value),
            None => self,
        }
    }

    /// One call that carries others. The hub runs them in one transaction, each with a savepoint of its own.
    pub fn multi(calls: impl IntoIterator<Item = Self>) -> Self {
        let entries: Vec<Value> = calls.into_iter().map(Self::into_entry).collect();
        Self::new("multiCall").arg(entries)
    }

    /// The calls that a `multiCall` (or `system.multicall`) carries; `None` where this is none.
    pub fn entries(&self) -> Option<Vec<Self>> {
        let ("multiCall" | "system.multicall", [Value::Array(entries)]) =
            (self.method.as_str(), self.params.as_slice())
        else {
            return None;
        };
        entries.iter().map(Self::from_entry).collect()
    }

    /// Reads the body of a request.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        match decode(body, limits)? {
            Document::Call { method, params } => Ok(Self::split(method, params)),
            Document::Answer(_) => Err(DecodeError::Unexpected { found: "an answer", wanted: "a call" }),
        }
    }

    fn into_entry(mut self) -> Value {
        if !self.named.is_empty() {
            self.named.insert(STARSTAR, true);
            self.params.push(Value::Struct(self.named));
        }
        Value::Struct(Struct::new().with("methodName", self.method).with("params", Value::Array(self.params)))
    }

    fn from_entry(entry: &Value) -> Option<Self> {
        let members = entry.as_struct()?;
        let method = members.get("methodName")?.as_str()?.to_owned();
        let params = members.get("params")?.as_array()?.to_vec();
        Some(Self::split(method, params))
    }

    /// Parts the named arguments from the others.
    fn split(method: String, mut params: Vec<Value>) -> Self {
        let marked =
            |value: &Value| matches!(value, Value::Bool(true)) || value.as_int().is_some_and(|n| n != 0);
        let is_named = |value: &mut Value| {
            value.as_struct().and_then(|members| members.get(STARSTAR)).is_some_and(marked)
        };
        let mut named = Struct::new();
        if let Some(Value::Struct(members)) = params.pop_if(is_named) {
            named = members;
            named.remove(STARSTAR);
        }
        Self { method, params, named }
    }
}

impl Answer {
    /// Reads the body of an answer.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        Self::from_document(decode(body, limits)?)
    }

    pub(super) fn from_document(document: Document) -> Result<Self, DecodeError> {
        match document {
            Document::Answer(answer) => Ok(answer),
            Document::Call { .. } => Err(DecodeError::Unexpected { found: "a call", wanted: "an answer" }),
        }
    }

    /// The result, or the fault as an error.
    pub fn into_result(self) -> Result<Value, Fault> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Fault(fault) => Err(fault),
        }
    }

    /// The answer as it stands among those of a `multiCall`: a result in an array of its own, a fault as a struct.
    pub fn into_entry(self) -> Value {
        match self {
            Self::Value(value) => Value::Array(vec![value]),
            Self::Fault(Fault { code, text }) => Value::Struct(
                Struct::new()
                    .with("faultCode", code)
                    .with("faultString", text.as_str())
                    .with("traceback", vec![format!("{text}\n")]),
            ),
        }
    }

    /// The opposite of [`Answer::into_entry`]; `None` for what is neither a result nor a fault. The traceback that a
    /// hub adds is left out: it tells of the hub's source, not of the call.
    pub fn from_entry(entry: Value) -> Option<Self> {
        match entry {
            Value::Array(mut items) if items.len() == 1 => items.pop().map(Self::Value),
            Value::Struct(members) => Fault::from_members(&members).map(Self::Fault),
            Value::Nil
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::DateTime(_)
            | Value::Array(_) => None,
        }
    }
}

impl Fault {
    /// A fault with that code and those words.
    pub fn new(code: i64, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// From a struct with `faultCode` and `faultString`.
    pub fn from_members(members: &Struct) -> Option<Self> {
        let code = members.get("faultCode")?.as_int()?;
        let text = members.get("faultString")?.as_str()?;
        Some(Self::new(code, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: &str = "<?xml version='1.0'?>\n<methodCall>\n<methodName>build</methodName>\n<params>\n<param>\n\
        <value><string>git+https://src.example/rpms/zlib#1f</string></value>\n</param>\n<param>\n\
        <value><struct>\n<member>\n<name>priority</name>\n<value><int>5</int></value>\n</member>\n\
        <member>\n<name>__starstar</name>\n<value><boolean>1</boolean></value>\n</member>\n</struct></value>\n\
        </param>\n</params>\n</methodCall>\n";

    fn build() -> Call {
        Call::new("build").arg("git+https://src.example/rpms/zlib#1f").named("priority", 5)
    }

    #[test]
    fn named_arguments_are_a_last_struct_with_a_mark() {
        assert_eq!(build().encode().as_deref(), Ok(BUILD));
        assert_eq!(Call::decode(BUILD.as_bytes(), &Limits::default()), Ok(build()));
    }

    #[test]
    fn a_last_struct_without_the_mark_is_an_argument_like_others() {
        let opts = Struct::new().with("draft", true);
        for mark in [None, Some(Value::from(false)), Some(Value::from(0)), Some(Value::from("yes"))] {
            let call = Call::new("build").arg("x").arg(opts.clone().with_some(STARSTAR, mark));
            let read = Call::decode(call.encode().unwrap().as_bytes(), &Limits::default());
            assert_eq!(read, Ok(call));
        }
    }

    #[test]
    fn a_multi_call_carries_calls_and_brings_results_and_faults() {
        let calls = [build(), Call::new("getLastEvent"), Call::multi([Call::new("getKojiVersion")])];
        let multi = Call::multi(calls.clone());
        let read = Call::decode(multi.encode().unwrap().as_bytes(), &Limits::default()).unwrap();
        assert_eq!(read.entries(), Some(calls.to_vec()));
        assert_eq!(build().entries(), None);

        for answer in
            [Answer::Value(Value::Nil), Answer::Fault(Fault::new(1003, "build x already tagged (eln)"))]
        {
            assert_eq!(Answer::from_entry(answer.clone().into_entry()), Some(answer));
        }
        for strange in [Value::Nil, Value::Array(vec![]), Value::from(vec![1, 2]), Value::from(Struct::new())]
        {
            assert_eq!(Answer::from_entry(strange), None);
        }
    }

    #[test]
    fn answers_and_faults_read_back() {
        for answer in [
            Answer::Value(Value::from(vec![
                Value::Nil,
                Value::from("27 > 21 & <b>\r\n"),
                Value::from(5_000_000_000),
            ])),
            Answer::Fault(Fault::new(1008, "27 > 21 (session 8)")),
        ] {
            let body = answer.encode().unwrap();
            assert_eq!(Answer::decode(body.as_bytes(), &Limits::default()), Ok(answer));
            assert!(Call::decode(body.as_bytes(), &Limits::default()).is_err());
        }
    }
}
