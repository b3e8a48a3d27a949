//! Measurements of which is known between which bounds they lie: percentiles over histograms of any kinds together.

use std::collections::BTreeMap;

use crate::buckets::Buckets;

/// Measurements by the bounds between which they lie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    counts: BTreeMap<(Bound, Bound), u64>,
    total: u64,
    min: Option<f64>,
    max: Option<f64>,
}

/// A finite number that can be a key.
#[derive(Clone, Copy, Debug)]
struct Bound(f64);

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Spread {
    /// Adds a histogram; `min` and `max` are its least and greatest measurement, where those are known.
    ///
    /// What lies beyond the outermost bounds counts as lying at them, or between them and `min` or `max`; below the
    /// first of positive bounds measurements lie above zero.
    pub fn add(&mut self, buckets: &Buckets, min: Option<f64>, max: Option<f64>) {
        let (min, max) = (min.filter(|min| min.is_finite()), max.filter(|max| max.is_finite()));
        for (n, count) in buckets.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let below = n.checked_sub(1).and_then(|n| buckets.bounds.get(n)).copied();
            let above = buckets.bounds.get(n).copied();
            let (lower, upper) = match (below, above) {
                (Some(lower), Some(upper)) => (lower, upper),
                (None, Some(upper)) => {
                    let outermost = if upper > 0.0 { 0.0 } else { upper };
                    (min.unwrap_or(outermost).min(upper), upper)
                }
                (Some(lower), None) => (lower, max.unwrap_or(lower).max(lower)),
                (None, None) => {
                    let mean = buckets.sum / buckets.count.max(1) as f64;
                    (min.unwrap_or(mean), max.unwrap_or(mean))
                }
            };
            self.put(lower, upper, *count);
        }
        self.min = self.min.into_iter().chain(min).reduce(f64::min);
        self.max = self.max.into_iter().chain(max).reduce(f64::max);
    }

    /// Measurements.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The least measurement, as far as is known.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        self.min.or_else(|| self.counts.keys().next().map(|(lower, _)| lower.0))
    }

    /// The greatest measurement, as far as is known.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        let upper = self.counts.keys().map(|(_, upper)| upper.0).max_by(f64::total_cmp);
        self.max.or(upper)
    }

    /// What a share of the measurements does not exceed. Measurements lie evenly between their bounds.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = self.total as f64 * share.clamp(0.0, 1.0);
        let mut edges: Vec<f64> = self
            .counts
            .keys()
            .flat_map(|(lower, upper)| [lower.0, upper.0])
            .collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        // From one edge to the next the number of measurements grows evenly; at an edge it may jump.
        let (mut at, mut before) = (*edges.first()?, 0.0);
        for edge in edges {
            let reached = self.counted(edge, |lower| lower < edge);
            if wanted <= reached {
                let way = if reached > before {
                    (wanted - before) / (reached - before)
                } else {
                    1.0
                };
                return Some(self.within(at + (edge - at) * way));
            }
            (at, before) = (edge, self.counted(edge, |lower| lower <= edge));
            if wanted <= before {
                return Some(self.within(edge));
            }
        }
        self.max()
    }

    fn put(&mut self, lower: f64, upper: f64, count: u64) {
        if lower.is_finite() && upper.is_finite() {
            *self.counts.entry((Bound(lower), Bound(upper))).or_default() += count;
            self.total = self.total.saturating_add(count);
        }
    }

    fn within(&self, value: f64) -> f64 {
        let value = self.min.map_or(value, |min| value.max(min));
        self.max.map_or(value, |max| value.min(max))
    }

    /// Measurements up to `edge` of the buckets that have begun.
    fn counted(&self, edge: f64, has_begun: impl Fn(f64) -> bool) -> f64 {
        let begun = self.counts.iter().filter(|((lower, _), _)| has_begun(lower.0));
        let each = begun.map(|((lower, upper), count)| {
            if upper.0 <= edge {
                *count as f64
            } else {
                *count as f64 * (edge - lower.0) / (upper.0 - lower.0)
            }
        });
        each.sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::{ExponentialValue, HistogramValue, PointValue};

    fn buckets(bounds: &[f64], counts: &[u64]) -> Buckets {
        Buckets {
            count: counts.iter().sum(),
            sum: 0.0,
            bounds: bounds.into(),
            counts: counts.into(),
        }
    }

    fn spread(bounds: &[f64], counts: &[u64]) -> Spread {
        let mut spread = Spread::default();
        spread.add(&buckets(bounds, counts), None, None);
        spread
    }

    #[test]
    fn a_percentile_lies_where_its_share_of_the_bucket_is() {
        let spread = spread(&[10.0, 20.0], &[10, 10, 0]);
        for (share, expected) in [(0.0, 0.0), (0.25, 5.0), (0.5, 10.0), (0.75, 15.0), (1.0, 20.0)] {
            assert_eq!(spread.quantile(share), Some(expected), "{share}");
        }
    }

    #[test]
    fn what_is_beyond_the_last_bound_lies_at_it_unless_the_greatest_is_known() {
        assert_eq!(spread(&[10.0], &[0, 4]).quantile(0.99), Some(10.0));
        let mut known = Spread::default();
        known.add(&buckets(&[10.0], &[0, 4]), Some(12.0), Some(30.0));
        assert_eq!((known.quantile(1.0), known.quantile(0.5)), (Some(30.0), Some(20.0)));
        assert_eq!(known.quantile(0.0), Some(12.0));
    }

    #[test]
    fn d06_nothing_measured_and_all_equal_give_no_nonsense() {
        assert_eq!(Spread::default().quantile(0.5), None);
        assert_eq!(spread(&[1.0], &[0, 0]).quantile(0.5), None);
        let mut equal = Spread::default();
        let bare = Buckets {
            count: 4,
            sum: 20.0,
            bounds: vec![],
            counts: vec![4],
        };
        equal.add(&bare, None, None);
        assert_eq!(
            (equal.quantile(0.5), equal.min(), equal.max()),
            (Some(5.0), Some(5.0), Some(5.0))
        );
    }

    #[test]
    fn histograms_of_both_kinds_join() {
        let explicit = HistogramValue {
            count: 2,
            bounds: vec![2.0, 4.0],
            counts: vec![0, 2, 0],
            ..HistogramValue::default()
        };
        let exponential = ExponentialValue {
            count: 2,
            positive_offset: 2,
            positive: vec![2],
            ..ExponentialValue::default()
        };
        let mut both = Spread::default();
        for value in [
            PointValue::Histogram(explicit),
            PointValue::ExponentialHistogram(exponential),
        ] {
            both.add(&Buckets::of(&value).unwrap(), None, None);
        }
        let found = [0.0, 0.5, 1.0].map(|share| both.quantile(share).unwrap());
        assert_eq!((found, both.total()), ([2.0, 4.0, 8.0], 4));
    }

    proptest! {
        #[test]
        fn percentiles_rise_and_lie_in_the_bucket_of_the_true_one(
            mut values in prop::collection::vec(0_u32..1_000, 1..60),
            mut bounds in prop::collection::btree_set(1_u32..1_000, 1..12),
            mut shares in prop::collection::vec(0.0..=1.0_f64, 2..6),
        ) {
            bounds.insert(1_000);
            let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
            let bucket_of = |value: u32| bounds.partition_point(|bound| *bound < f64::from(value));
            let mut counts = vec![0; bounds.len() + 1];
            values.iter().for_each(|value| counts[bucket_of(*value)] += 1);
            let spread = spread(&bounds, &counts);
            values.sort_unstable();
            shares.sort_by(f64::total_cmp);
            let mut last = f64::NEG_INFINITY;
            for share in shares {
                let found = spread.quantile(share).unwrap();
                prop_assert!(found >= last);
                last = found;
                let rank = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len());
                let bucket = bucket_of(values[rank - 1]);
                let lower = if bucket == 0 { 0.0 } else { bounds[bucket - 1] };
                prop_assert!(found >= lower - 1e-6 && found <= bounds[bucket] + 1e-6, "{}: {}", share, found);
            }
        }
    }
}
