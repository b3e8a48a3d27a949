//! Histograms of every kind as one: explicit bounds, ascending.

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint, SummaryDataPoint};

use crate::rows::PointValue;

/// Buckets of one point; OpenTelemetry's own default is 160 on each side.
const BUCKETS_MAX: usize = 1_024;

pub(super) fn explicit(point: &HistogramDataPoint, cumulative: bool) -> Result<PointValue, &'static str> {
    let bounds = point.explicit_bounds.clone();
    let counts = if point.bucket_counts.is_empty() && bounds.is_empty() {
        vec![point.count]
    } else {
        point.bucket_counts.clone()
    };
    checked(point.count, point.sum.unwrap_or(0.0), bounds, counts, cumulative)
}

pub(super) fn summary(point: &SummaryDataPoint) -> Result<PointValue, &'static str> {
    checked(point.count, point.sum, Vec::new(), vec![point.count], true)
}

/// Negative buckets from far to near, then those around zero, then the positive ones.
pub(super) fn exponential(point: &ExponentialHistogramDataPoint, cumulative: bool) -> Result<PointValue, &'static str> {
    let empty = Buckets::default();
    let negative = point.negative.as_ref().unwrap_or(&empty);
    let positive = point.positive.as_ref().unwrap_or(&empty);
    if negative.bucket_counts.len() + positive.bucket_counts.len() > BUCKETS_MAX {
        return Err("a histogram with too many buckets");
    }
    let bound = |offset: i32, place: usize| {
        let exponent = (f64::from(offset) + place as f64) * (-f64::from(point.scale)).exp2();
        exponent.exp2()
    };
    let (mut bounds, mut counts) = (Vec::new(), Vec::new());
    if !negative.bucket_counts.is_empty() {
        counts.push(0);
        for (place, count) in negative.bucket_counts.iter().enumerate().rev() {
            bounds.push(-bound(negative.offset, place + 1));
            counts.push(*count);
        }
        bounds.push(-bound(negative.offset, 0));
    }
    counts.push(point.zero_count);
    if !positive.bucket_counts.is_empty() {
        bounds.push(bound(positive.offset, 0));
        for (place, count) in positive.bucket_counts.iter().enumerate() {
            counts.push(*count);
            bounds.push(bound(positive.offset, place + 1));
        }
        counts.push(0);
    }
    checked(point.count, point.sum.unwrap_or(0.0), bounds, counts, cumulative)
}

fn checked(
    count: u64,
    sum: f64,
    bounds: Vec<f64>,
    counts: Vec<u64>,
    cumulative: bool,
) -> Result<PointValue, &'static str> {
    if bounds.len() > BUCKETS_MAX + 2 {
        return Err("a histogram with too many buckets");
    }
    if counts.len() != bounds.len() + 1 {
        return Err("a histogram whose bucket_counts are not one more than its bounds");
    }
    let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || !bounds.iter().all(|bound| bound.is_finite()) {
        return Err("a histogram whose bounds are not finite and ascending");
    }
    let total = counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n));
    if total != Some(count) {
        return Err("a histogram whose count is not the sum of its buckets");
    }
    if !sum.is_finite() {
        return Err("a histogram whose sum is not a number");
    }
    Ok(PointValue::Histogram {
        count,
        sum,
        bounds,
        counts,
        cumulative,
    })
}
