//! Lays the spans of one trace out: waterfall order, depth, critical path.

use std::sync::Arc;

use sagascope_api::logs::LogRow as ApiLogRow;
use sagascope_api::traces::{Trace, TraceSummary};

use crate::rows::{LogRow, SpanRow};

/// The trace of these spans (any order, repeats allowed); at most `limit` spans are answered. `None` without spans.
#[must_use]
pub fn assemble(_spans: &[Arc<SpanRow>], _limit: usize) -> Option<Trace> {
    None
}

/// The list row of these spans. `None` without spans.
#[must_use]
pub fn summarise(_spans: &[Arc<SpanRow>]) -> Option<TraceSummary> {
    None
}

/// A log record as the API shows it.
#[must_use]
pub fn log_row(_log: &LogRow) -> ApiLogRow {
    ApiLogRow::default()
}
