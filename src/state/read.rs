//! Reads a state without writing to it, also while another process does.
//!
//! What belongs here answers questions of people. An engine is restored by its one writer, in `super::load`.

mod builds;
mod letters;
mod missing;
mod rows;
mod sightings;
mod standing;

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction};

use super::{OUTSIDER, StateError, check_kind, schema};

pub use self::letters::LetterRow;
pub use self::rows::{Filter, Known};
pub use self::standing::{Place, writer};

/// A state file, open for reading.
#[derive(Debug)]
pub struct Reader {
    db: Connection,
}

impl Reader {
    /// Opens a state to read it.
    ///
    /// # Errors
    /// Where there is none, or it is foreign, older or newer.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        if !path.exists() {
            return Err(StateError::Missing { path: path.to_owned() });
        }
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(OUTSIDER)?;
        let is_database = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        if is_database
            .is_err_and(|error| error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase))
        {
            return Err(StateError::Foreign { path: path.to_owned() });
        }
        check_kind(&db, path, schema::MIGRATIONS)?;
        let (found, known) = (schema::version_of(&db)?, schema::newest());
        if found < known {
            return Err(StateError::Older { path: path.to_owned(), found, known });
        }
        Ok(Self { db })
    }

    /// A number that changes whenever another process wrote.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn version(&self) -> Result<i64, StateError> {
        Ok(self.db.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// All that is read until this is dropped is of one moment.
    fn moment(&self) -> Result<Transaction<'_>, StateError> {
        Ok(self.db.unchecked_transaction()?)
    }
}
