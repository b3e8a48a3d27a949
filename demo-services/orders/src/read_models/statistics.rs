//! `statistics`: orders and their money by status, over all orders there ever were.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::StoredEvent;
use shop_kit::totals;

use crate::event_forms::{Change, change};
use crate::order::{OrderEvent, Status};

/// Name on the dashboards.
pub(crate) const NAME: &str = "statistics";

/// Tables: what each order adds, and the sums.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS statistics_orders (
    order_id TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    total_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS order_statistics (
    status TEXT PRIMARY KEY,
    orders INTEGER NOT NULL,
    total_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Removes an order that ended long ago; the sums go on counting it.
pub(crate) const LET_GO: &str = "DELETE FROM statistics_orders WHERE order_id = ?";

/// What a status can be.
const STATUSES: [Status; 3] = [Status::Created, Status::Confirmed, Status::Cancelled];

/// Orders and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Statistic {
    /// How many.
    pub(crate) orders: i64,
    /// Their sum.
    pub(crate) total_minor: i64,
}

/// Takes one event in.
pub(crate) fn apply(tx: &Tx<'_>, stored: &StoredEvent) -> anyhow::Result<()> {
    let id = &stored.aggregate_id;
    let before = find(tx, id)?;
    let (status, total_minor) = before.clone().unwrap_or((Status::Created.as_str().to_owned(), 0));
    let after = match change(stored)? {
        Change::Event(OrderEvent::OrderCreated { .. }) => (status, total_minor),
        Change::Event(OrderEvent::ItemAdded(item)) => (status, total_minor.saturating_add(item.total_minor())),
        Change::Event(OrderEvent::OrderConfirmed { .. }) => (Status::Confirmed.as_str().to_owned(), total_minor),
        Change::Event(OrderEvent::OrderCancelled { .. }) => (Status::Cancelled.as_str().to_owned(), total_minor),
        Change::Event(OrderEvent::CancellationRequested { .. }) => return Ok(()),
        Change::Replaced => {
            tx.prepare_cached(LET_GO)?.execute([id])?;
            return before.map_or(Ok(()), |before| Ok(add(tx, &before, -1)?));
        }
    };
    if before.as_ref() == Some(&after) {
        return Ok(());
    }
    tx.prepare_cached("INSERT OR REPLACE INTO statistics_orders VALUES (?, ?, ?)")?
        .execute(params![id, after.0, after.1])?;
    if let Some(before) = before {
        add(tx, &before, -1)?;
    }
    Ok(add(tx, &after, 1)?)
}

fn find(conn: &Connection, order_id: &str) -> Result<Option<(String, i64)>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT status, total_minor FROM statistics_orders WHERE order_id = ?")?;
    Ok(query
        .query_row([order_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

fn add(tx: &Tx<'_>, (status, total_minor): &(String, i64), by: i64) -> Result<(), DatabaseError> {
    let mut update = tx.prepare_cached(
        "INSERT INTO order_statistics VALUES (?1, ?2, ?3)
         ON CONFLICT (status) DO UPDATE SET orders = orders + ?2, total_minor = total_minor + ?3",
    )?;
    update.execute(params![status, by, by * total_minor])?;
    Ok(())
}

/// Statistics by status.
pub(crate) fn by_status(conn: &Connection) -> Result<BTreeMap<String, Statistic>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT status, orders, total_minor FROM order_statistics WHERE orders > 0")?;
    let rows = query.query_map([], |row| {
        let statistic = Statistic {
            orders: row.get(1)?,
            total_minor: row.get(2)?,
        };
        Ok((row.get(0)?, statistic))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes what an order adds, before its events are let go: a rebuild cannot count it any more.
pub(crate) fn carry(tx: &Tx<'_>, order_id: &str) -> Result<(), DatabaseError> {
    if let Some((status, total_minor)) = find(tx, order_id)? {
        totals::carry(tx, &format!("statistics.orders/{status}"), 1)?;
        totals::carry(tx, &format!("statistics.minor/{status}"), total_minor)?;
    }
    Ok(())
}

/// Puts back what orders add whose events were let go.
pub(crate) fn carried(tx: &Tx<'_>) -> Result<(), DatabaseError> {
    for status in STATUSES.map(Status::as_str) {
        let orders = totals::carried(tx, &format!("statistics.orders/{status}"))?;
        let total_minor = totals::carried(tx, &format!("statistics.minor/{status}"))?;
        if orders > 0 {
            tx.prepare_cached("INSERT INTO order_statistics VALUES (?, ?, ?)")?
                .execute(params![status, orders, total_minor])?;
        }
    }
    Ok(())
}
