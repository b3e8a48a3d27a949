//! Rows for tests, written in a line each.

use std::sync::Arc;

use sagascope_api::Time;

use crate::rows::{
    Attributes, Batch, LogRow, PointRow, PointValue, Resource, SpanId, SpanKind, SpanRow, SpanStatus, TraceId, Value,
};

/// The moment that test times count from.
pub(crate) const EPOCH: u64 = 1_763_000_000;

/// `seconds` after the test epoch.
pub(crate) fn at(seconds: f64) -> Time {
    Time(EPOCH * 1_000_000_000).plus_seconds(seconds)
}

pub(crate) fn attributes(pairs: &[(&str, Value)]) -> Attributes {
    Attributes(
        pairs
            .iter()
            .map(|(key, value)| (Arc::from(*key), value.clone()))
            .collect(),
    )
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A service's process: `orders` or `orders#2`.
pub(crate) fn resource(process: &str) -> Arc<Resource> {
    let (service, instance) = process.split_once('#').unwrap_or((process, "1"));
    Arc::new(Resource {
        service: service.into(),
        instance: instance.into(),
        attributes: attributes(&[("service.name", text(service)), ("service.instance.id", text(instance))]),
    })
}

pub(crate) fn trace_id(n: u8) -> TraceId {
    TraceId([n; 16])
}

pub(crate) fn span_id(n: u8) -> SpanId {
    SpanId([n; 8])
}

pub(crate) fn event(process: &str, seconds: f64, name: &str, pairs: &[(&str, Value)]) -> LogRow {
    LogRow {
        resource: resource(process),
        scope: "test".into(),
        at: at(seconds),
        severity: 9,
        severity_text: "INFO".into(),
        event_name: Some(name.into()),
        body: Value::Empty,
        attributes: attributes(pairs),
        trace_id: None,
        span_id: None,
    }
}

/// Span `id` of trace 1 under `parent` (0 for none), from `start` for `seconds`.
pub(crate) fn span(process: &str, id: u8, parent: u8, kind: SpanKind, start: f64, seconds: f64) -> SpanRow {
    SpanRow {
        resource: resource(process),
        scope: "test".into(),
        trace_id: trace_id(1),
        span_id: span_id(id),
        parent_span_id: (parent > 0).then(|| span_id(parent)),
        name: format!("op{id}").into(),
        kind,
        start: at(start),
        duration_nanos: (seconds * 1e9) as u64,
        status: SpanStatus::Unset,
        status_message: "".into(),
        attributes: Attributes::default(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

pub(crate) fn point(process: &str, seconds: f64, metric: &str, value: PointValue, pairs: &[(&str, Value)]) -> PointRow {
    PointRow {
        resource: resource(process),
        metric: metric.into(),
        unit: "".into(),
        start: at(0.0),
        at: at(seconds),
        attributes: attributes(pairs),
        value,
    }
}

pub(crate) fn gauge(process: &str, seconds: f64, metric: &str, value: f64, pairs: &[(&str, Value)]) -> PointRow {
    point(process, seconds, metric, PointValue::Gauge(value), pairs)
}

pub(crate) fn counter(process: &str, seconds: f64, metric: &str, value: f64, pairs: &[(&str, Value)]) -> PointRow {
    let value = PointValue::Sum {
        value,
        monotonic: true,
        cumulative: true,
    };
    point(process, seconds, metric, value, pairs)
}

pub(crate) fn batch_of(spans: &[SpanRow], logs: &[LogRow], points: &[PointRow], seconds: f64) -> Batch {
    Batch {
        received_at: at(seconds),
        spans: spans.iter().cloned().map(Arc::new).collect(),
        logs: logs.iter().cloned().map(Arc::new).collect(),
        points: points.to_vec(),
    }
}
