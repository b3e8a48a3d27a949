//! Orders in the event store; what others may want to know goes out through the outbox in the same transaction.

use rusqlite::Connection;
use serde_json::{Value, json};
use shop_kit::{
    clock,
    context::Context,
    database::{DatabaseError, Tx},
    event_store::{self, AppendError, Loaded, NewEvent},
    outbox,
};

use crate::event_forms::FORMS;
use crate::order::{Order, OrderEvent, Status};

/// Where the service tells what happened; the key of a message is the order's id.
pub(crate) const TOPIC: &str = "orders.events";

/// The order as it stands.
pub(crate) fn load(conn: &Connection, order_id: &str) -> Result<Order, DatabaseError> {
    Ok(order(event_store::fold(conn, order_id)?))
}

/// The order as it stood at a time (unix nanoseconds).
pub(crate) fn load_as_of(conn: &Connection, order_id: &str, at: u64) -> Result<Order, DatabaseError> {
    Ok(order(event_store::fold_as_of(conn, order_id, at)?))
}

fn order(loaded: Loaded<Order>) -> Order {
    Order {
        version: loaded.version,
        unknown: loaded.unknown,
        ..loaded.state
    }
}

/// Appends what was decided on `order`, and answers the order afterwards.
pub(crate) fn record(
    tx: &Tx<'_>,
    order_id: &str,
    order: &Order,
    events: &[OrderEvent],
    context: &Context,
) -> Result<Order, AppendError> {
    let new: Vec<NewEvent> = events
        .iter()
        .map(|event| FORMS.new_event(event.name(), event.data()))
        .collect();
    let loaded = Loaded {
        state: order.clone(),
        version: order.version,
        unknown: order.unknown,
        from_snapshot: 0,
    };
    let after = event_store::append_to(tx, order_id, &loaded, events, &new, context)?.state;
    let at = clock::rfc3339_now();
    for event in events {
        if let Some(message) = message(order_id, order, &after, event, &at) {
            outbox::enqueue(tx, TOPIC, order_id, event.name(), &message, context)?;
        }
    }
    Ok(after)
}

/// What others hear of an event: the whole order, so that nobody has to ask back. Steps inside an order stay inside.
fn message(order_id: &str, before: &Order, after: &Order, event: &OrderEvent, at: &str) -> Option<Value> {
    let reason = match event {
        OrderEvent::ItemAdded(_) | OrderEvent::CancellationRequested { .. } => return None,
        OrderEvent::OrderCreated { .. } | OrderEvent::OrderConfirmed { .. } => None,
        OrderEvent::OrderCancelled { reason } => Some(reason),
    };
    Some(json!({
        "order_id": order_id,
        "customer_id": after.customer_id,
        "currency": after.currency,
        "items": after.items,
        "total_minor": after.total_minor(),
        "was_confirmed": before.status == Status::Confirmed,
        "reason": reason,
        "at": at,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Item;

    #[test]
    fn others_hear_of_the_whole_order_and_not_of_its_inner_steps() {
        let item = Item {
            product_id: "product-1".into(),
            quantity: 2,
            unit_price_minor: 5_000,
        };
        let created = OrderEvent::OrderCreated {
            customer_id: "c-1".into(),
            currency: "EUR".into(),
        };
        let after = Order::from_events(&[created.clone(), OrderEvent::ItemAdded(item.clone())]);
        let told = message("o-1", &Order::default(), &after, &created, "2026-01-01T00:00:00Z").expect("is told");
        assert_eq!(
            (&told["order_id"], &told["total_minor"]),
            (&json!("o-1"), &json!(10_000))
        );
        assert_eq!(told["items"][0]["product_id"], "product-1");
        assert_eq!(
            message("o-1", &Order::default(), &after, &OrderEvent::ItemAdded(item), ""),
            None
        );
    }
}
