use std::sync::Arc;

use sagascope_api::Time;

use super::*;
use crate::rows::{
    Exemplar, ExponentialValue, HistogramValue, Number, PointValue, SpanEventRow, SpanKind, SummaryValue, Value,
};
use crate::testing::{attributes, counter, event, gauge, link, span, span_id, text, trace_id};

const ARRIVAL: Time = Time(9);

fn of_every_kind() -> crate::rows::Attributes {
    let nested = Value::Map(vec![("k".into(), Value::List(vec![Value::Int(1), Value::Empty]))]);
    attributes(&[
        ("text", text("x")),
        ("none", Value::Empty),
        ("truth", Value::Bool(true)),
        ("whole", Value::Int(-3)),
        ("fraction", Value::Double(0.5)),
        ("bytes", Value::Bytes([1, 2].into())),
        ("nested", nested),
        ("text", text("again")),
    ])
}

#[test]
fn a_span_comes_out_as_it_went_in() {
    let mut row = span("orders#2", 3, 1, SpanKind::Server, 1.0, 0.5);
    row.attributes = of_every_kind();
    row.events = vec![SpanEventRow {
        at: Time(7),
        name: "e".into(),
        attributes: attributes(&[("k", text("v"))]),
        dropped_attributes: 1,
    }];
    row.links = vec![link(trace_id(4), span_id(5))];
    row.trace_state = "a=b".into();
    row.dropped.events = 2;
    let plain = span("orders", 1, 0, SpanKind::Client, 2.0, 0.1);
    let mut block = SpanBlock::default();
    for row in [&row, &plain, &row] {
        block.push_row(row, ARRIVAL);
    }
    assert_eq!(
        block.rows().map(SpanRef::to_row).collect::<Vec<_>>(),
        [row.clone(), plain, row]
    );
    assert_eq!((block.tables.resources.len(), block.tables.scopes.len()), (2, 1));
    assert_eq!(block.row(2).sequence(), 2);
}

#[test]
fn an_abandoned_span_leaves_no_events() {
    let mut block = SpanBlock::default();
    let first = span("orders", 1, 0, SpanKind::Client, 2.0, 0.1);
    block.push_row(&first, ARRIVAL);
    let stray = EventCells {
        at: Time(1),
        name: Str::EMPTY,
        attributes: AttributeSet::default(),
        dropped_attributes: 0,
    };
    block.push_event(stray);
    block.abandon();
    block.push_row(&first, ARRIVAL);
    assert_eq!(block.row(1).to_row(), first);
}

#[test]
fn a_log_record_comes_out_as_it_went_in() {
    let mut row = event("orders", 1.0, "saga.started", &[("a", Value::Int(1))]);
    row.trace_id = Some(trace_id(1));
    row.dropped_attributes = 3;
    let bodies = [Value::Empty, text("b"), Value::List(vec![Value::Bool(false)])];
    let mut block = LogBlock::default();
    let rows = bodies.map(|body| crate::rows::LogRow { body, ..row.clone() });
    for row in &rows {
        block.push_row(row, ARRIVAL);
    }
    assert_eq!(block.rows().map(LogRef::to_row).collect::<Vec<_>>(), rows);
}

#[test]
fn a_point_of_every_kind_comes_out_as_it_went_in() {
    let of = |value| crate::rows::PointRow {
        value,
        ..counter("orders", 1.0, "m", 1.0, &[("a", text("b"))])
    };
    let mut rows = vec![
        gauge("orders", 1.0, "g", 2.5, &[]),
        of(PointValue::Int(7)),
        of(PointValue::Missing),
        of(PointValue::Histogram(HistogramValue {
            count: 3,
            sum: Some(1.0),
            min: None,
            max: Some(2.0),
            bounds: vec![1.0],
            counts: vec![1, 2],
        })),
        of(PointValue::ExponentialHistogram(ExponentialValue {
            count: 3,
            scale: 1,
            positive: vec![1],
            negative: vec![2],
            ..ExponentialValue::default()
        })),
        of(PointValue::Summary(SummaryValue {
            count: 1,
            sum: 2.0,
            quantiles: vec![(0.5, 2.0)],
        })),
    ];
    rows[3].exemplars = vec![Exemplar {
        at: Time(3),
        value: Number::Int(4),
        trace_id: Some(trace_id(2)),
        span_id: None,
        attributes: attributes(&[("user", text("u"))]),
    }];
    let mut block = PointBlock::default();
    for row in &rows {
        block.push_row(row, ARRIVAL);
    }
    assert_eq!(block.rows().map(PointRef::to_row).collect::<Vec<_>>(), rows);
    assert_eq!(block.metrics.len(), 2, "one a name and kind");
}

#[test]
fn attributes_are_found_by_key_and_the_first_of_equal_keys_counts() {
    let mut row = span("orders", 1, 0, SpanKind::Client, 2.0, 0.1);
    row.attributes = of_every_kind();
    let mut block = SpanBlock::default();
    block.push_row(&row, ARRIVAL);
    let found = block.row(0).attributes();
    assert_eq!(found.text("text"), Some("x"));
    assert_eq!(
        (found.int("whole"), found.double("fraction"), found.double("whole")),
        (Some(-3), Some(0.5), Some(-3.0))
    );
    assert_eq!(found.get("absent"), None);
    assert_eq!(found.to_owned(), row.attributes);
    let shared: Arc<_> = block.row(0).resource().to_row();
    assert_eq!(shared, row.resource);
}
