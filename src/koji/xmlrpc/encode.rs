//! Writes XML-RPC, byte for byte as Koji's Python does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::message::{Answer, Call, Fault, STARSTAR};
use super::value::{Struct, Value};

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// XML has no way to carry this character.
    #[error("the character U+{0:04X} cannot be sent: XML has no way to write it")]
    Character(u32),
    /// Infinity, or not a number.
    #[error("a number that is infinite or undefined cannot be sent")]
    NotFinite,
}

impl Call {
    /// The body of the request.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let mut out = String::from("<?xml version='1.0'?>\n<methodCall>\n<methodName>");
        text(&mut out, &self.method)?;
        out.push_str("</methodName>\n<params>\n");
        for param in &self.params {
            write_param(&mut out, param)?;
        }
        if !self.named.is_empty() {
            let mut named = self.named.clone();
            named.insert(STARSTAR, true);
            write_param(&mut out, &Value::Struct(named))?;
        }
        out.push_str("</params>\n</methodCall>\n");
        Ok(out)
    }
}

impl Answer {
    /// The body of the answer, as a hub writes it.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n");
        match self {
            Self::Value(result) => {
                out.push_str("<params>\n");
                write_param(&mut out, result)?;
                out.push_str("</params>\n");
            }
            Self::Fault(fault) => {
                out.push_str("<fault>\n");
                value(&mut out, &Value::Struct(fault_members(fault)))?;
                out.push_str("</fault>\n");
            }
        }
        out.push_str("</methodResponse>\n");
        Ok(out)
    }
}

fn fault_members(fault: &Fault) -> Struct {
    Struct::new().with("faultCode", fault.code).with("faultString", fault.text.as_str())
}

fn write_param(out: &mut String, param: &Value) -> Result<(), EncodeError> {
    out.push_str("<param>\n");
    value(out, param)?;
    out.push_str("</param>\n");
    Ok(())
}

fn value(out: &mut String, value: &Value) -> Result<(), EncodeError> {
    match value {
        // Koji writes no line feed after a nil, and one after everything else.
        Value::Nil => out.push_str("<value><nil/></value>"),
        Value::Bool(truth) => scalar(out, "boolean", if *truth { "1" } else { "0" }),
        Value::Int(number) => {
            scalar(out, if i32::try_from(*number).is_ok() { "int" } else { "i8" }, &number.to_string());
        }
        Value::Double(number) => scalar(out, "double", &python_repr(*number)?),
        Value::String(content) => {
            out.push_str("<value><string>");
            text(out, content)?;
            out.push_str("</string></value>\n");
        }
        Value::Bytes(bytes) => base64_lines(out, bytes),
        Value::DateTime(time) => {
            out.push_str("<value><dateTime.iso8601>");
            text(out, time)?;
            out.push_str("</dateTime.iso8601></value>\n");
        }
        Value::Array(items) => {
            out.push_str("<value><array><data>\n");
            for item in items {
                self::value(out, item)?;
            }
            out.push_str("</data></array></value>\n");
        }
        Value::Struct(members) => write_struct(out, members)?,
    }
    Ok(())
}

fn write_struct(out: &mut String, members: &Struct) -> Result<(), EncodeError> {
    out.push_str("<value><struct>\n");
    for (name, member) in members.iter() {
        out.push_str("<member>\n<name>");
        text(out, name)?;
        out.push_str("</name>\n");
        value(out, member)?;
        out.push_str("</member>\n");
    }
    out.push_str("</struct></value>\n");
    Ok(())
}

fn scalar(out: &mut String, tag: &str, content: &str) {
    for part in ["<value><", tag, ">", content, "</", tag, "></value>\n"] {
        out.push_str(part);
    }
}

fn text(out: &mut String, content: &str) -> Result<(), EncodeError> {
    for character in content.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => return Err(EncodeError::Character(character.into())),
            _ => out.push(character),
        }
    }
    Ok(())
}

/// Lines of 76 characters, each ended by a line feed.
fn base64_lines(out: &mut String, bytes: &[u8]) {
    const BYTES_A_LINE: usize = 57;
    out.push_str("<value><base64>\n");
    for line in bytes.chunks(BYTES_A_LINE) {
        STANDARD.encode_string(line, out);
        out.push('\n');
    }
    out.push_str("</base64></value>\n");
}

/// A double as Python's `repr` writes it: the shortest digits that read back the same, an exponent from 1e16 on and
/// below 1e-4.
fn python_repr(number: f64) -> Result<String, EncodeError> {
    if !number.is_finite() {
        return Err(EncodeError::NotFinite);
    }
    let scientific = format!("{number:e}");
    let exponent =
        scientific.split_once('e').and_then(|(digits, power)| Some((digits, power.parse::<i32>().ok()?)));
    match exponent {
        Some((digits, power)) if !(-4..16).contains(&power) => {
            let sign = if power < 0 { '-' } else { '+' };
            Ok(format!("{digits}e{sign}{:02}", power.abs()))
        }
        _ => Ok(format!("{number:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(item: impl Into<Value>) -> String {
        let mut out = String::new();
        value(&mut out, &item.into()).unwrap();
        out
    }

    #[test]
    fn every_kind_of_value_is_written_as_koji_does() {
        for (item, expected) in [
            (Value::Nil, "<value><nil/></value>"),
            (Value::from(true), "<value><boolean>1</boolean></value>\n"),
            (Value::from(i64::from(i32::MAX)), "<value><int>2147483647</int></value>\n"),
            (Value::from(2_147_483_648), "<value><i8>2147483648</i8></value>\n"),
            (Value::from(i64::from(i32::MIN)), "<value><int>-2147483648</int></value>\n"),
            (Value::from(-2_147_483_649), "<value><i8>-2147483649</i8></value>\n"),
            (Value::from("a<b & c>\r\n"), "<value><string>a&lt;b &amp; c&gt;&#13;\n</string></value>\n"),
            (Value::from("\u{e9}\u{1f980}"), "<value><string>\u{e9}\u{1f980}</string></value>\n"),
            (Value::Bytes(b"hub".to_vec()), "<value><base64>\naHVi\n</base64></value>\n"),
            (
                Value::DateTime("20261124T03:09:01".to_owned()),
                "<value><dateTime.iso8601>20261124T03:09:01</dateTime.iso8601></value>\n",
            ),
            (Value::Array(vec![]), "<value><array><data>\n</data></array></value>\n"),
            (
                Value::from(Struct::new().with("a", Value::Nil).with("b", 1)),
                "<value><struct>\n<member>\n<name>a</name>\n<value><nil/></value></member>\n\
                 <member>\n<name>b</name>\n<value><int>1</int></value>\n</member>\n</struct></value>\n",
            ),
        ] {
            assert_eq!(written(item), expected);
        }
    }

    #[test]
    fn doubles_are_written_as_python_does() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (2.0, "2.0"),
            (1_795_489_730.432_786, "1795489730.432786"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (-5e-324, "-5e-324"),
        ] {
            assert_eq!(python_repr(number).as_deref(), Ok(expected));
        }
        assert_eq!(python_repr(f64::INFINITY), Err(EncodeError::NotFinite));
    }

    #[test]
    fn what_xml_cannot_carry_is_refused() {
        for (bad, code) in [("a\0", 0), ("\u{1b}[1m", 0x1b), ("\u{ffff}", 0xffff)] {
            let call = Call::new("getTag").arg(bad);
            assert_eq!(call.encode(), Err(EncodeError::Character(code)));
        }
    }
}
