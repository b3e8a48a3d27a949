//! Metric points.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar as OtlpExemplar, Metric as OtlpMetric};
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, exemplar, number_data_point};
use sagascope_api::Time;

use super::interner::Interner;
use super::{Normalised, histograms, time_or, values};
use crate::rows::{
    Exemplar, Metric, MetricKind, Number, PointRow, PointValue, Resource, Scope, SpanId, Temporality, TraceId,
};

/// The point only says that there is no value now.
pub(crate) const NO_RECORDED_VALUE: u32 = 1;
/// Exemplars kept of one point.
pub(crate) const EXEMPLARS_MAX: usize = 1_024;

pub(super) fn normalise(request: ExportMetricsServiceRequest, received_at: Time) -> Normalised {
    let mut out = Normalised::new(received_at);
    let mut names = Interner::default();
    for group in request.resource_metrics {
        let resource = values::resource(group.resource, &group.schema_url, &mut names);
        for scoped in group.scope_metrics {
            let scope = values::scope(scoped.scope, &scoped.schema_url, &mut names);
            for metric in scoped.metrics {
                read(metric, &resource, &scope, received_at, &mut names, &mut out);
            }
        }
    }
    out.cut = names.cut;
    out
}

fn read(
    metric: OtlpMetric,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
    received_at: Time,
    names: &mut Interner,
    out: &mut Normalised,
) {
    let Some(data) = metric.data else { return };
    names.cut += u64::from(is_odd(&data));
    let shared = Arc::new(Metric {
        name: names.name(&metric.name),
        description: names.name(&metric.description),
        unit: names.name(&metric.unit),
        kind: kind(&data),
        metadata: values::attributes(metric.metadata, names),
    });
    let mut series = Series {
        resource,
        scope,
        metric: shared,
        received_at,
        names,
        out,
    };
    series.read(data);
}

const fn kind(data: &Data) -> MetricKind {
    match data {
        Data::Gauge(_) => MetricKind::Gauge,
        Data::Sum(sum) => MetricKind::Sum {
            monotonic: sum.is_monotonic,
            temporality: temporality_of(sum.aggregation_temporality),
        },
        Data::Histogram(histogram) => MetricKind::Histogram(temporality_of(histogram.aggregation_temporality)),
        Data::ExponentialHistogram(histogram) => {
            MetricKind::ExponentialHistogram(temporality_of(histogram.aggregation_temporality))
        }
        Data::Summary(_) => MetricKind::Summary,
    }
}

/// Whether its temporality is none that OTLP knows; it reads as unspecified.
const fn is_odd(data: &Data) -> bool {
    let number = match data {
        Data::Sum(sum) => sum.aggregation_temporality,
        Data::Histogram(histogram) => histogram.aggregation_temporality,
        Data::ExponentialHistogram(histogram) => histogram.aggregation_temporality,
        Data::Gauge(_) | Data::Summary(_) => 0,
    };
    number != 0 && matches!(temporality_of(number), Temporality::Unspecified)
}

pub(crate) const fn temporality_of(number: i32) -> Temporality {
    match number {
        1 => Temporality::Delta,
        2 => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    }
}

/// The points of one metric on their way into rows.
struct Series<'a> {
    resource: &'a Arc<Resource>,
    scope: &'a Arc<Scope>,
    metric: Arc<Metric>,
    received_at: Time,
    names: &'a mut Interner,
    out: &'a mut Normalised,
}

/// What points of every kind have.
struct Common {
    start: u64,
    at: u64,
    flags: u32,
    attributes: Vec<KeyValue>,
    exemplars: Vec<OtlpExemplar>,
}

macro_rules! common {
    ($point:ident, $exemplars:expr) => {
        Common {
            start: $point.start_time_unix_nano,
            at: $point.time_unix_nano,
            flags: $point.flags,
            attributes: $point.attributes,
            exemplars: $exemplars,
        }
    };
}

impl Series<'_> {
    fn read(&mut self, data: Data) {
        match data {
            Data::Gauge(gauge) => self.numbers(gauge.data_points),
            Data::Sum(sum) => self.numbers(sum.data_points),
            Data::Histogram(histogram) => {
                for mut point in histogram.data_points {
                    let value = histograms::explicit(&mut point);
                    self.push(common!(point, point.exemplars), value);
                }
            }
            Data::ExponentialHistogram(histogram) => {
                for mut point in histogram.data_points {
                    let value = histograms::exponential(&mut point);
                    self.push(common!(point, point.exemplars), value);
                }
            }
            Data::Summary(summary) => {
                for point in summary.data_points {
                    let value = histograms::summary(&point);
                    self.push(common!(point, Vec::new()), value);
                }
            }
        }
    }

    fn numbers(&mut self, points: Vec<NumberDataPoint>) {
        for point in points {
            let value = match point.value {
                Some(number_data_point::Value::AsDouble(number)) => Ok(PointValue::Double(number)),
                Some(number_data_point::Value::AsInt(number)) => Ok(PointValue::Int(number)),
                None => Err("a metric point without a value"),
            };
            self.push(common!(point, point.exemplars), value);
        }
    }

    fn push(&mut self, common: Common, value: Result<PointValue, &'static str>) {
        let value = if common.flags & NO_RECORDED_VALUE == 0 {
            value
        } else {
            Ok(PointValue::Missing)
        };
        match value {
            Ok(value) => self.out.batch.points.push(PointRow {
                resource: Arc::clone(self.resource),
                scope: Arc::clone(self.scope),
                metric: Arc::clone(&self.metric),
                start: Time(common.start),
                at: time_or(common.at, self.received_at),
                flags: common.flags,
                attributes: values::attributes(common.attributes, self.names),
                value,
                exemplars: examples(common.exemplars, self.names),
            }),
            Err(reason) => self.out.reject(reason),
        }
    }
}

fn examples(sent: Vec<OtlpExemplar>, names: &mut Interner) -> Vec<Exemplar> {
    let number = sent.len();
    let first = sent.into_iter().take(EXEMPLARS_MAX);
    let kept: Vec<_> = first.filter_map(|exemplar| example(exemplar, names)).collect();
    names.cut += (number - kept.len()) as u64;
    kept
}

/// An exemplar without a value is left out; the point itself is good.
fn example(exemplar: OtlpExemplar, names: &mut Interner) -> Option<Exemplar> {
    Some(Exemplar {
        at: Time(exemplar.time_unix_nano),
        value: match exemplar.value? {
            exemplar::Value::AsInt(number) => Number::Int(number),
            exemplar::Value::AsDouble(number) => Number::Double(number),
        },
        trace_id: TraceId::from_slice(&exemplar.trace_id),
        span_id: SpanId::from_slice(&exemplar.span_id),
        attributes: values::attributes(exemplar.filtered_attributes, names),
    })
}
