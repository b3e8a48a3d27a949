//! A scripted cluster at a fixed moment.

use std::collections::BTreeMap;

use sagascope_api::Time;
use sagascope_api::breakers::{Breaker, BreakerChange, BreakerWindow};
use sagascope_api::canaries::{Canary, CanaryCalls};
use sagascope_api::faults::{FaultKindOption, FaultStatus, FaultTargetOption};
use sagascope_api::invariants::{Evidence, Invariant};
use sagascope_api::live::Rows;
use sagascope_api::overview::{Demo, Ingest, Overview, SagaTypeSummary, SignalCounts, Storage};
use sagascope_api::read_models::{DeadLetter, Outbox, ReadModel};
use sagascope_api::sagas::{
    Compensation, CurrentStep, Saga, SagaDetail, SagaEvent, SagaType, Step, StepSummary, Waiting,
};
use sagascope_api::services::Service;
use sagascope_api::traces::{Span, SpanEvent, Trace, TraceRoot, TraceSummary};
use sagascope_conventions::fault::FaultCapability;
use sagascope_conventions::{
    BreakerState, CanaryState, Coordination, Fault, FaultKind, FaultState, FaultStrength, FaultTarget, FlowMix,
    InvariantState, ProjectionState, SagaState, StepState, WaitingFor, attributes, events,
};
use serde_json::json;

use crate::event::SagaKey;
use crate::theme::{Depth, Ground, Theme};

/// The scripted moment: 2026-11-21 12:04:31 UTC.
pub(crate) const NOW: Time = Time(1_795_262_671_000_000_000);

pub(crate) fn ago(seconds: f64) -> Time {
    NOW.plus_seconds(-seconds)
}

pub(crate) fn theme() -> Theme {
    Theme {
        depth: Depth::True,
        ground: Ground::Dark,
        ascii: false,
    }
}

/// A cluster in trouble, topic by topic.
pub(crate) fn trouble() -> Vec<Rows> {
    vec![
        Rows::Overview(vec![overview()]),
        Rows::Faults(vec![fault("f1", FaultState::Active), fault("f0", FaultState::Expired)]),
        Rows::Services(services()),
        Rows::Breakers(breakers()),
        Rows::ReadModels(read_models()),
        Rows::Outboxes(outboxes()),
        Rows::DeadLetters(vec![letter()]),
        Rows::Invariants(invariants(false)),
        Rows::Sagas(sagas()),
        Rows::Traces(traces()),
    ]
}

/// Three of them; in a broken shop, one more than there should be was sold.
pub(crate) fn invariants(broken: bool) -> Vec<Invariant> {
    use sagascope_conventions::Invariant as Known;
    let row = |known: Known, service: &str, state| Invariant {
        id: known.as_str().into(),
        service: service.into(),
        statement: known.statement().into(),
        state,
        violations: 0,
        since: ago(3_000.0),
        looked_at: ago(2.0),
        evidence: Vec::new(),
    };
    let mut rows = vec![
        row(Known::Stock, "inventory", InvariantState::Holds),
        row(Known::Outbox, "orders", InvariantState::Holds),
        row(Known::Outbox, "payments", InvariantState::NoData),
    ];
    if broken {
        rows[0].state = InvariantState::Violated;
        rows[0].violations = 2;
        rows[0].since = ago(9.0);
        rows[0].evidence = vec![Evidence {
            at: ago(9.0),
            text: "product-7: 41 on hand + 2 reserved + 58 sold are not the 100 there ever were".into(),
        }];
    }
    rows
}

fn overview() -> Overview {
    let signal = |accepted, per_second| SignalCounts {
        accepted,
        per_second,
        ..SignalCounts::default()
    };
    Overview {
        now: NOW,
        ingest: Ingest {
            spans: signal(81_204, 412.0),
            logs: signal(31_118, 204.0),
            points: SignalCounts {
                dropped: 3,
                ..signal(9_876, 61.5)
            },
        },
        storage: Storage {
            bytes: 214_000_000,
            cap_bytes: 10_000_000_000,
            oldest: Some(ago(3_600.0)),
            held_spans: 61_000,
            held_logs: 22_000,
        },
        saga_types: saga_types(),
        stuck: 1,
        open_breakers: 1,
        stalled_models: 1,
        dead_letters: 1,
        active_faults: 1,
        uptime_seconds: 3_600.0,
        version: "0.1.0".into(),
        durability: "fsync".into(),
        demo: Some(Demo {
            profile: "demo".into(),
            summary: "3 attempts from 100 ms · breaker opens after 5 failures for 10 s".into(),
            orders_per_second: 20.0,
            flows: FlowMix::default(),
        }),
        ..Overview::default()
    }
}

/// All that the shop knows.
fn saga_types() -> Vec<SagaTypeSummary> {
    let kind = |name: &str, started_per_second, completed, p95_ms| SagaTypeSummary {
        name: name.into(),
        states: BTreeMap::from([(SagaState::Running, 2), (SagaState::Completed, completed)]),
        stuck: 0,
        started_per_second,
        p50_ms: Some(210.0),
        p95_ms: Some(p95_ms),
    };
    let order = SagaTypeSummary {
        states: BTreeMap::from([
            (SagaState::Running, 46),
            (SagaState::Completed, 5_812),
            (SagaState::Compensated, 203),
        ]),
        stuck: 1,
        ..kind("order", 10.9, 5_812, 840.0)
    };
    vec![
        kind("booking", 1.0, 214, 1_900.0),
        kind("booking-2pc", 0.5, 88, 420.0),
        order,
        kind("order-broker", 2.0, 610, 390.0),
        kind("order-choreographed", 2.0, 604, 510.0),
        kind("order-hardened", 2.0, 598, 460.0),
        kind("order-sync", 2.0, 611, 96.0),
    ]
}

/// The new version of payments, rolled back by its numbers or climbing.
pub(crate) fn canary(state: CanaryState) -> Canary {
    let (percent, errors, reason) = match state {
        CanaryState::RolledBack => (0, 18, "18 of 20 calls failed, 1 of 180 of the stable version"),
        CanaryState::Running | CanaryState::Promoted => (25, 0, "a person has set it"),
    };
    let calls = |calls, errors| Some(CanaryCalls { calls, errors });
    Canary {
        service: "payments".into(),
        told_by: "registry".into(),
        version: "2.0.0".into(),
        state,
        percent,
        since: Some(ago(31.0)),
        reason: Some(reason.into()),
        by_itself: state == CanaryState::RolledBack,
        stable: calls(180, 1),
        canary: calls(20, errors),
        updated_at: NOW,
        changes: vec![],
    }
}

pub(crate) fn fault(id: &str, state: FaultState) -> FaultStatus {
    FaultStatus {
        fault: Fault {
            id: id.into(),
            target: FaultTarget {
                service: "payments".into(),
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
        state,
        started_at: ago(16.0),
        ends_at: if state == FaultState::Active {
            NOW.plus_seconds(14.0)
        } else {
            ago(600.0)
        },
        hits: 281,
        instances: vec!["payments-1".into()],
    }
}

fn services() -> Vec<Service> {
    let service = |name: &str, rate: f64, errors: f64, p95: f64| Service {
        name: name.into(),
        instances: 1,
        rate_per_second: rate,
        error_ratio: errors,
        p50_ms: Some(p95 / 3.0),
        p95_ms: Some(p95),
        p99_ms: Some(p95 * 2.0),
        up: true,
        last_seen_at: NOW,
        rate_history: (0..30).map(|n| 20.0 + (n % 5) as f32).collect(),
        ..Service::default()
    };
    vec![
        service("gateway", 24.1, 0.0, 31.0),
        service("orders", 20.4, 0.004, 44.0),
        Service {
            faults: vec!["f1".into()],
            restarts: 1,
            ..service("payments", 18.9, 1.0, 3.0)
        },
        service("inventory", 20.6, 0.0, 12.0),
        Service {
            up: false,
            last_seen_at: ago(42.0),
            ..service("shipping", 0.0, 0.0, 9.0)
        },
    ]
}

pub(crate) fn breaker(caller: &str, target: &str, state: BreakerState) -> Breaker {
    Breaker {
        id: format!("{caller}~{target}~1"),
        caller: caller.into(),
        name: target.into(),
        target: Some(target.into()),
        instance: format!("{caller}-1"),
        state: Some(state),
        since: Some(ago(3_600.0)),
        next_probe_at: None,
        reason: None,
        failure_rate: None,
        window: BreakerWindow {
            success: 1_204,
            ..BreakerWindow::default()
        },
        rejected_per_second: 0.0,
        waiting_sagas: BTreeMap::new(),
        history: vec![],
        live: true,
    }
}

fn breakers() -> Vec<Breaker> {
    let change = |state, seconds, reason: &str| BreakerChange {
        state,
        at: ago(seconds),
        reason: Some(reason.into()),
    };
    vec![
        breaker("gateway", "orders", BreakerState::Closed),
        Breaker {
            since: Some(ago(12.0)),
            next_probe_at: Some(NOW.plus_seconds(18.0)),
            reason: Some("6 consecutive failures".into()),
            failure_rate: Some(1.0),
            window: BreakerWindow {
                failure: 24,
                rejected: 216,
                ..BreakerWindow::default()
            },
            rejected_per_second: 18.0,
            waiting_sagas: BTreeMap::from([("order".into(), 41)]),
            history: vec![
                change(BreakerState::Closed, 3_600.0, "first call"),
                change(BreakerState::Open, 60.0, "5 consecutive failures"),
                change(BreakerState::HalfOpen, 30.0, "probe"),
                change(BreakerState::Closed, 29.0, "probe succeeded"),
                change(BreakerState::Open, 12.0, "6 consecutive failures"),
            ],
            ..breaker("orders", "payments", BreakerState::Open)
        },
        breaker("orders", "inventory", BreakerState::Closed),
    ]
}

fn read_models() -> Vec<ReadModel> {
    let model = |service: &str, name: &str, state, behind: u64| ReadModel {
        name: name.into(),
        service: service.into(),
        partition: String::new(),
        state,
        position: Some(81_204),
        head: Some(81_204 + behind),
        lag_events: Some(behind),
        lag_seconds: Some(behind as f64 / 40.0),
        drain_per_second: Some(40.0),
        eta_seconds: None,
        updated_at: NOW,
        stalled_since: None,
        lag_history: (0..60)
            .map(|n| if n < 40 { 0.1 } else { (n - 39) as f32 * 1.5 })
            .collect(),
    };
    vec![
        ReadModel {
            drain_per_second: Some(0.0),
            stalled_since: Some(ago(22.0)),
            ..model("analytics", "daily_sales", ProjectionState::Stalled, 1_204)
        },
        ReadModel {
            eta_seconds: Some(4.0),
            ..model("orders", "by_customer", ProjectionState::Behind, 212)
        },
        model("orders", "summary", ProjectionState::CaughtUp, 0),
        ReadModel {
            partition: "0".into(),
            ..model("analytics", "orders_feed", ProjectionState::CaughtUp, 0)
        },
        ReadModel {
            partition: "1".into(),
            ..model("analytics", "orders_feed", ProjectionState::Behind, 30)
        },
        ReadModel {
            position: None,
            head: None,
            lag_events: None,
            lag_seconds: None,
            drain_per_second: None,
            ..model("shipping", "board", ProjectionState::NoData, 0)
        },
    ]
}

fn outboxes() -> Vec<Outbox> {
    let outbox = |service: &str, pending, oldest| Outbox {
        name: "outbox".into(),
        service: service.into(),
        pending: Some(pending),
        oldest_age_seconds: oldest,
        published_per_second: Some(21.0),
        failed: 0,
        updated_at: NOW,
    };
    let unused = Outbox {
        published_per_second: None,
        ..outbox("analytics", 0, None)
    };
    vec![unused, outbox("orders", 0, None), outbox("payments", 412, Some(31.0))]
}

pub(crate) fn letter() -> DeadLetter {
    DeadLetter {
        id: "m-1".into(),
        destination: "payments.events".into(),
        service: "analytics".into(),
        reason: Some("schema v3 unknown".into()),
        attempts: Some(5),
        at: ago(125.0),
        correlation_id: Some("c-91be".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    }
}

fn saga(id: &str, state: SagaState, step: (&str, usize, u32), age: f64) -> Saga {
    let (name, index, attempt) = step;
    Saga {
        id: id.into(),
        name: "order".into(),
        coordination: Some(Coordination::Orchestration),
        state,
        stuck: false,
        step: Some(CurrentStep {
            name: name.into(),
            index,
            attempt,
        }),
        step_count: 5,
        waiting: None,
        correlation_id: Some(format!("c-{id}")),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        started_at: ago(age),
        ended_at: state.is_final().then(|| ago(age / 2.0)),
        updated_at: ago(age / 2.0),
        deadline: None,
        reason: None,
        faults: vec![],
    }
}

pub(crate) fn stuck_saga() -> Saga {
    Saga {
        stuck: true,
        deadline: Some(ago(100.0)),
        ..saga("7f3a91c2-1111", SagaState::Running, ("ship", 3, 5), 126.0)
    }
}

/// The one whose flow is shown in detail.
fn compensating_saga() -> Saga {
    Saga {
        reason: Some("charge refused: breaker payments open".into()),
        faults: vec!["f1".into()],
        ..saga("19cc02d7-2222", SagaState::Compensating, ("reserve", 1, 1), 1.92)
    }
}

fn sagas() -> Vec<Saga> {
    let waiting = |kind, on: Option<&str>, until: f64| {
        Some(Waiting {
            kind,
            on: on.map(Into::into),
            until: Some(NOW.plus_seconds(until)),
        })
    };
    vec![
        stuck_saga(),
        compensating_saga(),
        Saga {
            waiting: waiting(WaitingFor::Retry, None, 0.4),
            ..saga("8b11f06e-3333", SagaState::Running, ("charge", 2, 2), 0.8)
        },
        Saga {
            waiting: waiting(WaitingFor::Breaker, Some("payments"), 18.0),
            ..saga("90aa7731-4444", SagaState::Running, ("charge", 2, 3), 1.1)
        },
        saga("a1b2c3d4-5555", SagaState::Running, ("reserve", 1, 1), 0.1),
        saga("b2c3d4e5-6666", SagaState::Completed, ("confirm", 4, 1), 12.0),
        Saga {
            reason: Some("card declined".into()),
            ..saga("c3d4e5f6-7777", SagaState::Compensated, ("create", 0, 1), 15.0)
        },
    ]
}

pub(crate) fn compensating_key() -> SagaKey {
    SagaKey {
        name: "order".into(),
        id: "19cc02d7-2222".into(),
    }
}

pub(crate) fn saga_detail() -> SagaDetail {
    let start = ago(1.92);
    let at = |seconds: f64| Some(start.plus_seconds(seconds));
    let step = |index: usize, name: &str, state, attempts, from: Option<f64>, to: Option<f64>| Step {
        name: name.into(),
        index,
        state,
        attempts,
        started_at: from.and_then(at),
        ended_at: to.and_then(at),
        deadline: None,
        next_attempt_at: None,
        reason: None,
        compensation: None,
    };
    let undo = |state, from, to: Option<f64>| {
        Some(Compensation {
            state,
            attempts: 1,
            started_at: at(from),
            ended_at: to.and_then(at),
            reason: None,
        })
    };
    let event = |seconds: f64, name: &str, step: Option<&str>, attempt, reason: Option<&str>, fault: bool| SagaEvent {
        at: start.plus_seconds(seconds),
        name: name.into(),
        service: "orders".into(),
        sequence: None,
        step: step.map(Into::into),
        attempt,
        reason: reason.map(Into::into),
        fault_id: fault.then(|| "f1".into()),
        trace_id: None,
        span_id: None,
    };
    SagaDetail {
        saga: compensating_saga(),
        steps: vec![
            Step {
                compensation: undo(StepState::Running, 1.8, None),
                ..step(0, "create", StepState::Succeeded, 1, Some(0.0), Some(0.012))
            },
            Step {
                compensation: undo(StepState::Succeeded, 0.262, Some(0.276)),
                ..step(1, "reserve", StepState::Succeeded, 1, Some(0.012), Some(0.043))
            },
            Step {
                reason: Some("503 payments".into()),
                ..step(2, "charge", StepState::Failed, 3, Some(0.043), Some(0.26))
            },
            step(3, "ship", StepState::Pending, 0, None, None),
            step(4, "confirm", StepState::Pending, 0, None, None),
        ],
        events: vec![
            event(0.0, events::SAGA_STARTED, None, None, None, false),
            event(0.012, events::SAGA_STEP_SUCCEEDED, Some("create"), Some(1), None, false),
            event(
                0.043,
                events::SAGA_STEP_FAILED,
                Some("charge"),
                Some(1),
                Some("503 payments"),
                true,
            ),
            event(0.05, events::SAGA_STEP_RETRYING, Some("charge"), Some(2), None, false),
            event(
                0.251,
                events::SAGA_STEP_FAILED,
                Some("charge"),
                Some(3),
                Some("breaker open"),
                false,
            ),
            event(
                0.262,
                events::SAGA_COMPENSATION_STARTED,
                Some("reserve"),
                Some(1),
                None,
                false,
            ),
            event(
                0.276,
                events::SAGA_COMPENSATION_SUCCEEDED,
                Some("reserve"),
                Some(1),
                None,
                false,
            ),
        ],
        breakers: vec!["orders~payments~1".into()],
    }
}

pub(crate) fn saga_type() -> SagaType {
    let step = |name: &str, entered, failed, compensated, retries, p95: f64| StepSummary {
        name: name.into(),
        entered,
        in_flight: 3,
        succeeded: entered - failed,
        failed,
        compensated,
        retries,
        p50_ms: Some(p95 / 2.0),
        p95_ms: Some(p95),
    };
    SagaType {
        name: "order".into(),
        states: BTreeMap::from([
            (SagaState::Completed, 5_812),
            (SagaState::Compensated, 203),
            (SagaState::Running, 46),
        ]),
        steps: vec![
            step("create", 6_061, 0, 203, 0, 12.0),
            step("reserve", 6_061, 12, 191, 4, 31.0),
            step("charge", 6_049, 191, 0, 402, 180.0),
            step("ship", 5_858, 0, 0, 2, 60.0),
            step("confirm", 5_858, 0, 0, 0, 9.0),
        ],
        p50_ms: Some(210.0),
        p95_ms: Some(840.0),
    }
}

fn traces() -> Vec<TraceSummary> {
    let trace = |id: &str, age: f64, errors| TraceSummary {
        trace_id: id.into(),
        root: TraceRoot {
            service: "gateway".into(),
            name: "POST /orders".into(),
        },
        started_at: ago(age),
        duration_nanos: 312_000_000,
        span_count: 23,
        error_count: errors,
        services: ["gateway", "orders", "inventory", "payments"].map(Into::into).to_vec(),
        complete: errors == 0,
        faults: if errors > 0 { vec!["f1".into()] } else { vec![] },
        correlation_id: Some("c-91be".into()),
    };
    vec![
        trace(TRACE, 1.9, 3),
        trace("0af7651916cd43dd8448eb211c80319c", 2.4, 0),
        trace("1af7651916cd43dd8448eb211c80319d", 3.1, 0),
    ]
}

pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

pub(crate) fn trace() -> Trace {
    let start = ago(1.9).0;
    let span = |id: &str, parent: Option<&str>, depth, service: &str, name: &str, from_ms: u64, ms: u64| Span {
        span_id: id.into(),
        parent_span_id: parent.map(Into::into),
        service: service.into(),
        name: name.into(),
        kind: "server".into(),
        status: "unset".into(),
        start_unix_nano: start + from_ms * 1_000_000,
        duration_nanos: ms * 1_000_000,
        depth,
        ..Span::default()
    };
    let mut failing = span("a4", Some("a2"), 2, "payments", "POST /charges", 60, 90);
    failing.status = "error".into();
    failing.status_message = "503 injected".into();
    failing
        .attributes
        .insert(attributes::FAULT_KIND.into(), json!("error_rate"));
    failing
        .attributes
        .insert(attributes::SAGA_STEP_NAME.into(), json!("charge"));
    failing
        .attributes
        .insert(attributes::HTTP_RESPONSE_STATUS_CODE.into(), json!(503));
    failing.events = vec![SpanEvent {
        time_unix_nano: failing.start_unix_nano + 45_000_000,
        name: "exception".into(),
        ..SpanEvent::default()
    }];
    Trace {
        trace_id: TRACE.into(),
        root: TraceRoot {
            service: "gateway".into(),
            name: "POST /orders".into(),
        },
        started_at: Time(start),
        duration_nanos: 312_000_000,
        complete: false,
        spans: vec![
            span("a1", None, 0, "gateway", "POST /orders", 0, 312),
            span("a2", Some("a1"), 1, "orders", "saga order", 4, 300),
            span("a3", Some("a2"), 2, "inventory", "POST /reservations", 12, 31),
            failing,
            Span {
                missing_parent: true,
                ..span("a5", Some("zz"), 0, "shipping", "process orders.events", 280, 20)
            },
        ],
        critical_path: vec!["a1".into(), "a2".into(), "a4".into()],
        sagas: vec!["order/19cc02d7-2222".into()],
        linked_traces: vec![],
        omitted: 0,
        incomplete: false,
    }
}

pub(crate) fn catalogue() -> Vec<FaultTargetOption> {
    let kind = |kind: FaultKind| FaultKindOption {
        capability: FaultCapability {
            kind,
            operations: vec![],
        },
        strength: kind.required_strength().iter().map(|&name| name.to_owned()).collect(),
        description: sagascope_api::text::fault_effect(kind).into(),
    };
    let service = |name: &str, kinds: &[FaultKind]| FaultTargetOption {
        service: name.into(),
        instances: vec![format!("{name}-1")],
        kinds: kinds.iter().copied().map(kind).collect(),
    };
    vec![
        service("inventory", &[FaultKind::Latency, FaultKind::OutOfStock]),
        service(
            "payments",
            &[
                FaultKind::Latency,
                FaultKind::ErrorRate,
                FaultKind::Crash,
                FaultKind::DeclinedCards,
            ],
        ),
    ]
}
