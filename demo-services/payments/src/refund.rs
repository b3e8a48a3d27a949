//! Refund an order: the undo of its charge, whatever became of that.

use crate::payment::{Payment, PaymentEvent, PaymentState};

/// Gives the whole amount back, once. It cannot be refused: with nothing captured it leaves a tombstone, so that a
/// charge that is still on its way finds the payment undone.
pub(crate) fn refund(payment: &Payment, reason: &str) -> Vec<PaymentEvent> {
    match payment.state.clone() {
        PaymentState::Captured {
            customer_id,
            amount_minor,
            currency,
        } => {
            vec![PaymentEvent::PaymentRefunded {
                customer_id,
                amount_minor,
                currency,
                reason: reason.into(),
            }]
        }
        PaymentState::Absent | PaymentState::Declined { .. } => {
            vec![PaymentEvent::PaymentVoided { reason: reason.into() }]
        }
        PaymentState::Refunded { .. } | PaymentState::Voided => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charge::tests::captured;

    #[test]
    fn captured_money_goes_back_once() {
        let mut payment = Payment::default();
        payment.apply(&captured(13_000));
        let events = refund(&payment, "ship failed");
        assert!(matches!(
            &events[..],
            [PaymentEvent::PaymentRefunded {
                amount_minor: 13_000,
                ..
            }]
        ));
        payment.apply(&events[0]);
        assert_eq!(refund(&payment, "again"), []);
    }

    #[test]
    fn a_refund_that_overtakes_the_charge_leaves_a_tombstone() {
        let mut payment = Payment::default();
        let events = refund(&payment, "charge timed out");
        assert_eq!(
            events,
            [PaymentEvent::PaymentVoided {
                reason: "charge timed out".into()
            }]
        );
        payment.apply(&events[0]);
        assert_eq!(refund(&payment, "again"), []);
    }
}
