//! What stays of orders that ended long ago: the sums of the audit, and nothing else.

use rusqlite::{Connection, params};
use sagascope_conventions::OrderFlow;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::retention::{self, Rule};
use shop_kit::{event_store, saga, totals};

use crate::event_forms::FORMS;
use crate::flows::messages;
use crate::read_models::{LET_GO, statistics};

/// Ended orders kept to be looked at: at twenty a second a quarter of an hour. The saga instances are what is large.
const KEPT: u64 = 20_000;

/// For the service's own tables.
pub(crate) const RULES: [Rule; 2] = [Rule::Ended { kept: KEPT, let_go }, messages::RULE];

const CREATED: &str = "orders/created";
const CONFIRMED: &str = "orders/confirmed";
const CANCELLED: &str = "orders/cancelled";
const CONFIRMED_MINOR: &str = "orders/confirmed_minor";
const ABANDONED: &str = "orders/abandoned";

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
    /// Cancelled by the customer before a saga worked on them.
    pub(crate) abandoned: u32,
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
            "SELECT count(*) FROM events WHERE aggregate_type = 'order' AND event_version = 1
               AND aggregate_id NOT IN (SELECT aggregate_id FROM events WHERE event_type = 'StreamReplaced')",
            CREATED,
        )?,
        confirmed: count(
            "SELECT count(*) FROM events WHERE event_type = 'OrderConfirmed'
                AND aggregate_id NOT IN (SELECT aggregate_id FROM events WHERE event_type = 'StreamReplaced')",
            CONFIRMED,
        )?,
        cancelled: count(
            "SELECT count(*) FROM events WHERE event_type = 'OrderCancelled'
                AND aggregate_id NOT IN (SELECT aggregate_id FROM events WHERE event_type = 'StreamReplaced')",
            CANCELLED,
        )?,
        confirmed_minor: number(
            "SELECT coalesce(sum(coalesce(event_data ->> 'total_minor', CAST(round(event_data ->> 'total' * 100) AS INTEGER))), 0)
               FROM events WHERE event_type = 'OrderConfirmed'
                AND aggregate_id NOT IN (SELECT aggregate_id FROM events WHERE event_type = 'StreamReplaced')",
            CONFIRMED_MINOR,
        )?,
        abandoned: u32::try_from(totals::carried(conn, ABANDONED)?).unwrap_or(0),
    })
}

/// Notes the end of an order.
pub(crate) fn ended(tx: &Tx<'_>, id: &str) -> Result<(), DatabaseError> {
    retention::ended(tx, id)
}

/// Notes an order that its customer gave up while filling it.
pub(crate) fn abandoned(tx: &Tx<'_>, id: &str) -> Result<(), DatabaseError> {
    totals::carry(tx, ABANDONED, 1)?;
    retention::ended(tx, id)
}

/// Removes an ended order: events, saga and read models.
fn let_go(tx: &Tx<'_>, id: &str) -> Result<bool, DatabaseError> {
    let Some(events) = event_store::let_go(tx, id)? else {
        return Ok(false);
    };
    // The copy that took the place of a replaced stream counts, not the old one.
    let counts = events
        .last()
        .is_some_and(|last| last.event_type != event_store::REPLACED);
    if counts {
        totals::carry(tx, CREATED, 1)?;
    }
    for event in events.iter().filter(|_| counts) {
        match event.event_type.as_str() {
            "OrderConfirmed" => {
                totals::carry(tx, CONFIRMED, 1)?;
                let newest = FORMS.read(event.clone())?.known();
                let total = newest.and_then(|event| event.data["total_minor"].as_i64());
                totals::carry(tx, CONFIRMED_MINOR, total.unwrap_or(0))?;
            }
            "OrderCancelled" => totals::carry(tx, CANCELLED, 1)?,
            _ => {}
        }
    }
    for flow in OrderFlow::ALL {
        saga::let_go(tx, flow.saga_name(), id)?;
    }
    statistics::carry(tx, id)?;
    for sql in LET_GO {
        tx.prepare_cached(sql)?.execute(params![id])?;
    }
    Ok(true)
}

#[cfg(test)]
pub(crate) const ALL_GO: Rule = Rule::Ended { kept: 0, let_go };
