//! What was added between one reading of a series and the next, however its sender counts.

use sagascope_api::Time;

use crate::rows::{ExponentialValue, HistogramValue, PointValue, SummaryValue, Temporality};

/// A reading of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Start of the counting; 0 when that was not said.
    pub start: Time,
    /// When it was read.
    pub at: Time,
    /// What it says.
    pub value: PointValue,
}

/// Something that was added during a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Added {
    /// After that.
    pub from: Time,
    /// And not later than that.
    pub to: Time,
    /// How much.
    pub value: PointValue,
}

/// How a series grew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Growth {
    /// In order of time.
    pub added: Vec<Added>,
    /// Times the counting began anew.
    pub resets: u64,
    /// Readings that cannot be compared with the one before, as their buckets are others: what they added is unknown.
    pub unlike: u64,
}

/// How a series grew over its readings, which are in order of time.
///
/// - Deltas are what was added, each since its own start.
/// - What counts on adds the difference to the reading before. A start that is not earlier than the reading before, or
///   a smaller count, tells that the counting began anew: all of the new reading was added.
/// - The first reading adds all it has when its counting began at `known_since` or later; of an older one it is unknown
///   what was added before. So it is when the start is said to be the time of the reading itself.
/// - What `may_fall` is no counter: less than before is a negative growth.
#[must_use]
pub fn growth(readings: Vec<Reading>, temporality: Temporality, may_fall: bool, known_since: Time) -> Growth {
    let mut growth = Growth::default();
    let mut before: Option<Reading> = None;
    for reading in readings {
        if reading.value == PointValue::Missing {
            continue;
        }
        if temporality == Temporality::Delta {
            let from = if reading.tells_its_start() {
                reading.start
            } else {
                reading.at
            };
            growth.add(from, reading.at, reading.value);
            continue;
        }
        growth.count_on(before.as_ref(), &reading, may_fall, known_since);
        before = Some(reading);
    }
    growth
}

impl Reading {
    fn tells_its_start(&self) -> bool {
        self.start.0 > 0 && self.start < self.at
    }
}

impl Growth {
    fn add(&mut self, from: Time, to: Time, value: PointValue) {
        self.added.push(Added { from, to, value });
    }

    fn count_on(&mut self, before: Option<&Reading>, reading: &Reading, may_fall: bool, known_since: Time) {
        let Some(before) = before else {
            if reading.tells_its_start() && reading.start >= known_since {
                self.add(reading.start, reading.at, reading.value.clone());
            }
            return;
        };
        if reading.start != before.start && reading.start >= before.at {
            self.resets += 1;
            if reading.tells_its_start() {
                self.add(reading.start, reading.at, reading.value.clone());
            }
            return;
        }
        match minus(&reading.value, &before.value, may_fall) {
            Difference::Grown(value) => self.add(before.at, reading.at, value),
            Difference::Fallen => {
                self.resets += 1;
                self.add(before.at, reading.at, reading.value.clone());
            }
            Difference::Unlike => self.unlike += 1,
        }
    }
}

enum Difference {
    Grown(PointValue),
    Fallen,
    Unlike,
}

fn minus(now: &PointValue, then: &PointValue, may_fall: bool) -> Difference {
    match (now, then) {
        (PointValue::Histogram(now), PointValue::Histogram(then)) => explicit(now, then),
        (PointValue::ExponentialHistogram(now), PointValue::ExponentialHistogram(then)) => exponential(now, then),
        (PointValue::Summary(now), PointValue::Summary(then)) => summary(now, then),
        _ => match (now.number(), then.number()) {
            (Some(now), Some(then)) if may_fall || now >= then => Difference::Grown(PointValue::Double(now - then)),
            (Some(_), Some(_)) => Difference::Fallen,
            _ => Difference::Unlike,
        },
    }
}

fn summary(now: &SummaryValue, then: &SummaryValue) -> Difference {
    let Some(count) = now.count.checked_sub(then.count) else {
        return Difference::Fallen;
    };
    Difference::Grown(PointValue::Summary(SummaryValue {
        count,
        sum: now.sum - then.sum,
        quantiles: now.quantiles.clone(),
    }))
}

/// Least and greatest are left out: they are of the whole time, not of what was added.
fn explicit(now: &HistogramValue, then: &HistogramValue) -> Difference {
    if now.count < then.count {
        return Difference::Fallen;
    }
    if now.bounds != then.bounds || now.counts.len() != then.counts.len() {
        return Difference::Unlike;
    }
    let counts = now.counts.iter().zip(&then.counts);
    let Some(counts) = counts.map(|(now, then)| now.checked_sub(*then)).collect() else {
        return Difference::Fallen;
    };
    Difference::Grown(PointValue::Histogram(HistogramValue {
        count: now.count - then.count,
        sum: now.sum.zip(then.sum).map(|(now, then)| now - then),
        min: None,
        max: None,
        bounds: now.bounds.clone(),
        counts,
    }))
}

fn exponential(now: &ExponentialValue, then: &ExponentialValue) -> Difference {
    if now.count < then.count || now.zero_count < then.zero_count {
        return Difference::Fallen;
    }
    // A sender widens its buckets to make room, and never narrows them without beginning anew.
    let shift = then.scale.checked_sub(now.scale).map(u32::try_from);
    let Some(Ok(shift)) = shift else {
        return Difference::Unlike;
    };
    let positive = side(
        (now.positive_offset, &now.positive),
        (then.positive_offset, &then.positive),
        shift,
    );
    let negative = side(
        (now.negative_offset, &now.negative),
        (then.negative_offset, &then.negative),
        shift,
    );
    let (Some(positive), Some(negative)) = (positive, negative) else {
        return Difference::Fallen;
    };
    Difference::Grown(PointValue::ExponentialHistogram(ExponentialValue {
        count: now.count - then.count,
        sum: now.sum.zip(then.sum).map(|(now, then)| now - then),
        min: None,
        max: None,
        zero_count: now.zero_count - then.zero_count,
        positive,
        negative,
        ..*now
    }))
}

/// Buckets less those of before, whose places are `2^shift` times as fine; `None` when a count fell.
fn side((offset, now): (i32, &[u64]), (then_offset, then): (i32, &[u64]), shift: u32) -> Option<Vec<u64>> {
    let mut counts = now.to_vec();
    for (n, count) in then.iter().enumerate().filter(|(_, count)| **count > 0) {
        let place = (i64::from(then_offset) + n as i64) >> shift.min(63);
        let place = usize::try_from(place - i64::from(offset)).ok()?;
        let left = counts.get_mut(place)?;
        *left = left.checked_sub(*count)?;
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(start: u64, at: u64, value: f64) -> Reading {
        Reading {
            start: Time(start),
            at: Time(at),
            value: PointValue::Double(value),
        }
    }

    fn numbers(growth: &Growth) -> Vec<(u64, u64, f64)> {
        let each = growth.added.iter();
        each.map(|added| (added.from.0, added.to.0, added.value.number().unwrap()))
            .collect()
    }

    fn counter(readings: impl Into<Vec<Reading>>) -> Growth {
        growth(readings.into(), Temporality::Cumulative, false, Time(0))
    }

    #[test]
    fn a17_a_counter_that_begins_anew_loses_nothing() {
        // By its value alone.
        let fallen = counter([reading(0, 10, 5.0), reading(0, 20, 8.0), reading(0, 30, 2.0)]);
        assert_eq!(numbers(&fallen), [(10, 20, 3.0), (20, 30, 2.0)]);
        assert_eq!(fallen.resets, 1);
        // By its start, although its value did not fall.
        let restarted = counter([reading(1, 10, 5.0), reading(12, 20, 6.0), reading(12, 30, 7.0)]);
        assert_eq!(numbers(&restarted), [(1, 10, 5.0), (12, 20, 6.0), (20, 30, 1.0)]);
        assert_eq!(restarted.resets, 1);
    }

    #[test]
    fn a17_a_start_that_wanders_is_no_new_beginning() {
        let wandering = counter([reading(1, 10, 5.0), reading(2, 20, 6.0)]);
        assert_eq!(numbers(&wandering), [(1, 10, 5.0), (10, 20, 1.0)]);
        assert_eq!(wandering.resets, 0);
    }

    #[test]
    fn what_was_counted_before_the_first_reading_is_added_only_when_it_began_in_sight() {
        let first = |since| growth(vec![reading(5, 10, 7.0)], Temporality::Cumulative, false, Time(since));
        assert_eq!(numbers(&first(4)), [(5, 10, 7.0)]);
        assert_eq!(numbers(&first(6)), []);
        assert_eq!(
            numbers(&counter([reading(10, 10, 7.0), reading(10, 20, 9.0)])),
            [(10, 20, 2.0)]
        );
    }

    #[test]
    fn deltas_add_themselves_and_what_may_fall_falls() {
        let deltas = vec![reading(0, 10, 5.0), reading(10, 20, 2.0)];
        let added = growth(deltas, Temporality::Delta, false, Time(0));
        assert_eq!((numbers(&added), added.resets), (vec![(10, 10, 5.0), (10, 20, 2.0)], 0));
        let level = vec![reading(0, 1, 5.0), reading(0, 2, 3.0)];
        let falling = growth(level, Temporality::Cumulative, true, Time(0));
        assert_eq!((numbers(&falling), falling.resets), (vec![(1, 2, -2.0)], 0));
    }

    #[test]
    fn no_value_is_no_reading() {
        let mut readings = [reading(0, 1, 5.0), reading(0, 2, 0.0), reading(0, 3, 6.0)];
        readings[1].value = PointValue::Missing;
        assert_eq!(numbers(&counter(readings)), [(1, 3, 1.0)]);
    }

    fn explicit_at(at: u64, bounds: &[f64], counts: &[u64]) -> Reading {
        Reading {
            start: Time(0),
            at: Time(at),
            value: PointValue::Histogram(HistogramValue {
                count: counts.iter().sum(),
                sum: Some(at as f64),
                bounds: bounds.into(),
                counts: counts.into(),
                ..HistogramValue::default()
            }),
        }
    }

    #[test]
    fn a17_histograms_grow_by_bucket_unless_their_bounds_change() {
        let grown = counter([explicit_at(1, &[1.0], &[2, 3]), explicit_at(2, &[1.0], &[2, 7])]);
        let PointValue::Histogram(value) = &grown.added[0].value else {
            panic!()
        };
        assert_eq!((value.count, value.sum, &*value.counts), (4, Some(1.0), &[0, 4][..]));
        let changed = counter([explicit_at(1, &[1.0], &[2, 3]), explicit_at(2, &[2.0], &[2, 7])]);
        assert_eq!((changed.added.len(), changed.unlike, changed.resets), (0, 1, 0));
        let anew = counter([explicit_at(1, &[1.0], &[2, 3]), explicit_at(2, &[1.0], &[1, 0])]);
        assert_eq!((anew.added.len(), anew.resets), (1, 1));
    }

    #[test]
    fn buckets_that_became_wider_are_still_compared() {
        let read = |at, scale, offset, counts: &[u64]| Reading {
            start: Time(0),
            at: Time(at),
            value: PointValue::ExponentialHistogram(ExponentialValue {
                count: counts.iter().sum(),
                scale,
                positive_offset: offset,
                positive: counts.into(),
                ..ExponentialValue::default()
            }),
        };
        // Places -1, 0, 1, 2, 3 at scale 1 are places -1, 0, 0, 1, 1 at scale 0.
        let grown = counter([read(1, 1, -1, &[1, 2, 3, 4, 5]), read(2, 0, -2, &[1, 1, 6, 10])]);
        let PointValue::ExponentialHistogram(added) = &grown.added[0].value else {
            panic!()
        };
        assert_eq!((added.count, added.scale, &*added.positive), (3, 0, &[1, 0, 1, 1][..]));
        assert_eq!(counter([read(1, 0, 0, &[1]), read(2, 1, 0, &[1])]).unlike, 1);
    }
}
