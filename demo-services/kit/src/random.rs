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
