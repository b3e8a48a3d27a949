//! Metrics as OTLP/JSON.

use opentelemetry_proto::tonic::metrics::v1 as proto;
use serde::Deserialize;

use super::values::{Double, Enum, Hex, Int, KeyValue, List, One, Resource, Scope, all, one};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) resource_metrics: List<ResourceMetrics>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceMetrics {
    resource: One<Resource>,
    scope_metrics: List<ScopeMetrics>,
    schema_url: Option<String>,
}

impl From<ResourceMetrics> for proto::ResourceMetrics {
    fn from(from: ResourceMetrics) -> Self {
        Self {
            resource: one(from.resource),
            scope_metrics: all(from.scope_metrics),
            schema_url: from.schema_url.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScopeMetrics {
    scope: One<Scope>,
    metrics: List<Metric>,
    schema_url: Option<String>,
}

impl From<ScopeMetrics> for proto::ScopeMetrics {
    fn from(from: ScopeMetrics) -> Self {
        Self {
            scope: one(from.scope),
            metrics: all(from.metrics),
            schema_url: from.schema_url.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metric {
    name: Option<String>,
    description: Option<String>,
    unit: Option<String>,
    metadata: List<KeyValue>,
    gauge: One<Gauge>,
    sum: One<Sum>,
    histogram: One<Histogram>,
    exponential_histogram: One<ExponentialHistogram>,
    summary: One<Summary>,
}

impl From<Metric> for proto::Metric {
    fn from(from: Metric) -> Self {
        Self {
            name: from.name.unwrap_or_default(),
            description: from.description.unwrap_or_default(),
            unit: from.unit.unwrap_or_default(),
            metadata: all(from.metadata),
            data: from
                .gauge
                .map(|data| proto::metric::Data::Gauge(data.0.into()))
                .or_else(|| from.sum.map(|data| proto::metric::Data::Sum(data.0.into())))
                .or_else(|| from.histogram.map(|data| proto::metric::Data::Histogram(data.0.into())))
                .or_else(|| {
                    from.exponential_histogram
                        .map(|data| proto::metric::Data::ExponentialHistogram(data.0.into()))
                })
                .or_else(|| from.summary.map(|data| proto::metric::Data::Summary(data.0.into()))),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Gauge {
    data_points: List<NumberPoint>,
}

impl From<Gauge> for proto::Gauge {
    fn from(from: Gauge) -> Self {
        Self {
            data_points: all(from.data_points),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Sum {
    data_points: List<NumberPoint>,
    aggregation_temporality: Option<Enum>,
    is_monotonic: Option<bool>,
}

impl From<Sum> for proto::Sum {
    fn from(from: Sum) -> Self {
        Self {
            data_points: all(from.data_points),
            aggregation_temporality: from.aggregation_temporality.unwrap_or_default().0,
            is_monotonic: from.is_monotonic.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Histogram {
    data_points: List<HistogramPoint>,
    aggregation_temporality: Option<Enum>,
}

impl From<Histogram> for proto::Histogram {
    fn from(from: Histogram) -> Self {
        Self {
            data_points: all(from.data_points),
            aggregation_temporality: from.aggregation_temporality.unwrap_or_default().0,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExponentialHistogram {
    data_points: List<ExponentialPoint>,
    aggregation_temporality: Option<Enum>,
}

impl From<ExponentialHistogram> for proto::ExponentialHistogram {
    fn from(from: ExponentialHistogram) -> Self {
        Self {
            data_points: all(from.data_points),
            aggregation_temporality: from.aggregation_temporality.unwrap_or_default().0,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Summary {
    data_points: List<SummaryPoint>,
}

impl From<Summary> for proto::Summary {
    fn from(from: Summary) -> Self {
        Self {
            data_points: all(from.data_points),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NumberPoint {
    attributes: List<KeyValue>,
    start_time_unix_nano: Option<Int<u64>>,
    time_unix_nano: Option<Int<u64>>,
    exemplars: List<Exemplar>,
    flags: Option<Int<u32>>,
    as_double: Option<Double>,
    as_int: Option<Int<i64>>,
}

impl From<NumberPoint> for proto::NumberDataPoint {
    fn from(from: NumberPoint) -> Self {
        Self {
            attributes: all(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.unwrap_or_default().0,
            time_unix_nano: from.time_unix_nano.unwrap_or_default().0,
            exemplars: all(from.exemplars),
            flags: from.flags.unwrap_or_default().0,
            value: from
                .as_double
                .map(|number| proto::number_data_point::Value::AsDouble(number.0))
                .or_else(|| {
                    from.as_int
                        .map(|number| proto::number_data_point::Value::AsInt(number.0))
                }),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HistogramPoint {
    attributes: List<KeyValue>,
    start_time_unix_nano: Option<Int<u64>>,
    time_unix_nano: Option<Int<u64>>,
    count: Option<Int<u64>>,
    sum: Option<Double>,
    bucket_counts: Option<Vec<Int<u64>>>,
    explicit_bounds: Option<Vec<Double>>,
    exemplars: List<Exemplar>,
    flags: Option<Int<u32>>,
    min: Option<Double>,
    max: Option<Double>,
}

impl From<HistogramPoint> for proto::HistogramDataPoint {
    fn from(from: HistogramPoint) -> Self {
        Self {
            attributes: all(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.unwrap_or_default().0,
            time_unix_nano: from.time_unix_nano.unwrap_or_default().0,
            count: from.count.unwrap_or_default().0,
            sum: from.sum.map(|number| number.0),
            bucket_counts: from
                .bucket_counts
                .into_iter()
                .flatten()
                .map(|number| number.0)
                .collect(),
            explicit_bounds: from
                .explicit_bounds
                .into_iter()
                .flatten()
                .map(|number| number.0)
                .collect(),
            exemplars: all(from.exemplars),
            flags: from.flags.unwrap_or_default().0,
            min: from.min.map(|number| number.0),
            max: from.max.map(|number| number.0),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ExponentialPoint {
    attributes: List<KeyValue>,
    start_time_unix_nano: Option<Int<u64>>,
    time_unix_nano: Option<Int<u64>>,
    count: Option<Int<u64>>,
    sum: Option<Double>,
    scale: Option<Int<i32>>,
    zero_count: Option<Int<u64>>,
    positive: One<Buckets>,
    negative: One<Buckets>,
    flags: Option<Int<u32>>,
    exemplars: List<Exemplar>,
    min: Option<Double>,
    max: Option<Double>,
    zero_threshold: Option<Double>,
}

impl From<ExponentialPoint> for proto::ExponentialHistogramDataPoint {
    fn from(from: ExponentialPoint) -> Self {
        Self {
            attributes: all(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.unwrap_or_default().0,
            time_unix_nano: from.time_unix_nano.unwrap_or_default().0,
            count: from.count.unwrap_or_default().0,
            sum: from.sum.map(|number| number.0),
            scale: from.scale.unwrap_or_default().0,
            zero_count: from.zero_count.unwrap_or_default().0,
            positive: one(from.positive),
            negative: one(from.negative),
            flags: from.flags.unwrap_or_default().0,
            exemplars: all(from.exemplars),
            min: from.min.map(|number| number.0),
            max: from.max.map(|number| number.0),
            zero_threshold: from.zero_threshold.unwrap_or_default().0,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Buckets {
    offset: Option<Int<i32>>,
    bucket_counts: Option<Vec<Int<u64>>>,
}

impl From<Buckets> for proto::exponential_histogram_data_point::Buckets {
    fn from(from: Buckets) -> Self {
        Self {
            offset: from.offset.unwrap_or_default().0,
            bucket_counts: from
                .bucket_counts
                .into_iter()
                .flatten()
                .map(|number| number.0)
                .collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SummaryPoint {
    attributes: List<KeyValue>,
    start_time_unix_nano: Option<Int<u64>>,
    time_unix_nano: Option<Int<u64>>,
    count: Option<Int<u64>>,
    sum: Option<Double>,
    quantile_values: List<Quantile>,
    flags: Option<Int<u32>>,
}

impl From<SummaryPoint> for proto::SummaryDataPoint {
    fn from(from: SummaryPoint) -> Self {
        Self {
            attributes: all(from.attributes),
            start_time_unix_nano: from.start_time_unix_nano.unwrap_or_default().0,
            time_unix_nano: from.time_unix_nano.unwrap_or_default().0,
            count: from.count.unwrap_or_default().0,
            sum: from.sum.unwrap_or_default().0,
            quantile_values: all(from.quantile_values),
            flags: from.flags.unwrap_or_default().0,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Quantile {
    quantile: Option<Double>,
    value: Option<Double>,
}

impl From<Quantile> for proto::summary_data_point::ValueAtQuantile {
    fn from(from: Quantile) -> Self {
        Self {
            quantile: from.quantile.unwrap_or_default().0,
            value: from.value.unwrap_or_default().0,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Exemplar {
    filtered_attributes: List<KeyValue>,
    time_unix_nano: Option<Int<u64>>,
    span_id: Option<Hex>,
    trace_id: Option<Hex>,
    as_double: Option<Double>,
    as_int: Option<Int<i64>>,
}

impl From<Exemplar> for proto::Exemplar {
    fn from(from: Exemplar) -> Self {
        Self {
            filtered_attributes: all(from.filtered_attributes),
            time_unix_nano: from.time_unix_nano.unwrap_or_default().0,
            span_id: from.span_id.unwrap_or_default().0,
            trace_id: from.trace_id.unwrap_or_default().0,
            value: from
                .as_double
                .map(|number| proto::exemplar::Value::AsDouble(number.0))
                .or_else(|| from.as_int.map(|number| proto::exemplar::Value::AsInt(number.0))),
        }
    }
}
