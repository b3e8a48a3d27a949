//! One business operation across all views: its correlation, and what happened to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use sagascope_api::Time;
use sagascope_api::correlations::Correlation;
use sagascope_api::explain::Explanation;
use sagascope_conventions::attributes as key;
use sagascope_core::explain::{Known, explain as tell};
use sagascope_core::rows::{LogRow, TraceId};
use sagascope_core::search::Query as Search;
use sagascope_core::trace::{log_row, summarise};
use sagascope_store::find::{self, Budget, LogQuery, Parts};

use super::{compute, is_incomplete, traces};
use crate::app::{self, App};
use crate::problem::{Answer, Refusal};

/// Spans and records of one correlation in an answer, each.
const CARRIED: usize = 2_000;
/// Traces of one correlation in an answer.
const TRACES: usize = 100;

/// `GET /api/v1/correlations/{id}`.
pub(crate) async fn correlation(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<Correlation>> {
    compute(&app, move |app, budget| {
        find(app, &id, budget).ok_or_else(|| Refusal::unknown("correlation", &id))
    })
    .await
    .map(Json)
}

fn find(app: &App, id: &str, budget: &Budget) -> Option<Correlation> {
    let parts = app.parts();
    let sagas = app
        .read()
        .projections
        .sagas(|saga| saga.correlation_id.as_deref() == Some(id));
    let search = Search::exactly(key::CORRELATION_ID, id);
    let (spans, more_spans) = find::carrying(&parts, &search, CARRIED, budget);
    let (mut logs, more_logs) = carried_logs(&parts, &search, budget);
    if spans.is_empty() && logs.is_empty() && sagas.is_empty() {
        return None;
    }
    logs.sort_by_key(|log| log.at);
    let times = || {
        let spans = spans.iter().flat_map(|span| [span.start, span.end()]);
        let sagas = sagas.iter().flat_map(|saga| [saga.started_at, saga.updated_at]);
        spans.chain(logs.iter().map(|log| log.at)).chain(sagas)
    };
    let services: BTreeSet<String> = spans
        .iter()
        .map(|span| span.resource.service.to_string())
        .chain(logs.iter().map(|log| log.resource.service.to_string()))
        .collect();
    let of_spans = spans.iter().map(|span| span.trace_id);
    let ids: BTreeSet<TraceId> = of_spans.chain(logs.iter().filter_map(|log| log.trace_id)).collect();
    let surplus = ids.len().saturating_sub(TRACES) as u64;
    let mut traces: Vec<_> = ids
        .into_iter()
        .take(TRACES)
        .filter_map(|id| summarise(&find::trace(&parts, id, budget).0))
        .collect();
    traces.sort_by_key(|trace| trace.started_at);
    Some(Correlation {
        id: id.into(),
        started_at: times().min(),
        ended_at: times().max(),
        services: services.into_iter().collect(),
        traces,
        logs: logs.iter().map(|log| log_row(log)).collect(),
        omitted: u64::from(more_spans) + u64::from(more_logs) + surplus,
        incomplete: is_incomplete(app, &parts),
        sagas,
    })
}

/// The newest records that carry the id, and whether there are more.
fn carried_logs(parts: &Parts, query: &Search, budget: &Budget) -> (Vec<Arc<LogRow>>, bool) {
    let search = LogQuery {
        query,
        since: None,
        until: None,
        limit: CARRIED,
        after: None,
    };
    let page = find::logs(parts, &search, budget);
    (page.logs.into_iter().map(|(_, log)| log).collect(), page.more)
}

/// `GET /api/v1/explain/{id}`: of a saga, correlation or trace.
pub(crate) async fn explain(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<Explanation>> {
    compute(&app, move |app, budget| {
        let now = app::now();
        let known = known(app, &id, now, budget);
        if known.saga.is_none() && known.trace.is_none() && known.correlation.is_none() {
            return Err(Refusal::unknown("operation", &id));
        }
        Ok(tell(&id, &known))
    })
    .await
    .map(Json)
}

fn known(app: &App, id: &str, now: Time, budget: &Budget) -> Known {
    let mut known = {
        let world = app.read();
        Known {
            saga: world.projections.saga(id, None, now),
            breakers: world.projections.breakers(now),
            faults: world.board.list(),
            ..Known::default()
        }
    };
    known.trace = TraceId::parse(id).and_then(|id| traces::find(app, id, budget));
    let correlation_id = match (&known.saga, &known.trace) {
        (Some(detail), _) => detail.saga.correlation_id.clone(),
        (None, Some(_)) => {
            TraceId::parse(id).and_then(|id| summarise(&find::trace(&app.parts(), id, budget).0)?.correlation_id)
        }
        (None, None) => Some(id.to_owned()),
    };
    known.correlation = correlation_id.and_then(|id| find(app, &id, budget));
    if known.saga.is_none()
        && let Some(saga) = known
            .correlation
            .as_ref()
            .and_then(|correlation| correlation.sagas.first())
    {
        known.saga = app.read().projections.saga(&saga.id, Some(&saga.name), now);
    }
    if known.trace.is_none() {
        let of_saga = known.saga.as_ref().and_then(|detail| detail.saga.trace_id.clone());
        let of_correlation = || {
            known
                .correlation
                .as_ref()?
                .traces
                .first()
                .map(|trace| trace.trace_id.clone())
        };
        let trace = of_saga.or_else(of_correlation).and_then(|id| TraceId::parse(&id));
        known.trace = trace.and_then(|id| traces::find(app, id, budget));
    }
    known
}
