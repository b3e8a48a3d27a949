//! `revenue`: money captured, refunded and declined by currency, from what payments tells.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::StoredEvent;
use shop_kit::projection::ReadModel;

/// The read model.
pub(crate) const MODEL: ReadModel = ReadModel {
    carried,
    ..ReadModel::new("revenue", &["revenue"], apply)
};
/// Whose events it follows.
const SOURCE: &str = "payments.events";

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS revenue (
    currency TEXT PRIMARY KEY,
    captured_minor INTEGER NOT NULL DEFAULT 0,
    refunded_minor INTEGER NOT NULL DEFAULT 0,
    charges INTEGER NOT NULL DEFAULT 0,
    refunds INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revenue_carried (
    currency TEXT PRIMARY KEY,
    captured_minor INTEGER NOT NULL DEFAULT 0,
    refunded_minor INTEGER NOT NULL DEFAULT 0,
    charges INTEGER NOT NULL DEFAULT 0,
    refunds INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
";

/// Money of one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Revenue {
    /// ISO 4217.
    pub(crate) currency: String,
    /// Sum of all charges.
    pub(crate) captured_minor: i64,
    /// Sum of all refunds.
    pub(crate) refunded_minor: i64,
    /// Number of charges.
    pub(crate) charges: i64,
    /// Number of refunds.
    pub(crate) refunds: i64,
    /// What stays.
    pub(crate) net_minor: i64,
}

/// What this read model reads of a message that moved money.
#[derive(Debug, Deserialize)]
struct Money {
    amount_minor: i64,
    currency: String,
}

/// Takes one event in.
fn apply(tx: &Tx<'_>, event: &StoredEvent) -> anyhow::Result<()> {
    Ok(add(tx, "revenue", event)?)
}

/// Carries forward what an event adds that is let go. One that was parked adds nothing.
pub(crate) fn carry(tx: &Tx<'_>, event: &StoredEvent) -> Result<(), DatabaseError> {
    match add(tx, "revenue_carried", event) {
        Err(DatabaseError::Decode(_)) => Ok(()),
        added => added,
    }
}

fn carried(tx: &Tx<'_>) -> Result<(), DatabaseError> {
    tx.execute("INSERT INTO revenue SELECT * FROM revenue_carried", [])?;
    Ok(())
}

/// A declined card moved no money, nor did types that this version does not know.
fn add(tx: &Tx<'_>, table: &str, event: &StoredEvent) -> Result<(), DatabaseError> {
    let (captured, refunded) = match (event.aggregate_type.as_str(), event.event_type.as_str()) {
        (SOURCE, "PaymentCaptured") => (1, 0),
        (SOURCE, "PaymentRefunded") => (0, 1),
        _ => return Ok(()),
    };
    let Money { amount_minor, currency } = serde_json::from_value(event.data.clone())?;
    let mut upsert = tx.prepare_cached(&format!(
        "INSERT INTO {table} VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (currency) DO UPDATE SET
            captured_minor = captured_minor + excluded.captured_minor,
            refunded_minor = refunded_minor + excluded.refunded_minor,
            charges = charges + excluded.charges,
            refunds = refunds + excluded.refunds",
    ))?;
    upsert.execute(params![
        currency,
        captured * amount_minor,
        refunded * amount_minor,
        captured,
        refunded
    ])?;
    Ok(())
}

/// Every currency.
pub(crate) fn by_currency(conn: &Connection) -> Result<Vec<Revenue>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT * FROM revenue ORDER BY currency")?;
    let rows = query.query_map([], |row| {
        let (captured_minor, refunded_minor): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Revenue {
            currency: row.get(0)?,
            captured_minor,
            refunded_minor,
            charges: row.get(3)?,
            refunds: row.get(4)?,
            net_minor: captured_minor - refunded_minor,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
