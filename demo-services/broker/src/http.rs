//! The broker over HTTP: decode, ask, encode.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use shop_kit::broker::wire::{Acknowledge, Items, Publish, Reject};
use shop_kit::broker::{Broker, BrokerError, Fetch, Fetched};
use shop_kit::problem::Problem;

use crate::admin_http;
use crate::embedded::EmbeddedBroker;

/// Longest body taken: a full batch of an outbox with room to spare.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Hears of each answer to a fetch.
pub(crate) type OnFetched = std::sync::Arc<dyn Fn(&Fetched) + Send + Sync>;

#[derive(Clone)]
struct Shared {
    broker: EmbeddedBroker,
    on_fetched: OnFetched,
}

/// The routes, under `/api/v1`.
pub(crate) fn router(broker: EmbeddedBroker, on_fetched: OnFetched) -> Router {
    Router::new()
        .route("/api/v1/messages", post(publish))
        .route("/api/v1/fetch", post(fetch))
        .route("/api/v1/acknowledgements", post(acknowledge))
        .route("/api/v1/rejections", post(reject))
        .route("/api/v1/topics", get(topics))
        .route("/api/v1/groups", get(groups))
        .merge(admin_http::router(broker.clone()))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Shared { broker, on_fetched })
}

async fn publish(State(shared): State<Shared>, Json(body): Json<Publish>) -> Response {
    done(shared.broker.publish(body.messages).await)
}

async fn fetch(State(shared): State<Shared>, Json(body): Json<Fetch>) -> Response {
    let fetched = shared.broker.fetch(body).await;
    if let Ok(fetched) = &fetched {
        (shared.on_fetched)(fetched);
    }
    answer(fetched)
}

async fn acknowledge(State(shared): State<Shared>, Json(body): Json<Acknowledge>) -> Response {
    done(shared.broker.acknowledge(&body.group, body.places).await)
}

async fn reject(State(shared): State<Shared>, Json(body): Json<Reject>) -> Response {
    let (broker, group, reason) = (&shared.broker, &body.group, &body.reason);
    done(match (body.park, body.until_done) {
        (true, _) => broker.park(group, body.place, reason).await,
        (false, true) => broker.postpone(group, body.place, reason).await,
        (false, false) => broker.reject(group, body.place, reason).await,
    })
}

async fn topics(State(shared): State<Shared>) -> Response {
    answer(shared.broker.heads().await.map(|items| Items { items }))
}

async fn groups(State(shared): State<Shared>) -> Response {
    answer(shared.broker.positions().await.map(|items| Items { items }))
}

fn done(result: Result<(), BrokerError>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error),
    }
}

pub(crate) fn answer(result: Result<impl Serialize, BrokerError>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(error) => refused(&error),
    }
}

pub(crate) fn refused(error: &BrokerError) -> Response {
    match error {
        BrokerError::Refused(reason) => problem(StatusCode::BAD_REQUEST, "refused", reason),
        BrokerError::Unavailable(reason) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason),
    }
}

pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    Problem::new(status, code, "the broker did not do it")
        .detail(detail)
        .into_response()
}
