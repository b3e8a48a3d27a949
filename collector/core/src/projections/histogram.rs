//! Durations counted in logarithmic buckets: bounded memory, percentiles within 5 %.

use serde::{Deserialize, Serialize};

/// Buckets in each doubling.
const PER_OCTAVE: u32 = 8;
/// Durations below a microsecond share the first bucket.
const SMALLEST_LOG2: u32 = 10;
/// 2^10 ns to 2^42 ns (73 minutes); longer ones share the last bucket.
const OCTAVES: u32 = 32;
const BUCKETS: usize = (OCTAVES * PER_OCTAVE) as usize;

/// Place of a duration in any [`Histogram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bucket(u16);

impl Bucket {
    /// The bucket of a duration.
    pub(crate) fn of_nanos(nanos: u64) -> Self {
        let nanos = nanos.max(1 << SMALLEST_LOG2);
        let octave = nanos.ilog2();
        let within = (nanos >> (octave - 3)) as u32 & (PER_OCTAVE - 1);
        let place = (octave - SMALLEST_LOG2) * PER_OCTAVE + within;
        Self(place.min(BUCKETS as u32 - 1) as u16)
    }

    /// The middle of the bucket.
    fn millis(self) -> f64 {
        let octave = u32::from(self.0) / PER_OCTAVE + SMALLEST_LOG2;
        let within = f64::from(u32::from(self.0) % PER_OCTAVE) + 0.5;
        f64::from(octave).exp2() * (1.0 + within / f64::from(PER_OCTAVE)) / 1e6
    }
}

/// Durations by bucket; the buckets are allocated with the first duration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, bucket: Bucket) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        let count = &mut self.counts[usize::from(bucket.0)];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    /// Takes back what [`Self::add`] counted.
    pub(crate) fn remove(&mut self, bucket: Bucket) {
        if let Some(count) = self.counts.get_mut(usize::from(bucket.0)).filter(|count| **count > 0) {
            *count -= 1;
            self.total -= 1;
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        if other.total == 0 {
            return;
        }
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.total += other.total;
    }

    /// The duration that a share `q` of the durations do not exceed, milliseconds.
    pub(crate) fn quantile_ms(&self, q: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let rank = ((self.total as f64 * q).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(Bucket(place as u16).millis());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_bucket() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        for ms in 1..=1_000_u64 {
            histogram.add(Bucket::of_nanos(ms * 1_000_000));
        }
        for (q, expected) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let ms = histogram.quantile_ms(q).unwrap();
            assert!((ms / expected - 1.0).abs() < 0.07, "p{q}: {ms}");
        }
    }

    #[test]
    fn no_duration_is_too_short_or_too_long() {
        let mut histogram = Histogram::default();
        for nanos in [0, 1, 1_023, u64::MAX] {
            histogram.add(Bucket::of_nanos(nanos));
        }
        assert!(histogram.quantile_ms(1.0).unwrap() > 1_000_000.0);
        assert!(histogram.quantile_ms(0.1).unwrap() < 0.01);
    }

    #[test]
    fn what_is_removed_was_never_there() {
        let mut histogram = Histogram::default();
        histogram.add(Bucket::of_nanos(5));
        histogram.remove(Bucket::of_nanos(5));
        histogram.remove(Bucket::of_nanos(5));
        assert_eq!(histogram.quantile_ms(0.5), None);
    }
}
