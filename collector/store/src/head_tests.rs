//! The head stays within its budget and its indexes agree with its rows.

use super::*;
use sagascope_api::Time;
use sagascope_core::rows::{Dropped, Resource, SpanId, SpanKind, SpanStatus};

fn text(key: &str, value: &str) -> (Arc<str>, Value) {
    (key.into(), Value::Text(value.into()))
}

fn span(trace: u8, id: u8, correlation: &str) -> Arc<SpanRow> {
    Arc::new(SpanRow {
        resource: Arc::new(Resource::default()),
        scope: Arc::default(),
        trace_id: TraceId([trace; 16]),
        span_id: SpanId([id; 8]),
        parent_span_id: None,
        name: "work".into(),
        kind: SpanKind::Internal,
        start: Time(u64::from(id)),
        duration_nanos: 1,
        status: SpanStatus::Ok,
        status_message: "".into(),
        attributes: Attributes(vec![text(CORRELATION_ID, correlation)]),
        events: vec![],
        links: vec![],
        trace_state: "".into(),
        flags: 0,
        dropped: Dropped::default(),
    })
}

fn log(trace: u8, key: &str, correlation: &str) -> Arc<LogRow> {
    Arc::new(LogRow {
        resource: Arc::new(Resource::default()),
        scope: Arc::default(),
        at: Time(1),
        severity: 9,
        severity_text: "".into(),
        event_name: None,
        body: Value::Text("hello".into()),
        attributes: Attributes(vec![text(key, correlation)]),
        trace_id: Some(TraceId([trace; 16])),
        span_id: None,
        observed: Time(0),
        flags: 0,
        dropped_attributes: 0,
    })
}

fn batch(spans: Vec<Arc<SpanRow>>, logs: Vec<Arc<LogRow>>) -> Batch {
    Batch {
        spans,
        logs,
        ..Batch::default()
    }
}

#[test]
fn rows_are_found_by_trace_and_by_correlation() {
    let mut head = Head::new(1 << 20);
    head.push(&batch(
        vec![span(1, 1, "c1"), span(1, 2, "c1"), span(2, 3, "c2")],
        vec![log(1, CORRELATION_ID, "c1"), log(2, CONVERSATION_ID, "c1")],
    ));
    assert_eq!(head.trace(TraceId([1; 16])).len(), 2);
    assert_eq!(head.trace_logs(TraceId([2; 16])).len(), 1);
    let (carried, omitted) = head.correlation("c1", 10);
    assert_eq!((carried.spans.len(), carried.logs.len(), omitted), (2, 2, 0));
    let (carried, omitted) = head.correlation("c1", 1);
    assert_eq!((carried.spans.len(), carried.logs.len(), omitted), (1, 1, 2));
    assert!(head.correlation("none", 10).0.spans.is_empty());
}

#[test]
fn a15_a_span_sent_twice_is_shown_once() {
    let mut head = Head::new(1 << 20);
    for _ in 0..2 {
        head.push(&batch(vec![span(1, 1, "c")], vec![]));
    }
    assert_eq!(head.trace(TraceId([1; 16])).len(), 1);
}

#[test]
fn the_oldest_make_room_and_are_counted() {
    let mut head = Head::new(16 << 10);
    for n in 1..=200 {
        head.push(&batch(
            vec![span(n, n, &format!("c{n}"))],
            vec![log(n, CORRELATION_ID, "same")],
        ));
    }
    assert!(head.bytes() <= 16 << 10);
    let (spans, logs) = (head.recent_spans().count(), head.recent_logs().count());
    assert_eq!(
        head.aged_out(),
        RowCounts {
            spans: 200 - spans as u64,
            logs: 200 - logs as u64
        }
    );
    assert_eq!(
        head.held(),
        RowCounts {
            spans: spans as u64,
            logs: logs as u64
        }
    );
    assert!(head.trace(TraceId([1; 16])).is_empty(), "the oldest is gone");
    assert_eq!(head.trace(TraceId([200; 16])).len(), 1, "the newest stays");
    assert_eq!(head.spans_by_trace.len(), spans);
    assert_eq!(head.spans_by_correlation.len(), spans);
    assert_eq!(head.correlation("same", 1_000).0.logs.len(), logs);
    assert_eq!(
        head.recent_spans().next().unwrap().span_id,
        SpanId([200; 8]),
        "newest first"
    );
}

#[test]
fn the_window_is_told_once_it_has_moved() {
    let mut head = Head::new(16 << 10);
    let push = |head: &mut Head, n: u8| {
        head.push(&Batch {
            received_at: Time(u64::from(n)),
            ..batch(vec![span(n, n, "c")], vec![])
        });
    };
    push(&mut head, 1);
    assert_eq!(head.searchable_since(), None, "all of it is here");
    for n in 2..=200 {
        push(&mut head, n);
    }
    assert_eq!(head.searchable_since(), Some(Time(201 - head.held().spans)));
}

#[test]
fn a_flood_of_logs_leaves_the_spans() {
    let mut head = Head::new(64 << 10);
    head.push(&batch(vec![span(1, 1, "c")], vec![]));
    for _ in 0..1_000 {
        head.push(&batch(vec![], vec![log(1, CORRELATION_ID, "c")]));
    }
    assert_eq!(head.trace(TraceId([1; 16])).len(), 1);
}
