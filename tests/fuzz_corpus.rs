//! The fuzz corpus of decoding: made here, kept in `fuzz/corpus/decode`, and replayed with every test run.
//!
//! `TIDEGATE_WRITE_CORPUS=1 cargo test --test fuzz_corpus` writes it anew. Other files in the folder, such as inputs
//! that a fuzzer found, are replayed as well and left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[path = "../fuzz/exercise.rs"]
mod exercise;

const BODY: &str = r#"{"build_id": 2650021, "instance": "primary", "name": "gnome-chess", "owner": "eva", "release": "1.fc42", "tag": "f42", "tag_id": 79101, "user": "bodhi", "version": "48.0"}"#;
const BUILD: &str = r#"{"attribute": "state", "build_id": 2650021, "epoch": null, "instance": "primary", "new": 1, "old": 0, "request": ["git+https://example.org/rpms/gnome-chess#9c", "rawhide", {}], "task": {"children": [{"id": 4, "completion_time": 1738648800.5}], "id": 3}, "task_id": 128400900}"#;
const LIST: &str = r#"{"action": "add", "block": false, "instance": "primary", "owner": null, "package": "gnome-chess", "tag": "f42"}"#;
const REPO: &str = r#"{"instance": "primary", "repo_id": 6712345, "tag": "f42-build", "tag_id": 79102}"#;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/decode")
}

fn dump(topic: &str, body: &str) -> String {
    format!(
        r#"{{"body": {body}, "headers": {{"fedora_messaging_severity": 10, "sent-at": "2025-02-04T06:00:00+00:00"}}, "id": "3c1d9f70-52a4-4b6e-8f11-0a9e7d6c5b42", "priority": 2, "queue": null, "topic": "{topic}"}}"#
    )
}

/// A message of every shape and topic, by name.
fn shapes() -> Vec<(&'static str, String)> {
    let fedora = |last: &str| format!("org.fedoraproject.prod.buildsys.{last}");
    let legacy = |body: &str| {
        let topic = fedora("untag");
        format!(
            r#"{{"i": 2, "msg": {body}, "msg_id": "2025-3c1d9f70", "timestamp": 1738648800.5, "topic": "{topic}"}}"#
        )
    };
    let page = |messages: &[String]| {
        format!(r#"{{"count": 2, "pages": 1, "raw_messages": [{}], "total": 2}}"#, messages.join(", "))
    };
    let tag = dump(&fedora("tag"), BODY);
    vec![
        ("untag", dump(&fedora("untag"), BODY)),
        ("build", dump(&fedora("build.state.change"), BUILD)),
        ("list", dump(&fedora("package.list.change"), LIST)),
        ("repo", dump(&fedora("repo.done"), REPO)),
        ("centos", dump("org.centos.prod.buildsys.tag", BODY)),
        (
            "other",
            dump("org.fedoraproject.prod.git.receive", r#"{"commits": [{"message": "Fix\n\n\"it\""}]}"#),
        ),
        ("legacy", legacy(BODY)),
        ("bare", BODY.to_owned()),
        ("page", page(&[tag.clone(), legacy(BODY)])),
        ("tag", tag),
    ]
}

/// Texts that take another's place: what is replaced, and by what.
const REPLACED: &[(&str, &str, &str)] = &[
    ("build-id-null", "2650021", "null"),
    ("build-id-text", "2650021", "\"2650021\""),
    ("build-id-zero", "2650021", "0"),
    ("build-id-negative", "2650021", "-7"),
    ("build-id-point", "2650021", "12.0"),
    ("build-id-exponent", "2650021", "1e3"),
    ("build-id-greatest", "2650021", "9223372036854775807"),
    ("build-id-too-great", "2650021", "9223372036854775808"),
    ("build-id-huge", "2650021", "1180591620717411303424"),
    ("build-id-leading-zero", "2650021", "012"),
    ("tag-null", "\"f42\"", "null"),
    ("tag-list", "\"f42\"", "[\"f42\"]"),
    ("tag-empty", "\"f42\"", "\"\""),
    ("tag-escaped", "\"f42\"", "\"f\\u00342\""),
    ("tag-half-surrogate", "\"f42\"", "\"\\ud800\""),
    ("tag-bidi", "\"f42\"", "\"\u{202e}24f\u{2066}\""),
    ("tag-control", "\"f42\"", "\"f\u{1}42\""),
    ("tag-escape-wrong", "\"f42\"", "\"f\\42\""),
    ("name-number", "\"gnome-chess\"", "42"),
    ("name-wide", "\"gnome-chess\"", "\"šachy 📦 \\ud83d\\udce6\""),
    ("instance-number", "\"primary\"", "1"),
    ("instance-other", "\"primary\"", "\"s390\""),
    ("owner-null", "\"eva\"", "null"),
    ("user-slash", "\"bodhi\"", "\"autosign/autosign01.example.org\""),
    ("key-escaped", "\"tag\"", "\"t\\u0061g\""),
    ("key-twice", "\"tag_id\"", "\"tag\": 7, \"tag\": \"f41\", \"tag_id\""),
    ("no-tag", "\"tag\"", "\"gat\""),
    ("no-body", "\"body\"", "\"corpse\""),
    ("no-topic", "\"topic\"", "\"subject\""),
    ("topic-list", "\"topic\": ", "\"topic\": [], \"tropic\": "),
    ("sent-at-z", "06:00:00+00:00", "06:00:00Z"),
    ("sent-at-naive", "06:00:00+00:00", "06:00:00.25"),
    ("sent-at-words", "2025-02-04T06:00:00+00:00", "yesterday"),
    ("sent-at-number", "\"2025-02-04T06:00:00+00:00\"", "1738648800.999"),
    ("sent-at-great", "\"2025-02-04T06:00:00+00:00\"", "1e999"),
    ("sent-at-null", "\"2025-02-04T06:00:00+00:00\"", "null"),
    ("id-number", "\"3c1d9f70-52a4-4b6e-8f11-0a9e7d6c5b42\"", "7"),
    ("headers-null", "\"headers\": {", "\"headers\": null, \"h\": {"),
    ("colon-missing", "\": ", "\" "),
    ("spaced", ", ", " \r\n\t,  "),
    ("tight", ", ", ","),
    ("form-feed", ", ", ",\u{c}"),
];

/// All inputs that this file makes, by file name; of equal ones the first.
fn inputs() -> BTreeMap<String, Vec<u8>> {
    let mut inputs = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut add = |name: String, bytes: Vec<u8>| {
        if seen.insert(bytes.clone()) {
            inputs.insert(name, bytes);
        }
    };
    for (shape, text) in shapes() {
        let bytes = text.as_bytes();
        let start = |length: usize| bytes.iter().copied().take(length).collect();
        let around = |before: &[u8], after: &[u8]| [before, bytes, after].concat();
        add(format!("{shape}-whole"), bytes.to_vec());
        for eighth in [1, 3, 5, 7] {
            add(format!("{shape}-cut-{eighth}"), start(bytes.len() * eighth / 8));
        }
        add(format!("{shape}-unclosed"), start(bytes.len() - 1));
        add(format!("{shape}-braces-behind"), around(b"", b"}}"));
        add(format!("{shape}-nul-behind"), around(b"", b"\0"));
        add(format!("{shape}-not-utf8-behind"), around(b" ", b"\xff\xc3("));
        add(format!("{shape}-mark-before"), around("\u{feff}".as_bytes(), b""));
        add(format!("{shape}-in-list"), around(b"[", b"]"));
        add(
            format!("{shape}-in-body"),
            around(br#"{"topic": "org.fedoraproject.prod.buildsys.tag", "body": "#, b"}"),
        );
        for (name, from, to) in REPLACED {
            add(format!("{shape}-{name}"), text.replace(from, to).into_bytes());
        }
    }
    for depth in [126, 127, 128, 1_000] {
        for (name, open, close) in [("lists", "[", "]"), ("objects", "{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            add(
                format!("deep-{name}-{depth}"),
                format!("{{\"topic\": \"x\", \"x\": {nested}}}").into_bytes(),
            );
        }
    }
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("blank", b" \r\n"),
        ("nuls", &[0; 64]),
        ("text", b"\"f42\""),
        ("half-surrogate", b"\"\\udc80\""),
        ("not-utf8", b"\xff\xfe{\"topic\""),
        ("terminal", b"\x1b[2J\x1b]0;title\x07 \xe2\x80\xae\xc2\x9b31m"),
        ("time", b"2025-02-04T06:00:00Z"),
        ("seconds", b"1738648800.5"),
        ("not-a-number", b"NaN"),
    ] {
        add(format!("odd-{name}"), bytes.to_vec());
    }
    inputs
}

fn kept() -> BTreeMap<String, Vec<u8>> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
    };
    let kept: std::io::Result<_> = fs::read_dir(folder()).and_then(|entries| entries.map(read).collect());
    kept.expect("fuzz/corpus/decode is part of the project")
}

#[test]
fn the_corpus_is_the_one_made_here_and_keeps_every_promise() {
    let made = inputs();
    assert!(made.len() >= 200, "{} inputs", made.len());
    if std::env::var_os("TIDEGATE_WRITE_CORPUS").is_some() {
        fs::create_dir_all(folder()).unwrap();
        for (name, bytes) in &made {
            fs::write(folder().join(name), bytes).unwrap();
        }
    }
    let kept = kept();
    for (name, bytes) in &made {
        assert!(
            kept.get(name) == Some(bytes),
            "{name} differs: write the corpus anew, see the head of this file"
        );
    }
    for bytes in kept.values() {
        exercise::exercise(bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_damaged_message_keeps_every_promise(
        input in prop::sample::select(inputs().into_values().collect::<Vec<_>>()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..5),
    ) {
        let mut value = input;
        for (place, byte, how) in damage {
            let at = place.index(value.len() + 1);
            match how {
                0 => value.insert(at, byte),
                1 => value.insert(at, b"{}[],:\"\\ 0e-"[usize::from(byte) % 12]),
                2 if at < value.len() => drop(value.remove(at)),
                3 if at < value.len() => value[at] = byte,
                _ => value.truncate(at),
            }
        }
        exercise::exercise(&value);
    }

    #[test]
    fn any_bytes_keep_every_promise(value in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise::exercise(&value);
    }
}
