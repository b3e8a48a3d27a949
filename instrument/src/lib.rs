//! Emits the Sagascope conventions: state changes as log events over OTLP, and the metrics beside them.
//!
//! A span is exported only when it ends, so a stuck step is exactly the span that is missing. State changes are
//! therefore [`Event`]s, sent at once by a [`LogExporter`]; [`metrics`] are the second witness, recorded through the
//! OpenTelemetry API of whatever meter provider the program has set.

pub mod breaker_events;
pub mod canary_events;
pub mod event;
pub mod exporter;
pub mod fault_events;
pub mod invariant_events;
pub mod message_events;
pub mod metrics;
pub mod saga_events;

pub use event::{Event, Severity, Value};
pub use exporter::{ExportError, LogExporter, Resource};
pub use saga_events::{SagaEvents, SagaStep};
