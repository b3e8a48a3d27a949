//! What is stored, by type and form: events that this version does not know are told here, and nowhere lost.

use rusqlite::Connection;
use serde::Serialize;

use super::{REPLACED, Upcasters};
use crate::database::DatabaseError;
use crate::sql::unsigned;

/// Events of one type and form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Such as `OrderConfirmed`.
    pub event_type: String,
    /// Form of the content.
    pub schema_version: u32,
    /// How many.
    pub events: u64,
    /// How this version reads them.
    pub standing: Standing,
}

/// How a version reads events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In their newest form.
    Current,
    /// Of an older form: brought into the newest on reading.
    Upcast,
    /// Of a type or a form that is not known: kept, and skipped.
    Unknown,
}

/// Every kind stored, by type and form.
///
/// # Errors
/// When the database fails.
pub fn census(conn: &Connection, upcasters: &Upcasters) -> Result<Vec<Kind>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT event_type, schema_version, count(*) FROM events GROUP BY event_type, schema_version ORDER BY 1, 2",
    )?;
    let kinds = query.query_map([], |row| {
        let (event_type, schema_version): (String, u32) = (row.get(0)?, row.get(1)?);
        Ok(Kind {
            standing: standing(upcasters, &event_type, schema_version),
            event_type,
            schema_version,
            events: unsigned(row, 2)?,
        })
    })?;
    Ok(kinds.collect::<Result<_, _>>()?)
}

/// Streams whose versions are not 1, 2, 3, … (INV-08), up to ten of them.
///
/// # Errors
/// When the database fails.
pub fn broken_streams(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT aggregate_id FROM events GROUP BY aggregate_id
         HAVING min(event_version) <> 1 OR max(event_version) <> count(*) LIMIT 10",
    )?;
    let broken = query.query_map([], |row| row.get(0))?;
    Ok(broken.collect::<Result<_, _>>()?)
}

fn standing(upcasters: &Upcasters, event_type: &str, schema_version: u32) -> Standing {
    match upcasters.newest(event_type) {
        _ if event_type == REPLACED => Standing::Current,
        Some(newest) if schema_version == newest => Standing::Current,
        Some(newest) if schema_version < newest => Standing::Upcast,
        _ => Standing::Unknown,
    }
}
