//! Tables that grow row by row, and text in lines of a stated width.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Out;

/// Between two columns.
const GAP: usize = 2;
/// A column that is cut to fit is not cut below this width.
const CUT_MIN: usize = 8;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Column {
    /// Its head.
    pub(in crate::cli) head: &'static str,
    /// Its width where no value is wider.
    pub(in crate::cli) width: usize,
    /// Its values stand at its right end.
    pub(in crate::cli) right: bool,
}

impl Column {
    /// A column of texts.
    pub(in crate::cli) const fn text(head: &'static str, width: usize) -> Self {
        Self { head, width, right: false }
    }

    /// A column of numbers.
    pub(in crate::cli) const fn number(head: &'static str, width: usize) -> Self {
        Self { head, width, right: true }
    }
}

/// Writes rows as they come; a column grows with its widest value, and the last is cut where the terminal ends.
#[derive(Debug)]
pub(in crate::cli) struct Table {
    columns: Vec<Column>,
    out: Out,
    begun: bool,
}

impl Table {
    pub(in crate::cli) fn new(out: Out, columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), out, begun: false }
    }

    /// Writes a row of safe texts, and before the first one the heads.
    pub(in crate::cli) fn row(&mut self, to: &mut impl Write, cells: &[&str]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.width = column.width.max(cell.width()).max(column.head.width());
        }
        if !self.begun {
            self.begun = true;
            let heads: Vec<&str> = self.columns.iter().map(|column| column.head).collect();
            let line = self.line(&heads);
            writeln!(to, "{}", self.out.strong(&line))?;
        }
        writeln!(to, "{}", self.line(cells))
    }

    fn line(&self, cells: &[&str]) -> String {
        let mut line = String::new();
        let mut left = self.out.row_width();
        let last = self.columns.len().min(cells.len()).saturating_sub(1);
        for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let room = if index == last { left.max(CUT_MIN) } else { column.width };
            let shown = cut(cell, room);
            let pad = " ".repeat(column.width.saturating_sub(shown.width()));
            let shown = self.out.outcome(&shown);
            match (column.right, index == last) {
                (true, _) => line.extend([pad.as_str(), shown.as_str()]),
                (false, true) => line.push_str(&shown),
                (false, false) => line.extend([shown.as_str(), pad.as_str()]),
            }
            if index < last {
                line.push_str(&" ".repeat(GAP));
            }
            left = left.saturating_sub(column.width + GAP);
        }
        line
    }
}

/// A text in at most `width` columns; one that is cut ends in `…`.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room = room.saturating_sub(wide);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// A text in lines of at most `width` columns, each behind `indent` spaces; a word that is longer stands alone.
pub(in crate::cli) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut lines = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let wide = word.width();
        if used > 0 && used + 1 + wide > width {
            lines.push('\n');
            used = 0;
        }
        if used == 0 {
            lines.push_str(&" ".repeat(indent));
            used = indent;
        } else {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += wide;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;

    fn table(terminal: Option<usize>, rows: &[[&str; 3]]) -> String {
        let out = Out { format: Format::Table, colour: false, terminal };
        let mut table =
            Table::new(out, &[Column::text("tag", 4), Column::number("builds", 0), Column::text("nvr", 0)]);
        let mut text = Vec::new();
        for row in rows {
            table.row(&mut text, row).unwrap();
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn columns_grow_and_the_last_is_cut_where_the_terminal_ends() {
        let rows = [["f42", "7", "bash-5.2-1.fc42"], ["f42-build", "12345678", "zsh-5-1.fc42"]];
        assert_eq!(
            table(None, &rows),
            "tag   builds  nvr\nf42        7  bash-5.2-1.fc42\nf42-build  12345678  zsh-5-1.fc42\n"
        );
        assert_eq!(
            table(Some(24), &rows[..1]),
            "tag   builds  nvr\nf42        7  bash-5.2-…\n",
            "24 columns: the last has 10"
        );
        // Two columns a character.
        assert_eq!(
            table(Some(23), &[["f42", "7", "日本語日本語"]]).lines().last(),
            Some("f42        7  日本語日…")
        );
    }

    #[test]
    fn text_is_wrapped_at_words() {
        for (text, lines) in [
            ("", "\n"),
            ("one two", "  one two\n"),
            ("one two three", "  one two\n  three\n"),
            ("averyverylongword x", "  averyverylongword\n  x\n"),
            ("a averyverylongword", "  a\n  averyverylongword\n"),
        ] {
            assert_eq!(wrapped(text, 2, 10), lines, "{text}");
        }
    }
}
