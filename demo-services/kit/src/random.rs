//! Dice. One place to throw them, so that a simulation can repeat them: see [`crate::simulated`].

use crate::simulated;

/// From 0 up to, but not, 1.
#[must_use]
pub fn f64() -> f64 {
    simulated::dice().unwrap_or_else(rand::random)
}

/// 32 random bits.
#[must_use]
pub fn u32() -> u32 {
    simulated::dice().unwrap_or_else(rand::random)
}

/// 64 random bits.
#[must_use]
pub fn u64() -> u64 {
    simulated::dice().unwrap_or_else(rand::random)
}

/// 128 random bits.
#[must_use]
pub fn u128() -> u128 {
    simulated::dice().unwrap_or_else(rand::random)
}

/// An even number for an id: the same on every machine, each time. FNV-1a, mixed by the finaliser of SplitMix64.
#[must_use]
pub fn steady(seed: u64, id: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut mixed = id.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
