//! How often a step and its compensation are tried, and how long between.

use std::time::Duration;

use crate::retry::RetryPolicy;

/// Attempts and waits of one saga type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Of a step: when they are used up, the saga turns back.
    pub forward: RetryPolicy,
    /// Of a compensation: when they are used up, it is parked for a person.
    pub back: RetryPolicy,
}

impl Policy {
    /// Steps as `retry` says. Compensations go on for about five minutes: longer than a usual restart, and short enough
    /// that a person hears of it.
    #[must_use]
    pub const fn until_done(retry: RetryPolicy) -> Self {
        let cap = Duration::from_secs(5);
        Self {
            forward: retry,
            back: RetryPolicy {
                attempts: 64,
                cap,
                ..retry
            },
        }
    }

    /// When the next attempt is due, unix nanoseconds; `None` when that was the last one.
    pub(super) fn due(retry: &RetryPolicy, attempt: u32, now: u64, dice: f64) -> Option<u64> {
        let wait = retry.wait_after(attempt, dice)?;
        Some(now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}
