//! The latest calls, by number and by age, and the shares of them that failed or were slow.

use std::collections::VecDeque;
use std::time::Duration;

/// A sliding window: at most so many calls, none older than so long (counted from the newest one).
#[derive(Clone, Debug)]
pub(super) struct Window {
    calls: VecDeque<Call>,
    most: usize,
    age: Duration,
    failed: usize,
    slow: usize,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    at: Duration,
    failed: bool,
    slow: bool,
}

impl Window {
    pub(super) fn new(most: usize, age: Duration) -> Self {
        Self {
            calls: VecDeque::new(),
            most: most.max(1),
            age,
            failed: 0,
            slow: 0,
        }
    }

    pub(super) fn push(&mut self, failed: bool, slow: bool, now: Duration) {
        // A clock that jumps back neither panics nor brings old calls back: time here never goes down.
        let at = self.calls.back().map_or(now, |last| now.max(last.at));
        while self.calls.front().is_some_and(|first| at - first.at > self.age) || self.calls.len() >= self.most {
            self.drop_oldest();
        }
        self.failed += usize::from(failed);
        self.slow += usize::from(slow);
        self.calls.push_back(Call { at, failed, slow });
    }

    pub(super) fn clear(&mut self) {
        self.calls.clear();
        (self.failed, self.slow) = (0, 0);
    }

    pub(super) fn failure_rate(&self, minimum: usize) -> Option<f64> {
        self.share(self.failed, minimum)
    }

    pub(super) fn slow_rate(&self, minimum: usize) -> Option<f64> {
        self.share(self.slow, minimum)
    }

    fn share(&self, part: usize, minimum: usize) -> Option<f64> {
        (self.calls.len() >= minimum.max(1)).then(|| part as f64 / self.calls.len() as f64)
    }

    fn drop_oldest(&mut self) {
        if let Some(call) = self.calls.pop_front() {
            self.failed -= usize::from(call.failed);
            self.slow -= usize::from(call.slow);
        }
    }
}
