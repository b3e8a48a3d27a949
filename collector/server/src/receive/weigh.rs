//! Weighs a protobuf message before it is decoded.
//!
//! Two bytes on the wire (an empty nested message) become hundreds in memory, so a small request could ask for gigabytes.
//! The walk follows the OTLP schema, adds up what the decoded structs would take, and allocates nothing.

use sagascope_store::Signal;

/// Decoded structs may take this much.
const LIMIT_BYTES: usize = 256 << 20;
/// Messages within messages; prost refuses more than 100, with a very long text.
const DEPTH: u32 = 96;

/// Why a message is not decoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WeighError {
    /// It would take too much memory.
    #[error("the decoded request would be larger than {} MiB", LIMIT_BYTES >> 20)]
    TooHeavy,
    /// It is nested too deep.
    #[error("messages are nested deeper than {DEPTH}")]
    TooDeep,
    /// It is no protobuf message.
    #[error("the body is not a valid protobuf message")]
    Malformed,
}

/// Kinds of messages whose content is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    OfResource,
    OfScope,
    Resource,
    Scope,
    Span,
    Event,
    Link,
    LogRecord,
    Metric,
    /// Gauge or sum: holds points. Each kind of point numbers its fields in its own way.
    Numbers,
    Number,
    Histogram,
    HistogramPoint,
    Exponential,
    ExponentialPoint,
    Summary,
    SummaryPoint,
    Exemplar,
    KeyValue,
    Any,
    /// An array's elements.
    Array,
    /// A map's pairs.
    Map,
    Leaf,
}

/// The message in a field, with the memory its struct takes. The three signals share the numbers of their outer levels.
const fn child(signal: Signal, kind: Kind, field: u64) -> Option<(Kind, usize)> {
    Some(match (kind, field) {
        (Kind::Request, 1) => (Kind::OfResource, 128),
        (Kind::OfResource, 1) => (Kind::Resource, 0),
        (Kind::OfResource, 2) => (Kind::OfScope, 160),
        (Kind::OfScope, 1) => (Kind::Scope, 0),
        (Kind::OfScope, 2) => match signal {
            Signal::Traces => (Kind::Span, 320),
            Signal::Logs => (Kind::LogRecord, 256),
            Signal::Metrics => (Kind::Metric, 160),
        },
        (Kind::Resource, 3) => (Kind::Leaf, 96),
        (Kind::Span, 11) => (Kind::Event, 96),
        (Kind::Span, 13) => (Kind::Link, 128),
        (Kind::Metric, 5 | 7) => (Kind::Numbers, 0),
        (Kind::Metric, 9) => (Kind::Histogram, 0),
        (Kind::Metric, 10) => (Kind::Exponential, 0),
        (Kind::Metric, 11) => (Kind::Summary, 0),
        (Kind::Numbers, 1) => (Kind::Number, 320),
        (Kind::Histogram, 1) => (Kind::HistogramPoint, 320),
        (Kind::Exponential, 1) => (Kind::ExponentialPoint, 320),
        (Kind::Summary, 1) => (Kind::SummaryPoint, 320),
        (Kind::Number, 5) | (Kind::HistogramPoint, 8) | (Kind::ExponentialPoint, 11) => (Kind::Exemplar, 128),
        // A summary's quantiles. Packed numbers (counts, bounds) take what they take on the wire: they are not followed.
        (Kind::SummaryPoint, 6) => (Kind::Leaf, 16),
        (Kind::Resource | Kind::ExponentialPoint, 1)
        | (Kind::Scope | Kind::Event, 3)
        | (Kind::Link, 4)
        | (Kind::LogRecord, 6)
        | (Kind::Number | Kind::SummaryPoint | Kind::Exemplar, 7)
        | (Kind::Span | Kind::HistogramPoint, 9)
        | (Kind::Metric, 12)
        | (Kind::Map, 1) => (Kind::KeyValue, 96),
        (Kind::KeyValue, 2) | (Kind::LogRecord, 5) => (Kind::Any, 0),
        (Kind::Array, 1) => (Kind::Any, 48),
        (Kind::Any, 5) => (Kind::Array, 32),
        (Kind::Any, 6) => (Kind::Map, 32),
        _ => return None,
    })
}

/// Checks that decoding `message` stays within bounds.
pub(crate) fn weigh(signal: Signal, message: &[u8]) -> Result<(), WeighError> {
    let mut left = LIMIT_BYTES;
    walk(signal, message, Kind::Request, 0, &mut left)
}

fn walk(signal: Signal, message: &[u8], kind: Kind, depth: u32, left: &mut usize) -> Result<(), WeighError> {
    if depth > DEPTH {
        return Err(WeighError::TooDeep);
    }
    let mut rest = message;
    while !rest.is_empty() {
        let (field, content) = next_field(&mut rest).ok_or(WeighError::Malformed)?;
        let (Some(content), Some((kind, bytes))) = (content, child(signal, kind, field)) else {
            continue;
        };
        *left = left.checked_sub(bytes).ok_or(WeighError::TooHeavy)?;
        if kind != Kind::Leaf {
            walk(signal, content, kind, depth + 1, left)?;
        }
    }
    Ok(())
}

/// The next field's number, with its bytes when it is length-delimited.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let key = varint(rest)?;
    let content = match key & 7 {
        0 => {
            varint(rest)?;
            None
        }
        1 => {
            take(rest, 8)?;
            None
        }
        2 => {
            let len = varint(rest)?;
            Some(take(rest, usize::try_from(len).ok()?)?)
        }
        5 => {
            take(rest, 4)?;
            None
        }
        // Groups are long gone from protobuf; prost skips them, we refuse them.
        _ => return None,
    };
    Some((key >> 3, content))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(field: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![field << 3 | 2];
        let mut len = content.len();
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend_from_slice(content);
        bytes
    }

    fn request_of(records: &[u8]) -> Vec<u8> {
        nested(1, &nested(2, records))
    }

    #[test]
    fn ordinary_messages_pass() {
        assert_eq!(weigh(Signal::Traces, b""), Ok(()));
        let span = nested(5, b"GET /orders, which looks like no message");
        assert_eq!(weigh(Signal::Traces, &request_of(&nested(2, &span))), Ok(()));
    }

    #[test]
    fn the_packed_numbers_of_histograms_are_no_messages() {
        let numbers: Vec<u8> = [0.005_f64, 0.1, 1.0, 10.0]
            .iter()
            .flat_map(|bound| bound.to_le_bytes())
            .collect();
        let of_metric = |kind: u8, point: &[u8]| request_of(&nested(2, &nested(kind, &nested(1, point))));
        let explicit = [nested(6, &numbers), nested(7, &numbers), nested(9, &nested(1, b"key"))].concat();
        assert_eq!(weigh(Signal::Metrics, &of_metric(9, &explicit)), Ok(()));
        let buckets = nested(2, &[0xff, 0x01, 0x07, 0x7f]);
        let exponential = [nested(8, &buckets), nested(9, &buckets), nested(1, &nested(1, b"key"))].concat();
        assert_eq!(weigh(Signal::Metrics, &of_metric(10, &exponential)), Ok(()));
    }

    #[test]
    fn the_attributes_of_every_kind_of_point_are_weighed() {
        for (metric, attributes) in [(5, 7), (7, 7), (9, 9), (10, 1), (11, 7)] {
            let point = nested(attributes, b"").repeat(3_000_000);
            let request = request_of(&nested(2, &nested(metric, &nested(1, &point))));
            assert_eq!(
                weigh(Signal::Metrics, &request),
                Err(WeighError::TooHeavy),
                "metric field {metric}"
            );
        }
    }

    /// Every text and every list is filled, so that none is taken for a message that it is not.
    #[test]
    fn requests_with_every_field_filled_pass() {
        use opentelemetry_proto::tonic::collector::{logs::v1::*, metrics::v1::*, trace::v1::*};
        use opentelemetry_proto::tonic::common::v1::{any_value::Value, *};
        use opentelemetry_proto::tonic::{logs::v1::*, metrics::v1::*, resource::v1::Resource, trace::v1::*};
        use prost::Message;

        let text = || "\u{7f}~} text \u{ff}".to_owned();
        let value = |value| Some(AnyValue { value: Some(value) });
        let pairs = || {
            let list = ArrayValue {
                values: vec![AnyValue {
                    value: Some(Value::StringValue(text())),
                }],
            };
            let pair = |value| KeyValue {
                key: text(),
                value,
                ..Default::default()
            };
            let map = KeyValueList {
                values: vec![pair(value(Value::BytesValue(vec![0x7f; 9])))],
            };
            let values = [
                Value::StringValue(text()),
                Value::ArrayValue(list),
                Value::KvlistValue(map),
            ];
            values.into_iter().map(|one| pair(value(one))).collect::<Vec<_>>()
        };
        let scope = || {
            Some(InstrumentationScope {
                name: text(),
                version: text(),
                attributes: pairs(),
                ..Default::default()
            })
        };
        let entity = EntityRef {
            schema_url: text(),
            r#type: text(),
            id_keys: vec![text()],
            description_keys: vec![text()],
        };
        let resource = || {
            Some(Resource {
                attributes: pairs(),
                entity_refs: vec![entity.clone()],
                ..Default::default()
            })
        };
        let id = |len| vec![0x7f; len];

        let event = span::Event {
            name: text(),
            attributes: pairs(),
            ..Default::default()
        };
        let link = span::Link {
            trace_id: id(16),
            span_id: id(8),
            trace_state: text(),
            attributes: pairs(),
            ..Default::default()
        };
        let span = Span {
            trace_id: id(16),
            span_id: id(8),
            parent_span_id: id(8),
            trace_state: text(),
            name: text(),
            attributes: pairs(),
            events: vec![event],
            links: vec![link],
            status: Some(Status {
                message: text(),
                code: 2,
            }),
            ..Default::default()
        };
        let spans = ScopeSpans {
            scope: scope(),
            spans: vec![span],
            schema_url: text(),
        };
        let spans = ResourceSpans {
            resource: resource(),
            scope_spans: vec![spans],
            schema_url: text(),
        };
        let traces = ExportTraceServiceRequest {
            resource_spans: vec![spans],
        }
        .encode_to_vec();
        assert_eq!(weigh(Signal::Traces, &traces), Ok(()));

        let record = LogRecord {
            severity_text: text(),
            body: value(Value::StringValue(text())),
            attributes: pairs(),
            trace_id: id(16),
            span_id: id(8),
            event_name: text(),
            ..Default::default()
        };
        let logs = ScopeLogs {
            scope: scope(),
            log_records: vec![record],
            schema_url: text(),
        };
        let logs = ResourceLogs {
            resource: resource(),
            scope_logs: vec![logs],
            schema_url: text(),
        };
        let logs = ExportLogsServiceRequest {
            resource_logs: vec![logs],
        }
        .encode_to_vec();
        assert_eq!(weigh(Signal::Logs, &logs), Ok(()));

        let exemplars = || {
            vec![Exemplar {
                filtered_attributes: pairs(),
                span_id: id(8),
                trace_id: id(16),
                ..Default::default()
            }]
        };
        let number = || NumberDataPoint {
            attributes: pairs(),
            exemplars: exemplars(),
            ..Default::default()
        };
        let histogram = HistogramDataPoint {
            attributes: pairs(),
            bucket_counts: vec![u64::MAX; 5],
            explicit_bounds: vec![f64::MAX; 4],
            exemplars: exemplars(),
            ..Default::default()
        };
        let buckets = || {
            Some(exponential_histogram_data_point::Buckets {
                offset: -7,
                bucket_counts: vec![u64::MAX; 5],
            })
        };
        let exponential = ExponentialHistogramDataPoint {
            attributes: pairs(),
            positive: buckets(),
            negative: buckets(),
            exemplars: exemplars(),
            ..Default::default()
        };
        let quantile = summary_data_point::ValueAtQuantile {
            quantile: 0.5,
            value: f64::MAX,
        };
        let summary = SummaryDataPoint {
            attributes: pairs(),
            quantile_values: vec![quantile],
            ..Default::default()
        };
        let kinds = [
            metric::Data::Gauge(Gauge {
                data_points: vec![number()],
            }),
            metric::Data::Sum(Sum {
                data_points: vec![number()],
                ..Default::default()
            }),
            metric::Data::Histogram(Histogram {
                data_points: vec![histogram],
                ..Default::default()
            }),
            metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                ..Default::default()
            }),
            metric::Data::Summary(Summary {
                data_points: vec![summary],
            }),
        ];
        let metrics = kinds.into_iter().map(|data| Metric {
            name: text(),
            description: text(),
            unit: text(),
            metadata: pairs(),
            data: Some(data),
        });
        let metrics = ScopeMetrics {
            scope: scope(),
            metrics: metrics.collect(),
            schema_url: text(),
        };
        let metrics = ResourceMetrics {
            resource: resource(),
            scope_metrics: vec![metrics],
            schema_url: text(),
        };
        let metrics = ExportMetricsServiceRequest {
            resource_metrics: vec![metrics],
        }
        .encode_to_vec();
        assert_eq!(weigh(Signal::Metrics, &metrics), Ok(()));
    }

    #[test]
    fn a_million_empty_spans_are_too_heavy() {
        let records = nested(2, b"").repeat(1_000_000);
        assert_eq!(weigh(Signal::Traces, &request_of(&records)), Err(WeighError::TooHeavy));
    }

    #[test]
    fn millions_of_empty_attributes_are_too_heavy() {
        let span = nested(9, b"").repeat(3_000_000);
        assert_eq!(
            weigh(Signal::Traces, &request_of(&nested(2, &span))),
            Err(WeighError::TooHeavy)
        );
    }

    #[test]
    fn values_nested_without_end_are_too_deep() {
        let mut value = Vec::new();
        for _ in 0..200 {
            value = nested(5, &nested(1, &value));
        }
        let span = nested(9, &nested(2, &value));
        assert_eq!(
            weigh(Signal::Traces, &request_of(&nested(2, &span))),
            Err(WeighError::TooDeep)
        );
    }

    #[test]
    fn garbage_is_malformed() {
        for garbage in [
            &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"\x0a\x7f",
            b"\x0b\x0b",
            b"\x0a\xff\xff\xff\xff\x0f",
        ] {
            assert_eq!(
                weigh(Signal::Traces, garbage),
                Err(WeighError::Malformed),
                "{garbage:?}"
            );
        }
    }
}
