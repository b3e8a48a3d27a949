//! Cancel an order: by the customer's wish while the saga still runs, and by the saga when it compensates.

use crate::order::{Order, OrderEvent, Refusal, Status};

/// The customer wants out. The saga sees the wish before its next step and compensates; a confirmed order stays.
pub(crate) fn request_cancellation(order: &Order, reason: &str) -> Result<Vec<OrderEvent>, Refusal> {
    match (order.status, &order.cancellation_requested) {
        (Status::Absent, _) => Err(Refusal::NotFound),
        (Status::Confirmed, _) => Err(Refusal::AlreadyConfirmed),
        (Status::Cancelled, _) | (Status::Created, Some(_)) => Ok(Vec::new()),
        (Status::Created, None) => Ok(vec![OrderEvent::CancellationRequested { reason: reason.into() }]),
    }
}

/// The saga undoes the order. It cannot be refused: also an order that was confirmed by an attempt whose answer got
/// lost is cancelled, and one that was never created gets a tombstone, so that a late create is refused.
pub(crate) fn cancel_for_compensation(order: &Order, reason: &str) -> Vec<OrderEvent> {
    if order.status == Status::Cancelled {
        return Vec::new();
    }
    vec![OrderEvent::OrderCancelled { reason: reason.into() }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Item;

    fn created() -> Vec<OrderEvent> {
        vec![OrderEvent::ItemAdded(Item {
            product_id: "p".into(),
            quantity: 1,
            unit_price_minor: 1,
        })]
    }

    #[test]
    fn a_wish_is_noted_once() {
        let mut events = created();
        let wish = request_cancellation(&Order::from_events(&events), "changed my mind").unwrap();
        assert_eq!(
            wish,
            [OrderEvent::CancellationRequested {
                reason: "changed my mind".into()
            }]
        );
        events.extend(wish);
        assert_eq!(request_cancellation(&Order::from_events(&events), "again"), Ok(vec![]));
    }

    #[test]
    fn an_unknown_order_cannot_be_cancelled_by_a_customer() {
        assert_eq!(request_cancellation(&Order::default(), "what"), Err(Refusal::NotFound));
    }

    #[test]
    fn compensation_cancels_once_and_leaves_a_tombstone() {
        let mut order = Order::default();
        for event in cancel_for_compensation(&order, "create failed") {
            order.apply(&event);
        }
        assert_eq!(order.status, Status::Cancelled);
        assert_eq!(cancel_for_compensation(&order, "again"), []);
    }
}
