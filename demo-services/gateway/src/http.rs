//! The shop's public HTTP interface.

use axum::extract::{Extension, Path, Query, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::Value;
use shop_kit::caller::{CallError, Caller};
use shop_kit::problem::Problem;
use shop_kit::request::{Body, IdempotencyKey, check_id};

use tokio::time::Instant;

use crate::active_users;
use crate::carts;
use crate::compose;
use crate::graph::{self, Graph};
use crate::guard::{self, Guard, Visitor};
use crate::people;
use crate::shelf::{self, Shelf};
use crate::step_by_step;
use crate::upstream::{self, Upstream, problem};

/// Header that marks an answer from memory.
const DEGRADED: &str = "x-degraded";

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) upstream: Upstream,
    pub(crate) guard: Guard,
    pub(crate) shelf: Shelf,
    pub(crate) graph: Graph,
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
    "GET /api/v1/orders/search",
    "PUT /api/v1/orders/{id}",
    "POST /api/v1/orders/{id}/items",
    "POST /api/v1/orders/{id}/confirm",
    "GET /api/v1/orders/{id}/history",
    "GET /api/v1/orders/{id}/status",
    "POST /api/v1/bookings",
    "GET /api/v1/bookings/{id}",
    "POST /api/v1/users",
    "GET /api/v1/users/{id}",
    "POST /api/v1/login",
    "GET /api/v1/reports/active-users-orders",
    "POST /graphql",
    "POST /api/v1/carts/{customer_id}/items",
    "POST /api/v1/carts/{customer_id}/checkout",
];

/// Every route.
pub(crate) fn router(upstream: Upstream, guard: Guard) -> Router {
    let gateway = Gateway {
        upstream,
        guard: guard.clone(),
        shelf: Shelf::default(),
        graph: graph::graph(),
    };
    Router::new()
        .route("/api/v1/products", get(browse))
        .route("/api/v1/products/search", get(browse))
        .route("/api/v1/products/{id}", get(browse))
        .route("/api/v1/categories", get(browse))
        .route("/api/v1/orders", post(place_order).get(list_orders))
        .route("/api/v1/orders/search", get(step_by_step::search))
        .route("/api/v1/orders/{id}", get(show_order).put(step_by_step::open))
        .route("/api/v1/orders/{id}/items", post(step_by_step::command))
        .route("/api/v1/orders/{id}/confirm", post(step_by_step::command))
        .route("/api/v1/orders/{id}/history", get(step_by_step::story))
        .route("/api/v1/orders/{id}/status", get(step_by_step::story))
        .route("/api/v1/orders/{id}/details", get(order_details))
        .route("/api/v1/orders/{id}/cancel", post(cancel_order))
        .route("/api/v1/bookings", post(place_booking).get(list_bookings))
        .route("/api/v1/bookings/{id}", get(show_booking))
        .route("/api/v1/users", post(people::register).get(people::list))
        .route(
            "/api/v1/users/{id}",
            get(people::show).put(people::change).delete(people::remove),
        )
        .route("/api/v1/login", post(people::login))
        .route("/api/v1/carts/{customer_id}", get(carts::show))
        .route("/api/v1/carts/{customer_id}/items", post(carts::command))
        .route("/api/v1/carts/{customer_id}/items/{product_id}", delete(carts::remove))
        .route("/api/v1/carts/{customer_id}/checkout", post(carts::command))
        .route("/api/v1/reports/active-users-orders", get(active_users::report))
        .route("/graphql", post(graph::ask))
        .route("/api/v1/openapi.json", get(openapi))
        .with_state(gateway)
        .layer(from_fn_with_state(guard.clone(), guard::identify))
        .layer(from_fn_with_state(guard, guard::share))
}

/// What can be asked here, for programs.
pub(crate) const OPENAPI: &str = include_str!("../openapi.json");

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// Everything of the catalog: as it was a moment ago, fresh, or from memory when the catalog does not answer.
async fn browse(State(gateway): State<Gateway>, uri: Uri) -> Result<Response, Problem> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let keep = [(header::CACHE_CONTROL, format!("max-age={}", shelf::FRESH.as_secs()))];
    if let Some(answer) = gateway.shelf.fresh(path, Instant::now()) {
        return Ok((keep, Json(answer)).into_response());
    }
    match gateway.upstream.catalog.get::<Value>(path).await {
        Ok(answer) => {
            gateway.shelf.keep(path, &answer, Instant::now());
            Ok((keep, Json(answer)).into_response())
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
    Extension(visitor): Extension<Visitor>,
    key: IdempotencyKey,
    Body(mut order): Body<Value>,
) -> Result<Response, Problem> {
    gateway.guard.allow(&visitor, "orders:write")?;
    sign(&gateway, &visitor, &mut order)?;
    let key = key.required()?;
    accepted(&gateway.upstream.orders, "/api/v1/orders", &order, &key).await
}

async fn place_booking(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    key: IdempotencyKey,
    Body(mut booking): Body<Value>,
) -> Result<Response, Problem> {
    gateway.guard.allow(&visitor, "orders:write")?;
    sign(&gateway, &visitor, &mut booking)?;
    let key = key.required()?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    accepted(&gateway.upstream.booking, path, &booking, &key).await
}

/// Hands a command on; the answer points to where its outcome can be read.
async fn accepted(service: &Caller, path: &str, command: &Value, key: &str) -> Result<Response, Problem> {
    let answer = service.send(Method::POST, path, Some(command), Some(key)).await;
    let answer = answer.map_err(problem)?;
    // 202 as a rule; 201 of a flow that answers when all is done.
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::ACCEPTED);
    let accepted: Value = serde_json::from_slice(&answer.body).map_err(anyhow::Error::from)?;
    let location = accepted["status_url"]
        .as_str()
        .and_then(|url| HeaderValue::from_str(url).ok());
    let mut response = (status, Json(accepted)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A command of a user is theirs: whoever sends a token orders for nobody else, and need not say for whom.
pub(crate) fn sign(gateway: &Gateway, visitor: &Visitor, command: &mut Value) -> Result<(), Problem> {
    let owner = command["customer_id"].as_str().map(ToOwned::to_owned);
    match (owner, &visitor.0) {
        (Some(owner), _) => gateway.guard.allow_own(visitor, &owner),
        (None, Some(identity)) => {
            if let Some(fields) = command.as_object_mut() {
                fields
                    .entry("customer_id")
                    .or_insert_with(|| identity.user_id.clone().into());
            }
            Ok(())
        }
        // What is wrong with it the service says.
        (None, None) => Ok(()),
    }
}

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    customer_id: String,
}

async fn list_orders(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    gateway.guard.allow_own(&visitor, &query.customer_id)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    upstream::get(&gateway.upstream.orders, path).await.map(Json)
}

async fn show_order(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let order = upstream::get(&gateway.upstream.orders, path).await?;
    let owner = order["customer_id"].as_str().unwrap_or_default();
    gateway.guard.allow_own(&visitor, owner)?;
    Ok(Json(order))
}

/// Bookings of a customer; those of all only for whoever may see what belongs to all.
async fn list_bookings(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    gateway.guard.allow(&visitor, "orders:read")?;
    gateway.guard.allow_own(&visitor, &query.customer_id)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    upstream::get(&gateway.upstream.booking, path).await.map(Json)
}

async fn show_booking(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    gateway.guard.allow(&visitor, "orders:read")?;
    let booking = upstream::get(&gateway.upstream.booking, &format!("/api/v1/bookings/{id}")).await?;
    let owner = booking["customer_id"].as_str().unwrap_or_default();
    gateway.guard.allow_own(&visitor, owner)?;
    Ok(Json(booking))
}

async fn order_details(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    compose::order_details(&gateway.upstream, &gateway.guard, &visitor, &id)
        .await
        .map(Json)
}

async fn cancel_order(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    gateway.guard.allow(&visitor, "orders:write")?;
    let path = format!("/api/v1/orders/{id}");
    if visitor.0.is_some() {
        let order = upstream::get(&gateway.upstream.orders, &path).await?;
        let owner = order["customer_id"].as_str().unwrap_or_default();
        gateway.guard.allow_own(&visitor, owner)?;
    }
    let path = format!("{path}/cancel");
    gateway
        .upstream
        .orders
        .post_once(&path, &serde_json::json!({}), None)
        .await
        .map(Json)
        .map_err(problem)
}
