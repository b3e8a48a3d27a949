//! Read models, outboxes and dead letters.

use sagascope_conventions::ProjectionState;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One partition of one read model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadModel {
    /// `projection.name`.
    pub name: String,
    /// `service.name`.
    pub service: String,
    /// `projection.partition`, empty when there is one only.
    pub partition: String,
    /// How it keeps up.
    pub state: ProjectionState,
    /// Last position applied.
    pub position: Option<u64>,
    /// Last position there is.
    pub head: Option<u64>,
    /// Events behind.
    pub lag_events: Option<u64>,
    /// Seconds behind.
    pub lag_seconds: Option<f64>,
    /// Events applied per second.
    pub drain_per_second: Option<f64>,
    /// Seconds until caught up at the present rates; absent when it gains nothing.
    pub eta_seconds: Option<f64>,
    /// Last report.
    pub updated_at: Time,
    /// Since when it stands still while behind.
    pub stalled_since: Option<Time>,
    /// Lag in seconds per slice, oldest first (5 minutes in 5-second slices).
    pub lag_history: Vec<f32>,
}

impl ReadModel {
    /// Unique key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.service, self.name, self.partition)
    }
}

/// One outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// `outbox.name`.
    pub name: String,
    /// `service.name`.
    pub service: String,
    /// Rows not yet published.
    pub pending: Option<u64>,
    /// Age of the oldest.
    pub oldest_age_seconds: Option<f64>,
    /// Rows published per second.
    pub published_per_second: Option<f64>,
    /// Failed attempts since the start.
    pub failed: u64,
    /// Last report.
    pub updated_at: Time,
}

impl Outbox {
    /// Unique key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }

    /// It has nothing to publish and never had.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.pending.unwrap_or(0) == 0 && self.published_per_second.is_none() && self.failed == 0
    }
}

/// One message given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Message id.
    pub id: String,
    /// Topic or queue it came from.
    pub destination: String,
    /// Service that gave it up.
    pub service: String,
    /// Why.
    pub reason: Option<String>,
    /// Deliveries before.
    pub attempts: Option<u32>,
    /// When.
    pub at: Time,
    /// Correlation id.
    pub correlation_id: Option<String>,
    /// Trace.
    pub trace_id: Option<String>,
}
