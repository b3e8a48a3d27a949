//! Rows for tests, written in a line each.

use std::sync::Arc;

use sagascope_api::Time;

use crate::block::{LogBlock, PointBlock, SpanBlock};
use crate::rows::{
    Attributes, Batch, Dropped, LinkRow, LogRow, Metric, MetricKind, PointRow, PointValue, Resource, Scope, SpanId,
    SpanKind, SpanRow, SpanStatus, Temporality, TraceId, Value,
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
        ..Resource::default()
    })
}

fn scope() -> Arc<Scope> {
    Arc::new(Scope {
        name: "test".into(),
        ..Scope::default()
    })
}

pub(crate) fn link(trace_id: TraceId, span_id: SpanId) -> LinkRow {
    LinkRow {
        trace_id,
        span_id,
        trace_state: "".into(),
        flags: 0,
        attributes: Attributes::default(),
        dropped_attributes: 0,
    }
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
        scope: scope(),
        at: at(seconds),
        severity: 9,
        severity_text: "INFO".into(),
        event_name: Some(name.into()),
        body: Value::Empty,
        attributes: attributes(pairs),
        trace_id: None,
        span_id: None,
        observed: Time(0),
        flags: 0,
        dropped_attributes: 0,
    }
}

/// Span `id` of trace 1 under `parent` (0 for none), from `start` for `seconds`.
pub(crate) fn span(process: &str, id: u8, parent: u8, kind: SpanKind, start: f64, seconds: f64) -> SpanRow {
    SpanRow {
        resource: resource(process),
        scope: scope(),
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
        trace_state: "".into(),
        flags: 0,
        dropped: Dropped::default(),
    }
}

type Pairs<'a> = &'a [(&'a str, Value)];

fn point(process: &str, seconds: f64, metric: &str, kind: MetricKind, value: f64, pairs: Pairs<'_>) -> PointRow {
    PointRow {
        resource: resource(process),
        scope: scope(),
        metric: Arc::new(Metric {
            name: metric.into(),
            kind,
            ..Metric::default()
        }),
        start: at(0.0),
        at: at(seconds),
        flags: 0,
        attributes: attributes(pairs),
        value: PointValue::Double(value),
        exemplars: Vec::new(),
    }
}

pub(crate) fn gauge(process: &str, seconds: f64, metric: &str, value: f64, pairs: Pairs<'_>) -> PointRow {
    point(process, seconds, metric, MetricKind::Gauge, value, pairs)
}

pub(crate) fn counter(process: &str, seconds: f64, metric: &str, value: f64, pairs: Pairs<'_>) -> PointRow {
    let kind = MetricKind::Sum {
        monotonic: true,
        temporality: Temporality::Cumulative,
    };
    point(process, seconds, metric, kind, value, pairs)
}

pub(crate) fn delta(process: &str, seconds: f64, metric: &str, value: f64, pairs: Pairs<'_>) -> PointRow {
    let kind = MetricKind::Sum {
        monotonic: true,
        temporality: Temporality::Delta,
    };
    point(process, seconds, metric, kind, value, pairs)
}

pub(crate) fn batch_of(spans: &[SpanRow], logs: &[LogRow], points: &[PointRow], seconds: f64) -> Batch {
    Batch {
        received_at: at(seconds),
        spans: spans.iter().cloned().map(Arc::new).collect(),
        logs: logs.iter().cloned().map(Arc::new).collect(),
        points: points.to_vec(),
    }
}

/// Rows as a block.
pub(crate) fn log_block(rows: &[LogRow]) -> LogBlock {
    let mut block = LogBlock::default();
    rows.iter().for_each(|row| block.push_row(row, row.at));
    block
}

/// Rows as a block.
pub(crate) fn span_block(rows: &[SpanRow]) -> SpanBlock {
    let mut block = SpanBlock::default();
    rows.iter().for_each(|row| block.push_row(row, row.end()));
    block
}

/// Rows as a block.
pub(crate) fn point_block(rows: &[PointRow]) -> PointBlock {
    let mut block = PointBlock::default();
    rows.iter().for_each(|row| block.push_row(row, row.at));
    block
}
