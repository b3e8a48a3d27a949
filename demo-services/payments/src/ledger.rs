//! The ledger: every movement of money as two entries that cancel out, so that the sum over all accounts is always zero.

use crate::payment::PaymentEvent;

/// The account that holds what customers paid.
pub(crate) const SHOP: &str = "shop";

/// What a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionKind {
    /// Customer → shop.
    Charge,
    /// Shop → customer.
    Refund,
}

impl TransactionKind {
    /// The word in the ledger.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "CHARGE",
            Self::Refund => "REFUND",
        }
    }
}

/// One movement of money, and the entries it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Which way.
    pub(crate) kind: TransactionKind,
    /// How much, above zero.
    pub(crate) amount_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
    /// (account, amount): both sum to zero.
    pub(crate) entries: [(String, i64); 2],
}

/// The money that an event moved, if any.
pub(crate) fn transaction(event: &PaymentEvent) -> Option<Transaction> {
    let (kind, customer_id, amount_minor, currency) = match event {
        PaymentEvent::PaymentCaptured {
            customer_id,
            amount_minor,
            currency,
        } => (TransactionKind::Charge, customer_id, *amount_minor, currency),
        PaymentEvent::PaymentRefunded {
            customer_id,
            amount_minor,
            currency,
            ..
        } => (TransactionKind::Refund, customer_id, *amount_minor, currency),
        PaymentEvent::PaymentDeclined { .. } | PaymentEvent::PaymentVoided { .. } => return None,
    };
    let to_shop = match kind {
        TransactionKind::Charge => amount_minor,
        TransactionKind::Refund => -amount_minor,
    };
    let entries = [
        (SHOP.to_owned(), to_shop),
        (format!("customer:{customer_id}"), -to_shop),
    ];
    Some(Transaction {
        kind,
        amount_minor,
        currency: currency.clone(),
        entries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{charge::tests::captured, payment::Payment, refund::refund};

    #[test]
    fn entries_of_every_transaction_cancel_out() {
        let charge = captured(13_000);
        let mut payment = Payment::default();
        payment.apply(&charge);
        let back = refund(&payment, "x").remove(0);
        let shop: Vec<i64> = [&charge, &back]
            .map(|event| transaction(event).unwrap())
            .iter()
            .map(|transaction| {
                assert_eq!(transaction.entries.iter().map(|(_, amount)| amount).sum::<i64>(), 0);
                transaction.entries[0].1
            })
            .collect();
        assert_eq!(shop, [13_000, -13_000]);
    }

    #[test]
    fn a_declined_card_moves_no_money() {
        let declined = PaymentEvent::PaymentDeclined {
            customer_id: "c".into(),
            amount_minor: 1,
            reason: "no_funds".into(),
        };
        assert_eq!(transaction(&declined), None);
    }
}
