//! Tells in a sentence what happened to one operation and the likely cause, with evidence.
//!
//! A cause is only claimed when something went wrong, and the nearest to the root is named: a fault that acted on the
//! operation, then a breaker that refused it, then the deepest span that failed, then the reason its own service gave.

use sagascope_api::breakers::Breaker;
use sagascope_api::correlations::Correlation;
use sagascope_api::explain::Explanation;
use sagascope_api::faults::FaultStatus;
use sagascope_api::sagas::SagaDetail;
use sagascope_api::traces::Trace;

mod evidence;
mod summary;
#[cfg(test)]
mod tests;

/// What is known of the operation.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The saga asked for, or the one of the correlation or trace.
    pub saga: Option<SagaDetail>,
    /// The trace asked for, or the saga's.
    pub trace: Option<Trace>,
    /// Everything with the correlation id.
    pub correlation: Option<Correlation>,
    /// Breakers, all.
    pub breakers: Vec<Breaker>,
    /// Faults, past ones too.
    pub faults: Vec<FaultStatus>,
}

/// The explanation for the id asked for.
#[must_use]
pub fn explain(id: &str, known: &Known) -> Explanation {
    let found = evidence::gather(known);
    Explanation {
        id: id.to_owned(),
        kind: kind(id, known).to_owned(),
        summary: summary::sentence(id, known),
        cause: summary::went_wrong(known).then(|| found.cause()).flatten(),
        evidence: found.in_order(),
    }
}

fn kind(id: &str, known: &Known) -> &'static str {
    let is_saga = known.saga.as_ref().is_some_and(|detail| detail.saga.id == id);
    let is_trace = known.trace.as_ref().is_some_and(|trace| trace.trace_id == id);
    match (is_saga, is_trace, &known.correlation) {
        (true, ..) => "saga",
        (_, true, _) => "trace",
        (.., Some(_)) => "correlation",
        _ if known.saga.is_some() => "saga",
        _ => "trace",
    }
}
