//! An order that is filled step by step, its story, and the search over orders: what the orders service has beside the
//! usual way, for whom it concerns.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::Value;
use shop_kit::caller::CallError;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};

use crate::guard::{Guard, Visitor};
use crate::http::{Gateway, sign};
use crate::upstream::{self, Upstream, problem};

/// `PUT /api/v1/orders/{id}`: opens an order.
pub(crate) async fn open(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Body(mut order): Body<Value>,
) -> Result<Response, Problem> {
    check_id("id", &id)?;
    gateway.guard.allow(&visitor, "orders:write")?;
    sign(&gateway, &visitor, &mut order)?;
    passed_on(&gateway.upstream, Method::PUT, &format!("/api/v1/orders/{id}"), &order).await
}

/// `POST /api/v1/orders/{id}/items` and `…/confirm`.
pub(crate) async fn command(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    uri: Uri,
    Body(command): Body<Value>,
) -> Result<Response, Problem> {
    check_id("id", &id)?;
    gateway.guard.allow(&visitor, "orders:write")?;
    owned(&gateway.upstream, &gateway.guard, &visitor, &id).await?;
    passed_on(&gateway.upstream, Method::POST, uri.path(), &command).await
}

/// `GET /api/v1/orders/{id}/history` and `…/status`.
pub(crate) async fn story(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    owned(&gateway.upstream, &gateway.guard, &visitor, &id).await?;
    upstream::get(&gateway.upstream.orders, uri.path()).await.map(Json)
}

/// `GET /api/v1/orders/search`: over the orders of all.
pub(crate) async fn search(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    gateway.guard.allow_all(&visitor)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    upstream::get(&gateway.upstream.orders, path).await.map(Json)
}

/// The visitor may see and fill this order.
async fn owned(upstream: &Upstream, guard: &Guard, visitor: &Visitor, id: &str) -> Result<(), Problem> {
    if visitor.0.is_none() {
        return guard.allow_own(visitor, "");
    }
    guard.allow_own(visitor, &owner(upstream, id).await?)
}

/// Whose order it is, as its events say: a read model may not know an order that was opened a moment ago. An order that
/// has no event yet is known to the read model from its saga.
async fn owner(upstream: &Upstream, id: &str) -> Result<String, Problem> {
    let path = format!("/api/v1/orders/{id}");
    let latest = format!("{path}?as_of={}", i64::MAX);
    let order = match upstream.orders.get::<Value>(&latest).await {
        Err(CallError::Refused { status: 404, .. }) => upstream::get(&upstream.orders, &path).await?,
        found => found.map_err(problem)?,
    };
    Ok(order["customer_id"].as_str().unwrap_or_default().to_owned())
}

/// An opening may be repeated by itself, the others have no key that a repeat could be known by: they get one attempt.
async fn passed_on(upstream: &Upstream, method: Method, path: &str, body: &Value) -> Result<Response, Problem> {
    let answer = upstream.orders.send(method, path, Some(body), None).await;
    let answer = answer.map_err(problem)?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    Ok((status, Json(body)).into_response())
}
