//! Exponential histograms with very many buckets, made to fit: empty buckets at the edges go, then neighbours are joined.

use std::borrow::Cow;

use super::histograms::BUCKETS_MAX;

/// The buckets of one side: the place of the first, and the counts.
pub(crate) type Side<'a> = (i32, Cow<'a, [u64]>);

/// The buckets of an exponential histogram as they are kept.
#[derive(Debug, PartialEq)]
pub(crate) struct Fitted<'a> {
    pub(crate) scale: i32,
    pub(crate) negative: Side<'a>,
    pub(crate) positive: Side<'a>,
}

/// Buckets as they came when they are few enough. Otherwise those without a measurement at the edges are left out, and
/// if that is not enough, neighbours are joined two by two: a scale less each time, which loses no measurement.
pub(crate) fn fitted<'a>(
    scale: i32,
    (negative_offset, negative): (i32, &'a [u64]),
    (positive_offset, positive): (i32, &'a [u64]),
) -> Fitted<'a> {
    if negative.len() + positive.len() <= BUCKETS_MAX {
        return Fitted {
            scale,
            negative: (negative_offset, negative.into()),
            positive: (positive_offset, positive.into()),
        };
    }
    let (negative, positive) = (trimmed(negative_offset, negative), trimmed(positive_offset, positive));
    let fits = |shift| span(&negative, shift) + span(&positive, shift) <= BUCKETS_MAX as i64;
    let shift = (0..31).find(|shift| fits(*shift)).unwrap_or(31);
    Fitted {
        scale: scale.saturating_sub_unsigned(shift),
        negative: joined(negative, shift),
        positive: joined(positive, shift),
    }
}

/// The buckets from the first to the last that has a measurement.
pub(crate) fn trimmed(offset: i32, counts: &[u64]) -> (i64, &[u64]) {
    let Some(first) = counts.iter().position(|count| *count > 0) else {
        return (offset.into(), &[]);
    };
    let end = counts
        .iter()
        .rposition(|count| *count > 0)
        .map_or(first, |last| last + 1);
    (i64::from(offset) + first as i64, &counts[first..end])
}

/// How many buckets remain when `2^shift` become one.
fn span((offset, counts): &(i64, &[u64]), shift: u32) -> i64 {
    match counts.len() as i64 {
        0 => 0,
        length => ((offset + length - 1) >> shift) - (offset >> shift) + 1,
    }
}

fn joined((offset, counts): (i64, &[u64]), shift: u32) -> Side<'_> {
    // Places beyond 32 bits lie outside of what a number can be; such histograms have been refused.
    let place = |place: i64| i32::try_from(place).unwrap_or(if place < 0 { i32::MIN } else { i32::MAX });
    if shift == 0 || counts.is_empty() {
        return (place(offset), counts.into());
    }
    let first = offset >> shift;
    let mut wide = vec![0_u64; span(&(offset, counts), shift) as usize];
    for (n, count) in counts.iter().enumerate() {
        // All counts together have been found to be a number.
        wide[(((offset + n as i64) >> shift) - first) as usize] += count;
    }
    (place(first), wide.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_buckets_stay_as_they_came() {
        let fitted = fitted(3, (5, &[0, 1, 0]), (-7, &[0; 1_021]));
        assert_eq!((fitted.scale, fitted.negative.0, fitted.positive.0), (3, 5, -7));
        assert_eq!(
            (&*fitted.negative.1, &*fitted.positive.1),
            (&[0, 1, 0][..], &[0; 1_021][..])
        );
    }

    #[test]
    fn empty_buckets_at_the_edges_go_first() {
        let mut counts = vec![0; 5_001];
        counts[5_000] = 1;
        let fitted = fitted(3, (0, &[0, 0, 4]), (-7, &counts));
        assert_eq!(fitted.scale, 3);
        assert_eq!((fitted.negative.0, &*fitted.negative.1), (2, &[4][..]));
        assert_eq!((fitted.positive.0, &*fitted.positive.1), (4_993, &[1][..]));
    }

    #[test]
    fn neighbours_are_joined_by_their_places() {
        // Places -3 to 1,021 at the scale of 5 are -2 to 510 at 4.
        let fitted = fitted(5, (0, &[]), (-3, &[1; 1_025]));
        assert_eq!((fitted.scale, fitted.positive.0), (4, -2));
        assert_eq!((fitted.positive.1[0], fitted.positive.1[1]), (1, 2));
        assert_eq!((fitted.positive.1.len(), fitted.positive.1.last()), (513, Some(&2)));
    }

    proptest! {
        #[test]
        fn no_measurement_is_lost_and_the_bound_holds(
            scale in -10..20_i32,
            offsets in (-40_000..40_000_i32, -40_000..40_000_i32),
            sparse in prop::collection::vec((0..20_000_usize, 1..9_u64), 0..6),
            lengths in (0..20_000_usize, 0..20_000_usize),
        ) {
            let side = |length: usize| {
                let mut counts = vec![0; length];
                sparse.iter().filter(|(at, _)| *at < length).for_each(|(at, count)| counts[*at] += count);
                counts
            };
            let (negative, positive) = (side(lengths.0), side(lengths.1));
            let fitted = fitted(scale, (offsets.0, &negative), (offsets.1, &positive));
            prop_assert!(fitted.negative.1.len() + fitted.positive.1.len() <= BUCKETS_MAX);
            let shift = scale - fitted.scale;
            for (offset, sent, (first, kept)) in
                [(offsets.0, &negative, &fitted.negative), (offsets.1, &positive, &fitted.positive)]
            {
                let mut left = kept.to_vec();
                for (n, count) in sent.iter().enumerate().filter(|(_, count)| **count > 0) {
                    left[(((offset + n as i32) >> shift) - first) as usize] -= count;
                }
                prop_assert_eq!(left.iter().sum::<u64>(), 0);
            }
        }
    }
}
