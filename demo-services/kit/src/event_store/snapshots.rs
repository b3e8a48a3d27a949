//! Folded states kept beside a stream, so that a long one need not be folded from its start.
//!
//! A snapshot is only ever a shortcut: one of another form, or one that cannot be read, is passed over.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::database::{DatabaseError, Tx};
use crate::sql::{signed, unsigned};

/// A state, and the version of the stream that it was folded to.
pub(super) struct Snapshot<S> {
    pub(super) version: u64,
    pub(super) state: S,
}

/// Keeps the state of a stream at a version, as of the time of the event that made it.
pub(super) fn keep(
    tx: &Tx<'_>,
    aggregate_id: &str,
    version: u64,
    schema_version: u32,
    state: &impl Serialize,
) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached(
        "INSERT OR REPLACE INTO snapshots (aggregate_id, event_version, schema_version, state, created_at)
         SELECT aggregate_id, event_version, ?, ?, created_at FROM events WHERE aggregate_id = ? AND event_version = ?",
    )?;
    let state = serde_json::to_string(state)?;
    insert.execute(params![schema_version, state, aggregate_id, signed(version)])?;
    Ok(())
}

/// The newest snapshot of that form that was true at `at` (unix nanoseconds) or before.
pub(super) fn newest<S: DeserializeOwned>(
    conn: &Connection,
    aggregate_id: &str,
    schema_version: u32,
    at: u64,
) -> Result<Option<Snapshot<S>>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT event_version, state FROM snapshots WHERE aggregate_id = ? AND schema_version = ? AND created_at <= ?
         ORDER BY event_version DESC LIMIT 1",
    )?;
    let row: Option<(u64, String)> = query
        .query_row(params![aggregate_id, schema_version, signed(at)], |row| {
            Ok((unsigned(row, 0)?, row.get(1)?))
        })
        .optional()?;
    let Some((version, state)) = row else { return Ok(None) };
    match serde_json::from_str(&state) {
        Ok(state) => Ok(Some(Snapshot { version, state })),
        Err(error) => {
            tracing::warn!(aggregate_id, version, %error, "snapshot passed over");
            Ok(None)
        }
    }
}
