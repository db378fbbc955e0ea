//! Exchanges with a real hub, held against our own notation and our own calls (needs `../shared`).

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

mod calls;
#[path = "../common/shared.rs"]
mod shared;

use std::collections::BTreeMap;
use std::fs;

use tidegate::koji::error::{Effect, Retry};
use tidegate::koji::fault;
use tidegate::koji::xmlrpc::{Answer, Call, Limits, Struct, Value};

use self::calls::{Ours, Same, ours, unused};

/// One exchange as recorded.
struct Capture {
    name: String,
    /// Whether the request is of Koji's own client (the others were made by hand).
    genuine: bool,
    request: Vec<u8>,
    status: u16,
    answer: Vec<u8>,
}

#[test]
fn every_capture_is_read_and_written_byte_for_byte() {
    let Some(captures) = captures() else { return };
    assert_eq!(captures.len(), 241, "a capture is missing or new: look at it, then change this number");
    let limits = Limits::default();
    let (mut same, mut reordered, mut no_call, mut values, mut faults, mut no_answer) = (0, 0, 0, 0, 0, 0);
    for Capture { name, genuine, request, status, answer } in &captures {
        match Call::decode(request, &limits) {
            Ok(call) => {
                let written = call.encode().unwrap();
                if written.as_bytes() == request {
                    same += 1;
                } else {
                    // Requests made by hand have `__starstar` first. To the hub, which reads a struct into a
                    // dictionary, the order of members means nothing.
                    assert!(!genuine, "{name}: {written}");
                    assert_eq!(sorted(&written), sorted(&String::from_utf8_lossy(request)), "{name}");
                    assert_eq!(Call::decode(written.as_bytes(), &limits).as_ref(), Ok(&call), "{name}");
                    reordered += 1;
                }
            }
            Err(error) => {
                assert!(name.starts_with("15-"), "{name}: {error}");
                no_call += 1;
            }
        }
        match Answer::decode(answer, &limits) {
            Ok(read) => {
                assert_eq!(*status, 200, "{name}");
                assert_eq!(read.encode().unwrap().as_bytes(), answer, "{name}");
                match read {
                    Answer::Value(_) => values += 1,
                    Answer::Fault(_) => faults += 1,
                }
            }
            Err(error) => {
                assert_ne!(*status, 200, "{name}: {error}");
                no_answer += 1;
            }
        }
    }
    assert_eq!((same + reordered + no_call, values + faults + no_answer), (241, 241));
    println!("requests: {same} same, {reordered} reordered, {no_call} broken on purpose");
    println!("answers: {values} values, {faults} faults, {no_answer} not XML-RPC");
}

#[test]
fn every_capture_is_a_call_of_ours_or_one_that_is_not_used() {
    let Some(captures) = captures() else { return };
    let (mut bytes, mut reordered, mut argued, mut not_used) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for capture in &captures {
        let name = &capture.name;
        match (ours(name), unused(name)) {
            (Some(_), Some(_)) => wrong.push(format!("{name}: both a call of ours and one that is not used")),
            (None, None) => wrong.push(format!("{name}: neither a call of ours nor one that is not used")),
            (None, Some(reason)) => {
                println!("{name}: not used: {reason}");
                not_used += 1;
            }
            (Some(ours), None) => {
                match held_against(&ours, capture) {
                    Ok(()) => {}
                    Err(problem) => wrong.push(format!("{name}: {problem}")),
                }
                match ours.same {
                    Same::Bytes => bytes += 1,
                    Same::Members => reordered += 1,
                    Same::Differs(reason) => {
                        println!("{name}: {reason}");
                        argued += 1;
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{bytes} byte for byte, {reordered} reordered, {argued} argued, {not_used} not used");
    assert_eq!(bytes + reordered + argued + not_used, 241);
    assert_eq!((bytes, reordered, argued, not_used), (139, 1, 24, 77));
}

#[test]
fn every_fault_of_the_captures_means_what_is_known_of_it() {
    let Some(captures) = captures() else { return };
    let mut counted: BTreeMap<(i64, &str, &str, &str), usize> = BTreeMap::new();
    for Capture { name, answer, .. } in &captures {
        let Ok(Answer::Fault(fault)) = Answer::decode(answer, &Limits::default()) else { continue };
        let meaning = fault::find(fault.code).unwrap_or_else(|| panic!("{name}: {fault}"));
        let how = |effect| match fault::retry(&fault, effect) {
            Retry::Never => "never",
            Retry::NewSession => "new session",
            Retry::Pause => "pause",
            Retry::InDoubt => "in doubt",
        };
        *counted.entry((fault.code, meaning.name, how(Effect::Read), how(Effect::Write))).or_default() += 1;
    }
    let found: Vec<_> = counted
        .iter()
        .map(|((code, name, read, write), count)| (*code, *name, *read, *write, *count))
        .collect();
    let expected = [
        (1, "unknown exception", "pause", "in doubt", 4),
        (1000, "GenericError", "never", "never", 26),
        (1002, "AuthError", "never", "never", 8),
        (1002, "AuthError", "new session", "new session", 3),
        (1003, "TagError", "never", "never", 5),
        (1004, "ActionNotAllowed", "never", "never", 14),
        (1005, "BuildError", "never", "never", 3),
        (1006, "AuthLockError", "pause", "pause", 1),
        (1007, "AuthExpired", "new session", "new session", 2),
        (1008, "SequenceError", "new session", "new session", 4),
        (1009, "RetryError", "pause", "in doubt", 8),
        (1014, "ServerOffline", "pause", "pause", 4),
        (1019, "ParameterError", "never", "never", 4),
    ];
    assert_eq!(found, expected);
}

/// Whether our call is the recorded one as far as it claims to be, and our reader reads its answer.
fn held_against(ours: &Ours, capture: &Capture) -> Result<(), String> {
    let written = ours.call.encode().map_err(|error| error.to_string())?;
    let limits = Limits::default();
    let theirs = Call::decode(&capture.request, &limits).map_err(|error| error.to_string())?;
    let is_same = written.as_bytes() == capture.request;
    let is_alike = normal(&ours.call) == normal(&theirs);
    match ours.same {
        Same::Bytes if !is_same => return Err(format!("our request differs:\n{written}")),
        Same::Members if is_same || !is_alike => {
            return Err("does not differ in the order of members alone".to_owned());
        }
        Same::Differs(_) if is_alike => return Err("does not differ".to_owned()),
        Same::Differs(_) if ours.call.method != theirs.method => return Err("another method".to_owned()),
        Same::Bytes | Same::Members | Same::Differs(_) => {}
    }
    match Answer::decode(&capture.answer, &limits) {
        Ok(Answer::Value(value)) => (ours.read)(value),
        Ok(Answer::Fault(_)) => Ok(()),
        Err(_) if capture.status != 200 => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// A call with the members of all its structs in the order of their names.
fn normal(call: &Call) -> Call {
    let sorted = sort(&Value::Struct(call.named.clone()));
    let named = sorted.as_struct().cloned().unwrap_or_default();
    Call { method: call.method.clone(), params: call.params.iter().map(sort).collect(), named }
}

fn sort(value: &Value) -> Value {
    if let Some(items) = value.as_array() {
        return Value::Array(items.iter().map(sort).collect());
    }
    let Some(members) = value.as_struct() else { return value.clone() };
    let sorted: BTreeMap<&str, Value> = members.iter().map(|(name, member)| (name, sort(member))).collect();
    Value::Struct(sorted.into_iter().collect::<Struct>())
}

/// The bytes of a text in order: what stays the same when members change places.
fn sorted(text: &str) -> Vec<u8> {
    let mut bytes = text.trim_end().as_bytes().to_vec();
    bytes.sort_unstable();
    bytes
}

fn captures() -> Option<Vec<Capture>> {
    let folder = shared::shared()?.join("reference/koji-captures");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "http"));
    files.sort();
    Some(
        files
            .iter()
            .map(|path| read_capture(&path.file_stem().unwrap().to_string_lossy(), &fs::read(path).unwrap()))
            .collect(),
    )
}

fn read_capture(name: &str, exchange: &[u8]) -> Capture {
    let line = find(exchange, b"\n======== response (").unwrap();
    let rest = exchange.get(line + 1..).unwrap();
    let answer = rest.get(find(rest, b"\n").unwrap() + 1..).unwrap();
    let (request_head, request) = message(exchange.get(..line).unwrap());
    // The recorder shortened a path in some answers, so their `Content-Length` is wrong: the body is the rest.
    let (answer_head, answer) = message(answer);
    let length = request_head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let request = request.get(..length.parse::<usize>().unwrap()).unwrap().to_vec();
    let status = answer_head.split(' ').nth(1).unwrap().parse().unwrap();
    Capture { name: name.to_owned(), genuine: request_head.contains("\r\nAccept: "), request, status, answer }
}

/// Head and body of a message.
fn message(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = find(bytes, b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes.get(..end).unwrap().to_vec()).unwrap();
    (head, bytes.get(end + 4..).unwrap().to_vec())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
