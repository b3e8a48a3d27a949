//! What the board refuses, delivers, ends and forgets.

use sagascope_conventions::{FaultStrength, FaultTarget, OrderFlow};
use serde_json::{Value, json};

use super::super::catalogue::ACTIVE;
use super::super::request::parse;
use super::*;

const NOW: Time = Time(1_000_000_000);

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn instance(service: &str, instance: &str) -> Instance {
    Instance {
        service: service.into(),
        instance: instance.into(),
    }
}

fn offer(kind: FaultKind, operations: &[&str]) -> FaultCapability {
    FaultCapability {
        kind,
        operations: operations.iter().map(|o| (*o).to_owned()).collect(),
    }
}

fn join(board: &mut Board, who: &Instance, at: Duration) {
    let capabilities = vec![
        offer(FaultKind::Latency, &["POST /charges"]),
        offer(FaultKind::Crash, &[]),
    ];
    let Instance { service, instance } = who.clone();
    board
        .register(FaultRegistration {
            service,
            instance,
            capabilities,
        })
        .unwrap();
    assert!(board.connect(who.clone(), at));
}

/// A board with two processes of payments.
fn board() -> Board {
    let mut board = Board::new(None);
    join(&mut board, &instance("payments", "p1"), seconds(0));
    join(&mut board, &instance("payments", "p2"), seconds(0));
    board.take_deliveries();
    board
}

fn latency() -> FaultRequest {
    FaultRequest {
        target: FaultTarget {
            service: "payments".into(),
            ..FaultTarget::default()
        },
        kind: FaultKind::Latency,
        strength: FaultStrength {
            percent: Some(100),
            delay_ms: Some(500),
            ..FaultStrength::default()
        },
        duration_seconds: 30,
        seed: None,
    }
}

fn arm(board: &mut Board, id: &str, request: FaultRequest) -> FaultStatus {
    board.arm(id.into(), request, NOW, seconds(10)).unwrap()
}

fn acknowledge(board: &mut Board, id: &str, instance: &str, state: FaultState) -> bool {
    let acknowledgement = FaultAcknowledgement {
        id: id.into(),
        service: "payments".into(),
        instance: instance.into(),
        state,
    };
    board.acknowledge(&acknowledgement)
}

fn state(board: &Board, id: &str) -> FaultState {
    board
        .list()
        .into_iter()
        .find(|status| status.fault.id == id)
        .unwrap()
        .state
}

fn problem(refusal: Refusal) -> (String, String) {
    let json = serde_json::to_value(refusal.problem()).unwrap();
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    (text("code"), text("field"))
}

/// What the API says to this body, with a board on which payments is connected.
fn refused(body: Value) -> (String, String) {
    let refusal = match parse(body.to_string().as_bytes()) {
        Ok(request) => board().arm("f".into(), request, NOW, seconds(0)).unwrap_err(),
        Err(refusal) => refusal,
    };
    problem(refusal)
}

#[test]
fn a_fault_goes_to_every_process_and_is_active_once_one_took_it() {
    let mut board = board();
    let status = arm(&mut board, "f1", latency());
    assert_eq!(
        (status.state, status.ends_at),
        (FaultState::Pending, Time(31_000_000_000))
    );
    let to: Vec<_> = board
        .take_deliveries()
        .into_iter()
        .map(|delivery| delivery.to.instance)
        .collect();
    assert_eq!(to, ["p1", "p2"]);
    assert!(acknowledge(&mut board, "f1", "p1", FaultState::Active));
    assert_eq!(state(&board, "f1"), FaultState::Active);
    assert_eq!(board.list()[0].instances, ["p1"]);
    assert!(!acknowledge(&mut board, "unknown", "p1", FaultState::Active));
}

#[test]
fn e09_every_refusal_names_its_field() {
    let good = json!({"target": {"service": "payments"}, "kind": "latency", "strength": {"percent": 100, "delay_ms": 5}, "duration_seconds": 30});
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let cases = [
        (
            with("/target/service", json!("nobody")),
            "unknown_service",
            "target.service",
        ),
        (with("/target", json!({})), "missing_field", "target.service"),
        (
            with("/target", json!({"service": "payments", "instance": "p9"})),
            "unknown_instance",
            "target.instance",
        ),
        (
            with("/target", json!({"service": "payments", "operation": "GET /x"})),
            "unknown_operation",
            "target.operation",
        ),
        (
            with(
                "/target",
                json!({"service": "payments", "url": "http://169.254.169.254/"}),
            ),
            "unknown_field",
            "target.url",
        ),
        (with("/kind", json!("earthquake")), "unknown_kind", "kind"),
        (with("/kind", json!("out_of_stock")), "unsupported_kind", "kind"),
        (with("/kind", json!(7)), "invalid_value", "kind"),
        (
            with("/strength", json!({"percent": 100})),
            "invalid_strength",
            "strength.delay_ms",
        ),
        (with("/strength", json!(null)), "invalid_strength", "strength.percent"),
        (
            with("/strength/percent", json!(0)),
            "invalid_strength",
            "strength.percent",
        ),
        (
            with("/strength/percent", json!(101)),
            "invalid_strength",
            "strength.percent",
        ),
        (
            with("/strength/percent", json!(300)),
            "invalid_strength",
            "strength.percent",
        ),
        (
            with("/strength/percent", json!(-1)),
            "invalid_value",
            "strength.percent",
        ),
        (
            with("/strength/percent", json!("NaN")),
            "invalid_value",
            "strength.percent",
        ),
        (
            with("/strength/delay_ms", json!(0)),
            "invalid_strength",
            "strength.delay_ms",
        ),
        (
            with("/strength/delay_ms", json!(u64::MAX)),
            "invalid_strength",
            "strength.delay_ms",
        ),
        (
            with("/strength", json!({"percentage": 5})),
            "unknown_field",
            "strength.percentage",
        ),
        (
            with("/duration_seconds", json!(0)),
            "invalid_duration",
            "duration_seconds",
        ),
        (
            with("/duration_seconds", json!(3601)),
            "invalid_duration",
            "duration_seconds",
        ),
        (
            with("/duration_seconds", json!(u64::MAX)),
            "invalid_duration",
            "duration_seconds",
        ),
        (
            with("/duration_seconds", json!(1.5)),
            "invalid_value",
            "duration_seconds",
        ),
        (
            json!({"target": {"service": "payments"}, "kind": "crash"}),
            "missing_field",
            "duration_seconds",
        ),
        (
            json!({"kind": "crash", "duration_seconds": 5}),
            "missing_field",
            "target",
        ),
        (json!([]), "invalid_json", ""),
    ];
    for (body, code, field) in cases {
        assert_eq!(refused(body.clone()), (code.into(), field.into()), "{body}");
    }
    let good = parse(good.to_string().as_bytes()).unwrap();
    assert!(board().arm("f".into(), good, NOW, seconds(0)).is_ok());
}

#[test]
fn e08_a_fault_ends_by_the_monotonic_clock() {
    let mut board = board();
    arm(&mut board, "f1", latency());
    board.expire(seconds(39));
    assert_eq!(state(&board, "f1"), FaultState::Pending);
    board.expire(seconds(40));
    assert_eq!(state(&board, "f1"), FaultState::Expired);
    assert!(board.active_targets().is_empty());
}

#[test]
fn one_who_comes_back_hears_what_is_left() {
    let mut board = board();
    arm(&mut board, "f1", latency());
    board.take_deliveries();
    board.disconnect(&instance("payments", "p1"), NOW);
    join(&mut board, &instance("payments", "p1"), seconds(25));
    let Some(Delivery {
        command: FaultCommand::Sync { faults },
        ..
    }) = board.take_deliveries().pop()
    else {
        panic!("no sync")
    };
    assert_eq!((faults.len(), faults[0].remaining_ms), (1, 15_000));
}

#[test]
fn clearing_tells_the_services_and_is_final() {
    let mut board = board();
    arm(&mut board, "f1", latency());
    board.take_deliveries();
    assert_eq!(board.clear("f1", Time(5)).unwrap().state, FaultState::Cleared);
    assert_eq!(board.take_deliveries().len(), 2);
    acknowledge(&mut board, "f1", "p1", FaultState::Active);
    board.expire(seconds(99));
    assert_eq!(state(&board, "f1"), FaultState::Cleared, "late news change nothing");
    assert!(board.clear("unknown", NOW).is_none());
    arm(&mut board, "f2", latency());
    assert_eq!(board.clear_all(NOW).len(), 1);
}

#[test]
fn a_crash_is_ordered_once() {
    let mut board = board();
    let only = FaultTarget {
        service: "payments".into(),
        instance: Some("p1".into()),
        operation: None,
    };
    let crash = FaultRequest {
        target: only,
        kind: FaultKind::Crash,
        strength: FaultStrength::default(),
        ..latency()
    };
    arm(&mut board, "f1", crash);
    assert_eq!(board.take_deliveries().len(), 1, "to the one instance");
    board.disconnect(&instance("payments", "p1"), NOW);
    assert_eq!(state(&board, "f1"), FaultState::Expired, "it did its work");
    join(&mut board, &instance("payments", "p1"), seconds(12));
    let delivered = board.take_deliveries();
    assert!(matches!(&delivered[..], [Delivery { command: FaultCommand::Sync { faults }, .. }] if faults.is_empty()));
}

#[test]
fn a_crash_pending_for_others_is_not_given_to_the_restarted() {
    let mut board = board();
    let crash = FaultRequest {
        kind: FaultKind::Crash,
        strength: FaultStrength::default(),
        ..latency()
    };
    arm(&mut board, "f1", crash);
    board.take_deliveries();
    join(&mut board, &instance("payments", "p3"), seconds(12));
    let delivered = board.take_deliveries();
    assert!(matches!(&delivered[..], [Delivery { command: FaultCommand::Sync { faults }, .. }] if faults.is_empty()));
}

#[test]
fn hits_are_counted_while_spans_may_come() {
    let mut board = board();
    arm(&mut board, "f1", latency());
    board.take_changes();
    board.count_hits(|_| 7);
    assert_eq!(board.take_changes().unwrap().0[0].hits, 7);
    board.count_hits(|_| 7);
    assert!(board.take_changes().is_none(), "no news");
    board.expire(seconds(40));
    board.count_hits(|_| 9);
    assert_eq!(board.list()[0].hits, 9, "the last spans are late");
    board.expire(seconds(200));
    board.count_hits(|_| 10);
    assert_eq!(board.list()[0].hits, 9);
}

#[test]
fn the_catalogue_shows_who_is_connected() {
    let mut board = board();
    let catalogue = board.catalogue();
    assert_eq!(catalogue[0].service, "payments");
    assert_eq!(catalogue[0].instances, ["p1", "p2"]);
    let latency = catalogue[0]
        .kinds
        .iter()
        .find(|kind| kind.capability.kind == FaultKind::Latency)
        .unwrap();
    assert_eq!(
        (&latency.strength[..], &latency.capability.operations[..]),
        (
            &["percent".to_owned(), "delay_ms".into()][..],
            &["POST /charges".to_owned()][..]
        )
    );
    for one in ["p1", "p2"] {
        board.disconnect(&instance("payments", one), NOW);
    }
    assert!(board.catalogue().is_empty());
    assert!(!board.connect(instance("payments", "p9"), seconds(1)), "register first");
}

#[test]
fn history_and_active_faults_are_bounded() {
    let mut board = board();
    for n in 0..HISTORY + 10 {
        arm(&mut board, &format!("f{n}"), latency());
        board.clear(&format!("f{n}"), NOW);
    }
    assert_eq!(board.list().len(), HISTORY);
    assert_eq!(
        board.take_changes().unwrap().1.len(),
        10,
        "watchers are told to forget them"
    );
    for n in 0..ACTIVE {
        arm(&mut board, &format!("a{n}"), latency());
    }
    let refusal = board.arm("more".into(), latency(), NOW, seconds(0)).unwrap_err();
    assert_eq!(problem(refusal).0, "too_many_faults");
}

#[test]
fn traffic_is_told_its_rate_and_mix_first_and_at_every_change() {
    let (mix, other) = (FlowMix::default(), FlowMix::only(OrderFlow::Sync));
    let mut board = Board::new(Some((20.0, mix)));
    join(&mut board, &instance("traffic", "t1"), seconds(0));
    let last = |board: &mut Board| board.take_deliveries().pop().unwrap().command;
    let told = |orders_per_second, flows| FaultCommand::Traffic {
        orders_per_second,
        flows,
    };
    let wanted = |orders_per_second, flows| Traffic {
        orders_per_second,
        flows,
    };
    assert_eq!(last(&mut board), told(20.0, mix));
    assert_eq!(
        board.set_traffic(wanted(5.0, Some(other))),
        Some(wanted(5.0, Some(other)))
    );
    assert_eq!(last(&mut board), told(5.0, other));
    assert_eq!(
        board.set_traffic(wanted(6.0, None)),
        Some(wanted(6.0, Some(other))),
        "a mix that nobody names stays"
    );
    assert_eq!(
        Board::new(None).set_traffic(wanted(5.0, None)),
        None,
        "without a demo there is nobody to ask"
    );
}
