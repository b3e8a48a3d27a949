//! Paths of the API port.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::app::App;
use crate::problem::Refusal;
use crate::{control, experiments, live, metrics, openapi, pages, query, security};

/// Largest body of a control request.
const BODY: usize = 64 << 10;

/// Page, API, live stream and control.
pub(crate) fn api(app: &Arc<App>) -> Router {
    let questions = Router::new()
        .route("/overview", get(query::overview))
        .route("/services", get(query::services))
        .route("/services/{name}", get(query::service))
        .route("/service-map", get(query::service_map))
        .route("/sagas", get(query::sagas))
        .route("/sagas/{id}", get(query::saga))
        .route("/saga-types/{name}", get(query::saga_type))
        .route("/breakers", get(query::breakers))
        .route("/breakers/{id}", get(query::breaker))
        .route("/read-models", get(query::read_models))
        .route("/outboxes", get(query::outboxes))
        .route("/invariants", get(query::invariants))
        .route("/canaries", get(query::canaries))
        .route("/dead-letters", get(query::dead_letters))
        .route("/correlations/{id}", get(query::correlation))
        .route("/traces", get(query::traces))
        .route("/traces/{id}", get(query::trace))
        .route("/logs", get(query::logs))
        .route("/metrics-list", get(query::metrics))
        .route("/metrics-range", get(query::metric_range))
        .route("/explain/{id}", get(query::explain))
        .route_layer(from_fn_with_state(Arc::clone(app), when_caught_up));
    let v1 = questions
        .route("/live", get(live::live))
        .route("/fault-catalogue", get(control::http::catalogue))
        .route(
            "/faults",
            get(control::http::list)
                .post(control::http::arm)
                .delete(control::http::clear_all),
        )
        .route("/faults/{id}", get(control::http::one).delete(control::http::clear))
        .route("/faults/register", post(control::http::register))
        .route("/faults/acknowledgements", post(control::http::acknowledge))
        .route("/faults/stream", get(control::stream))
        .route("/actions/dead-letters/replay", post(control::actions::replay_letters))
        .route("/actions/dead-letters/purge", post(control::actions::purge_letters))
        .route(
            "/actions/read-models/{service}/{name}/rebuild",
            post(control::actions::rebuild),
        )
        .route("/actions/sagas/{id}/{action}", post(control::actions::saga))
        .route("/actions/reports", post(control::actions::report))
        .route("/experiments", get(experiments::http::list))
        .route("/experiments/{name}/run", post(experiments::http::run))
        .route(
            "/experiments/runs/{id}",
            get(experiments::http::one).delete(experiments::http::cancel),
        )
        .route("/traffic", get(control::http::traffic).put(control::http::set_traffic))
        .route_layer(from_fn_with_state(Arc::clone(app), when_ready))
        .route("/openapi.json", get(openapi::document));
    Router::new()
        .nest("/api/v1", v1)
        .route("/healthz", get(metrics::healthz))
        .route("/readyz", get(metrics::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/login", get(security::login))
        .fallback(pages::fallback)
        .method_not_allowed_fallback(pages::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(app), security::guard_api))
        .with_state(Arc::clone(app))
}

/// What is acknowledged is in every answer.
async fn when_caught_up(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    app.freshness.caught_up().await;
    next.run(request).await
}

/// Until the log is replayed, an answer would be a half-truth.
async fn when_ready(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.is_ready() {
        next.run(request).await
    } else {
        Refusal::unavailable("The collector is still reading its log; try again in a moment.").into_response()
    }
}
