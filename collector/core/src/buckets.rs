//! Histograms of every kind as one: explicit bounds, ascending, and a count per bucket.

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
            counts.push(0);
            for (place, count) in histogram.negative.iter().enumerate().rev() {
                bounds.push(-bound(histogram.scale, histogram.negative_offset, place + 1));
                counts.push(*count);
            }
            bounds.push(-bound(histogram.scale, histogram.negative_offset, 0));
        }
        counts.push(histogram.zero_count);
        if !histogram.positive.is_empty() {
            bounds.push(bound(histogram.scale, histogram.positive_offset, 0));
            for (place, count) in histogram.positive.iter().enumerate() {
                counts.push(*count);
                bounds.push(bound(histogram.scale, histogram.positive_offset, place + 1));
            }
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

/// Lower bound of the bucket at `place` behind `offset`.
fn bound(scale: i32, offset: i32, place: usize) -> f64 {
    let exponent = (f64::from(offset) + place as f64) * (-f64::from(scale)).exp2();
    exponent.exp2()
}

/// True when every bound of so many buckets is a finite number and can be told from the next.
pub(crate) fn is_in_range(scale: i32, offset: i32, buckets: usize) -> bool {
    if buckets == 0 {
        return true;
    }
    let mut bounds = (0..=buckets).map(|place| bound(scale, offset, place));
    let first = bounds.next().unwrap_or(0.0);
    let ascend = bounds.try_fold(first, |before, next| (before < next).then_some(next));
    first > 0.0 && ascend.is_some_and(f64::is_finite)
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

    #[test]
    fn bounds_that_cannot_be_told_apart_are_out_of_range() {
        let at = |scale, offset| is_in_range(scale, offset, 4);
        assert!(at(0, 0) && at(20, 0));
        assert!(!at(0, i32::MAX) && !at(0, i32::MIN) && !at(60, 0));
    }
}
