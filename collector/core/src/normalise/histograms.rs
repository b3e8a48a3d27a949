//! Histograms and summaries: taken as they are when they make sense.

use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint, SummaryDataPoint};

use super::fit::{Fitted, fitted};
use crate::buckets::is_in_range;
use crate::rows::{ExponentialValue, HistogramValue, PointValue, SummaryValue};

/// Buckets kept of one point; OpenTelemetry's own default is 160 on each side. Those of exponential histograms are made
/// to fit.
pub(crate) const BUCKETS_MAX: usize = 1_024;
/// Buckets of an exponential histogram as it is sent.
pub(crate) const BUCKETS_SENT_MAX: usize = 64 * 1_024;
/// Quantiles of one summary.
const QUANTILES_MAX: usize = 128;

pub(super) fn explicit(point: &mut HistogramDataPoint) -> Result<PointValue, &'static str> {
    let bounds = std::mem::take(&mut point.explicit_bounds);
    let counts = std::mem::take(&mut point.bucket_counts);
    judge_explicit(point.count, point.sum, &bounds, &counts, (bounds.len(), counts.len()))?;
    Ok(PointValue::Histogram(HistogramValue {
        count: point.count,
        sum: point.sum,
        min: point.min,
        max: point.max,
        bounds,
        counts,
    }))
}

pub(super) fn exponential(point: &mut ExponentialHistogramDataPoint) -> Result<PointValue, &'static str> {
    let negative = std::mem::take(&mut point.negative).unwrap_or_default();
    let positive = std::mem::take(&mut point.positive).unwrap_or_default();
    judge_exponential(
        (point.count, point.sum, point.zero_count, point.scale),
        (negative.offset, &negative.bucket_counts),
        (positive.offset, &positive.bucket_counts),
        negative.bucket_counts.len() + positive.bucket_counts.len(),
    )?;
    let Fitted {
        scale,
        negative: (negative_offset, negative),
        positive: (positive_offset, positive),
    } = fitted(
        point.scale,
        (negative.offset, &negative.bucket_counts),
        (positive.offset, &positive.bucket_counts),
    );
    Ok(PointValue::ExponentialHistogram(ExponentialValue {
        count: point.count,
        sum: point.sum,
        min: point.min,
        max: point.max,
        scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive_offset,
        positive: positive.into_owned(),
        negative_offset,
        negative: negative.into_owned(),
    }))
}

pub(super) fn summary(point: &SummaryDataPoint) -> Result<PointValue, &'static str> {
    judge_summary(point.sum, point.quantile_values.len())?;
    Ok(PointValue::Summary(SummaryValue {
        count: point.count,
        sum: point.sum,
        quantiles: point
            .quantile_values
            .iter()
            .map(|quantile| (quantile.quantile, quantile.value))
            .collect(),
    }))
}

/// Judges a histogram; `lengths` are those of bounds and counts, of which only the beginning may be at hand.
pub(crate) fn judge_explicit(
    count: u64,
    sum: Option<f64>,
    bounds: &[f64],
    counts: &[u64],
    lengths: (usize, usize),
) -> Result<(), &'static str> {
    if lengths.0 > BUCKETS_MAX {
        return Err("a histogram with too many buckets");
    }
    if lengths != (0, 0) && lengths.1 != lengths.0 + 1 {
        return Err("a histogram whose bucket_counts are not one more than its bounds");
    }
    let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || !bounds.iter().all(|bound| bound.is_finite()) {
        return Err("a histogram whose bounds are not finite and ascending");
    }
    if !counts.is_empty() {
        adds_up(count, &[counts], 0)?;
    }
    is_number(sum)
}

/// Judges an exponential histogram: count, sum, zero count and scale; offset and counts of each side, of which only the
/// beginning may be at hand; and how many buckets there are.
pub(crate) fn judge_exponential(
    (count, sum, zero_count, scale): (u64, Option<f64>, u64, i32),
    negative: (i32, &[u64]),
    positive: (i32, &[u64]),
    buckets: usize,
) -> Result<(), &'static str> {
    if buckets > BUCKETS_SENT_MAX {
        return Err("a histogram with too many buckets");
    }
    adds_up(count, &[negative.1, positive.1], zero_count)?;
    is_number(sum)?;
    if is_in_range(scale, positive) && is_in_range(scale, negative) {
        Ok(())
    } else {
        Err("a histogram with measurements where no number is")
    }
}

/// Judges a summary.
pub(crate) fn judge_summary(sum: f64, quantiles: usize) -> Result<(), &'static str> {
    if quantiles > QUANTILES_MAX {
        return Err("a summary with too many quantiles");
    }
    is_number(Some(sum))
}

fn adds_up(count: u64, sides: &[&[u64]], zero: u64) -> Result<(), &'static str> {
    let mut counts = sides.iter().copied().flatten();
    let total = counts.try_fold(zero, |sum, n| sum.checked_add(*n));
    if total == Some(count) {
        Ok(())
    } else {
        Err("a histogram whose count is not the sum of its buckets")
    }
}

/// Sums of measurements may well be infinite.
fn is_number(sum: Option<f64>) -> Result<(), &'static str> {
    if sum.is_some_and(f64::is_nan) {
        Err("a histogram whose sum is not a number")
    } else {
        Ok(())
    }
}
