//! Add one item to an order that is still open.

use crate::order::{Item, Order, OrderEvent, Refusal, Status};

/// Puts `item` in, unless the order is final or on its way out.
pub(crate) fn add_item(order: &Order, item: Item) -> Result<Vec<OrderEvent>, Refusal> {
    match (order.status, &order.cancellation_requested) {
        (Status::Confirmed, _) => Err(Refusal::AlreadyConfirmed),
        (Status::Cancelled, _) => Err(Refusal::AlreadyCancelled),
        (_, Some(reason)) => Err(Refusal::CancellationRequested(reason.clone())),
        (Status::Absent | Status::Created, None) => Ok(vec![OrderEvent::ItemAdded(item)]),
    }
}
