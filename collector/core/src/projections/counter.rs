//! Readings of metric points, and how much a counter rose between two of them.

use sagascope_api::Time;
use serde::{Deserialize, Serialize};

use crate::block::PointRef;
use crate::rows::{MetricKind, Temporality};

/// A counter first heard of is trusted from its start only when that is not longer ago than this, seconds.
const YOUNG_SECONDS: f64 = 60.0;

/// The number of a gauge or sum, when it is one.
pub(super) fn reading(point: PointRef<'_>) -> Option<f64> {
    point.number().filter(|value| value.is_finite())
}

/// A reading that counts something: never below zero.
pub(super) fn count(point: PointRef<'_>) -> Option<u64> {
    reading(point).map(|value| value.max(0.0) as u64)
}

/// The last reading of one counter.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counter {
    last: Option<(Time, Time, f64)>,
}

impl Counter {
    /// How much it rose since the last reading. A repeated or older reading adds nothing; a counter that was reset
    /// (it fell, or says that it started anew) starts from zero.
    pub(super) fn rise(&mut self, point: PointRef<'_>) -> u64 {
        let (MetricKind::Sum { temporality, .. }, Some(value)) = (point.kind(), reading(point)) else {
            return 0;
        };
        let cumulative = temporality == Temporality::Cumulative;
        if self.last.is_some_and(|(_, at, _)| point.at() <= at) {
            return 0;
        }
        let last = self.last.replace((point.start(), point.at(), value));
        let rise = match last {
            _ if !cumulative => value,
            Some((start, _, before)) if start == point.start() && value >= before => value - before,
            Some(_) => value,
            None if point.start() > Time(0) && point.at().seconds_since(point.start()) <= YOUNG_SECONDS => value,
            None => 0.0,
        };
        rise.max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::PointRow;
    use crate::testing::{at, counter, delta, gauge, point_block};

    fn rises(points: &[PointRow]) -> Vec<u64> {
        let block = point_block(points);
        let mut counter = Counter::default();
        block.rows().map(|point| counter.rise(point)).collect()
    }

    #[test]
    fn a_counter_rises_by_what_it_rose() {
        let read = |seconds, value| counter("orders", seconds, "m", value, &[]);
        assert_eq!(rises(&[read(1.0, 5.0), read(2.0, 7.0), read(3.0, 7.0)]), [5, 2, 0]);
        assert_eq!(
            rises(&[read(1.0, 5.0), read(1.0, 5.0), read(0.5, 2.0)]),
            [5, 0, 0],
            "repeated and late"
        );
        assert_eq!(rises(&[read(1.0, 5.0), read(2.0, 3.0)]), [5, 3], "fell: it was reset");
        assert_eq!(
            rises(&[read(500.0, 900.0), read(501.0, 901.0)]),
            [0, 1],
            "its past is not this minute's"
        );
    }

    #[test]
    fn a_new_start_is_a_reset_even_when_the_sum_is_higher() {
        let mut after = counter("orders", 9.0, "m", 8.0, &[]);
        after.start = at(8.0);
        assert_eq!(rises(&[counter("orders", 1.0, "m", 5.0, &[]), after]), [5, 8]);
    }

    #[test]
    fn a_delta_is_its_own_rise_and_a_gauge_none() {
        let delta = delta("orders", 500.0, "m", 3.0, &[]);
        assert_eq!(rises(&[delta]), [3]);
        assert_eq!(rises(&[gauge("orders", 1.0, "m", 3.0, &[])]), [0]);
        assert_eq!(rises(&[counter("orders", 1.0, "m", f64::NAN, &[])]), [0]);
        assert_eq!(rises(&[counter("orders", 1.0, "m", -4.0, &[])]), [0]);
    }
}
