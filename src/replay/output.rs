//! Writes decisions, one JSON object a line, so that a run that was cut off and continued writes the same file as one
//! that was not.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::engine::Engine;
use crate::engine::decision::{Decision, HoldId, Outcome, Reason};
use crate::event::{MessageId, Position};
use crate::state::State;
use crate::time::Second;

/// Why decisions cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: decisions cannot be written: {source}", path.display())]
pub struct OutputError {
    path: PathBuf,
    source: io::Error,
}

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) file: String,
    pub(super) bytes: u64,
}

/// Where decisions go.
pub(super) struct Output {
    path: PathBuf,
    writer: Option<BufWriter<Box<dyn Sink>>>,
    bytes: u64,
    /// A stated rule may still decide what is held: it is written at the end.
    later_decided: bool,
    kept: Vec<Decision>,
}

/// A file or standard output.
trait Sink: Write + Send {
    fn sync(&self) -> io::Result<()>;
}

impl Sink for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Sink for io::Stdout {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    /// Opens the file; one that the state knows is cut to what the state knows of, and goes on there.
    pub(super) fn open(
        path: Option<&Path>,
        state: Option<&State>,
        later_decided: bool,
    ) -> Result<Self, OutputError> {
        let Some(path) = path else {
            return Ok(Self {
                path: PathBuf::new(),
                writer: None,
                bytes: 0,
                later_decided,
                kept: Vec::new(),
            });
        };
        let fail = |source| OutputError { path: path.to_owned(), source };
        if path == Path::new("-") {
            let writer: Box<dyn Sink> = Box::new(io::stdout());
            let writer = Some(BufWriter::with_capacity(1 << 16, writer));
            return Ok(Self { path: path.to_owned(), writer, bytes: 0, later_decided, kept: Vec::new() });
        }
        let before = state.and_then(|state| {
            let file = state.meta("decisions_file").ok()??;
            let bytes: u64 = state.meta("decisions_bytes").ok()??.parse().ok()?;
            (file == path.display().to_string()).then_some(bytes)
        });
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(before.is_none())
            .open(path)
            .map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        let bytes = before.unwrap_or(0).min(length);
        file.set_len(bytes).map_err(fail)?;
        file.seek(SeekFrom::Start(bytes)).map_err(fail)?;
        let writer: Box<dyn Sink> = Box::new(file);
        let writer = Some(BufWriter::with_capacity(1 << 16, writer));
        Ok(Self { path: path.to_owned(), writer, bytes, later_decided, kept: Vec::new() })
    }

    /// Writes decisions in their order.
    pub(super) fn write(&mut self, decisions: &[Decision]) -> Result<(), OutputError> {
        for decision in decisions {
            let written_later = self.later_decided && decision.outcome() == Outcome::Held;
            if !written_later {
                self.line(&Row {
                    position: decision.position,
                    id: &decision.id,
                    reason: decision.reason,
                    code: decision.code,
                    burst: decision.burst,
                    event_time: decision.event_time,
                    decided_at: decision.decided_at,
                })?;
            }
        }
        Ok(())
    }

    /// Writes what is held at the end, where it was not written as it came; of a run that ends a second time only what
    /// came since, from the position `since` on.
    pub(super) fn write_held(&mut self, engine: &Engine, since: u64) -> Result<(), OutputError> {
        if !self.later_decided {
            return Ok(());
        }
        for hold in engine.holds().iter() {
            for held in hold.members.values().filter(|held| held.event.position.offset >= since) {
                self.line(&Row {
                    position: held.event.position,
                    id: &held.event.id,
                    reason: held.reason,
                    code: None,
                    burst: held.in_burst.then_some(hold.id),
                    event_time: Some(held.event.happened),
                    decided_at: Some(held.held_at),
                })?;
            }
        }
        Ok(())
    }

    /// Keeps decisions for the state.
    pub(super) fn keep(&mut self, decisions: Vec<Decision>) {
        self.kept.extend(
            decisions.into_iter().filter(|decision| decision.detail.is_some() || decision.code.is_some()),
        );
    }

    /// Gives the decisions kept for the state.
    pub(super) fn take_kept(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.kept)
    }

    /// Sees to it that all that was written is on the disk.
    pub(super) fn sync(&mut self) -> Result<Written, OutputError> {
        if let Some(writer) = &mut self.writer {
            let synced = writer.flush().and_then(|()| writer.get_ref().sync());
            synced.map_err(|source| OutputError { path: self.path.clone(), source })?;
        }
        Ok(Written { file: self.path.display().to_string(), bytes: self.bytes })
    }

    fn line(&mut self, row: &Row<'_>) -> Result<(), OutputError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut counted = Counting { writer, bytes: 0 };
        row.write(&mut counted).map_err(|source| OutputError { path: self.path.clone(), source })?;
        self.bytes += counted.bytes;
        Ok(())
    }
}

/// One line of the file.
struct Row<'a> {
    position: Position,
    id: &'a MessageId,
    reason: Reason,
    code: Option<&'static str>,
    burst: Option<HoldId>,
    event_time: Option<Second>,
    decided_at: Option<Second>,
}

impl Row<'_> {
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        write!(to, "{{\"line\":{},\"id\":", self.position.offset)?;
        match self.id {
            MessageId::None => to.write_all(b"null")?,
            MessageId::Uuid(_) => write!(to, "\"{}\"", self.id)?,
            MessageId::Text(text) => serde_json::to_writer(&mut *to, text)?,
        }
        let reason = self.code.unwrap_or_else(|| self.reason.word());
        write!(to, ",\"outcome\":\"{}\",\"reason\":\"{reason}\",\"burst\":", self.reason.outcome().word())?;
        match self.burst {
            Some(hold) => write!(to, "\"{hold}\"")?,
            None => to.write_all(b"null")?,
        }
        for (name, at) in [("event_time", self.event_time), ("decided_at_event_time", self.decided_at)] {
            match at {
                Some(at) => write!(to, ",\"{name}\":\"{at}\"")?,
                None => write!(to, ",\"{name}\":null")?,
            }
        }
        to.write_all(b"}\n")
    }
}

/// Counts what is written.
struct Counting<'a, W> {
    writer: &'a mut W,
    bytes: u64,
}

impl<W: Write> Write for Counting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.writer.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
