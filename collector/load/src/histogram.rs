//! Durations in buckets: exact to 1.6 %, from a nanosecond to hours, in a fixed 16 KiB.

use std::time::Duration;

/// Each power of two is cut into this many buckets.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Up to 2^40 ns, some 18 minutes; what is longer counts as that.
const BUCKETS: usize = ((40 - STEP_BITS as usize) + 1) * STEPS as usize;

/// Counts durations; tells their quantiles.
#[derive(Clone)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            total: 0,
            longest: Duration::ZERO,
        }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} durations, p50 {:?}, p99 {:?}, longest {:?}",
            self.total,
            self.quantile(0.5),
            self.quantile(0.99),
            self.longest
        )
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        self.counts[bucket(duration)] += 1;
        self.total += 1;
        self.longest = self.longest.max(duration);
    }

    /// Counts all that another has counted.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.total
    }

    /// The longest, exactly.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// The duration that a `share` of all does not exceed; zero when nothing was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(bucket).min(self.longest);
            }
        }
        self.longest
    }
}

fn bucket(duration: Duration) -> usize {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let shift = (63 - (nanos | 1).leading_zeros()).saturating_sub(STEP_BITS);
    let bucket = u64::from(shift) * STEPS + (nanos >> shift);
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The longest duration that falls into a bucket.
fn upper(bucket: usize) -> Duration {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = bucket - shift * STEPS;
    Duration::from_nanos(((step + 1) << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_falls_into_a_bucket_that_is_close_to_it() {
        for nanos in (0..2_000).chain((1..36).flat_map(|power| [(7 << power) - 1, 7 << power, (7 << power) + 1])) {
            let duration = Duration::from_nanos(nanos);
            let upper = upper(bucket(duration));
            assert!(upper >= duration, "{nanos}");
            assert!(
                upper.as_nanos() as f64 <= nanos as f64 * (1.0 + 1.0 / STEPS as f64) + 1.0,
                "{nanos} {upper:?}"
            );
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let near = |share: f64, millis: f64| {
            let found = histogram.quantile(share).as_secs_f64() * 1e3;
            assert!((found / millis - 1.0).abs() < 0.02, "{share}: {found}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        assert_eq!(histogram.quantile(1.0), Duration::from_millis(100));
    }

    #[test]
    fn two_together_are_as_one() {
        let (mut odd, mut even, mut all) = (Histogram::default(), Histogram::default(), Histogram::default());
        for micros in 1..1_000 {
            let duration = Duration::from_micros(micros);
            if micros % 2 == 0 { &mut even } else { &mut odd }.record(duration);
            all.record(duration);
        }
        odd.add(&even);
        assert_eq!(odd.count(), 999);
        assert_eq!(odd.quantile(0.7), all.quantile(0.7));
        assert_eq!(odd.longest(), all.longest());
    }
}
