//! Shipments in the service's own database; news go out through the outbox.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use shop_kit::{
    context::Context,
    database::{DatabaseError, Tx},
    outbox,
    retention::{self, ENDED, Rule},
    totals,
};

use crate::shipment::{Shipment, ShipmentState};

/// Where the service tells what happened.
pub(crate) const TOPIC: &str = "shipping.events";

/// Tables.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS shipments (
    order_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    tracking_number TEXT,
    customer_id TEXT,
    pieces INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"];

/// Shipments that nobody asks for any more go; their counts stay.
pub(crate) const RULES: [Rule; 1] = [Rule::Ended { kept: ENDED, let_go }];

/// One shipment.
pub(crate) fn find(conn: &Connection, order_id: &str) -> Result<Option<Shipment>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT state, tracking_number, customer_id, pieces FROM shipments WHERE order_id = ?")?;
    let row = query
        .query_row([order_id], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((state, tracking_number, customer_id, pieces)) = row else {
        return Ok(None);
    };
    let state = ShipmentState::parse(&state).ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(Some(Shipment {
        order_id: order_id.to_owned(),
        state,
        tracking_number,
        customer_id,
        pieces,
    }))
}

/// Writes a shipment down and tells of it.
pub(crate) fn put(tx: &Tx<'_>, shipment: &Shipment, context: &Context) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO shipments VALUES (?, ?, ?, ?, ?)")?;
    let Shipment {
        order_id,
        state,
        tracking_number,
        customer_id,
        pieces,
    } = shipment;
    insert.execute(params![order_id, state.as_str(), tracking_number, customer_id, pieces])?;
    let event_type = match state {
        ShipmentState::Created => "ShipmentCreated",
        ShipmentState::Cancelled => "ShipmentCancelled",
    };
    outbox::enqueue(tx, TOPIC, order_id, event_type, &json!(shipment), context)?;
    retention::ended(tx, order_id)
}

/// Removes a shipment; it is counted on.
pub(crate) fn let_go(tx: &Tx<'_>, order_id: &str) -> Result<bool, DatabaseError> {
    if let Some(shipment) = find(tx, order_id)? {
        tx.prepare_cached("DELETE FROM shipments WHERE order_id = ?")?
            .execute([order_id])?;
        totals::carry(tx, &format!("shipments/{}", shipment.state.as_str()), 1)?;
    }
    Ok(true)
}

/// Shipments by state, those that were let go included.
pub(crate) fn counts(conn: &Connection) -> Result<BTreeMap<String, u32>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT state, count(*) FROM shipments GROUP BY state")?;
    let mut counts: BTreeMap<String, u32> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (state, count) in totals::counts(conn, "shipments")? {
        *counts.entry(state).or_default() += count;
    }
    Ok(counts)
}
