//! The Kafka side of a file of records: for each line its partition, Kafka timestamp and headers.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{InputError, Lines};

/// The most partitions that a source may have.
const PARTITIONS_MAX: usize = 100_000;

/// What Kafka says of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct KafkaSide {
    /// The line it belongs to, from 1.
    pub line: u64,
    /// The partition.
    pub partition: u32,
    /// The record's timestamp in milliseconds since 1970.
    pub millis: Option<i64>,
    /// The headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

#[derive(Deserialize)]
struct Raw {
    line: u64,
    partition: u32,
    timestamp: Option<i64>,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
}

/// Reads a sidecar beside its file of records.
#[derive(Debug)]
pub struct Sidecar {
    lines: Lines,
}

impl Sidecar {
    /// Opens a sidecar.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        Ok(Self { lines: Lines::open(path)? })
    }

    /// What Kafka says of the next record; `None` where the sidecar ends.
    ///
    /// # Errors
    /// Where a line cannot be read.
    pub fn next_side(&mut self) -> Result<Option<KafkaSide>, InputError> {
        let path = self.lines.path().to_owned();
        let Some(line) = self.lines.next_line()? else { return Ok(None) };
        let raw: Raw = serde_json::from_slice(line.bytes).map_err(|error| InputError::Line {
            path,
            line: line.number,
            problem: format!(
                "{error}; each line is an object like {{\"line\":1,\"partition\":0,\"timestamp\":1738648800000}}"
            ),
        })?;
        let headers = raw.headers.into_iter().map(|(name, value)| {
            let bytes = match value {
                Value::String(text) => text.into_bytes(),
                value @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_)) => value.to_string().into_bytes(),
            };
            (name, bytes)
        });
        Ok(Some(KafkaSide {
            line: raw.line,
            partition: raw.partition,
            millis: raw.timestamp,
            headers: headers.collect(),
        }))
    }
}

/// The partitions that a sidecar names: a source's watermark waits for each of them, so they must be known at the start.
///
/// # Errors
/// Where a line cannot be read, or there are more than 100,000 partitions.
pub fn partitions(path: &Path) -> Result<BTreeSet<u32>, InputError> {
    let mut sidecar = Sidecar::open(path)?;
    let mut partitions = BTreeSet::new();
    while let Some(side) = sidecar.next_side()? {
        partitions.insert(side.partition);
        if partitions.len() > PARTITIONS_MAX {
            let problem = format!("it names more than {PARTITIONS_MAX} partitions");
            return Err(InputError::File { path: path.to_owned(), problem });
        }
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kafka.jsonl");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn gives_partition_time_and_headers() {
        let (_folder, path) = file(
            "{\"line\":1,\"partition\":3,\"timestamp\":5,\"headers\":{\"topic\":\"t\",\"n\":7}}\n{\"line\":2,\"partition\":0,\"timestamp\":null}\n",
        );
        let mut sidecar = Sidecar::open(&path).unwrap();
        let first = sidecar.next_side().unwrap().unwrap();
        assert_eq!((first.line, first.partition, first.millis), (1, 3, Some(5)));
        assert!(
            first.headers.contains(&("topic".into(), b"t".to_vec()))
                && first.headers.contains(&("n".into(), b"7".to_vec()))
        );
        assert_eq!(sidecar.next_side().unwrap().unwrap().millis, None);
        assert_eq!(sidecar.next_side().unwrap(), None);
        assert_eq!(partitions(&path).unwrap(), BTreeSet::from([0, 3]));
    }

    #[test]
    fn a_bad_line_is_named() {
        let (_folder, path) = file("{\"line\":1,\"partition\":0}\nnonsense\n");
        let error = partitions(&path).unwrap_err().to_string();
        assert!(error.contains("kafka.jsonl: line 2"), "{error}");
    }
}
