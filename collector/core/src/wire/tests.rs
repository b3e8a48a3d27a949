//! The walk against prost: the same bytes are refused, and the same rows come out of the others.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::block::{LogRef, SpanRef};
use crate::normalise;
use crate::rows::{LogRow, SpanRow};

const ARRIVAL: Time = Time(77);

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["", "service.name", "service.instance.id", "event.name", "k", "payments", "ü"]).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => (510..520_usize).prop_map(|n| "ö".repeat(n / 2) + "x"),
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
        12 => prop::collection::vec(key_value_of(any_value()), 0..4),
        1 => Just((0..140).map(|n| KeyValue { key: format!("k{n}"), ..KeyValue::default() }).collect()),
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
        prop_oneof![20 => prop::collection::vec(event(), 0..3), 1 => Just(vec![span::Event::default(); 130])],
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

fn traces_agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut block = SpanBlock::begin_at(5);
    let read = read_spans(bytes, ARRIVAL, &mut block);
    prop_assert_eq!(&check(Signal::Traces, bytes), &read, "check and read judge the same");
    match ExportTraceServiceRequest::decode(bytes) {
        Err(error) => prop_assert!(read.is_err() && block.is_empty(), "prost refuses: {}", error),
        Ok(request) => {
            let expected = normalise::traces(request, ARRIVAL);
            prop_assert_eq!(read, Ok(verdict(expected.batch.spans.len(), &expected)));
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
    prop_assert_eq!(&check(Signal::Logs, bytes), &read, "check and read judge the same");
    match ExportLogsServiceRequest::decode(bytes) {
        Err(error) => prop_assert!(read.is_err() && block.is_empty(), "prost refuses: {}", error),
        Ok(request) => {
            let expected = normalise::logs(request, ARRIVAL);
            prop_assert_eq!(read, Ok(verdict(expected.batch.logs.len(), &expected)));
            let rows: Vec<LogRow> = block.rows().map(LogRef::to_row).collect();
            let expected: Vec<LogRow> = expected.batch.logs.iter().map(|row| (**row).clone()).collect();
            prop_assert_eq!(told(&rows), told(&expected));
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
    fn any_bytes_are_judged_as_prost_judges_them(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        traces_agree(&bytes)?;
        logs_agree(&bytes)?;
    }
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
