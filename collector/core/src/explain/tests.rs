use std::sync::Arc;

use sagascope_api::Time;
use sagascope_conventions::{Fault, FaultKind, FaultState, FaultStrength, FaultTarget};

use super::*;
use crate::projections::Projections;
use crate::rows::{LogRow, SpanKind, SpanStatus, Value};
use crate::testing::{at, attributes, batch_of, event, span, text};
use crate::trace::assemble;

fn tell(n: i64, seconds: f64, what: &str, step: &str, attempt: i64, reason: &str) -> LogRow {
    let mut pairs = vec![
        ("saga.id", text("o-1")),
        ("saga.name", text("order")),
        ("saga.sequence", Value::Int(n)),
    ];
    if !step.is_empty() {
        pairs.push(("saga.step.name", text(step)));
        pairs.push(("saga.step.attempt", Value::Int(attempt)));
        pairs.push(("saga.step.deadline", Value::Int(at(seconds + 5.0).0 as i64)));
    }
    if !reason.is_empty() {
        pairs.push(("saga.reason", text(reason)));
    }
    event("orders", seconds, &format!("saga.{what}"), &pairs)
}

fn breaker_opens(seconds: f64) -> LogRow {
    let pairs = [
        ("circuit_breaker.name", text("payments")),
        ("circuit_breaker.state", text("open")),
        ("circuit_breaker.reason", text("5 failures in a row")),
        ("service.peer.name", text("payments")),
    ];
    event("orders", seconds, "circuit_breaker.state_changed", &pairs)
}

fn undone() -> Vec<LogRow> {
    vec![
        tell(1, 0.0, "started", "", 0, ""),
        tell(2, 0.1, "step.started", "reserve", 1, ""),
        tell(3, 0.2, "step.succeeded", "reserve", 1, ""),
        tell(4, 0.3, "step.started", "charge", 1, ""),
        tell(5, 0.4, "step.failed", "charge", 1, "503 payments"),
        tell(6, 0.5, "compensation.started", "reserve", 1, ""),
        tell(7, 0.6, "compensation.succeeded", "reserve", 1, ""),
        tell(8, 0.7, "compensated", "", 0, "503 payments"),
    ]
}

fn known(logs: &[LogRow], now: Time) -> Known {
    let mut projections = Projections::default();
    projections.apply(&batch_of(&[], logs, &[], 1.0), now);
    Known {
        saga: projections.saga("o-1", None, now),
        breakers: projections.breakers(now),
        ..Known::default()
    }
}

fn fault(id: &str, service: &str, from: f64, to: f64) -> FaultStatus {
    FaultStatus {
        fault: Fault {
            id: id.into(),
            target: FaultTarget {
                service: service.into(),
                ..FaultTarget::default()
            },
            kind: FaultKind::ErrorRate,
            strength: FaultStrength {
                percent: Some(100),
                ..FaultStrength::default()
            },
            duration_seconds: 30,
            seed: 1,
        },
        state: FaultState::Active,
        started_at: at(from),
        ends_at: at(to),
        hits: 1,
        instances: vec![],
    }
}

#[test]
fn a_saga_that_went_well_needs_no_cause() {
    let mut logs = undone()[..3].to_vec();
    logs.push(tell(4, 0.84, "completed", "", 0, ""));
    let told = explain("o-1", &known(&logs, at(1.0)));
    assert_eq!(told.summary, "Saga order o-1 completed in 840 ms.");
    assert_eq!((told.kind.as_str(), told.cause, told.evidence.len()), ("saga", None, 0));
}

#[test]
fn an_undone_saga_names_the_step_and_its_reason() {
    let told = explain("o-1", &known(&undone(), at(1.0)));
    assert_eq!(
        told.summary,
        "Saga order o-1 was undone in 700 ms: step charge failed after 1 attempt (503 payments); 1 step compensated."
    );
    assert_eq!(
        told.cause.as_deref(),
        Some("step charge failed, attempt 1: 503 payments")
    );
    assert_eq!(told.evidence[0].link.as_deref(), Some("/sagas/o-1?name=order"));
}

#[test]
fn the_nearest_to_the_root_is_the_cause_and_evidence_stands_in_order() {
    let mut logs = undone();
    logs.push(breaker_opens(0.35));
    let mut known = known(&logs, at(1.0));
    let by_breaker = explain("o-1", &known);
    assert_eq!(
        by_breaker.cause.as_deref(),
        Some("the breaker orders → payments was open (5 failures in a row)")
    );
    known.faults = vec![
        fault("f-0", "payments", 50.0, 60.0),
        fault("f-1", "payments", 0.05, 9.0),
    ];
    if let Some(detail) = &mut known.saga {
        detail.saga.faults = vec!["f-1".into()];
    }
    let by_fault = explain("o-1", &known);
    assert_eq!(
        by_fault.cause.as_deref(),
        Some(
            "a practised fault, payments: error rate 100 %; the breaker orders → payments was open (5 failures in a row)"
        )
    );
    let links: Vec<_> = by_fault
        .evidence
        .iter()
        .map(|piece| piece.link.as_deref().unwrap())
        .collect();
    assert_eq!(
        links,
        ["/chaos", "/breakers/orders~payments~1", "/sagas/o-1?name=order"]
    );
}

#[test]
fn a_fault_that_left_no_mark_is_a_circumstance() {
    let mut known = known(&undone(), at(1.0));
    known.faults = vec![fault("f-1", "orders", 0.0, 9.0)];
    let told = explain("o-1", &known);
    assert!(told.evidence[0].text.contains("in force meanwhile"));
    assert!(told.cause.unwrap().starts_with("step charge"));
}

#[test]
fn a_saga_being_undone_says_which_undo_and_what_it_waits_for() {
    let summary = |logs: &[LogRow]| explain("o-1", &known(logs, at(1.0))).summary;
    let mut logs = undone()[..5].to_vec();
    let mut failed = tell(7, 0.6, "compensation.failed", "reserve", 1, "503 inventory");
    let waits = [
        ("saga.step.waiting_for", text("breaker")),
        ("saga.step.waiting_on", text("inventory")),
    ];
    failed.attributes.0.extend(attributes(&waits).0);
    for (next, undo) in [
        (
            tell(6, 0.5, "compensation.started", "reserve", 1, ""),
            "step reserve is being undone, attempt 1",
        ),
        (
            failed,
            "attempt 1 to undo step reserve failed (503 inventory), waiting for breaker inventory",
        ),
        (
            tell(8, 0.8, "compensation.started", "reserve", 2, ""),
            "step reserve is being undone, attempt 2",
        ),
        (
            tell(9, 0.9, "compensation.succeeded", "reserve", 2, ""),
            "1 step compensated",
        ),
    ] {
        logs.push(next);
        let told = "Saga order o-1 is being undone: step charge failed after 1 attempt (503 payments)";
        assert_eq!(summary(&logs), format!("{told}; {undo}."));
    }
}

#[test]
fn a_stuck_saga_says_where() {
    let told = explain("o-1", &known(&undone()[..4], at(60.0)));
    assert_eq!(
        told.summary,
        "Saga order o-1 is stuck at step 2 of 2, charge, attempt 1: its deadline has passed."
    );
}

#[test]
fn a_saga_that_needs_a_person_says_what_could_not_be_undone() {
    let mut logs = undone()[..6].to_vec();
    logs.push(tell(7, 0.6, "compensation.failed", "reserve", 1, "no answer"));
    logs.push(tell(8, 0.7, "failed", "", 0, "no answer"));
    let told = explain("o-1", &known(&logs, at(1.0)));
    assert_eq!(
        told.summary,
        "Saga order o-1 needs a person: the undo of step reserve could not be done in 1 attempt (no answer)."
    );
}

#[test]
fn a_trace_is_blamed_on_the_deepest_failure() {
    let failing = |id, parent, message: &str| {
        let mut span = span("payments", id, parent, SpanKind::Server, 0.0, 1.0);
        span.status = SpanStatus::Error;
        span.status_message = message.into();
        Arc::new(span)
    };
    let trace = assemble(&[failing(1, 0, ""), failing(2, 1, "card declined")], 10).unwrap();
    let id = trace.trace_id.clone();
    let told = explain(
        &id,
        &Known {
            trace: Some(trace),
            ..Known::default()
        },
    );
    assert_eq!(told.kind, "trace");
    assert_eq!(
        told.summary,
        "op1 in payments took 1.00 s over 2 spans, of which 2 failed."
    );
    assert_eq!(told.cause.as_deref(), Some("op2 failed in payments (card declined)"));
    assert_eq!(told.evidence.len(), 1);
}

#[test]
fn of_the_unknown_nothing_is_claimed() {
    let told = explain("x", &Known::default());
    assert_eq!((told.summary.as_str(), told.cause), ("Nothing is known of x.", None));
    let correlation = Known {
        correlation: Some(Correlation {
            id: "c-1".into(),
            services: vec!["orders".into()],
            ..Correlation::default()
        }),
        ..Known::default()
    };
    let told = explain("c-1", &correlation);
    assert_eq!(told.kind, "correlation");
    assert_eq!(
        told.summary,
        "Correlation c-1 went through 1 service: 0 traces, 0 log records."
    );
}
