//! How many orders are due: a rate that may change at any time, turned into whole orders.

use tokio::time::Instant;

/// Most orders due at once; a pause of the machine does not become a burst.
const MAX_BURST: f64 = 50.0;

/// Counts what is due.
#[derive(Debug)]
pub(crate) struct Pace {
    owed: f64,
    counted: Instant,
}

impl Pace {
    /// One order is due at once, so that the first does not keep a viewer waiting.
    pub(crate) fn new(per_second: f64, now: Instant) -> Self {
        Self {
            owed: if per_second > 0.0 { 1.0 } else { 0.0 },
            counted: now,
        }
    }

    /// Orders that became due since the last call.
    pub(crate) fn due(&mut self, per_second: f64, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.counted).as_secs_f64();
        self.counted = now;
        self.owed = (self.owed + elapsed * per_second.max(0.0)).min(MAX_BURST);
        let whole = self.owed.floor();
        self.owed -= whole;
        // `owed` is within 0 and `MAX_BURST`.
        whole as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_rate_is_met_over_time_and_follows_the_dial() {
        let start = Instant::now();
        let mut pace = Pace::new(20.0, start);
        let step = |pace: &mut Pace, rate: f64, from: u32, to: u32| -> u32 {
            (from..to)
                .map(|n| pace.due(rate, start + Duration::from_millis(10) * (n + 1)))
                .sum()
        };
        let first = step(&mut pace, 20.0, 0, 1_000);
        assert!(
            (200..=201).contains(&first),
            "{first} in ten seconds at 20/s, and one at once"
        );
        let second = step(&mut pace, 7.5, 1_000, 2_000);
        assert!((74..=76).contains(&second), "{second} in ten seconds at 7.5/s");
        assert_eq!(step(&mut pace, 0.0, 2_000, 3_000), 0);
    }

    #[test]
    fn a_long_pause_is_no_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(100.0, start);
        assert_eq!(pace.due(100.0, start + Duration::from_secs(3_600)), 50);
        assert_eq!(
            pace.due(100.0, start),
            0,
            "a clock that stands still or falls back owes nothing"
        );
    }
}
