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
    narrowable(&[], more)
}

/// The same, where faults of requests can be narrowed to `operations`: method and route, such as `POST /api/v1/charges`.
#[must_use]
pub fn narrowable(operations: &[&str], more: &[FaultKind]) -> Vec<FaultCapability> {
    let of_requests = |kind| matches!(kind, FaultKind::Latency | FaultKind::ErrorRate | FaultKind::Hang);
    let capability = |&kind: &FaultKind| FaultCapability {
        kind,
        operations: operations
            .iter()
            .filter(|_| of_requests(kind))
            .map(|&operation| operation.to_owned())
            .collect(),
    };
    COMMON.iter().chain(more).map(capability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_requests_can_be_narrowed_and_others_cannot() {
        let offered = narrowable(&["POST /api/v1/charges"], &[FaultKind::DeclinedCards]);
        let narrow: Vec<_> = offered
            .iter()
            .filter(|offer| !offer.operations.is_empty())
            .map(|offer| offer.kind)
            .collect();
        assert_eq!(narrow, [FaultKind::Latency, FaultKind::ErrorRate, FaultKind::Hang]);
        assert!(offered.iter().any(|offer| offer.kind == FaultKind::DeclinedCards));
    }
}
