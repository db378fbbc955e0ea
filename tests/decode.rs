//! What is read of which record: one table for each shape and each fault.

use tidegate::decode::{CODE_PAGE, decode, decode_strictly};
use tidegate::event::{Body, Decoded, Position, Record, SentAt, Unreadable};
use tidegate::settings::Route;
use tidegate::time::Second;

const ID: &str = "5f0c9a52-7c1e-4d0a-9b6f-2f1d3c4b5a69";
const BODY: &str = r#"{"base_url":"https://koji.example.org","build_id":2640017,"instance":"primary","name":"zathura","owner":"ana","release":"3.fc42","tag":"f42","tag_id":79101,"user":"bodhi","version":"0.5.11"}"#;
const HEADERS: &str = r#"{"fedora_messaging_rpm_zathura":true,"fedora_messaging_severity":10,"priority":2,"sent-at":"2025-02-04T06:00:00+00:00"}"#;
/// What the dump of `BODY` and `HEADERS` says.
const SAID: &str =
    "tag primary f42 2640017 zathura-0.5.11-3.fc42 owner ana user bodhi | 5f0c9a52 | 2025-02-04T06:00:00Z";

fn topic(last: &str) -> String {
    format!("org.fedoraproject.prod.buildsys.{last}")
}

/// A dump line, keys in the order the bus's own tools write.
fn dump(last: &str, body: &str) -> String {
    let topic = topic(last);
    format!(
        r#"{{"body": {body}, "headers": {HEADERS}, "id": "{ID}", "priority": 2, "queue": null, "topic": "{topic}"}}"#
    )
}

/// The tag body with another value of one field; an empty value leaves the field out.
fn body_with(field: &str, value: &str) -> String {
    let fields = [
        ("build_id", "2640017"),
        ("instance", r#""primary""#),
        ("name", r#""zathura""#),
        ("owner", r#""ana""#),
        ("release", r#""3.fc42""#),
        ("tag", r#""f42""#),
        ("user", r#""bodhi""#),
        ("version", r#""0.5.11""#),
    ];
    let members: Vec<String> = fields
        .iter()
        .map(|&(name, usual)| (name, if name == field { value } else { usual }))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!(r#""{name}": {value}"#))
        .collect();
    format!("{{{}}}", members.join(", "))
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn fedora() -> Route {
    Route { topic_prefix: topic(""), instances: vec!["primary".to_owned()] }
}

/// Decodes by both readers, which must agree.
#[expect(clippy::panic_in_result_fn, reason = "a disagreement is a failed test, not a result")]
fn read<'a>(
    route: &Route,
    value: &'a [u8],
    headers: &'a [(String, Vec<u8>)],
) -> Result<Decoded<'a>, Unreadable> {
    let position = Position { partition: 0, offset: 1 };
    let record = Record { position, kafka_millis: None, headers, value, cut: false };
    let decoded = decode(route, &record);
    assert_eq!(decoded, decode_strictly(route, &record));
    decoded
}

/// What a record says, in one line.
fn said(value: impl AsRef<[u8]>, headers: &[(String, Vec<u8>)]) -> String {
    match read(&fedora(), value.as_ref(), headers) {
        Ok(decoded) => {
            let id: String = decoded.id.to_string().chars().take(8).collect();
            format!("{} | {id} | {}", body(&decoded.body), time(decoded.sent_at))
        }
        Err(unreadable) => format!("{}: {}", unreadable.code, unreadable.explanation),
    }
}

fn body(body: &Body<'_>) -> String {
    match body {
        Body::Tag(tagging) | Body::Untag(tagging) => {
            let kind = if matches!(body, Body::Tag(_)) { "tag" } else { "untag" };
            let [instance, owner, user] =
                [&tagging.instance, &tagging.owner, &tagging.user].map(|text| text.as_deref().unwrap_or("-"));
            let (tag, id, name) = (&tagging.tag, tagging.build_id, &tagging.name);
            let (version, release) = (&tagging.version, &tagging.release);
            format!("{kind} {instance} {tag} {id} {name}-{version}-{release} owner {owner} user {user}")
        }
        Body::BuildState(state) => {
            let instance = state.instance.as_deref().unwrap_or("-");
            format!("build {instance} {} new {} task {:?}", state.build_id, state.new, state.task_id)
        }
        Body::PackageList(change) => {
            let instance = change.instance.as_deref().unwrap_or("-");
            format!("package {instance} {} {}", change.tag, change.package)
        }
        Body::Unused => "unused".to_owned(),
        Body::OtherTopic => "other".to_owned(),
    }
}

fn time(sent_at: SentAt) -> String {
    match sent_at {
        SentAt::Missing => "missing".to_owned(),
        SentAt::Unreadable => "unreadable".to_owned(),
        SentAt::At(second) => second.to_string(),
    }
}

fn code(value: impl AsRef<[u8]>) -> String {
    match read(&fedora(), value.as_ref(), &[]) {
        Ok(decoded) => format!("decoded: {}", body(&decoded.body)),
        Err(unreadable) => unreadable.code.to_owned(),
    }
}

#[test]
fn the_dump_envelope_in_any_order_and_spacing() {
    let topic = topic("tag");
    for line in [
        dump("tag", BODY),
        format!(r#"{{"topic":"{topic}","headers":{HEADERS},"id":"{ID}","body":{BODY}}}"#),
        format!(
            "\n{{ \"id\" :\t\"{ID}\",\r\n\"body\": {BODY} , \"topic\":\"{topic}\", \"headers\":{HEADERS} }} \n"
        ),
        // Escapes: in a key, in a value, and a value of many bytes.
        dump("tag", &BODY.replace("\"tag\"", "\"t\\u0061g\"")),
        dump("tag", &BODY.replace("\"f42\"", "\"f\\u00342\"")),
        dump("tag", BODY).replace("\"body\"", "\"b\\u006fdy\""),
        dump(
            "tag",
            &BODY.replace("\"owner\"", "\"note\": \"žluťoučký 📦 \\ud83d\\udce6 \\\"\\\\\", \"owner\""),
        ),
        // Fields that nobody knows.
        dump(
            "tag",
            &BODY.replace("\"owner\"", "\"draft\": false, \"x\": {\"tag\": [null, -1.5e-7]}, \"owner\""),
        ),
        // Of a key that occurs twice the last one counts.
        dump("tag", &BODY.replace("\"owner\"", "\"tag\": \"f41\", \"tag\": \"f42\", \"owner\"")),
        format!(
            r#"{{"body": {{"tag": "f41", "draft": 1}}, "msg": 1, "topic": "x", {}"#,
            dump("tag", BODY).trim_start_matches('{')
        ),
        dump("tag", BODY).replace("\"priority\": 2,", "\"msg\": {\"tag\": \"f41\"},"),
    ] {
        assert_eq!(said(&line, &[]), SAID, "{line}");
    }
}

#[test]
fn texts_are_borrowed_unless_they_were_escaped() {
    let line = dump("tag", &BODY.replace("zathura", "z\\u0061thura"));
    let Body::Tag(tagging) = read(&fedora(), line.as_bytes(), &[]).unwrap().body else { panic!("a tag") };
    assert!(matches!(tagging.tag, std::borrow::Cow::Borrowed(_)));
    assert_eq!(tagging.name, "zathura");
}

#[test]
fn every_topic_that_is_read() {
    let build = r#"{"attribute":"state","build_id":2640017,"epoch":null,"instance":"primary","new":1,"old":0,"request":["git+https://example.org/rpms/zathura#1",{}],"task":{"id":128,"children":[{"id":129}]},"task_id":128400512}"#;
    let list = r#"{"action":"add","block":false,"instance":"primary","owner":"ana","package":"zathura","tag":"f42"}"#;
    for (last, body, expected) in [
        ("untag", BODY, SAID.replace("tag primary", "untag primary")),
        ("build.state.change", build, "build primary 2640017 new 1 task Some(128400512)".to_owned()),
        ("package.list.change", list, "package primary f42 zathura".to_owned()),
        ("repo.done", r#"{"repo_id": 7}"#, "unused".to_owned()),
        ("rpm.sign", "null", "unused".to_owned()),
        ("tag.more", "[]", "unused".to_owned()),
        ("", "1", "unused".to_owned()),
    ] {
        let expected = if expected.contains('|') {
            expected
        } else {
            format!("{expected} | 5f0c9a52 | 2025-02-04T06:00:00Z")
        };
        assert_eq!(said(dump(last, body), &[]), expected, "{last}");
    }
    for other in ["org.centos.prod.buildsys.tag", "org.fedoraproject.stg.buildsys.tag", "tag", "x"] {
        let line = dump("tag", BODY).replace(&topic("tag"), other);
        assert_eq!(said(line, &[]), "other | 5f0c9a52 | 2025-02-04T06:00:00Z", "{other}");
    }
}

#[test]
fn a_centos_body_has_eight_fields() {
    let body = r#"{"tag_id":21,"tag":"c10s-candidate","user":"bstinson","owner":"ana","build_id":70412,"name":"zathura","version":"0.5.11","release":"3.el10"}"#;
    let line = dump("tag", body).replace("org.fedoraproject", "org.centos");
    let route =
        Route { topic_prefix: "org.centos.prod.buildsys.".to_owned(), instances: vec!["cbs".to_owned()] };
    let decoded = read(&route, line.as_bytes(), &[]).unwrap();
    assert_eq!(
        self::body(&decoded.body),
        "tag - c10s-candidate 70412 zathura-0.5.11-3.el10 owner ana user bstinson"
    );
}

#[test]
fn the_legacy_shape() {
    let message = |rest: &str| {
        let topic = topic("tag");
        format!(r#"{{"i": 3, "msg": {BODY}, "topic": "{topic}", "username": "apache"{rest}}}"#)
    };
    let tag = SAID.split('|').next().unwrap();
    for (rest, expected) in [
        (r#", "timestamp": 1738648800.75, "msg_id": "2025-5f0c""#, "2025-5f0 | 2025-02-04T06:00:00Z"),
        (r#", "timestamp": 1738648800"#, " | 2025-02-04T06:00:00Z"),
        (r#", "timestamp": "2025-02-04T06:00:00""#, " | 2025-02-04T06:00:00Z"),
        (r#", "timestamp": true"#, " | unreadable"),
        ("", " | missing"),
        // `sent-at` goes before `timestamp`.
        (r#", "timestamp": 5, "headers": {"sent-at": "2025-02-04T06:00:01Z"}"#, " | 2025-02-04T06:00:01Z"),
    ] {
        assert_eq!(said(message(rest), &[]), format!("{tag}| {expected}"), "{rest}");
    }
}

#[test]
fn a_bare_body_takes_its_metadata_from_kafka_headers() {
    let tag = topic("tag");
    let id = ID;
    let time = "2025-02-04T06:00:00+00:00";
    for pairs in [
        [("topic", tag.as_str()), ("id", id), ("sent-at", time)],
        [("Topic", &tag), ("ID", id), ("Sent-At", time)],
        [("rabbitmq.routing.key", &tag), ("rabbitmq.message.id", id), ("rabbitmq.headers.sent-at", time)],
        [
            ("CamelHeader.CamelSpringRabbitmqRoutingOverrideKey", &tag),
            ("CamelHeader.CamelSpringRabbitmqMessageId", id),
            ("CamelHeader.sent-at", time),
        ],
        [("topic", &format!("\"{tag}\"")), ("id", &format!("\"{id}\"")), ("sent-at", &format!("\"{time}\""))],
        [("routing_key", &tag), ("message_id", id), ("sent-at", "1738648800.25")],
    ] {
        assert_eq!(said(BODY, &headers(&pairs)), SAID, "{pairs:?}");
    }
}

#[test]
fn kafka_headers_fill_what_is_missing_and_overrule_nothing() {
    let other =
        headers(&[("topic", "x.y"), ("id", "other"), ("sent-at", "2001-01-01T00:00:00Z"), ("x", "\u{1}")]);
    let tag = SAID.split('|').next().unwrap();
    let topic = topic("tag");
    for (value, expected) in [
        (dump("tag", BODY), SAID.to_owned()),
        (
            format!(r#"{{"topic": "{topic}", "body": {BODY}}}"#),
            format!("{tag}| other | 2001-01-01T00:00:00Z"),
        ),
        (
            format!(r#"{{"topic": null, "id": "", "body": {BODY}}}"#),
            "other | other | 2001-01-01T00:00:00Z".to_owned(),
        ),
        // Of a bare body `id`, `topic` and `timestamp` are fields of its own.
        (
            r#"{"id": "mine", "topic": "mine", "timestamp": 5}"#.to_owned(),
            "other | other | 2001-01-01T00:00:00Z".to_owned(),
        ),
    ] {
        assert_eq!(said(&value, &other), expected, "{value}");
    }
    // What an IBM bridge gives: AMQP headers without prefix, neither topic nor identity.
    let ibm = headers(&[("sent-at", "2025-02-04T06:00:00+00:00"), ("priority", "2")]);
    assert_eq!(said(BODY, &ibm), "no_topic: `topic` is missing");
    // The last of two counts, an empty one not at all, and a broken time is no reason not to read.
    let twice = headers(&[("topic", "x"), ("topic", &topic), ("topic", ""), ("sent-at", "soon")]);
    assert_eq!(said(BODY, &twice), format!("{tag}|  | unreadable"));
    let bytes = vec![("topic".to_owned(), topic.into_bytes()), ("sent-at".to_owned(), vec![0xff])];
    assert_eq!(said(BODY, &bytes), format!("{tag}|  | unreadable"));
}

#[test]
fn no_clock_is_a_reason_not_to_read() {
    for (value, expected) in [
        ("\"2025-02-04T06:00:00Z\"", "2025-02-04T06:00:00Z"),
        ("\"2025-02-04T06:00:00\"", "2025-02-04T06:00:00Z"),
        ("\"2025-02-04T06:00:00.999999+00:00\"", "2025-02-04T06:00:00Z"),
        ("\"2025-02-04T01:00:00-05:00\"", "2025-02-04T06:00:00Z"),
        ("\"2025-02-04T06:00:00\\u005a\"", "2025-02-04T06:00:00Z"),
        ("\"1970-01-01T00:00:00+00:00\"", "1970-01-01T00:00:00Z"),
        ("\"2099-12-31T23:59:59Z\"", "2099-12-31T23:59:59Z"),
        ("1738648800.999", "2025-02-04T06:00:00Z"),
        ("null", "missing"),
        ("\"yesterday\"", "unreadable"),
        ("\"\"", "unreadable"),
        ("\"1738648800\"", "unreadable"),
        ("\"\\udc80\"", "unreadable"),
        ("1e999", "unreadable"),
        ("{}", "unreadable"),
        ("[1738648800]", "unreadable"),
        ("false", "unreadable"),
    ] {
        let line = dump("tag", BODY).replace("\"2025-02-04T06:00:00+00:00\"", value);
        let expected = SAID.replace("2025-02-04T06:00:00Z", expected);
        assert_eq!(said(line, &[]), expected, "{value}");
    }
    for headers in ["{}", "null", "\"sent-at\"", "[]", "7", r#"{"Sent-At": 1}"#] {
        let line = dump("tag", BODY).replace(HEADERS, headers);
        assert_eq!(said(line, &[]), SAID.replace("2025-02-04T06:00:00Z", "missing"), "{headers}");
    }
}

#[test]
fn a_message_without_identity_is_read() {
    for id in ["null", "7", "\"\"", "{}", "\"\\ud800\""] {
        let line = dump("tag", BODY).replace(&format!("\"{ID}\""), id);
        assert_eq!(said(line, &[]), SAID.replace("5f0c9a52", ""), "{id}");
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let line = dump("tag", BODY);
    let deep = |depth: usize| {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        dump("repo.done", &format!(r#"{{"x": {nested}}}"#))
    };
    for (value, expected) in [
        (Vec::new(), "empty"),
        (b" \r\n".to_vec(), "empty"),
        (line.as_bytes()[..line.len() * 5 / 8].to_vec(), "not_json"),
        (line.as_bytes()[..line.len() - 1].to_vec(), "not_json"),
        (format!("{line}}}}}").into_bytes(), "not_json"),
        (format!("{line} {line}").into_bytes(), "not_json"),
        (format!("{line}\0").into_bytes(), "not_json"),
        (vec![0; 64], "not_json"),
        (b"koji".to_vec(), "not_json"),
        (b"\xef\xbb\xbf{}".to_vec(), "not_json"),
        (b"\x0c{}".to_vec(), "not_json"),
        (b"{\"a\": \"\x1f\"}".to_vec(), "not_json"),
        (b"{'a': 1}".to_vec(), "not_json"),
        (b"{\"a\": 1,}".to_vec(), "not_json"),
        (b"{\"a\": 01}".to_vec(), "not_json"),
        (b"{\"a\": NaN}".to_vec(), "not_json"),
        (b"[1, 2".to_vec(), "not_json"),
        (line.replace("zathura", "zath\u{1}ura").into_bytes(), "not_json"),
        ([line.as_bytes(), b"\xff"].concat(), "not_utf8"),
        (b"{\"a\": \"\xc3(\"}".to_vec(), "not_utf8"),
        (format!("[{line}]").into_bytes(), "not_object"),
        (b"\"f42\"".to_vec(), "not_object"),
        (b"42".to_vec(), "not_object"),
        (b"null".to_vec(), "not_object"),
        (deep(126).into_bytes(), "decoded: unused"),
        (deep(127).into_bytes(), "too_deep"),
        (deep(20_000).into_bytes(), "too_deep"),
        (b"{\"raw_messages\": [{}]}".to_vec(), CODE_PAGE),
        (b"{}".to_vec(), "no_topic"),
        (BODY.as_bytes().to_vec(), "no_topic"),
        (line.replace("\"topic\"", "\"subject\"").into_bytes(), "no_topic"),
        (line.replace(&format!("\"{}\"", topic("tag")), "null").into_bytes(), "no_topic"),
        (line.replace(&format!("\"{}\"", topic("tag")), "[\"x\"]").into_bytes(), "bad_topic"),
        (line.replace(&topic("tag"), "").into_bytes(), "bad_topic"),
        (line.replace(&topic("tag"), "\\udead").into_bytes(), "bad_topic"),
        // A line of another topic must be whole too.
        (dump("repo.done", "{\"x\": nil}").into_bytes(), "not_json"),
        (dump("repo.done", "{\"x\": \"\\q\"}").into_bytes(), "not_json"),
    ] {
        assert_eq!(code(&value), expected, "{}", String::from_utf8_lossy(&value[..value.len().min(80)]));
    }
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for (body, expected) in [
        ("null", "no_body"),
        ("\"{}\"", "bad_body"),
        ("[]", "bad_body"),
        ("[\"tag\", \"f42\"]", "bad_body"),
        ("1", "bad_body"),
        ("{}", "no_tag"),
    ] {
        assert_eq!(code(dump("tag", body)), expected, "{body}");
    }
    assert_eq!(code(format!(r#"{{"topic": "{}"}}"#, topic("tag"))), "no_body");
    assert_eq!(code(format!(r#"{{"topic": "{}", "msg": 5}}"#, topic("tag"))), "bad_body");
}

#[test]
fn each_field_that_decides_must_be_of_its_kind() {
    let long = format!("\"{}\"", "x".repeat(1_025));
    let longest = format!("\"{}\"", "x".repeat(1_024));
    for field in ["tag", "name", "version", "release"] {
        for value in ["", "null"] {
            assert_eq!(code(dump("tag", &body_with(field, value))), format!("no_{field}"), "{value}");
        }
        for value in ["7", "\"\"", "[\"f42\"]", "{}", "true", "\"\\ud800\"", &long] {
            assert_eq!(code(dump("untag", &body_with(field, value))), format!("bad_{field}"), "{value}");
        }
        assert!(code(dump("tag", &body_with(field, &longest))).starts_with("decoded"));
    }
    for value in ["7", "\"\"", "[]"] {
        assert_eq!(code(dump("tag", &body_with("instance", value))), "bad_instance", "{value}");
    }
    for value in ["", "null"] {
        assert_eq!(code(dump("tag", &body_with("build_id", value))), "no_build_id", "{value}");
    }
    for value in [
        "0",
        "-1",
        "-0",
        "12.0",
        "12.5",
        "1e3",
        "1E0",
        "\"abc\"",
        "\"12\"",
        "true",
        "[12]",
        "{}",
        "9223372036854775808",
        "18446744073709551616",
        "1180591620717411303424",
    ] {
        assert_eq!(code(dump("tag", &body_with("build_id", value))), "bad_build_id", "{value}");
    }
    for value in ["1", "9223372036854775807"] {
        assert!(code(dump("tag", &body_with("build_id", value))).contains(value), "{value}");
    }
}

#[test]
fn what_only_explains_may_be_of_any_kind() {
    for field in ["owner", "user"] {
        for value in ["", "null", "7", "\"\"", "{}"] {
            let said = code(dump("tag", &body_with(field, value)));
            assert!(said.contains(&format!("{field} -")), "{value}: {said}");
        }
    }
    for (value, expected) in [("null", "None"), ("1.5", "None"), ("\"7\"", "None"), ("7", "Some(7)")] {
        let body = format!(r#"{{"build_id": 5, "new": 3, "task_id": {value}}}"#);
        assert_eq!(
            code(dump("build.state.change", &body)),
            format!("decoded: build - 5 new 3 task {expected}")
        );
    }
}

#[test]
fn states_and_package_lists_are_checked() {
    for (last, body, expected) in [
        ("build.state.change", r#"{"new": 1}"#, "no_build_id"),
        ("build.state.change", r#"{"build_id": 5}"#, "no_new"),
        ("build.state.change", r#"{"build_id": 5, "new": null}"#, "no_new"),
        ("build.state.change", r#"{"build_id": 5, "new": "COMPLETE"}"#, "bad_new"),
        ("build.state.change", r#"{"build_id": 5, "new": 1.0}"#, "bad_new"),
        ("build.state.change", r#"{"build_id": 5, "new": 1, "instance": 1}"#, "bad_instance"),
        ("build.state.change", r#"{"build_id": 5, "new": -1}"#, "decoded: build - 5 new -1 task None"),
        ("package.list.change", r#"{"tag": "f42"}"#, "no_package"),
        ("package.list.change", r#"{"package": "zathura", "tag": 1}"#, "bad_tag"),
    ] {
        assert_eq!(code(dump(last, body)), expected, "{body}");
    }
}

#[test]
fn an_explanation_says_what_was_found_where() {
    let nvr = dump("tag", &body_with("build_id", "\"abc\\u001b[2J\""));
    assert_eq!(
        said(nvr, &[]),
        "bad_build_id: `build_id` is the text `\"abc\\\\u001b[2J\"`, a whole number from 1 to 2^63 - 1 is needed \
         in a message of topic org.fedoraproject.prod.buildsys.tag"
    );
    assert_eq!(
        said(b"\x1b[2J", &[]),
        "not_json: not JSON: expected value at line 1 column 1; the record of 4 bytes begins `\\u{1b}[2J`"
    );
    let unreadable = read(&fedora(), dump("tag", "{}").as_bytes(), &[]).unwrap_err();
    assert_eq!(unreadable.id.to_string(), ID);
    assert_eq!(unreadable.sent_at, SentAt::At(Second::parse("2025-02-04T06:00:00Z").unwrap()));
    let kafka = headers(&[("id", ID), ("sent-at", "2025-02-04T06:00:00Z")]);
    let broken = read(&fedora(), b"{", &kafka).unwrap_err();
    assert_eq!((broken.id, broken.sent_at), (unreadable.id, unreadable.sent_at));
}

#[test]
fn a_record_that_was_cut_is_not_read_even_if_it_looks_whole() {
    let line = dump("tag", BODY);
    let position = Position { partition: 0, offset: 1 };
    let record = Record { position, kafka_millis: None, headers: &[], value: line.as_bytes(), cut: true };
    let unreadable = decode(&fedora(), &record).unwrap_err();
    assert_eq!(unreadable.code, "cut");
    assert!(unreadable.explanation.contains(&line.len().to_string()));
}
