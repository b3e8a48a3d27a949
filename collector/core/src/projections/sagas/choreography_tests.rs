//! A saga that nobody orchestrates: each service tells its own steps under numbers of its own, and one picture comes of it.

use sagascope_api::sagas::SagaDetail;
use sagascope_conventions::{Coordination, SagaState, StepState};

use super::*;
use crate::rows::{LogRow, Value};
use crate::testing::{at, event, log_block, text};

const STEPS: [&str; 5] = ["create", "reserve", "charge", "ship", "confirm"];

/// `service sequence seconds event [step]`, line by line.
fn told(lines: &str) -> Vec<LogRow> {
    lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(tell)
        .collect()
}

fn tell(line: &str) -> LogRow {
    let words: Vec<&str> = line.split_whitespace().collect();
    let seconds: f64 = words[2].parse().unwrap();
    let mut pairs = vec![
        ("saga.id", text("o-1")),
        ("saga.name", text("order-choreographed")),
        ("saga.coordination", text("choreography")),
        ("saga.sequence", Value::Int(words[1].parse().unwrap())),
    ];
    if words[3] == "started" {
        pairs.push(("saga.steps", Value::List(STEPS.map(text).to_vec())));
    }
    if let Some(step) = words.get(4) {
        let index = STEPS.iter().position(|known| known == step).unwrap();
        pairs.push(("saga.step.name", text(step)));
        pairs.push(("saga.step.index", Value::Int(index as i64)));
        pairs.push(("saga.step.attempt", Value::Int(1)));
    }
    if words[3].ends_with("step.started") {
        pairs.push(("saga.step.deadline", Value::Int(at(seconds + 5.0).0 as i64)));
    }
    if words[3] == "step.failed" || words[3] == "compensated" {
        pairs.push(("saga.reason", text("no carrier")));
    }
    event(words[0], seconds, &format!("saga.{}", words[3]), &pairs)
}

/// Shipping refuses; payments, inventory and orders undo their own steps one after the other.
const TURNED_BACK: &str = "
    orders 1 0.0 started
    orders 2 0.0 step.started create
    orders 3 0.0 step.succeeded create
    inventory 1 0.1 step.started reserve
    inventory 2 0.2 step.succeeded reserve
    payments 1 0.3 step.started charge
    payments 2 0.4 step.succeeded charge
    shipping 1 0.5 step.started ship
    shipping 2 0.6 step.failed ship
    payments 3 0.7 compensation.started charge
    payments 4 0.8 compensation.succeeded charge
    inventory 3 0.9 compensation.started reserve
    inventory 4 1.0 compensation.succeeded reserve
    orders 4 1.1 compensation.started create
    orders 5 1.1 compensation.succeeded create
    orders 6 1.1 compensated";

fn picture(logs: &[LogRow], now: f64) -> (Sagas, SagaDetail) {
    let (mut sagas, mut names) = (Sagas::new(100), Names::default());
    for log in logs {
        let block = log_block(std::slice::from_ref(log));
        sagas.apply_log(block.row(0), &mut Keys::default(), &mut names);
    }
    sagas.settle(at(now));
    let detail = sagas.detail("o-1", None).expect("known").0;
    (sagas, detail)
}

#[test]
fn what_the_services_tell_is_joined_to_one_saga() {
    let (sagas, detail) = picture(&told(TURNED_BACK), 10.0);
    assert_eq!(detail.saga.coordination, Some(Coordination::Choreography));
    assert_eq!(
        (detail.saga.state, detail.saga.reason.as_deref(), detail.saga.step_count),
        (SagaState::Compensated, Some("no carrier"), 5)
    );
    let steps: Vec<_> = detail
        .steps
        .iter()
        .map(|step| {
            (
                step.name.as_str(),
                step.state,
                step.compensation.as_ref().map(|undo| undo.state),
            )
        })
        .collect();
    let undone = Some(StepState::Succeeded);
    assert_eq!(
        steps,
        [
            ("create", StepState::Succeeded, undone),
            ("reserve", StepState::Succeeded, undone),
            ("charge", StepState::Succeeded, undone),
            ("ship", StepState::Failed, None),
            ("confirm", StepState::Pending, None),
        ]
    );
    let services: Vec<&str> = detail.events.iter().map(|event| event.service.as_str()).collect();
    assert_eq!(
        (services.first(), services.last(), services.len()),
        (Some(&"orders"), Some(&"orders"), 16)
    );
    let graph = sagas.type_graph("order-choreographed").expect("a type");
    let flow: Vec<_> = graph
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.entered, step.failed, step.compensated))
        .collect();
    assert_eq!(
        flow,
        [
            ("create", 1, 0, 1),
            ("reserve", 1, 0, 1),
            ("charge", 1, 0, 1),
            ("ship", 1, 1, 0),
            ("confirm", 0, 0, 0)
        ]
    );
}

/// Each service has its own way to the collector: what it tells may come first, last, or twice.
#[test]
fn it_does_not_matter_who_is_heard_first() {
    let whole = picture(&told(TURNED_BACK), 10.0).1;
    let mut logs = told(TURNED_BACK);
    logs.reverse();
    assert_eq!(picture(&logs, 10.0).1, whole);
    logs.sort_by_key(|log| log.resource.service.clone());
    logs.extend(told(TURNED_BACK));
    assert_eq!(picture(&logs, 10.0).1, whole);
}

/// Nobody asks for the next step: when it does not begin in the time of the last one, the saga is stuck there.
#[test]
fn a_saga_that_nobody_takes_up_is_stuck_after_the_last_step() {
    let cut: Vec<LogRow> = told(TURNED_BACK)[..5].to_vec();
    let soon = picture(&cut, 1.0).1.saga;
    let late = picture(&cut, 9.0).1.saga;
    assert_eq!((soon.state, soon.stuck), (SagaState::Running, false));
    assert_eq!((late.state, late.stuck), (SagaState::Running, true));
    assert_eq!(late.step.map(|step| step.name).as_deref(), Some("reserve"));
}
