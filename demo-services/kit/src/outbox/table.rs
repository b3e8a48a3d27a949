//! The rows of the outbox.

use rusqlite::{Connection, params};
use sagascope_instrument::message_events::dead_lettered;
use serde::Serialize;

use crate::broker::NewMessage;
use crate::broker::schema::SCHEMA_VERSION;
use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{DatabaseError, Tx};
use crate::ids;
use crate::sql::{encode, json, signed, unsigned};
use crate::{effects, state_events};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    headers TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    processed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_pending ON outbox (number) WHERE processed = 0;
";

/// Published rows kept to be looked at.
const KEPT: u64 = 1_000;
/// Rows set aside for a person stay until so many others came after them.
const KEPT_ASIDE: u64 = 100_000;

/// Puts a message into the outbox; answers its id. `key` is what it is about: its messages stay in order.
///
/// # Errors
/// When the database fails or `payload` has no JSON form.
pub fn enqueue(
    tx: &Tx<'_>,
    topic: &str,
    key: &str,
    event_type: &str,
    payload: &impl Serialize,
    context: &Context,
) -> Result<String, DatabaseError> {
    enqueue_form(tx, topic, key, (event_type, 1), payload, context)
}

/// The same for a message of a later form than the first; consumers read which from its headers.
///
/// # Errors
/// When the database fails or `payload` has no JSON form.
pub fn enqueue_form(
    tx: &Tx<'_>,
    topic: &str,
    key: &str,
    (event_type, schema_version): (&str, u32),
    payload: &impl Serialize,
    context: &Context,
) -> Result<String, DatabaseError> {
    enqueue_with(tx, topic, key, (event_type, schema_version), payload, context, [])
}

/// The same with further headers.
#[allow(clippy::too_many_arguments, reason = "a message has so many parts")]
pub(crate) fn enqueue_with<const N: usize>(
    tx: &Tx<'_>,
    topic: &str,
    key: &str,
    (event_type, schema_version): (&str, u32),
    payload: &impl Serialize,
    context: &Context,
    more: [(String, String); N],
) -> Result<String, DatabaseError> {
    let mut headers = context.to_headers();
    headers.extend(more);
    headers.insert(SCHEMA_VERSION.to_owned(), schema_version.to_string());
    effects::allowed("message in the outbox")?;
    let id = ids::unique();
    let (payload, headers) = (serde_json::to_string(payload)?, encode(&headers));
    let mut insert = tx.prepare_cached(
        "INSERT INTO outbox (id, topic, key, event_type, payload, headers, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![
        id,
        topic,
        key,
        event_type,
        payload,
        headers,
        signed(unix_nanos_now())
    ])?;
    Ok(id)
}

/// Rows to be published next.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) last: u64,
    pub(super) messages: Vec<NewMessage>,
}

/// The oldest rows not yet published, in order.
pub(super) fn pending(conn: &Connection, limit: usize) -> Result<Pending, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT number, id, topic, key, event_type, payload, headers FROM outbox WHERE processed = 0 ORDER BY number LIMIT ?",
    )?;
    let mut rows = query.query(params![signed(limit as u64)])?;
    let mut found = Pending::default();
    while let Some(row) = rows.next()? {
        found.last = unsigned(row, 0)?;
        found.messages.push(NewMessage {
            id: row.get(1)?,
            topic: row.get(2)?,
            key: row.get(3)?,
            event_type: row.get(4)?,
            payload: json(row, 5)?,
            headers: json(row, 6)?,
        });
    }
    Ok(found)
}

/// How many rows wait, and since when the oldest does.
pub(super) fn waiting(conn: &Connection) -> Result<(u64, Option<u64>), DatabaseError> {
    let mut query = conn.prepare_cached("SELECT count(*), min(created_at) FROM outbox WHERE processed = 0")?;
    Ok(query.query_row([], |row| {
        Ok((unsigned(row, 0)?, row.get::<_, Option<i64>>(1)?.map(i64::unsigned_abs)))
    })?)
}

/// Notes everything up to `last` as published, and lets go of what is long gone.
pub(super) fn mark_published(tx: &Tx<'_>, last: u64) -> Result<(), DatabaseError> {
    tx.prepare_cached("UPDATE outbox SET processed = 1 WHERE processed = 0 AND number <= ?")?
        .execute([signed(last)])?;
    let old = signed(last.saturating_sub(KEPT));
    let very_old = signed(last.saturating_sub(KEPT_ASIDE));
    tx.prepare_cached("DELETE FROM outbox WHERE number <= ?1 AND (processed = 1 OR (processed = 2 AND number <= ?2))")?
        .execute([old, very_old])?;
    Ok(())
}

/// Sets the oldest row aside for a person (`processed = 2`), and tells of it.
pub(super) fn set_aside_oldest(tx: &Tx<'_>, reason: &str) -> Result<(), DatabaseError> {
    let Some(message) = pending(tx, 1)?.messages.into_iter().next() else {
        return Ok(());
    };
    tx.prepare_cached("UPDATE outbox SET processed = 2 WHERE id = ?")?
        .execute([&message.id])?;
    let context = Context::from_headers(&message.headers);
    let event = dead_lettered(unix_nanos_now(), &message.topic, &message.id, reason, 1);
    state_events::record(tx, event.correlated(&context.correlation_id), &context)
}
