//! Every case within bounds, one by one: what makes the saga turn back × how each undo fails × which steps are asked
//! twice × after which prefix of the log the process dies.
//!
//! The bounds: three steps (what an order, or a booking, asks of others) in the full product, and five (all of it) with
//! at most one undo that fails and one step, or all, asked twice. One death per case; pairs of deaths are in the parent.

use super::super::operate::Operation;
use super::*;

const NAMES: [&str; 5] = ["create", "reserve", "charge", "ship", "confirm"];
/// An undo is tried this often before it is parked; more changes nothing but the time that this takes.
const POLICY: Policy = Policy {
    forward: RetryPolicy { attempts: 2, ..RETRY },
    back: RetryPolicy { attempts: 2, ..RETRY },
};

/// Why it does not go all the way, and at which step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cause {
    Nothing,
    Refused(usize),
    /// It acts, and no answer ever comes.
    Silent(usize),
    /// It is never reached.
    Away(usize),
}

/// What becomes of the undo of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Undo {
    Works,
    FailsOnce,
    FailsTillOperator,
}

#[derive(Clone, Debug)]
struct Case {
    steps: usize,
    cause: Cause,
    undos: Vec<Undo>,
    /// A bit for each step that is asked twice whenever it is asked, forward and back.
    twice: u32,
    /// Dies at this point; at none when it is zero.
    death: usize,
}

impl Cause {
    fn all(steps: usize) -> impl Iterator<Item = Self> {
        let at = (0..steps).flat_map(|step| [Self::Refused(step), Self::Silent(step), Self::Away(step)]);
        std::iter::once(Self::Nothing).chain(at)
    }

    /// Steps that are asked at all, and steps that are undone.
    const fn reach(self, steps: usize) -> (usize, usize) {
        match self {
            Self::Nothing => (steps, 0),
            Self::Refused(step) => (step + 1, step),
            Self::Silent(step) | Self::Away(step) => (step + 1, step + 1),
        }
    }

    const fn reply(self, index: usize) -> Reply {
        match self {
            Self::Refused(step) if step == index => Reply::No,
            Self::Silent(step) if step == index => Reply::LostAnswer,
            Self::Away(step) if step == index => Reply::LostRequest,
            _ => Reply::Yes,
        }
    }
}

/// Plays a case to its end; answers the points at which it could have died.
fn play(case: &Case) -> usize {
    let steps: Vec<StepDefinition> = NAMES[..case.steps]
        .iter()
        .map(|&name| StepDefinition {
            name,
            deadline: DEADLINE,
        })
        .collect();
    let mut now = 1_000;
    let (mut persisted, told) = Instance::start("order", "o-1", "c-1", &steps, json!({}), now);
    let (mut world, mut told, mut points) = (World::default(), told.len(), 0);
    let (mut undo_calls, mut operated) = ([0; NAMES.len()], false);
    let mut dies = || {
        points += 1;
        points == case.death
    };
    for _ in 0..200 {
        let mut instance = persisted.clone();
        if instance.state == SagaState::Failed && !operated {
            operated = true;
            told += instance.operate(Operation::Retry, now).expect("it is parked").len();
            persisted = instance;
            continue;
        }
        let Next::Go { direction, index, due } = instance.next() else {
            break;
        };
        now = now.max(due) + 1_000;
        let begun = instance.begin(now).len();
        if dies() {
            continue;
        }
        (persisted, told) = (instance.clone(), told + begun);
        if dies() {
            continue;
        }
        let reply = match direction {
            Direction::Forward => case.cause.reply(index),
            Direction::Back => {
                undo_calls[index] += 1;
                match case.undos.get(index).unwrap_or(&Undo::Works) {
                    Undo::FailsOnce if undo_calls[index] == 1 => Reply::LostAnswer,
                    Undo::FailsTillOperator if !operated => Reply::LostRequest,
                    _ => Reply::Yes,
                }
            }
        };
        let mut answer = world.receive(index, direction, reply);
        if case.twice & (1 << index) != 0 {
            answer = world.receive(index, direction, reply);
        }
        if dies() {
            continue;
        }
        told += instance.finish(answer, now, &POLICY, 0.5).len();
        persisted = instance;
    }
    check(case, &persisted, &world, told);
    points
}

fn check(case: &Case, instance: &Instance, world: &World, told: usize) {
    let story = || format!("{case:?}: {instance:?} {world:?}");
    let expected = if case.cause == Cause::Nothing {
        SagaState::Completed
    } else {
        SagaState::Compensated
    };
    assert_eq!(instance.state, expected, "INV-03: {}", story());
    assert_eq!(
        instance.sequence,
        told as u64,
        "INV-08, events without gap: {}",
        story()
    );
    for &(done, undone) in world.effects.values() {
        let stands = u32::from(expected == SagaState::Completed);
        assert!(done <= 1 && undone <= done, "INV-05: {}", story());
        assert_eq!(done - undone, stands * done, "INV-01: {}", story());
    }
    if expected == SagaState::Completed {
        assert!(world.done.len() == case.steps && world.undone.is_empty(), "{}", story());
    } else {
        let due = |index: &usize| world.done.contains(index) && !world.undone.contains(index);
        assert!(!(0..case.steps).any(|index| due(&index)), "INV-04: {}", story());
        // What a person had to free comes after the rest.
        let in_reverse = world.undone.windows(2).all(|pair| pair[0] > pair[1]);
        assert!(
            in_reverse || case.undos.contains(&Undo::FailsTillOperator),
            "INV-04, in reverse: {}",
            story()
        );
    }
}

/// All ways in which the undos of that many steps fail, but no more than `most` of them at once.
fn undos(steps: usize, most: usize) -> Vec<Vec<Undo>> {
    let mut all = vec![Vec::new()];
    for _ in 0..steps {
        all = all
            .iter()
            .flat_map(|before: &Vec<Undo>| {
                [Undo::Works, Undo::FailsOnce, Undo::FailsTillOperator]
                    .map(|undo| [before.as_slice(), &[undo]].concat())
            })
            .filter(|undos| undos.iter().filter(|undo| **undo != Undo::Works).count() <= most)
            .collect();
    }
    all
}

/// Plays every case; answers how many there were.
fn play_all(steps: usize, most_undos: usize, repeats: impl Fn(usize) -> Vec<u32>) -> usize {
    let mut cases = 0;
    for cause in Cause::all(steps) {
        let (asked, undone) = cause.reach(steps);
        for undos in undos(undone, most_undos) {
            for twice in repeats(asked) {
                let mut case = Case {
                    steps,
                    cause,
                    undos: undos.clone(),
                    twice,
                    death: 0,
                };
                let points = play(&case);
                for death in 1..=points {
                    case.death = death;
                    play(&case);
                }
                cases += 1 + points;
            }
        }
    }
    cases
}

#[test]
fn g01_g03_every_case_of_three_steps_ends_as_it_must() {
    let cases = play_all(3, 3, |asked| (0..1 << asked).collect());
    println!("orchestrated, 3 steps: {cases} cases, every prefix × repeats × failing undos");
    assert!(cases > 10_000, "{cases}");
}

#[test]
fn g01_g03_every_case_of_five_steps_with_one_failing_undo_ends_as_it_must() {
    let repeats = |asked| {
        let one = (0..asked).map(|step| 1 << step);
        one.chain([0, (1 << asked) - 1]).collect()
    };
    let cases = play_all(5, 1, repeats);
    println!("orchestrated, 5 steps: {cases} cases, every prefix × one or all repeated × one failing undo");
    assert!(cases > 10_000, "{cases}");
}
