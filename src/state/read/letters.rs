//! Records that cannot be read, as people look at them.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::Reader;
use crate::state::StateError;
use crate::state::write::int;
use crate::text::bounded_bytes;
use crate::time::Second;

/// Columns that [`row`] reads, of letters with the place they stood at.
const FIND: &str =
    "SELECT l.id, p.topic, p.partition, l.partition, l.offset, l.code, l.explanation, l.bytes, l.status,
    l.handled_at, l.handled_by, l.handled_why
    FROM dead_letter l LEFT JOIN partition p ON p.number = l.partition";

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterRow {
    /// Its number.
    pub letter: u64,
    /// The topic, where it came from Kafka.
    pub topic: Option<String>,
    /// The partition's number in the topic, or in the state where there is none.
    pub partition: i64,
    /// Its offset there.
    pub offset: u64,
    /// What is wrong, as a code.
    pub code: String,
    /// What is wrong, in words.
    pub explanation: String,
    /// What is kept of it, as printable text.
    pub text: String,
    /// `kept`, `retried` or `discarded`.
    pub status: String,
    /// When somebody attended to it.
    #[serde(serialize_with = "crate::explain::facts::iso")]
    pub handled_at: Option<Second>,
    /// Who did.
    pub handled_by: Option<String>,
    /// Why.
    pub handled_why: Option<String>,
}

impl Reader {
    /// The newest records that cannot be read, at most `most`, the oldest first, with `chars` printed characters of each;
    /// those that somebody attended to only where `all` are asked for.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn letters(&self, all: bool, most: u32, chars: usize) -> Result<Vec<LetterRow>, StateError> {
        let find = format!("{FIND} WHERE ?1 OR l.status = 'kept' ORDER BY l.id DESC LIMIT ?2");
        let mut statement = self.db.prepare_cached(&find)?;
        let rows = statement.query_map(params![all, most], |found| row(found, chars))?;
        let mut rows: Vec<LetterRow> = rows.collect::<Result<_, _>>()?;
        rows.reverse();
        Ok(rows)
    }

    /// One of them; `None`: there is none of that number.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn letter_row(&self, letter: u64, chars: usize) -> Result<Option<LetterRow>, StateError> {
        let find = format!("{FIND} WHERE l.id = ?1");
        Ok(self.db.query_row(&find, params![int(letter)], |found| row(found, chars)).optional()?)
    }
}

fn row(row: &Row<'_>, chars: usize) -> Result<LetterRow, rusqlite::Error> {
    let (letter, offset): (i64, i64) = (row.get(0)?, row.get(4)?);
    let (in_topic, in_state): (Option<i64>, i64) = (row.get(2)?, row.get(3)?);
    let bytes: Vec<u8> = row.get(7)?;
    Ok(LetterRow {
        letter: letter.unsigned_abs(),
        topic: row.get(1)?,
        partition: in_topic.unwrap_or(in_state),
        offset: offset.unsigned_abs(),
        code: row.get(5)?,
        explanation: row.get(6)?,
        text: bounded_bytes(&bytes, chars).to_string(),
        status: row.get(8)?,
        handled_at: row.get::<_, Option<i64>>(9)?.map(Second),
        handled_by: row.get(10)?,
        handled_why: row.get(11)?,
    })
}
