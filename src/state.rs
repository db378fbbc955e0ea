//! The state of a pipeline: one SQLite file that an operator can open with `sqlite3`.
//!
//! One transaction for each batch of records writes everything: how far the source was read, the engine, its memory,
//! holds, admitted builds and decisions (invariant I7). What grows is appended by rowid; look-ups are answered from memory.
//! One process writes ([`State`]), others may read meanwhile ([`read::Reader`]). `docs/state.md` describes the tables.

pub mod care;
mod find;
pub mod live;
mod load;
mod lock;
pub mod outbox;
mod place;
pub mod read;
mod schema;
mod trace;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use self::lock::WriterLock;

pub use self::load::{LoadError, Loaded};
pub use self::write::{Batch, DeadLetter, SourceProgress, Stage};

/// Pages of the write-ahead log after which it is written back: 64 MiB.
const CHECKPOINT_PAGES: u32 = 16_384;
/// The bytes that are kept of a record that cannot be read.
pub const DEAD_LETTER_MAX_BYTES: usize = 64 * 1024;
/// Dead letters that are kept; older ones give way and stay counted.
pub const DEAD_LETTERS_MAX: u32 = 10_000;

/// What SQLite calls `synchronous = FULL`.
const SYNCHRONOUS_FULL: i64 = 2;

/// How long a write waits for an outsider, such as `sqlite3`, who holds a lock of SQLite.
const OUTSIDER: Duration = Duration::from_secs(5);

/// A state file, open for its one writer.
#[derive(Debug)]
pub struct State {
    db: Connection,
    path: PathBuf,
    /// Given up after the connection is closed.
    _lock: WriterLock,
    /// Names written so far, the one for all others included.
    names_written: usize,
    /// Bytes of facts written since the last snapshot, and of that snapshot.
    fact_bytes: (u64, u64),
}

/// What can be wrong with a state file. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be made or opened.
    #[error("the state file {} cannot be opened: {source}; does its folder exist, and may this user write there?", path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It stands on a network file system.
    #[error(
        "the state file {} stands on a network file system ({kind}), where SQLite cannot lock it reliably: put it on a local \
         disk, or allow it with --allow-network-state at your own risk", path.display()
    )]
    Network {
        /// The file.
        path: PathBuf,
        /// The kind of file system.
        kind: &'static str,
    },
    /// It is some other file.
    #[error("{} is no state of Tidegate (it belongs to another program): give another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error(
        "the state file {} has schema {found}, this version of Tidegate knows up to {known}: use the newer version that wrote it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// Another process writes it.
    #[error(
        "the state file {} is in use by {}: only one may write it at a time; wait until that ends, or stop it. `tidegate \
         explain`, `history` and `tap` read it meanwhile", path.display(), writer(*by)
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process, where it is known.
        by: Option<u32>,
    },
    /// There is no such file to read.
    #[error("there is no state file {}: `tidegate replay ... --state {}` writes one", path.display(), path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It was written by an older version, and a reader cannot bring it up.
    #[error(
        "the state file {} has schema {found}, and reading it takes schema {known}: continue it once with this version (`tidegate \
         known stats PIPELINE --state {}` does), which copies it first and brings it up", path.display(), path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// A stored value cannot be read.
    #[error("the state file is damaged: {what} cannot be read ({detail}); restore a backup")]
    Damaged {
        /// What.
        what: &'static str,
        /// How.
        detail: String,
    },
    /// SQLite says no.
    #[error("the state file cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

fn writer(process: Option<u32>) -> String {
    process.map_or("another process".to_owned(), |id| format!("another Tidegate (process {id})"))
}

impl State {
    /// Opens a state file, or makes one, and brings it to the newest schema; an older one is copied first.
    ///
    /// # Errors
    /// Where the file is foreign, newer, in use, on a network file system (unless allowed), or cannot be opened.
    pub fn open(path: &Path, allow_network: bool) -> Result<Self, StateError> {
        Self::open_with(path, allow_network, schema::MIGRATIONS)
    }

    fn open_with(path: &Path, allow_network: bool, migrations: &[&str]) -> Result<Self, StateError> {
        if !allow_network {
            place::check(path)?;
        }
        let lock = WriterLock::take(path)?;
        place::prepare(path)?;
        let mut db = Connection::open(path)?;
        let in_use = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => StateError::InUse { path: path.to_owned(), by: None },
            Some(rusqlite::ErrorCode::NotADatabase) => StateError::Foreign { path: path.to_owned() },
            _ => StateError::Sqlite(error),
        };
        db.busy_timeout(OUTSIDER)?;
        db.pragma_update(None, "journal_mode", "WAL").map_err(in_use)?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "foreign_keys", "ON")?;
        // A batch of a replay writes megabytes; pages that change again in the next one are written back once.
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        check_kind(&db, path, migrations)?;
        copy_before_migration(&db, path, migrations)?;
        schema::migrate(&mut db, migrations)?;
        let names: i64 = db.query_row("SELECT count(*) FROM name", [], |row| row.get(0))?;
        let bytes = |snapshot: bool| -> Result<u64, StateError> {
            let sum = "SELECT coalesce(sum(length(data)), 0) FROM fact WHERE snapshot = ?1";
            let bytes: i64 = db.query_row(sum, [snapshot], |row| row.get(0))?;
            Ok(bytes.unsigned_abs())
        };
        let fact_bytes = (bytes(false)?, bytes(true)?);
        let names_written = usize::try_from(names).unwrap_or(0) + 1;
        Ok(Self { db, path: path.to_owned(), _lock: lock, names_written, fact_bytes })
    }

    /// Where the file stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity that this state was given when it was made.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn id(&self) -> Result<Option<String>, StateError> {
        self.meta("state_id")
    }

    /// Gives the state an identity, once.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn set_id(&self, id: &str) -> Result<(), StateError> {
        let statement = "INSERT INTO meta VALUES ('state_id', ?1) ON CONFLICT (key) DO NOTHING";
        self.db.execute(statement, params![id])?;
        Ok(())
    }

    /// From now on what is committed outlives a power loss: others are told about it.
    ///
    /// # Errors
    /// Where SQLite refuses.
    pub fn make_durable(&self) -> Result<(), StateError> {
        self.db.pragma_update(None, "synchronous", "FULL")?;
        let level: i64 = self.db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        if level == SYNCHRONOUS_FULL {
            return Ok(());
        }
        let detail = format!("synchronous is {level} after it was set to FULL");
        Err(StateError::Damaged { what: "the durability of the file", detail })
    }

    /// A value of the `meta` table.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StateError> {
        let find = "SELECT value FROM meta WHERE key = ?1";
        Ok(self.db.query_row(find, params![key], |row| row.get(0)).optional()?)
    }
}

fn check_kind(db: &Connection, path: &Path, migrations: &[&str]) -> Result<(), StateError> {
    let foreign = || StateError::Foreign { path: path.to_owned() };
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if tables > 0 && application != schema::APPLICATION_ID {
        return Err(foreign());
    }
    let found = schema::version_of(db)?;
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if found > known { Err(StateError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// A file of an older version is copied beside itself before it is changed.
fn copy_before_migration(db: &Connection, path: &Path, migrations: &[&str]) -> Result<(), StateError> {
    let found = schema::version_of(db)?;
    if found == 0 || usize::try_from(found).is_ok_and(|found| found >= migrations.len()) {
        return Ok(());
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".schema-{found}"));
    db.backup("main", Path::new(&copy), None::<fn(rusqlite::backup::Progress)>)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        (folder, path)
    }

    #[test]
    fn a_second_writer_is_told_at_once() {
        let (_folder, path) = file("a.db");
        let first = State::open(&path, false).unwrap();
        assert!(matches!(State::open(&path, false), Err(StateError::InUse { .. })));
        drop(first);
        State::open(&path, false).unwrap();
    }

    #[test]
    fn foreign_files_are_refused_and_left_alone() {
        let (_folder, path) = file("a.db");
        std::fs::write(&path, b"this is a text of some length, and no database at all, nor was it ever one")
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(State::open(&path, false), Err(StateError::Foreign { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let (_folder, path) = file("b.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        assert!(matches!(State::open(&path, false), Err(StateError::Foreign { .. })));
    }

    #[test]
    fn a_newer_schema_is_refused_by_name() {
        let (_folder, path) = file("a.db");
        drop(State::open(&path, false).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = State::open(&path, false).unwrap_err();
        assert!(error.to_string().contains("schema 99"), "{error}");
    }

    #[test]
    fn a_migration_copies_the_file_first_and_keeps_what_it_holds() {
        let (_folder, path) = file("a.db");
        State::open(&path, false).unwrap().set_id("one").unwrap();
        let more: Vec<&str> = schema::MIGRATIONS.iter().copied().chain(["CREATE TABLE extra (x)"]).collect();
        let state = State::open_with(&path, false, &more).unwrap();
        assert_eq!(state.id().unwrap().as_deref(), Some("one"));
        state.db.execute("INSERT INTO extra VALUES (1)", []).unwrap();
        drop(state);
        let copy = Connection::open(path.with_extension("db.schema-4")).unwrap();
        let id: String = copy.query_row("SELECT value FROM meta", [], |row| row.get(0)).unwrap();
        assert_eq!(id, "one");
    }

    #[test]
    fn an_identity_is_given_once() {
        let (_folder, path) = file("a.db");
        let state = State::open(&path, false).unwrap();
        state.set_id("one").unwrap();
        state.set_id("two").unwrap();
        assert_eq!(state.id().unwrap().as_deref(), Some("one"));
    }
}
