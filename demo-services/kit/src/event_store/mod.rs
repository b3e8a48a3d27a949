//! Append-only events per aggregate with optimistic concurrency, and one order over all of them.
//!
//! `stream` appends and reads, `aggregate` folds a stream (from a snapshot where there is one), `upcasters` reads old
//! forms of events as the newest, `handlers` runs what is registered for a type, `rewrite` copies a stream into new
//! forms and marks the old one, `census` counts what is stored by type and form.

mod aggregate;
mod census;
mod handlers;
mod rewrite;
mod snapshots;
mod stream;
#[cfg(test)]
mod tests;
mod upcasters;

use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

use crate::database::DatabaseError;
use crate::sql::Headers;

pub use aggregate::{Aggregate, Appended, Loaded, append_to, fold, fold_as_of};
pub use census::{Kind, Standing, broken_streams, census};
pub use handlers::Handlers;
pub use rewrite::{REPLACED, Replaced, RewriteError, copy_and_replace, replaced_by};
pub use stream::{append, head, let_go, load, load_as_of, read_all, version};
pub use upcasters::{Reading, Upcast, Upcasters};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    aggregate_type TEXT NOT NULL,
    aggregate_id TEXT NOT NULL,
    event_version INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    event_data TEXT NOT NULL,
    headers TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    schema_version INTEGER NOT NULL DEFAULT 1,
    UNIQUE (aggregate_id, event_version)
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_type ON events (aggregate_type, position);
CREATE INDEX IF NOT EXISTS events_by_time ON events (created_at);
CREATE TABLE IF NOT EXISTS snapshots (
    aggregate_id TEXT NOT NULL,
    event_version INTEGER NOT NULL,
    schema_version INTEGER NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (aggregate_id, event_version)
) STRICT, WITHOUT ROWID;
";

/// Brings a file that was made before events had a schema version up to date.
pub(crate) fn migrate(conn: &Connection) -> Result<(), DatabaseError> {
    let known: bool = conn.query_row(
        "SELECT count(*) FROM pragma_table_info('events') WHERE name = 'schema_version'",
        [],
        |row| row.get(0),
    )?;
    if !known {
        conn.execute_batch("ALTER TABLE events ADD COLUMN schema_version INTEGER NOT NULL DEFAULT 1")?;
    }
    Ok(())
}

/// What an aggregate decided, before it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Such as `OrderConfirmed`.
    pub event_type: String,
    /// Its content.
    pub data: Value,
    /// Form of the content; 1 for the first.
    pub schema_version: u32,
}

impl NewEvent {
    /// An event whose content is `data`, in its first form.
    ///
    /// # Errors
    /// When `data` has no JSON form.
    pub fn new(event_type: impl Into<String>, data: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            event_type: event_type.into(),
            data: serde_json::to_value(data)?,
            schema_version: 1,
        })
    }

    /// The same, in a later form.
    #[must_use]
    pub fn of_schema(self, schema_version: u32) -> Self {
        Self { schema_version, ..self }
    }
}

/// An event as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Place in the order over all aggregates; grows, and commits in this order.
    pub position: u64,
    /// Unique id.
    pub event_id: String,
    /// Such as `order`.
    pub aggregate_type: String,
    /// Which one.
    pub aggregate_id: String,
    /// 1 for the first event of the aggregate, then 2, 3, ….
    pub version: u64,
    /// Such as `OrderConfirmed`.
    pub event_type: String,
    /// Form of the content; 1 for the first.
    pub schema_version: u32,
    /// Its content.
    pub data: Value,
    /// Trace and correlation of what caused it.
    pub headers: Headers,
    /// Unix nanoseconds; never before the event that came before it in the stream.
    pub created_at: u64,
}

/// Why events were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended first: load again, decide again.
    #[error("{aggregate_id} is at version {actual}, not {expected}")]
    Conflict {
        /// The aggregate.
        aggregate_id: String,
        /// Version the decision was based on.
        expected: u64,
        /// Version it has.
        actual: u64,
    },
    /// The stream was copied into newer forms, and is closed.
    #[error("{aggregate_id} is replaced by another stream")]
    Replaced {
        /// The old stream.
        aggregate_id: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}
