//! One SQLite file per service: one thread writes, two read, and no caller ever blocks the async runtime.
//!
//! Queued writes share one commit, each in its own savepoint: a closure that fails takes back its own changes only.
//! `synchronous=NORMAL` in WAL mode survives a killed process at any moment; a power cut may lose the last commits.

mod connection;
mod inline;
mod inserts;
mod readers;
mod scratch;
mod writer;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use opentelemetry::KeyValue;
use rusqlite::Connection;
use sagascope_conventions::{FaultKind, attributes};
use tokio::sync::{oneshot, watch};

use crate::context;
use crate::faults::Switchboard;
use crate::simulated;
use crate::telemetry::{Span, SpanKind, span};

pub(crate) use connection::open_for_reading;
use inline::Inline;
use inserts::Inserts;
use readers::Readers;
pub(crate) use scratch::Scratch;
use writer::Writer;

/// What a database can fail with.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file is damaged, or is no database of ours.
    #[error("{path} cannot be read as a database ({reason}); restore it from a copy, or move it away to start empty")]
    Unreadable {
        /// The file.
        path: String,
        /// What SQLite said.
        reason: String,
    },
    /// A statement failed.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value is not what was written.
    #[error("database: stored value cannot be decoded: {0}")]
    Decode(#[from] serde_json::Error),
    /// The closure panicked; its changes are taken back.
    #[error("database: the work on it panicked")]
    Panicked,
    /// The commit that would have carried the write failed.
    #[error("database: commit failed: {0}")]
    Commit(String),
    /// A read model tried to have an effect on others.
    #[error("a read model has no side effects: {0}")]
    SideEffect(&'static str),
    /// The database threads are gone.
    #[error("database is closed")]
    Closed,
    /// The folder or file could not be made.
    #[error("database: {0}")]
    Io(#[from] std::io::Error),
}

/// Proof that a transaction is open. What needs one asks for it by type.
#[derive(Debug)]
pub struct Tx<'c>(&'c Connection);

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

/// Handle on a service's database; clones share it.
#[derive(Clone)]
pub struct Database {
    path: PathBuf,
    engine: Engine,
    inserts: Inserts,
    faults: Switchboard,
}

/// Who does the work.
#[derive(Clone)]
enum Engine {
    Threads(Writer, Readers),
    Inline(Inline),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens or makes the file. The tables of the kit come first, then `schema`: statements that may run at each start
    /// (`CREATE TABLE IF NOT EXISTS …`). The `slow_database` fault of `faults` holds up each call. On a simulated thread
    /// there are no threads: the work runs in the task that asks for it.
    ///
    /// # Errors
    /// When the file is damaged or cannot be made.
    pub fn open(path: &Path, schema: &[&str], faults: Switchboard) -> Result<Self, DatabaseError> {
        let inserts = Inserts::default();
        let mut connection = connection::open_for_writing(path, schema)?;
        inserts.watch(&mut connection)?;
        Ok(Self {
            path: path.to_owned(),
            engine: if simulated::is_on() {
                Engine::Inline(Inline::new(connection, inserts.clone()))
            } else {
                Engine::Threads(Writer::spawn(connection, inserts.clone()), Readers::spawn(path)?)
            },
            inserts,
            faults,
        })
    }

    /// Runs `work` in a transaction and answers after its commit; when `work` fails, nothing of it stays.
    ///
    /// # Errors
    /// What `work` answered, or what the database failed with.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let _span = self.enter("write").await;
        let writer = match &self.engine {
            Engine::Threads(writer, _) => writer,
            Engine::Inline(inline) => {
                simulated::disk().await;
                simulated::commit_point().await;
                let answer = inline.write(work);
                simulated::commit_point().await;
                // Time passes between the commit and the news of it.
                simulated::disk().await;
                return answer;
            }
        };
        let (answer, answered) = oneshot::channel();
        writer.submit(writer::job(work, answer)).await.map_err(E::from)?;
        answered.await.unwrap_or_else(|_| Err(E::from(DatabaseError::Closed)))
    }

    /// Runs `work` on a reader; it sees all that is committed when it starts.
    ///
    /// # Errors
    /// What `work` answered, or what the database failed with.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let _span = self.enter("read").await;
        let readers = match &self.engine {
            Engine::Threads(_, readers) => readers,
            Engine::Inline(inline) => {
                simulated::disk().await;
                return inline.read(work);
            }
        };
        let (answer, answered) = oneshot::channel();
        readers.submit(readers::job(work, answer)).await.map_err(E::from)?;
        answered.await.unwrap_or_else(|_| Err(E::from(DatabaseError::Closed)))
    }

    /// Changes each time rows were inserted into `table` and committed, so that relays wait instead of polling.
    #[must_use]
    pub fn inserts(&self, table: &'static str) -> watch::Receiver<u64> {
        self.inserts.subscribe(table)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The faults that this service honours.
    #[must_use]
    pub const fn faults(&self) -> &Switchboard {
        &self.faults
    }

    /// A span for work that is part of a trace (background loops have none), held up while the database is slow.
    async fn enter(&self, operation: &'static str) -> Option<Span> {
        let traced = context::current().span_ids().is_some();
        let span = traced.then(|| {
            let attributes = vec![KeyValue::new(attributes::DB_SYSTEM_NAME, "sqlite")];
            span(format!("sqlite {operation}"), SpanKind::Client, attributes)
        });
        let slow = async { self.faults.hit(FaultKind::SlowDatabase, operation) };
        let hit = match &span {
            Some(span) => span.run(slow).await,
            None => slow.await,
        };
        if let Some(hit) = hit {
            tokio::time::sleep(hit.delay()).await;
        }
        span
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Databases in temporary folders.
    use super::*;

    pub(crate) fn open(folder: &Path) -> Database {
        open_with_schema(folder, &[])
    }

    pub(crate) fn open_with_schema(folder: &Path, schema: &[&str]) -> Database {
        Database::open(&folder.join("test.sqlite"), schema, Switchboard::idle()).expect("opens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::params;

    const SCHEMA: &[&str] = &["CREATE TABLE IF NOT EXISTS numbers (n INTEGER PRIMARY KEY) STRICT"];

    async fn insert(db: &Database, n: i64) -> Result<(), DatabaseError> {
        db.write(move |tx| {
            tx.execute("INSERT INTO numbers VALUES (?)", [n])?;
            Ok(())
        })
        .await
    }

    async fn numbers(db: &Database) -> Vec<i64> {
        db.read::<_, DatabaseError, _>(|conn| {
            let mut statement = conn.prepare("SELECT n FROM numbers ORDER BY n")?;
            let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .await
        .expect("reads")
    }

    #[tokio::test]
    async fn a_failed_write_takes_back_only_itself() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), SCHEMA);
        let fails = db.write(|tx| {
            tx.execute("INSERT INTO numbers VALUES (100)", [])?;
            tx.execute("INSERT INTO numbers VALUES (100)", [])?;
            Ok::<_, DatabaseError>(())
        });
        let panics = db.write(|tx| {
            tx.execute("INSERT INTO numbers VALUES (?)", params![200])?;
            let row: Result<i64, _> = tx.query_row("SELECT n FROM numbers WHERE n = 0", [], |row| row.get(0));
            Ok::<_, DatabaseError>(row.expect("panics on purpose"))
        });
        let (one, failed, panicked, two) = tokio::join!(insert(&db, 1), fails, panics, insert(&db, 2));
        assert!(one.is_ok() && two.is_ok());
        assert!(matches!(failed, Err(DatabaseError::Sqlite(_))));
        assert!(matches!(panicked, Err(DatabaseError::Panicked)));
        assert_eq!(numbers(&db).await, [1, 2]);
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_reopening() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), SCHEMA);
        let writes = (0..500).map(|n| insert(&db, n));
        for written in futures_util::future::join_all(writes).await {
            written.expect("written");
        }
        let second = testing::open_with_schema(folder.path(), SCHEMA);
        assert_eq!(numbers(&second).await.len(), 500);
    }

    #[tokio::test]
    async fn inserts_wake_after_the_commit_and_only_for_their_table() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), SCHEMA);
        let (mut numbers_seen, outbox_seen) = (db.inserts("numbers"), db.inserts("outbox"));
        insert(&db, 1).await.expect("written");
        numbers_seen.changed().await.expect("woken");
        assert!(!outbox_seen.has_changed().expect("open"));
    }

    #[tokio::test]
    async fn whoever_begins_to_wait_between_an_insert_and_its_commit_is_woken_too() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), SCHEMA);
        let late = db.clone();
        let write = db.write(move |tx| {
            tx.execute("INSERT INTO numbers VALUES (1)", [])?;
            Ok::<_, DatabaseError>(late.inserts("numbers"))
        });
        let mut seen = write.await.expect("written");
        let woken = tokio::time::timeout(std::time::Duration::from_secs(20), seen.changed());
        woken.await.expect("in time").expect("open");
    }

    #[test]
    fn a_damaged_file_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("orders.sqlite");
        std::fs::write(&path, vec![0x55; 8192]).expect("written");
        let error = Database::open(&path, &[], Switchboard::idle())
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains("orders.sqlite") && error.contains("move it away"),
            "{error}"
        );
    }
}
