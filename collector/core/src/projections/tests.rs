use std::sync::Arc;

use sagascope_conventions::SagaState;

use super::*;
use crate::rows::{LogRow, SpanKind, SpanRow, SpanStatus};
use crate::testing::{at, batch_of, event, gauge, resource, span, span_id, text, trace_id};

fn heard(spans: &[SpanRow]) -> Projections {
    let mut projections = Projections::new(Limits::default());
    projections.apply(&batch_of(spans, &[], &[], 10.0), at(10.0));
    projections
}

/// gateway → orders by HTTP, then a message from orders to notifications.
fn call_chain() -> Vec<SpanRow> {
    let mut failed = span("orders", 3, 2, SpanKind::Server, 1.1, 0.3);
    failed.status = SpanStatus::Error;
    let mut client = span("gateway", 2, 1, SpanKind::Client, 1.0, 0.5);
    client.attributes.0.push(("service.peer.name".into(), text("orders")));
    let topic = ("messaging.destination.name".into(), text("orders.events"));
    let mut producer = span("orders", 4, 3, SpanKind::Producer, 1.2, 0.01);
    producer.attributes.0.push(topic.clone());
    let mut consumer = span("notifications", 5, 4, SpanKind::Consumer, 1.3, 0.02);
    consumer.attributes.0.push(topic);
    let mut query = span("orders", 6, 3, SpanKind::Client, 1.2, 0.01);
    query.attributes.0.push(("db.system.name".into(), text("sqlite")));
    vec![
        span("gateway", 1, 0, SpanKind::Server, 0.9, 0.7),
        client,
        failed,
        producer,
        consumer,
        query,
    ]
}

#[test]
fn services_are_measured_by_what_enters_them() {
    let services = heard(&call_chain()).services(at(10.0));
    let names: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["gateway", "notifications", "orders"]);
    let orders = &services[2];
    assert!(orders.up && orders.error_ratio == 1.0 && orders.instances == 1);
    assert!((orders.p95_ms.unwrap() / 300.0 - 1.0).abs() < 0.1, "{orders:?}");
    assert_eq!(orders.rate_history.iter().sum::<f32>(), 1.0);
    assert_eq!(orders.error_history.len(), 30);
}

#[test]
fn a_repeated_span_is_counted_once_even_when_the_request_is_another() {
    let chain = call_chain();
    let mut projections = heard(&chain);
    let before = (
        projections.services(at(10.0)),
        projections.traces(10),
        projections.service_map(at(10.0)),
    );
    projections.apply(&batch_of(&chain, &[], &[], 10.0), at(10.0));
    let after = (
        projections.services(at(10.0)),
        projections.traces(10),
        projections.service_map(at(10.0)),
    );
    assert_eq!(before, after);
}

#[test]
fn the_order_of_spans_does_not_matter() {
    let chain = call_chain();
    let straight = heard(&chain);
    for turn in 0..chain.len() {
        let mut turned = chain.clone();
        turned.rotate_left(turn);
        turned.reverse();
        let other = heard(&turned);
        assert_eq!(
            straight.service_map(at(10.0)),
            other.service_map(at(10.0)),
            "turn {turn}"
        );
        assert_eq!(straight.traces(10), other.traces(10), "turn {turn}");
        assert_eq!(straight.services(at(10.0)), other.services(at(10.0)), "turn {turn}");
    }
}

#[test]
fn the_map_joins_callers_topics_and_databases() {
    let map = heard(&call_chain()).service_map(at(10.0));
    let edges: Vec<_> = map
        .edges
        .iter()
        .map(|edge| (edge.from.as_str(), edge.to.as_str(), edge.asynchronous))
        .collect();
    assert_eq!(
        edges,
        [
            ("gateway", "orders", false),
            ("orders", "orders sqlite", false),
            ("orders", "orders.events", true),
            ("orders.events", "notifications", true),
        ]
    );
    let kinds: Vec<_> = map.nodes.iter().map(|node| node.kind.as_str()).collect();
    assert_eq!(kinds, ["service", "service", "service", "topic", "database"]);
}

#[test]
fn a_service_falls_silent_and_comes_back_restarted() {
    let mut projections = heard(&call_chain());
    projections.take_changes(at(10.0));
    projections.tick(at(20.5));
    let changes = projections.take_changes(at(20.5));
    assert!(
        changes
            .iter()
            .any(|change| matches!(&change.rows, Rows::Services(rows) if rows.iter().all(|row| !row.up))),
        "{changes:?}"
    );
    let mut restarted = resource("orders#2");
    let pairs = &mut Arc::get_mut(&mut restarted).unwrap().attributes.0;
    pairs.push(("service.restart.count".into(), crate::rows::Value::Int(1)));
    let point = crate::rows::PointRow {
        resource: restarted,
        ..gauge("orders#2", 21.0, "any", 1.0, &[])
    };
    projections.apply(&batch_of(&[], &[], &[point], 21.0), at(21.0));
    let services = projections.services(at(21.0));
    let orders = services.iter().find(|service| service.name == "orders").unwrap();
    assert_eq!((orders.up, orders.restarts, orders.instances), (true, 1, 1));
    assert_eq!(orders.started_at, Some(at(21.0)));
}

#[test]
fn operations_are_told_apart_by_name_and_kind() {
    let detail = heard(&call_chain()).service("orders", at(10.0)).unwrap();
    let operations: Vec<_> = detail
        .operations
        .iter()
        .map(|operation| (operation.name.as_str(), operation.kind.as_str()))
        .collect();
    assert_eq!(operations, [("op3", "server"), ("op4", "producer"), ("op6", "client")]);
    assert_eq!(heard(&[]).service("orders", at(10.0)), None);
}

#[test]
fn a_trace_is_summed_up_as_its_spans_come() {
    let chain = call_chain();
    let summary = |spans: &[SpanRow]| heard(spans).traces(10)[0].clone();
    let partial = summary(&chain[2..]);
    assert!(!partial.complete);
    assert_eq!(partial.root.service, "orders", "the earliest known");
    let whole = summary(&chain);
    assert!(whole.complete);
    assert_eq!(
        (whole.root.service.as_str(), whole.root.name.as_str()),
        ("gateway", "op1")
    );
    assert_eq!((whole.span_count, whole.error_count), (6, 1));
    assert_eq!(whole.duration_nanos, 700_000_000);
    assert_eq!(whole.services, ["gateway", "notifications", "orders"]);
}

#[test]
fn parents_in_a_circle_leave_a_trace_incomplete() {
    let circle = [
        span("a", 1, 2, SpanKind::Internal, 0.0, 1.0),
        span("a", 2, 1, SpanKind::Internal, 0.0, 1.0),
        span("a", 3, 3, SpanKind::Internal, 0.0, 1.0),
    ];
    assert!(!heard(&circle).traces(1)[0].complete);
}

#[test]
fn of_too_many_traces_the_first_heard_goes() {
    let mut projections = Projections::new(Limits {
        traces: 2,
        ..Limits::default()
    });
    for n in 1..=3 {
        let mut span = span("a", n, 0, SpanKind::Server, f64::from(n), 0.1);
        span.trace_id = trace_id(n);
        projections.apply(&batch_of(&[span], &[], &[], 5.0), at(5.0));
    }
    let ids: Vec<_> = projections.traces(10).into_iter().map(|trace| trace.trace_id).collect();
    assert_eq!(ids, [trace_id(3).to_string(), trace_id(2).to_string()]);
    assert_eq!((projections.aged_out(), projections.lost()), (1, Lost::default()));
}

#[test]
fn what_a_bound_keeps_out_is_counted_by_the_signal_that_told_it() {
    let mut projections = Projections::new(Limits {
        services: 1,
        ..Limits::default()
    });
    let spans = [
        span("a", 1, 0, SpanKind::Server, 1.0, 0.1),
        span("b", 2, 0, SpanKind::Server, 1.0, 0.1),
    ];
    projections.apply(&batch_of(&spans, &[], &[], 5.0), at(5.0));
    assert_eq!(
        projections.lost(),
        Lost {
            spans: 1,
            ..Lost::default()
        }
    );
    assert_eq!(projections.services(at(5.0)).len(), 1);
}

#[test]
fn hits_of_a_fault_are_its_spans() {
    let mut hit = span("payments", 1, 0, SpanKind::Server, 1.0, 0.1);
    hit.attributes.0.push(("fault.id".into(), text("f-1")));
    let mut other = hit.clone();
    other.span_id = span_id(2);
    let mut projections = heard(&[hit.clone(), other, hit]);
    assert_eq!((projections.fault_hits("f-1"), projections.fault_hits("f-2")), (2, 0));
    assert_eq!(projections.traces(1)[0].faults, ["f-1"]);
    projections.set_active_faults(&[("f-1".into(), "payments".into())]);
    assert_eq!(projections.services(at(10.0))[0].faults, ["f-1"]);
}

fn open_breaker(seconds: f64) -> LogRow {
    let pairs = [
        ("circuit_breaker.name", text("payments")),
        ("circuit_breaker.state", text("open")),
    ];
    event("orders", seconds, "circuit_breaker.state_changed", &pairs)
}

fn waiting_saga(seconds: f64) -> LogRow {
    let pairs = [
        ("saga.id", text("o-1")),
        ("saga.name", text("order")),
        ("saga.step.name", text("charge")),
        ("saga.step.waiting_for", text("breaker")),
        ("saga.step.waiting_on", text("payments")),
    ];
    event("orders", seconds, "saga.step.retrying", &pairs)
}

#[test]
fn a_saga_and_the_breaker_it_waits_on_name_each_other() {
    let mut projections = Projections::default();
    projections.apply(&batch_of(&[], &[open_breaker(1.0)], &[], 1.0), at(1.0));
    projections.take_changes(at(1.0));
    projections.apply(&batch_of(&[], &[waiting_saga(1.1)], &[], 1.1), at(1.1));
    let topics: Vec<_> = projections
        .take_changes(at(1.1))
        .iter()
        .map(|change| change.rows.topic())
        .collect();
    assert_eq!(topics, [Topic::Sagas, Topic::Breakers]);
    assert_eq!(projections.breakers(at(1.1))[0].waiting_sagas["order"], 1);
    let saga = projections.saga("o-1", None, at(1.1)).unwrap();
    assert_eq!(saga.breakers, ["orders~payments~1"]);
    assert_eq!(
        projections.saga("o-1", None, at(60.0)).unwrap().breakers,
        [""; 0],
        "its process is gone"
    );
}

#[test]
fn a_snapshot_is_bounded_and_has_what_changes_had() {
    let mut projections = heard(&call_chain());
    projections.apply(&batch_of(&[], &[waiting_saga(1.0)], &[], 10.0), at(10.0));
    for change in projections.take_changes(at(10.0)) {
        assert_eq!(
            projections.snapshot(change.rows.topic(), 100, at(10.0)),
            Some(change.rows)
        );
    }
    assert_eq!(projections.snapshot(Topic::Logs, 100, at(10.0)), None);
    assert_eq!(
        projections.snapshot(Topic::Sagas, 0, at(10.0)),
        Some(Rows::Sagas(vec![]))
    );
    assert_eq!(projections.sagas(|saga| saga.state == SagaState::Running).len(), 1);
    assert_eq!(projections.sagas_page(|_| true, 0).len(), 0);
}

#[test]
fn nothing_new_means_no_changes() {
    let mut projections = heard(&call_chain());
    projections.take_changes(at(10.0));
    assert_eq!(projections.take_changes(at(10.1)), []);
}

/// Calls, sagas by events and by spans, a breaker, a read model, an outbox and a dead letter, a request after the other.
pub(super) fn story() -> Vec<Batch> {
    let named =
        |key: &str, name: &str| [("correlation.id", text("c-1")), (key, text(name))].map(|(k, v)| (k.to_owned(), v));
    let saga = |seconds: f64, name: &str, step: &str| {
        let pairs = [
            ("saga.id", text("o-1")),
            ("saga.name", text("order")),
            ("saga.step.name", text(step)),
        ];
        batch_of(&[], &[event("orders", seconds, name, &pairs)], &[], seconds)
    };
    let of_breaker = [
        ("circuit_breaker.name", text("payments")),
        ("circuit_breaker.state", text("open")),
    ];
    let letter = [
        ("messaging.message.id", text("m-1")),
        ("messaging.destination.name", text("orders.events")),
    ];
    let model = named("projection.name", "orders").map(|(key, value)| (key, value));
    let model: Vec<_> = model.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let outbox = [("outbox.name", text("outbox"))];
    let mut story: Vec<Batch> = call_chain()
        .iter()
        .map(|span| batch_of(std::slice::from_ref(span), &[], &[], 1.5))
        .collect();
    let mut step = span("payments", 9, 3, SpanKind::Internal, 1.4, 0.2);
    step.name = "saga.step ship".into();
    step.attributes.0.extend([
        ("saga.id".into(), text("o-2")),
        ("saga.name".into(), text("order")),
        ("fault.id".into(), text("f-1")),
    ]);
    story.extend([
        batch_of(&[step], &[], &[], 2.0),
        saga(2.0, "saga.started", ""),
        saga(2.1, "saga.step.started", "reserve"),
        saga(2.2, "saga.step.succeeded", "reserve"),
        saga(2.3, "saga.step.started", "pay"),
        batch_of(
            &[],
            &[event("orders", 2.4, "circuit_breaker.state_changed", &of_breaker)],
            &[],
            2.4,
        ),
        batch_of(&[], &[event("broker", 2.5, "message.dead_lettered", &letter)], &[], 2.5),
        batch_of(
            &[],
            &[],
            &[gauge("orders", 2.6, "projection.position", 7.0, &model)],
            2.6,
        ),
        batch_of(&[], &[], &[gauge("orders", 2.7, "projection.head", 9.0, &model)], 2.7),
        batch_of(&[], &[], &[gauge("orders", 2.8, "outbox.pending", 3.0, &outbox)], 2.8),
        saga(3.0, "saga.step.failed", "pay"),
        saga(3.1, "saga.compensation.started", "reserve"),
        saga(3.2, "saga.compensation.succeeded", "reserve"),
        saga(3.3, "saga.compensated", ""),
    ]);
    story
}

/// Everything that can be asked.
pub(super) fn drawn(picture: &Projections, now: Time) -> String {
    let sagas = picture.sagas(|_| true);
    let details: Vec<_> = sagas
        .iter()
        .map(|saga| picture.saga(&saga.id, Some(&saga.name), now))
        .collect();
    format!(
        "{:#?}",
        (
            (picture.services(now), picture.service_map(now), sagas, details),
            (picture.saga_types(now), picture.breakers(now), picture.read_models(now)),
            (
                picture.outboxes(now),
                picture.dead_letters(),
                picture.traces(100),
                picture.canaries(),
                picture.lost()
            ),
        )
    )
}
