//! The payment of one order: its events, and the state that they fold to.
//!
//! Money is whole smallest units (`minor`). A refund is an event of its own, never a deletion.

use serde::{Deserialize, Serialize};

/// What happened to the payment of an order, as kept in the event store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
#[expect(
    clippy::enum_variant_names,
    reason = "the names are kept in the event store for ever"
)]
pub(crate) enum PaymentEvent {
    /// The card was charged.
    PaymentCaptured {
        /// Whose card.
        customer_id: String,
        /// How much.
        amount_minor: i64,
        /// ISO 4217.
        currency: String,
    },
    /// The card was declined; no money moved.
    PaymentDeclined {
        /// Whose card.
        customer_id: String,
        /// How much was asked for.
        amount_minor: i64,
        /// The bank's word.
        reason: String,
    },
    /// The whole amount went back.
    PaymentRefunded {
        /// Whose card.
        customer_id: String,
        /// How much.
        amount_minor: i64,
        /// ISO 4217.
        currency: String,
        /// Why.
        reason: String,
    },
    /// A refund was asked for before any charge: a charge that comes later is refused.
    PaymentVoided {
        /// Why.
        reason: String,
    },
}

impl PaymentEvent {
    /// The word in the event store's `event_type` column.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::PaymentCaptured { .. } => "PaymentCaptured",
            Self::PaymentDeclined { .. } => "PaymentDeclined",
            Self::PaymentRefunded { .. } => "PaymentRefunded",
            Self::PaymentVoided { .. } => "PaymentVoided",
        }
    }

    /// What the event store keeps beside the name.
    pub(crate) fn data(&self) -> serde_json::Value {
        let mut tagged = serde_json::to_value(self).expect("an event has string keys only");
        tagged["data"].take()
    }

    /// Reads an event back. `None` for a type that this version does not know: it is kept, and skipped.
    pub(crate) fn read(name: &str, data: serde_json::Value) -> Result<Option<Self>, serde_json::Error> {
        const KNOWN: [&str; 4] = ["PaymentCaptured", "PaymentDeclined", "PaymentRefunded", "PaymentVoided"];
        if !KNOWN.contains(&name) {
            return Ok(None);
        }
        serde_json::from_value(serde_json::json!({ "type": name, "data": data })).map(Some)
    }
}

/// Where a payment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub(crate) enum PaymentState {
    /// Nothing yet.
    #[default]
    Absent,
    /// The last card was declined; another charge may be tried.
    Declined {
        /// The bank's word.
        reason: String,
    },
    /// Money is here.
    Captured {
        /// Whose card.
        customer_id: String,
        /// How much.
        amount_minor: i64,
        /// ISO 4217.
        currency: String,
    },
    /// Money came and went back.
    Refunded {
        /// How much.
        amount_minor: i64,
    },
    /// Undone before it began.
    Voided,
}

/// The fold of a payment's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payment {
    /// Where it stands.
    pub(crate) state: PaymentState,
    /// Number of events folded; the version that the next append expects.
    pub(crate) version: u64,
}

impl Payment {
    /// Takes one event in.
    pub(crate) fn apply(&mut self, event: &PaymentEvent) {
        self.version += 1;
        self.state = match event.clone() {
            PaymentEvent::PaymentCaptured {
                customer_id,
                amount_minor,
                currency,
            } => PaymentState::Captured {
                customer_id,
                amount_minor,
                currency,
            },
            PaymentEvent::PaymentDeclined { reason, .. } => PaymentState::Declined { reason },
            PaymentEvent::PaymentRefunded { amount_minor, .. } => PaymentState::Refunded { amount_minor },
            PaymentEvent::PaymentVoided { .. } => PaymentState::Voided,
        };
    }
}

/// Why a command has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 409: the undo came first, or the money went back already.
    #[error("the payment of this order has been undone")]
    Undone,
    /// 409: the order was charged another amount.
    #[error("the order was charged {charged_minor} already")]
    OtherAmount {
        /// What was charged.
        charged_minor: i64,
    },
}
