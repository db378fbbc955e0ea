//! What is read, what is refused, and that both readers agree.

use proptest::prelude::*;

use super::*;
use crate::koji::xmlrpc::{Call, Fault, Struct, read_answer};

#[expect(clippy::panic_in_result_fn, reason = "readers that disagree fail the test")]
fn answer(body: &str) -> Result<Answer, DecodeError> {
    let limits = Limits::default();
    let read = Answer::decode(body.as_bytes(), &limits);
    assert_eq!(streamed(body.as_bytes(), &limits), read, "the readers disagree on {}", clip(body));
    read
}

/// Reads through the streaming reader, whose bytes come one at a time.
#[expect(clippy::unwrap_in_result, reason = "a test without a runtime has failed")]
fn streamed(body: &[u8], limits: &Limits) -> Result<Answer, DecodeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(read_answer(tokio::io::BufReader::with_capacity(1, body), limits))
}

fn value(inside: &str) -> Result<Value, DecodeError> {
    let body = format!("<methodResponse><params><param>{inside}</param></params></methodResponse>");
    answer(&body).map(|answer| answer.into_result().unwrap())
}

#[test]
fn every_spelling_of_a_value_is_read() {
    let members = Struct::new().with("a", Value::Nil).with("b c", "");
    for (spelling, expected) in [
        ("<value><nil/></value>", Value::Nil),
        ("<value>\n <ex:nil></ex:nil>\n</value>", Value::Nil),
        ("<value><boolean> 1 </boolean></value>", Value::Bool(true)),
        ("<value><i4>-7</i4></value>", Value::Int(-7)),
        ("<value><int>5000000000</int></value>", Value::Int(5_000_000_000)),
        ("<value><i8>-9223372036854775808</i8></value>", Value::Int(i64::MIN)),
        ("<value><double>1795489730.432786</double></value>", Value::Double(1_795_489_730.432_786)),
        ("<value><double>1e+16</double></value>", Value::Double(1e16)),
        ("<value><string> a&lt;b&#x1F980;&#13;\r\n</string></value>", Value::from(" a<b\u{1f980}\r\n")),
        ("<value><string><![CDATA[<&>]]></string></value>", Value::from("<&>")),
        ("<value><string/></value>", Value::from("")),
        ("<value>bare &amp; simple</value>", Value::from("bare & simple")),
        ("<value/>", Value::from("")),
        ("<value><!-- seen --><string>x<!-- y -->z</string></value>", Value::from("xz")),
        ("<value><base64>\naHVi\n</base64></value>", Value::Bytes(b"hub".to_vec())),
        ("<value><dateTime.iso8601>20261124T03:09:01</dateTime.iso8601></value>", {
            Value::DateTime("20261124T03:09:01".to_owned())
        }),
        ("<value><array><data/></array></value>", Value::Array(vec![])),
        ("<value><struct></struct></value>", Value::Struct(Struct::new())),
        (
            "<value><struct><member><name>a</name><value><nil/></value></member>\
             <member><name>b c</name><value></value></member></struct></value>",
            Value::Struct(members),
        ),
    ] {
        assert_eq!(value(spelling), Ok(expected), "{spelling}");
    }
}

#[test]
fn wrong_values_are_named_with_their_place() {
    for (spelling, words) in [
        ("<value><int>seven</int></value>", "seven is no whole number"),
        ("<value><int>9223372036854775808</int></value>", "no whole number of 64 bit"),
        ("<value><boolean>true</boolean></value>", "true is no boolean"),
        ("<value><double>inf</double></value>", "inf is no finite number"),
        ("<value><base64>!</base64></value>", "! is no base64"),
        ("<value><nil>0</nil></value>", "0 is no nil"),
        ("<value><money>1</money></value>", "<money> is no type of a value"),
        ("<value><int>1</int><int>2</int></value>", "<int> has no place in <value>"),
        ("<value>text<int>1</int></value>", "<int> has no place in <value>"),
        ("<value><array><value/></array></value>", "<value> has no place in <array>"),
        ("<value><array></array></value>", "<array> closes before it is complete"),
        ("<value><struct><member><value/></member></struct></value>", "<value> has no place in <member>"),
        (
            "<value><struct><member><name>x</name></member></struct></value>",
            "<member> closes before it is complete",
        ),
        (
            "<value><struct><member><name>x</name><value/></member>\
             <member><name>x</name><value/></member></struct></value>",
            "two members named x",
        ),
        ("", "<param> closes before it is complete"),
        ("<value/></param><param><value/>", "an answer without exactly one value"),
    ] {
        let message = value(spelling).unwrap_err().to_string();
        assert!(message.contains(words), "{spelling}: {message}");
    }
}

#[test]
fn documents_that_are_no_answer_are_refused_with_a_short_reason() {
    let secret = "s".repeat(100_000);
    for (body, words) in [
        (String::new(), "ends after 0 bytes"),
        ("Invalid request: Empty request\n".to_owned(), "text in the document: Invalid request"),
        ("<html><body>502</body></html>".to_owned(), "<html> has no place in the document"),
        ("<!DOCTYPE html><html></html>".to_owned(), "a document type"),
        (
            "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><methodResponse/>".to_owned(),
            "a document type",
        ),
        ("<?xml version='1.0' encoding='latin-1'?><methodResponse/>".to_owned(), "another encoding"),
        ("<?php exit ?><methodResponse/>".to_owned(), "a processing instruction"),
        ("<methodResponse/>".to_owned(), "<methodResponse> closes before it is complete"),
        ("<methodResponse><fault><value/></fault></methodResponse>".to_owned(), "a fault without code"),
        ("<methodResponse><params>".to_owned(), "before it is complete"),
        ("<methodResponse><params><param><val".to_owned(), "before it is complete"),
        ("<methodResponse></params>".to_owned(), "not XML"),
        (format!("<methodResponse>{secret}"), "text in <methodResponse>: sssss"),
        (format!("<methodResponse><{secret}>"), "has no place"),
        ("<methodCall><methodName>x</methodName></methodCall>".to_owned(), "a call instead of an answer"),
    ] {
        let message = answer(&body).unwrap_err().to_string();
        assert!(message.contains(words), "{}: {message}", clip(&body));
        assert!(message.len() < 250, "{message}");
    }
    let entity = value("<value><string>&lol;</string></value>").unwrap_err();
    assert!(matches!(entity, DecodeError::Forbidden { what: "an entity of its own", .. }), "{entity}");
    let twice = "<methodResponse><params><param><value/></param></params></methodResponse>".repeat(2);
    assert!(answer(&twice).is_err());
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let body = b"<methodResponse><params><param><value>\xff\xfe</value></param></params></methodResponse>";
    for read in [Answer::decode(body, &Limits::default()), streamed(body, &Limits::default())] {
        assert!(matches!(read, Err(DecodeError::NotXml { .. })), "{read:?}");
    }
}

#[test]
fn each_limit_holds_at_its_edge() {
    let nested = |depth: usize| {
        let open = "<value><array><data>".repeat(depth - 1);
        let close = "</data></array></value>".repeat(depth - 1);
        format!(
            "<methodResponse><params><param>{open}<value>x</value>{close}</param></params></methodResponse>"
        )
    };
    let limits = Limits { depth: 5, values: 5, ..Limits::default() };
    let read = |body: &str, limits: &Limits| {
        let read = Answer::decode(body.as_bytes(), limits);
        assert_eq!(streamed(body.as_bytes(), limits), read);
        read
    };
    assert!(read(&nested(5), &limits).is_ok());
    let deeper = Limits { values: 99, ..limits };
    assert_eq!(read(&nested(6), &deeper), Err(DecodeError::TooDeep(5)));
    let more = Limits { depth: 99, ..limits };
    assert_eq!(read(&nested(6), &more), Err(DecodeError::TooMany(5)));

    let body = nested(3);
    let length = u64::try_from(body.len()).unwrap();
    assert!(read(&body, &Limits { bytes: length, ..limits }).is_ok());
    assert_eq!(read(&body, &Limits { bytes: length - 1, ..limits }), Err(DecodeError::TooLong(length - 1)));

    let texts = |length: usize| {
        let text = "x".repeat(length);
        format!("<methodResponse><params><param><value>{text}</value></param></params></methodResponse>")
    };
    let short = Limits { text: 100, ..limits };
    assert!(read(&texts(90), &short).is_ok());
    assert_eq!(read(&texts(200), &short), Err(DecodeError::TextTooLong(100)));
    // Pieces that are each short enough add up to one text.
    let pieces = "x&amp;".repeat(60);
    assert_eq!(read(&texts(1).replace('x', &pieces), &short), Err(DecodeError::TextTooLong(100)));
}

#[test]
fn two_thousand_levels_cost_no_stack() {
    let body = "<value><array><data>".repeat(2_000);
    let body = format!("<methodResponse><params><param>{body}");
    assert_eq!(answer(&body), Err(DecodeError::TooDeep(64)));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Double),
        "[ -~\\t\\n\\r\u{e9}\u{1f980}]{0,12}".prop_map(Value::String),
        proptest::collection::vec(any::<u8>(), 0..80).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let members = proptest::collection::vec(("[a-z_<& ]{0,6}", inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Value::Array),
            members.prop_map(|members| Value::Struct(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in values(), method in "[a-zA-Z.]{1,20}") {
        let read = |body: String| Answer::decode(body.as_bytes(), &Limits::default());
        let answer = Answer::Value(value.clone());
        prop_assert_eq!(read(answer.encode()?), Ok(answer));
        let fault = Answer::Fault(Fault::new(1000, format!("{value:?}").replace(char::is_control, " ")));
        prop_assert_eq!(read(fault.encode()?), Ok(fault));
        let call = Call::new(method).arg(value.clone()).arg("x").named("opts", value);
        prop_assert_eq!(Call::decode(call.encode()?.as_bytes(), &Limits::default()), Ok(call));
    }

    #[test]
    fn a_document_cut_anywhere_is_refused(value in values(), cut in 0.0f64..1.0) {
        let body = Answer::Value(value).encode()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a share of a short length")]
        let at = (body.trim_end().len() as f64 * cut) as usize;
        let limits = Limits::default();
        let part = body.as_bytes().get(..at).unwrap();
        let read = Answer::decode(part, &limits);
        prop_assert!(read.is_err());
        prop_assert_eq!(streamed(part, &limits).is_err(), true);
    }

    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200), tags in "(<[/a-z]{0,8}>|&[a-z#0-9]{0,4};|[ x1]){0,40}") {
        let limits = Limits::default();
        prop_assert!(Answer::decode(&body, &limits).is_err());
        prop_assert!(Answer::decode(tags.as_bytes(), &limits).is_err());
        prop_assert!(Call::decode(tags.as_bytes(), &limits).is_err());
    }
}
