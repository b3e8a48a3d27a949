//! `revenue`: money captured, refunded and declined by currency, from `payments.events`.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use shop_kit::broker::Message;
use shop_kit::database::{DatabaseError, Tx};

/// Name on the dashboards.
pub(crate) const NAME: &str = "revenue";

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS revenue (
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

/// Takes one message in. A declined card moved no money, nor did types that this version does not know.
pub(crate) fn apply(tx: &Tx<'_>, message: &Message) -> anyhow::Result<()> {
    let (captured, refunded) = match message.event_type.as_str() {
        "PaymentCaptured" => (1, 0),
        "PaymentRefunded" => (0, 1),
        _ => return Ok(()),
    };
    let Money { amount_minor, currency } = serde_json::from_value(message.payload.clone())?;
    let mut upsert = tx.prepare_cached(
        "INSERT INTO revenue VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (currency) DO UPDATE SET
            captured_minor = captured_minor + excluded.captured_minor,
            refunded_minor = refunded_minor + excluded.refunded_minor,
            charges = charges + excluded.charges,
            refunds = refunds + excluded.refunds",
    )?;
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
