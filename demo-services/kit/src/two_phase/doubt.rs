//! The votes that wait for their decision.

use opentelemetry::metrics::{Gauge, Meter};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{DatabaseError, Tx};
use crate::sql::{Headers, encode, json, signed, unsigned};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS in_doubt (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    holds TEXT NOT NULL,
    since INTEGER NOT NULL,
    headers TEXT NOT NULL
) STRICT;
";

/// A transaction whose end this participant does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InDoubt {
    /// Its id.
    pub transaction_id: String,
    /// What it holds, in words.
    pub holds: String,
    /// For how long.
    pub age_ms: u64,
    #[serde(skip)]
    pub(super) headers: Headers,
}

/// Notes a yes; noted already, it stays as old as it is.
pub(super) fn begin(tx: &Tx<'_>, id: &str, holds: &str, context: &Context) -> Result<(), DatabaseError> {
    let mut insert =
        tx.prepare_cached("INSERT OR IGNORE INTO in_doubt (id, holds, since, headers) VALUES (?, ?, ?, ?)")?;
    insert.execute(params![
        id,
        holds,
        signed(unix_nanos_now()),
        encode(&context.to_headers())
    ])?;
    Ok(())
}

/// The decision is known.
pub(super) fn end(tx: &Tx<'_>, id: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached("DELETE FROM in_doubt WHERE id = ?")?.execute([id])?;
    Ok(())
}

/// Transactions in doubt, oldest first.
///
/// # Errors
/// When the database fails.
pub fn in_doubt(conn: &Connection, limit: u32) -> Result<Vec<InDoubt>, DatabaseError> {
    let now = unix_nanos_now();
    let mut query = conn.prepare_cached("SELECT id, holds, since, headers FROM in_doubt ORDER BY number LIMIT ?")?;
    let mut rows = query.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(of(row, now)?);
    }
    Ok(found)
}

/// A transaction that is in doubt.
pub(super) fn find(conn: &Connection, id: &str) -> Result<Option<InDoubt>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT id, holds, since, headers FROM in_doubt WHERE id = ?")?;
    let mut rows = query.query([id])?;
    rows.next()?.map(|row| of(row, unix_nanos_now())).transpose()
}

fn of(row: &Row<'_>, now: u64) -> Result<InDoubt, DatabaseError> {
    Ok(InDoubt {
        transaction_id: row.get(0)?,
        holds: row.get(1)?,
        age_ms: now.saturating_sub(unsigned(row, 2)?) / 1_000_000,
        headers: json(row, 3)?,
    })
}

/// Is this transaction in doubt here?
///
/// # Errors
/// When the database fails.
pub fn is_in_doubt(conn: &Connection, id: &str) -> Result<bool, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT 1 FROM in_doubt WHERE id = ?")?;
    Ok(query.exists([id])?)
}

/// How many are in doubt, and how old the oldest is, milliseconds.
pub(super) fn stand(conn: &Connection) -> Result<(u64, u64), DatabaseError> {
    let mut query = conn.prepare_cached("SELECT count(*), coalesce(min(since), 0) FROM in_doubt")?;
    let (count, since) = query.query_row([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
    let age = match count {
        0 => 0,
        _ => unix_nanos_now().saturating_sub(since),
    };
    Ok((count, age / 1_000_000))
}

/// The same as metrics.
#[derive(Clone, Debug)]
pub(super) struct DoubtMetrics {
    count: Gauge<u64>,
    oldest_age: Gauge<f64>,
}

impl DoubtMetrics {
    /// Of a participant.
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            count: meter
                .u64_gauge("two_phase.in_doubt")
                .with_description("Transactions that voted yes and wait for their coordinator.")
                .build(),
            oldest_age: meter.f64_gauge("two_phase.in_doubt.oldest.age").with_unit("s").build(),
        }
    }

    /// As of now.
    pub(super) fn stand(&self, count: u64, oldest_age_ms: u64) {
        self.count.record(count, &[]);
        self.oldest_age.record(oldest_age_ms as f64 / 1e3, &[]);
    }
}
