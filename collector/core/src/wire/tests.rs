//! The walk against prost: the same bytes are refused, and the same rows come out of the others.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::block::{LogRef, PointRef, SpanRef};
use crate::normalise::{self, Normalised};
use crate::rows::{LogRow, PointRow, SpanRow};

const ARRIVAL: Time = Time(77);

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["", "service.name", "service.instance.id", "event.name", "k", "payments", "ü"]).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => (4_090..4_102_usize).prop_map(|n| "ö".repeat(n / 2) + "x"),
    ]
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        word().prop_map(Otlp::StringValue),
        any::<bool>().prop_map(Otlp::BoolValue),
        any::<i64>().prop_map(Otlp::IntValue),
        any::<f64>()
            .prop_filter("equal to itself", |n| !n.is_nan())
            .prop_map(Otlp::DoubleValue),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Otlp::BytesValue),
        (0..3_i32).prop_map(Otlp::StringValueStrindex),
    ];
    let some = |value: Otlp| AnyValue { value: Some(value) };
    let value = leaf
        .prop_map(some)
        .boxed()
        .prop_union(Just(AnyValue { value: None }).boxed());
    value.prop_recursive(12, 24, 3, move |inner| {
        let list =
            prop::collection::vec(inner.clone(), 0..3).prop_map(|values| Otlp::ArrayValue(ArrayValue { values }));
        let map = prop::collection::vec(key_value_of(inner), 0..3)
            .prop_map(|values| Otlp::KvlistValue(KeyValueList { values }));
        prop_oneof![list, map].prop_map(some)
    })
}

fn key_value_of(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    (word(), prop::option::of(value), 0..2_i32).prop_map(|(key, value, key_strindex)| KeyValue {
        key,
        value,
        key_strindex,
    })
}

fn pairs() -> impl Strategy<Value = Vec<KeyValue>> {
    prop_oneof![
        60 => prop::collection::vec(key_value_of(any_value()), 0..4),
        1 => Just((0..1_030).map(|n| KeyValue { key: format!("k{n}"), ..KeyValue::default() }).collect()),
    ]
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::collection::vec(1..=255_u8, length),
        1 => Just(vec![0; length]),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => Just(Vec::new()),
    ]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..100_u64, any::<u64>()]
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    prop::option::of(
        (pairs(), 0..3_u32).prop_map(|(attributes, dropped_attributes_count)| Resource {
            attributes,
            dropped_attributes_count,
            ..Resource::default()
        }),
    )
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    prop::option::of((word(), word(), pairs(), 0..3_u32).prop_map(
        |(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        },
    ))
}

fn event() -> impl Strategy<Value = span::Event> {
    (time(), word(), pairs(), 0..3_u32).prop_map(|(time_unix_nano, name, attributes, dropped_attributes_count)| {
        span::Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        }
    })
}

fn link() -> impl Strategy<Value = span::Link> {
    (id(16), id(8), word(), pairs(), 0..3_u32, any::<u32>()).prop_map(
        |(trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags)| span::Link {
            trace_id,
            span_id,
            trace_state,
            attributes,
            dropped_attributes_count,
            flags,
        },
    )
}

fn some_span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), prop_oneof![Just(Vec::new()), id(8)]);
    let texts = (word(), word(), prop::option::of((word(), -1..4_i32)));
    let numbers = (-1..8_i32, time(), time(), any::<u32>(), (0..3_u32, 0..3_u32, 0..3_u32));
    let lists = (
        pairs(),
        prop_oneof![40 => prop::collection::vec(event(), 0..3), 1 => Just(vec![span::Event::default(); 1_030])],
        prop::collection::vec(link(), 0..3),
    );
    (ids, texts, numbers, lists).prop_map(|(ids, texts, numbers, lists)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        trace_state: texts.0,
        name: texts.1,
        status: texts.2.map(|(message, code)| Status { message, code }),
        kind: numbers.0,
        start_time_unix_nano: numbers.1,
        end_time_unix_nano: numbers.2,
        flags: numbers.3,
        dropped_attributes_count: numbers.4.0,
        dropped_events_count: numbers.4.1,
        dropped_links_count: numbers.4.2,
        attributes: lists.0,
        events: lists.1,
        links: lists.2,
    })
}

fn some_record() -> impl Strategy<Value = LogRecord> {
    let numbers = (time(), time(), -2..30_i32, any::<u32>(), 0..3_u32);
    (
        numbers,
        word(),
        word(),
        prop::option::of(any_value()),
        pairs(),
        id(16),
        id(8),
    )
        .prop_map(
            |(numbers, severity_text, event_name, body, attributes, trace_id, span_id)| LogRecord {
                time_unix_nano: numbers.0,
                observed_time_unix_nano: numbers.1,
                severity_number: numbers.2,
                flags: numbers.3,
                dropped_attributes_count: numbers.4,
                severity_text,
                event_name,
                body,
                attributes,
                trace_id,
                span_id,
            },
        )
}

fn traces_request() -> impl Strategy<Value = Vec<u8>> {
    let scoped =
        (scope(), prop::collection::vec(some_span(), 0..3), word()).prop_map(|(scope, spans, schema_url)| ScopeSpans {
            scope,
            spans,
            schema_url,
        });
    let group =
        (resource(), prop::collection::vec(scoped, 0..3), word()).prop_map(|(resource, scope_spans, schema_url)| {
            ResourceSpans {
                resource,
                scope_spans,
                schema_url,
            }
        });
    prop::collection::vec(group, 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans }.encode_to_vec())
}

fn logs_request() -> impl Strategy<Value = Vec<u8>> {
    let scoped =
        (scope(), prop::collection::vec(some_record(), 0..3), word()).prop_map(|(scope, log_records, schema_url)| {
            ScopeLogs {
                scope,
                log_records,
                schema_url,
            }
        });
    let group =
        (resource(), prop::collection::vec(scoped, 0..3), word()).prop_map(|(resource, scope_logs, schema_url)| {
            ResourceLogs {
                resource,
                scope_logs,
                schema_url,
            }
        });
    prop::collection::vec(group, 0..3)
        .prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs }.encode_to_vec())
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(1.5), Just(f64::INFINITY), Just(f64::NAN), any::<f64>()]
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    let value = prop::option::of(prop_oneof![
        number().prop_map(exemplar::Value::AsDouble),
        any::<i64>().prop_map(exemplar::Value::AsInt),
    ]);
    let one = (time(), value, id(16), id(8), pairs()).prop_map(
        |(time_unix_nano, value, trace_id, span_id, filtered_attributes)| Exemplar {
            filtered_attributes,
            time_unix_nano,
            span_id,
            trace_id,
            value,
        },
    );
    prop_oneof![60 => prop::collection::vec(one, 0..2), 1 => Just(vec![Exemplar { value: Some(exemplar::Value::AsInt(1)), ..Exemplar::default() }; 1_030])]
}

fn number_point() -> impl Strategy<Value = NumberDataPoint> {
    let value = prop::option::of(prop_oneof![
        number().prop_map(number_data_point::Value::AsDouble),
        any::<i64>().prop_map(number_data_point::Value::AsInt),
    ]);
    (pairs(), time(), time(), exemplars(), 0..3_u32, value).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, exemplars, flags, value)| NumberDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            exemplars,
            flags,
            value,
        },
    )
}

/// Counts with their sum, mostly; now and then too many.
fn counts() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![8 => prop::collection::vec(0..5_u64, 0..5), 1 => Just(vec![1; 1_025]), 1 => Just(vec![1; 1_026]), 1 => Just(vec![0; 5_000])]
}

fn histogram_point() -> impl Strategy<Value = HistogramDataPoint> {
    let sums = (
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(number()),
    );
    (
        pairs(),
        counts(),
        sums,
        exemplars(),
        0..3_u32,
        any::<prop::sample::Index>(),
        0..6_usize,
    )
        .prop_map(
            |(attributes, bucket_counts, (sum, min, max), exemplars, flags, off, how)| {
                let bounds = bucket_counts.len().saturating_sub(usize::from(how > 0));
                HistogramDataPoint {
                    attributes,
                    count: bucket_counts.iter().sum::<u64>() + u64::from(how == 5) * off.index(2) as u64,
                    explicit_bounds: (0..bounds).map(|n| if how == 4 { 1.0 } else { n as f64 }).collect(),
                    bucket_counts,
                    sum,
                    min,
                    max,
                    exemplars,
                    flags,
                    ..HistogramDataPoint::default()
                }
            },
        )
}

fn exponential_point() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let side = || {
        let offset = prop_oneof![-3..3_i32, -1_100..1_100_i32, any::<i32>()];
        prop::option::of((offset, counts()).prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }))
    };
    let sums = (
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(number()),
        number(),
    );
    let scale = prop_oneof![-2..21_i32, any::<i32>()];
    (pairs(), side(), side(), sums, scale, 0..3_u64, exemplars(), 0..9_u64).prop_map(
        |(attributes, positive, negative, (sum, min, max, zero_threshold), scale, zero_count, exemplars, off)| {
            let of = |side: &Option<Buckets>| side.iter().flat_map(|side| &side.bucket_counts).sum::<u64>();
            ExponentialHistogramDataPoint {
                count: of(&positive) + of(&negative) + zero_count + off / 8,
                attributes,
                positive,
                negative,
                sum,
                min,
                max,
                zero_threshold,
                scale,
                zero_count,
                exemplars,
                ..ExponentialHistogramDataPoint::default()
            }
        },
    )
}

fn summary_point() -> impl Strategy<Value = SummaryDataPoint> {
    let quantile = (number(), number()).prop_map(|(quantile, value)| ValueAtQuantile { quantile, value });
    let quantiles = prop_oneof![
        8 => prop::collection::vec(quantile, 0..3),
        1 => Just(vec![ValueAtQuantile::default(); 129]),
    ];
    (pairs(), any::<u64>(), number(), quantiles, 0..3_u32).prop_map(
        |(attributes, count, sum, quantile_values, flags)| SummaryDataPoint {
            attributes,
            count,
            sum,
            quantile_values,
            flags,
            ..SummaryDataPoint::default()
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let temporality = || -1..4_i32;
    let data = prop_oneof![
        prop::collection::vec(number_point(), 0..3).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (
            prop::collection::vec(number_point(), 0..3),
            temporality(),
            any::<bool>()
        )
            .prop_map(|(data_points, aggregation_temporality, is_monotonic)| Data::Sum(Sum {
                data_points,
                aggregation_temporality,
                is_monotonic,
            })),
        (prop::collection::vec(histogram_point(), 0..3), temporality()).prop_map(
            |(data_points, aggregation_temporality)| Data::Histogram(Histogram {
                data_points,
                aggregation_temporality,
            })
        ),
        (prop::collection::vec(exponential_point(), 0..3), temporality()).prop_map(
            |(data_points, aggregation_temporality)| Data::ExponentialHistogram(ExponentialHistogram {
                data_points,
                aggregation_temporality,
            })
        ),
        prop::collection::vec(summary_point(), 0..3).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    (word(), word(), word(), pairs(), prop::option::of(data)).prop_map(|(name, description, unit, metadata, data)| {
        Metric {
            name,
            description,
            unit,
            metadata,
            data,
        }
    })
}

fn metrics_request() -> impl Strategy<Value = Vec<u8>> {
    let scoped = (scope(), prop::collection::vec(metric(), 0..3), word()).prop_map(|(scope, metrics, schema_url)| {
        ScopeMetrics {
            scope,
            metrics,
            schema_url,
        }
    });
    let group =
        (resource(), prop::collection::vec(scoped, 0..3), word()).prop_map(|(resource, scope_metrics, schema_url)| {
            ResourceMetrics {
                resource,
                scope_metrics,
                schema_url,
            }
        });
    prop::collection::vec(group, 0..3)
        .prop_map(|resource_metrics| ExportMetricsServiceRequest { resource_metrics }.encode_to_vec())
}

/// What may happen to bytes on the way: nothing, a changed byte, a lost end, a field put in, a part sent twice.
#[derive(Clone, Debug)]
enum Harm {
    None,
    Change(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Twice,
}

fn harm() -> impl Strategy<Value = Harm> {
    let fields = prop::sample::select(vec![
        vec![0x78, 0x01],
        vec![0xf2, 0x01, 0x01, 0x61],
        vec![0x7b, 0x08, 0x01, 0x7c],
        vec![0x0a, 0x00],
        vec![0x12, 0x00],
        vec![0x2a, 0x00],
        vec![0x7a, 0x02, 0x18, 0x02],
    ]);
    prop_oneof![
        2 => Just(Harm::None),
        6 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Harm::Change(at, byte)),
        1 => any::<prop::sample::Index>().prop_map(Harm::Cut),
        3 => (any::<prop::sample::Index>(), fields).prop_map(|(at, field)| Harm::Insert(at, field)),
        1 => Just(Harm::Twice),
    ]
}

fn harmed(mut bytes: Vec<u8>, harms: &[Harm]) -> Vec<u8> {
    for harm in harms {
        match harm {
            Harm::None => {}
            Harm::Change(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Harm::Cut(at) if !bytes.is_empty() => bytes.truncate(at.index(bytes.len())),
            Harm::Insert(at, field) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, field.iter().copied());
            }
            Harm::Twice => bytes.extend_from_within(..),
            Harm::Change(..) | Harm::Cut(_) => {}
        }
    }
    bytes
}

/// Rows that differ only where a number is none (which is not equal to itself) are equal.
fn told<T: std::fmt::Debug>(rows: &[T]) -> String {
    format!("{rows:#?}")
}

/// prost has no opinion of what rows take, nor is there an order in which it finds things.
fn weightless(read: Result<Verdict, WireError>) -> Result<Verdict, WireError> {
    read.map(|verdict| Verdict {
        weight: 0,
        first_cut: "",
        ..verdict
    })
}

fn verdict(accepted: usize, read: &Normalised) -> Verdict {
    Verdict {
        accepted: accepted as u64,
        rejected: read.rejected,
        reason: read.reason.clone(),
        cut: read.cut,
        first_cut: "",
        weight: 0,
    }
}

fn traces_agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut block = SpanBlock::begin_at(5);
    let read = read_spans(bytes, ARRIVAL, &mut block);
    prop_assert_eq!(
        check(Signal::Traces, bytes).ok(),
        read.clone().ok(),
        "check and read judge the same"
    );
    match ExportTraceServiceRequest::decode(bytes) {
        Err(error) => prop_assert!(read.is_err() && block.is_empty(), "prost refuses: {}", error),
        Ok(request) => {
            let expected = normalise::traces(request, ARRIVAL);
            prop_assert_eq!(weightless(read), Ok(verdict(expected.batch.spans.len(), &expected)));
            let rows: Vec<SpanRow> = block.rows().map(SpanRef::to_row).collect();
            let expected: Vec<SpanRow> = expected.batch.spans.iter().map(|row| (**row).clone()).collect();
            prop_assert_eq!(told(&rows), told(&expected));
        }
    }
    Ok(())
}

fn logs_agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut block = LogBlock::begin_at(5);
    let read = read_logs(bytes, ARRIVAL, &mut block);
    prop_assert_eq!(
        check(Signal::Logs, bytes).ok(),
        read.clone().ok(),
        "check and read judge the same"
    );
    match ExportLogsServiceRequest::decode(bytes) {
        Err(error) => prop_assert!(read.is_err() && block.is_empty(), "prost refuses: {}", error),
        Ok(request) => {
            let expected = normalise::logs(request, ARRIVAL);
            prop_assert_eq!(weightless(read), Ok(verdict(expected.batch.logs.len(), &expected)));
            let rows: Vec<LogRow> = block.rows().map(LogRef::to_row).collect();
            let expected: Vec<LogRow> = expected.batch.logs.iter().map(|row| (**row).clone()).collect();
            prop_assert_eq!(told(&rows), told(&expected));
        }
    }
    Ok(())
}

fn metrics_agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut block = PointBlock::begin_at(5);
    let read = read_points(bytes, ARRIVAL, &mut block);
    prop_assert_eq!(
        check(Signal::Metrics, bytes).ok(),
        read.clone().ok(),
        "check and read judge the same"
    );
    match ExportMetricsServiceRequest::decode(bytes) {
        Err(error) => prop_assert!(read.is_err() && block.is_empty(), "prost refuses: {}", error),
        Ok(request) => {
            let expected = normalise::metrics(request, ARRIVAL);
            prop_assert_eq!(weightless(read), Ok(verdict(expected.batch.points.len(), &expected)));
            let rows: Vec<PointRow> = block.rows().map(PointRef::to_row).collect();
            prop_assert_eq!(told(&rows), told(&expected.batch.points));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn spans_come_out_as_prost_has_them(bytes in traces_request()) {
        traces_agree(&bytes)?;
    }

    #[test]
    fn harmed_spans_are_judged_as_prost_judges_them(
        bytes in traces_request(),
        harms in prop::collection::vec(harm(), 1..3),
    ) {
        traces_agree(&harmed(bytes, &harms))?;
    }

    #[test]
    fn records_come_out_as_prost_has_them(bytes in logs_request()) {
        logs_agree(&bytes)?;
    }

    #[test]
    fn harmed_records_are_judged_as_prost_judges_them(
        bytes in logs_request(),
        harms in prop::collection::vec(harm(), 1..3),
    ) {
        logs_agree(&harmed(bytes, &harms))?;
    }

    #[test]
    fn points_come_out_as_prost_has_them(bytes in metrics_request()) {
        metrics_agree(&bytes)?;
    }

    #[test]
    fn harmed_points_are_judged_as_prost_judges_them(
        bytes in metrics_request(),
        harms in prop::collection::vec(harm(), 1..3),
    ) {
        metrics_agree(&harmed(bytes, &harms))?;
    }

    #[test]
    fn any_bytes_are_judged_as_prost_judges_them(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        traces_agree(&bytes)?;
        logs_agree(&bytes)?;
        metrics_agree(&bytes)?;
    }
}

#[test]
fn what_is_too_long_for_anyone_is_cut_and_counted() {
    let long = |bytes: usize| "ü".repeat(bytes / 2 + 1);
    let pair = |key: &str, value: Otlp| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let list = |value: Otlp| {
        Otlp::ArrayValue(ArrayValue {
            values: vec![AnyValue { value: Some(value) }; 300],
        })
    };
    let record = LogRecord {
        body: Some(AnyValue {
            value: Some(Otlp::StringValue(long(1 << 20))),
        }),
        attributes: vec![
            pair("whole", Otlp::StringValue(long(1 << 19))),
            pair("bytes", Otlp::BytesValue(vec![7; (1 << 20) + 1])),
            pair(&long(4_096), Otlp::IntValue(1)),
            pair("list", list(Otlp::StringValue(long(5_000)))),
            pair("event.name", Otlp::StringValue(long(5_000))),
            pair("", Otlp::IntValue(1)),
        ],
        severity_text: "warn".into(),
        ..LogRecord::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: long(4_096),
                    ..InstrumentationScope::default()
                }),
                log_records: vec![record],
                schema_url: long(4_096),
            }],
            ..ResourceLogs::default()
        }],
    };
    let bytes = request.encode_to_vec();
    logs_agree(&bytes).unwrap();
    let verdict = check(Signal::Logs, &bytes).unwrap();
    assert_eq!((verdict.accepted, verdict.rejected, verdict.cut), (1, 0, 6));
    let told = "6 values are not kept as they were sent, the first: a key or name longer than 4 KiB";
    assert_eq!(verdict.message(), told);
    assert!(verdict.weight > bytes.len() as u64 + 300 * MEMBER_WEIGHT);
}

#[test]
fn a10_a14_what_cannot_be_is_told() {
    let good = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: 9,
        end_time_unix_nano: 10,
        ..Span::default()
    };
    let verdict = |span: Span| {
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![span],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        let bytes = request.encode_to_vec();
        traces_agree(&bytes).unwrap();
        check(Signal::Traces, &bytes).unwrap()
    };
    assert_eq!(verdict(good.clone()).message(), "");
    let unknown_end = Span {
        end_time_unix_nano: 0,
        ..good.clone()
    };
    assert_eq!(verdict(unknown_end).message(), "", "a span that has not ended");
    let odd = |code| {
        Some(Status {
            code,
            ..Status::default()
        })
    };
    for (span, expected) in [
        (
            Span {
                end_time_unix_nano: 8,
                ..good.clone()
            },
            "the end of a span that is before its start",
        ),
        (
            Span {
                kind: 99,
                ..good.clone()
            },
            "a span kind that OTLP does not know",
        ),
        (
            Span {
                status: odd(77),
                ..good.clone()
            },
            "a span status that OTLP does not know",
        ),
    ] {
        let verdict = verdict(span);
        assert_eq!((verdict.accepted, verdict.rejected, verdict.cut), (1, 0, 1));
        assert_eq!(
            verdict.message(),
            format!("a value is not kept as it was sent: {expected}")
        );
    }
    let both = Span {
        kind: 99,
        end_time_unix_nano: 8,
        ..good
    };
    assert_eq!(verdict(both).cut, 2);
}

#[test]
fn members_of_lists_weigh_what_reading_them_takes() {
    let weight = |members: usize| {
        let values = vec![AnyValue::default(); members];
        let body = AnyValue {
            value: Some(Otlp::ArrayValue(ArrayValue { values })),
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records: vec![LogRecord {
                        body: Some(body),
                        ..LogRecord::default()
                    }],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        check(Signal::Logs, &request.encode_to_vec()).unwrap().weight
    };
    // Two bytes each, and what each takes when the list is read.
    assert!(weight(100_000) - weight(0) >= 100_000 * (2 + MEMBER_WEIGHT));
}

#[test]
fn nesting_ends_where_prost_ends_it() {
    for depth in [5, 45, 46, 47, 48, 49, 50, 51, 200] {
        let body = (0..depth).fold(AnyValue::default(), |inner, _| AnyValue {
            value: Some(Otlp::ArrayValue(ArrayValue { values: vec![inner] })),
        });
        let record = LogRecord {
            body: Some(body),
            ..LogRecord::default()
        };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records: vec![record],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        logs_agree(&request.encode_to_vec()).unwrap();
    }
}
