//! How long to wait before the next attempt, and whether there is one.

use std::time::Duration;

/// Exponential waits with jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Wait after the first.
    pub base: Duration,
    /// Growth from one wait to the next.
    pub factor: u32,
    /// Longest wait, before jitter.
    pub cap: Duration,
    /// Share by which a wait is shortened or lengthened, 0 to 1.
    pub jitter: f64,
}

impl RetryPolicy {
    /// Wait after the `attempt`th attempt (one-based); `None` when that was the last one. `roll` is a number in 0..1.
    #[must_use]
    pub fn wait_after(&self, attempt: u32, roll: f64) -> Option<Duration> {
        (attempt < self.attempts).then(|| self.wait(attempt, roll))
    }

    /// The wait that stands at this place, whether or not attempts are left: for work that is retried until done.
    #[must_use]
    pub fn wait(&self, attempt: u32, roll: f64) -> Duration {
        let swing = 1.0 + self.jitter * (2.0 * roll.clamp(0.0, 1.0) - 1.0);
        self.plain_wait(attempt).mul_f64(swing.max(0.0))
    }

    /// Its upper bound.
    #[must_use]
    pub fn longest_wait(&self, attempt: u32) -> Duration {
        self.wait(attempt, 1.0)
    }

    fn plain_wait(&self, attempt: u32) -> Duration {
        let growth = self.factor.saturating_pow(attempt.saturating_sub(1));
        self.base.saturating_mul(growth).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 3,
        base: Duration::from_millis(100),
        factor: 2,
        cap: Duration::from_secs(1),
        jitter: 0.2,
    };

    #[test]
    fn waits_double_and_end_with_the_attempts() {
        assert_eq!(POLICY.wait_after(1, 0.5), Some(Duration::from_millis(100)));
        assert_eq!(POLICY.wait_after(2, 0.5), Some(Duration::from_millis(200)));
        assert_eq!(POLICY.wait_after(3, 0.5), None);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        for roll in [0.0, 0.1, 0.5, 0.9, 1.0, -3.0, 7.0] {
            let wait = POLICY.wait(1, roll).as_millis();
            assert!((80..=120).contains(&wait), "{roll}: {wait}");
        }
    }

    #[test]
    fn the_cap_holds_at_any_attempt() {
        for attempt in [5, 64, u32::MAX] {
            assert_eq!(POLICY.wait(attempt, 0.5), Duration::from_secs(1));
        }
    }
}
