//! The search language: `service:payments status:error duration>200ms saga.name:order -http.route:/health "text"`.

use crate::rows::{LogRow, SpanRow};

/// A query that was understood.
#[derive(Clone, Debug)]
pub struct Query {}

/// A query that was not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at character {position}")]
pub struct QueryError {
    /// Zero-based character.
    pub position: usize,
    /// What was expected.
    pub message: String,
}

impl Query {
    /// Reads a query; the empty one matches everything.
    ///
    /// # Errors
    /// With the character at which it stops making sense.
    pub fn parse(_text: &str) -> Result<Self, QueryError> {
        Ok(Self {})
    }

    /// Does this span match?
    #[must_use]
    pub fn matches_span(&self, _span: &SpanRow) -> bool {
        true
    }

    /// Does this record match?
    #[must_use]
    pub fn matches_log(&self, _log: &LogRow) -> bool {
        true
    }

    /// Does this saga match (`saga.name`, `saga.id`, `state`, `step`, `stuck`, `correlation.id`, free text)?
    #[must_use]
    pub fn matches_saga(&self, _saga: &sagascope_api::sagas::Saga) -> bool {
        true
    }
}
