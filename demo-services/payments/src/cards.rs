//! The bank: which cards are declined by nature, so that compensations are seen on a good day too.

use shop_kit::random;

/// Share of orders whose card is declined, in thousandths.
const DECLINED_PER_MILLE: u64 = 20;

/// The bank's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Card {
    /// The money is there.
    Accepts,
    /// It is not.
    Declines {
        /// The bank's word.
        reason: &'static str,
    },
}

/// Asks the bank. The answer depends on the seed and the order alone: a repeated attempt hears the same.
pub(crate) fn ask(seed: u64, order_id: &str) -> Card {
    if random::steady(seed, order_id) % 1000 < DECLINED_PER_MILLE {
        Card::Declines {
            reason: "insufficient_funds",
        }
    } else {
        Card::Accepts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_two_in_a_hundred_are_declined_and_always_the_same() {
        for seed in 1..=5 {
            let declined = |n: &u32| ask(seed, &format!("order-{n}")) != Card::Accepts;
            let count = (0..10_000).filter(declined).count();
            assert!((140..=260).contains(&count), "seed {seed}: {count} of 10000");
            assert_eq!(count, (0..10_000).filter(declined).count());
        }
    }
}
