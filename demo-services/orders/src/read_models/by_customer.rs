//! `by_customer`: a customer's orders, newest first.

use rusqlite::{Connection, params};
use serde::Serialize;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::StoredEvent;

use crate::event_forms::{Change, change};
use crate::order::{OrderEvent, Status};

/// Name on the dashboards.
pub(crate) const NAME: &str = "by_customer";

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS customer_orders (
    position INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL UNIQUE,
    customer_id TEXT NOT NULL,
    status TEXT NOT NULL,
    items INTEGER NOT NULL DEFAULT 0,
    total_minor INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS customer_orders_newest ON customer_orders (customer_id, position DESC);
";

/// Removes an order that ended long ago.
pub(crate) const LET_GO: &str = "DELETE FROM customer_orders WHERE order_id = ?";

/// A line of the customer's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CustomerOrder {
    /// Order.
    pub(crate) order_id: String,
    /// `created`, `confirmed` or `cancelled`.
    pub(crate) status: String,
    /// Lines in it.
    pub(crate) items: u32,
    /// Sum of the items.
    pub(crate) total_minor: i64,
    /// When it was created, as long as its events are kept.
    pub(crate) created_at_ms: Option<i64>,
    /// Place in the list.
    #[serde(skip)]
    pub(crate) position: i64,
}

/// Takes one event in.
pub(crate) fn apply(tx: &Tx<'_>, stored: &StoredEvent) -> anyhow::Result<()> {
    let event = match change(stored)? {
        Change::Event(event) => event,
        Change::Replaced => return Ok(tx.prepare_cached(LET_GO)?.execute([&stored.aggregate_id]).map(drop)?),
    };
    let order_id = &stored.aggregate_id;
    match event {
        OrderEvent::OrderCreated { customer_id, .. } => {
            let position = i64::try_from(stored.position).unwrap_or(i64::MAX);
            let mut insert = tx.prepare_cached(
                "INSERT INTO customer_orders (position, order_id, customer_id, status) VALUES (?, ?, ?, ?)",
            )?;
            insert.execute(params![position, order_id, customer_id, Status::Created.as_str()])?;
        }
        OrderEvent::ItemAdded(item) => {
            let mut update = tx.prepare_cached(
                "UPDATE customer_orders SET items = items + 1, total_minor = total_minor + ? WHERE order_id = ?",
            )?;
            update.execute(params![item.total_minor(), order_id])?;
        }
        OrderEvent::OrderConfirmed { .. } => set_status(tx, order_id, Status::Confirmed)?,
        OrderEvent::OrderCancelled { .. } => set_status(tx, order_id, Status::Cancelled)?,
        OrderEvent::CancellationRequested { .. } => {}
    }
    Ok(())
}

/// Up to `limit` orders of a customer, newest first, older than `before`.
pub(crate) fn list(
    conn: &Connection,
    customer_id: &str,
    before: i64,
    limit: u32,
) -> Result<Vec<CustomerOrder>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT order_id, status, items, total_minor, position,
             (SELECT created_at / 1000000 FROM events WHERE events.position = customer_orders.position)
         FROM customer_orders
         WHERE customer_id = ? AND position < ? ORDER BY position DESC LIMIT ?",
    )?;
    let rows = query.query_map(params![customer_id, before, limit], |row| {
        Ok(CustomerOrder {
            order_id: row.get(0)?,
            status: row.get(1)?,
            items: row.get(2)?,
            total_minor: row.get(3)?,
            position: row.get(4)?,
            created_at_ms: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn set_status(tx: &Tx<'_>, order_id: &str, status: Status) -> Result<(), DatabaseError> {
    let mut update = tx.prepare_cached("UPDATE customer_orders SET status = ? WHERE order_id = ?")?;
    update.execute(params![status.as_str(), order_id])?;
    Ok(())
}
