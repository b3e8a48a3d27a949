//! Histograms and summaries: taken as they are when they make sense.

use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint, SummaryDataPoint};

use crate::rows::{ExponentialValue, HistogramValue, PointValue, SummaryValue};

/// Buckets of one point; OpenTelemetry's own default is 160 on each side.
const BUCKETS_MAX: usize = 1_024;
/// Quantiles of one summary.
const QUANTILES_MAX: usize = 128;

pub(super) fn explicit(point: &mut HistogramDataPoint) -> Result<PointValue, &'static str> {
    let bounds = std::mem::take(&mut point.explicit_bounds);
    let counts = std::mem::take(&mut point.bucket_counts);
    if bounds.len() > BUCKETS_MAX {
        return Err("a histogram with too many buckets");
    }
    if !(counts.is_empty() && bounds.is_empty()) && counts.len() != bounds.len() + 1 {
        return Err("a histogram whose bucket_counts are not one more than its bounds");
    }
    let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || !bounds.iter().all(|bound| bound.is_finite()) {
        return Err("a histogram whose bounds are not finite and ascending");
    }
    if !counts.is_empty() {
        adds_up(point.count, &[&counts], 0)?;
    }
    is_number(point.sum)?;
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
    if negative.bucket_counts.len() + positive.bucket_counts.len() > BUCKETS_MAX {
        return Err("a histogram with too many buckets");
    }
    adds_up(
        point.count,
        &[&negative.bucket_counts, &positive.bucket_counts],
        point.zero_count,
    )?;
    is_number(point.sum)?;
    let value = ExponentialValue {
        count: point.count,
        sum: point.sum,
        min: point.min,
        max: point.max,
        scale: point.scale,
        zero_count: point.zero_count,
        zero_threshold: point.zero_threshold,
        positive_offset: positive.offset,
        positive: positive.bucket_counts,
        negative_offset: negative.offset,
        negative: negative.bucket_counts,
    };
    if !value.is_in_range() {
        return Err("a histogram whose bounds are not finite and ascending");
    }
    Ok(PointValue::ExponentialHistogram(value))
}

pub(super) fn summary(point: &SummaryDataPoint) -> Result<PointValue, &'static str> {
    if point.quantile_values.len() > QUANTILES_MAX {
        return Err("a summary with too many quantiles");
    }
    is_number(Some(point.sum))?;
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

fn adds_up(count: u64, sides: &[&[u64]], zero: u64) -> Result<(), &'static str> {
    let mut counts = sides.iter().copied().flatten();
    let total = counts.try_fold(zero, |sum, n| sum.checked_add(*n));
    if total == Some(count) {
        Ok(())
    } else {
        Err("a histogram whose count is not the sum of its buckets")
    }
}

fn is_number(sum: Option<f64>) -> Result<(), &'static str> {
    if sum.is_none_or(f64::is_finite) {
        Ok(())
    } else {
        Err("a histogram whose sum is not a number")
    }
}
