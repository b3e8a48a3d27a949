//! Saga instances and types.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use sagascope_api::Page;
use sagascope_api::sagas::{Saga, SagaDetail, SagaType};
use sagascope_conventions::SagaState;

use super::compute;
use super::list::page;
use super::params::Params;
use crate::app::{self, App};
use crate::problem::{Answer, Refusal};

/// `GET /api/v1/sagas?name=&state=&q=&stuck=&since=&until=&limit=&cursor=`.
pub(crate) async fn sagas(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Json<Page<Saga>>> {
    let params = Params::parse(query.as_deref())?;
    compute(&app, move |app, _| {
        let keep = filter(&params)?;
        let rows = app.read().projections.sagas(keep);
        page(&params, rows, |saga| (saga.started_at, saga.key()))
    })
    .await
    .map(Json)
}

fn filter(params: &Params) -> Answer<impl Fn(&Saga) -> bool + use<>> {
    let search = params.search()?;
    let name = params.get("name").map(ToOwned::to_owned);
    let states = states(params)?;
    let stuck = params.flag("stuck")?;
    let (since, until) = (params.time("since")?, params.time("until")?);
    Ok(move |saga: &Saga| {
        name.as_ref().is_none_or(|name| saga.name == *name)
            && states.as_ref().is_none_or(|states| states.contains(&saga.state))
            && stuck.is_none_or(|stuck| saga.stuck == stuck)
            && since.is_none_or(|since| saga.started_at >= since)
            && until.is_none_or(|until| saga.started_at < until)
            && search.matches_saga(saga)
    })
}

/// One state, or several separated by commas.
fn states(params: &Params) -> Answer<Option<Vec<SagaState>>> {
    let Some(words) = params.get("state") else {
        return Ok(None);
    };
    let states = words
        .split(',')
        .map(|word| SagaState::parse(word.trim()))
        .collect::<Option<Vec<_>>>();
    states.map(Some).ok_or_else(|| {
        let known = SagaState::ALL
            .iter()
            .map(|state| state.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        Refusal::field("invalid_value", "state", format!("There are: {known}."))
    })
}

/// `GET /api/v1/sagas/{id}?name=`.
pub(crate) async fn saga(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Json<SagaDetail>> {
    let params = Params::parse(query.as_deref())?;
    let found = app.read().projections.saga(&id, params.get("name"), app::now());
    found.map(Json).ok_or_else(|| Refusal::unknown("saga", &id))
}

/// `GET /api/v1/saga-types/{name}`.
pub(crate) async fn saga_type(State(app): State<Arc<App>>, Path(name): Path<String>) -> Answer<Json<SagaType>> {
    let found = app.read().projections.saga_type(&name, app::now());
    found.map(Json).ok_or_else(|| Refusal::unknown("saga_type", &name))
}
