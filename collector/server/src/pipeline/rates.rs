//! Accepted records per second, over the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

use sagascope_store::Signal;

use crate::app::{Counters, get};

const WINDOW: Duration = Duration::from_secs(5);
const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Logs, Signal::Metrics];

/// Samples of the intake counters.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    samples: VecDeque<(Duration, [u64; 3])>,
}

impl Rates {
    /// Remembers where the counters stand; `elapsed` is monotonic.
    pub(crate) fn sample(&mut self, elapsed: Duration, counters: &Counters) {
        self.push(elapsed, SIGNALS.map(|signal| get(&counters.of(signal).accepted)));
    }

    fn push(&mut self, elapsed: Duration, counts: [u64; 3]) {
        self.samples.push_back((elapsed, counts));
        while self.samples.len() > 2
            && self
                .samples
                .front()
                .is_some_and(|(at, _)| elapsed.saturating_sub(*at) > WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Records of a signal per second.
    pub(crate) fn per_second(&self, signal: Signal) -> f64 {
        let index = match signal {
            Signal::Traces => 0,
            Signal::Logs => 1,
            Signal::Metrics => 2,
        };
        let (Some((from, first)), Some((to, last))) = (self.samples.front(), self.samples.back()) else {
            return 0.0;
        };
        let seconds = to.saturating_sub(*from).as_secs_f64();
        if seconds == 0.0 {
            return 0.0;
        }
        last[index].saturating_sub(first[index]) as f64 / seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_looks_back_five_seconds() {
        let mut rates = Rates::default();
        assert_eq!(rates.per_second(Signal::Traces), 0.0);
        for second in 0..=20 {
            rates.push(Duration::from_secs(second), [second * 10, 0, second.min(10)]);
        }
        assert_eq!(rates.per_second(Signal::Traces), 10.0);
        assert_eq!(rates.per_second(Signal::Logs), 0.0);
        assert_eq!(rates.per_second(Signal::Metrics), 0.0, "nothing came lately");
        assert!(rates.samples.len() < 10);
    }
}
