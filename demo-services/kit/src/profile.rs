//! The numbers of the reliability patterns: those of a textbook, and faster ones for a demonstration.

use std::time::Duration;

use crate::breaker::BreakerPolicy;
use crate::bulkhead::BulkheadSizes;
use crate::retry::RetryPolicy;

/// One set of numbers, the same in every service of a cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// `demo` or `documents`.
    pub name: &'static str,
    /// Of calls and of saga steps.
    pub retry: RetryPolicy,
    /// Limit of one attempt of one call.
    pub call_timeout: Duration,
    /// Time by which a saga step should have ended, with all its attempts.
    pub step_deadline: Duration,
    /// Of every breaker.
    pub breaker: BreakerPolicy,
    /// Calls at once, by how much they matter.
    pub bulkheads: BulkheadSizes,
}

impl Profile {
    /// Short waits, so that a failure and its end can be watched within seconds.
    #[must_use]
    pub const fn demo() -> Self {
        Self {
            name: "demo",
            retry: RetryPolicy {
                attempts: 3,
                base: Duration::from_millis(100),
                factor: 2,
                cap: Duration::from_secs(2),
                jitter: 0.2,
            },
            call_timeout: Duration::from_millis(1_500),
            step_deadline: Duration::from_secs(5),
            breaker: BreakerPolicy {
                consecutive_failures: 5,
                window: 20,
                window_age: Duration::from_secs(60),
                minimum_calls: 10,
                rate: 0.5,
                // As long as the call timeout: slowness alone opens no breaker here, only calls that fail or time out do.
                // All services share one machine, and when it is busy taking an order needs more than a second; a breaker
                // that opens for that cuts every shopper off from a shop that works.
                slow_call: Duration::from_millis(1_500),
                open_for: Duration::from_secs(10),
                open_growth: 1,
                open_cap: Duration::from_secs(10),
                half_open_permits: 2,
                half_open_wait: Duration::from_secs(10),
            },
            bulkheads: BulkheadSizes {
                critical: 20,
                standard: 30,
                batch: 10,
            },
        }
    }

    /// The waits of the textbook.
    #[must_use]
    pub const fn documents() -> Self {
        Self {
            name: "documents",
            retry: RetryPolicy {
                attempts: 5,
                base: Duration::from_secs(1),
                factor: 2,
                cap: Duration::from_secs(30),
                jitter: 0.2,
            },
            call_timeout: Duration::from_secs(5),
            step_deadline: Duration::from_secs(60),
            breaker: BreakerPolicy {
                slow_call: Duration::from_secs(3),
                open_for: Duration::from_secs(30),
                open_cap: Duration::from_secs(30),
                half_open_wait: Duration::from_secs(60),
                ..Self::demo().breaker
            },
            bulkheads: Self::demo().bulkheads,
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::demo(), Self::documents()]
            .into_iter()
            .find(|profile| profile.name == name)
    }

    /// One line for a screen.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "profile {}: {} attempts from {} ms, call timeout {} ms, step deadline {} s, breaker opens after {} failures for {} s",
            self.name,
            self.retry.attempts,
            self.retry.base.as_millis(),
            self.call_timeout.as_millis(),
            self.step_deadline.as_secs(),
            self.breaker.consecutive_failures,
            self.breaker.open_for.as_secs(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_on_the_public_page_hold() {
        let demo = Profile::demo();
        assert_eq!((demo.retry.attempts, demo.retry.base.as_millis()), (3, 100));
        assert_eq!((demo.step_deadline.as_secs(), demo.breaker.open_for.as_secs()), (5, 10));
        let documents = Profile::documents();
        assert_eq!((documents.retry.attempts, documents.retry.base.as_secs()), (5, 1));
        assert_eq!(
            (documents.call_timeout.as_secs(), documents.breaker.open_for.as_secs()),
            (5, 30)
        );
    }

    #[test]
    fn in_the_demo_a_call_is_not_slow_before_it_has_timed_out() {
        assert!(Profile::demo().breaker.slow_call >= Profile::demo().call_timeout);
        assert!(Profile::documents().breaker.slow_call < Profile::documents().call_timeout);
    }

    #[test]
    fn all_attempts_of_a_step_fit_before_its_deadline() {
        for profile in [Profile::demo(), Profile::documents()] {
            let waits: Duration = (1..profile.retry.attempts).map(|n| profile.retry.longest_wait(n)).sum();
            let all = profile.call_timeout * profile.retry.attempts + waits;
            assert!(all <= profile.step_deadline, "{}: {all:?}", profile.name);
        }
    }
}
