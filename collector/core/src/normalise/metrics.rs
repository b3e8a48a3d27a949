//! Metric points.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};
use sagascope_api::Time;

use super::interner::Interner;
use super::{Normalised, histograms, time_or, values};
use crate::rows::{PointRow, PointValue, Resource};

/// `AggregationTemporality::Cumulative`.
const CUMULATIVE: i32 = 2;
/// The point only says that there is no value now.
const NO_RECORDED_VALUE: u32 = 1;

pub(super) fn normalise(request: ExportMetricsServiceRequest, received_at: Time) -> Normalised {
    let mut out = Normalised::new(received_at);
    let mut names = Interner::default();
    for group in request.resource_metrics {
        let resource = values::resource(group.resource, &mut names);
        for metric in group.scope_metrics.into_iter().flat_map(|scoped| scoped.metrics) {
            let mut series = Series {
                resource: &resource,
                metric: names.name(&metric.name),
                unit: names.name(&metric.unit),
                received_at,
                names: &mut names,
                out: &mut out,
            };
            series.read(metric);
        }
    }
    out
}

/// The points of one metric on their way into rows.
struct Series<'a> {
    resource: &'a Arc<Resource>,
    metric: Arc<str>,
    unit: Arc<str>,
    received_at: Time,
    names: &'a mut Interner,
    out: &'a mut Normalised,
}

impl Series<'_> {
    fn read(&mut self, metric: Metric) {
        match metric.data {
            None => {}
            Some(Data::Gauge(gauge)) => {
                for point in gauge.data_points {
                    self.number(point, PointValue::Gauge);
                }
            }
            Some(Data::Sum(sum)) => {
                let (monotonic, cumulative) = (sum.is_monotonic, sum.aggregation_temporality == CUMULATIVE);
                for point in sum.data_points {
                    self.number(point, |value| PointValue::Sum {
                        value,
                        monotonic,
                        cumulative,
                    });
                }
            }
            Some(Data::Histogram(histogram)) => {
                let cumulative = histogram.aggregation_temporality == CUMULATIVE;
                for point in histogram.data_points {
                    let times = (point.start_time_unix_nano, point.time_unix_nano, point.flags);
                    let value = histograms::explicit(&point, cumulative);
                    self.push(times, point.attributes, value);
                }
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                let cumulative = histogram.aggregation_temporality == CUMULATIVE;
                for point in histogram.data_points {
                    let times = (point.start_time_unix_nano, point.time_unix_nano, point.flags);
                    let value = histograms::exponential(&point, cumulative);
                    self.push(times, point.attributes, value);
                }
            }
            Some(Data::Summary(summary)) => {
                for point in summary.data_points {
                    let times = (point.start_time_unix_nano, point.time_unix_nano, point.flags);
                    let value = histograms::summary(&point);
                    self.push(times, point.attributes, value);
                }
            }
        }
    }

    fn number(&mut self, point: NumberDataPoint, value: impl FnOnce(f64) -> PointValue) {
        let number = match point.value {
            Some(number_data_point::Value::AsDouble(number)) => Ok(number),
            Some(number_data_point::Value::AsInt(number)) => Ok(number as f64),
            None => Err("a metric point without a value"),
        };
        let times = (point.start_time_unix_nano, point.time_unix_nano, point.flags);
        self.push(times, point.attributes, number.map(value));
    }

    fn push(
        &mut self,
        (start, at, flags): (u64, u64, u32),
        attributes: Vec<KeyValue>,
        value: Result<PointValue, &'static str>,
    ) {
        if flags & NO_RECORDED_VALUE != 0 {
            return;
        }
        match value {
            Ok(value) => self.out.batch.points.push(PointRow {
                resource: Arc::clone(self.resource),
                metric: Arc::clone(&self.metric),
                unit: Arc::clone(&self.unit),
                start: Time(start),
                at: time_or(at, self.received_at),
                attributes: values::attributes(attributes, self.names),
                value,
            }),
            Err(reason) => self.out.reject(reason),
        }
    }
}
