//! Opens SQLite connections with the settings every service shares.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::DatabaseError;
use crate::simulated;

/// Files up to this size are checked page by page at start; larger ones would hold up the start for too long.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;

/// Page cache of the connection that writes; those that only read have [`READER_CACHE_KIB`].
const WRITER_CACHE_KIB: i64 = 4 * 1024;
const READER_CACHE_KIB: i64 = 1024;
/// Pages of the log after which they are copied into the file. A page that is written often is copied once for all its
/// writes: the longer the log, the less there is to copy.
const CHECKPOINT_PAGES: i64 = 2_000;

/// How often, and after which wait, another process is given way when a database is made.
const BUSY: u32 = 40;
const BUSY_WAIT: Duration = Duration::from_millis(50);

pub(super) fn open_for_writing(path: &Path, schema: &[&str]) -> Result<Connection, DatabaseError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    prepare(path, schema).map_err(|error| explain(path, error))
}

/// A connection that only reads; it holds up nobody.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, DatabaseError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection)?;
    Ok(connection)
}

fn prepare(path: &Path, schema: &[&str]) -> Result<Connection, DatabaseError> {
    let connection = Connection::open(path)?;
    configure(&connection)?;
    write_ahead(&connection)?;
    // A simulated machine never loses power: nothing waits for the disk.
    let synchronous = if simulated::is_on() { "OFF" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 2 * CHECKPOINT_PAGES * 4096)?;
    check(path, &connection)?;
    for statements in crate::durable::TABLES.iter().chain(schema) {
        connection.execute_batch(statements)?;
    }
    crate::event_store::migrate(&connection)?;
    Ok(connection)
}

/// Two processes that make the same database refuse each other for a moment, without waiting as they do later.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if failure.code == ErrorCode::DatabaseBusy && tries < BUSY =>
            {
                tries += 1;
                std::thread::sleep(BUSY_WAIT);
            }
            done => return done,
        }
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    // A plan stays the same whatever is bound: otherwise a kept statement is planned again at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn check(path: &Path, connection: &Connection) -> Result<(), DatabaseError> {
    if std::fs::metadata(path)?.len() > CHECKED_BYTES {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(unreadable(path, verdict))
    }
}

fn explain(path: &Path, error: DatabaseError) -> DatabaseError {
    match &error {
        DatabaseError::Sqlite(rusqlite::Error::SqliteFailure(failure, _))
            if matches!(failure.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
        {
            unreadable(path, failure.to_string())
        }
        _ => error,
    }
}

fn unreadable(path: &Path, reason: String) -> DatabaseError {
    DatabaseError::Unreadable {
        path: path.display().to_string(),
        reason,
    }
}
