//! Carts through the gateway: each customer's own.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, IdempotencyKey, check_id};

use crate::guard::Visitor;
use crate::http::Gateway;
use crate::upstream::{self, problem};

/// `GET /api/v1/carts/{customer_id}`.
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(customer_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    check_id("customer_id", &customer_id)?;
    gateway.guard.allow_own(&visitor, &customer_id)?;
    let path = format!("/api/v1/carts/{customer_id}");
    upstream::get(&gateway.upstream.cart, &path).await.map(Json)
}

/// `POST /api/v1/carts/{customer_id}/items` and `…/checkout`.
pub(crate) async fn command(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(customer_id): Path<String>,
    uri: Uri,
    key: IdempotencyKey,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    writable(&gateway, &visitor, &customer_id)?;
    pass(&gateway, Method::POST, uri.path(), Some(&body), key.0.as_deref()).await
}

/// `DELETE /api/v1/carts/{customer_id}/items/{product_id}`.
pub(crate) async fn remove(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path((customer_id, product_id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    writable(&gateway, &visitor, &customer_id)?;
    check_id("product_id", &product_id)?;
    pass(&gateway, Method::DELETE, uri.path(), None, None).await
}

fn writable(gateway: &Gateway, visitor: &Visitor, customer_id: &str) -> Result<(), Problem> {
    check_id("customer_id", customer_id)?;
    gateway.guard.allow(visitor, "cart:write")?;
    gateway.guard.allow_own(visitor, customer_id)
}

async fn pass(
    gateway: &Gateway,
    method: Method,
    path: &str,
    body: Option<&Value>,
    key: Option<&str>,
) -> Result<Response, Problem> {
    let answer = gateway
        .upstream
        .cart
        .send(method, path, body, key)
        .await
        .map_err(problem)?;
    let body: Value = answer.json().map_err(problem)?;
    let location = body["status_url"]
        .as_str()
        .and_then(|url| HeaderValue::from_str(url).ok());
    let status = StatusCode::from_u16(answer.status).map_err(|_| Problem::internal())?;
    let mut response = (status, Json(body)).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
