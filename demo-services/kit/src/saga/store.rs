//! Saga instances in the database of their service.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use sagascope_conventions::SagaState;
use sagascope_instrument::Event;
use serde::Serialize;

use super::SagaDefinition;
use super::machine::Instance;
use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{DatabaseError, Tx};
use crate::sql::{Headers, encode, json, signed, unsigned};
use crate::{state_events, totals};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS sagas (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    final INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    instance TEXT NOT NULL,
    headers TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    UNIQUE (name, id)
) STRICT;
CREATE INDEX IF NOT EXISTS sagas_by_state ON sagas (name, state);
CREATE INDEX IF NOT EXISTS sagas_unfinished ON sagas (name, number) WHERE final = 0;
";

/// Why an instance was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is one with this id already.
    #[error("saga {0} exists already")]
    Exists(String),
    /// The database failed, or the input has no JSON form.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Starts an instance within the transaction that causes it.
///
/// # Errors
/// When there is one with this id already.
pub fn start<D: SagaDefinition>(
    tx: &Tx<'_>,
    definition: &D,
    id: &str,
    input: &impl Serialize,
    context: &Context,
) -> Result<(), StartError> {
    crate::effects::allowed("saga")?;
    let now = unix_nanos_now();
    let input = serde_json::to_value(input).map_err(DatabaseError::from)?;
    let (instance, told) = Instance::start(D::NAME, id, &context.correlation_id, definition.steps(), input, now);
    keep(tx, &instance, told, context)
}

/// Keeps a new instance that no runner runs, and what is told of it.
///
/// # Errors
/// When there is one with this id already.
pub fn keep(tx: &Tx<'_>, instance: &Instance, told: Vec<Event>, context: &Context) -> Result<(), StartError> {
    if !insert(tx, instance, &context.to_headers(), unix_nanos_now())? {
        return Err(StartError::Exists(instance.id.clone()));
    }
    state_events::record_all(tx, told, context)?;
    Ok(())
}

/// Keeps how such an instance stands now. False, and nothing is changed, when it is not at `expected` any more.
///
/// # Errors
/// When the database fails.
pub fn keep_on(
    tx: &Tx<'_>,
    instance: &Instance,
    expected: u64,
    told: Vec<Event>,
    context: &Context,
) -> Result<bool, DatabaseError> {
    save(tx, instance, expected, state_events::tied(told, context))
}

/// An instance as it stands.
///
/// # Errors
/// When the database fails.
pub fn find(conn: &Connection, name: &str, id: &str) -> Result<Option<Instance>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT instance FROM sagas WHERE name = ? AND id = ?")?;
    let text: Option<String> = query.query_row(params![name, id], |row| row.get(0)).optional()?;
    text.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
}

/// An unfinished instance as loaded to be run.
pub(super) struct Loaded {
    pub(super) number: u64,
    pub(super) instance: Instance,
    pub(super) headers: Headers,
    /// Unix nanoseconds.
    pub(super) started_at: u64,
}

const COLUMNS: &str = "number, instance, headers, started_at";

impl Loaded {
    fn from_row(row: &Row<'_>) -> Result<Self, DatabaseError> {
        Ok(Self {
            number: unsigned(row, 0)?,
            instance: json(row, 1)?,
            headers: json(row, 2)?,
            started_at: unsigned(row, 3)?,
        })
    }
}

/// Unfinished instances after `after`, oldest first.
pub(super) fn unfinished(
    conn: &Connection,
    name: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<Loaded>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sagas WHERE name = ? AND final = 0 AND number > ? ORDER BY number LIMIT ?"
    ))?;
    let mut rows = query.query(params![name, signed(after), signed(limit as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Loaded::from_row(row)?);
    }
    Ok(found)
}

/// One of them by its number; `None` when it is final.
pub(super) fn unfinished_one(conn: &Connection, number: u64) -> Result<Option<Loaded>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM sagas WHERE number = ? AND final = 0"))?;
    let mut rows = query.query([signed(number)])?;
    rows.next()?.map(Loaded::from_row).transpose()
}

/// Where an instance stands in its own count.
pub(super) fn sequence(conn: &Connection, name: &str, id: &str) -> Result<Option<u64>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT sequence FROM sagas WHERE name = ? AND id = ?")?;
    Ok(query.query_row(params![name, id], |row| unsigned(row, 0)).optional()?)
}

/// Keeps the instance and what is told of it. False when another runner has moved it on since `expected` was read:
/// then nothing is changed.
pub(super) fn save(tx: &Tx<'_>, instance: &Instance, expected: u64, told: Vec<Event>) -> Result<bool, DatabaseError> {
    let mut update = tx.prepare_cached(
        "UPDATE sagas SET state = ?, final = ?, sequence = ?, instance = ? WHERE name = ? AND id = ? AND sequence = ?",
    )?;
    let changed = update.execute(params![
        instance.state.as_str(),
        instance.state.is_final(),
        signed(instance.sequence),
        serde_json::to_string(instance)?,
        instance.name,
        instance.id,
        signed(expected),
    ])?;
    if changed == 1 {
        state_events::record_all(tx, told, &Context::default())?;
    }
    Ok(changed == 1)
}

fn insert(tx: &Tx<'_>, instance: &Instance, headers: &Headers, now: u64) -> Result<bool, DatabaseError> {
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO sagas (name, id, state, final, sequence, instance, headers, started_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let inserted = insert.execute(params![
        instance.name,
        instance.id,
        instance.state.as_str(),
        instance.state.is_final(),
        signed(instance.sequence),
        serde_json::to_string(instance)?,
        encode(headers),
        signed(now),
    ])?;
    Ok(inserted == 1)
}

/// Removes an instance that has ended; [`counts`] goes on counting it. False when it is still under way.
///
/// # Errors
/// When the database fails.
pub fn let_go(tx: &Tx<'_>, name: &str, id: &str) -> Result<bool, DatabaseError> {
    let mut query = tx.prepare_cached("SELECT state, final FROM sagas WHERE name = ? AND id = ?")?;
    let found: Option<(String, bool)> = query
        .query_row(params![name, id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((state, is_final)) = found else {
        return Ok(true);
    };
    if is_final {
        tx.prepare_cached("DELETE FROM sagas WHERE name = ? AND id = ?")?
            .execute(params![name, id])?;
        totals::carry(tx, &format!("sagas.{name}/{state}"), 1)?;
    }
    Ok(is_final)
}

/// How many instances of a type stand in each state, with those that were let go.
///
/// # Errors
/// When the database fails.
pub fn counts(conn: &Connection, name: &str) -> Result<Vec<(SagaState, u32)>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT state, count(*) FROM sagas WHERE name = ? GROUP BY state")?;
    let mut counts: BTreeMap<String, u32> = query
        .query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (state, count) in totals::counts(conn, &format!("sagas.{name}"))? {
        *counts.entry(state).or_default() += count;
    }
    let parsed = counts
        .into_iter()
        .filter_map(|(word, count)| SagaState::parse(&word).map(|state| (state, count)));
    Ok(parsed.collect())
}
