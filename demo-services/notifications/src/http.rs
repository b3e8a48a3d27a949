//! The service's HTTP interface.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use shop_kit::database::Database;
use shop_kit::problem::Problem;
use shop_kit::request::check_id;

use crate::letter::Letter;
use crate::store;

/// Every route.
pub(crate) fn router(db: Database) -> Router {
    Router::new()
        .route("/api/v1/letters", get(letters))
        .route("/api/v1/audit", get(audit))
        .with_state(db)
}

/// Query of `GET /api/v1/letters`.
#[derive(Debug, Default, Deserialize)]
struct LettersQuery {
    #[serde(default)]
    order_id: String,
}

/// `GET /api/v1/letters?order_id=`.
#[derive(Debug, Serialize)]
struct Letters {
    items: Vec<Letter>,
}

async fn letters(State(db): State<Database>, Query(query): Query<LettersQuery>) -> Result<Json<Letters>, Problem> {
    check_id("order_id", &query.order_id)?;
    Ok(Json(Letters {
        items: db.read(move |conn| store::about(conn, &query.order_id)).await?,
    }))
}

/// `GET /api/v1/audit`.
#[derive(Debug, Serialize)]
struct Audit {
    letters: BTreeMap<String, u32>,
    mails: store::Mails,
}

async fn audit(State(db): State<Database>) -> Result<Json<Audit>, Problem> {
    Ok(Json(Audit {
        letters: db.read(store::counts).await?,
        mails: db.read(store::mails).await?,
    }))
}
