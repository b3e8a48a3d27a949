//! The broker over HTTP: decode, ask, encode.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Serialize;
use shop_kit::broker::wire::{Acknowledge, Items, Limit, Publish, Reject};
use shop_kit::broker::{Broker, BrokerError, Fetch, Fetched};
use shop_kit::problem::Problem;

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
        .route("/api/v1/dead-letters", get(dead_letters))
        .route("/api/v1/dead-letters/{id}", delete(purge))
        .route("/api/v1/dead-letters/{id}/replay", post(replay))
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
    done(shared.broker.reject(&body.group, body.place, &body.reason).await)
}

async fn topics(State(shared): State<Shared>) -> Response {
    answer(shared.broker.heads().await.map(|items| Items { items }))
}

async fn groups(State(shared): State<Shared>) -> Response {
    answer(shared.broker.positions().await.map(|items| Items { items }))
}

async fn dead_letters(State(shared): State<Shared>, Query(limit): Query<Limit>) -> Response {
    answer(
        shared
            .broker
            .dead_letters(limit.limit)
            .await
            .map(|items| Items { items }),
    )
}

async fn replay(State(shared): State<Shared>, Path(id): Path<u64>) -> Response {
    on_letter(shared.broker.replay(id).await, id)
}

async fn purge(State(shared): State<Shared>, Path(id): Path<u64>) -> Response {
    on_letter(shared.broker.purge(id).await, id)
}

fn on_letter(found: Result<bool, BrokerError>, id: u64) -> Response {
    match found {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => problem(
            StatusCode::NOT_FOUND,
            "unknown_dead_letter",
            &format!("there is no dead letter {id}"),
        ),
        Err(error) => refused(&error),
    }
}

fn done(result: Result<(), BrokerError>) -> Response {
    match result {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(&error),
    }
}

fn answer(result: Result<impl Serialize, BrokerError>) -> Response {
    match result {
        Ok(body) => Json(body).into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &BrokerError) -> Response {
    match error {
        BrokerError::Refused(reason) => problem(StatusCode::BAD_REQUEST, "refused", reason),
        BrokerError::Unavailable(reason) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason),
    }
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    Problem::new(status, code, "the broker did not do it")
        .detail(detail)
        .into_response()
}
