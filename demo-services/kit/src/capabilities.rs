//! Which faults a service honours, as it registers them with the collector.

use sagascope_conventions::FaultKind;
use sagascope_conventions::fault::FaultCapability;

/// Honoured by any HTTP service with a database.
const COMMON: [FaultKind; 5] = [
    FaultKind::Latency,
    FaultKind::ErrorRate,
    FaultKind::Hang,
    FaultKind::Crash,
    FaultKind::SlowDatabase,
];

/// Honoured by a service that consumes messages.
pub const CONSUMER: [FaultKind; 4] = [
    FaultKind::LostMessage,
    FaultKind::DuplicatedMessage,
    FaultKind::ReorderedMessage,
    FaultKind::PoisonMessage,
];

/// What any HTTP service with a database honours, and `more`.
#[must_use]
pub fn capabilities(more: &[FaultKind]) -> Vec<FaultCapability> {
    let capability = |&kind: &FaultKind| FaultCapability {
        kind,
        operations: Vec::new(),
    };
    COMMON.iter().chain(more).map(capability).collect()
}
