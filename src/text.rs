//! Printing text from outside: messages, files, answers of a hub.
//!
//! Whatever a stranger wrote is printed through here before it reaches a terminal, a log or a page: no control
//! sequence, no reordering of what a person reads, nothing invisible. Two different texts never print alike.

use std::fmt::{self, Write as _};

/// Prints `text` safely: what is not plain visible text becomes `\u{..}`, a backslash `\\`.
pub const fn escaped(text: &str) -> Escaped<'_> {
    Escaped { bytes: text.as_bytes(), max_chars: usize::MAX }
}

/// The same in at most `max_chars` printed characters; a text that does not fit ends in `…`.
pub const fn bounded(text: &str, max_chars: usize) -> Escaped<'_> {
    Escaped { bytes: text.as_bytes(), max_chars }
}

/// The same for bytes that may be no UTF-8: a byte that belongs to no character becomes `\x..`.
pub const fn bounded_bytes(bytes: &[u8], max_chars: usize) -> Escaped<'_> {
    Escaped { bytes, max_chars }
}

/// A text that prints itself safely; made by [`escaped`], [`bounded`] and [`bounded_bytes`].
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    max_chars: usize,
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.max_chars == 0 {
            return Ok(());
        }
        // Looks ahead only until the bound is passed, so a text of any length costs no more than the bound.
        let mut length = 0usize;
        let fits = units(self.bytes).all(|unit| {
            length = length.saturating_add(unit.width());
            length <= self.max_chars
        });
        if fits {
            return units(self.bytes).try_for_each(|unit| unit.write(f));
        }
        let mut room = self.max_chars - 1;
        for unit in units(self.bytes) {
            let Some(left) = room.checked_sub(unit.width()) else { break };
            room = left;
            unit.write(f)?;
        }
        f.write_char('…')
    }
}

/// What is printed or escaped as one: a character, or a byte that belongs to none.
#[derive(Clone, Copy)]
enum Unit {
    Char(char),
    Byte(u8),
}

impl Unit {
    /// How many characters it prints as.
    fn width(self) -> usize {
        match self {
            Self::Char('\\') => 2,
            Self::Char(c) if is_unsafe(c) => "\\u{}".len() + hex_digits(c),
            Self::Char(_) => 1,
            Self::Byte(_) => 4,
        }
    }

    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char('\\') => f.write_str("\\\\"),
            Self::Char(c) if is_unsafe(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
            Self::Char(c) => f.write_char(c),
            Self::Byte(byte) => write!(f, "\\x{byte:02x}"),
        }
    }
}

fn units(bytes: &[u8]) -> impl Iterator<Item = Unit> {
    bytes.utf8_chunks().flat_map(|chunk| {
        chunk.valid().chars().map(Unit::Char).chain(chunk.invalid().iter().copied().map(Unit::Byte))
    })
}

fn hex_digits(c: char) -> usize {
    (u32::from(c).checked_ilog(16).unwrap_or(0) + 1) as usize
}

/// Whether a character is invisible, moves other text, or commands a terminal.
pub const fn is_unsafe(c: char) -> bool {
    matches!(c,
        // C0 with ESC and line ends, DEL, C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Soft hyphen, grapheme joiner, Arabic letter mark, invisible letters of Hangul and Khmer, Mongolian selectors.
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        // Zero width, direction marks, line and paragraph separators, embeddings and overrides, isolates.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Invisible letters, byte order mark, annotations, tags.
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A number as people write it: `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_unsafe_is_shown() {
        for (text, printed) in [
            ("perl-GooCanvas2", "perl-GooCanvas2"),
            ("žluťoučký 📦 \"x\"", "žluťoučký 📦 \"x\""),
            ("\u{1b}[2J\r\n", "\\u{1b}[2J\\u{d}\\u{a}"),
            ("\u{7f}\u{9b}31m", "\\u{7f}\\u{9b}31m"),
            ("a\u{202e}b\u{2066}c\u{200f}\u{61c}", "a\\u{202e}b\\u{2066}c\\u{200f}\\u{61c}"),
            ("\u{2028}\u{2029}\u{200b}\u{feff}", "\\u{2028}\\u{2029}\\u{200b}\\u{feff}"),
            ("\\u{1b}", "\\\\u{1b}"),
            ("", ""),
        ] {
            assert_eq!(escaped(text).to_string(), printed);
        }
        assert_eq!(bounded_bytes(b"\"name\": \"\xff\xc3(", 40).to_string(), "\"name\": \"\\xff\\xc3(");
    }

    #[test]
    fn the_bound_counts_what_is_printed() {
        for (text, max, printed) in [
            ("abcde", 5, "abcde"),
            ("abcdef", 5, "abcd…"),
            ("ab\n", 7, "ab\\u{a}"),
            ("ab\n", 6, "ab…"),
            ("a\\", 3, "a\\\\"),
            ("a\\", 2, "a…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("", 0, ""),
        ] {
            assert_eq!(bounded(text, max).to_string(), printed, "{text:?} in {max}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    /// The characters that the law below looks for, written down apart from [`is_unsafe`].
    fn may_not_be_printed(c: char) -> bool {
        let code = u32::from(c);
        c.is_control()
            || [0x61c, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x2060, 0xfeff].contains(&code)
            || (0x202a..=0x202e).contains(&code)
            || (0x2066..=0x2069).contains(&code)
    }

    /// Any text, with many of the characters that must not come through.
    fn any_text() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            '\0', '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{61c}', '\u{200b}', '\u{200e}', '\u{2029}',
            '\u{202b}', '\u{2067}', '\u{feff}', '\\', 'u', '{', '}',
        ]);
        prop::collection::vec(prop_oneof![any::<char>(), odd], 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn nothing_unsafe_comes_through(text in any_text(), max in 0usize..60) {
            for printed in [escaped(&text).to_string(), bounded(&text, max).to_string()] {
                prop_assert!(!printed.chars().any(may_not_be_printed), "{printed:?}");
            }
        }

        #[test]
        fn no_byte_comes_through_that_is_no_text(bytes in prop::collection::vec(any::<u8>(), 0..60), max in 0usize..80) {
            let printed = bounded_bytes(&bytes, max).to_string();
            prop_assert!(!printed.chars().any(may_not_be_printed), "{printed:?}");
            prop_assert!(printed.chars().count() <= max);
        }

        #[test]
        fn a_bounded_text_is_whole_or_says_that_it_is_not(text in any_text(), max in 1usize..60) {
            let (whole, printed) = (escaped(&text).to_string(), bounded(&text, max).to_string());
            prop_assert!(printed.chars().count() <= max);
            let expected_whole = whole.chars().count() <= max;
            prop_assert_eq!(printed == whole, expected_whole);
            if !expected_whole {
                let start = printed.strip_suffix('…');
                prop_assert!(start.is_some_and(|start| whole.starts_with(start)), "{}", printed);
            }
        }

        #[test]
        fn different_texts_print_differently(one in any_text(), other in any_text()) {
            prop_assert_eq!(escaped(&one).to_string() == escaped(&other).to_string(), one == other);
        }
    }
}
