//! The schema of the state file, by version. `docs/state.md` tells what each table is for.

use rusqlite::Connection;

use super::StateError;

/// Marks a file as a state of Tidegate: "TIDE" in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x5449_4445;

/// The statements that lead from each version to the next; the first makes version 1 of an empty file.
pub(super) const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4];

const VERSION_1: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE source (
    name TEXT NOT NULL, head TEXT NOT NULL, first_line INTEGER NOT NULL, lines INTEGER NOT NULL,
    PRIMARY KEY (name, head)
) STRICT, WITHOUT ROWID;
CREATE TABLE machine (id INTEGER PRIMARY KEY CHECK (id = 1), data TEXT NOT NULL) STRICT;
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE fact (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, facts INTEGER NOT NULL, snapshot INTEGER NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE TABLE counter (
    instance INTEGER NOT NULL, tag INTEGER NOT NULL, untag INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (instance, tag, untag)
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
    id INTEGER PRIMARY KEY, instance TEXT NOT NULL, tag TEXT NOT NULL, kind TEXT NOT NULL, opened_at TEXT NOT NULL,
    version INTEGER NOT NULL, ruled INTEGER NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE TABLE held (
    hold INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, build_id INTEGER NOT NULL,
    nvr TEXT NOT NULL, reason TEXT NOT NULL, held_at TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (hold, partition, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE submission (
    id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL, build_id INTEGER NOT NULL,
    package TEXT NOT NULL, nvr TEXT NOT NULL, tag TEXT NOT NULL, tagged_at INTEGER NOT NULL, state TEXT NOT NULL
) STRICT;
CREATE TABLE ignored (id INTEGER PRIMARY KEY, last_at INTEGER NOT NULL, events INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE package_list (slot TEXT PRIMARY KEY, version TEXT NOT NULL, names TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE decision (
    id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL, message_id TEXT, build_id INTEGER,
    nvr TEXT, tag TEXT, outcome TEXT NOT NULL, reason TEXT NOT NULL, hold INTEGER, event_time INTEGER, decided_at INTEGER,
    pipeline INTEGER NOT NULL, why TEXT
) STRICT;
CREATE TABLE pipeline (id INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL, code TEXT NOT NULL,
    explanation TEXT NOT NULL, bytes BLOB NOT NULL
) STRICT;
";

/// What explains a decision to a person: whose build it was, the numbers of the pipeline that decided, what operators said,
/// and the fingerprints by which a decision is found.
const VERSION_2: &str = "
ALTER TABLE decision ADD COLUMN instance INTEGER;
ALTER TABLE decision ADD COLUMN command INTEGER;
ALTER TABLE pipeline ADD COLUMN rules TEXT;
CREATE TABLE command (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, action TEXT NOT NULL,
    hold INTEGER NOT NULL, selection TEXT NOT NULL, builds INTEGER NOT NULL
) STRICT;
CREATE TABLE finder (first INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
";

/// What a running pipeline keeps: partitions, pauses, what operators did, notices, and what became of dead letters and of
/// admitted builds. Numbers of notices are not given twice: readers of a topic tell copies by them.
const VERSION_3: &str = "
CREATE TABLE partition (
    number INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    last_offset INTEGER, last_millis INTEGER, UNIQUE (topic, partition)
) STRICT;
CREATE TABLE pause (
    kind TEXT PRIMARY KEY, who TEXT NOT NULL, why TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE act (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, what TEXT NOT NULL
) STRICT;
CREATE TABLE notice (
    id INTEGER PRIMARY KEY AUTOINCREMENT, output TEXT NOT NULL, key TEXT NOT NULL, headers TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
ALTER TABLE dead_letter ADD COLUMN kafka_millis INTEGER;
ALTER TABLE dead_letter ADD COLUMN headers BLOB;
ALTER TABLE dead_letter ADD COLUMN status TEXT NOT NULL DEFAULT 'kept';
ALTER TABLE dead_letter ADD COLUMN handled_at INTEGER;
ALTER TABLE dead_letter ADD COLUMN handled_by TEXT;
ALTER TABLE dead_letter ADD COLUMN handled_why TEXT;
ALTER TABLE submission ADD COLUMN sent_at INTEGER;
CREATE INDEX submission_waiting ON submission (id) WHERE state = 'admitted';
";

/// The outbox: how far each admitted build is. `data` is the row as the submitter has it; null before it is planned.
const VERSION_4: &str = "
ALTER TABLE submission ADD COLUMN instance INTEGER;
ALTER TABLE submission ADD COLUMN lane TEXT;
ALTER TABLE submission ADD COLUMN hold INTEGER;
ALTER TABLE submission ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submission ADD COLUMN task INTEGER;
ALTER TABLE submission ADD COLUMN ended_at INTEGER;
ALTER TABLE submission ADD COLUMN data TEXT;
CREATE INDEX submission_open ON submission (id) WHERE data IS NOT NULL AND ended_at IS NULL;
";

/// Brings a file to the newest version, step by step, each in a transaction of its own.
pub(super) fn migrate(db: &mut Connection, migrations: &[&str]) -> Result<(), StateError> {
    for (version, statements) in (1i64..).zip(migrations) {
        if version <= version_of(db)? {
            continue;
        }
        let step = db.transaction()?;
        step.execute_batch(statements)?;
        step.pragma_update(None, "user_version", version)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.commit()?;
    }
    Ok(())
}

/// The version that this program writes.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The version of a file; 0 for an empty one.
pub(super) fn version_of(db: &Connection) -> Result<i64, StateError> {
    Ok(db.pragma_query_value(None, "user_version", |row| row.get(0))?)
}
