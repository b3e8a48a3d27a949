//! SQLite holds signed integers and text; ours are unsigned and JSON.

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::de::DeserializeOwned;

use crate::database::DatabaseError;

/// Trace and correlation headers kept with what they caused (see `Context::from_headers`).
pub type Headers = BTreeMap<String, String>;

pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0))
}

pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, DatabaseError> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(serde_json::from_str(text)?)
}

pub(crate) fn encode(headers: &Headers) -> String {
    // A map of text to text always has a JSON form.
    serde_json::to_string(headers).unwrap_or_else(|_| "{}".to_owned())
}
