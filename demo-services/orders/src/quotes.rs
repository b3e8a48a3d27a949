//! `GET /api/v1/shipping-quotes?pieces=`: what shipping would cost, asked over the broker and answered there.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use shop_kit::broker::Broker;
use shop_kit::context;
use shop_kit::problem::Problem;
use shop_kit::request_reply::{AskError, Requester};

/// Topic of the answers.
pub(crate) const ANSWERS: &str = "orders.quotes";
/// The same as a subscription wants it.
pub(crate) const ANSWER_TOPICS: &[&str] = &[ANSWERS];
/// Topic of the questions.
const QUESTIONS: &str = "shipping.quotes";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most pieces of a question.
const MAX_PIECES: u32 = 100_000;

/// The route.
pub(crate) fn router<B: Broker + Clone>(requester: Requester<B>) -> Router {
    Router::new()
        .route("/api/v1/shipping-quotes", get(quote::<B>))
        .with_state(Arc::new(requester))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    pieces: u32,
}

async fn quote<B: Broker + Clone>(
    State(requester): State<Arc<Requester<B>>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let pieces = wanted.map(|Query(wanted)| wanted.pieces).unwrap_or(0);
    if !(1..=MAX_PIECES).contains(&pieces) {
        return Err(Problem::bad_field("pieces", format!("give 1 to {MAX_PIECES}")));
    }
    let question = json!({ "pieces": pieces });
    let context = context::current();
    let asked = requester.ask(QUESTIONS, "QuoteWanted", question, &context, PATIENCE);
    asked.await.map(Json).map_err(|error| {
        let (status, code) = match error {
            AskError::NoAnswer(_) => (StatusCode::GATEWAY_TIMEOUT, "no_answer"),
            AskError::TooMany | AskError::NotSent(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Problem::new(status, code, "there is no quote now").detail(format!("{error}; ask again later"))
    })
}

#[cfg(test)]
mod tests {
    use shop_kit::broker::HttpBroker;
    use shop_kit::database::Database;
    use shop_kit::faults::Switchboard;
    use shop_kit::testing::TestServer;

    use super::*;

    #[tokio::test]
    async fn a_bad_question_is_refused_and_a_broker_that_is_away_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        let db = Database::open(&folder.path().join("o.sqlite"), &[], Switchboard::idle()).expect("opens");
        let away = HttpBroker::new("http://127.0.0.1:1").expect("client");
        let server = TestServer::start(router(Requester::start(ANSWERS, ANSWER_TOPICS, db, away))).await;
        for query in ["", "?pieces=0", "?pieces=-1", "?pieces=many", "?pieces=100001"] {
            let (status, problem) = server.get(&format!("/api/v1/shipping-quotes{query}")).await;
            assert_eq!((status, &problem["field"]), (400, &json!("pieces")), "{query}");
        }
        let (status, problem) = server.get("/api/v1/shipping-quotes?pieces=3").await;
        assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
    }
}
