//! What a saga instance does next, as a pure state machine: no clock, no database, no calls.
//!
//! The rim persists the instance, then acts: [`Instance::next`] says what, [`Instance::begin`] notes that it starts,
//! [`Instance::finish`] takes the outcome. After a crash the stored instance is asked again. A step that was under way
//! then is executed again under the same idempotency key, and counts from there on as one that may have acted:
//! when the saga turns back it is compensated too, even if its answer never came.

use std::collections::BTreeMap;
use std::time::Duration;

use sagascope_conventions::{SagaState, StepState, WaitingFor, attributes};
use sagascope_instrument::{Event, SagaEvents, SagaStep};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::policy::Policy;

/// A step as its definition gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepDefinition {
    /// Such as `charge`.
    pub name: &'static str,
    /// Time it may take, all attempts together.
    pub deadline: Duration,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// A sentence for people.
    pub reason: String,
    /// Short stable word: `declined`, `timeout`, `breaker_open` ….
    pub error_type: String,
    /// Another attempt may go better.
    pub retryable: bool,
    /// It may have taken effect though no answer came.
    pub may_have_acted: bool,
    /// What the next attempt waits for, with its name.
    pub waiting: (WaitingFor, String),
}

impl StepFailure {
    /// A clear no: without effect, and no reason to ask again.
    #[must_use]
    pub fn refused(error_type: &str, reason: impl Into<String>) -> Self {
        Self {
            retryable: false,
            may_have_acted: false,
            ..Self::lost(error_type, reason)
        }
    }

    /// It could not be tried at all; it has no effect and may go better later.
    #[must_use]
    pub fn not_tried(error_type: &str, reason: impl Into<String>) -> Self {
        Self {
            may_have_acted: false,
            ..Self::lost(error_type, reason)
        }
    }

    /// No clear answer: it may have taken effect or not.
    #[must_use]
    pub fn lost(error_type: &str, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            error_type: error_type.to_owned(),
            retryable: true,
            may_have_acted: true,
            waiting: (WaitingFor::Retry, String::new()),
        }
    }

    /// Names what the next attempt waits for.
    #[must_use]
    pub fn waiting(mut self, for_what: WaitingFor, name: &str) -> Self {
        self.waiting = (for_what, name.to_owned());
        self
    }
}

/// What an attempt gives: the output kept for later steps.
pub type StepResult = Result<Value, StepFailure>;

/// What the saga was started with, and what its steps gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SagaData {
    /// As given at the start.
    pub input: Value,
    /// By step name.
    pub outputs: BTreeMap<String, Value>,
}

impl SagaData {
    /// The input as a type.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.input)
    }

    /// Output of a step as a type; `None` when it has not succeeded or gave another shape.
    #[must_use]
    pub fn output<T: DeserializeOwned>(&self, step: &str) -> Option<T> {
        T::deserialize(self.outputs.get(step)?).ok()
    }
}

/// One saga instance, as persisted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Saga type, such as `order`.
    pub name: String,
    /// Instance id.
    pub id: String,
    /// Where it stands.
    pub state: SagaState,
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// Input and outputs.
    pub data: SagaData,
    /// What made it turn back.
    pub reason: Option<String>,
    /// Of the request that started it.
    pub correlation_id: String,
    /// Events told so far.
    pub sequence: u64,
}

/// One step of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Name.
    pub name: String,
    /// Time it may take, milliseconds.
    pub deadline_ms: u64,
    /// The way forward.
    pub forward: Progress,
    /// It may have taken effect without an answer.
    pub may_have_acted: bool,
    /// The span of its last attempt forward, as a `traceparent`: its compensation links to it, after a restart too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<String>,
    /// The way back; there when something has to be undone.
    pub undo: Option<Progress>,
}

/// How far one direction of a step has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it stands.
    pub state: StepState,
    /// Attempts begun.
    pub attempt: u32,
    /// When it should have ended, unix nanoseconds.
    pub deadline: u64,
    /// When the next attempt is due, unix nanoseconds.
    pub due: u64,
}

impl Progress {
    pub(super) const PENDING: Self = Self {
        state: StepState::Pending,
        attempt: 0,
        deadline: 0,
        due: 0,
    };

    const fn is_over(&self) -> bool {
        matches!(self.state, StepState::Succeeded | StepState::Failed)
    }
}

/// Which way a step is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Execute it.
    Forward,
    /// Compensate it.
    Back,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go this step, at `due` (unix nanoseconds).
    Go {
        /// Execute or compensate.
        direction: Direction,
        /// Which step.
        index: usize,
        /// Not before.
        due: u64,
    },
    /// Nothing: it is final.
    Nothing,
}

impl Instance {
    /// A new instance and the events that tell of it.
    #[must_use]
    pub fn start(
        name: &str,
        id: &str,
        correlation_id: &str,
        steps: &[StepDefinition],
        input: Value,
        now: u64,
    ) -> (Self, Vec<Event>) {
        let mut instance = Self {
            name: name.to_owned(),
            id: id.to_owned(),
            state: SagaState::Running,
            steps: steps.iter().map(Step::new).collect(),
            data: SagaData {
                input,
                outputs: BTreeMap::new(),
            },
            reason: None,
            correlation_id: correlation_id.to_owned(),
            sequence: 0,
        };
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        let mut told = vec![instance.tell(|events| events.started(now, &names))];
        told.extend(instance.settle(now));
        (instance, told)
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self) -> Next {
        let forward = || {
            self.steps
                .iter()
                .position(|step| step.forward.state != StepState::Succeeded)
        };
        let back = || {
            self.steps
                .iter()
                .rposition(|step| step.undo.as_ref().is_some_and(|undo| !undo.is_over()))
        };
        let (direction, index) = match self.state {
            SagaState::Running => (Direction::Forward, forward()),
            SagaState::Compensating => (Direction::Back, back()),
            SagaState::Completed | SagaState::Compensated | SagaState::Failed => return Next::Nothing,
        };
        match index {
            Some(index) => Next::Go {
                direction,
                index,
                due: self.progress(direction, index).due,
            },
            None => Next::Nothing,
        }
    }

    /// Notes that the next attempt begins. Found under way already, it was cut off by a crash: the same attempt again.
    pub fn begin(&mut self, now: u64) -> Vec<Event> {
        let Next::Go { direction, index, .. } = self.next() else {
            return Vec::new();
        };
        let deadline = now + self.steps[index].deadline_ms * 1_000_000;
        let progress = self.progress_mut(direction, index);
        let cut_off = progress.state == StepState::Running;
        if !cut_off {
            progress.attempt += 1;
        }
        // A retry found overdue was held up by a stop of this process, not by the step: it gets its time again.
        if cut_off || progress.attempt == 1 || direction == Direction::Back || progress.deadline <= now {
            progress.deadline = deadline;
        }
        progress.state = StepState::Running;
        let deadline = progress.deadline;
        self.steps[index].may_have_acted |= cut_off && direction == Direction::Forward;
        vec![self.tell_step(direction, index, |events, step| match direction {
            Direction::Forward => events.step_started(now, step, deadline),
            Direction::Back => events.compensation_started(now, step, deadline),
        })]
    }

    /// Takes the outcome of the attempt that [`Instance::begin`] noted; `dice` in 0..1 spreads the retries.
    pub fn finish(&mut self, outcome: StepResult, now: u64, policy: &Policy, dice: f64) -> Vec<Event> {
        let Next::Go { direction, index, .. } = self.next() else {
            return Vec::new();
        };
        let mut told = match (direction, outcome) {
            (Direction::Forward, Ok(output)) => self.step_succeeded(index, output, now),
            (Direction::Back, Ok(_)) => self.undone(index, now),
            (Direction::Forward, Err(failure)) => self.step_failed(index, &failure, now, policy, dice),
            (Direction::Back, Err(failure)) => self.undo_failed(index, &failure, now, policy, dice),
        };
        told.extend(self.settle(now));
        told
    }

    /// Progress of a step in one direction.
    #[must_use]
    pub fn progress(&self, direction: Direction, index: usize) -> &Progress {
        let step = &self.steps[index];
        match direction {
            Direction::Forward => &step.forward,
            Direction::Back => step.undo.as_ref().unwrap_or(&Progress::PENDING),
        }
    }

    fn progress_mut(&mut self, direction: Direction, index: usize) -> &mut Progress {
        let step = &mut self.steps[index];
        match direction {
            Direction::Forward => &mut step.forward,
            Direction::Back => step.undo.get_or_insert(Progress::PENDING),
        }
    }

    fn step_succeeded(&mut self, index: usize, output: Value, now: u64) -> Vec<Event> {
        self.steps[index].forward.state = StepState::Succeeded;
        self.data.outputs.insert(self.steps[index].name.clone(), output);
        vec![self.tell_step(Direction::Forward, index, |events, step| {
            events.step_succeeded(now, step)
        })]
    }

    fn undone(&mut self, index: usize, now: u64) -> Vec<Event> {
        self.progress_mut(Direction::Back, index).state = StepState::Succeeded;
        vec![self.tell_step(Direction::Back, index, |events, step| {
            events.compensation_succeeded(now, step)
        })]
    }

    fn step_failed(&mut self, index: usize, failure: &StepFailure, now: u64, policy: &Policy, dice: f64) -> Vec<Event> {
        let mut told = vec![self.tell_step(Direction::Forward, index, |events, step| {
            events.step_failed(now, step, &failure.error_type, &failure.reason)
        })];
        let step = &mut self.steps[index];
        step.may_have_acted |= failure.may_have_acted;
        let due = Policy::due(&policy.forward, step.forward.attempt, now, dice);
        let Some(due) = due.filter(|&due| failure.retryable && due < step.forward.deadline) else {
            step.forward.state = StepState::Failed;
            self.turn_back(&failure.reason);
            return told;
        };
        step.forward.state = StepState::Retrying;
        step.forward.due = due;
        let (waits_for, on) = (failure.waiting.0, name_or(&failure.waiting.1, &step.name));
        told.push(self.tell_step(Direction::Forward, index, |events, step| {
            events.step_retrying(now, step, due, (waits_for, &on), &failure.reason)
        }));
        told
    }

    fn undo_failed(&mut self, index: usize, failure: &StepFailure, now: u64, policy: &Policy, dice: f64) -> Vec<Event> {
        let event = self.tell_step(Direction::Back, index, |events, step| {
            events.compensation_failed(now, step, &failure.error_type, &failure.reason)
        });
        let undo = self.progress_mut(Direction::Back, index);
        let Some(due) = Policy::due(&policy.back, undo.attempt, now, dice) else {
            // Parked for a person; the other steps are undone all the same.
            undo.state = StepState::Failed;
            return vec![event];
        };
        undo.state = StepState::Retrying;
        undo.due = due;
        let event = event
            .with(attributes::SAGA_STEP_NEXT_ATTEMPT_AT, due)
            .with(attributes::SAGA_STEP_WAITING_FOR, failure.waiting.0.as_str());
        vec![event]
    }

    /// From here on everything that has, or may have, taken effect is undone.
    pub(super) fn turn_back(&mut self, reason: &str) {
        self.state = SagaState::Compensating;
        self.reason = Some(reason.to_owned());
        for step in &mut self.steps {
            if step.forward.state == StepState::Succeeded || step.may_have_acted {
                step.undo = Some(Progress::PENDING);
            }
        }
    }

    /// Ends the instance when nothing is left to do.
    pub(super) fn settle(&mut self, now: u64) -> Option<Event> {
        if self.state.is_final() || self.next() != Next::Nothing {
            return None;
        }
        if self.state == SagaState::Running {
            self.state = SagaState::Completed;
            return Some(self.tell(|events| events.completed(now)));
        }
        let reason = self.reason.clone().unwrap_or_default();
        let parked = self
            .steps
            .iter()
            .find(|step| step.undo.as_ref().is_some_and(|undo| undo.state == StepState::Failed));
        if let Some(step) = parked {
            let reason = format!("{} could not be undone; it turned back because: {reason}", step.name);
            self.state = SagaState::Failed;
            Some(self.tell(|events| events.failed(now, &reason)))
        } else {
            self.state = SagaState::Compensated;
            Some(self.tell(|events| events.compensated(now, &reason)))
        }
    }

    fn tell_step(
        &mut self,
        direction: Direction,
        index: usize,
        build: impl FnOnce(&mut SagaEvents, SagaStep<'_>) -> Event,
    ) -> Event {
        let (name, attempt) = (self.steps[index].name.clone(), self.progress(direction, index).attempt);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.tell(|events| {
            build(
                events,
                SagaStep {
                    name: &name,
                    index,
                    attempt,
                },
            )
        })
    }

    fn tell(&mut self, build: impl FnOnce(&mut SagaEvents) -> Event) -> Event {
        let mut events = SagaEvents::orchestrated(&self.name, &self.id, &self.correlation_id);
        events.sequence = self.sequence;
        let event = build(&mut events);
        self.sequence = events.sequence;
        event
    }
}

impl Step {
    fn new(definition: &StepDefinition) -> Self {
        Self {
            name: definition.name.to_owned(),
            deadline_ms: u64::try_from(definition.deadline.as_millis()).unwrap_or(u64::MAX),
            forward: Progress::PENDING,
            may_have_acted: false,
            span: None,
            undo: None,
        }
    }
}

fn name_or(name: &str, other: &str) -> String {
    if name.is_empty() {
        other.to_owned()
    } else {
        name.to_owned()
    }
}
