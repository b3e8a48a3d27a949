//! Orders that a customer fills step by step: opened, items added, then handed to the order saga.
//!
//! While an order is open no saga works on it; once it is handed over, nothing more goes in.

use rusqlite::Connection;
use shop_kit::database::{DatabaseError, Tx};

use crate::order::{Item, Order, OrderEvent, Refusal, Status};

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS open_orders (
    order_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

/// Open orders at most: nobody else ends them.
pub(crate) const MOST_OPEN: u32 = 10_000;
/// Items of an order at most.
pub(crate) const MOST_ITEMS: usize = 100;

/// Opens an order without items. Opening it again for the same customer changes nothing.
pub(crate) fn open(order: &Order, customer_id: &str, currency: &str) -> Result<Vec<OrderEvent>, Refusal> {
    match order.status {
        Status::Absent => Ok(vec![OrderEvent::OrderCreated {
            customer_id: customer_id.into(),
            currency: currency.into(),
        }]),
        Status::Created if order.customer_id == customer_id && order.currency == currency => Ok(Vec::new()),
        Status::Created | Status::Confirmed | Status::Cancelled => Err(Refusal::Exists),
    }
}

/// Puts an item in, unless the order is handed over or final.
pub(crate) fn add(order: &Order, is_open: bool, item: Item, currency: &str) -> Result<Vec<OrderEvent>, Refusal> {
    if order.status == Status::Absent {
        return Err(Refusal::NotFound);
    }
    let events = crate::add_item::add_item(order, item)?;
    if !is_open {
        return Err(Refusal::HandedOver);
    }
    if order.currency != currency {
        return Err(Refusal::OtherCurrency(order.currency.clone()));
    }
    if order.items.len() >= MOST_ITEMS {
        return Err(Refusal::Full);
    }
    Ok(events)
}

/// Whether the order may be handed to the saga. False when that was done before.
pub(crate) fn check_out(order: &Order, is_open: bool) -> Result<bool, Refusal> {
    if order.status == Status::Absent {
        return Err(Refusal::NotFound);
    }
    let undecided = crate::confirm_order::confirm_order(order)?;
    Ok(is_open && !undecided.is_empty())
}

/// True while a customer fills the order.
pub(crate) fn is_open(conn: &Connection, order_id: &str) -> Result<bool, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM open_orders WHERE order_id = ?)")?;
    Ok(query.query_row([order_id], |row| row.get(0))?)
}

/// How many are open.
pub(crate) fn count(conn: &Connection) -> Result<u32, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT count(*) FROM open_orders")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

/// Notes an order as open.
pub(crate) fn note(tx: &Tx<'_>, order_id: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached("INSERT OR IGNORE INTO open_orders VALUES (?)")?
        .execute([order_id])?;
    Ok(())
}

/// Notes an order as handed over, or ended.
pub(crate) fn close(tx: &Tx<'_>, order_id: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached("DELETE FROM open_orders WHERE order_id = ?")?
        .execute([order_id])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item {
            product_id: "product-1".into(),
            quantity: 2,
            unit_price_minor: 5_000,
        }
    }

    fn after(events: &[OrderEvent]) -> Order {
        Order::from_events(events)
    }

    #[test]
    fn an_order_is_opened_once() {
        let opened = open(&Order::default(), "c-1", "EUR").unwrap();
        assert_eq!(open(&after(&opened), "c-1", "EUR"), Ok(vec![]));
        assert_eq!(open(&after(&opened), "c-2", "EUR"), Err(Refusal::Exists));
    }

    #[test]
    fn items_go_in_while_it_is_open() {
        let mut events = open(&Order::default(), "c-1", "EUR").unwrap();
        assert_eq!(add(&Order::default(), false, item(), "EUR"), Err(Refusal::NotFound));
        assert_eq!(
            add(&after(&events), true, item(), "USD"),
            Err(Refusal::OtherCurrency("EUR".into()))
        );
        events.extend(add(&after(&events), true, item(), "EUR").unwrap());
        assert_eq!(add(&after(&events), false, item(), "EUR"), Err(Refusal::HandedOver));
        events.push(OrderEvent::OrderConfirmed { total_minor: 10_000 });
        assert_eq!(
            add(&after(&events), false, item(), "EUR"),
            Err(Refusal::AlreadyConfirmed)
        );
    }

    #[test]
    fn an_order_is_handed_over_once_and_never_empty() {
        let mut events = open(&Order::default(), "c-1", "EUR").unwrap();
        assert_eq!(check_out(&Order::default(), false), Err(Refusal::NotFound));
        assert_eq!(check_out(&after(&events), true), Err(Refusal::Empty));
        events.extend(add(&after(&events), true, item(), "EUR").unwrap());
        assert_eq!(check_out(&after(&events), true), Ok(true));
        assert_eq!(check_out(&after(&events), false), Ok(false));
        events.push(OrderEvent::OrderConfirmed { total_minor: 10_000 });
        assert_eq!(check_out(&after(&events), false), Ok(false));
    }
}
