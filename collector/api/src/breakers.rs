//! Circuit breakers.

use std::collections::BTreeMap;

use sagascope_conventions::BreakerState;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One breaker in one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    /// `caller~name~instance`, URL-safe.
    pub id: String,
    /// `service.name` it lives in.
    pub caller: String,
    /// `circuit_breaker.name`.
    pub name: String,
    /// What it protects.
    pub target: Option<String>,
    /// `service.instance.id` it lives in.
    pub instance: String,
    /// State in force; absent when only counters were heard.
    pub state: Option<BreakerState>,
    /// Since when.
    pub since: Option<Time>,
    /// When an open one lets a probe through.
    pub next_probe_at: Option<Time>,
    /// Why it is in this state.
    pub reason: Option<String>,
    /// Failure share told with the last change, 0 to 1.
    pub failure_rate: Option<f64>,
    /// Calls by outcome over the last minute.
    pub window: BreakerWindow,
    /// Refused per second, over the last seconds.
    pub rejected_per_second: f64,
    /// Sagas that wait on it, by saga type.
    pub waiting_sagas: BTreeMap<String, u64>,
    /// Changes, oldest first, bounded.
    pub history: Vec<BreakerChange>,
    /// Its process was heard lately.
    pub live: bool,
}

/// Calls by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerWindow {
    /// Went well.
    pub success: u64,
    /// Failed.
    pub failure: u64,
    /// Went well, too slowly.
    pub slow: u64,
    /// Refused while open.
    pub rejected: u64,
    /// Answered by the fallback.
    pub fallback: u64,
}

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerChange {
    /// State entered.
    pub state: BreakerState,
    /// When.
    pub at: Time,
    /// Why.
    pub reason: Option<String>,
}
