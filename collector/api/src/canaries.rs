//! New versions of services that get a share of the requests, and how they do beside the stable ones.

use sagascope_conventions::CanaryState;
use serde::{Deserialize, Serialize};

use crate::Time;

/// The canary of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The service that has two versions.
    pub service: String,
    /// Service that shares the requests out, and told of this.
    pub told_by: String,
    /// The new one.
    pub version: String,
    /// Where it stands.
    pub state: CanaryState,
    /// Percent of the requests that it gets.
    pub percent: u8,
    /// Since when, where that was told.
    pub since: Option<Time>,
    /// Why.
    pub reason: Option<String>,
    /// Nobody but the numbers decided it.
    pub by_itself: bool,
    /// Calls of the stable version that it is compared with.
    pub stable: Option<CanaryCalls>,
    /// Calls of the new version that it is judged by.
    pub canary: Option<CanaryCalls>,
    /// Last report of its numbers.
    pub updated_at: Time,
    /// Its shares, newest first.
    pub changes: Vec<CanaryChange>,
}

/// Calls of the last while, and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryCalls {
    /// All.
    pub calls: u64,
    /// Those that failed.
    pub errors: u64,
}

impl CanaryCalls {
    /// Share of failures, 0 to 1; nothing without calls.
    #[must_use]
    pub fn error_ratio(self) -> Option<f64> {
        (self.calls > 0).then(|| self.errors as f64 / self.calls as f64)
    }
}

/// A change of the share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CanaryChange {
    /// When.
    pub at: Time,
    /// Of which version.
    pub version: String,
    /// Where it stood from then on.
    pub state: CanaryState,
    /// Its share from then on.
    pub percent: u8,
    /// Why.
    pub reason: Option<String>,
    /// Nobody but the numbers decided it.
    pub by_itself: bool,
}
