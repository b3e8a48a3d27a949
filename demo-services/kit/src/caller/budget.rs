//! The retry budget: retries may be a fixed share of the calls of the last seconds, so that a callee in trouble is not
//! buried under repeats. Pure; the time comes in.

use std::time::Duration;

/// The window, a slot a second.
const SLOTS: usize = 10;
/// Retries for each call of the window.
const SHARE: f64 = 0.2;
/// Retries that are always allowed in a window: a share of a few calls is none, and a quiet caller buries nobody.
const RESERVE: u32 = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u64,
    calls: u32,
    retries: u32,
}

/// Counts calls and retries of one caller.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    slots: [Slot; SLOTS],
}

impl RetryBudget {
    /// A new call, before its first attempt.
    pub(super) fn call(&mut self, now: Duration) {
        let slot = self.slot(now);
        slot.calls = slot.calls.saturating_add(1);
    }

    /// Whether one more retry is within the budget; takes it when it is.
    pub(super) fn retry(&mut self, now: Duration) -> bool {
        let (calls, retries) = self.window(now);
        let allowed = ((f64::from(calls) * SHARE) as u32).max(RESERVE);
        if retries >= allowed {
            return false;
        }
        self.slot(now).retries += 1;
        true
    }

    fn window(&self, now: Duration) -> (u32, u32) {
        let oldest = (now.as_secs() + 1).saturating_sub(SLOTS as u64);
        let recent = self.slots.iter().filter(|slot| slot.second >= oldest);
        recent.fold((0, 0), |(calls, retries), slot| {
            (calls.saturating_add(slot.calls), retries + slot.retries)
        })
    }

    fn slot(&mut self, now: Duration) -> &mut Slot {
        let second = now.as_secs();
        let slot = &mut self.slots[(second % SLOTS as u64) as usize];
        if slot.second != second {
            *slot = Slot {
                second,
                ..Slot::default()
            };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Calls that all fail and all want two more attempts; answers the retries made.
    fn fail(budget: &mut RetryBudget, calls: u32, now: Duration) -> u32 {
        (0..calls)
            .map(|_| {
                budget.call(now);
                u32::from(budget.retry(now)) + u32::from(budget.retry(now))
            })
            .sum()
    }

    #[test]
    fn g19_at_full_failure_attempts_are_at_most_a_fifth_more_than_calls() {
        let mut budget = RetryBudget::default();
        let mut retries = 0;
        for second in 0..60 {
            retries += fail(&mut budget, 100, at(second));
            let calls = 100 * (second as u32 + 1);
            assert!(retries <= calls / 5, "{retries} retries of {calls} calls");
        }
        assert!(retries > 1_000, "the budget is used: {retries}");
    }

    #[test]
    fn a_quiet_caller_may_retry_a_few_times() {
        let mut budget = RetryBudget::default();
        assert_eq!(fail(&mut budget, 3, at(0)), 6);
        assert_eq!(fail(&mut budget, 30, at(1)), 4, "ten in a window");
        assert_eq!(fail(&mut budget, 3, at(9)), 0);
    }

    #[test]
    fn the_window_moves_on() {
        let mut budget = RetryBudget::default();
        fail(&mut budget, 1_000, at(0));
        assert!(!budget.retry(at(9)));
        assert_eq!(fail(&mut budget, 5, at(10)), 10, "the reserve of a new window");
        assert_eq!(fail(&mut budget, 1, at(1_000_000)), 2);
    }
}
