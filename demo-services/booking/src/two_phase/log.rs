//! The coordinator's log: what has begun, what is decided, what has ended. Written before anybody hears of it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use shop_kit::Headers;
use shop_kit::clock::unix_nanos_now;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::saga::Event;
use shop_kit::two_phase::Decision;
use shop_kit::{state_events, totals};

use super::transaction::Transaction;
use crate::booking::{Booking, Protocol, Refusal};
use crate::booking_store;
use crate::cancel_booking::cancel_booking;
use crate::confirm_booking::confirm_booking;
use crate::create_booking::create_booking;
use crate::place_booking::PlaceBooking;

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS transactions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    decision TEXT,
    state TEXT NOT NULL,
    final INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    headers TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS transactions_unfinished ON transactions (number) WHERE final = 0;
";

/// Why the log was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the decision does not fit the booking: {0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    NoPrice(String),
}

/// Begins a transaction, and creates its booking.
///
/// # Errors
/// When the database fails.
pub(crate) fn begin(tx: &Tx<'_>, id: &str, wish: &PlaceBooking, context: &Context) -> Result<(), DatabaseError> {
    let now = unix_nanos_now();
    let (transaction, told) = Transaction::begin(id, &context.correlation_id, wish.clone(), now);
    let mut insert = tx.prepare_cached(
        "INSERT INTO transactions (id, state, final, sequence, body, headers) VALUES (?, ?, 0, ?, ?, ?)",
    )?;
    insert.execute(params![
        id,
        transaction.state.as_str(),
        sequence(transaction.sequence),
        serde_json::to_string(&transaction)?,
        serde_json::to_string(&context.to_headers())?,
    ])?;
    // A new id: there is no booking that it could be refused for.
    if let Ok(Some(booking)) = create_booking(None, id, wish.clone(), Protocol::TwoPhase) {
        booking_store::put(tx, &booking, context)?;
    }
    state_events::record_all(tx, told, context)
}

/// A transaction as it stands.
pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<Transaction>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT body FROM transactions WHERE id = ?")?;
    let text: Option<String> = query.query_row([id], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// An unfinished transaction as loaded to be run.
pub(super) struct Loaded {
    pub(super) number: i64,
    pub(super) transaction: Transaction,
    pub(super) headers: Headers,
}

/// Unfinished transactions after `after`, oldest first.
pub(super) fn unfinished(conn: &Connection, after: i64, limit: u32) -> Result<Vec<Loaded>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT number, body, headers FROM transactions WHERE final = 0 AND number > ? ORDER BY number LIMIT ?",
    )?;
    let mut rows = query.query(params![after, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (body, headers): (String, String) = (row.get(1)?, row.get(2)?);
        found.push(Loaded {
            number: row.get(0)?,
            transaction: serde_json::from_str(&body)?,
            headers: serde_json::from_str(&headers)?,
        });
    }
    Ok(found)
}

/// Keeps a transaction and what is told of it; with its decision, the booking's fate. False when another coordinator has
/// moved it on since `expected` was read: then nothing is changed.
pub(super) fn save(
    tx: &Tx<'_>,
    transaction: &Transaction,
    expected: u64,
    told: Vec<Event>,
    context: &Context,
) -> Result<bool, LogError> {
    let before = find(tx, &transaction.id)?;
    let mut update = tx
        .prepare_cached(
            "UPDATE transactions SET decision = ?, state = ?, final = ?, sequence = ?, body = ?
             WHERE id = ? AND sequence = ?",
        )
        .map_err(DatabaseError::from)?;
    let changed = update
        .execute(params![
            transaction.decision.map(Decision::as_str),
            transaction.state.as_str(),
            transaction.state.is_final(),
            sequence(transaction.sequence),
            serde_json::to_string(transaction).map_err(DatabaseError::from)?,
            transaction.id,
            sequence(expected),
        ])
        .map_err(DatabaseError::from)?;
    if changed == 0 {
        return Ok(false);
    }
    if before.is_some_and(|before| before.decision.is_none()) {
        decided(tx, transaction, context)?;
    }
    if transaction.state.is_final() {
        booking_store::ended(tx, &transaction.id)?;
    }
    state_events::record_all(tx, told, context)?;
    Ok(true)
}

/// The decision and the booking's fate are one write.
fn decided(tx: &Tx<'_>, transaction: &Transaction, context: &Context) -> Result<(), LogError> {
    let Transaction { id, wish, reason, .. } = transaction;
    let existing = booking_store::find(tx, id)?;
    let booking: Option<Booking> = match transaction.decision {
        None => None,
        Some(Decision::Commit) => {
            let price = transaction.price().map_err(LogError::NoPrice)?;
            confirm_booking(existing, price)?
        }
        Some(Decision::Abort) => {
            let reason = reason.as_deref().unwrap_or("aborted");
            cancel_booking(existing, id, wish.clone(), Protocol::TwoPhase, reason)
        }
    };
    if let Some(booking) = booking {
        booking_store::put(tx, &booking, context)?;
    }
    Ok(())
}

/// Removes a transaction that has ended; [`counts`] goes on counting it. False when it is still under way.
pub(crate) fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
    let Some(transaction) = find(tx, id)? else {
        return Ok(true);
    };
    if transaction.state.is_final() {
        tx.prepare_cached("DELETE FROM transactions WHERE id = ?")?
            .execute([id])?;
        totals::carry(tx, &format!("transactions/{}", transaction.state.as_str()), 1)?;
    }
    Ok(transaction.state.is_final())
}

/// Transactions by state, and `in_doubt` for those that are not decided, with those that were let go.
pub(crate) fn counts(conn: &Connection) -> Result<BTreeMap<String, u32>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT iif(decision IS NULL, 'undecided', state) AS word, count(*) FROM transactions GROUP BY word",
    )?;
    let mut counts: BTreeMap<String, u32> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (state, count) in totals::counts(conn, "transactions")? {
        *counts.entry(state).or_default() += count;
    }
    Ok(counts)
}

/// What `GET /api/v1/transactions/{id}` answers.
pub(crate) fn decision_of(transaction: Option<&Transaction>) -> Value {
    // Nothing known: it was never begun, or has ended long ago with everybody told. An abort is presumed.
    let decision = transaction.map_or(Some(Decision::Abort), |known| known.decision);
    serde_json::json!({ "decision": decision })
}

fn sequence(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
