//! What the services that carry an order out ask of each other: the same commands whether they travel by HTTP or in
//! messages, and the words that answer them.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::problem::Problem;

/// An order with its prices fixed, as far as others need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Which order.
    pub order_id: String,
    /// Who orders.
    pub customer_id: String,
    /// Currency of every amount.
    pub currency: String,
    /// What.
    pub items: Vec<OrderedItem>,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedItem {
    /// Which product.
    pub product_id: String,
    /// How many.
    pub quantity: u32,
    /// Price of one, in the smallest unit of the currency.
    pub unit_price_minor: i64,
}

impl Ordered {
    /// Sum of the items; saturates, since the limits of an order keep real ones far below.
    #[must_use]
    pub fn total_minor(&self) -> i64 {
        let line = |item: &OrderedItem| item.unit_price_minor.saturating_mul(i64::from(item.quantity));
        self.items.iter().map(line).fold(0, i64::saturating_add)
    }

    /// Pieces in the parcel.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        self.items.iter().map(|item| item.quantity).fold(0, u32::saturating_add)
    }
}

/// Steps of an order in order, whoever coordinates them.
pub const STEPS: [&str; 5] = ["create", "reserve", "charge", "ship", "confirm"];

/// What one service asks of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    /// Set goods aside.
    ReserveItems,
    /// Take the money.
    ChargePayment,
    /// Send the parcel.
    ShipOrder,
    /// Count the goods as sold.
    SellItems,
    /// Undo of a reserve, and of a sale.
    ReleaseItems,
    /// Undo of a charge.
    RefundPayment,
    /// Undo of a shipment.
    CancelShipment,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 7] = [
        Self::ReserveItems,
        Self::ChargePayment,
        Self::ShipOrder,
        Self::SellItems,
        Self::ReleaseItems,
        Self::RefundPayment,
        Self::CancelShipment,
    ];

    /// Type of its message; of the answer when it was done; of the answer when it was refused.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ReserveItems => ("ReserveItems", "ItemsReserved", "ReserveFailed"),
            Self::ChargePayment => ("ChargePayment", "PaymentProcessed", "PaymentFailed"),
            Self::ShipOrder => ("ShipOrder", "OrderShipped", "ShipmentFailed"),
            Self::SellItems => ("SellItems", "ItemsSold", "SaleFailed"),
            Self::ReleaseItems => ("ReleaseItems", "ItemsReleased", "ReleaseFailed"),
            Self::RefundPayment => ("RefundPayment", "PaymentRefunded", "RefundFailed"),
            Self::CancelShipment => ("CancelShipment", "ShipmentCancelled", "CancellationFailed"),
        }
    }

    /// Type of its message.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.words().0
    }

    /// Reads the type of its message.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.as_str() == word)
    }

    /// Type of the answer with this HTTP status.
    #[must_use]
    pub const fn answered(self, status: u16) -> &'static str {
        let (_, done, refused) = self.words();
        if status < 400 { done } else { refused }
    }

    /// The service that carries it out.
    #[must_use]
    pub const fn service(self) -> &'static str {
        match self {
            Self::ReserveItems | Self::SellItems | Self::ReleaseItems => "inventory",
            Self::ChargePayment | Self::RefundPayment => "payments",
            Self::ShipOrder | Self::CancelShipment => "shipping",
        }
    }

    /// The step that it belongs to, and that step's place.
    #[must_use]
    pub const fn step(self) -> (&'static str, u32) {
        match self {
            Self::ReserveItems | Self::ReleaseItems => (STEPS[1], 1),
            Self::ChargePayment | Self::RefundPayment => (STEPS[2], 2),
            Self::ShipOrder | Self::CancelShipment => (STEPS[3], 3),
            Self::SellItems => (STEPS[4], 4),
        }
    }

    /// True for the undo of a step.
    #[must_use]
    pub const fn is_undo(self) -> bool {
        matches!(self, Self::ReleaseItems | Self::RefundPayment | Self::CancelShipment)
    }

    /// The command of a step on the way forward; `None` for what orders do by themselves.
    #[must_use]
    pub fn forward(step: &str) -> Option<Self> {
        let is_of_step = |command: &Self| command.step().0 == step && !command.is_undo();
        Self::ALL.into_iter().find(is_of_step)
    }

    /// The command that undoes a step. Goods that are sold, or may be, come back like those set aside.
    #[must_use]
    pub fn undo(step: &str) -> Option<Self> {
        match step {
            "confirm" => Some(Self::ReleaseItems),
            _ => Self::ALL
                .into_iter()
                .find(|command| command.step().0 == step && command.is_undo()),
        }
    }

    /// The route that takes it over HTTP: what a fault is narrowed to, also when it comes as a message.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::ReserveItems => "POST /api/v1/reservations",
            Self::SellItems => "POST /api/v1/reservations/{id}/confirm",
            Self::ReleaseItems => "POST /api/v1/reservations/{id}/release",
            Self::ChargePayment => "POST /api/v1/charges",
            Self::RefundPayment => "POST /api/v1/refunds",
            Self::ShipOrder => "POST /api/v1/shipments",
            Self::CancelShipment => "POST /api/v1/shipments/{order_id}/cancel",
        }
    }

    /// Where it is sent over HTTP.
    #[must_use]
    pub fn path(self, order_id: &str) -> String {
        let route = self.operation().trim_start_matches("POST ");
        route.replace("{id}", order_id).replace("{order_id}", order_id)
    }

    /// The refusal of a service that does not carry it out.
    #[must_use]
    pub fn not_ours(self) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "unknown_command", "not carried out here").detail(format!(
            "{} is for {}",
            self.as_str(),
            self.service()
        ))
    }

    /// Its content.
    #[must_use]
    pub fn body(self, order: &Ordered) -> Value {
        let id = &order.order_id;
        match self {
            Self::ReserveItems => {
                let line = |item: &OrderedItem| json!({ "product_id": item.product_id, "quantity": item.quantity });
                json!({ "reservation_id": id, "lines": order.items.iter().map(line).collect::<Vec<_>>() })
            }
            Self::SellItems | Self::ReleaseItems => json!({ "reservation_id": id }),
            Self::ChargePayment => json!({
                "order_id": id,
                "customer_id": order.customer_id,
                "amount_minor": order.total_minor(),
                "currency": order.currency,
            }),
            Self::RefundPayment => json!({ "order_id": id, "reason": "the order was cancelled" }),
            Self::ShipOrder => json!({ "order_id": id, "customer_id": order.customer_id, "pieces": order.pieces() }),
            Self::CancelShipment => json!({ "order_id": id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_but_the_first_is_asked_of_somebody_and_can_be_undone() {
        assert_eq!((Command::forward("create"), Command::undo("create")), (None, None));
        for (index, step) in (0_u32..).zip(STEPS).skip(1) {
            let command = Command::forward(step).expect(step);
            assert_eq!(command.step(), (step, index));
            let undo = Command::undo(step).expect(step);
            assert!(undo.is_undo() && undo.service() == command.service(), "{step}");
        }
    }

    #[test]
    fn the_words_of_the_documents() {
        assert_eq!(Command::parse("ReserveItems"), Some(Command::ReserveItems));
        assert_eq!(Command::ReserveItems.answered(201), "ItemsReserved");
        assert_eq!(Command::ReserveItems.answered(409), "ReserveFailed");
        assert_eq!(Command::ChargePayment.answered(201), "PaymentProcessed");
        assert_eq!(Command::ChargePayment.answered(402), "PaymentFailed");
        assert_eq!(Command::parse("Teleport"), None);
    }

    #[test]
    fn commands_go_to_the_route_of_their_order() {
        assert_eq!(Command::SellItems.path("o-1"), "/api/v1/reservations/o-1/confirm");
        assert_eq!(Command::CancelShipment.path("o-1"), "/api/v1/shipments/o-1/cancel");
        assert_eq!(Command::ChargePayment.path("o-1"), "/api/v1/charges");
    }
}
