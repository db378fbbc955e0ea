//! The quick way through one record: a single validating pass that keeps the few fields that matter.
//!
//! It accepts exactly the JSON that `serde_json` accepts, nested at most [`MAX_DEPTH`] deep, with one exception:
//! where a key it has to compare is written with an escape it gives up, and [`super::strict`] reads the record.
//! It unescapes nothing and builds nothing; a value that is kept is kept as its text.

use super::envelope::{Container, Envelope, Fields, MAX_DEPTH};

/// Reads a record whole. `None`: not JSON, no object, too deep, or a case for the strict reader.
pub(super) fn scan(text: &str) -> Option<Envelope<'_>> {
    let mut scanner = Scanner { text, rest: text.as_bytes() };
    let mut envelope = Envelope::default();
    scanner.space();
    scanner.envelope(&mut envelope)?;
    scanner.space();
    scanner.rest.is_empty().then_some(envelope)
}

struct Scanner<'a> {
    text: &'a str,
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn envelope(&mut self, envelope: &mut Envelope<'a>) -> Option<()> {
        self.members(|scanner, key| match key {
            b"body" => scanner.container(Container::Body, envelope),
            b"msg" => scanner.container(Container::Msg, envelope),
            b"headers" => {
                envelope.sent_at = None;
                scanner.object_or_other(|scanner, key| {
                    let raw = scanner.raw(2)?;
                    if key == b"sent-at" {
                        envelope.sent_at = Some(raw);
                    }
                    Some(())
                })
            }
            _ => {
                let raw = scanner.raw(1)?;
                envelope.keep(key, raw);
                Some(())
            }
        })
    }

    /// The value of `body` or `msg`.
    fn container(&mut self, container: Container, envelope: &mut Envelope<'a>) -> Option<()> {
        let mut fields = Fields::default();
        let before = self.rest;
        self.object_or_other(|scanner, key| {
            if let Some(slot) = fields.slot(key) {
                *slot = Some(scanner.raw(2)?);
                Some(())
            } else {
                scanner.value(2)
            }
        })?;
        let raw = self.text_since(before)?;
        envelope.contain(container, raw, fields);
        Some(())
    }

    /// A value of the record: an object whose members are looked at, or anything else, which is passed over.
    fn object_or_other(&mut self, member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        if self.rest.first() == Some(&b'{') { self.members(member) } else { self.value(1) }
    }

    /// The members of an object; `member` has to pass over the value of the key it is given.
    fn members(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        self.space();
        if self.skip(b'}') {
            return Some(());
        }
        loop {
            let key = self.plain_key()?;
            self.colon()?;
            member(self, key)?;
            if !self.comma(b'}')? {
                return Some(());
            }
        }
    }

    /// Passes over a value and gives its text; `depth` containers are open around it.
    fn raw(&mut self, depth: usize) -> Option<&'a str> {
        let before = self.rest;
        self.value(depth)?;
        self.text_since(before)
    }

    fn text_since(&self, before: &'a [u8]) -> Option<&'a str> {
        let start = self.text.len().checked_sub(before.len())?;
        let end = self.text.len().checked_sub(self.rest.len())?;
        self.text.get(start..end)
    }

    /// Passes over any value.
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.rest.split_first()? {
            (b'"', rest) => {
                self.rest = rest;
                self.string()
            }
            (b'{', rest) => {
                self.rest = rest;
                self.skip_object(depth + 1)
            }
            (b'[', rest) => {
                self.rest = rest;
                self.skip_array(depth + 1)
            }
            (b'-' | b'0'..=b'9', _) => self.number(),
            (b't', rest) => self.literal(rest, b"rue"),
            (b'f', rest) => self.literal(rest, b"alse"),
            (b'n', rest) => self.literal(rest, b"ull"),
            _ => None,
        }
    }

    fn skip_object(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        if self.skip(b'}') {
            return Some(());
        }
        loop {
            self.expect(b'"')?;
            self.string()?;
            self.colon()?;
            self.value(depth)?;
            if !self.comma(b'}')? {
                return Some(());
            }
        }
    }

    fn skip_array(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        if self.skip(b']') {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if !self.comma(b']')? {
                return Some(());
            }
        }
    }

    /// A key without its quotes; `None` also where it holds an escape.
    fn plain_key(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let before = self.rest;
        self.plain_run();
        let key = before.get(..before.len().checked_sub(self.rest.len())?)?;
        self.expect(b'"')?;
        Some(key)
    }

    /// The rest of a string behind its opening quote.
    fn string(&mut self) -> Option<()> {
        loop {
            self.plain_run();
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Some(());
                }
                [b'\\', b'u', a, b, c, d, rest @ ..]
                    if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) =>
                {
                    self.rest = rest;
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => {
                    self.rest = rest
                }
                _ => return None,
            }
        }
    }

    /// Passes over characters of a string up to a quote, a backslash or a control character.
    fn plain_run(&mut self) {
        while let Some((chunk, rest)) = self.rest.split_first_chunk::<8>() {
            let found = special_bytes(u64::from_le_bytes(*chunk));
            if found == 0 {
                self.rest = rest;
            } else {
                let length = (found.trailing_zeros() / 8) as usize;
                self.rest = self.rest.get(length..).unwrap_or_default();
                return;
            }
        }
        while let [byte, rest @ ..] = self.rest
            && !matches!(byte, b'"' | b'\\' | 0..=0x1f)
        {
            self.rest = rest;
        }
    }

    fn number(&mut self) -> Option<()> {
        self.skip(b'-');
        match self.rest.split_first()? {
            (b'0', rest) => self.rest = rest,
            _ => self.digits()?,
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            if !self.skip(b'+') {
                self.skip(b'-');
            }
            self.digits()?;
        }
        Some(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let before = self.rest.len();
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
        (self.rest.len() < before).then_some(())
    }

    fn literal(&mut self, rest: &'a [u8], tail: &[u8]) -> Option<()> {
        self.rest = rest.strip_prefix(tail)?;
        Some(())
    }

    /// The colon behind a key, with the white space around it.
    fn colon(&mut self) -> Option<()> {
        self.space();
        self.expect(b':')?;
        self.space();
        Some(())
    }

    /// What follows a member: true behind a comma, false behind the end of the container.
    fn comma(&mut self, end: u8) -> Option<bool> {
        self.space();
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        match byte {
            b',' => {
                self.space();
                Some(true)
            }
            _ if byte == end => Some(false),
            _ => None,
        }
    }

    fn space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip(byte).then_some(())
    }

    fn skip(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

/// Marks, by its highest bit, the first byte of eight that is a quote, a backslash or a control character; bits
/// above the first mark mean nothing (a borrow may run into them), zero means that there is none.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                for filler in [b'a', 0x20, 0x21, 0x7f, 0x80, 0xff, b'#', b']'] {
                    let mut chunk = [filler; 8];
                    chunk[place] = byte;
                    let found = special_bytes(u64::from_le_bytes(chunk));
                    let special = matches!(byte, b'"' | b'\\' | 0..=0x1f);
                    let expected = if special { place } else { 8 };
                    assert_eq!(found.trailing_zeros() as usize / 8, expected, "{chunk:?}");
                }
            }
        }
    }
}
