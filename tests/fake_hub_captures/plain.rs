//! Answers without what differs from run to run: times, events and sessions.

use std::collections::BTreeMap;

use tidegate::koji::xmlrpc::{Answer, Fault, Struct, Value};

use super::hub_wire::Session;

/// Numbers that stand for the same thing in ours and in theirs.
#[derive(Default)]
pub(crate) struct Names {
    /// The number of the captured session by ours.
    sessions: BTreeMap<String, String>,
}

impl Names {
    pub(crate) fn add_session(&mut self, captured: &str, ours: i64) {
        self.sessions.insert(ours.to_string(), captured.to_owned());
    }

    /// An answer, with the names of the captured run.
    pub(crate) fn plain(&self, capture: &str, answer: Answer, theirs: bool) -> Answer {
        let words = |text: &str| if theirs { text.to_owned() } else { self.words(text) };
        match answer {
            Answer::Fault(fault) => Answer::Fault(Fault::new(fault.code, words(&fault.text))),
            Answer::Value(value) => Answer::Value(plain(capture, "", value, &words)),
        }
    }

    /// A text that names one of our sessions names the captured one.
    fn words(&self, text: &str) -> String {
        for before in ["session \"", "session "] {
            let Some((head, rest)) = text.split_once(before) else { continue };
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            if let Some(captured) = self.sessions.get(number) {
                return format!("{head}{before}{captured}{tail}");
            }
        }
        text.to_owned()
    }
}

/// A value without what differs.
fn plain(capture: &str, name: &str, value: Value, words: &dyn Fn(&str) -> String) -> Value {
    let is_set = !value.is_nil();
    let differs = name.ends_with("_time")
        || name.ends_with("_ts")
        || name == "ts"
        || name.contains("_event")
        || matches!(name, "session-id" | "session-key" | "payloadhash" | "buildtime" | "description")
        || (name == "id" && (capture.starts_with("23-listRPMs-i8.2") || capture == "04-getLastEvent"));
    if differs && is_set {
        return Value::from("…");
    }
    match value {
        Value::String(text) if name == "faultString" => Value::String(words(&text)),
        // A random commit.
        Value::String(text) if name == "source" && text.contains("/pkg") => {
            Value::String(text.split('#').next().unwrap_or_default().to_owned())
        }
        // Where in the real hub's source a fault arose.
        Value::Array(lines) if name == "traceback" => Value::from(!lines.is_empty()),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| plain(capture, name, item, words)).collect())
        }
        Value::Struct(members) => {
            let members =
                members.iter().map(|(name, value)| (name, plain(capture, name, value.clone(), words)));
            Value::Struct(members.collect::<Struct>())
        }
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Double(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::DateTime(_) => value,
    }
}

/// The sessions that an answer opens, wherever they stand in it.
pub(crate) fn sessions(value: &Value) -> Vec<Session> {
    match (value, Session::from_value(value)) {
        (_, Some(session)) => vec![session],
        (Value::Array(items), None) => items.iter().flat_map(sessions).collect(),
        _ => Vec::new(),
    }
}
