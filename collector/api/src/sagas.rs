//! Saga instances and types.

use std::collections::BTreeMap;

use sagascope_conventions::action::PREPARE;
use sagascope_conventions::{Coordination, SagaState, StepState, WaitingFor};
use serde::{Deserialize, Serialize};

use crate::Time;

/// One instance, as a list shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saga {
    /// `saga.id`; unique together with the name.
    pub id: String,
    /// `saga.name`.
    pub name: String,
    /// Who decides.
    pub coordination: Option<Coordination>,
    /// Where it stands.
    pub state: SagaState,
    /// A step's deadline has passed.
    pub stuck: bool,
    /// The step at hand: the furthest begun, or the one being undone.
    pub step: Option<CurrentStep>,
    /// Steps known.
    pub step_count: usize,
    /// What it waits for.
    pub waiting: Option<Waiting>,
    /// Correlation id.
    pub correlation_id: Option<String>,
    /// Trace that started it.
    pub trace_id: Option<String>,
    /// First sign of it.
    pub started_at: Time,
    /// Final state reached.
    pub ended_at: Option<Time>,
    /// Last sign of it.
    pub updated_at: Time,
    /// Deadline of the step at hand.
    pub deadline: Option<Time>,
    /// Why it failed or was undone.
    pub reason: Option<String>,
    /// Faults that touched it.
    pub faults: Vec<String>,
}

impl Saga {
    /// Unique among all types, for maps and selections.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.name, self.id)
    }
}

/// Which step an instance is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentStep {
    /// Step name.
    pub name: String,
    /// Zero-based place.
    pub index: usize,
    /// One-based attempt.
    pub attempt: u32,
}

/// Why an instance waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Kind of thing.
    #[serde(rename = "for")]
    pub kind: WaitingFor,
    /// Its name.
    pub on: Option<String>,
    /// Until when, if known.
    pub until: Option<Time>,
}

/// `GET /api/v1/sagas/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SagaDetail {
    /// The row; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub saga: Saga,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// What happened, in causal order.
    pub events: Vec<SagaEvent>,
    /// Breakers of its services that are not closed, by id.
    pub breakers: Vec<String>,
}

impl SagaDetail {
    /// Services that a two-phase commit asks for their votes: none for any other saga.
    pub fn voters(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| step.name.strip_prefix(PREPARE))
    }
}

/// One step with its undo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Step name.
    pub name: String,
    /// Zero-based place.
    pub index: usize,
    /// Where it stands.
    pub state: StepState,
    /// Attempts begun.
    pub attempts: u32,
    /// First attempt.
    pub started_at: Option<Time>,
    /// Success or final failure.
    pub ended_at: Option<Time>,
    /// Time by which it should end.
    pub deadline: Option<Time>,
    /// Next attempt, while retrying.
    pub next_attempt_at: Option<Time>,
    /// Last reason of failure.
    pub reason: Option<String>,
    /// The undo, once begun.
    pub compensation: Option<Compensation>,
}

/// The undo of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compensation {
    /// Where it stands.
    pub state: StepState,
    /// Attempts begun.
    pub attempts: u32,
    /// First attempt.
    pub started_at: Option<Time>,
    /// Success or final failure.
    pub ended_at: Option<Time>,
    /// Last reason of failure.
    pub reason: Option<String>,
}

/// One line of an instance's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SagaEvent {
    /// When, by the emitter's clock.
    pub at: Time,
    /// `event_name`, or the span's name when only the span told.
    pub name: String,
    /// `service.name` of the emitter.
    pub service: String,
    /// Emitter's sequence.
    pub sequence: Option<u64>,
    /// Step it is about.
    pub step: Option<String>,
    /// Attempt it is about.
    pub attempt: Option<u32>,
    /// Reason given.
    pub reason: Option<String>,
    /// Fault that acted on it.
    pub fault_id: Option<String>,
    /// Trace and span it came with.
    pub trace_id: Option<String>,
    /// Span it came with.
    pub span_id: Option<String>,
}

/// `GET /api/v1/saga-types/{name}`: the flow graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SagaType {
    /// `saga.name`.
    pub name: String,
    /// Instances in the window by state.
    pub states: BTreeMap<SagaState, u64>,
    /// Steps in order.
    pub steps: Vec<StepSummary>,
    /// Duration of ended instances.
    pub p50_ms: Option<f64>,
    /// Duration of ended instances.
    pub p95_ms: Option<f64>,
}

/// One step over all instances of a type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepSummary {
    /// Step name.
    pub name: String,
    /// Instances that began it.
    pub entered: u64,
    /// Instances in it now.
    pub in_flight: u64,
    /// Instances it succeeded for.
    pub succeeded: u64,
    /// Instances it failed for.
    pub failed: u64,
    /// Instances it was undone for.
    pub compensated: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Time in it.
    pub p50_ms: Option<f64>,
    /// Time in it.
    pub p95_ms: Option<f64>,
}
