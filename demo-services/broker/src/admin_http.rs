//! What a person asks of the broker, over HTTP: decode, ask, encode.

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use shop_kit::broker::admin::{Hurry, Letters, Look, Reset};
use shop_kit::broker::wire::{Items, LettersQuery};
use shop_kit::broker::{Broker, BrokerError};
use shop_kit::problem::Problem;
use shop_kit::request::Body;

use crate::embedded::EmbeddedBroker;
use crate::http::{answer, problem, refused};

/// The routes, under `/api/v1`.
pub(crate) fn router<S>(broker: EmbeddedBroker) -> Router<S> {
    Router::new()
        .route("/api/v1/topics/{topic}/messages", get(look))
        .route("/api/v1/groups/{group}", get(standing))
        .route("/api/v1/groups/{group}/reset", post(reset))
        .route("/api/v1/deliveries/hurry", post(hurry))
        .route("/api/v1/dead-letters", get(letters))
        .route("/api/v1/dead-letters/replay", post(replay_all))
        .route("/api/v1/dead-letters/purge", post(purge_all))
        .route("/api/v1/dead-letters/{id}", get(letter).delete(purge))
        .route("/api/v1/dead-letters/{id}/replay", post(replay))
        .with_state(broker)
}

type Asked<T> = Result<Query<T>, QueryRejection>;
type Id = Result<Path<u64>, PathRejection>;

async fn look(State(broker): State<EmbeddedBroker>, Path(topic): Path<String>, query: Asked<Look>) -> Response {
    match query {
        Ok(Query(look)) => found(broker.look(&topic, look).await, "topic or partition", &topic),
        Err(error) => not_understood(&error.body_text()),
    }
}

async fn standing(State(broker): State<EmbeddedBroker>, Path(group): Path<String>) -> Response {
    let standing = broker.standing(&group).await;
    found(standing.map(|rows| rows.map(|items| Items { items })), "group", &group)
}

async fn reset(State(broker): State<EmbeddedBroker>, Path(group): Path<String>, Body(reset): Body<Reset>) -> Response {
    let what = format!("{group} reading {}", reset.topic);
    let moved = broker.reset(&group, reset).await;
    found(moved.map(|rows| rows.map(|items| Items { items })), "group", &what)
}

async fn hurry(State(broker): State<EmbeddedBroker>, Body(hurry): Body<Hurry>) -> Response {
    answer(broker.hurry(hurry).await)
}

async fn letters(State(broker): State<EmbeddedBroker>, query: Asked<LettersQuery>) -> Response {
    let Query(query) = match query {
        Ok(query) => query,
        Err(error) => return not_understood(&error.body_text()),
    };
    let wanted = Letters {
        topic: query.topic,
        group: query.group,
        message_id: query.message_id,
        key: None,
    };
    let letters = broker.letters(wanted, query.after, query.limit).await;
    answer(letters.map(|items| Items { items }))
}

async fn letter(State(broker): State<EmbeddedBroker>, id: Id) -> Response {
    match id {
        Ok(Path(id)) => found(broker.letter(id).await, "dead letter", &id.to_string()),
        Err(error) => not_understood(&error.body_text()),
    }
}

async fn replay(State(broker): State<EmbeddedBroker>, id: Id) -> Response {
    match id {
        Ok(Path(id)) => settled(broker.replay(id).await, id),
        Err(error) => not_understood(&error.body_text()),
    }
}

async fn purge(State(broker): State<EmbeddedBroker>, id: Id) -> Response {
    match id {
        Ok(Path(id)) => settled(broker.purge(id).await, id),
        Err(error) => not_understood(&error.body_text()),
    }
}

/// A slip of the hand must not settle everything: something has to be named.
async fn replay_all(State(broker): State<EmbeddedBroker>, Body(wanted): Body<Letters>) -> Response {
    match narrowed(wanted) {
        Ok(wanted) => answer(broker.replay_letters(wanted).await),
        Err(problem) => problem.into_response(),
    }
}

async fn purge_all(State(broker): State<EmbeddedBroker>, Body(wanted): Body<Letters>) -> Response {
    match narrowed(wanted) {
        Ok(wanted) => answer(broker.purge_letters(wanted).await),
        Err(problem) => problem.into_response(),
    }
}

fn narrowed(wanted: Letters) -> Result<Letters, Problem> {
    if wanted == Letters::default() {
        return Err(Problem::bad_field("topic", "name a topic, a group or a message_id"));
    }
    Ok(wanted)
}

fn settled(known: Result<bool, BrokerError>, id: u64) -> Response {
    match known {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => unknown("dead letter", &id.to_string()),
        Err(error) => refused(&error),
    }
}

fn found<T: Serialize>(found: Result<Option<T>, BrokerError>, what: &str, name: &str) -> Response {
    match found.transpose() {
        Some(found) => answer(found),
        None => unknown(what, name),
    }
}

fn unknown(what: &str, name: &str) -> Response {
    let name: String = name.chars().take(200).collect();
    let code = format!("unknown_{}", what.replace(' ', "_"));
    problem(StatusCode::NOT_FOUND, &code, &format!("there is no {what} {name}"))
}

fn not_understood(detail: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, "not_understood", detail)
}
