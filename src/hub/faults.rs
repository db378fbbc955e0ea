//! The faults of a hub: codes, and Python's words for values.

use std::fmt::Write as _;

use crate::koji::xmlrpc::{Fault, Value};

/// What Koji answers for an exception that it has no code for.
pub(super) const UNKNOWN: i64 = 1;
/// `GenericError`.
pub(super) const GENERIC: i64 = 1000;
/// `AuthError`.
pub(super) const AUTH: i64 = 1002;
/// `TagError`.
pub(super) const TAG: i64 = 1003;
/// `ActionNotAllowed`.
pub(super) const NOT_ALLOWED: i64 = 1004;
/// `BuildError`.
pub(super) const BUILD: i64 = 1005;
/// `AuthLockError`.
pub(super) const AUTH_LOCK: i64 = 1006;
/// `AuthExpired`.
pub(super) const EXPIRED: i64 = 1007;
/// `SequenceError`.
pub(super) const SEQUENCE: i64 = 1008;
/// `RetryError`.
pub(super) const RETRY: i64 = 1009;
/// `ServerOffline`.
pub(super) const OFFLINE: i64 = 1014;
/// `ParameterError`.
pub(super) const PARAMETER: i64 = 1019;

/// A fault of the code 1000.
pub(super) fn generic(text: impl Into<String>) -> Fault {
    Fault::new(GENERIC, text)
}

/// A value that no method takes here.
pub(super) fn wrong_type(value: &Value, wanted: &str) -> Fault {
    let (shown, kind) = (text(value), kind(value));
    Fault::new(
        PARAMETER,
        format!("Invalid type for value '{shown}': <class '{kind}'>, expected type <class '{wanted}'>"),
    )
}

/// The name of the Python type that a value is read into.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Double(_) => "float",
        Value::String(_) => "str",
        Value::Bytes(_) => "xmlrpc.client.Binary",
        Value::DateTime(_) => "xmlrpc.client.DateTime",
        Value::Array(_) => "list",
        Value::Struct(_) => "dict",
    }
}

/// Python's `str()`.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| repr(value), str::to_owned)
}

/// Python's `repr()`.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Nil => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::String(words) | Value::DateTime(words) => quoted(words),
        Value::Bytes(_) => "<xmlrpc.client.Binary object>".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Struct(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", quoted(name), repr(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

fn quoted(words: &str) -> String {
    let quote = if words.contains('\'') && !words.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for letter in words.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            '\\' => shown.push_str("\\\\"),
            _ if letter == quote => {
                shown.push('\\');
                shown.push(letter);
            }
            _ if letter.is_control() => {
                // Writing to a string cannot fail.
                let written = write!(shown, "\\x{:02x}", u32::from(letter));
                debug_assert!(written.is_ok());
            }
            _ => shown.push(letter),
        }
    }
    shown.push(quote);
    shown
}

/// Python's truth of a value.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Nil => false,
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::Double(number) => *number != 0.0,
        Value::String(words) | Value::DateTime(words) => !words.is_empty(),
        Value::Bytes(bytes) => !bytes.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Struct(members) => !members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koji::xmlrpc::Struct;

    #[test]
    fn values_are_shown_as_python_shows_them() {
        for (value, shown) in [
            (Value::from("it's"), "\"it's\""),
            (Value::from("a\n\\b"), "'a\\n\\\\b'"),
            (Value::from(2.0), "2.0"),
            (Value::from(vec![Value::Nil, Value::from(true)]), "[None, True]"),
            (Value::from(Struct::new().with("a", 1)), "{'a': 1}"),
        ] {
            assert_eq!(repr(&value), shown);
        }
    }
}
