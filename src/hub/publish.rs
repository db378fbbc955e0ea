//! Where the messages of a hub go.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::world::Message;

/// Takes the messages of a hub in the order in which it publishes them.
pub trait Publisher: Send {
    /// Publishes messages that belong together: those of one call, or of one moment.
    fn publish(&mut self, messages: &[Message]) -> io::Result<()>;
}

/// Messages are thrown away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl Publisher for Nowhere {
    fn publish(&mut self, _: &[Message]) -> io::Result<()> {
        Ok(())
    }
}

/// A file of JSON lines.
#[derive(Debug)]
pub struct JsonLines(BufWriter<File>);

impl JsonLines {
    /// Begins the file anew.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }
}

impl Publisher for JsonLines {
    fn publish(&mut self, messages: &[Message]) -> io::Result<()> {
        for message in messages {
            writeln!(self.0, "{}", message.line())?;
        }
        self.0.flush()
    }
}

/// Messages are kept for a test to look at.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Message>>>);

impl Kept {
    /// Takes what has been published since the last time.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Publisher for Kept {
    fn publish(&mut self, messages: &[Message]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(messages);
        Ok(())
    }
}
