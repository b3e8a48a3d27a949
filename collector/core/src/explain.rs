//! Tells in a sentence what happened to one operation and the likely cause, with evidence.

use sagascope_api::breakers::Breaker;
use sagascope_api::correlations::Correlation;
use sagascope_api::explain::Explanation;
use sagascope_api::faults::FaultStatus;
use sagascope_api::sagas::SagaDetail;
use sagascope_api::traces::Trace;

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
pub fn explain(_id: &str, _known: &Known) -> Explanation {
    Explanation::default()
}
