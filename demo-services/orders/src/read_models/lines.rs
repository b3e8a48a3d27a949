//! `lines`: what is in each order, joined on reading with local copies of products and customers.
//!
//! The copies come as events of the services that own them, so an order is shown with the product's name without
//! asking the catalog, and goes on being shown while that is away. A name that has not arrived yet is left out.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::StoredEvent;

use crate::event_forms::{Change, change};
use crate::order::{OrderEvent, Status};

/// Name on the dashboards.
pub(crate) const NAME: &str = "lines";

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS order_heads (
    order_id TEXT PRIMARY KEY,
    customer_id TEXT NOT NULL,
    status TEXT NOT NULL,
    lines INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS order_lines (
    order_id TEXT NOT NULL,
    line INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    unit_price_minor INTEGER NOT NULL,
    PRIMARY KEY (order_id, line)
) STRICT, WITHOUT ROWID;
";

/// Removes an order that ended long ago.
pub(crate) const LET_GO: [&str; 2] = [
    "DELETE FROM order_heads WHERE order_id = ?",
    "DELETE FROM order_lines WHERE order_id = ?",
];

/// An order with what is known of its customer and products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Details {
    /// Order.
    pub(crate) order_id: String,
    /// `created`, `confirmed` or `cancelled`.
    pub(crate) status: String,
    /// Who ordered.
    pub(crate) customer: Customer,
    /// What.
    pub(crate) lines: Vec<Line>,
    /// Sum of the lines.
    pub(crate) total_minor: i64,
}

/// Who ordered, as far as it is known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Customer {
    /// The user's id.
    pub(crate) id: String,
    /// What the user is called.
    pub(crate) display_name: Option<String>,
    /// The user's tier.
    pub(crate) tier: Option<String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Product.
    pub(crate) product_id: String,
    /// What it is called.
    pub(crate) name: Option<String>,
    /// Where it is found.
    pub(crate) category: Option<String>,
    /// How many.
    pub(crate) quantity: u32,
    /// Price of one, when it was ordered.
    pub(crate) unit_price_minor: i64,
}

/// Takes one event in.
pub(crate) fn apply(tx: &Tx<'_>, stored: &StoredEvent) -> anyhow::Result<()> {
    let id = &stored.aggregate_id;
    let event = match change(stored)? {
        Change::Event(event) => event,
        Change::Replaced => {
            for sql in LET_GO {
                tx.prepare_cached(sql)?.execute([id])?;
            }
            return Ok(());
        }
    };
    tx.prepare_cached("INSERT OR IGNORE INTO order_heads VALUES (?, '', 'created', 0)")?
        .execute([id])?;
    match event {
        OrderEvent::OrderCreated { customer_id, .. } => {
            tx.prepare_cached("UPDATE order_heads SET customer_id = ? WHERE order_id = ?")?
                .execute(params![customer_id, id])?;
        }
        OrderEvent::ItemAdded(item) => {
            let line: i64 = tx
                .prepare_cached("UPDATE order_heads SET lines = lines + 1 WHERE order_id = ? RETURNING lines")?
                .query_row([id], |row| row.get(0))?;
            tx.prepare_cached("INSERT INTO order_lines VALUES (?, ?, ?, ?, ?)")?
                .execute(params![id, line, item.product_id, item.quantity, item.unit_price_minor])?;
        }
        OrderEvent::CancellationRequested { .. } => {}
        OrderEvent::OrderConfirmed { .. } => set_status(tx, id, Status::Confirmed)?,
        OrderEvent::OrderCancelled { .. } => set_status(tx, id, Status::Cancelled)?,
    }
    Ok(())
}

fn set_status(tx: &Tx<'_>, order_id: &str, status: Status) -> Result<(), DatabaseError> {
    tx.prepare_cached("UPDATE order_heads SET status = ? WHERE order_id = ?")?
        .execute(params![status.as_str(), order_id])?;
    Ok(())
}

/// An order with the names of its customer and products.
pub(crate) fn details(conn: &Connection, order_id: &str) -> Result<Option<Details>, DatabaseError> {
    let conn = conn.unchecked_transaction()?;
    let mut query = conn.prepare_cached(
        "SELECT status, customer_id, display_name, tier
         FROM order_heads LEFT JOIN customer_copies USING (customer_id) WHERE order_id = ?",
    )?;
    let head = query.query_row([order_id], |row| {
        Ok((
            row.get(0)?,
            Customer {
                id: row.get(1)?,
                display_name: row.get(2)?,
                tier: row.get(3)?,
            },
        ))
    });
    let Some((status, customer)) = head.optional()? else {
        return Ok(None);
    };
    let mut query = conn.prepare_cached(
        "SELECT product_id, name, category, quantity, unit_price_minor
         FROM order_lines LEFT JOIN product_copies USING (product_id) WHERE order_id = ? ORDER BY line",
    )?;
    let lines = query.query_map([order_id], |row| {
        Ok(Line {
            product_id: row.get(0)?,
            name: row.get(1)?,
            category: row.get(2)?,
            quantity: row.get(3)?,
            unit_price_minor: row.get(4)?,
        })
    })?;
    let lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
    let sum =
        |sum: i64, line: &Line| sum.saturating_add(line.unit_price_minor.saturating_mul(i64::from(line.quantity)));
    Ok(Some(Details {
        order_id: order_id.to_owned(),
        status,
        customer,
        total_minor: lines.iter().fold(0, sum),
        lines,
    }))
}
