//! What an operator does for a state file: a backup while it is used, a check of what it holds, and the adoption of an
//! old copy.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use super::{State, StateError, schema};
use crate::time::Second;

/// Key of the batch that the state wrote which went on while this copy lay still.
pub(crate) const OLD_COPY: &str = "old_copy";

/// Key of the time at which this state, an old copy, was adopted; `done` once the submitter knows: what the other state has
/// submitted meanwhile is looked up.
pub(crate) const ADOPTED: &str = "adopted";

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Batches that were written.
    pub serial: u64,
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
    /// What is wrong, in plain words; empty where all is well.
    pub faults: Vec<String>,
}

/// Tables that are counted.
const TABLES: [&str; 10] = [
    "name",
    "fact",
    "counter",
    "hold",
    "held",
    "submission",
    "decision",
    "dead_letter",
    "partition",
    "notice",
];

/// Most faults that SQLite lists.
const FAULTS_MAX: u32 = 20;

/// Copies a state into a new file, whole and of one moment, also while it is written.
///
/// # Errors
/// Where the state cannot be read, or the copy exists or cannot be written.
pub fn backup(from: &Path, to: &Path) -> Result<(), StateError> {
    let db = read_only(from)?;
    let place = |source| StateError::Place { path: to.to_owned(), source };
    if to.exists() {
        return Err(place(std::io::Error::from(std::io::ErrorKind::AlreadyExists)));
    }
    super::place::prepare(to)?;
    let mut copy = Connection::open(to)?;
    // All pages in one step: one moment, however busy the writer is.
    rusqlite::backup::Backup::new(&db, &mut copy)?.step(-1)?;
    Ok(())
}

/// Checks that a state is whole: SQLite's own check, and that every row can be read.
///
/// # Errors
/// Where the file cannot be opened.
pub fn verify(path: &Path) -> Result<Verified, StateError> {
    let db = read_only(path)?;
    let mut verified = Verified::default();
    let mut check = db.prepare(&format!("PRAGMA integrity_check({FAULTS_MAX})"))?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    for line in lines {
        match line? {
            fine if fine == "ok" => {}
            fault => verified.faults.push(format!("SQLite: {fault}")),
        }
    }
    for table in TABLES {
        let count: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        verified.rows.push((table, count.unsigned_abs()));
    }
    let orphans = "SELECT count(*) FROM held WHERE hold NOT IN (SELECT id FROM hold)";
    let orphans: i64 = db.query_row(orphans, [], |row| row.get(0))?;
    if orphans > 0 {
        verified.faults.push(format!("{orphans} held builds belong to no hold"));
    }
    let twice = "SELECT count(*) FROM (SELECT 1 FROM submission GROUP BY build_id, tag HAVING count(*) > 1)";
    let twice: i64 = db.query_row(twice, [], |row| row.get(0))?;
    if twice > 0 {
        verified.faults.push(format!("{twice} builds were admitted more than once"));
    }
    let serial = "SELECT value FROM meta WHERE key = 'serial'";
    let serial: Result<String, _> = db.query_row(serial, [], |row| row.get(0));
    verified.serial = serial.ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(verified)
}

/// Opens a state of this version for reading.
fn read_only(path: &Path) -> Result<Connection, StateError> {
    if !path.exists() {
        return Err(StateError::Missing { path: path.to_owned() });
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(super::OUTSIDER)?;
    super::check_kind(&db, path, schema::MIGRATIONS)?;
    let (found, known) = (schema::version_of(&db)?, schema::newest());
    if found < known { Err(StateError::Older { path: path.to_owned(), found, known }) } else { Ok(db) }
}

impl State {
    /// The batch that was written by the state which went on while this copy lay still; `None`: this is no old copy, as
    /// far as it was told.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn old_copy(&self) -> Result<Option<u64>, StateError> {
        Ok(self.meta(OLD_COPY)?.and_then(|text| text.parse().ok()))
    }

    /// Takes an old copy for the state that goes on. Its serial moves past `committed`, so that the other one is the old
    /// copy from now on.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn adopt(&mut self, committed: u64, who: &str, why: &str, at: Second) -> Result<(), StateError> {
        let step = self.db.transaction()?;
        let serial = super::write::int(committed.saturating_add(1)).to_string();
        step.execute("INSERT OR REPLACE INTO meta VALUES ('serial', ?1)", params![serial])?;
        step.execute("DELETE FROM meta WHERE key = ?1", params![OLD_COPY])?;
        step.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", params![ADOPTED, at.to_string()])?;
        let what = format!("adopt this copy in place of the state that wrote batch {committed}");
        step.execute(
            "INSERT INTO act (at, who, why, what) VALUES (?1, ?2, ?3, ?4)",
            params![at.0, who, why, what],
        )?;
        step.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_whole_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a.db"), folder.path().join("b.db"));
        let state = State::open(&from, false).unwrap();
        state.set_id("one").unwrap();
        backup(&from, &to).unwrap();
        assert_eq!(verify(&to).unwrap().faults, Vec::<String>::new());
        assert_eq!(State::open(&to, false).unwrap().id().unwrap().as_deref(), Some("one"));
        let error = backup(&from, &to).unwrap_err();
        assert!(matches!(error, StateError::Place { .. }), "{error}");
        assert!(matches!(verify(&folder.path().join("none.db")), Err(StateError::Missing { .. })));
    }

    #[test]
    fn what_does_not_belong_together_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let state = State::open(&path, false).unwrap();
        for offset in [1, 2] {
            let put =
                "INSERT INTO submission (partition, offset, build_id, package, nvr, tag, tagged_at, state)
                       VALUES (0, ?1, 7, 'bash', 'bash-1-1', 'f42', 0, 'admitted')";
            state.db.execute(put, params![offset]).unwrap();
        }
        state.db.execute("INSERT INTO held VALUES (4, 0, 3, 7, 'bash-1-1', 'x', '', '')", []).unwrap();
        let faults = verify(&path).unwrap().faults;
        assert_eq!(faults, ["1 held builds belong to no hold", "1 builds were admitted more than once"]);
    }

    #[test]
    fn an_adopted_copy_is_ahead_of_the_one_that_went_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(&folder.path().join("a.db"), false).unwrap();
        state.db.execute("INSERT INTO meta VALUES ('old_copy', '41')", []).unwrap();
        assert_eq!(state.old_copy().unwrap(), Some(41));
        state.adopt(41, "ana", "the disk of the other is lost", Second(5)).unwrap();
        assert_eq!((state.old_copy().unwrap(), state.serial().unwrap()), (None, 42));
    }
}
