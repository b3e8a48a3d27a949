//! Traces: search over the spans in memory, and one trace laid out.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use sagascope_api::Page;
use sagascope_api::traces::{Trace, TraceSummary};
use sagascope_core::rows::TraceId;
use sagascope_core::search::Query as Search;
use sagascope_core::trace::{assemble, summarise};

use super::compute;
use super::list::page;
use super::params::Params;
use crate::app::App;
use crate::problem::{Answer, Refusal};

/// Summaries looked at for one answer.
const SUMMARIES: usize = 20_000;
/// Spans looked at by one search, the newest.
const SPANS_SEARCHED: usize = 200_000;
/// Traces that one search finds before pages are cut from them.
const TRACES_FOUND: usize = 5_000;
/// Spans of one trace in an answer.
const SPANS_SHOWN: usize = 5_000;

/// `GET /api/v1/traces?q=&since=&until=&limit=&cursor=`.
pub(crate) async fn traces(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Json<Page<TraceSummary>>> {
    let params = Params::parse(query.as_deref())?;
    compute(&app, move |app| {
        let search = params.search()?;
        let (since, until) = (params.time("since")?, params.time("until")?);
        let mut rows = if params.get("q").is_some() {
            matching(app, &search)
        } else {
            app.read().projections.traces(SUMMARIES)
        };
        rows.retain(|trace| {
            since.is_none_or(|since| trace.started_at >= since) && until.is_none_or(|until| trace.started_at < until)
        });
        page(&params, rows, |trace| (trace.started_at, trace.trace_id.clone()))
    })
    .await
    .map(Json)
}

/// A trace is found when one of its spans matches. The lock is held only to copy pointers.
fn matching(app: &App, search: &Search) -> Vec<TraceSummary> {
    let spans: Vec<_> = app.read().head.recent_spans().take(SPANS_SEARCHED).cloned().collect();
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for span in spans {
        if !seen.contains(&span.trace_id) && search.matches_span(&span) {
            seen.insert(span.trace_id);
            found.push(span.trace_id);
            if found.len() == TRACES_FOUND {
                break;
            }
        }
    }
    let summary = |id: TraceId| {
        let spans = app.read().head.trace(id);
        summarise(&spans)
    };
    found.into_iter().filter_map(summary).collect()
}

/// `GET /api/v1/traces/{id}`.
pub(crate) async fn trace(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<Trace>> {
    let parsed = TraceId::parse(&id)
        .ok_or_else(|| Refusal::field("invalid_value", "id", "A trace id is 32 hex digits, not all zero."))?;
    compute(&app, move |app| {
        find(app, parsed).ok_or_else(|| Refusal::unknown("trace", &id))
    })
    .await
    .map(Json)
}

/// The trace as far as its spans are in memory.
pub(super) fn find(app: &App, id: TraceId) -> Option<Trace> {
    let spans = app.read().head.trace(id);
    assemble(&spans, SPANS_SHOWN)
}
