//! How far read models are, and waiting for one to reach a position: a client reads its own write.

use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use tokio::time::Instant;

use crate::database::{Database, DatabaseError};
use crate::event_store;
use crate::sql::{signed, unsigned};

/// A waiting reader looks again after this time even if nothing told of a change.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Most parked events handed out.
const MOST_PARKED: i64 = 100;

/// Position of a read model: every event up to it has been applied or parked.
///
/// # Errors
/// When the database fails.
pub fn position(conn: &Connection, name: &str) -> Result<u64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT position FROM projections WHERE name = ?")?;
    Ok(query.query_row([name], |row| unsigned(row, 0)).optional()?.unwrap_or(0))
}

/// How far a read model is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The read model.
    pub name: String,
    /// Every event up to it has been applied or parked.
    pub position: u64,
    /// Position of the last event there is.
    pub head: u64,
    /// Events between the two.
    pub lag_events: u64,
    /// It is being filled from zero.
    pub rebuilding: bool,
    /// Events that could not be applied: set aside, and the others went on.
    pub parked: u64,
}

/// How far a read model is.
///
/// # Errors
/// When the database fails.
pub fn standing(conn: &Connection, name: &str) -> Result<Standing, DatabaseError> {
    let snapshot = conn.unchecked_transaction()?;
    let (position, rebuilding) = snapshot
        .prepare_cached("SELECT position, rebuilding FROM projections WHERE name = ?")?
        .query_row([name], |row| Ok((unsigned(row, 0)?, row.get(1)?)))
        .optional()?
        .unwrap_or((0, false));
    let number =
        |sql: &str, of: &dyn rusqlite::ToSql| snapshot.prepare_cached(sql)?.query_row([of], |row| unsigned(row, 0));
    Ok(Standing {
        name: name.to_owned(),
        position,
        head: event_store::head(&snapshot)?.max(position),
        lag_events: number("SELECT count(*) FROM events WHERE position > ?", &signed(position))?,
        rebuilding,
        parked: number("SELECT count(*) FROM projection_failures WHERE name = ?", &name)?,
    })
}

/// An event that could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// Of the event.
    pub position: u64,
    /// Why.
    pub reason: String,
    /// When, unix nanoseconds.
    pub at: String,
}

/// The oldest events that a read model could not apply. They stand in the event store as they came.
///
/// # Errors
/// When the database fails.
pub fn parked(conn: &Connection, name: &str) -> Result<Vec<Parked>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT position, reason, at FROM projection_failures WHERE name = ? ORDER BY position LIMIT ?",
    )?;
    let parked = query.query_map((name, MOST_PARKED), |row| {
        Ok(Parked {
            position: unsigned(row, 0)?,
            reason: row.get(1)?,
            at: unsigned(row, 2)?.to_string(),
        })
    })?;
    Ok(parked.collect::<Result<_, _>>()?)
}

/// Waits until a read model has reached a position; answers where it stands, which is less when `limit` is over first.
///
/// # Errors
/// When the database fails.
pub async fn reached(db: &Database, name: &'static str, wanted: u64, limit: Duration) -> Result<u64, DatabaseError> {
    let mut moved = db.inserts("projections");
    let until = Instant::now() + limit;
    loop {
        moved.mark_unchanged();
        let stands = db.read(move |conn| position(conn, name)).await?;
        let left = until.saturating_duration_since(Instant::now());
        if stands >= wanted || left.is_zero() {
            return Ok(stands);
        }
        // Whether it was told or the time is up, it looks again.
        drop(tokio::time::timeout(left.min(LOOK_AGAIN), moved.changed()).await);
    }
}

/// Every row of some tables as text, sorted: equal when, and only when, the tables hold the same.
///
/// # Errors
/// When the database fails.
pub fn dump(conn: &Connection, tables: &[&str]) -> Result<Vec<String>, DatabaseError> {
    let mut lines = Vec::new();
    for table in tables {
        let mut query = conn.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = query.column_count();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns)
                .map(|column| row.get_ref(column).map(text))
                .collect::<Result<Vec<_>, _>>()?;
            lines.push(format!("{table}: {}", values.join(", ")));
        }
    }
    lines.sort_unstable();
    Ok(lines)
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("{bytes:?}"),
    }
}
