//! Users through the gateway: anybody registers and logs in; only the user and an administrator see and change one.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;
use shop_kit::caller::Answer;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};

use crate::guard::{Visitor, not_yours, scoped, too_many};
use crate::http::Gateway;
use crate::identity::ADMIN;
use crate::upstream::problem;

/// Fields that a user cannot give themselves.
const GIVEN_BY_THE_SHOP: [&str; 2] = ["tier", "status"];

/// `POST /api/v1/users`.
pub(crate) async fn register(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Body(user): Body<Value>,
) -> Result<Response, Problem> {
    refuse_gifts(&user, &visitor)?;
    let answer = gateway
        .upstream
        .users
        .send(Method::POST, "/api/v1/users", Some(&user), None)
        .await
        .map_err(problem)?;
    let mut response = shown(&answer)?;
    let user: Value = answer.json().map_err(problem)?;
    let location = format!("/api/v1/users/{}", user["id"].as_str().unwrap_or_default());
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `POST /api/v1/login`.
pub(crate) async fn login(State(gateway): State<Gateway>, Body(login): Body<Value>) -> Result<Response, Problem> {
    let email = login["email"].as_str().unwrap_or_default();
    if let Err(wait) = gateway.guard.admit_login(email) {
        return Ok(too_many(wait));
    }
    let users = &gateway.upstream.users;
    let token: Value = users.post("/api/v1/login", &login, None).await.map_err(problem)?;
    // RFC 6749: a token is nothing to keep on the way.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(token)).into_response())
}

/// `GET /api/v1/users`.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Result<Response, Problem> {
    scoped(&visitor, ADMIN)?;
    pass(&gateway, Method::GET, &path_of(&uri), None, None).await
}

/// `GET /api/v1/users/{id}`.
pub(crate) async fn show(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let path = own(&visitor, &id)?;
    pass(&gateway, Method::GET, &path, None, None).await
}

/// `PUT /api/v1/users/{id}`.
pub(crate) async fn change(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(user): Body<Value>,
) -> Result<Response, Problem> {
    let path = own(&visitor, &id)?;
    refuse_gifts(&user, &visitor)?;
    pass(&gateway, Method::PUT, &path, Some(&user), version(&headers)).await
}

/// `DELETE /api/v1/users/{id}`.
pub(crate) async fn remove(
    State(gateway): State<Gateway>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let path = own(&visitor, &id)?;
    pass(&gateway, Method::DELETE, &path, None, version(&headers)).await
}

async fn pass(
    gateway: &Gateway,
    method: Method,
    path: &str,
    body: Option<&Value>,
    version: Option<String>,
) -> Result<Response, Problem> {
    let headers = version.into_iter().map(|version| ("if-match", version)).collect();
    let answer = gateway
        .upstream
        .users
        .send_with(method, path, body, None, headers)
        .await;
    shown(&answer.map_err(problem)?)
}

/// The answer as it came, with the version of a user as its ETag.
fn shown(answer: &Answer) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(|_| Problem::internal())?;
    if answer.body.is_empty() {
        return Ok(status.into_response());
    }
    let body: Value = answer.json().map_err(problem)?;
    let tag = body["version"].as_u64().map(|version| format!("\"{version}\""));
    let mut response = (status, Json(body)).into_response();
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The path of a user whom the visitor may see.
fn own(visitor: &Visitor, id: &str) -> Result<String, Problem> {
    check_id("id", id)?;
    let identity = scoped(visitor, "profile")?;
    if identity.is(id) {
        Ok(format!("/api/v1/users/{id}"))
    } else {
        Err(not_yours())
    }
}

fn refuse_gifts(user: &Value, visitor: &Visitor) -> Result<(), Problem> {
    let is_admin = visitor.0.as_ref().is_some_and(|identity| identity.has(ADMIN));
    let gift = GIVEN_BY_THE_SHOP.iter().find(|field| !user[**field].is_null());
    match gift {
        Some(field) if !is_admin => Err(Problem {
            field: Some((*field).to_owned()),
            ..Problem::new(
                StatusCode::FORBIDDEN,
                "not_yours_to_give",
                "only an administrator gives this",
            )
        }),
        _ => Ok(()),
    }
}

fn version(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::IF_MATCH)?;
    value.to_str().ok().map(ToOwned::to_owned)
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()
}
