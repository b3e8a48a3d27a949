use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, exponential_histogram_data_point::Buckets, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;

use super::*;
use crate::rows::{PointValue, SpanKind, Value};

const ARRIVAL: Time = Time(9_000_000_000);

fn otlp(value: Otlp) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: otlp(Otlp::StringValue(value.into())),
        ..KeyValue::default()
    }
}

fn good_span() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: "charge".into(),
        kind: 2,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 3_000,
        ..Span::default()
    }
}

fn of_spans(spans: Vec<Span>) -> Normalised {
    let resource = Resource {
        attributes: vec![text("service.name", "payments"), text("service.instance.id", "p-1")],
        ..Resource::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    traces(request, ARRIVAL)
}

fn of_log(record: LogRecord) -> Normalised {
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    logs(request, ARRIVAL)
}

fn of_metric(data: Data) -> Normalised {
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![Metric {
                    name: "m".into(),
                    data: Some(data),
                    ..Metric::default()
                }],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    metrics(request, ARRIVAL)
}

fn histogram(count: u64, sum: f64, bounds: &[f64], counts: &[u64]) -> Data {
    Data::Histogram(Histogram {
        data_points: vec![HistogramDataPoint {
            count,
            sum: Some(sum),
            explicit_bounds: bounds.into(),
            bucket_counts: counts.into(),
            ..HistogramDataPoint::default()
        }],
        aggregation_temporality: 2,
    })
}

#[test]
fn a_good_span_becomes_a_row() {
    let out = of_spans(vec![good_span()]);
    let row = &out.batch.spans[0];
    assert_eq!((out.rejected, out.reason.as_str()), (0, ""));
    assert_eq!((&*row.resource.service, &*row.resource.instance), ("payments", "p-1"));
    assert_eq!((&*row.name, row.kind), ("charge", SpanKind::Server));
    assert_eq!((row.start, row.duration_nanos), (Time(1_000), 2_000));
    assert_eq!(out.batch.received_at, ARRIVAL);
}

#[test]
fn a06_one_bad_span_does_not_spoil_the_others() {
    for bad in [vec![], vec![0; 16], vec![1; 15], vec![1; 17]] {
        let mut spans = vec![good_span(); 99];
        spans.push(Span {
            trace_id: bad,
            ..good_span()
        });
        let out = of_spans(spans);
        assert_eq!((out.batch.spans.len(), out.rejected), (99, 1));
        assert!(out.reason.contains("trace_id"), "{}", out.reason);
    }
}

#[test]
fn a07_a_parent_id_of_the_wrong_length_is_refused_and_a_zero_one_is_a_root() {
    let with_parent = |parent: Vec<u8>| {
        of_spans(vec![Span {
            parent_span_id: parent,
            ..good_span()
        }])
    };
    assert_eq!(with_parent(vec![0]).rejected, 1);
    assert_eq!(with_parent(vec![0; 8]).batch.spans[0].parent_span_id, None);
    assert!(with_parent(vec![7; 8]).batch.spans[0].parent_span_id.is_some());
}

#[test]
fn a14_times_that_cannot_be_are_made_harmless() {
    let at = |start, end| {
        let out = of_spans(vec![Span {
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            ..good_span()
        }]);
        (out.batch.spans[0].start.0, out.batch.spans[0].duration_nanos)
    };
    assert_eq!(at(5_000, 3_000), (5_000, 0), "end before start");
    assert_eq!(at(0, 3_000), (3_000, 0), "no start");
    assert_eq!(at(0, 0), (ARRIVAL.0, 0), "no time at all");
    assert_eq!(at(u64::MAX, 1), (u64::MAX, 0));
}

fn list(values: Vec<AnyValue>) -> Otlp {
    Otlp::ArrayValue(ArrayValue { values })
}

#[test]
fn what_senders_really_send_is_kept_whole() {
    let nested = (0..40).fold(Otlp::IntValue(1), |inner, _| {
        list(vec![AnyValue { value: Some(inner) }])
    });
    let long = "ü".repeat(values::VALUE_BYTES_MAX / 2);
    let many = list(vec![
        AnyValue {
            value: Some(Otlp::IntValue(7))
        };
        5_000
    ]);
    let pair = |key: &str, value: Otlp| KeyValue {
        key: key.into(),
        value: otlp(value),
        ..KeyValue::default()
    };
    let twins = ["x", "y"].map(|end| "k".repeat(512) + end);
    let attributes = vec![
        text("long", &long),
        pair("deep", nested),
        pair("many", many),
        text(&twins[0], "x"),
        text(&twins[1], "y"),
    ];
    let out = of_spans(vec![Span {
        attributes,
        ..good_span()
    }]);
    let kept = &out.batch.spans[0].attributes;
    assert_eq!(out.cut, 0);
    assert_eq!(kept.text("long"), Some(&*long));
    let mut depth = 0;
    let mut value = kept.get("deep").unwrap();
    while let Value::List(inner) = value {
        depth += 1;
        value = &inner[0];
    }
    assert_eq!((depth, value), (40, &Value::Int(1)));
    assert_eq!(kept.get("many"), Some(&Value::List(vec![Value::Int(7); 5_000])));
    assert_eq!(twins.each_ref().map(|key| kept.text(key)), [Some("x"), Some("y")]);
}

#[test]
fn too_much_is_cut_and_counted() {
    let mut attributes = vec![
        text("long", &"ü".repeat(values::VALUE_BYTES_MAX)),
        text(&"k".repeat(10_000), "v"),
    ];
    attributes.extend((0..1_024).map(|n| text(&format!("a{n}"), "v")));
    let out = of_spans(vec![Span {
        attributes,
        ..good_span()
    }]);
    let span = &out.batch.spans[0];
    assert_eq!(span.attributes.0.len(), values::ATTRIBUTES_MAX);
    assert!(span.attributes.text("long").unwrap().len() <= values::VALUE_BYTES_MAX);
    assert!(span.attributes.0.iter().all(|(key, _)| key.len() <= NAME_BYTES_MAX));
    assert_eq!((out.cut, span.dropped.attributes), (4, 2));
}

#[test]
fn a_request_shares_its_names() {
    let span = Span {
        attributes: vec![text("http.route", "/pay")],
        ..good_span()
    };
    let out = of_spans(vec![span.clone(), span]);
    let [a, b] = [&out.batch.spans[0], &out.batch.spans[1]];
    assert!(std::sync::Arc::ptr_eq(&a.name, &b.name));
    assert!(std::sync::Arc::ptr_eq(&a.attributes.0[0].0, &b.attributes.0[0].0));
}

#[test]
fn a_log_record_takes_the_best_time_it_has() {
    let at = |time, observed| {
        let record = LogRecord {
            time_unix_nano: time,
            observed_time_unix_nano: observed,
            ..LogRecord::default()
        };
        of_log(record).batch.logs[0].at
    };
    assert_eq!(at(5, 6), Time(5));
    assert_eq!(at(0, 6), Time(6));
    assert_eq!(at(0, 0), ARRIVAL);
}

#[test]
fn an_event_is_named_by_the_field_or_by_the_older_attribute() {
    let old = LogRecord {
        attributes: vec![text("event.name", "saga.started")],
        ..LogRecord::default()
    };
    let new = LogRecord {
        event_name: "saga.completed".into(),
        ..old.clone()
    };
    assert_eq!(of_log(old).batch.logs[0].event_name.as_deref(), Some("saga.started"));
    assert_eq!(of_log(new).batch.logs[0].event_name.as_deref(), Some("saga.completed"));
    assert_eq!(of_log(LogRecord::default()).batch.logs[0].event_name, None);
}

#[test]
fn a_log_record_with_a_useless_trace_id_belongs_to_no_trace() {
    let out = of_log(LogRecord {
        trace_id: vec![1; 3],
        severity_number: -7,
        ..LogRecord::default()
    });
    assert_eq!((out.rejected, out.batch.logs[0].trace_id), (0, None));
    assert_eq!(out.batch.logs[0].severity, 0);
    assert_eq!(&*out.batch.logs[0].resource.service, "unknown_service");
}

#[test]
fn a_severity_off_the_scale_is_its_end() {
    let of = |severity_number| {
        let record = LogRecord {
            severity_number,
            ..LogRecord::default()
        };
        of_log(record).batch.logs[0].severity
    };
    let ends = [i32::MIN, 0, 24, 25, 257, i32::MAX].map(of);
    assert_eq!(ends, [0, 0, 24, 24, 24, 24]);
}

#[test]
fn a_point_without_a_value_is_refused_unless_it_says_so() {
    let gauge = |value, flags| {
        of_metric(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint {
                value,
                flags,
                ..NumberDataPoint::default()
            }],
        }))
    };
    let good = gauge(Some(number_data_point::Value::AsInt(7)), 0);
    assert_eq!(good.batch.points[0].value, PointValue::Int(7));
    assert_eq!(good.batch.points[0].at, ARRIVAL);
    assert_eq!(gauge(None, 0).rejected, 1);
    assert_eq!(
        gauge(None, 1).batch.points[0].value,
        PointValue::Missing,
        "flagged as having none"
    );
}

#[test]
fn a18_histograms_that_contradict_themselves_are_refused() {
    assert_eq!(of_metric(histogram(3, 1.0, &[1.0], &[1, 2])).rejected, 0);
    assert_eq!(
        of_metric(histogram(3, 1.0, &[], &[])).rejected,
        0,
        "count and sum alone"
    );
    for sum in [f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            of_metric(histogram(3, sum, &[1.0], &[1, 2])).rejected,
            0,
            "an infinite one was measured"
        );
    }
    for (name, bad) in [
        ("unsorted", histogram(3, 1.0, &[2.0, 1.0], &[1, 1, 1])),
        ("short", histogram(3, 1.0, &[1.0, 2.0], &[1, 2])),
        ("count", histogram(4, 1.0, &[1.0], &[1, 2])),
        ("overflow", histogram(1, 1.0, &[1.0], &[u64::MAX, 2])),
        ("sum", histogram(3, f64::NAN, &[1.0], &[1, 2])),
        ("bound", histogram(3, 1.0, &[f64::INFINITY], &[1, 2])),
    ] {
        assert_eq!(of_metric(bad).rejected, 1, "{name}");
    }
}

fn exponential(scale: i32, offset: i32, counts: Vec<u64>) -> Normalised {
    of_metric(Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![ExponentialHistogramDataPoint {
            scale,
            count: counts.iter().sum(),
            positive: Some(Buckets {
                offset,
                bucket_counts: counts,
            }),
            ..ExponentialHistogramDataPoint::default()
        }],
        aggregation_temporality: 2,
    }))
}

#[test]
fn a19_exponential_histograms_are_unfolded_within_bounds() {
    let out = exponential(0, 1, vec![4, 6]);
    let buckets = crate::buckets::Buckets::of(&out.batch.points[0].value).unwrap();
    assert_eq!(
        (buckets.bounds, buckets.counts),
        (vec![2.0, 4.0, 8.0], vec![0, 4, 6, 0])
    );
    assert_eq!(exponential(20, i32::MIN, vec![1; 4]).rejected, 1, "where no number is");
    assert_eq!(
        exponential(-10, i32::MAX, vec![1]).rejected,
        1,
        "bounds beyond a number"
    );
    assert_eq!(exponential(0, 0, vec![1; 1_000_000]).rejected, 1, "too many buckets");
}

#[test]
fn exponential_histograms_at_the_ends_of_what_numbers_are_are_taken() {
    let mut far = vec![0; 5_001];
    far[5_000] = 1;
    for (scale, offset, counts) in [
        (-10, -1, vec![1, 2]),
        (0, 1_023, vec![1]),
        (0, -1_075, vec![1]),
        (6, 0, far),
        (20, 0, vec![1; 2_000]),
    ] {
        let count: u64 = counts.iter().sum();
        let out = exponential(scale, offset, counts);
        assert_eq!((out.rejected, &*out.reason), (0, ""), "{scale} {offset}");
        let PointValue::ExponentialHistogram(value) = &out.batch.points[0].value else {
            panic!("another kind");
        };
        assert_eq!((value.count, value.positive.iter().sum::<u64>()), (count, count));
        assert!(value.positive.len() <= BUCKETS_MAX);
        let mut spread = crate::measure::Spread::default();
        spread.add(
            &crate::buckets::Buckets::of(&out.batch.points[0].value).unwrap(),
            None,
            None,
        );
        assert!(spread.quantile(0.5).is_some_and(f64::is_finite));
        assert_eq!(spread.total(), count);
    }
}

proptest! {
    /// Whatever decodes as a request is normalised without a panic, and every span is accounted for.
    #[test]
    fn hostile_spans_are_kept_or_counted(
        spans in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..20), proptest::collection::vec(any::<u8>(), 0..10), any::<(i32, u64, u64)>(), ".{0,40}"),
            0..20,
        )
    ) {
        let count = spans.len();
        let spans = spans
            .into_iter()
            .map(|(trace_id, span_id, (kind, start, end), name)| Span {
                trace_id,
                parent_span_id: span_id.clone(),
                span_id,
                kind,
                start_time_unix_nano: start,
                end_time_unix_nano: end,
                attributes: vec![text(&name, &name)],
                name,
                ..Span::default()
            })
            .collect();
        let out = of_spans(spans);
        prop_assert_eq!(out.batch.spans.len() + out.rejected as usize, count);
        prop_assert_eq!(out.rejected == 0, out.reason.is_empty());
    }
}
