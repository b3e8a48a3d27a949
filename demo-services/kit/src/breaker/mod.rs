//! Circuit breaker: stops calling what keeps failing, and probes it before trusting it again.

mod guard;
mod machine;
mod window;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod model;

use std::time::Duration;

pub use guard::{Breaker, Permit};
pub use machine::{Machine, Outcome, Refused, Ticket, Transition};

/// When it opens, for how long, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerPolicy {
    /// Opens after so many failures in a row; 0 for never.
    pub consecutive_failures: u32,
    /// Calls over which the rates are taken, the latest ones.
    pub window: usize,
    /// Age beyond which a call counts no longer.
    pub window_age: Duration,
    /// Calls below which a rate says nothing.
    pub minimum_calls: usize,
    /// Opens when the share of failures, or of slow calls, reaches this (≥).
    pub rate: f64,
    /// A call that took at least this long was slow.
    pub slow_call: Duration,
    /// How long it refuses, the first time.
    pub open_for: Duration,
    /// Growth of that with each opening that follows without a close between.
    pub open_growth: u32,
    /// Longest refusal.
    pub open_cap: Duration,
    /// Probes let through; all must succeed to close it, the first failure opens it again.
    pub half_open_permits: u32,
    /// Opens again when the probes have not decided within this.
    pub half_open_wait: Duration,
}
