//! The words that the demo services, the collector and both dashboards share.
//!
//! Attribute keys and event names ([`attributes`], [`events`]), the state names of sagas, breakers and read models
//! ([`states`]), the fault contract ([`fault`]), the ways to carry out an order ([`flow`]) and what must always hold ([`invariants`]). Plain data: no
//! IO, no clock, and it builds for wasm.
//! The crate knows nothing of OTLP messages, storage or screens.

pub mod action;
pub mod attributes;
pub mod events;
pub mod fault;
pub mod flow;
pub mod invariants;
pub mod states;

pub use fault::{Fault, FaultKind, FaultState, FaultStrength, FaultTarget};
pub use flow::{FlowMix, OrderFlow};
pub use invariants::Invariant;
pub use states::{
    BreakerState, CanaryState, Coordination, InvariantState, ProjectionState, SagaState, StepState, WaitingFor,
};
