//! What a customer is told: one letter for each final state of an order.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop_kit::event_store::Upcasters;

/// What this service reads of a message of `orders.events`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct OrderNews {
    /// The order.
    pub(crate) order_id: String,
    /// Whom to write to.
    pub(crate) customer_id: String,
    /// Sum of the order.
    pub(crate) total: Money,
    /// Why it was cancelled.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// An amount.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Money {
    /// In the smallest unit.
    pub(crate) minor: i64,
    /// Of what.
    pub(crate) currency: String,
}

/// The messages that this service reads, in the form in which a total is an amount with its currency: it is ready for
/// producers to follow, and until then lifts their first form.
pub(crate) fn forms() -> Upcasters {
    Upcasters::new()
        .event("OrderConfirmed", &[total_with_currency])
        .event("OrderCancelled", &[total_with_currency])
}

fn total_with_currency(mut old: Value) -> Result<Value, serde_json::Error> {
    if let Some(fields) = old.as_object_mut() {
        let mut take = |name| fields.remove(name).unwrap_or_default();
        let total = json!({ "minor": take("total_minor"), "currency": take("currency") });
        fields.insert("total".to_owned(), total);
    }
    Ok(old)
}

/// A letter to a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// About which order.
    pub(crate) order_id: String,
    /// `confirmed` or `cancelled`.
    pub(crate) state: String,
    /// To whom.
    pub(crate) customer_id: String,
    /// First line.
    pub(crate) subject: String,
    /// The rest.
    pub(crate) body: String,
}

/// The letter that a message asks for; most messages ask for none.
pub(crate) fn write(event_type: &str, news: OrderNews) -> Option<Letter> {
    let amount = amount(news.total.minor, &news.total.currency);
    let (state, subject, body) = match event_type {
        "OrderConfirmed" => (
            "confirmed",
            "Your order is on its way",
            format!("Thank you. We charged {amount} and shipped your order."),
        ),
        "OrderCancelled" => {
            let reason = news.reason.as_deref().unwrap_or("something went wrong");
            (
                "cancelled",
                "Your order was cancelled",
                format!("Nothing was charged, or it was refunded: {reason}."),
            )
        }
        _ => return None,
    };
    Some(Letter {
        order_id: news.order_id,
        state: state.to_owned(),
        customer_id: news.customer_id,
        subject: subject.to_owned(),
        body,
    })
}

fn amount(minor: i64, currency: &str) -> String {
    format!("{}.{:02} {currency}", minor / 100, (minor % 100).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(event_type: &str, reason: Option<&str>) -> Option<Letter> {
        let news = OrderNews {
            order_id: "o-1".into(),
            customer_id: "c-1".into(),
            total: Money {
                minor: 13_005,
                currency: "EUR".into(),
            },
            reason: reason.map(str::to_owned),
        };
        write(event_type, news)
    }

    #[test]
    fn final_states_are_worth_a_letter_and_nothing_else_is() {
        let confirmed = letter("OrderConfirmed", None).unwrap();
        assert!(
            confirmed.state == "confirmed" && confirmed.body.contains("130.05 EUR"),
            "{confirmed:?}"
        );
        let cancelled = letter("OrderCancelled", Some("the card was declined")).unwrap();
        assert!(
            cancelled.state == "cancelled" && cancelled.body.contains("declined"),
            "{cancelled:?}"
        );
        assert_eq!(letter("OrderCreated", None), None);
        assert_eq!(letter("OrderGiftWrapped", None), None);
    }
}
