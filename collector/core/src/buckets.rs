//! Histograms of every kind as one: explicit bounds, ascending, and a count per bucket.

use crate::normalise::fit::trimmed;
use crate::rows::{ExponentialValue, HistogramValue, PointValue};

/// A histogram as its buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Measurements.
    pub count: u64,
    /// Their sum; 0 when it was not said.
    pub sum: f64,
    /// Upper bounds, ascending.
    pub bounds: Vec<f64>,
    /// Measurements per bucket, one more than bounds; the last bucket has no upper bound.
    pub counts: Vec<u64>,
}

impl Buckets {
    /// Of a histogram; `None` of anything else.
    #[must_use]
    pub fn of(value: &PointValue) -> Option<Self> {
        match value {
            PointValue::Histogram(histogram) => Some(Self::of_explicit(histogram)),
            PointValue::ExponentialHistogram(histogram) => Some(Self::of_exponential(histogram)),
            _ => None,
        }
    }

    fn of_explicit(histogram: &HistogramValue) -> Self {
        let is_bare = histogram.counts.is_empty();
        Self {
            count: histogram.count,
            sum: histogram.sum.unwrap_or(0.0),
            bounds: histogram.bounds.clone(),
            counts: if is_bare {
                vec![histogram.count]
            } else {
                histogram.counts.clone()
            },
        }
    }

    /// Negative buckets from far to near, then those around zero, then the positive ones.
    fn of_exponential(histogram: &ExponentialValue) -> Self {
        let (mut bounds, mut counts) = (Vec::new(), Vec::new());
        if !histogram.negative.is_empty() {
            let side = unfolded(histogram.scale, histogram.negative_offset, &histogram.negative);
            counts.push(0);
            counts.extend(side.1.iter().rev());
            bounds.extend(side.0.iter().rev().map(|bound| -bound));
        }
        counts.push(histogram.zero_count);
        if !histogram.positive.is_empty() {
            let side = unfolded(histogram.scale, histogram.positive_offset, &histogram.positive);
            bounds.extend(side.0);
            counts.extend(side.1);
            counts.push(0);
        }
        Self {
            count: histogram.count,
            sum: histogram.sum.unwrap_or(0.0),
            bounds,
            counts,
        }
    }
}

/// Bounds and counts of one side, counted from zero. The outermost buckets may reach beyond what numbers there are, and
/// fine ones may be finer than numbers: bounds are put where they ascend, and what begins at the greatest number joins
/// the bucket before.
fn unfolded(scale: i32, offset: i32, sent: &[u64]) -> (Vec<f64>, Vec<u64>) {
    let mut last = bound(scale, offset.into()).min(f64::MAX.next_down());
    let (mut bounds, mut counts) = (vec![last], Vec::with_capacity(sent.len()));
    for (place, count) in sent.iter().enumerate() {
        if last == f64::MAX
            && let Some(before) = counts.last_mut()
        {
            *before += count;
            continue;
        }
        last = bound(scale, i64::from(offset) + place as i64 + 1).clamp(last.next_up(), f64::MAX);
        bounds.push(last);
        counts.push(*count);
    }
    (bounds, counts)
}

/// Lower bound of the bucket at a place.
fn bound(scale: i32, place: i64) -> f64 {
    if place == 0 {
        // Also of a scale that makes a bucket wider than all numbers.
        return 1.0;
    }
    (place as f64 * (-f64::from(scale)).exp2()).exp2()
}

/// True when some number can lie where there are measurements.
pub(crate) fn is_in_range(scale: i32, (offset, counts): (i32, &[u64])) -> bool {
    let (first, counts) = trimmed(offset, counts);
    counts.is_empty() || (bound(scale, first) < f64::INFINITY && bound(scale, first + counts.len() as i64) > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_unfold_on_both_sides_of_zero() {
        let buckets = Buckets::of(&PointValue::ExponentialHistogram(ExponentialValue {
            count: 18,
            zero_count: 1,
            positive_offset: 1,
            positive: vec![4, 6],
            negative: vec![7],
            ..ExponentialValue::default()
        }))
        .unwrap();
        assert_eq!(buckets.bounds, [-2.0, -1.0, 2.0, 4.0, 8.0]);
        assert_eq!(buckets.counts, [0, 7, 1, 4, 6, 0]);
    }

    #[test]
    fn a_histogram_without_buckets_is_one_bucket() {
        let bare = HistogramValue {
            count: 3,
            sum: Some(1.5),
            ..HistogramValue::default()
        };
        let buckets = Buckets::of(&PointValue::Histogram(bare)).unwrap();
        assert_eq!((buckets.bounds.len(), buckets.counts), (0, vec![3]));
        assert_eq!(Buckets::of(&PointValue::Int(3)), None);
    }

    fn unfold(scale: i32, offset: i32, counts: &[u64]) -> Buckets {
        assert!(is_in_range(scale, (offset, counts)), "{scale} {offset}");
        Buckets::of(&PointValue::ExponentialHistogram(ExponentialValue {
            count: 2 * counts.iter().sum::<u64>(),
            scale,
            positive_offset: offset,
            positive: counts.into(),
            negative_offset: offset,
            negative: counts.into(),
            ..ExponentialValue::default()
        }))
        .unwrap()
    }

    #[test]
    fn the_outermost_buckets_end_where_numbers_end() {
        let positive = |buckets: Buckets| buckets.bounds[buckets.bounds.len() / 2..].to_vec();
        // (2^-1024, 1] and (1, 2^1024]: all there is at the least scale.
        let whole = positive(unfold(-10, -1, &[1, 2]));
        assert_eq!(whole, [(-1_024.0_f64).exp2(), 1.0, f64::MAX]);
        assert_eq!(positive(unfold(0, 1_023, &[1])), [(1_023.0_f64).exp2(), f64::MAX]);
        assert_eq!(positive(unfold(0, -1_075, &[1])), [0.0, f64::from_bits(1)]);
    }

    #[test]
    fn bounds_ascend_and_counts_are_kept_wherever_buckets_lie() {
        for (scale, offset) in [
            (0, 0),
            (20, 0),
            (60, 0),
            (0, -1_078),
            (0, 1_020),
            (-10, -3),
            (i32::MIN, -1),
            (i32::MAX, 5),
        ] {
            let buckets = unfold(scale, offset, &[1, 0, 2, 3, 0, 1]);
            assert!(buckets.bounds.iter().all(|bound| bound.is_finite()));
            let ascends = buckets
                .bounds
                .windows(2)
                .all(|pair| pair[0].total_cmp(&pair[1]).is_lt());
            assert!(ascends, "{scale} {offset}: {:?}", buckets.bounds);
            assert_eq!(buckets.counts.len(), buckets.bounds.len() + 1);
            assert_eq!(buckets.counts.iter().sum::<u64>(), 14, "{scale} {offset}");
        }
    }

    #[test]
    fn measurements_where_no_number_is_are_out_of_range() {
        let at = |scale, offset| is_in_range(scale, (offset, &[0, 1, 1, 0]));
        assert!(at(0, 1_022) && at(0, -1_077), "partly");
        assert!(!at(0, 1_023) && !at(0, -1_078) && !at(0, i32::MAX) && !at(-10, i32::MIN));
        assert!(is_in_range(0, (i32::MAX, &[0, 0])), "nothing measured");
    }
}
