//! `summary`: one row an order, as the order page shows it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::StoredEvent;

use crate::event_forms::{Change, change};
use crate::order::{Item, OrderEvent, Status};

/// Name on the dashboards.
pub(crate) const NAME: &str = "summary";

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS order_summary (
    order_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    status TEXT NOT NULL,
    items TEXT NOT NULL,
    total_minor INTEGER NOT NULL,
    reason TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Removes an order that ended long ago.
pub(crate) const LET_GO: &str = "DELETE FROM order_summary WHERE order_id = ?";

/// An order as read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Order.
    pub(crate) order_id: String,
    /// Who ordered.
    pub(crate) customer_id: String,
    /// Of every amount.
    pub(crate) currency: String,
    /// `created`, `confirmed` or `cancelled`.
    pub(crate) status: String,
    /// What.
    pub(crate) items: Vec<Item>,
    /// Sum of the items.
    pub(crate) total_minor: i64,
    /// Why it was cancelled.
    pub(crate) reason: Option<String>,
    /// Unix nanoseconds.
    #[serde(serialize_with = "as_text")]
    pub(crate) created_at: i64,
    /// Unix nanoseconds.
    #[serde(serialize_with = "as_text")]
    pub(crate) updated_at: i64,
}

/// Takes one event in.
pub(crate) fn apply(tx: &Tx<'_>, stored: &StoredEvent) -> anyhow::Result<()> {
    let event = match change(stored)? {
        Change::Event(event) => event,
        Change::Replaced => return Ok(tx.prepare_cached(LET_GO)?.execute([&stored.aggregate_id]).map(drop)?),
    };
    let at = i64::try_from(stored.created_at).unwrap_or(i64::MAX);
    let before = find(tx, &stored.aggregate_id)?;
    let mut row = before.unwrap_or_else(|| empty(&stored.aggregate_id, at));
    row.updated_at = at;
    match event {
        OrderEvent::OrderCreated { customer_id, currency } => (row.customer_id, row.currency) = (customer_id, currency),
        OrderEvent::ItemAdded(item) => {
            row.total_minor = row.total_minor.saturating_add(item.total_minor());
            row.items.push(item);
        }
        OrderEvent::CancellationRequested { reason } => row.reason = Some(reason),
        OrderEvent::OrderConfirmed { .. } => row.status = Status::Confirmed.as_str().to_owned(),
        OrderEvent::OrderCancelled { reason } => {
            (row.status, row.reason) = (Status::Cancelled.as_str().to_owned(), Some(reason));
        }
    }
    Ok(put(tx, &row)?)
}

/// One order.
pub(crate) fn find(conn: &Connection, order_id: &str) -> Result<Option<Summary>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT * FROM order_summary WHERE order_id = ?")?;
    let row = query.query_row([order_id], |row| Ok(summary(row))).optional()?;
    row.transpose()
}

fn empty(order_id: &str, at: i64) -> Summary {
    Summary {
        order_id: order_id.to_owned(),
        customer_id: String::new(),
        currency: String::new(),
        status: Status::Created.as_str().to_owned(),
        items: Vec::new(),
        total_minor: 0,
        reason: None,
        created_at: at,
        updated_at: at,
    }
}

fn put(tx: &Tx<'_>, row: &Summary) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO order_summary VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    let items = serde_json::to_string(&row.items)?;
    let Summary {
        order_id,
        customer_id,
        currency,
        status,
        total_minor,
        reason,
        created_at,
        updated_at,
        ..
    } = row;
    insert.execute(params![
        order_id,
        customer_id,
        currency,
        status,
        items,
        total_minor,
        reason,
        created_at,
        updated_at
    ])?;
    Ok(())
}

fn summary(row: &Row<'_>) -> Result<Summary, DatabaseError> {
    let items: String = row.get("items")?;
    Ok(Summary {
        order_id: row.get("order_id")?,
        customer_id: row.get("customer_id")?,
        currency: row.get("currency")?,
        status: row.get("status")?,
        items: serde_json::from_str(&items)?,
        total_minor: row.get("total_minor")?,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn as_text<S: serde::Serializer>(nanos: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(nanos)
}
