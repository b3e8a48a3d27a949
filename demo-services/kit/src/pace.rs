//! Keeps what is cheaper together from going one by one: a few at once, then one each interval.
//!
//! The generic cell rate algorithm (ITU-T I.371, virtual scheduling): every passage takes an interval of a time of its own,
//! which may run ahead of the clock by the burst. Pure; the time comes in.

use std::time::Duration;

use tokio::time::Instant;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Duration,
    burst: u32,
    /// Up to when the intervals of those that passed reach.
    taken_until: Option<Instant>,
}

impl Pace {
    /// `burst` pass at once; those that follow closely pass one each `interval`.
    #[must_use]
    pub const fn new(interval: Duration, burst: u32) -> Self {
        Self {
            interval,
            burst,
            taken_until: None,
        }
    }

    /// One passes now.
    pub fn passed(&mut self, now: Instant) {
        let from = self.taken_until.map_or(now, |until| until.max(now));
        self.taken_until = Some(from + self.interval);
    }

    /// How long the next one waits.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        let ahead = self
            .taken_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        // The next one takes an interval too, which has to fit.
        (ahead + self.interval).saturating_sub(self.interval * self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(20);

    /// Waits of passages that each come as soon as they may.
    fn waits(pace: &mut Pace, now: &mut Instant, count: usize) -> Vec<u64> {
        let mut waits = Vec::new();
        for _ in 0..count {
            let wait = pace.wait(*now);
            *now += wait;
            pace.passed(*now);
            waits.push(wait.as_millis() as u64);
        }
        waits
    }

    #[test]
    fn a_few_pass_at_once_and_then_one_each_interval() {
        let (mut pace, mut now) = (Pace::new(INTERVAL, 3), Instant::now());
        assert_eq!(waits(&mut pace, &mut now, 6), [0, 0, 0, 20, 20, 20]);
    }

    #[test]
    fn a_pause_gives_back_what_it_lasted_and_no_more_than_the_burst() {
        let (mut pace, mut now) = (Pace::new(INTERVAL, 3), Instant::now());
        waits(&mut pace, &mut now, 3);
        now += INTERVAL * 2;
        assert_eq!(waits(&mut pace, &mut now, 3), [0, 0, 20]);
        now += Duration::from_secs(3_600);
        assert_eq!(waits(&mut pace, &mut now, 4), [0, 0, 0, 20]);
    }

    #[test]
    fn what_comes_more_slowly_never_waits() {
        let (mut pace, mut now) = (Pace::new(INTERVAL, 1), Instant::now());
        for _ in 0..10 {
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.passed(now);
            now += INTERVAL;
        }
    }
}
