//! The lines that pass over the socket: what they hold, how long they may be, and what is wrong with a bad one.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::person::check_name;
use super::{ANSWER_MAX_BYTES, WHY_MAX_CHARS};
use crate::live::ask::{Answer, Request};
use crate::text::{bounded, grouped};

/// The version of the protocol.
pub(super) const VERSION: u32 = 1;
/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;
/// What is shown of a mistake in a line, in characters.
const SHOWN: usize = 200;

/// What every line says of itself, whatever its version.
#[derive(Debug, Deserialize)]
struct Versioned {
    tidegate: u32,
}

/// A request as it is sent.
#[derive(Debug, Serialize, Deserialize)]
struct RequestLine<'a> {
    tidegate: u32,
    #[serde(rename = "as", default)]
    name: Option<std::borrow::Cow<'a, str>>,
    request: Request,
}

/// An answer as it is sent: one of the two.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reply {
    tidegate: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Why there is no answer. What was asked for was not done, but where the pipeline is stopping: then it may have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) kind: ProblemKind,
    pub(super) text: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProblemKind {
    /// The line is no request.
    Unreadable,
    /// It is one of another version.
    Version,
    /// All places are taken.
    Busy,
    /// The pipeline is coming to an end.
    Stopping,
    /// The answer is longer than a line may be.
    TooLong,
}

/// Why no line was read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The other side hung up before it wrote anything.
    #[error("nothing was sent")]
    Empty,
    #[error("the line is longer than {0} bytes")]
    TooLong(usize),
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, text: String) -> Self {
        Self { kind, text }
    }

    pub(super) fn stopping() -> Self {
        Self::new(ProblemKind::Stopping, "the pipeline is stopping".to_owned())
    }

    fn unreadable(text: String) -> Self {
        Self::new(ProblemKind::Unreadable, text)
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self { tidegate: VERSION, answer: None, problem: Some(problem) }
    }
}

impl Reply {
    pub(super) fn answer(answer: Answer) -> Self {
        Self { tidegate: VERSION, answer: Some(answer), problem: None }
    }

    pub(super) fn problem(kind: ProblemKind, text: String) -> Self {
        Problem::new(kind, text).into()
    }

    /// The line to send; a note in its stead where it is too long.
    pub(super) fn line(&self) -> Vec<u8> {
        let line = serde_json::to_vec(self).ok().filter(|line| line.len() < ANSWER_MAX_BYTES);
        let mut line = line.unwrap_or_else(|| {
            // As the serialisation below, which cannot fail; written out, for there is nobody left to tell.
            br#"{"tidegate":1,"problem":{"kind":"too_long","text":"the answer is longer than 16 MiB: ask for less"}}"#.to_vec()
        });
        line.push(b'\n');
        line
    }

    /// What a line of the pipeline says. `None`: it is one of another version.
    pub(super) fn parse(line: &[u8]) -> Option<Result<Answer, Problem>> {
        let version: Versioned = serde_json::from_slice(line).ok()?;
        let reply: Self = (version.tidegate == VERSION).then(|| serde_json::from_slice(line).ok())??;
        match (reply.answer, reply.problem) {
            (Some(answer), None) => Some(Ok(answer)),
            (None, Some(problem)) => Some(Err(problem)),
            _ => None,
        }
    }
}

/// The line of a request.
pub(super) fn request_line(name: Option<&str>, request: Request) -> io::Result<Vec<u8>> {
    let line = RequestLine { tidegate: VERSION, name: name.map(Into::into), request };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    Ok(line)
}

/// The name and the request that a line holds.
pub(super) fn parse_request(line: &[u8]) -> Result<(Option<String>, Request), Problem> {
    let misread = |error: serde_json::Error| bounded(&error.to_string(), SHOWN).to_string();
    let version: Versioned = serde_json::from_slice(line)
        .map_err(|error| Problem::unreadable(format!("the line is no request: {}", misread(error))))?;
    if version.tidegate != VERSION {
        let text =
            format!("the pipeline speaks version {VERSION}, the request is of version {}", version.tidegate);
        return Err(Problem::new(ProblemKind::Version, text));
    }
    let read: RequestLine<'_> = serde_json::from_slice(line).map_err(|error| {
        let text = format!("the pipeline does not know this request: {}", misread(error));
        Problem::new(ProblemKind::Version, text)
    })?;
    if let Some(name) = &read.name {
        check_name(name).map_err(|error| Problem::unreadable(error.to_string()))?;
    }
    if let Some(why) = read.request.why() {
        check_why(why).map_err(Problem::unreadable)?;
    }
    Ok((read.name.map(Into::into), read.request))
}

/// Refuses a reason that says nothing, or too much.
fn check_why(why: &str) -> Result<(), String> {
    if why.trim().is_empty() {
        return Err("a decision needs a reason: say why in a few words, for whoever asks later".to_owned());
    }
    if why.chars().nth(WHY_MAX_CHARS).is_some() {
        return Err(format!("a reason has at most {} characters", grouped(WHY_MAX_CHARS as u64)));
    }
    Ok(())
}

/// Reads up to the end of a line or of the stream. What stands behind the line is not looked at.
pub(super) async fn read_line(from: &mut (impl AsyncRead + Unpin), max: usize) -> Result<Vec<u8>, LineError> {
    let mut line = Vec::new();
    loop {
        let start = line.len();
        line.reserve(CHUNK);
        if from.read_buf(&mut line).await? == 0 {
            return if line.is_empty() { Err(LineError::Empty) } else { Ok(line) };
        }
        let read = line.get(start..).unwrap_or_default();
        let end = memchr::memchr(b'\n', read).map(|at| start + at);
        if end.unwrap_or(line.len()) > max {
            return Err(LineError::TooLong(max));
        }
        if let Some(end) = end {
            line.truncate(end);
            return Ok(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test]
    async fn a_line_ends_where_it_ends() {
        for (bytes, max, expected) in [
            (&b"abc\n"[..], 3, Ok("abc")),
            (b"abc\nrest", 3, Ok("abc")),
            (b"abc", 3, Ok("abc")),
            (b"\n", 0, Ok("")),
            (b"abcd\n", 3, Err("the line is longer than 3 bytes")),
            (b"abcd", 3, Err("the line is longer than 3 bytes")),
            (b"", 3, Err("nothing was sent")),
        ] {
            let mut from = bytes;
            let read = read_line(&mut from, max).await.map_err(|error| error.to_string());
            assert_eq!(
                read,
                expected.map(|text| text.as_bytes().to_vec()).map_err(str::to_owned),
                "{bytes:?}"
            );
        }
        // In pieces.
        let (mut to, mut from) = tokio::io::duplex(4);
        let writing =
            tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut to, b"0123456789\n").await });
        assert_eq!(read_line(&mut from, 10).await.unwrap(), b"0123456789");
        writing.await.unwrap().unwrap();
    }

    #[test]
    fn an_answer_that_is_too_long_is_replaced_by_a_note() {
        let holds = Answer::Letter { letter: 1, outcome: "x".repeat(ANSWER_MAX_BYTES) };
        let line = Reply::answer(holds).line();
        assert!(line.len() < 200);
        let problem = Reply::parse(&line).unwrap().unwrap_err();
        assert_eq!(problem.kind, ProblemKind::TooLong);
    }

    #[test]
    fn a_reply_of_another_version_is_told_from_a_good_one() {
        for line in [
            "",
            "{}",
            "null",
            "{\"tidegate\":2,\"answer\":{\"holds\":[]}}",
            "{\"tidegate\":1,\"answer\":\"dance\"}",
            "{\"tidegate\":1}",
        ] {
            assert_eq!(Reply::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(
            Reply::parse(b"{\"tidegate\":1,\"answer\":{\"holds\":[]}}"),
            Some(Ok(Answer::Holds(Vec::new())))
        );
    }

    proptest! {
        #[test]
        fn a_request_comes_through_whole(why in "\\PC{1,60}[a-z]", name in prop::option::of("[a-z]{1,64}"), letter in any::<u64>()) {
            let request = Request::Discard { letter, why };
            let line = request_line(name.as_deref(), request.clone()).unwrap();
            let (body, end) = line.split_at(line.len() - 1);
            prop_assert_eq!(end, b"\n");
            prop_assert!(!body.contains(&b'\n'));
            prop_assert_eq!(parse_request(body), Ok((name, request)));
        }

        #[test]
        fn any_bytes_are_a_request_or_a_problem_that_can_be_shown(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(problem) = parse_request(&bytes) {
                prop_assert!(!problem.text.is_empty() && !problem.text.contains(crate::text::is_unsafe));
            }
        }
    }
}
