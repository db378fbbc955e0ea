//! JSON values as YAML 1.2, in blocks; every text stands in double quotes, so that none is taken for something else.

use serde_json::Value;

use crate::text::is_unsafe;

/// A document.
pub(super) fn text(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
}

/// Writes a value behind a key or a dash, or at the start, and ends its line. Members of what is nested stand `indent` deep.
fn write_value(to: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (key, member)) in members.iter().enumerate() {
                pad(to, if index == 0 { 0 } else { indent });
                write_text(to, key, true);
                to.push(':');
                write_nested(to, member, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                pad(to, if index == 0 { 0 } else { indent });
                to.push_str("- ");
                write_value(to, item, indent + 2);
            }
        }
        Value::String(text) => {
            write_text(to, text, false);
            to.push('\n');
        }
        Value::Object(_) => to.push_str("{}\n"),
        Value::Array(_) => to.push_str("[]\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            to.push_str(&value.to_string());
            to.push('\n');
        }
    }
}

/// The value of a key: on its line, or below and deeper where it has members.
fn write_nested(to: &mut String, value: &Value, indent: usize) {
    let has_members = match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if has_members {
        to.push('\n');
        pad(to, indent + 2);
        write_value(to, value, indent + 2);
    } else {
        to.push(' ');
        write_value(to, value, indent + 2);
    }
}

fn pad(to: &mut String, indent: usize) {
    to.push_str(&" ".repeat(indent));
}

/// A key stands bare where nothing can be taken amiss.
fn write_text(to: &mut String, text: &str, key: bool) {
    let is_bare = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text);
    if key && is_bare {
        return to.push_str(text);
    }
    to.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => to.extend(['\\', c]),
            _ if is_unsafe(c) && u32::from(c) > 0xffff => to.extend([format!("\\U{:08x}", u32::from(c))]),
            _ if is_unsafe(c) => to.extend([format!("\\u{:04x}", u32::from(c))]),
            _ => to.push(c),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_values_stand_deeper() {
        let value = json!({
            "a": 1, "b": [], "c": {"d": null, "e": [true, "no", {"f": "x\"\\", "g": [1.5]}]}, "no": {}, "Z z": "\u{1b}\u{e0041}"
        });
        let expected = r#"Z z: "\u001b\U000e0041"
a: 1
b: []
c:
  d: null
  e:
    - true
    - "no"
    - f: "x\"\\"
      g:
        - 1.5
no: {}
"#;
        let expected = expected.replace("Z z:", "\"Z z\":").replace("\nno:", "\n\"no\":");
        assert_eq!(text(&value), expected);
        assert_eq!(text(&json!("yes")), "\"yes\"\n");
    }
}
