//! Services as seen from their server and consumer spans.

use serde::{Deserialize, Serialize};

use crate::Time;

/// One service: rate, errors, durations over the last minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `service.name`.
    pub name: String,
    /// Instances heard lately.
    pub instances: u64,
    /// Entry spans (server, consumer) per second.
    pub rate_per_second: f64,
    /// Share of them that failed, 0 to 1.
    pub error_ratio: f64,
    /// Median duration; absent without calls.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Heard within the last seconds.
    pub up: bool,
    /// Restarts its supervisor reported.
    pub restarts: u64,
    /// When its newest instance was first heard.
    pub started_at: Option<Time>,
    /// Last telemetry of any kind.
    pub last_seen_at: Time,
    /// Calls per slice, oldest first, for a sparkline over five minutes (10-second slices).
    pub rate_history: Vec<f32>,
    /// Failed calls per slice, the same slices.
    pub error_history: Vec<f32>,
    /// Ids of faults in force on it.
    pub faults: Vec<String>,
}

/// `GET /api/v1/services/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceDetail {
    /// The row.
    pub service: Service,
    /// The same by operation.
    pub operations: Vec<Operation>,
}

/// One operation (span name) of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Span name.
    pub name: String,
    /// `server`, `consumer`, `client`, `producer` or `internal`.
    pub kind: String,
    /// Spans per second.
    pub rate_per_second: f64,
    /// Share that failed.
    pub error_ratio: f64,
    /// Median duration.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
}

/// `GET /api/v1/service-map`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceMap {
    /// Services, topics and databases.
    pub nodes: Vec<MapNode>,
    /// Who calls whom.
    pub edges: Vec<MapEdge>,
}

/// A node of the map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapNode {
    /// Name.
    pub name: String,
    /// `service`, `topic` or `database`.
    pub kind: String,
}

/// An edge of the map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapEdge {
    /// Caller or producer.
    pub from: String,
    /// Called or consumer.
    pub to: String,
    /// True when a message carries it.
    pub asynchronous: bool,
    /// Calls per second.
    pub rate_per_second: f64,
    /// Share that failed.
    pub error_ratio: f64,
}
