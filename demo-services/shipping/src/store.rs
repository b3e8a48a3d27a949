//! Shipments in the service's own database; news go out through the outbox.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use shop_kit::{
    context::Context,
    database::{DatabaseError, Tx},
    outbox,
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
    Ok(())
}

/// Shipments by state.
pub(crate) fn counts(conn: &Connection) -> Result<BTreeMap<String, u32>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT state, count(*) FROM shipments GROUP BY state")?;
    let counts = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(counts)
}
