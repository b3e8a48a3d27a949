//! What a person asks a running service to do: settle dead letters, rebuild a read model, help a saga on, end a doubt.
//!
//! An [`Action`] travels on the fault stream as an order with an id; the service answers what came of it with an
//! [`ActionReport`]. An order is given once: a lost answer is told as such, never made up for by a second order.

use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Deliver messages that were given up once more.
    ReplayDeadLetters {
        /// Topic or queue.
        destination: String,
        /// One message; all of the destination when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
    },
    /// Throw messages away that were given up.
    PurgeDeadLetters {
        /// Topic or queue.
        destination: String,
        /// One message; all of the destination when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
    },
    /// Start a read model from zero.
    RebuildReadModel {
        /// `projection.name`.
        name: String,
    },
    /// Make the next attempt of a saga now; take a parked one up again.
    RetrySaga(SagaRef),
    /// Turn a saga back, as long as its last step has not begun.
    CancelSaga(SagaRef),
    /// Turn a saga back, whatever it is at; take a parked one up again.
    CompensateSaga(SagaRef),
    /// Commit what a two-phase commit left in doubt, without its coordinator.
    CommitInDoubt(SagaRef),
    /// Abort what a two-phase commit left in doubt, without its coordinator.
    AbortInDoubt(SagaRef),
}

/// A step `prepare.SERVICE` of a two-phase commit asks that service for its vote; with its yes the service is in doubt.
pub const PREPARE: &str = "prepare.";

/// One saga instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaRef {
    /// `saga.name`.
    pub name: String,
    /// `saga.id`.
    pub id: String,
}

/// What came of it, in one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ActionOutcome {
    /// It is done, and stands in the service's database.
    Done {
        /// How many things it changed.
        count: u64,
        /// What it did, for people.
        detail: String,
    },
    /// There is no such thing here.
    Unknown,
    /// The state of things does not allow it; nothing was changed.
    Refused {
        /// Why.
        detail: String,
    },
    /// It could not be done.
    Failed {
        /// Why.
        detail: String,
    },
}

/// What a service answers (`POST /api/v1/actions/reports`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// Id of the order.
    pub id: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: ActionOutcome,
}
