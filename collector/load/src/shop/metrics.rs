//! Requests of metric points, of every kind there is.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
};
use prost::Message;

use super::attributes::{Maker, resource, scope, text};
use super::journeys::SERVICES;
use crate::random::Random;
use crate::template::Template;

const CUMULATIVE: i32 = 2;
/// When the processes began: the same in every request, or each would be a new series.
const STARTED: u64 = 1_763_000_000_000_000_000;
const ROUTES: [&str; 5] = [
    "/orders",
    "/orders/{id}",
    "/payments",
    "/stock/{product}",
    "/shipments/{id}",
];
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A request of so many points.
pub(super) fn request(random: &mut Random, points: u32) -> Template {
    let mut maker = Maker::new(random);
    let resource_metrics = (0..SERVICES.len() as u32)
        .map(|service| {
            let share = (points + SERVICES.len() as u32 - 1 - service) / SERVICES.len() as u32;
            let metrics = (0..share).map(|n| metric(&mut maker, service, n)).collect();
            of(service as usize, metrics)
        })
        .collect();
    let request = ExportMetricsServiceRequest { resource_metrics };
    Template::new(request.encode_to_vec(), &maker.holes, points)
}

fn of(service: usize, metrics: Vec<Metric>) -> ResourceMetrics {
    ResourceMetrics {
        resource: Some(resource(service)),
        scope_metrics: vec![ScopeMetrics {
            scope: Some(scope()),
            metrics,
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    }
}

/// A metric of one point; each kind in turn, each with its own name and a route that varies.
fn metric(maker: &mut Maker<'_>, service: u32, n: u32) -> Metric {
    let route = ROUTES[(n / 5) as usize % ROUTES.len()];
    let attributes = vec![text("http.route", route), text("series", &(n / 25).to_string())];
    let (name, unit, data) = match n % 5 {
        0 => ("shop.orders.open", "{order}", gauge(maker, service, attributes)),
        1 => ("http.server.requests", "{request}", sum(maker, service, attributes)),
        2 => (
            "http.server.request.duration",
            "s",
            histogram(maker, service, attributes),
        ),
        3 => (
            "messaging.process.duration",
            "s",
            exponential(maker, service, attributes),
        ),
        _ => ("rpc.server.duration", "ms", summary(maker, service, attributes)),
    };
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(maker: &mut Maker<'_>, service: u32, attributes: Vec<KeyValue>, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: STARTED,
        time_unix_nano: maker.holes.time(service, 1_000_000),
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn gauge(maker: &mut Maker<'_>, service: u32, attributes: Vec<KeyValue>) -> Data {
    let value = maker.holes.amount(service, 40, 100_000);
    let data_points = vec![number(maker, service, attributes, value)];
    Data::Gauge(Gauge { data_points })
}

fn sum(maker: &mut Maker<'_>, service: u32, attributes: Vec<KeyValue>) -> Data {
    let value = maker.holes.counter(service);
    Data::Sum(Sum {
        data_points: vec![number(maker, service, attributes, value)],
        aggregation_temporality: CUMULATIVE,
        is_monotonic: true,
    })
}

fn histogram(maker: &mut Maker<'_>, service: u32, attributes: Vec<KeyValue>) -> Data {
    let bucket_counts: Vec<u64> = (0..=BOUNDS.len()).map(|_| maker.random.below(50)).collect();
    let point = HistogramDataPoint {
        attributes,
        start_time_unix_nano: STARTED,
        time_unix_nano: maker.holes.time(service, 1_000_000),
        count: bucket_counts.iter().sum(),
        sum: Some(maker.holes.amount(service, 41, 10_000)),
        bucket_counts,
        explicit_bounds: BOUNDS.to_vec(),
        exemplars: vec![Exemplar {
            time_unix_nano: maker.holes.time(service, 500_000),
            trace_id: maker.holes.trace_id(service),
            span_id: maker.holes.span_id(service, 0),
            value: Some(exemplar::Value::AsDouble(maker.holes.amount(service, 42, 500))),
            ..Exemplar::default()
        }],
        ..HistogramDataPoint::default()
    };
    Data::Histogram(Histogram {
        data_points: vec![point],
        aggregation_temporality: CUMULATIVE,
    })
}

fn exponential(maker: &mut Maker<'_>, service: u32, attributes: Vec<KeyValue>) -> Data {
    let bucket_counts: Vec<u64> = (0..40).map(|_| maker.random.below(9)).collect();
    let point = ExponentialHistogramDataPoint {
        attributes,
        start_time_unix_nano: STARTED,
        time_unix_nano: maker.holes.time(service, 1_000_000),
        count: bucket_counts.iter().sum(),
        sum: Some(maker.holes.amount(service, 43, 10_000)),
        scale: 3,
        positive: Some(Buckets {
            offset: -32,
            bucket_counts,
        }),
        ..ExponentialHistogramDataPoint::default()
    };
    Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: CUMULATIVE,
    })
}

fn summary(maker: &mut Maker<'_>, service: u32, attributes: Vec<KeyValue>) -> Data {
    let quantile_values = [0.5, 0.95, 0.99]
        .map(|quantile| ValueAtQuantile {
            quantile,
            value: 100.0 * quantile,
        })
        .to_vec();
    let point = SummaryDataPoint {
        attributes,
        start_time_unix_nano: STARTED,
        time_unix_nano: maker.holes.time(service, 1_000_000),
        count: maker.random.below(500),
        sum: maker.holes.amount(service, 44, 10_000),
        quantile_values,
        ..SummaryDataPoint::default()
    };
    Data::Summary(Summary {
        data_points: vec![point],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::BytesMut;

    use super::*;

    #[test]
    fn every_kind_of_metric_comes_about_as_often() {
        let template = request(&mut Random::new(2), 512);
        let mut bytes = BytesMut::new();
        template.fill(&mut bytes, 2, 1, 1_763_000_000_000_000_000);
        let request = ExportMetricsServiceRequest::decode(&*bytes).unwrap();
        let scopes = request
            .resource_metrics
            .into_iter()
            .flat_map(|metrics| metrics.scope_metrics);
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for metric in scopes.flat_map(|metrics| metrics.metrics) {
            let kind = match metric.data.unwrap() {
                Data::Gauge(_) => "gauge",
                Data::Sum(_) => "sum",
                Data::Histogram(histogram) => {
                    let point = &histogram.data_points[0];
                    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                    "histogram"
                }
                Data::ExponentialHistogram(_) => "exponential",
                Data::Summary(_) => "summary",
            };
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(kinds.values().sum::<usize>(), 512);
        assert!(kinds.len() == 5 && kinds.values().all(|&times| times > 90), "{kinds:?}");
    }
}
