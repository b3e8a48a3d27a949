//! Confirm an order: the last effect of the order saga.

use crate::order::{Order, OrderEvent, Refusal, Status};

/// Closes the order as confirmed. Confirming it again changes nothing; a wish to cancel that came first wins.
pub(crate) fn confirm_order(order: &Order) -> Result<Vec<OrderEvent>, Refusal> {
    match (order.status, &order.cancellation_requested) {
        (Status::Confirmed, _) => Ok(Vec::new()),
        (Status::Cancelled, _) => Err(Refusal::AlreadyCancelled),
        (_, Some(reason)) => Err(Refusal::CancellationRequested(reason.clone())),
        (Status::Absent | Status::Created, None) if order.items.is_empty() => Err(Refusal::Empty),
        (Status::Absent | Status::Created, None) => Ok(vec![OrderEvent::OrderConfirmed {
            total_minor: order.total_minor(),
        }]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Item;

    fn check(given: &[OrderEvent], then: Result<Vec<OrderEvent>, Refusal>) {
        assert_eq!(confirm_order(&Order::from_events(given)), then, "given {given:?}");
    }

    #[test]
    fn confirming() {
        let item = || {
            OrderEvent::ItemAdded(Item {
                product_id: "p".into(),
                quantity: 3,
                unit_price_minor: 7,
            })
        };
        let wish = || OrderEvent::CancellationRequested { reason: "no".into() };
        let confirmed = || OrderEvent::OrderConfirmed { total_minor: 21 };
        check(&[], Err(Refusal::Empty));
        check(&[item()], Ok(vec![confirmed()]));
        check(&[item(), confirmed()], Ok(vec![]));
        check(&[item(), wish()], Err(Refusal::CancellationRequested("no".into())));
        check(
            &[item(), OrderEvent::OrderCancelled { reason: "x".into() }],
            Err(Refusal::AlreadyCancelled),
        );
    }
}
