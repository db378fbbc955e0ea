//! Exchanges with a real hub, read and written by our own notation (needs `../shared`).

#![expect(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

#[path = "common/shared.rs"]
mod shared;

use std::fs;

use tidegate::koji::xmlrpc::{Answer, Call, Limits};

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
