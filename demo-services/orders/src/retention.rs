//! What stays of orders that ended long ago: the sums of the audit, and nothing else.

use rusqlite::{Connection, params};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::retention::{self, Rule};
use shop_kit::{event_store, saga, totals};

use crate::order_saga::NAME;
use crate::read_models::{by_customer, summary};

/// Ended orders kept to be looked at: at twenty a second a quarter of an hour. The saga instances are what is large.
const KEPT: u64 = 20_000;

/// For the service's own tables.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: KEPT, let_go }];

const CREATED: &str = "orders/created";
const CONFIRMED: &str = "orders/confirmed";
const CANCELLED: &str = "orders/cancelled";
const CONFIRMED_MINOR: &str = "orders/confirmed_minor";

/// Sums over all orders, those that were let go included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Orders there ever were.
    pub(crate) created: u32,
    /// Those confirmed.
    pub(crate) confirmed: u32,
    /// Those cancelled.
    pub(crate) cancelled: u32,
    /// Money of the confirmed ones.
    pub(crate) confirmed_minor: i64,
}

/// From the event store, and what was carried forward.
pub(crate) fn sums(conn: &Connection) -> Result<Sums, DatabaseError> {
    let number = |sql: &str, carried: &str| -> Result<i64, DatabaseError> {
        let here: i64 = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(here + totals::carried(conn, carried)?)
    };
    let count = |sql: &str, carried: &str| number(sql, carried).map(|count| u32::try_from(count).unwrap_or(0));
    Ok(Sums {
        created: count(
            "SELECT count(DISTINCT aggregate_id) FROM events WHERE aggregate_type = 'order'",
            CREATED,
        )?,
        confirmed: count(
            "SELECT count(*) FROM events WHERE event_type = 'OrderConfirmed'",
            CONFIRMED,
        )?,
        cancelled: count(
            "SELECT count(*) FROM events WHERE event_type = 'OrderCancelled'",
            CANCELLED,
        )?,
        confirmed_minor: number(
            "SELECT coalesce(sum(event_data ->> 'total_minor'), 0) FROM events WHERE event_type = 'OrderConfirmed'",
            CONFIRMED_MINOR,
        )?,
    })
}

/// Notes the end of an order.
pub(crate) fn ended(tx: &Tx<'_>, id: &str) -> Result<(), DatabaseError> {
    retention::ended(tx, id)
}

/// Removes an ended order: events, saga and read models.
fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
    let Some(events) = event_store::let_go(tx, id)? else {
        return Ok(false);
    };
    if !events.is_empty() {
        totals::carry(tx, CREATED, 1)?;
    }
    for event in &events {
        match event.event_type.as_str() {
            "OrderConfirmed" => {
                totals::carry(tx, CONFIRMED, 1)?;
                totals::carry(tx, CONFIRMED_MINOR, event.data["total_minor"].as_i64().unwrap_or(0))?;
            }
            "OrderCancelled" => totals::carry(tx, CANCELLED, 1)?,
            _ => {}
        }
    }
    saga::let_go(tx, NAME, id)?;
    for sql in [summary::LET_GO, by_customer::LET_GO] {
        tx.prepare_cached(sql)?.execute(params![id])?;
    }
    Ok(true)
}

#[cfg(test)]
pub(crate) const ALL_GO: Rule = Rule::Ended { kept: 0, let_go };
