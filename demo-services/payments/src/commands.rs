//! Commands in one transaction each, under an idempotency key: the same key and body get the same answer for ever.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shop_kit::{
    context::Context,
    database::Tx,
    event_store::AppendError,
    idempotency::{self, Answer, Begin},
    problem::Problem,
};

use crate::{
    cards::Card,
    charge::{Charge, charge},
    payment::{Payment, PaymentEvent, PaymentState, Refusal},
    refund::refund,
    store,
    two_phase::not_held,
};

/// Body of `POST /api/v1/charges`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChargeOrder {
    /// Which order; it is charged at most once.
    pub(crate) order_id: String,
    /// Whose card.
    pub(crate) customer_id: String,
    /// How much, in the smallest unit.
    pub(crate) amount_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Body of `POST /api/v1/refunds`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundOrder {
    /// Which order; whatever it was charged goes back.
    pub(crate) order_id: String,
    /// Why.
    pub(crate) reason: String,
}

/// Charges an order; a declined card is an answer of its own (402), and kept like any other.
pub(crate) fn charge_order(
    tx: &Tx<'_>,
    key: &str,
    command: ChargeOrder,
    card: Card,
    context: &Context,
) -> Result<Answer, Problem> {
    once(tx, "charge", key, &command.clone(), || {
        let ChargeOrder {
            order_id,
            customer_id,
            amount_minor,
            currency,
        } = command;
        not_held(tx, &order_id)?;
        let payment = store::load(tx, &order_id)?;
        let events = match charge(
            &payment,
            Charge {
                customer_id,
                amount_minor,
                currency,
            },
            card,
        ) {
            Ok(events) => events,
            Err(refusal) => return Ok(Problem::from(refusal).into()),
        };
        let payment = record(tx, &order_id, payment, &events, context)?;
        Ok(match payment.state {
            PaymentState::Declined { reason } => declined(reason).into(),
            state => Answer {
                status: 201,
                body: json!({ "order_id": order_id, "payment": state }),
            },
        })
    })
}

/// Refunds an order, or makes sure that it will never be charged.
pub(crate) fn refund_order(tx: &Tx<'_>, key: &str, command: RefundOrder, context: &Context) -> Result<Answer, Problem> {
    once(tx, "refund", key, &command.clone(), || {
        not_held(tx, &command.order_id)?;
        let payment = store::load(tx, &command.order_id)?;
        let events = refund(&payment, &command.reason);
        let payment = record(tx, &command.order_id, payment, &events, context)?;
        Ok(Answer {
            status: 201,
            body: json!({ "order_id": command.order_id, "payment": payment.state }),
        })
    })
}

/// What a client hears of a card that was declined.
pub(crate) fn declined(reason: String) -> Problem {
    Problem::new(StatusCode::PAYMENT_REQUIRED, "card_declined", "the card was declined").detail(reason)
}

/// Writes down what happened; answers the payment as it stands then.
pub(crate) fn record(
    tx: &Tx<'_>,
    order_id: &str,
    mut payment: Payment,
    events: &[PaymentEvent],
    context: &Context,
) -> Result<Payment, Problem> {
    store::record(tx, order_id, &payment, events, context).map_err(|error| match error {
        AppendError::Conflict { .. } => Problem::unavailable(error.to_string()),
        AppendError::Replaced { .. } => Problem::conflict("replaced", &error.to_string()),
        AppendError::Database(error) => error.into(),
    })?;
    events.iter().for_each(|event| payment.apply(event));
    Ok(payment)
}

/// Runs `command` unless its key was used before; keeps its answer.
fn once(
    tx: &Tx<'_>,
    operation: &str,
    key: &str,
    request: &impl Serialize,
    command: impl FnOnce() -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    match idempotency::begin(tx, operation, key, request)? {
        Begin::Stored(answer) => Ok(answer),
        Begin::First | Begin::Unfinished => {
            let answer = command()?;
            idempotency::finish(tx, operation, key, &answer)?;
            Ok(answer)
        }
        Begin::Conflict => Err(Problem {
            field: Some("Idempotency-Key".into()),
            ..Problem::conflict("key_reused", "the key was used for another request")
        }
        .detail("use a new key for a new command")),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Undone => Self::conflict("payment_undone", "the payment has been undone"),
            Refusal::OtherAmount { .. } => Self {
                field: Some("amount_minor".into()),
                ..Self::conflict("other_amount", "the order was charged another amount")
            },
        }
        .detail(detail)
    }
}
