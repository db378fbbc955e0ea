//! The records of a replay: lines of files in turn, beside each what Kafka says of it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::event::{Position, Record};
use crate::input::sidecar::{KafkaSide, Sidecar};
use crate::input::{InputError, Lines};
use crate::state::SourceProgress;

/// How much of a file's first line tells it from another of the same name, in bytes.
const HEAD_MAX_BYTES: usize = 4_096;

/// Reads files in turn.
pub(super) struct Source {
    waiting: VecDeque<PathBuf>,
    current: Option<Lines>,
    side: Option<(PathBuf, Sidecar)>,
    headers: Vec<(String, Vec<u8>)>,
    /// How far each file was read, now or in a run before.
    read: Vec<SourceProgress>,
    /// Which of `read` is being read.
    reading: Option<usize>,
    /// Lines of the current file that a run before has read.
    skip: u64,
    /// Lines of this run, those that were skipped included: what the sidecar counts.
    run_line: u64,
    position: u64,
    finished_bytes: u64,
}

impl Source {
    pub(super) fn new(
        inputs: Vec<PathBuf>,
        kafka: Option<&Path>,
        read: Vec<SourceProgress>,
        position: u64,
    ) -> Result<Self, InputError> {
        let side = match kafka {
            Some(path) => Some((path.to_owned(), Sidecar::open(path)?)),
            None => None,
        };
        Ok(Self {
            waiting: inputs.into(),
            current: None,
            side,
            headers: Vec::new(),
            read,
            reading: None,
            skip: 0,
            run_line: 0,
            position,
            finished_bytes: 0,
        })
    }

    /// The next line that was not read in a run before.
    pub(super) fn next_record(&mut self) -> Result<Option<Record<'_>>, InputError> {
        let side = loop {
            if !self.advance()? {
                return Ok(None);
            }
            self.run_line += 1;
            let side = self.next_side()?;
            if self.skip == 0 {
                break side;
            }
            self.skip -= 1;
        };
        let Some(lines) = &self.current else { return Ok(None) };
        let line = lines.last_line();
        let position =
            Position { partition: side.as_ref().map_or(0, |side| side.partition), offset: self.position };
        self.position += 1;
        if let Some(progress) = self.reading.and_then(|index| self.read.get_mut(index)) {
            progress.lines += 1;
        }
        let kafka_millis = side.as_ref().and_then(|side| side.millis);
        self.headers = side.map(|side| side.headers).unwrap_or_default();
        let record =
            Record { position, kafka_millis, headers: &self.headers, value: line.bytes, cut: line.cut };
        Ok(Some(record))
    }

    /// Leaves out positions: those of further messages on the line that was given last.
    pub(super) fn skip_positions(&mut self, count: u64) {
        self.position += count;
    }

    /// The position that the next record will have.
    pub(super) fn next_position(&self) -> u64 {
        self.position
    }

    /// How far each file was read.
    pub(super) fn progress(&self) -> Vec<SourceProgress> {
        self.read.clone()
    }

    /// Bytes read so far, as they are stored.
    pub(super) fn bytes_read(&self) -> u64 {
        self.finished_bytes + self.current.as_ref().map_or(0, Lines::bytes_read)
    }

    /// Goes to the next line, of the next file where one ends. Gives whether there is one.
    fn advance(&mut self) -> Result<bool, InputError> {
        loop {
            if let Some(lines) = &mut self.current {
                if let Some(line) = lines.next_line()? {
                    if line.number == 1 {
                        let head = fingerprint(line.bytes);
                        let name = lines.path().display().to_string();
                        self.begin(name, head);
                    }
                    return Ok(true);
                }
                self.finished_bytes += lines.bytes_read();
                self.current = None;
            }
            let Some(path) = self.waiting.pop_front() else { return Ok(false) };
            self.current = Some(Lines::open(&path)?);
            self.skip = 0;
        }
    }

    /// A file begins: finds out whether it was read before.
    fn begin(&mut self, name: String, head: String) {
        let known = self.read.iter().position(|source| source.name == name && source.head == head);
        let index = known.unwrap_or_else(|| {
            self.read.push(SourceProgress { name, head, first_line: self.position, lines: 0 });
            self.read.len() - 1
        });
        self.skip = self.read.get(index).map_or(0, |source| source.lines);
        self.reading = Some(index);
    }

    /// What Kafka says of the current line.
    fn next_side(&mut self) -> Result<Option<KafkaSide>, InputError> {
        let Some((path, sidecar)) = &mut self.side else { return Ok(None) };
        let of_this_run = self.run_line;
        let problem = match sidecar.next_side()? {
            Some(side) if side.line == of_this_run || side.line == self.position => return Ok(Some(side)),
            Some(side) => format!("it speaks of line {}, the input is at line {of_this_run}", side.line),
            None => format!("it ends before the input does, at line {of_this_run}"),
        };
        Err(InputError::File { path: path.clone(), problem })
    }
}

fn fingerprint(first_line: &[u8]) -> String {
    // FNV-1a: it tells files apart and protects nothing.
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let head = first_line.get(..HEAD_MAX_BYTES).unwrap_or(first_line);
    format!("{:016x}", head.iter().fold(0xcbf2_9ce4_8422_2325, mix))
}
