//! The shop's public HTTP interface.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::Value;
use shop_kit::caller::CallError;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, IdempotencyKey, check_id};

use crate::compose;
use crate::shelf::Shelf;
use crate::upstream::{self, Upstream, problem};

/// Header that marks an answer from memory.
const DEGRADED: &str = "x-degraded";

#[derive(Clone)]
struct Gateway {
    upstream: Upstream,
    shelf: Shelf,
}

/// What a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "GET /api/v1/products",
    "GET /api/v1/products/search",
    "GET /api/v1/products/{id}",
    "POST /api/v1/orders",
    "GET /api/v1/orders/{id}",
    "GET /api/v1/orders/{id}/details",
    "POST /api/v1/orders/{id}/cancel",
];

/// Every route.
pub(crate) fn router(upstream: Upstream) -> Router {
    Router::new()
        .route("/api/v1/products", get(browse))
        .route("/api/v1/products/search", get(browse))
        .route("/api/v1/products/{id}", get(browse))
        .route("/api/v1/categories", get(browse))
        .route("/api/v1/orders", post(place_order).get(read_orders))
        .route("/api/v1/orders/{id}", get(read_orders))
        .route("/api/v1/orders/{id}/details", get(order_details))
        .route("/api/v1/orders/{id}/cancel", post(cancel_order))
        .with_state(Gateway {
            upstream,
            shelf: Shelf::default(),
        })
}

/// Everything of the catalog: fresh, or from memory when the catalog does not answer.
async fn browse(State(gateway): State<Gateway>, uri: Uri) -> Result<Response, Problem> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match gateway.upstream.catalog.get::<Value>(path).await {
        Ok(answer) => {
            gateway.shelf.keep(path, &answer);
            Ok(Json(answer).into_response())
        }
        Err(error @ CallError::Refused { .. }) => Err(problem(error)),
        Err(error) => {
            let answer = gateway.shelf.find(path).ok_or_else(|| problem(error))?;
            gateway.upstream.catalog.breaker().fallback();
            Ok(([(DEGRADED, "catalog")], Json(answer)).into_response())
        }
    }
}

async fn place_order(
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(order): Body<Value>,
) -> Result<Response, Problem> {
    let key = key.required()?;
    let accepted: Value = gateway
        .upstream
        .orders
        .post("/api/v1/orders", &order, Some(&key))
        .await
        .map_err(problem)?;
    let location = accepted["status_url"]
        .as_str()
        .and_then(|url| HeaderValue::from_str(url).ok());
    let mut response = (StatusCode::ACCEPTED, Json(accepted)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn read_orders(State(gateway): State<Gateway>, uri: Uri) -> Result<Json<Value>, Problem> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    upstream::get(&gateway.upstream.orders, path).await.map(Json)
}

async fn order_details(State(gateway): State<Gateway>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    compose::order_details(&gateway.upstream, &id).await.map(Json)
}

async fn cancel_order(State(gateway): State<Gateway>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    let path = format!("/api/v1/orders/{id}/cancel");
    gateway
        .upstream
        .orders
        .post_once(&path, &serde_json::json!({}), None)
        .await
        .map(Json)
        .map_err(problem)
}
