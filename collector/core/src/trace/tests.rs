use proptest::prelude::*;

use super::*;
use crate::rows::{SpanKind, Value};
use crate::testing::{at, event, link, span, span_id, text, trace_id};

/// Spans of one service as `(id, parent, start, seconds)`.
fn rows(spans: &[(u8, u8, f64, f64)]) -> Vec<Arc<SpanRow>> {
    spans
        .iter()
        .map(|(id, parent, start, seconds)| Arc::new(span("a", *id, *parent, SpanKind::Internal, *start, *seconds)))
        .collect()
}

/// Waterfall as `id@depth`, a `?` for a missing parent.
fn waterfall(trace: &Trace) -> Vec<String> {
    let mark = |span: &Span| if span.missing_parent { "?" } else { "" };
    trace
        .spans
        .iter()
        .map(|span| format!("{}@{}{}", &span.name[2..], span.depth, mark(span)))
        .collect()
}

fn check(spans: &[(u8, u8, f64, f64)], expected: &[&str], complete: bool) {
    let trace = assemble(&rows(spans), 100).unwrap();
    assert_eq!(waterfall(&trace), expected);
    assert_eq!(trace.complete, complete);
}

#[test]
fn parents_come_before_children_and_siblings_by_start() {
    check(
        &[(4, 2, 0.2, 0.1), (3, 1, 0.5, 0.1), (2, 1, 0.1, 0.3), (1, 0, 0.0, 1.0)],
        &["1@0", "2@1", "4@2", "3@1"],
        true,
    );
}

#[test]
fn a16_a_missing_parent_is_marked() {
    check(
        &[(1, 0, 0.0, 1.0), (2, 9, 0.1, 0.3), (3, 2, 0.2, 0.1)],
        &["1@0", "2@0?", "3@1"],
        false,
    );
}

#[test]
fn a16_circles_and_self_parents_end() {
    check(&[(1, 1, 0.0, 1.0)], &["1@0?"], false);
    check(
        &[(1, 2, 0.0, 1.0), (2, 1, 0.1, 1.0), (3, 2, 0.2, 0.1)],
        &["1@0", "2@1", "3@2"],
        false,
    );
    check(
        &[(1, 0, 0.0, 1.0), (2, 3, 0.1, 1.0), (3, 2, 0.2, 0.1)],
        &["1@0", "2@0", "3@1"],
        false,
    );
}

#[test]
fn a16_two_roots_are_both_shown() {
    check(
        &[(1, 0, 0.0, 1.0), (2, 0, 0.1, 0.1), (3, 2, 0.1, 0.1)],
        &["1@0", "2@0", "3@1"],
        true,
    );
}

#[test]
fn a15_a_repeated_span_is_shown_once() {
    check(&[(1, 0, 0.0, 1.0), (1, 0, 0.0, 1.0)], &["1@0"], true);
    assert_eq!(
        summarise(&rows(&[(1, 0, 0.0, 1.0), (1, 0, 0.0, 1.0)]))
            .unwrap()
            .span_count,
        1
    );
}

#[test]
fn no_spans_are_no_trace() {
    assert_eq!(assemble(&[], 10), None);
    assert_eq!(summarise(&[]), None);
}

#[test]
fn what_is_beyond_the_limit_is_counted() {
    let trace = assemble(&rows(&[(1, 0, 0.0, 1.0), (2, 1, 0.1, 0.1), (3, 1, 0.2, 0.1)]), 2).unwrap();
    assert_eq!((trace.spans.len(), trace.omitted), (2, 1));
    assert_eq!(assemble(&rows(&[(1, 0, 0.0, 1.0)]), 0).unwrap().omitted, 1);
}

#[test]
fn the_critical_path_is_what_the_end_waited_for() {
    // 2 and 3 run side by side, 3 ends later; then 4, within which 5; 6 outlives the root.
    let trace = assemble(
        &rows(&[
            (1, 0, 0.0, 1.0),
            (2, 1, 0.1, 0.2),
            (3, 1, 0.1, 0.4),
            (4, 1, 0.6, 0.3),
            (5, 4, 0.7, 0.1),
            (6, 1, 0.2, 5.0),
        ]),
        100,
    )
    .unwrap();
    let expected: Vec<String> = [1, 3, 4, 5].iter().map(|id| span_id(*id).to_string()).collect();
    assert_eq!(trace.critical_path, expected);
}

#[test]
fn a_trace_names_its_sagas_links_and_resource() {
    let mut row = span("orders", 1, 0, SpanKind::Consumer, 0.0, 1.0);
    row.attributes.0 = vec![
        ("saga.name".into(), text("order")),
        ("saga.id".into(), text("o-1")),
        ("fault.id".into(), text("f-1")),
        ("n".into(), Value::Int(3)),
    ];
    row.links = vec![link(trace_id(7), span_id(1)), link(trace_id(1), span_id(2))];
    let trace = assemble(&[Arc::new(row.clone())], 10).unwrap();
    assert_eq!(
        (trace.sagas, trace.linked_traces),
        (vec!["order/o-1".into()], vec![trace_id(7).to_string()])
    );
    assert_eq!(trace.spans[0].attributes["n"], 3);
    assert_eq!(trace.spans[0].attributes["resource.service.name"], "orders");
    assert_eq!(trace.spans[0].links.len(), 2);
    assert_eq!(summarise(&[Arc::new(row)]).unwrap().faults, ["f-1"]);
}

#[test]
fn a_log_record_keeps_its_words() {
    let mut log = event(
        "orders",
        1.0,
        "saga.started",
        &[("messaging.message.conversation_id", text("c-1"))],
    );
    log.body = text("begun");
    let row = log_row(&log);
    assert_eq!(
        (row.body.as_str(), row.correlation_id.as_deref()),
        ("begun", Some("c-1"))
    );
    assert_eq!((row.at, row.event_name.as_deref()), (at(1.0), Some("saga.started")));
}

proptest! {
    /// Any graph of parents is laid out with each span once, each below its parent where that stands before it.
    #[test]
    fn any_graph_is_laid_out(spans in proptest::collection::vec((1..12_u8, 0..14_u8, 0.0..5.0_f64, 0.0..5.0_f64), 1..40)) {
        let trace = assemble(&rows(&spans), 1_000).unwrap();
        let mut ids: Vec<_> = trace.spans.iter().map(|span| span.span_id.clone()).collect();
        let shown = ids.len();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), shown);
        let mut known: Vec<u8> = spans.iter().map(|(id, ..)| *id).collect();
        known.sort_unstable();
        known.dedup();
        prop_assert_eq!(shown, known.len());
        prop_assert!(trace.critical_path.len() <= shown);
        prop_assert!(trace.spans.windows(2).all(|pair| pair[1].depth <= pair[0].depth + 1));
    }
}
