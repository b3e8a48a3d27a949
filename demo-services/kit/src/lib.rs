//! Once for all services: durable state, messaging, resilience, telemetry, faults.

pub mod breaker;
pub mod broker;
pub mod bulkhead;
pub mod caller;
pub mod capabilities;
pub mod consumer;
pub mod context;
pub mod database;
pub mod durable;
pub mod event_store;
pub mod events;
pub mod faults;
pub mod idempotency;
pub mod ids;
pub mod inbox;
mod logging;
pub mod outbox;
pub mod outside;
pub mod problem;
pub mod profile;
pub mod projection;
pub mod request;
pub mod retention;
pub mod retry;
pub mod saga;
mod server;
pub mod service;
mod sql;
pub mod state_events;
pub mod telemetry;
pub mod testing;
pub mod topology;
pub mod totals;

pub use sql::Headers;
