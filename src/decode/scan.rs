//! The quick way through one record: a single validating pass that keeps the few fields that matter.
//!
//! It accepts exactly the JSON that `serde_json` accepts, nested at most [`MAX_DEPTH`] deep, with one exception:
//! where a key it has to compare is written with an escape it gives up, and [`super::strict`] reads the record.
//! It unescapes nothing and builds nothing; a value that is kept is kept as its text.
//!
//! Every function takes the rest of the text and gives what follows the part it has read, `None` where that part is
//! not what it should be. Passed by value the rest stays in registers, which is most of the speed.

use super::envelope::{Container, Envelope, MAX_DEPTH, Value};

/// What is left of the text.
type Rest<'a> = &'a [u8];

/// Reads a record whole into an empty envelope. `None`: not JSON, no object, too deep, or a case for the strict reader;
/// then the envelope holds nothing of use.
pub(super) fn scan<'a>(text: &'a str, envelope: &mut Envelope<'a>) -> Option<()> {
    let rest = members(space(text.as_bytes()), |key, rest| match key {
        b"body" => container(text, rest, Container::Body, envelope),
        b"msg" => container(text, rest, Container::Msg, envelope),
        b"headers" => {
            envelope.sent_at = None;
            object_or_other(rest, |key, rest| {
                if key != b"sent-at" {
                    return skip(rest, 2);
                }
                let (value, rest) = keep(text, rest, 2)?;
                envelope.sent_at = Some(value);
                Some(rest)
            })
        }
        _ => {
            let (value, rest) = keep(text, rest, 1)?;
            envelope.keep(key, value);
            Some(rest)
        }
    })?;
    space(rest).is_empty().then_some(())
}

/// The value of `body` or `msg`.
fn container<'a>(
    text: &'a str,
    rest: Rest<'a>,
    container: Container,
    envelope: &mut Envelope<'a>,
) -> Option<Rest<'a>> {
    if !envelope.takes(container) {
        return object_or_other(rest, |_, rest| skip(rest, 2));
    }
    let fields = &mut envelope.fields;
    let after = object_or_other(rest, |key, rest| match fields.slot(key) {
        Some(slot) => {
            let (value, rest) = keep(text, rest, 2)?;
            *slot = Some(value);
            Some(rest)
        }
        None => skip(rest, 2),
    })?;
    envelope.contained = Some((container, Value::Json(between(text, rest, after)?)));
    Some(after)
}

/// A value of the record: an object whose members are looked at, or anything else, which is passed over.
fn object_or_other<'a>(
    rest: Rest<'a>,
    member: impl FnMut(&'a [u8], Rest<'a>) -> Option<Rest<'a>>,
) -> Option<Rest<'a>> {
    if rest.first() == Some(&b'{') { members(rest, member) } else { skip(rest, 1) }
}

/// The members of an object; `member` is given a key and the text from its value on, which it has to pass over.
#[inline]
fn members<'a>(
    rest: Rest<'a>,
    mut member: impl FnMut(&'a [u8], Rest<'a>) -> Option<Rest<'a>>,
) -> Option<Rest<'a>> {
    let mut rest = space(rest.strip_prefix(b"{")?);
    if let [b'}', after @ ..] = rest {
        return Some(after);
    }
    loop {
        let start = rest.strip_prefix(b"\"")?;
        let end = plain(start);
        let key = start.get(..start.len().checked_sub(end.len())?)?;
        rest = space(member(key, colon(end.strip_prefix(b"\"")?)?)?);
        match rest {
            [b',', after @ ..] => rest = space(after),
            [b'}', after @ ..] => return Some(after),
            _ => return None,
        }
    }
}

/// Passes over a value and gives it; `depth` containers are open around it.
#[inline]
fn keep<'a>(text: &'a str, rest: Rest<'a>, depth: usize) -> Option<(Value<'a>, Rest<'a>)> {
    if let [b'"', start @ ..] = rest
        && let end = plain(start)
        && let [b'"', after @ ..] = end
    {
        return Some((Value::Text(between(text, start, end)?), after));
    }
    let after = skip(rest, depth)?;
    Some((Value::Json(between(text, rest, after)?), after))
}

/// The text from one rest to a later one.
#[inline]
fn between<'a>(text: &'a str, from: Rest<'_>, to: Rest<'_>) -> Option<&'a str> {
    text.get(text.len().checked_sub(from.len())?..text.len().checked_sub(to.len())?)
}

/// Passes over any value.
fn skip(rest: Rest<'_>, depth: usize) -> Option<Rest<'_>> {
    match rest.split_first()? {
        (b'"', rest) => string(rest),
        (b'{', rest) => object(rest, depth + 1),
        (b'[', rest) => array(rest, depth + 1),
        (b'-' | b'0'..=b'9', _) => number(rest),
        (b't', rest) => rest.strip_prefix(b"rue"),
        (b'f', rest) => rest.strip_prefix(b"alse"),
        (b'n', rest) => rest.strip_prefix(b"ull"),
        _ => None,
    }
}

/// The rest of an object behind its brace; `depth` counts it.
fn object(rest: Rest<'_>, depth: usize) -> Option<Rest<'_>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut rest = space(rest);
    if let [b'}', after @ ..] = rest {
        return Some(after);
    }
    loop {
        rest = string(rest.strip_prefix(b"\"")?)?;
        rest = space(skip(colon(rest)?, depth)?);
        match rest {
            [b',', after @ ..] => rest = space(after),
            [b'}', after @ ..] => return Some(after),
            _ => return None,
        }
    }
}

/// The rest of a list behind its bracket; `depth` counts it.
fn array(rest: Rest<'_>, depth: usize) -> Option<Rest<'_>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut rest = space(rest);
    if let [b']', after @ ..] = rest {
        return Some(after);
    }
    loop {
        rest = space(skip(rest, depth)?);
        match rest {
            [b',', after @ ..] => rest = space(after),
            [b']', after @ ..] => return Some(after),
            _ => return None,
        }
    }
}

/// The rest of a string behind its opening quote.
fn string(mut rest: Rest<'_>) -> Option<Rest<'_>> {
    loop {
        rest = plain(rest);
        match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'u', a, b, c, d, after @ ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => {
                rest = after;
            }
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', after @ ..] => rest = after,
            _ => return None,
        }
    }
}

fn number(rest: Rest<'_>) -> Option<Rest<'_>> {
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let mut rest = match rest {
        [b'0', after @ ..] => after,
        _ => digits(rest)?,
    };
    if let [b'.', after @ ..] = rest {
        rest = digits(after)?;
    }
    if let [b'e' | b'E', b'+' | b'-', after @ ..] | [b'e' | b'E', after @ ..] = rest {
        rest = digits(after)?;
    }
    Some(rest)
}

/// One digit or more.
fn digits(rest: Rest<'_>) -> Option<Rest<'_>> {
    let [b'0'..=b'9', rest @ ..] = rest else { return None };
    let mut rest = rest;
    while let [b'0'..=b'9', after @ ..] = rest {
        rest = after;
    }
    Some(rest)
}

/// The colon behind a key, with the white space around it.
#[inline]
fn colon(rest: Rest<'_>) -> Option<Rest<'_>> {
    let rest = match rest {
        [b':', after @ ..] => after,
        _ => space(rest).strip_prefix(b":")?,
    };
    Some(space(rest))
}

/// Passes over white space, of which there is mostly none or one.
#[inline]
fn space(rest: Rest<'_>) -> Rest<'_> {
    let rest = match rest {
        [b' ', after @ ..] => after,
        _ => rest,
    };
    match rest {
        [first, ..] if *first > b' ' => rest,
        _ => long_space(rest),
    }
}

#[cold]
fn long_space(mut rest: Rest<'_>) -> Rest<'_> {
    while let [b' ' | b'\n' | b'\r' | b'\t', after @ ..] = rest {
        rest = after;
    }
    rest
}

/// Passes over characters of a string up to a quote, a backslash or a control character.
#[inline]
fn plain(mut rest: Rest<'_>) -> Rest<'_> {
    while let Some((chunk, after)) = rest.split_first_chunk() {
        let found = special_bytes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return rest.get(first_byte(found)..).unwrap_or_default();
        }
        rest = after;
    }
    while let [byte, after @ ..] = rest
        && !matches!(byte, b'"' | b'\\' | 0..=0x1f)
    {
        rest = after;
    }
    rest
}

/// Marks, by its highest bit, the first of eight bytes that ends a run of plain characters; zero where none does. Bits
/// above the first mark mean nothing: a borrow may have run into them.
#[inline]
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES * 0x80;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGHS
}

/// The place of the first byte that is marked, 8 where none is.
#[inline]
const fn first_byte(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::strict;
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                for filler in [b'a', 0x20, 0x21, 0x7f, 0x80, 0xff, b'#', b']'] {
                    let mut chunk = [filler; 8];
                    chunk[place] = byte;
                    let special = matches!(byte, b'"' | b'\\' | 0..=0x1f);
                    let expected = if special { place } else { 8 };
                    assert_eq!(first_byte(special_bytes(u64::from_le_bytes(chunk))), expected, "{chunk:?}");
                }
            }
        }
    }

    /// Pieces of JSON and of what is none, strung together at random: often valid, often just not.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            " ",
            "\n",
            "\t",
            "\u{c}",
            "\u{a0}",
            "0",
            "-",
            "1",
            "12",
            "0.5",
            "1e3",
            "1E-7",
            "01",
            "1.",
            ".5",
            "-0",
            "true",
            "false",
            "null",
            "nul",
            "\"a\"",
            "\"\"",
            "\"tag\"",
            "\"\\n\"",
            "\"\\u00e9\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"é📦\"",
            "\"\u{1f}\"",
            "\"\u{7f}\"",
            "\"body\":{",
            "\"headers\":{",
            "\"msg\":",
            "\"topic\":\"x\"",
            "\"sent-at\":1",
            "\"build_id\":7",
            "\"b\\u006fdy\":",
            "\"name\":\"long enough a text\"",
        ]);
        prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    /// Valid JSON of any shape, with odd but allowed white space, numbers, escapes and keys that matter.
    fn json() -> impl Strategy<Value = String> {
        let key = prop::sample::select(vec![
            "body",
            "msg",
            "headers",
            "topic",
            "id",
            "msg_id",
            "timestamp",
            "sent-at",
            "raw_messages",
            "tag",
            "build_id",
            "name",
            "version",
            "owner",
            "x",
            "",
            "é",
            "\\n",
            "t\\u0061g",
        ]);
        let space = prop::sample::select(vec!["", "", "", " ", " ", "  ", "\n", "\r\n\t "]);
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1e999",
            "12.50E+3",
            "9223372036854775808",
            "\"\"",
            "\"f42\"",
            "\"eight by\"",
            "\"sixteen bytes it!\"",
            "\"é\\\\\\\"\"",
            "\"\\ud83d\\udce6\"",
            "\"\\udc80\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
        ]);
        let value = leaf.prop_map(str::to_owned).prop_recursive(4, 40, 6, move |inner| {
            let member = (key.clone(), space.clone(), space.clone(), inner.clone());
            let member =
                member.prop_map(|(key, before, after, value)| format!("\"{key}\"{before}:{after}{value}"));
            let glue = space.clone().prop_map(|space| format!("{space},{space}"));
            prop_oneof![
                (prop::collection::vec(member, 0..7), glue.clone())
                    .prop_map(|(all, glue)| { format!("{{{}}}", all.join(&glue)) }),
                (prop::collection::vec(inner, 0..4), glue)
                    .prop_map(|(all, glue)| format!("[{}]", all.join(&glue))),
            ]
        });
        value.boxed()
    }

    /// The law: the scan accepts what the strict reader accepts and finds the same, but for escapes in keys.
    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let mut envelope = Envelope::default();
        let quick = scan(text, &mut envelope).map(|()| envelope);
        match (quick, strict::read(text.as_bytes())) {
            (Some(quick), Ok(strict)) => prop_assert_eq!(quick, strict, "{}", text),
            (None, Ok(_)) => prop_assert!(text.contains('\\'), "given up: {text}"),
            (Some(_), Err(problem)) => prop_assert!(false, "accepted: {text}: {problem:?}"),
            (None, Err(problem)) => prop_assert!(!problem.explanation.is_empty()),
        }
        Ok(())
    }

    #[test]
    fn nesting_is_counted_alike() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            for depth in [126, 127, 128, 200] {
                for key in ["x", "tag", "body", "headers", "msg"] {
                    let inner = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                    let text = format!("{{\"{key}\": {inner}}}");
                    agrees(&text).unwrap();
                    let read = scan(&text, &mut Envelope::default());
                    assert_eq!(read.is_some(), depth < MAX_DEPTH, "{depth} in {key}");
                }
            }
            // Empty containers at the limit.
            for inner in ["[]", "{}", "[ ]", "{ }"] {
                for depth in [126, 127] {
                    let text = format!("{{\"x\":{}{inner}{}}}", open.repeat(depth), close.repeat(depth));
                    agrees(&text).unwrap();
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_pieces_are_read_alike(text in pieces()) {
            agrees(&text)?;
            agrees(&format!("{{{text}}}"))?;
            agrees(&format!("{{\"body\":{{{text}}}}}"))?;
        }

        #[test]
        fn any_json_is_read_alike(text in json(), cut in any::<prop::sample::Index>()) {
            agrees(&text)?;
            agrees(&format!("{{\"topic\": \"x\", \"body\": {text}}}"))?;
            let end = cut.index(text.len() + 1);
            if let Some(start) = text.get(..end) {
                agrees(start)?;
            }
        }

        #[test]
        fn any_text_is_read_alike(text in any::<String>()) {
            agrees(&text)?;
            agrees(&format!("{{\"name\": \"{text}\"}}"))?;
        }
    }
}
