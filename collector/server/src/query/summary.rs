//! The short lists: overview, services, breakers, read models, outboxes, dead letters, invariants, canaries.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use sagascope_api::Page;
use sagascope_api::breakers::Breaker;
use sagascope_api::canaries::Canary;
use sagascope_api::invariants::Invariant;
use sagascope_api::overview::Overview;
use sagascope_api::read_models::{DeadLetter, Outbox, ReadModel};
use sagascope_api::services::{Service, ServiceDetail, ServiceMap};

use super::list::{page, page_in_order};
use super::params::Params;
use crate::app::{self, App};
use crate::pipeline;
use crate::problem::{Answer, Refusal};

type Shared = State<Arc<App>>;

/// `GET /api/v1/overview`.
pub(crate) async fn overview(State(app): Shared) -> Json<Overview> {
    Json(pipeline::overview(&app, &app.read()))
}

/// `GET /api/v1/services`.
pub(crate) async fn services(State(app): Shared, RawQuery(query): RawQuery) -> Answer<Json<Page<Service>>> {
    let params = Params::parse(query.as_deref())?;
    let rows = app.read().projections.services(app::now());
    page_in_order(&params, rows).map(Json)
}

/// `GET /api/v1/services/{name}`.
pub(crate) async fn service(State(app): Shared, Path(name): Path<String>) -> Answer<Json<ServiceDetail>> {
    let found = app.read().projections.service(&name, app::now());
    found.map(Json).ok_or_else(|| Refusal::unknown("service", &name))
}

/// `GET /api/v1/service-map`.
pub(crate) async fn service_map(State(app): Shared) -> Json<ServiceMap> {
    Json(app.read().projections.service_map(app::now()))
}

/// `GET /api/v1/breakers`.
pub(crate) async fn breakers(State(app): Shared, RawQuery(query): RawQuery) -> Answer<Json<Page<Breaker>>> {
    let params = Params::parse(query.as_deref())?;
    let rows = app.read().projections.breakers(app::now());
    page_in_order(&params, rows).map(Json)
}

/// `GET /api/v1/breakers/{id}`.
pub(crate) async fn breaker(State(app): Shared, Path(id): Path<String>) -> Answer<Json<Breaker>> {
    let rows = app.read().projections.breakers(app::now());
    let found = rows.into_iter().find(|breaker| breaker.id == id);
    found.map(Json).ok_or_else(|| Refusal::unknown("breaker", &id))
}

/// `GET /api/v1/read-models`.
pub(crate) async fn read_models(State(app): Shared, RawQuery(query): RawQuery) -> Answer<Json<Page<ReadModel>>> {
    let params = Params::parse(query.as_deref())?;
    let rows = app.read().projections.read_models(app::now());
    page_in_order(&params, rows).map(Json)
}

/// `GET /api/v1/invariants`.
pub(crate) async fn invariants(State(app): Shared, RawQuery(query): RawQuery) -> Answer<Json<Page<Invariant>>> {
    let params = Params::parse(query.as_deref())?;
    let rows = app.read().projections.invariants(app::now());
    page_in_order(&params, rows).map(Json)
}

/// `GET /api/v1/canaries`.
pub(crate) async fn canaries(State(app): Shared, RawQuery(query): RawQuery) -> Answer<Json<Page<Canary>>> {
    let params = Params::parse(query.as_deref())?;
    let rows = app.read().projections.canaries();
    page_in_order(&params, rows).map(Json)
}

/// `GET /api/v1/outboxes`.
pub(crate) async fn outboxes(State(app): Shared, RawQuery(query): RawQuery) -> Answer<Json<Page<Outbox>>> {
    let params = Params::parse(query.as_deref())?;
    let rows = app.read().projections.outboxes(app::now());
    page_in_order(&params, rows).map(Json)
}

/// `GET /api/v1/dead-letters`.
pub(crate) async fn dead_letters(State(app): Shared, RawQuery(query): RawQuery) -> Answer<Json<Page<DeadLetter>>> {
    let params = Params::parse(query.as_deref())?;
    let rows = app.read().projections.dead_letters();
    page(&params, rows, |letter| (letter.at, letter.id.clone())).map(Json)
}
