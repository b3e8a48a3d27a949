//! The live picture as folds over rows, indifferent to order, repeats and late arrival.
//!
//! [`Projections::apply`] joins a batch; [`Projections::tick`] makes the judgements that time alone brings (stuck,
//! stalled, silent, rates); [`Projections::take_changes`] hands out the rows that changed since it was last asked.

use sagascope_api::live::{Rows, Topic};
use sagascope_api::{
    Time, breakers::Breaker, overview::SagaTypeSummary, read_models::DeadLetter, read_models::Outbox,
    read_models::ReadModel, sagas::Saga, sagas::SagaDetail, sagas::SagaType, services::Service,
    services::ServiceDetail, services::ServiceMap, traces::TraceSummary,
};

use crate::rows::Batch;

/// Bounds of the picture; what is let go is counted in [`Projections::dropped`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Saga instances.
    pub sagas: usize,
    /// Trace summaries.
    pub traces: usize,
    /// Services.
    pub services: usize,
    /// Breakers, read models, outboxes, dead letters: each.
    pub entities: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sagas: 20_000,
            traces: 20_000,
            services: 500,
            entities: 2_000,
        }
    }
}

/// Rows of one topic that changed, and keys no longer held.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Changed rows.
    pub rows: Rows,
    /// Keys let go.
    pub removed: Vec<String>,
}

/// All projections.
#[derive(Debug, Default)]
pub struct Projections {}

impl Projections {
    /// Empty, with these bounds.
    #[must_use]
    pub fn new(_limits: Limits) -> Self {
        Self {}
    }

    /// Joins the rows of one request.
    pub fn apply(&mut self, _batch: &Batch, _now: Time) {}

    /// Judges what time alone changes; call about four times a second.
    pub fn tick(&mut self, _now: Time) {}

    /// Rows that changed since the last call, by topic; topics without a change are left out. Never `Overview`,
    /// `Logs` or `Faults`, which belong to the server.
    pub fn take_changes(&mut self, _now: Time) -> Vec<Change> {
        Vec::new()
    }

    /// The rows of a topic for a new watcher, at most `limit`, the newest (for sagas: unended first).
    #[must_use]
    pub fn snapshot(&self, _topic: Topic, _limit: usize, _now: Time) -> Option<Rows> {
        None
    }

    /// Rows let go for want of room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        0
    }

    /// Services by name.
    #[must_use]
    pub fn services(&self, _now: Time) -> Vec<Service> {
        Vec::new()
    }

    /// One service with its operations.
    #[must_use]
    pub fn service(&self, _name: &str, _now: Time) -> Option<ServiceDetail> {
        None
    }

    /// Who calls whom.
    #[must_use]
    pub fn service_map(&self, _now: Time) -> ServiceMap {
        ServiceMap::default()
    }

    /// Saga instances, newest first, that `keep` lets through.
    pub fn sagas<'a>(&'a self, _keep: impl Fn(&Saga) -> bool + 'a) -> Vec<Saga> {
        Vec::new()
    }

    /// One instance; of equal ids the newest, or the one of this type.
    #[must_use]
    pub fn saga(&self, _id: &str, _name: Option<&str>, _now: Time) -> Option<SagaDetail> {
        None
    }

    /// The flow graph of a type.
    #[must_use]
    pub fn saga_type(&self, _name: &str, _now: Time) -> Option<SagaType> {
        None
    }

    /// One row a type.
    #[must_use]
    pub fn saga_types(&self, _now: Time) -> Vec<SagaTypeSummary> {
        Vec::new()
    }

    /// Breakers by caller and name.
    #[must_use]
    pub fn breakers(&self, _now: Time) -> Vec<Breaker> {
        Vec::new()
    }

    /// Read models by service and name.
    #[must_use]
    pub fn read_models(&self, _now: Time) -> Vec<ReadModel> {
        Vec::new()
    }

    /// Outboxes by service and name.
    #[must_use]
    pub fn outboxes(&self, _now: Time) -> Vec<Outbox> {
        Vec::new()
    }

    /// Dead letters, newest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        Vec::new()
    }

    /// Trace summaries, newest first.
    #[must_use]
    pub fn traces(&self, _limit: usize) -> Vec<TraceSummary> {
        Vec::new()
    }

    /// Spans seen that carry this `fault.id`.
    #[must_use]
    pub fn fault_hits(&self, _fault_id: &str) -> u64 {
        0
    }

    /// Tells which faults are in force, as `(id, service)`, so that services can be marked.
    pub fn set_active_faults(&mut self, _faults: &[(String, String)]) {}
}
