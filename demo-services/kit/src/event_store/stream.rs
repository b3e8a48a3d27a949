//! One aggregate's events, and the order over all of them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{AppendError, NewEvent, REPLACED, StoredEvent};
use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{DatabaseError, Tx};
use crate::effects;
use crate::sql::{Headers, encode, json, signed, unsigned};

const COLUMNS: &str = "position, event_id, aggregate_type, aggregate_id, event_version, event_type, event_data, headers, \
                       created_at, schema_version";

/// Appends `events` when the aggregate is still at `expected_version` (0 for a new one); answers their positions.
///
/// # Errors
/// [`AppendError::Conflict`] when the aggregate has moved on, [`AppendError::Replaced`] when the stream is closed.
pub fn append(
    tx: &Tx<'_>,
    aggregate_type: &str,
    aggregate_id: &str,
    expected_version: u64,
    events: &[NewEvent],
    context: &Context,
) -> Result<Vec<u64>, AppendError> {
    effects::allowed("new event")?;
    let last = Last::of(tx, aggregate_id)?;
    if last.version != expected_version {
        return Err(AppendError::Conflict {
            aggregate_id: aggregate_id.to_owned(),
            expected: expected_version,
            actual: last.version,
        });
    }
    if last.replaced {
        return Err(AppendError::Replaced {
            aggregate_id: aggregate_id.to_owned(),
        });
    }
    // A clock that was set back must not reorder a stream: what was true at a time is always the fold of a prefix.
    let now = unix_nanos_now().max(last.created_at);
    let headers = context.to_headers();
    let numbered = (expected_version + 1..).zip(events);
    numbered
        .map(|(version, event)| {
            let at = Slot {
                aggregate_type,
                aggregate_id,
                version,
                headers: &headers,
                created_at: now,
            };
            Ok(insert(tx, &at, event)?)
        })
        .collect()
}

/// Where an event goes.
pub(super) struct Slot<'a> {
    pub(super) aggregate_type: &'a str,
    pub(super) aggregate_id: &'a str,
    pub(super) version: u64,
    pub(super) headers: &'a Headers,
    pub(super) created_at: u64,
}

/// Stores one event; answers its position.
pub(super) fn insert(tx: &Tx<'_>, at: &Slot<'_>, event: &NewEvent) -> Result<u64, DatabaseError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO events (event_id, aggregate_type, aggregate_id, event_version, event_type, event_data, headers,
                             created_at, schema_version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![
        crate::ids::unique(),
        at.aggregate_type,
        at.aggregate_id,
        signed(at.version),
        event.event_type,
        event.data.to_string(),
        encode(at.headers),
        signed(at.created_at),
        event.schema_version,
    ])?;
    Ok(tx.last_insert_rowid().unsigned_abs())
}

/// The end of a stream, as far as appending to it needs.
#[derive(Default)]
struct Last {
    version: u64,
    created_at: u64,
    replaced: bool,
}

impl Last {
    fn of(conn: &Connection, aggregate_id: &str) -> Result<Self, DatabaseError> {
        let mut query = conn.prepare_cached(
            "SELECT event_version, created_at, event_type FROM events
             WHERE aggregate_id = ? ORDER BY event_version DESC LIMIT 1",
        )?;
        let last = query.query_row([aggregate_id], |row| {
            Ok(Self {
                version: unsigned(row, 0)?,
                created_at: unsigned(row, 1)?,
                replaced: row.get_ref(2)?.as_str()? == REPLACED,
            })
        });
        Ok(last.optional()?.unwrap_or_default())
    }
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
    for sql in [
        "DELETE FROM events WHERE aggregate_id = ?",
        "DELETE FROM snapshots WHERE aggregate_id = ?",
    ] {
        tx.prepare_cached(sql)?.execute([aggregate_id])?;
    }
    Ok(Some(events))
}

/// Current version of an aggregate, 0 when there is none.
///
/// # Errors
/// When the database fails.
pub fn version(conn: &Connection, aggregate_id: &str) -> Result<u64, DatabaseError> {
    Ok(Last::of(conn, aggregate_id)?.version)
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
    load_between(conn, aggregate_id, 1, at)
}

/// Events of one aggregate from a version on, up to a time.
pub(super) fn load_between(
    conn: &Connection,
    aggregate_id: &str,
    from_version: u64,
    at: u64,
) -> Result<Vec<StoredEvent>, DatabaseError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE aggregate_id = ? AND event_version >= ? AND created_at <= ?
         ORDER BY event_version"
    );
    select(conn, &sql, params![aggregate_id, signed(from_version), signed(at)])
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
        schema_version: row.get(9)?,
    })
}
