//! Append-only events per aggregate with optimistic concurrency, and one order over all of them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::Value;

use sagascope_instrument::event::unix_nanos_now;

use crate::context::Context;
use crate::database::{DatabaseError, Tx};
use crate::sql::{Headers, encode, json, signed, unsigned};

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
    UNIQUE (aggregate_id, event_version)
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_type ON events (aggregate_type, position);
CREATE INDEX IF NOT EXISTS events_by_time ON events (created_at);
";

const COLUMNS: &str =
    "position, event_id, aggregate_type, aggregate_id, event_version, event_type, event_data, headers, created_at";

/// What an aggregate decided, before it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Such as `OrderConfirmed`.
    pub event_type: String,
    /// Its content.
    pub data: Value,
}

impl NewEvent {
    /// An event whose content is `data`.
    ///
    /// # Errors
    /// When `data` has no JSON form.
    pub fn new(event_type: impl Into<String>, data: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            event_type: event_type.into(),
            data: serde_json::to_value(data)?,
        })
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
    /// Its content.
    pub data: Value,
    /// Trace and correlation of what caused it.
    pub headers: Headers,
    /// Unix nanoseconds.
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
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Appends `events` when the aggregate is still at `expected_version` (0 for a new one); answers their positions.
///
/// # Errors
/// [`AppendError::Conflict`] when the aggregate has moved on.
pub fn append(
    tx: &Tx<'_>,
    aggregate_type: &str,
    aggregate_id: &str,
    expected_version: u64,
    events: &[NewEvent],
    context: &Context,
) -> Result<Vec<u64>, AppendError> {
    let actual = version(tx, aggregate_id)?;
    if actual != expected_version {
        return Err(AppendError::Conflict {
            aggregate_id: aggregate_id.to_owned(),
            expected: expected_version,
            actual,
        });
    }
    let headers = encode(&context.to_headers());
    let mut insert = tx.prepare_cached(
        "INSERT INTO events (event_id, aggregate_type, aggregate_id, event_version, event_type, event_data, headers, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut positions = Vec::with_capacity(events.len());
    for (version, event) in (expected_version + 1..).zip(events) {
        let (id, data) = (crate::ids::unique(), event.data.to_string());
        let now = signed(unix_nanos_now());
        insert.execute(params![
            id,
            aggregate_type,
            aggregate_id,
            signed(version),
            event.event_type,
            data,
            headers,
            now
        ])?;
        positions.push(tx.last_insert_rowid().unsigned_abs());
    }
    Ok(positions)
}

/// Removes every event of an aggregate that has ended and that every read model has seen; answers what it removed.
/// `None`, and nothing removed, while a read model is still behind.
///
/// # Errors
/// When the database fails.
pub fn let_go(tx: &Tx<'_>, aggregate_id: &str) -> Result<Option<Vec<StoredEvent>>, DatabaseError> {
    let events = load(tx, aggregate_id, 1)?;
    let seen: Option<i64> = tx
        .prepare_cached("SELECT min(position) FROM projections")?
        .query_row([], |row| row.get(0))?;
    let last = events.last().map_or(0, |event| signed(event.position));
    if seen.is_some_and(|seen| seen < last) {
        return Ok(None);
    }
    tx.prepare_cached("DELETE FROM events WHERE aggregate_id = ?")?
        .execute([aggregate_id])?;
    Ok(Some(events))
}

/// Current version of an aggregate, 0 when there is none.
///
/// # Errors
/// When the database fails.
pub fn version(conn: &Connection, aggregate_id: &str) -> Result<u64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT max(event_version) FROM events WHERE aggregate_id = ?")?;
    let version: Option<i64> = query.query_row([aggregate_id], |row| row.get(0)).optional()?.flatten();
    Ok(version.unwrap_or(0) as u64)
}

/// Events of one aggregate from `from_version` on (1 for all).
///
/// # Errors
/// When the database fails.
pub fn load(conn: &Connection, aggregate_id: &str, from_version: u64) -> Result<Vec<StoredEvent>, DatabaseError> {
    let sql =
        format!("SELECT {COLUMNS} FROM events WHERE aggregate_id = ? AND event_version >= ? ORDER BY event_version");
    select(conn, &sql, params![aggregate_id, signed(from_version)])
}

/// Events of one aggregate up to a time (unix nanoseconds): its state as of then.
///
/// # Errors
/// When the database fails.
pub fn load_as_of(conn: &Connection, aggregate_id: &str, at: u64) -> Result<Vec<StoredEvent>, DatabaseError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE aggregate_id = ? AND created_at <= ? ORDER BY event_version");
    select(conn, &sql, params![aggregate_id, signed(at)])
}

/// Up to `limit` events of all aggregates after `after` (0 from the start), in order of position.
///
/// # Errors
/// When the database fails.
pub fn read_all(conn: &Connection, after: u64, limit: usize) -> Result<Vec<StoredEvent>, DatabaseError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?");
    select(conn, &sql, params![signed(after), limit as i64])
}

/// Position of the last event, 0 when there is none.
///
/// # Errors
/// When the database fails.
pub fn head(conn: &Connection) -> Result<u64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT coalesce(max(position), 0) FROM events")?;
    Ok(query.query_row([], |row| unsigned(row, 0))?)
}

fn select(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<StoredEvent>, DatabaseError> {
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query(params)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(stored(row)?);
    }
    Ok(events)
}

fn stored(row: &Row<'_>) -> Result<StoredEvent, DatabaseError> {
    Ok(StoredEvent {
        position: unsigned(row, 0)?,
        event_id: row.get(1)?,
        aggregate_type: row.get(2)?,
        aggregate_id: row.get(3)?,
        version: unsigned(row, 4)?,
        event_type: row.get(5)?,
        data: json(row, 6)?,
        headers: json(row, 7)?,
        created_at: unsigned(row, 8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing;
    use serde_json::json;

    fn event(n: u64) -> NewEvent {
        NewEvent {
            event_type: "ItemAdded".to_owned(),
            data: json!({ "quantity": n }),
        }
    }

    async fn append_one(db: &crate::database::Database, expected: u64) -> Result<Vec<u64>, AppendError> {
        db.write(move |tx| {
            append(
                tx,
                "order",
                "order-123",
                expected,
                &[event(expected)],
                &Context::default(),
            )
        })
        .await
    }

    #[tokio::test]
    async fn versions_have_no_gap_and_of_two_writers_one_wins() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        for version in 0..5 {
            let (first, second) = tokio::join!(append_one(&db, version), append_one(&db, version));
            assert!(first.is_ok() != second.is_ok(), "INV-08: exactly one writer wins");
            let lost = first.err().or(second.err()).expect("one lost");
            assert!(
                matches!(lost, AppendError::Conflict { expected, actual, .. } if (expected, actual) == (version, version + 1))
            );
        }
        let events = db.read(|conn| load(conn, "order-123", 1)).await.expect("loads");
        assert_eq!(
            events.iter().map(|event| event.version).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
        let tail = db.read(|conn| load(conn, "order-123", 4)).await.expect("loads");
        assert_eq!(tail, events[3..]);
    }

    #[tokio::test]
    async fn all_events_stand_in_one_order_without_gaps_of_rolled_back_writes() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        for n in 0..4 {
            let id = format!("order-{n}");
            db.write(move |tx| append(tx, "order", &id, 0, &[event(1), event(2)], &Context::default()))
                .await
                .expect("appended");
            append_one(&db, 99).await.expect_err("conflict");
        }
        let first = db.read(|conn| read_all(conn, 0, 5)).await.expect("reads");
        let rest = db.read(|conn| read_all(conn, 5, 100)).await.expect("reads");
        let positions: Vec<_> = first.iter().chain(&rest).map(|event| event.position).collect();
        assert_eq!(positions, (1..=8).collect::<Vec<_>>());
        assert_eq!(db.read(head).await.expect("reads"), 8);
    }

    #[tokio::test]
    async fn an_aggregate_can_be_seen_as_it_was() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        for version in 0..3 {
            append_one(&db, version).await.expect("appended");
        }
        let all = db.read(|conn| load(conn, "order-123", 1)).await.expect("loads");
        let at = all[1].created_at;
        assert_eq!(
            db.read(move |conn| load_as_of(conn, "order-123", at))
                .await
                .expect("loads"),
            all[..2]
        );
    }
}
