//! Everything that carries one correlation id.

use serde::{Deserialize, Serialize};

use crate::{Time, logs::LogRow, sagas::Saga, traces::TraceSummary};

/// `GET /api/v1/correlations/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// The id.
    pub id: String,
    /// First sign of it.
    pub started_at: Option<Time>,
    /// Last sign of it.
    pub ended_at: Option<Time>,
    /// Services that carried it.
    pub services: Vec<String>,
    /// Sagas.
    pub sagas: Vec<Saga>,
    /// Traces.
    pub traces: Vec<TraceSummary>,
    /// Log records and events, in causal order.
    pub logs: Vec<LogRow>,
    /// Records that were more than the answer holds.
    pub omitted: u64,
    /// Files that may hold more of it could not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}
