//! Endpoints of the lab.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sagascope_api::experiments::{ExperimentRun, Experiments, RunRequest};

use crate::app::App;
use crate::control::http::read;
use crate::problem::{Answer, Refusal};

/// `GET /api/v1/experiments`.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Experiments> {
    Json(app.experiments.list())
}

/// `POST /api/v1/experiments/{name}/run`.
pub(crate) async fn run(State(app): State<Arc<App>>, Path(name): Path<String>, body: Bytes) -> Answer<Response> {
    let request = wanted(&body)?;
    let run = app.experiments.start(&name, request, app.stopping.clone())?;
    tracing::info!(id = %run.summary.id, experiment = %run.summary.experiment, "a person runs an experiment");
    let location = HeaderValue::try_from(format!("/api/v1/experiments/runs/{}", run.summary.id));
    let mut response = (StatusCode::ACCEPTED, Json(run)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `GET /api/v1/experiments/runs/{id}`.
pub(crate) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<ExperimentRun>> {
    app.experiments.run(&id).map(Json)
}

/// `DELETE /api/v1/experiments/runs/{id}`.
pub(crate) async fn cancel(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<ExperimentRun>> {
    app.experiments.cancel(&id).await.map(Json)
}

/// An empty body asks for nothing in particular.
fn wanted(body: &[u8]) -> Answer<RunRequest> {
    if body.is_empty() {
        return Ok(RunRequest::default());
    }
    let request: RunRequest = read(body)?;
    if request.rate.is_some_and(|rate| !(0.1..=1_000.0).contains(&rate)) {
        return Err(Refusal::field("invalid_value", "rate", "Give 0.1 to 1000."));
    }
    if request.seconds.is_some_and(|seconds| !(4..=600).contains(&seconds)) {
        return Err(Refusal::field("invalid_value", "seconds", "Give 4 to 600."));
    }
    Ok(request)
}
