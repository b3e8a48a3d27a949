//! The fault contract: what can be injected, where, how strongly and for how long.
//!
//! One [`Fault`] travels from a dashboard through the collector to a service, and its id comes back on every span it
//! touched, so that a practised failure is never mistaken for a real one.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::flow::FlowMix;
use crate::states::words;

words! {
    /// What goes wrong.
    FaultKind {
        /// Requests are delayed (`percent`, `delay_ms`).
        Latency = "latency",
        /// Requests are answered 503 (`percent`).
        ErrorRate = "error_rate",
        /// Requests are never answered (`percent`).
        Hang = "hang",
        /// The process ends, once.
        Crash = "crash",
        /// Each database call is delayed (`delay_ms`).
        SlowDatabase = "slow_database",
        /// Charges are declined (`percent`).
        DeclinedCards = "declined_cards",
        /// Nothing can be reserved.
        OutOfStock = "out_of_stock",
        /// Read models stop applying.
        PausedProjection = "paused_projection",
        /// The outbox is not relayed.
        StoppedOutboxRelay = "stopped_outbox_relay",
        /// Deliveries vanish (`percent`); at-least-once brings them again.
        LostMessage = "lost_message",
        /// Deliveries come twice (`percent`).
        DuplicatedMessage = "duplicated_message",
        /// Deliveries overtake each other (`percent`).
        ReorderedMessage = "reordered_message",
        /// Deliveries cannot be handled (`percent`).
        PoisonMessage = "poison_message",
        /// Calls to and from `peer` do not get through.
        Partition = "partition",
        /// The clock is off (`offset_ms`).
        ClockSkew = "clock_skew",
    }
}

impl FaultKind {
    /// Names of the strength fields that this kind must be given.
    #[must_use]
    pub const fn required_strength(self) -> &'static [&'static str] {
        match self {
            Self::Latency => &["percent", "delay_ms"],
            Self::ErrorRate
            | Self::Hang
            | Self::DeclinedCards
            | Self::LostMessage
            | Self::DuplicatedMessage
            | Self::ReorderedMessage
            | Self::PoisonMessage => &["percent"],
            Self::SlowDatabase => &["delay_ms"],
            Self::Partition => &["peer"],
            Self::ClockSkew => &["offset_ms"],
            Self::Crash | Self::OutOfStock | Self::PausedProjection | Self::StoppedOutboxRelay => &[],
        }
    }
}

words! {
    /// Where a fault stands.
    FaultState {
        /// Accepted by the collector, not yet acknowledged by a service.
        Pending = "pending",
        /// A service honours it.
        Active = "active",
        /// It reached its end.
        Expired = "expired",
        /// A person ended it.
        Cleared = "cleared",
    }
}

/// Whom a fault hits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultTarget {
    /// `service.name`.
    pub service: String,
    /// One operation (route or use case) of it; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// One `service.instance.id`; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// How strongly. Which fields must stand is told by [`FaultKind::required_strength`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultStrength {
    /// Share of the requests or messages hit, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Delay added, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The service cut off from the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Clock offset, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_ms: Option<i64>,
}

/// One armed fault, as delivered to services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Unique id, stamped on what it touches as `fault.id`.
    pub id: String,
    /// Whom it hits.
    pub target: FaultTarget,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How strongly.
    #[serde(default)]
    pub strength: FaultStrength,
    /// How long from arming, seconds. A service counts this on its own monotonic clock.
    pub duration_seconds: u64,
    /// Seed of the dice that pick which requests are hit.
    #[serde(default)]
    pub seed: u64,
}

/// One kind that a service can honour, as it registers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCapability {
    /// The kind.
    pub kind: FaultKind,
    /// Operations it can be narrowed to; empty when it cannot.
    #[serde(default)]
    pub operations: Vec<String>,
}

/// First line a service sends (`POST /api/v1/faults/register`) before it opens its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRegistration {
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// What it can honour.
    pub capabilities: Vec<FaultCapability>,
}

/// Message of the fault stream (server-sent events, one JSON object each) from collector to service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FaultCommand {
    /// Sent first and after each reconnect: exactly these are in force; all others end.
    Sync {
        /// Faults with the time that is left to them in `remaining_ms`.
        faults: Vec<ArmedFault>,
    },
    /// Take this fault.
    Arm {
        /// The fault.
        fault: ArmedFault,
    },
    /// End this fault.
    Clear {
        /// Its id.
        id: String,
    },
    /// Do this, once, and report what came of it.
    Act {
        /// Id of the order.
        id: String,
        /// What to do.
        action: Action,
    },
    /// Sent to the demo's `traffic` alone, first and whenever a person changes it.
    Traffic {
        /// Orders that the shoppers should place each second.
        orders_per_second: f64,
        /// In which shares they ask for each flow.
        #[serde(default)]
        flows: FlowMix,
    },
}

/// A fault with the time left to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmedFault {
    /// The fault.
    pub fault: Fault,
    /// Time left, milliseconds, when the message was written.
    pub remaining_ms: u64,
}

/// What a service answers (`POST /api/v1/faults/acknowledgements`) after it took, or refused, a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultAcknowledgement {
    /// Fault id.
    pub id: String,
    /// `service.name`.
    pub service: String,
    /// `service.instance.id`.
    pub instance: String,
    /// State it reached there: `active`, `expired` or `cleared`.
    pub state: FaultState,
}
