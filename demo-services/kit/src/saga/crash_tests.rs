//! The machine under crashes at every point, repeated execution, lost answers and failing compensations (G01–G03, G06, G10).

mod exhaustive;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sagascope_conventions::{SagaState, attributes};
use sagascope_instrument::{Event, Value};
use serde_json::json;

use super::machine::{Direction, Instance, Next, StepDefinition, StepFailure, StepResult};
use super::policy::Policy;
use crate::retry::RetryPolicy;

const DEADLINE: Duration = Duration::from_secs(5);
const STEPS: &[StepDefinition] = &[
    StepDefinition {
        name: "reserve",
        deadline: DEADLINE,
    },
    StepDefinition {
        name: "charge",
        deadline: DEADLINE,
    },
    StepDefinition {
        name: "ship",
        deadline: DEADLINE,
    },
];
const RETRY: RetryPolicy = RetryPolicy {
    attempts: 3,
    base: Duration::from_millis(100),
    factor: 2,
    cap: Duration::from_secs(1),
    jitter: 0.2,
};
const POLICY: Policy = Policy {
    forward: RETRY,
    back: RetryPolicy { attempts: 4, ..RETRY },
};

/// What the other side does with an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reply {
    Yes,
    No,
    /// It never arrives.
    LostRequest,
    /// It takes effect, and the answer never arrives.
    LostAnswer,
    /// It never leaves: a breaker is open.
    NotTried,
}

/// Replies by step, direction and attempt; `Yes` where nothing is said.
#[derive(Clone, Debug, Default)]
struct Script(BTreeMap<(usize, bool, u32), Reply>);

impl Script {
    fn on(mut self, index: usize, direction: Direction, attempts: std::ops::RangeInclusive<u32>, reply: Reply) -> Self {
        self.0
            .extend(attempts.map(|attempt| ((index, direction == Direction::Forward, attempt), reply)));
        self
    }

    fn reply(&self, index: usize, direction: Direction, attempt: u32) -> Reply {
        self.0
            .get(&(index, direction == Direction::Forward, attempt))
            .copied()
            .unwrap_or(Reply::Yes)
    }
}

/// The other services: idempotent by key, with a mark left by a compensation that came first.
#[derive(Debug, Default)]
struct World {
    done: BTreeSet<usize>,
    undone: Vec<usize>,
    marks: BTreeSet<usize>,
    undo_calls: BTreeSet<usize>,
    effects: BTreeMap<usize, (u32, u32)>,
}

impl World {
    fn receive(&mut self, index: usize, direction: Direction, reply: Reply) -> StepResult {
        if direction == Direction::Back {
            self.undo_calls.insert(index);
        }
        let known = self.done.contains(&index) || self.undone.contains(&index);
        match reply {
            Reply::NotTried => Err(StepFailure::not_tried("breaker_open", "the breaker is open")),
            Reply::LostRequest => Err(StepFailure::lost("timeout", "no answer")),
            Reply::No if !(known && direction == Direction::Forward) => Err(StepFailure::refused("refused", "no")),
            Reply::LostAnswer => {
                self.act(index, direction);
                Err(StepFailure::lost("timeout", "no answer"))
            }
            Reply::Yes | Reply::No => {
                self.act(index, direction);
                Ok(json!({ "step": index }))
            }
        }
    }

    fn act(&mut self, index: usize, direction: Direction) {
        match direction {
            Direction::Forward if self.marks.contains(&index) => panic!("acted after it was undone"),
            Direction::Forward if self.done.insert(index) => self.effects.entry(index).or_default().0 += 1,
            Direction::Back if !self.undone.contains(&index) => {
                self.marks.insert(index);
                self.undone.push(index);
                if self.done.contains(&index) {
                    self.effects.entry(index).or_default().1 += 1;
                }
            }
            Direction::Forward | Direction::Back => {}
        }
    }
}

struct Outcome {
    instance: Instance,
    world: World,
    told: Vec<Event>,
    points: usize,
}

/// Runs the saga to its end; at each point named in `crashes` the process dies and starts again from what is persisted.
fn run(script: &Script, crashes: &[usize]) -> Outcome {
    run_with(script, crashes, false)
}

/// As [`run`]; with `shut_after_crash`, no step can be asked again after the first crash.
fn run_with(script: &Script, crashes: &[usize], shut_after_crash: bool) -> Outcome {
    let mut now = 1_000;
    let (mut persisted, mut told) = Instance::start("order", "o-1", "c-1", STEPS, json!({}), now);
    let (mut world, mut points, mut died) = (World::default(), 0, false);
    let mut crashed = || {
        points += 1;
        crashes.contains(&points)
    };
    loop {
        let mut instance = persisted.clone();
        let Next::Go { direction, index, due } = instance.next() else {
            break;
        };
        now = now.max(due) + 1_000;
        let begun = instance.begin(now);
        if crashed() {
            died = true;
            continue;
        }
        (persisted, told) = (instance.clone(), [told, begun].concat());
        if crashed() {
            died = true;
            continue;
        }
        let attempt = instance.progress(direction, index).attempt;
        let shut = shut_after_crash && direction == Direction::Forward && died;
        let reply = if shut {
            Reply::NotTried
        } else {
            script.reply(index, direction, attempt)
        };
        let reply = world.receive(index, direction, reply);
        if crashed() {
            died = true;
            continue;
        }
        let finished = instance.finish(reply, now, &POLICY, 0.5);
        (persisted, told) = (instance, [told, finished].concat());
    }
    Outcome {
        instance: persisted,
        world,
        told,
        points,
    }
}

fn check(script: &Script, crashes: &[usize], expected: SagaState) {
    let outcome = run(script, crashes);
    assert_eq!(
        outcome.instance.state, expected,
        "INV-03: {script:?} with crashes at {crashes:?}"
    );
    check_effects(&outcome, &format!("{script:?} with crashes at {crashes:?}"));
}

fn check_effects(outcome: &Outcome, story: &str) {
    let (instance, world) = (&outcome.instance, &outcome.world);
    let (expected, story) = (instance.state, format!("{story}: {instance:?} {world:?}"));
    assert!(expected.is_final(), "INV-03: {story}");
    for (index, &(done, undone)) in &world.effects {
        assert!(done <= 1 && undone <= done, "INV-05: {story}");
        let parked = instance.steps[*index]
            .undo
            .as_ref()
            .is_some_and(|undo| undo.state.as_str() == "failed");
        let standing = expected == SagaState::Completed || parked && undone == 0;
        assert_eq!(
            done - undone,
            u32::from(standing && done == 1),
            "INV-01, INV-04: {story}"
        );
    }
    assert_eq!(
        expected == SagaState::Completed,
        world.done.len() == STEPS.len() && world.undone.is_empty(),
        "{story}"
    );
    assert!(
        world.undone.windows(2).all(|pair| pair[0] > pair[1]),
        "INV-04, in reverse: {story}"
    );
    let sequences: Vec<_> = outcome
        .told
        .iter()
        .map(|event| event.attribute(attributes::SAGA_SEQUENCE).cloned())
        .collect();
    let expected: Vec<_> = (1..=sequences.len() as i64).map(|n| Some(Value::Int(n))).collect();
    assert_eq!(
        sequences, expected,
        "events are numbered without gap or repeat: {story}"
    );
}

/// Every single crash and every pair of crashes ends as the undisturbed run does.
fn check_at_every_crash_point(script: &Script, expected: SagaState) {
    check(script, &[], expected);
    let points = run(script, &[]).points;
    for first in 1..=points {
        check(script, &[first], expected);
        for second in first + 1..=points + 3 {
            check(script, &[first, second], expected);
        }
    }
}

#[test]
fn g01_it_completes_from_every_crash_point() {
    check_at_every_crash_point(&Script::default(), SagaState::Completed);
}

#[test]
fn g03_a_refusal_at_any_step_is_compensated_from_every_crash_point() {
    for step in 0..STEPS.len() {
        let script = Script::default().on(step, Direction::Forward, 1..=3, Reply::No);
        check_at_every_crash_point(&script, SagaState::Compensated);
    }
}

#[test]
fn g10_lost_requests_and_lost_answers_of_any_step_conserve_money() {
    for step in 0..STEPS.len() {
        for reply in [Reply::LostRequest, Reply::LostAnswer] {
            let recovers = Script::default().on(step, Direction::Forward, 1..=2, reply);
            check_at_every_crash_point(&recovers, SagaState::Completed);
            let turns_back = Script::default().on(step, Direction::Forward, 1..=3, reply);
            check_at_every_crash_point(&turns_back, SagaState::Compensated);
        }
    }
}

#[test]
fn g03_a_failing_undo_is_retried_then_parked_while_the_others_are_undone() {
    for step in 0..2 {
        let refused = Script::default().on(2, Direction::Forward, 1..=3, Reply::No);
        let retried = refused.clone().on(step, Direction::Back, 1..=3, Reply::LostAnswer);
        check_at_every_crash_point(&retried, SagaState::Compensated);
        let parked = refused.on(step, Direction::Back, 1..=4, Reply::LostRequest);
        check_at_every_crash_point(&parked, SagaState::Failed);
        let outcome = run(&parked, &[]);
        assert_eq!(outcome.world.undone, [1 - step], "the other step is undone");
        assert!(outcome.told.last().is_some_and(|event| event.name == "saga.failed"));
    }
}

#[test]
fn a_step_that_was_clearly_refused_is_not_undone() {
    let outcome = run(&Script::default().on(1, Direction::Forward, 1..=1, Reply::No), &[]);
    assert_eq!(outcome.world.undo_calls, BTreeSet::from([0]), "INV-04");
}

#[test]
fn g06_a_step_that_may_have_acted_is_undone_even_when_later_attempts_were_refused() {
    let script = Script::default()
        .on(1, Direction::Forward, 1..=1, Reply::LostRequest)
        .on(1, Direction::Forward, 2..=2, Reply::No);
    let outcome = run(&script, &[]);
    assert_eq!(outcome.instance.state, SagaState::Compensated);
    assert_eq!(outcome.world.undo_calls, BTreeSet::from([0, 1]));
    assert!(
        outcome.world.marks.contains(&1),
        "the undo leaves a mark for a late charge"
    );
}

#[test]
fn g01_a_step_cut_off_by_a_crash_is_undone_even_when_it_can_never_be_asked_again() {
    let script = Script::default();
    for crash in 1..=run(&script, &[]).points {
        let outcome = run_with(&script, &[crash], true);
        check_effects(&outcome, &format!("shut after a crash at {crash}"));
        assert_eq!(outcome.instance.state, SagaState::Compensated, "crash at {crash}");
    }
}

#[test]
fn attempts_end_with_the_deadline_of_the_step() {
    let (mut instance, _) = Instance::start("order", "o-1", "", STEPS, json!({}), 0);
    instance.begin(0);
    let late = DEADLINE.as_nanos() as u64 - 1;
    instance.finish(Err(StepFailure::lost("timeout", "no answer")), late, &POLICY, 0.5);
    assert_eq!(
        instance.state,
        SagaState::Compensating,
        "a retry after the deadline would come too late"
    );
}

#[test]
fn an_instance_survives_the_row_it_is_kept_in() {
    let (mut instance, _) = Instance::start("order", "o-1", "c-1", STEPS, json!({ "total": 5 }), 7);
    instance.begin(8);
    instance.finish(Ok(json!({ "reservation": "r-1" })), 9, &POLICY, 0.5);
    let row = serde_json::to_string(&instance).expect("written");
    assert_eq!(serde_json::from_str::<Instance>(&row).expect("read"), instance);
    assert_eq!(
        instance.data.output::<serde_json::Value>("reserve"),
        Some(json!({ "reservation": "r-1" }))
    );
    assert_eq!(instance.data.output::<u32>("charge"), None);
}

#[test]
fn a_saga_without_steps_is_complete_at_once() {
    let (instance, told) = Instance::start("order", "o-1", "c-1", &[], json!({}), 7);
    assert_eq!((instance.state, told.len()), (SagaState::Completed, 2));
}
