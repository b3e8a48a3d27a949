//! The forms that order events have had. Old ones are brought into the newest on reading; what is stored stays.
//!
//! Form 1 of `ItemAdded` and `OrderConfirmed` told money as a decimal number (`50.0`), as the course writes it; form 2
//! tells whole smallest units (`5000`), since decimals do not add up. Events that were stored without a form tell
//! smallest units already.

use std::sync::LazyLock;

use serde_json::Value;
use shop_kit::event_store::{REPLACED, StoredEvent, Upcasters};

use crate::order::OrderEvent;

/// Every event type of an order, with the steps from its first form to the newest.
pub(crate) static FORMS: LazyLock<Upcasters> = LazyLock::new(|| {
    Upcasters::new()
        .event("OrderCreated", &[])
        .event("ItemAdded", &[item_in_minor_units])
        .event("CancellationRequested", &[])
        .event("OrderConfirmed", &[total_in_minor_units])
        .event("OrderCancelled", &[])
});

/// What a read model makes of a stored event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// This happened.
    Event(OrderEvent),
    /// Another stream took the place of this one: it is to be dropped.
    Replaced,
}

/// Reads an event for a read model: one that is not known is parked, so that it is told and can be applied later.
pub(crate) fn change(stored: &StoredEvent) -> anyhow::Result<Change> {
    if stored.event_type == REPLACED {
        return Ok(Change::Replaced);
    }
    let event = match FORMS.read(stored.clone())?.known() {
        Some(event) => OrderEvent::read(&event.event_type, event.data)?,
        None => None,
    };
    event.map(Change::Event).ok_or_else(|| {
        anyhow::anyhow!(
            "this version does not know {} in form {}",
            stored.event_type,
            stored.schema_version
        )
    })
}

fn item_in_minor_units(data: Value) -> Result<Value, serde_json::Error> {
    in_minor_units(data, "price", "unit_price_minor")
}

fn total_in_minor_units(data: Value) -> Result<Value, serde_json::Error> {
    in_minor_units(data, "total", "total_minor")
}

fn in_minor_units(mut data: Value, decimal: &str, minor: &str) -> Result<Value, serde_json::Error> {
    let Some(fields) = data.as_object_mut() else {
        return Ok(data);
    };
    if let Some(amount) = fields.remove(decimal)
        && !fields.contains_key(minor)
    {
        fields.insert(minor.to_owned(), hundredths(&amount)?.into());
    }
    Ok(data)
}

/// A decimal amount in hundredths.
pub(crate) fn hundredths(amount: &Value) -> Result<i64, serde_json::Error> {
    /// Up to here every hundredth has a number of its own.
    const LARGEST: f64 = 1e13;
    match amount.as_f64() {
        Some(amount) if amount.abs() <= LARGEST => Ok((amount * 100.0).round() as i64),
        _ => Err(serde::de::Error::custom(format!("{amount} is no amount of money"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stored(event_type: &str, schema_version: u32, data: Value) -> StoredEvent {
        StoredEvent {
            position: 1,
            event_id: "e-1".into(),
            aggregate_type: "order".into(),
            aggregate_id: "order-123".into(),
            version: 1,
            event_type: event_type.into(),
            schema_version,
            data,
            headers: Default::default(),
            created_at: 1,
        }
    }

    #[test]
    fn decimals_of_the_first_form_read_as_smallest_units() {
        let first = json!({ "product_id": "product-1", "quantity": 2, "price": 50.0 });
        let second = json!({ "product_id": "product-1", "quantity": 2, "unit_price_minor": 5_000 });
        let of_first = change(&stored("ItemAdded", 1, first)).unwrap();
        assert_eq!(of_first, change(&stored("ItemAdded", 2, second.clone())).unwrap());
        assert_eq!(
            of_first,
            change(&stored("ItemAdded", 1, second)).unwrap(),
            "stored without a form"
        );
        let confirmed = change(&stored("OrderConfirmed", 1, json!({ "total": 130.0 }))).unwrap();
        assert_eq!(
            confirmed,
            Change::Event(OrderEvent::OrderConfirmed { total_minor: 13_000 })
        );
        for (amount, minor) in [(0.1, 10), (19.99, 1_999), (-0.29, -29), (1e13, 1_000_000_000_000_000)] {
            assert_eq!(hundredths(&json!(amount)).unwrap(), minor);
        }
    }

    #[test]
    fn what_is_not_known_is_told_and_what_cannot_be_read_is_an_error() {
        for (event_type, form) in [("GiftWrapped", 1), ("OrderConfirmed", 9)] {
            let error = change(&stored(event_type, form, json!({}))).unwrap_err().to_string();
            assert!(error.contains(event_type), "{error}");
        }
        for data in [
            json!({ "total": "a lot" }),
            json!({ "total": 1e300 }),
            json!([]),
            json!({}),
        ] {
            assert!(change(&stored("OrderConfirmed", 1, data)).is_err());
        }
        assert_eq!(
            change(&stored(REPLACED, 1, json!({ "by": "x" }))).unwrap(),
            Change::Replaced
        );
    }
}
