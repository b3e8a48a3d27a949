//! State events of a saga that nobody orchestrates: each participant tells its own steps, under numbers of its own.

use opentelemetry::trace::SpanContext;
use rusqlite::{Connection, OptionalExtension, params};
use sagascope_conventions::OrderFlow;
use sagascope_instrument::{Event, SagaEvents};

use crate::context::{self, Context};
use crate::database::{DatabaseError, Tx};
use crate::order_commands::Command;
use crate::sql::{signed, unsigned};
use crate::state_events;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS choreography (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    saga_id TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS choreography_spans (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    saga_id TEXT NOT NULL,
    step TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    UNIQUE (saga_id, step)
) STRICT;
";

/// Where the events travel that the participants react to; the key of a message is the order's id.
pub const TOPIC: &str = "order-choreographed.events";

/// What a service does when it hears an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// Carried out.
    pub command: Command,
    /// It is a step of the saga, or its undo, told as such and by an event; otherwise something that follows from the end.
    pub is_step: bool,
}

/// The whole choreography, but for orders, which opens and closes it: who does what upon which event. A step that is
/// refused turns the order round, and each service undoes its own step when it hears that the one behind it is undone.
#[must_use]
pub fn reaction(service: &str, event_type: &str) -> Option<Reaction> {
    let command = match (service, event_type) {
        ("inventory", "OrderCreated") => Command::ReserveItems,
        ("payments", "ItemsReserved") => Command::ChargePayment,
        ("shipping", "PaymentProcessed") => Command::ShipOrder,
        ("inventory", "OrderConfirmed") => Command::SellItems,
        ("shipping", "OrderRejected") => Command::CancelShipment,
        ("payments", "ShipmentFailed" | "ShipmentCancelled") => Command::RefundPayment,
        ("inventory", "PaymentFailed" | "PaymentRefunded") => Command::ReleaseItems,
        _ => return None,
    };
    Some(Reaction {
        command,
        is_step: command != Command::SellItems,
    })
}

/// Records what `build` tells of an order, in the transaction that makes it true.
///
/// # Errors
/// When the database fails.
pub fn tell(
    tx: &Tx<'_>,
    order_id: &str,
    context: &Context,
    build: impl FnOnce(&mut SagaEvents) -> Vec<Event>,
) -> Result<(), DatabaseError> {
    let mut query = tx.prepare_cached("SELECT sequence FROM choreography WHERE saga_id = ?")?;
    let known = query.query_row([order_id], |row| unsigned(row, 0)).optional()?;
    let mut events = SagaEvents {
        sequence: known.unwrap_or(0),
        ..SagaEvents::choreographed(OrderFlow::Choreographed.saga_name(), order_id, &context.correlation_id)
    };
    let told = build(&mut events);
    // Replaced, the row counts as new: those longest silent go first.
    let mut keep = tx.prepare_cached("INSERT OR REPLACE INTO choreography (saga_id, sequence) VALUES (?, ?)")?;
    keep.execute(params![order_id, signed(events.sequence)])?;
    state_events::record_all(tx, told, context)
}

/// Keeps the current span as that of the last attempt of a step: its undo links to it.
///
/// # Errors
/// When the database fails.
pub(crate) fn keep_span(tx: &Tx<'_>, order_id: &str, step: &str, context: &Context) -> Result<(), DatabaseError> {
    let Some(traceparent) = context.traceparent() else {
        return Ok(());
    };
    let mut keep =
        tx.prepare_cached("INSERT OR REPLACE INTO choreography_spans (saga_id, step, traceparent) VALUES (?, ?, ?)")?;
    keep.execute(params![order_id, step, traceparent])?;
    Ok(())
}

/// The span that was kept of a step.
///
/// # Errors
/// When the database fails.
pub(crate) fn kept_span(conn: &Connection, order_id: &str, step: &str) -> Result<Option<SpanContext>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT traceparent FROM choreography_spans WHERE saga_id = ? AND step = ?")?;
    let kept: Option<String> = query.query_row([order_id, step], |row| row.get(0)).optional()?;
    Ok(kept.map(|traceparent| context::kept_span(&traceparent)))
}
