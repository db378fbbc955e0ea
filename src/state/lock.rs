//! One writer at a time: a lock of the operating system on a file beside the state.
//!
//! It is not taken on the state file itself: closing any descriptor of that would drop the locks that SQLite holds on it
//! for this process. The lock ends with its process, however that ends; the file stays, and is empty or names the last writer.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::StateError;

/// What is read of the file that names the writer, in bytes.
const NAME_MAX_BYTES: u64 = 32;

/// The right to write a state; given back when it is dropped.
#[derive(Debug)]
pub(super) struct WriterLock {
    file: File,
}

impl Drop for WriterLock {
    /// Said, not left to the closing: a child that another thread is just starting holds a copy of the descriptor for a moment.
    fn drop(&mut self) {
        // Where it fails, closing gives the lock back all the same.
        flock(&self.file, FlockOperation::Unlock).ok();
    }
}

impl WriterLock {
    /// Takes the lock of a state, or says at once who has it.
    pub(super) fn take(state: &Path) -> Result<Self, StateError> {
        let path = path_of(state);
        let fail = |source| StateError::Place { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(StateError::InUse { path: state.to_owned(), by: named_in(&file) });
            }
            Err(error) => return Err(fail(error.into())),
        }
        file.set_len(0).map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self { file })
    }
}

/// The file that is locked.
pub(super) fn path_of(state: &Path) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

/// The process that the file names; `None` where it was not written yet.
pub(super) fn named_in(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(NAME_MAX_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
