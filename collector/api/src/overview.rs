//! The whole in numbers.

use std::collections::BTreeMap;

use sagascope_conventions::{FlowMix, SagaState};
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::invariants::InvariantCounts;

/// `GET /api/v1/overview`, and the one row of the topic `overview`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The collector's clock when this was written.
    pub now: Time,
    /// What came in.
    pub ingest: Ingest,
    /// What is kept.
    pub storage: Storage,
    /// Instances by state, within the live window.
    pub sagas: BTreeMap<SagaState, u64>,
    /// One row a saga type.
    pub saga_types: Vec<SagaTypeSummary>,
    /// Instances whose deadline has passed.
    pub stuck: u64,
    /// Breakers open or forced open.
    pub open_breakers: u64,
    /// Read models behind without progress.
    pub stalled_models: u64,
    /// Messages given up.
    pub dead_letters: u64,
    /// What must always hold, by whether it does.
    #[serde(default)]
    pub invariants: InvariantCounts,
    /// Faults in force.
    pub active_faults: u64,
    /// Watchers of the live stream.
    pub watchers: u64,
    /// Seconds since the collector started.
    pub uptime_seconds: f64,
    /// Version of the collector.
    pub version: String,
    /// `fsync`, `os` or `memory`.
    pub durability: String,
    /// How far the projections are behind the log, milliseconds.
    pub projection_lag_ms: f64,
    /// Present when a demo cluster runs beside the collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demo: Option<Demo>,
}

/// Intake by signal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ingest {
    /// Spans.
    pub spans: SignalCounts,
    /// Log records, events among them.
    pub logs: SignalCounts,
    /// Metric points.
    pub points: SignalCounts,
}

/// What became of one signal since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SignalCounts {
    /// Acknowledged.
    pub accepted: u64,
    /// Refused with a reason to the sender.
    pub rejected: u64,
    /// Accepted, but beyond a bound of the picture: services, operations, breakers and the like over the limit, and sagas
    /// let go before they ended. That older telemetry makes room for newer is told by [`Storage::oldest`].
    pub dropped: u64,
    /// Accepted per second, over the last seconds.
    pub per_second: f64,
}

/// What is kept: the write-ahead log and sealed files on disk, and in memory what is not sealed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Storage {
    /// Bytes on disk.
    pub bytes: u64,
    /// Oldest data is removed above this.
    pub cap_bytes: u64,
    /// When the oldest record that is kept was received; all that is kept can be searched.
    pub oldest: Option<Time>,
    /// Spans in memory: those that are not sealed yet.
    #[serde(default)]
    pub held_spans: u64,
    /// Log records in memory, likewise.
    #[serde(default)]
    pub held_logs: u64,
}

/// One saga type in numbers, within the live window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SagaTypeSummary {
    /// `saga.name`.
    pub name: String,
    /// Instances by state.
    pub states: BTreeMap<SagaState, u64>,
    /// Stuck among the running and compensating.
    pub stuck: u64,
    /// Started per second, over the last seconds.
    pub started_per_second: f64,
    /// Duration of ended instances, milliseconds.
    pub p50_ms: Option<f64>,
    /// Duration of ended instances, milliseconds.
    pub p95_ms: Option<f64>,
}

/// The demo cluster's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Demo {
    /// `demo` (waits scaled down) or `documents`.
    pub profile: String,
    /// Its numbers in words, such as `3 attempts from 100 ms · breaker opens after 5 failures for 10 s`.
    pub summary: String,
    /// Orders that traffic is asked to place each second.
    pub orders_per_second: f64,
    /// In which shares each flow of the order is asked for.
    #[serde(default)]
    pub flows: FlowMix,
}
