//! What a state says about itself, and what its place is like: for whoever checks it before a pipeline is started.

use std::fs::File;
use std::path::Path;

use rusqlite::OptionalExtension as _;
use rustix::fs::{Access, FlockOperation, access, flock, statvfs};
use rustix::io::Errno;

use super::super::{lock, place};
use super::{Reader, StateError};

/// The place of a state file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// This user may make files in its folder, and write the file where it is there.
    pub writable: bool,
    /// Permission bits of the file; `None` where there is none yet.
    pub mode: Option<u32>,
    /// Bytes that are free for this user on its disk.
    pub free: u64,
}

impl Place {
    /// Looks at the place of a state file. Nothing is written.
    ///
    /// # Errors
    /// Where it stands on a network file system, or its folder cannot be looked at.
    pub fn of(path: &Path) -> Result<Self, StateError> {
        use std::os::unix::fs::PermissionsExt as _;
        place::check(path)?;
        let fail = |source| StateError::Place { path: path.to_owned(), source };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let disk = statvfs(folder).map_err(|error| fail(error.into()))?;
        let mode = match std::fs::metadata(path) {
            Ok(facts) => Some(facts.permissions().mode() & 0o777),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(error)),
        };
        let may = |path: &Path, what| access(path, what).is_ok();
        let writable = may(folder, Access::WRITE_OK | Access::EXEC_OK)
            && (mode.is_none() || may(path, Access::READ_OK | Access::WRITE_OK));
        Ok(Self { writable, mode, free: disk.f_bavail.saturating_mul(disk.f_frsize) })
    }
}

/// Whether a process writes a state now: `Some` where one does, with its number where it is known.
///
/// The lock is tried for a moment and given back; the file that carries it is neither made nor changed.
///
/// # Errors
/// Where the lock cannot be looked at.
pub fn writer(path: &Path) -> Result<Option<Option<u32>>, StateError> {
    let locked = lock::path_of(path);
    let fail = |source| StateError::Place { path: locked.clone(), source };
    let file = match File::open(&locked) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(Errno::WOULDBLOCK) => Ok(Some(lock::named_in(&file))),
        Err(error) => Err(fail(error.into())),
    }
}

impl Reader {
    /// A value of the `meta` table.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StateError> {
        let find = "SELECT value FROM meta WHERE key = ?1";
        Ok(self.db.query_row(find, [key], |row| row.get(0)).optional()?)
    }

    /// How many facts about builds in tags the file has.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn facts_about_builds(&self) -> Result<u64, StateError> {
        let sum = "SELECT coalesce(sum(facts), 0) FROM fact WHERE kind = 'seen'";
        Ok(self.db.query_row(sum, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::State;

    #[test]
    fn a_state_and_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let place = Place::of(&path).unwrap();
        assert!(place.writable && place.free > 0);
        assert_eq!(place.mode, None);
        assert_eq!(writer(&path).unwrap(), None);
        let state = State::open(&path, false).unwrap();
        state.set_id("one").unwrap();
        assert_eq!(writer(&path).unwrap(), Some(Some(std::process::id())));
        drop(state);
        assert_eq!(writer(&path).unwrap(), None);
        assert_eq!(Place::of(&path).unwrap().mode, Some(0o600));
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.meta("state_id").unwrap().as_deref(), Some("one"));
        assert_eq!((reader.meta("none").unwrap(), reader.facts_about_builds().unwrap()), (None, 0));
        // It can still be taken after it was looked at.
        assert!(State::open(&path, false).is_ok());
    }
}
