//! Sagas: orchestrated steps with compensations, persisted before and after every step.
//!
//! [`start`] writes the instance in the business transaction that causes it; the [`SagaRunner`] picks it up after the
//! commit and brings it to an end, however often the process is killed on the way.

mod calls;
#[cfg(test)]
mod crash_tests;
mod machine;
mod operate;
mod policy;
mod runner;
mod store;

use std::future::Future;

pub use machine::{Direction, Instance, Next, Progress, SagaData, Step, StepDefinition, StepFailure, StepResult};
pub use operate::{Operation, operate};
pub(crate) use operate::{TABLES as OPERATION_TABLES, carry_out};
pub use policy::Policy;
pub use runner::SagaRunner;
pub use sagascope_instrument::{Event, SagaEvents, SagaStep};
pub(crate) use store::TABLES;
pub use store::{StartError, counts, find, keep, keep_on, let_go, start};

use crate::context::Context;
use crate::database::Tx;

/// One saga type: its steps, and how each is executed and compensated.
///
/// Both may be called more than once for the same step: they must hand `idempotency_key` on, or be idempotent by
/// themselves. A compensation may come before, or without, the step it undoes: it must leave a mark that keeps a late
/// step from acting.
pub trait SagaDefinition: Send + Sync + 'static {
    /// Such as `order`.
    const NAME: &'static str;

    /// The steps in order.
    fn steps(&self) -> &[StepDefinition];

    /// Executes one attempt of a step.
    fn execute(&self, step: &str, data: &SagaData, context: StepContext) -> impl Future<Output = StepResult> + Send;

    /// Executes one attempt of its compensation.
    fn compensate(&self, step: &str, data: &SagaData, context: StepContext) -> impl Future<Output = StepResult> + Send;

    /// Runs in the transaction that makes the instance final; `context` is that of the saga.
    ///
    /// # Errors
    /// An error takes that transaction back; it is tried again.
    fn finished(&self, _tx: &Tx<'_>, _instance: &Instance, _context: &Context) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepContext {
    /// Instance.
    pub saga_id: String,
    /// One-based.
    pub attempt: u32,
    /// The same for every attempt of the same step, another for its compensation.
    pub idempotency_key: String,
}
