//! The service's HTTP interface: reading only.

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use shop_kit::database::Database;
use shop_kit::problem::Problem;
use shop_kit::projection::{self, MinPosition};

use crate::daily_sales::{self, Day};
use crate::feed::MODELS;
use crate::revenue::{self, Revenue};

/// Most days on one page.
const MAX_DAYS: u32 = 366;

/// Every route.
pub(crate) fn router(db: Database) -> Router {
    Router::new()
        .route("/api/v1/daily-sales", get(list_days))
        .route("/api/v1/revenue", get(list_revenue))
        .with_state(db.clone())
        .merge(projection::router(db, MODELS))
}

/// A list of the API.
#[derive(Debug, Serialize)]
struct List<T> {
    items: Vec<T>,
}

/// Query of `GET /api/v1/daily-sales`.
#[derive(Debug, Default, Deserialize)]
struct DaysQuery {
    limit: Option<u32>,
}

async fn list_days(
    State(db): State<Database>,
    Query(query): Query<DaysQuery>,
    min: MinPosition,
) -> Result<Json<List<Day>>, Problem> {
    min.reached(&db, daily_sales::MODEL.name).await?;
    let limit = query.limit.unwrap_or(30).clamp(1, MAX_DAYS);
    Ok(Json(List {
        items: db.read(move |conn| daily_sales::days(conn, limit)).await?,
    }))
}

async fn list_revenue(State(db): State<Database>, min: MinPosition) -> Result<Json<List<Revenue>>, Problem> {
    min.reached(&db, revenue::MODEL.name).await?;
    Ok(Json(List {
        items: db.read(revenue::by_currency).await?,
    }))
}
