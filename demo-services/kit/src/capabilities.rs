//! Which faults a service honours, as it registers them with the collector.

use sagascope_conventions::FaultKind;
use sagascope_conventions::fault::FaultCapability;

/// Honoured by every request of any HTTP service.
const REQUESTS: [FaultKind; 3] = [FaultKind::Latency, FaultKind::ErrorRate, FaultKind::Hang];

/// Honoured by a service with a database.
pub const DATABASE: [FaultKind; 1] = [FaultKind::SlowDatabase];

/// Honoured by a service that consumes messages.
pub const CONSUMER: [FaultKind; 4] = [
    FaultKind::LostMessage,
    FaultKind::DuplicatedMessage,
    FaultKind::ReorderedMessage,
    FaultKind::PoisonMessage,
];

/// What a service honours that answers requests, and `more`.
#[must_use]
pub fn capabilities(more: &[&[FaultKind]]) -> Vec<FaultCapability> {
    narrowable(&[], more)
}

/// The same, where faults of requests can be narrowed to `operations`: method and route, such as `POST /api/v1/charges`.
#[must_use]
pub fn narrowable(operations: &[&str], more: &[&[FaultKind]]) -> Vec<FaultCapability> {
    let narrowed = REQUESTS.map(|kind| FaultCapability {
        kind,
        operations: operations.iter().map(|&operation| operation.to_owned()).collect(),
    });
    let whole = more.iter().copied().flatten().map(|&kind| of_the_whole(kind));
    narrowed.into_iter().chain(process()).chain(whole).collect()
}

/// The same, where the process can also be made to crash or to hang at `points` in the middle of its work.
#[must_use]
pub fn with_points(mut offered: Vec<FaultCapability>, points: &[&str]) -> Vec<FaultCapability> {
    for offer in &mut offered {
        if matches!(offer.kind, FaultKind::Crash | FaultKind::Hang) {
            offer.operations.extend(points.iter().map(|&point| point.to_owned()));
        }
    }
    offered
}

/// What any process honours, also one that nobody sends requests to.
#[must_use]
pub fn process() -> Vec<FaultCapability> {
    vec![of_the_whole(FaultKind::Crash)]
}

const fn of_the_whole(kind: FaultKind) -> FaultCapability {
    FaultCapability {
        kind,
        operations: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(offered: &[FaultCapability]) -> Vec<FaultKind> {
        offered.iter().map(|offer| offer.kind).collect()
    }

    #[test]
    fn faults_of_requests_can_be_narrowed_and_others_cannot() {
        let offered = narrowable(&["POST /api/v1/charges"], &[&DATABASE, &[FaultKind::DeclinedCards]]);
        let (narrow, whole): (Vec<_>, Vec<_>) = offered.into_iter().partition(|offer| !offer.operations.is_empty());
        assert_eq!(kinds(&narrow), REQUESTS);
        assert_eq!(
            kinds(&whole),
            [FaultKind::Crash, FaultKind::SlowDatabase, FaultKind::DeclinedCards]
        );
    }

    #[test]
    fn a_service_without_a_database_has_no_slow_one() {
        assert!(!kinds(&capabilities(&[])).contains(&FaultKind::SlowDatabase));
        assert_eq!(kinds(&process()), [FaultKind::Crash]);
    }
}
