//! The order aggregate: its events, and the state that they fold to.
//!
//! Commands live in a file each (`create_order`, `add_item`, `confirm_order`, `cancel_order`); each is a pure function
//! from the state and the command to new events or a [`Refusal`].

use serde::{Deserialize, Serialize};
use shop_kit::event_store::{Aggregate, StoredEvent};

use crate::event_forms::FORMS;

/// What happened to an order, as kept for ever in the event store. New fields need a default: old events stay readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum OrderEvent {
    /// A customer opened it.
    OrderCreated {
        /// Who.
        customer_id: String,
        /// ISO 4217 code of every amount in it.
        currency: String,
    },
    /// One product went in, at the price quoted at that moment.
    ItemAdded(Item),
    /// The customer wants out; the saga undoes what it has done so far.
    CancellationRequested {
        /// In the customer's words.
        reason: String,
    },
    /// Final: paid and on its way.
    OrderConfirmed {
        /// Sum of its items.
        total_minor: i64,
    },
    /// Final: every effect is undone.
    OrderCancelled {
        /// Why.
        reason: String,
    },
}

impl OrderEvent {
    /// The word in the event store's `event_type` column.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::OrderCreated { .. } => "OrderCreated",
            Self::ItemAdded(_) => "ItemAdded",
            Self::CancellationRequested { .. } => "CancellationRequested",
            Self::OrderConfirmed { .. } => "OrderConfirmed",
            Self::OrderCancelled { .. } => "OrderCancelled",
        }
    }

    /// What the event store keeps beside the name.
    pub(crate) fn data(&self) -> serde_json::Value {
        let mut tagged = serde_json::to_value(self).expect("an event has string keys only");
        tagged["data"].take()
    }

    /// Reads an event back. `None` for a type that this version does not know: it is kept, and skipped.
    pub(crate) fn read(name: &str, data: serde_json::Value) -> Result<Option<Self>, serde_json::Error> {
        const KNOWN: [&str; 5] = [
            "OrderCreated",
            "ItemAdded",
            "CancellationRequested",
            "OrderConfirmed",
            "OrderCancelled",
        ];
        if !KNOWN.contains(&name) {
            return Ok(None);
        }
        serde_json::from_value(serde_json::json!({ "type": name, "data": data })).map(Some)
    }
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// Which product.
    pub(crate) product_id: String,
    /// How many.
    pub(crate) quantity: u32,
    /// Price of one, in the smallest unit of the currency.
    pub(crate) unit_price_minor: i64,
}

impl Item {
    /// Price of the line; saturates, since the limits of `place_order` keep real orders far below.
    pub(crate) fn total_minor(&self) -> i64 {
        self.unit_price_minor.saturating_mul(i64::from(self.quantity))
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// No event yet.
    #[default]
    Absent,
    /// Being processed.
    Created,
    /// Final.
    Confirmed,
    /// Final.
    Cancelled,
}

impl Status {
    /// The word in JSON and in the read models.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Created => "created",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The fold of an order's events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Who ordered.
    pub(crate) customer_id: String,
    /// Currency of every amount.
    pub(crate) currency: String,
    /// What.
    pub(crate) items: Vec<Item>,
    /// Where it stands.
    pub(crate) status: Status,
    /// Set once the customer asked to cancel.
    pub(crate) cancellation_requested: Option<String>,
    /// Number of events folded; the version that the next append expects.
    pub(crate) version: u64,
    /// Events of its stream that this version does not know: kept, and without effect.
    #[serde(skip)]
    pub(crate) unknown: u64,
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    const SNAPSHOT_SCHEMA: u32 = 1;
    const SNAPSHOT_EVERY: u64 = 10;
    type Event = OrderEvent;

    fn read(stored: StoredEvent) -> Result<Option<OrderEvent>, serde_json::Error> {
        match FORMS.read(stored)?.known() {
            Some(event) => OrderEvent::read(&event.event_type, event.data),
            None => Ok(None),
        }
    }

    fn apply(&mut self, event: &OrderEvent) {
        Self::apply(self, event);
    }
}

impl Order {
    /// Rebuilds an order from its whole stream.
    pub(crate) fn from_events<'a>(events: impl IntoIterator<Item = &'a OrderEvent>) -> Self {
        events.into_iter().fold(Self::default(), |mut order, event| {
            order.apply(event);
            order
        })
    }

    /// Takes one event in. Never refuses: what happened, happened.
    pub(crate) fn apply(&mut self, event: &OrderEvent) {
        self.version += 1;
        match event {
            OrderEvent::OrderCreated { customer_id, currency } => {
                self.customer_id.clone_from(customer_id);
                self.currency.clone_from(currency);
                self.status = Status::Created;
            }
            OrderEvent::ItemAdded(item) => {
                self.items.push(item.clone());
                // Streams written before `OrderCreated` existed begin with their first item.
                if self.status == Status::Absent {
                    self.status = Status::Created;
                }
            }
            OrderEvent::CancellationRequested { reason } => self.cancellation_requested = Some(reason.clone()),
            OrderEvent::OrderConfirmed { .. } => self.status = Status::Confirmed,
            OrderEvent::OrderCancelled { .. } => self.status = Status::Cancelled,
        }
    }

    /// Sum of the items.
    pub(crate) fn total_minor(&self) -> i64 {
        self.items.iter().map(Item::total_minor).fold(0, i64::saturating_add)
    }
}

/// Why a command has no effect. Each is an answer to the caller, not a failure of the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 404.
    #[error("there is no such order")]
    NotFound,
    /// 409: it is confirmed.
    #[error("the order is confirmed already")]
    AlreadyConfirmed,
    /// 409: it is cancelled.
    #[error("the order is cancelled already")]
    AlreadyCancelled,
    /// 409: the customer asked to cancel before it could be confirmed.
    #[error("the customer asked to cancel: {0}")]
    CancellationRequested(String),
    /// 409: there is one with this id, and it is another's or past its opening.
    #[error("there is an order with this id")]
    Exists,
    /// 422: it is being processed, nothing more goes in.
    #[error("the order is being processed")]
    HandedOver,
    /// 422: one order, one currency.
    #[error("the order is in {0}")]
    OtherCurrency(String),
    /// 422: it holds as much as it can.
    #[error("the order holds as many items as it can")]
    Full,
    /// 422: nothing in it.
    #[error("an order without items cannot be confirmed")]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{add_item::add_item, cancel_order, confirm_order::confirm_order};

    fn item(product_id: &str, quantity: u32, unit_price_minor: i64) -> Item {
        Item {
            product_id: product_id.into(),
            quantity,
            unit_price_minor,
        }
    }

    /// The worked example of the course: order-123, 2 × 50.00 and 1 × 30.00, confirmed at 130.00.
    #[test]
    fn order_123_is_confirmed_at_130_and_then_closed() {
        let mut events = Vec::new();
        for line in [item("product-1", 2, 5_000), item("product-2", 1, 3_000)] {
            events.extend(add_item(&Order::from_events(&events), line).unwrap());
        }
        events.extend(confirm_order(&Order::from_events(&events)).unwrap());

        let names: Vec<_> = events.iter().map(OrderEvent::name).collect();
        assert_eq!(names, ["ItemAdded", "ItemAdded", "OrderConfirmed"]);
        assert_eq!(events[2], OrderEvent::OrderConfirmed { total_minor: 13_000 });

        let order = Order::from_events(&events);
        assert_eq!(
            (order.status, order.items.len(), order.total_minor()),
            (Status::Confirmed, 2, 13_000)
        );
        assert_eq!(order.version, 3);
        assert_eq!(
            add_item(&order, item("product-3", 1, 100)),
            Err(Refusal::AlreadyConfirmed)
        );
        assert_eq!(confirm_order(&Order::default()), Err(Refusal::Empty));
    }

    /// The state as of any moment is the fold of the events up to it.
    #[test]
    fn the_state_as_of_an_earlier_version_is_the_fold_of_a_prefix() {
        let events = [
            OrderEvent::OrderCreated {
                customer_id: "c-1".into(),
                currency: "EUR".into(),
            },
            OrderEvent::ItemAdded(item("product-1", 2, 5_000)),
            OrderEvent::OrderConfirmed { total_minor: 10_000 },
        ];
        let at = |version: usize| Order::from_events(&events[..version]);
        assert_eq!(at(0).status, Status::Absent);
        assert_eq!((at(1).status, at(1).total_minor()), (Status::Created, 0));
        assert_eq!((at(2).status, at(2).total_minor()), (Status::Created, 10_000));
        assert_eq!(at(3).status, Status::Confirmed);
    }

    #[test]
    fn events_read_back_as_written_and_unknown_ones_are_skipped() {
        let events = [
            OrderEvent::OrderCreated {
                customer_id: "c-1".into(),
                currency: "EUR".into(),
            },
            OrderEvent::ItemAdded(item("product-1", 2, 5_000)),
            OrderEvent::CancellationRequested {
                reason: "changed my mind".into(),
            },
            OrderEvent::OrderConfirmed { total_minor: 10_000 },
            OrderEvent::OrderCancelled {
                reason: "card declined".into(),
            },
        ];
        for event in events {
            assert_eq!(OrderEvent::read(event.name(), event.data()).unwrap(), Some(event));
        }
        assert_eq!(OrderEvent::read("GiftWrapped", serde_json::json!({})).unwrap(), None);
        assert!(OrderEvent::read("ItemAdded", serde_json::json!({ "quantity": -1 })).is_err());
    }

    #[test]
    fn a_late_cancellation_by_compensation_wins_over_a_confirmation() {
        let confirmed = Order::from_events(&[
            OrderEvent::ItemAdded(item("product-1", 1, 100)),
            OrderEvent::OrderConfirmed { total_minor: 100 },
        ]);
        assert_eq!(
            cancel_order::request_cancellation(&confirmed, "too late"),
            Err(Refusal::AlreadyConfirmed)
        );
        let undone = cancel_order::cancel_for_compensation(&confirmed, "answer lost");
        assert_eq!(
            undone,
            [OrderEvent::OrderCancelled {
                reason: "answer lost".into()
            }]
        );
    }
}
