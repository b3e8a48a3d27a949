//! Create an order with its items: the first step of the order saga.

use crate::add_item::add_item;
use crate::order::{Item, Order, OrderEvent, Refusal, Status};

/// Opens the order and puts its items in. Creating it again changes nothing: a step may run twice.
pub(crate) fn create_order(
    order: &Order,
    customer_id: &str,
    currency: &str,
    items: &[Item],
) -> Result<Vec<OrderEvent>, Refusal> {
    match order.status {
        Status::Created | Status::Confirmed => return Ok(Vec::new()),
        Status::Cancelled => return Err(Refusal::AlreadyCancelled),
        Status::Absent => {}
    }
    if items.is_empty() {
        return Err(Refusal::Empty);
    }
    let created = OrderEvent::OrderCreated {
        customer_id: customer_id.into(),
        currency: currency.into(),
    };
    items.iter().try_fold(vec![created], |mut events, item| {
        events.extend(add_item(&Order::from_events(&events), item.clone())?);
        Ok(events)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Item> {
        vec![Item {
            product_id: "product-1".into(),
            quantity: 2,
            unit_price_minor: 5_000,
        }]
    }

    #[test]
    fn a_new_order_is_created_with_its_items() {
        let events = create_order(&Order::default(), "c-1", "EUR", &items()).unwrap();
        assert_eq!(
            events.iter().map(OrderEvent::name).collect::<Vec<_>>(),
            ["OrderCreated", "ItemAdded"]
        );
        assert_eq!(Order::from_events(&events).total_minor(), 10_000);
    }

    #[test]
    fn a_repeat_changes_nothing() {
        let created = create_order(&Order::default(), "c-1", "EUR", &items()).unwrap();
        assert_eq!(
            create_order(&Order::from_events(&created), "c-1", "EUR", &items()),
            Ok(vec![])
        );
    }

    #[test]
    fn a_cancelled_order_is_not_created_again() {
        let cancelled = Order::from_events(&[OrderEvent::OrderCancelled {
            reason: "overtaken".into(),
        }]);
        assert_eq!(
            create_order(&cancelled, "c-1", "EUR", &items()),
            Err(Refusal::AlreadyCancelled)
        );
    }

    #[test]
    fn an_order_of_nothing_is_refused() {
        assert_eq!(create_order(&Order::default(), "c-1", "EUR", &[]), Err(Refusal::Empty));
    }
}
