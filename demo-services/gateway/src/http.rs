//! The shop's public HTTP interface.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::Value;
use shop_kit::caller::{CallError, Caller};
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
    "POST /api/v1/bookings",
    "GET /api/v1/bookings/{id}",
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
        .route("/api/v1/bookings", post(place_booking).get(read_bookings))
        .route("/api/v1/bookings/{id}", get(read_bookings))
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
    accepted(&gateway.upstream.orders, "/api/v1/orders", &order, &key).await
}

async fn place_booking(
    State(gateway): State<Gateway>,
    uri: Uri,
    key: IdempotencyKey,
    Body(booking): Body<Value>,
) -> Result<Response, Problem> {
    let key = key.required()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    accepted(&gateway.upstream.booking, path, &booking, &key).await
}

/// Hands a command on; the answer points to where its outcome can be read.
async fn accepted(service: &Caller, path: &str, command: &Value, key: &str) -> Result<Response, Problem> {
    let accepted: Value = service.post(path, command, Some(key)).await.map_err(problem)?;
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

async fn read_bookings(State(gateway): State<Gateway>, uri: Uri) -> Result<Json<Value>, Problem> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    upstream::get(&gateway.upstream.booking, path).await.map(Json)
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
