//! Charge a card for an order, at most once.

use crate::{
    cards::Card,
    payment::{Payment, PaymentEvent, PaymentState, Refusal},
};

/// What to charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    /// Whose card.
    pub(crate) customer_id: String,
    /// How much.
    pub(crate) amount_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// Captures the money, or notes that the card was declined. A repeat of a captured charge changes nothing.
pub(crate) fn charge(payment: &Payment, command: Charge, card: Card) -> Result<Vec<PaymentEvent>, Refusal> {
    match payment.state {
        PaymentState::Captured { amount_minor, .. } if amount_minor == command.amount_minor => return Ok(Vec::new()),
        PaymentState::Captured { amount_minor, .. } => {
            return Err(Refusal::OtherAmount {
                charged_minor: amount_minor,
            });
        }
        PaymentState::Refunded { .. } | PaymentState::Voided => return Err(Refusal::Undone),
        PaymentState::Absent | PaymentState::Declined { .. } => {}
    }
    let Charge {
        customer_id,
        amount_minor,
        currency,
    } = command;
    Ok(vec![match card {
        Card::Accepts => PaymentEvent::PaymentCaptured {
            customer_id,
            amount_minor,
            currency,
        },
        Card::Declines { reason } => PaymentEvent::PaymentDeclined {
            customer_id,
            amount_minor,
            reason: reason.into(),
        },
    }])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn of(amount_minor: i64) -> Charge {
        Charge {
            customer_id: "c-1".into(),
            amount_minor,
            currency: "EUR".into(),
        }
    }

    pub(crate) fn captured(amount_minor: i64) -> PaymentEvent {
        PaymentEvent::PaymentCaptured {
            customer_id: "c-1".into(),
            amount_minor,
            currency: "EUR".into(),
        }
    }

    fn declined(amount_minor: i64) -> PaymentEvent {
        PaymentEvent::PaymentDeclined {
            customer_id: "c-1".into(),
            amount_minor,
            reason: "no_funds".into(),
        }
    }

    fn given(events: &[PaymentEvent]) -> Payment {
        events.iter().fold(Payment::default(), |mut payment, event| {
            payment.apply(event);
            payment
        })
    }

    fn check(past: &[PaymentEvent], card: Card, then: Result<Vec<PaymentEvent>, Refusal>) {
        assert_eq!(charge(&given(past), of(13_000), card), then, "given {past:?}");
    }

    #[test]
    fn charging() {
        let no = Card::Declines { reason: "no_funds" };
        let refunded = PaymentEvent::PaymentRefunded {
            customer_id: "c-1".into(),
            amount_minor: 13_000,
            currency: "EUR".into(),
            reason: "ship failed".into(),
        };
        let voided = PaymentEvent::PaymentVoided {
            reason: "charge timed out".into(),
        };
        check(&[], Card::Accepts, Ok(vec![captured(13_000)]));
        check(&[], no, Ok(vec![declined(13_000)]));
        check(&[declined(13_000)], Card::Accepts, Ok(vec![captured(13_000)]));
        check(&[captured(13_000)], Card::Accepts, Ok(vec![]));
        check(&[captured(13_000)], no, Ok(vec![]));
        check(
            &[captured(9_900)],
            Card::Accepts,
            Err(Refusal::OtherAmount { charged_minor: 9_900 }),
        );
        check(&[captured(13_000), refunded], Card::Accepts, Err(Refusal::Undone));
        check(&[voided], Card::Accepts, Err(Refusal::Undone));
    }

    #[test]
    fn events_read_back_as_written() {
        for event in [
            captured(1),
            declined(2),
            PaymentEvent::PaymentVoided { reason: "x".into() },
        ] {
            assert_eq!(PaymentEvent::read(event.name(), event.data()).unwrap(), Some(event));
        }
        assert_eq!(PaymentEvent::read("Chargeback", serde_json::json!({})).unwrap(), None);
    }
}
