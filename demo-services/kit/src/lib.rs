//! Once for all services: durable state, messaging, resilience, telemetry, faults.

pub mod breaker;
pub mod bulkhead;
pub mod caller;
pub mod context;
pub mod events;
pub mod faults;
pub mod problem;
pub mod profile;
pub mod retry;
pub mod service;
pub mod telemetry;
pub mod topology;
