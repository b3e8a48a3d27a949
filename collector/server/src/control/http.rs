//! Fault and traffic endpoints.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sagascope_api::Page;
use sagascope_api::faults::{FaultStatus, FaultTargetOption, Traffic};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;

use super::command::{Command, no_demo};
use super::request;
use crate::app::App;
use crate::pipeline::Event;
use crate::problem::{Answer, Refusal};

/// `GET /api/v1/faults`.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Page<FaultStatus>> {
    Json(Page::whole(app.read().board.list()))
}

/// `GET /api/v1/fault-catalogue`.
pub(crate) async fn catalogue(State(app): State<Arc<App>>) -> Json<Page<FaultTargetOption>> {
    Json(Page::whole(app.read().board.catalogue()))
}

/// `POST /api/v1/faults`.
pub(crate) async fn arm(State(app): State<Arc<App>>, body: Bytes) -> Answer<Response> {
    let request = request::parse(&body)?;
    let status = ask(&app, |reply| Command::Arm(request, reply)).await?;
    tracing::info!(id = %status.fault.id, service = %status.fault.target.service, kind = %status.fault.kind, "a fault was armed");
    let location = HeaderValue::try_from(format!("/api/v1/faults/{}", status.fault.id));
    let mut response = (StatusCode::CREATED, Json(status)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `GET /api/v1/faults/{id}`.
pub(crate) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<FaultStatus>> {
    let found = app.read().board.list().into_iter().find(|status| status.fault.id == id);
    found.map(Json).ok_or_else(|| Refusal::unknown("fault", &id))
}

/// `DELETE /api/v1/faults/{id}`.
pub(crate) async fn clear(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Json<FaultStatus>> {
    ask(&app, |reply| Command::Clear(id, reply)).await.map(Json)
}

/// `DELETE /api/v1/faults`.
pub(crate) async fn clear_all(State(app): State<Arc<App>>) -> Answer<Json<Page<FaultStatus>>> {
    ask(&app, Command::ClearAll)
        .await
        .map(|cleared| Json(Page::whole(cleared)))
}

/// `POST /api/v1/faults/register`.
pub(crate) async fn register(State(app): State<Arc<App>>, body: Bytes) -> Answer<StatusCode> {
    let registration = read(&body)?;
    ask(&app, |reply| Command::Register(registration, reply)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/faults/acknowledgements`.
pub(crate) async fn acknowledge(State(app): State<Arc<App>>, body: Bytes) -> Answer<StatusCode> {
    let acknowledgement = read(&body)?;
    ask(&app, |reply| Command::Acknowledge(acknowledgement, reply)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/traffic`.
pub(crate) async fn traffic(State(app): State<Arc<App>>) -> Answer<Json<Traffic>> {
    let (orders_per_second, flows) = app.read().board.traffic().ok_or_else(no_demo)?;
    Ok(Json(Traffic {
        orders_per_second,
        flows: Some(flows),
    }))
}

/// `PUT /api/v1/traffic`.
pub(crate) async fn set_traffic(State(app): State<Arc<App>>, body: Bytes) -> Answer<Json<Traffic>> {
    let wanted = wanted_traffic(&body)?;
    ask(&app, |reply| Command::Traffic(wanted, reply)).await.map(Json)
}

/// Each field is read by itself, so that a refusal names the one that is wrong.
fn wanted_traffic(body: &[u8]) -> Answer<Traffic> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Raw {
        #[serde(default)]
        orders_per_second: Value,
        #[serde(default)]
        flows: Option<Value>,
    }
    let Raw {
        orders_per_second: rate,
        flows,
    } = read(body)?;
    let rate = rate.as_f64().filter(|rate| (0.0..=1_000.0).contains(rate));
    let rate = rate.ok_or_else(|| Refusal::field("invalid_value", "orders_per_second", "Give 0 to 1000."))?;
    let flows = flows.map(serde_json::from_value).transpose();
    let flows = flows.map_err(|error| {
        let detail: String = error.to_string().chars().take(300).collect();
        Refusal::field("invalid_value", "flows", detail)
    })?;
    Ok(Traffic {
        orders_per_second: rate,
        flows,
    })
}

pub(super) async fn ask<T>(app: &App, command: impl FnOnce(oneshot::Sender<Answer<T>>) -> Command) -> Answer<T> {
    let (reply, answer) = oneshot::channel();
    app.tell(Event::Command(command(reply))).await?;
    answer
        .await
        .unwrap_or_else(|_| Err(Refusal::unavailable("The collector is stopping.")))
}

pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    serde_json::from_slice(body).map_err(|error| {
        let detail: String = error.to_string().chars().take(300).collect();
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "invalid_body",
            "The request is not valid",
            detail,
        )
    })
}
