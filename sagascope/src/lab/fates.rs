//! What became of each wish to order: told by the books of orders and payments, not by what the client was answered.

use std::collections::BTreeMap;

use serde::Serialize;

/// How a wish ended, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// Two orders were confirmed for one wish.
    Duplicated,
    /// Money was kept that belongs to no confirmed order, or a confirmed order was not paid in full.
    MoneyWrong,
    /// An order is in no final state, long after.
    Stuck,
    /// The shop said yes, and there is no order.
    Lost,
    /// Confirmed once and paid once.
    Fulfilled,
    /// No order and no money, and the client was not told otherwise.
    Refused,
}

impl Fate {
    /// No customer and no accountant should see it.
    pub(super) const fn is_wrong(self) -> bool {
        matches!(self, Self::Duplicated | Self::MoneyWrong | Self::Stuck | Self::Lost)
    }
}

/// One order that exists for a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) status: String,
    pub(super) total_minor: i64,
    /// Captured less refunded.
    pub(super) net_minor: i64,
}

impl Order {
    fn is_confirmed(&self) -> bool {
        self.status == "confirmed"
    }

    fn is_final(&self) -> bool {
        self.is_confirmed() || self.status == "cancelled"
    }

    fn is_paid_rightly(&self) -> bool {
        self.net_minor == if self.is_confirmed() { self.total_minor } else { 0 }
    }
}

/// Judges one wish by the orders that exist for it; `accepted` when its client was given a success.
pub(super) fn judge(orders: &[Order], accepted: bool) -> Fate {
    if orders.iter().filter(|order| order.is_confirmed()).count() > 1 {
        Fate::Duplicated
    } else if orders.iter().any(|order| order.is_final() && !order.is_paid_rightly()) {
        Fate::MoneyWrong
    } else if orders.iter().any(|order| !order.is_final()) {
        Fate::Stuck
    } else if orders.iter().any(Order::is_confirmed) {
        Fate::Fulfilled
    } else if accepted && orders.is_empty() {
        Fate::Lost
    } else {
        Fate::Refused
    }
}

/// Wishes by fate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fates(BTreeMap<Fate, u32>);

impl Fates {
    pub(super) fn of(&self, fate: Fate) -> u32 {
        self.0.get(&fate).copied().unwrap_or(0)
    }

    /// Wishes that ended in a way that no customer should see.
    pub(super) fn wrong(&self) -> u32 {
        let wrong = self.0.iter().filter(|(fate, _)| fate.is_wrong());
        wrong.map(|(_, count)| count).sum()
    }
}

impl FromIterator<Fate> for Fates {
    fn from_iter<I: IntoIterator<Item = Fate>>(fates: I) -> Self {
        let mut counts = BTreeMap::new();
        for fate in fates {
            *counts.entry(fate).or_default() += 1;
        }
        Self(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(status: &str, net_minor: i64) -> Order {
        Order {
            status: status.to_owned(),
            total_minor: 100,
            net_minor,
        }
    }

    #[test]
    fn each_wish_has_one_fate() {
        let cases: &[(&[Order], bool, Fate)] = &[
            (&[order("confirmed", 100)], true, Fate::Fulfilled),
            (&[order("confirmed", 100)], false, Fate::Fulfilled),
            (&[order("cancelled", 0)], true, Fate::Refused),
            (&[], false, Fate::Refused),
            (&[], true, Fate::Lost),
            (&[order("created", 0)], true, Fate::Stuck),
            (&[order("created", 100)], true, Fate::Stuck),
            (&[order("cancelled", 100)], false, Fate::MoneyWrong),
            (&[order("confirmed", 200)], true, Fate::MoneyWrong),
            (&[order("confirmed", 0)], true, Fate::MoneyWrong),
            (
                &[order("confirmed", 100), order("confirmed", 100)],
                true,
                Fate::Duplicated,
            ),
            (&[order("cancelled", 0), order("confirmed", 100)], true, Fate::Fulfilled),
        ];
        for (orders, accepted, fate) in cases {
            assert_eq!(judge(orders, *accepted), *fate, "{orders:?} {accepted}");
        }
    }

    #[test]
    fn what_went_wrong_is_counted() {
        let fates: Fates = [Fate::Fulfilled, Fate::Lost, Fate::Fulfilled, Fate::Stuck, Fate::Refused]
            .into_iter()
            .collect();
        assert_eq!((fates.of(Fate::Fulfilled), fates.wrong()), (2, 2));
    }
}
