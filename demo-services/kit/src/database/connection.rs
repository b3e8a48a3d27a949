//! Opens SQLite connections with the settings every service shares.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::DatabaseError;
use crate::simulated;

/// How long a file is checked page by page at start: gigabytes a second from memory, and a start that is held up no longer.
/// Damage in what was not reached is told by whoever meets it.
const CHECKED_FOR: Duration = Duration::from_secs(2);
/// Steps of the check between two looks at the clock.
const STEPS: i32 = 1_000;

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
    let mut connection = Connection::open(path)?;
    configure(&connection)?;
    write_ahead(&connection)?;
    // A simulated machine never loses power: nothing waits for the disk.
    let synchronous = if simulated::is_on() { "OFF" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 2 * CHECKPOINT_PAGES * 4096)?;
    check(path, &mut connection, CHECKED_FOR)?;
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

/// Looks for damage page by page, as far as it comes within that time.
fn check(path: &Path, connection: &mut Connection, within: Duration) -> Result<(), DatabaseError> {
    let deadline = Instant::now() + within;
    connection.progress_handler(STEPS, Some(move || Instant::now() >= deadline))?;
    let verdict = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(unreadable(path, verdict)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            tracing::info!(path = %path.display(), "checked for damage in part, it is large");
            Ok(())
        }
        Err(error) => Err(error.into()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    /// A database of some thousand pages, of which one is overwritten that is looked at late.
    fn damaged(path: &Path) {
        let connection = Connection::open(path).expect("made");
        let filled = connection.execute_batch(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
             INSERT INTO orders SELECT i, printf('order %d of a shop that keeps all of them', i) FROM n;",
        );
        filled.expect("filled");
        connection.close().expect("closed");
        let mut file = std::fs::OpenOptions::new().write(true).open(path).expect("there");
        file.seek(SeekFrom::Start(60 * 4096)).expect("long enough");
        file.write_all(&[0xa5; 4096]).expect("written");
    }

    #[test]
    fn damage_is_found_as_far_as_the_time_reaches() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("orders.sqlite");
        damaged(&path);
        let mut connection = Connection::open(&path).expect("opens");
        let found = check(&path, &mut connection, Duration::from_secs(3_600)).expect_err("damaged");
        assert!(found.to_string().contains("restore it from a copy"), "{found}");
        check(&path, &mut connection, Duration::ZERO).expect("not reached");
    }
}
