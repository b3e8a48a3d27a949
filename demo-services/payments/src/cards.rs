//! The bank: which cards are declined by nature, so that compensations are seen on a good day too.

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
    if dice(seed, order_id) % 1000 < DECLINED_PER_MILLE {
        Card::Declines {
            reason: "insufficient_funds",
        }
    } else {
        Card::Accepts
    }
}

/// FNV-1a over the id, mixed by the finaliser of SplitMix64: even enough for a dice, and the same on every machine.
fn dice(seed: u64, order_id: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut mixed = order_id.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
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
