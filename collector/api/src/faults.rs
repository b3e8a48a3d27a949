//! Faults as asked for and as they stand, and the demo's traffic.

use sagascope_conventions::{
    Fault, FaultKind, FaultState, FaultStrength, FaultTarget, FlowMix, fault::FaultCapability,
};
use serde::{Deserialize, Serialize};

use crate::Time;

/// `POST /api/v1/faults`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRequest {
    /// Whom.
    pub target: FaultTarget,
    /// What.
    pub kind: FaultKind,
    /// How strongly.
    #[serde(default)]
    pub strength: FaultStrength,
    /// How long, 1 to 3600.
    pub duration_seconds: u64,
    /// Seed of the dice; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// A fault and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultStatus {
    /// The fault; its fields stand beside the others in JSON.
    #[serde(flatten)]
    pub fault: Fault,
    /// Where it stands.
    pub state: FaultState,
    /// When it was accepted.
    pub started_at: Time,
    /// When it ends or ended.
    pub ends_at: Time,
    /// Spans that carry its id.
    pub hits: u64,
    /// Instances that acknowledged it.
    pub instances: Vec<String>,
}

impl FaultStatus {
    /// In force, or about to be.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, FaultState::Pending | FaultState::Active)
    }
}

/// One row of `GET /api/v1/fault-catalogue`: what a service that is connected now can honour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultTargetOption {
    /// `service.name`.
    pub service: String,
    /// Instances connected.
    pub instances: Vec<String>,
    /// Kinds, each with the strength it needs.
    pub kinds: Vec<FaultKindOption>,
}

/// One kind on offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultKindOption {
    /// As registered.
    #[serde(flatten)]
    pub capability: FaultCapability,
    /// Strength fields it must be given.
    pub strength: Vec<String>,
    /// What will happen, in a sentence.
    pub description: String,
}

/// `GET` and `PUT /api/v1/traffic`: what the demo's shoppers are asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// 0 to 1000.
    pub orders_per_second: f64,
    /// In which shares each flow of the order is asked for; left out of a `PUT`, they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<FlowMix>,
}
