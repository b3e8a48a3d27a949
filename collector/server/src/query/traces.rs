//! Traces: search over all that are kept, and one trace laid out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use sagascope_api::Page;
use sagascope_api::traces::{Trace, TraceSummary};
use sagascope_core::rows::TraceId;
use sagascope_core::trace::{assemble, summarise};
use sagascope_store::find::{self, Budget, TraceCursor, TraceQuery};

use super::list::Cursor;
use super::params::Params;
use super::{compute, is_incomplete};
use crate::app::App;
use crate::problem::{Answer, Refusal};

/// Spans of one trace in an answer.
const SPANS_SHOWN: usize = 5_000;

/// `GET /api/v1/traces?q=&since=&until=&limit=&cursor=`.
pub(crate) async fn traces(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Json<Page<TraceSummary>>> {
    let params = Params::parse(query.as_deref())?;
    compute(&app, move |app, budget| {
        let after = Cursor::of(&params, TraceId::parse)?;
        let search = TraceQuery {
            query: &params.search()?,
            since: params.time("since")?,
            until: params.time("until")?,
            limit: params.limit()?,
            columns: find::SUMMARY,
            after: after.map(|(newest, trace_id)| TraceCursor { newest, trace_id }),
        };
        let parts = app.parts();
        let page = find::traces(&parts, &search, budget);
        let last = page.traces.last().filter(|_| page.more);
        Ok(Page {
            next_cursor: last.map(|(place, _)| {
                let key = place.trace_id.to_string();
                Cursor {
                    time: place.newest,
                    key,
                }
                .write()
            }),
            items: page.traces.iter().filter_map(|(_, spans)| summarise(spans)).collect(),
            truncated: page.truncated,
            incomplete: is_incomplete(app, &parts),
        })
    })
    .await
    .map(Json)
}

/// `GET /api/v1/traces/{id}`.
pub(crate) async fn trace(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<Trace>> {
    let parsed = TraceId::parse(&id)
        .ok_or_else(|| Refusal::field("invalid_value", "id", "A trace id is 32 hex digits, not all zero."))?;
    compute(&app, move |app, budget| {
        find(app, parsed, budget).ok_or_else(|| Refusal::unknown("trace", &id))
    })
    .await
    .map(Json)
}

/// The trace as far as its spans are kept.
pub(super) fn find(app: &App, id: TraceId, budget: &Budget) -> Option<Trace> {
    let parts = app.parts();
    let (spans, is_cut) = find::trace(&parts, id, budget);
    let found = assemble(&spans, SPANS_SHOWN);
    let incomplete = is_incomplete(app, &parts) || is_cut;
    found.map(|trace| Trace { incomplete, ..trace })
}
