//! The service's HTTP interface.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop_kit::database::Database;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};
use shop_kit::{clock, context, ids};

use crate::list::{self, Selection, UserView};
use crate::password::Passwords;
use crate::store;
use crate::token::{Issuer, LIFETIME_SECONDS, granted};
use crate::user::{Personal, Profile, Role, Status, Tier};
use crate::validation::{ChangeUser, RegisterUser};
use crate::vault::Vault;

/// Users on a page unless asked otherwise.
const PAGE: usize = 20;
/// Most users on a page.
const MAX_PAGE: usize = 100;
/// Longest address or password looked at in a login.
const MAX_SECRET: usize = 512;
/// Address of the first administrator.
const ADMIN: &str = "admin@shop.example";

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Users {
    pub(crate) db: Database,
    pub(crate) vault: Arc<Vault>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) passwords: Passwords,
}

/// What a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "POST /api/v1/users",
    "GET /api/v1/users",
    "GET /api/v1/users/{id}",
    "PUT /api/v1/users/{id}",
    "DELETE /api/v1/users/{id}",
    "POST /api/v1/login",
    "GET /api/v1/keys",
];

/// Every route.
pub(crate) fn router(users: Users) -> Router {
    Router::new()
        .route("/api/v1/users", post(register).get(list_users))
        .route("/api/v1/users/{id}", get(show).put(change).delete(remove))
        .route("/api/v1/login", post(login))
        .route("/api/v1/keys", get(keys))
        .with_state(users)
}

/// The first administrator is there from the start.
pub(crate) async fn ensure_admin(users: &Users, password: String) -> anyhow::Result<()> {
    let index = users.vault.index(ADMIN);
    if users
        .db
        .read(move |conn| store::credentials(conn, &index))
        .await?
        .is_some()
    {
        return Ok(());
    }
    let profile = Profile {
        personal: Personal {
            email: ADMIN.to_owned(),
            name: "Administrator".to_owned(),
        },
        display_name: "admin".to_owned(),
        tier: Tier::Standard,
    };
    create(users, profile, Role::Admin, password)
        .await
        .map(drop)
        .map_err(|problem| anyhow::anyhow!("the administrator cannot be made: {problem}"))
}

async fn create(users: &Users, profile: Profile, role: Role, password: String) -> Result<UserView, Problem> {
    // An address that is taken already is not worth a hash; under a race the database decides.
    let index = users.vault.index(&profile.personal.email);
    if users
        .db
        .read(move |conn| store::credentials(conn, &index))
        .await?
        .is_some()
    {
        return Err(store::address_taken());
    }
    let hash = users.passwords.hash(password).await?;
    let (vault, context, id) = (Arc::clone(&users.vault), context::current(), ids::unique());
    users
        .db
        .write(move |tx| {
            store::create(tx, &vault, &id, profile, role, &hash, &context)?;
            list::find(tx, &vault, &id)?.ok_or_else(Problem::internal)
        })
        .await
}

async fn register(State(users): State<Users>, Body(command): Body<RegisterUser>) -> Result<Response, Problem> {
    let (profile, password) = command.checked()?;
    let user = create(&users, profile, Role::Customer, password).await?;
    let location = format!("/api/v1/users/{}", user.id);
    let mut response = tagged(StatusCode::CREATED, &user);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn show(State(users): State<Users>, Path(id): Path<String>) -> Result<Response, Problem> {
    check_id("id", &id)?;
    let (vault, wanted) = (Arc::clone(&users.vault), id.clone());
    let user = users.db.read(move |conn| list::find(conn, &vault, &wanted)).await?;
    let user = user.ok_or_else(|| Problem::not_found("user", &id))?;
    Ok(tagged(StatusCode::OK, &user))
}

async fn change(
    State(users): State<Users>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(command): Body<ChangeUser>,
) -> Result<Response, Problem> {
    check_id("id", &id)?;
    let expected = if_match(&headers)?.ok_or_else(|| Problem {
        field: Some("If-Match".into()),
        ..Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "version_needed",
            "a change needs a version",
        )
        .detail("read the user, and send its ETag as If-Match")
    })?;
    let wanted = command.checked()?;
    let (vault, context) = (Arc::clone(&users.vault), context::current());
    let user = users
        .db
        .write(move |tx| {
            store::update(tx, &vault, &id, expected, wanted, &context)?;
            list::find(tx, &vault, &id)?.ok_or_else(Problem::internal)
        })
        .await?;
    Ok(tagged(StatusCode::OK, &user))
}

async fn remove(State(users): State<Users>, Path(id): Path<String>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    check_id("id", &id)?;
    let expected = if_match(&headers)?;
    let (vault, context) = (Arc::clone(&users.vault), context::current());
    users
        .db
        .write(move |tx| store::remove(tx, &vault, &id, expected, &context))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Query of `GET /api/v1/users`.
#[derive(Debug, Deserialize)]
struct ListQuery {
    status: Option<Status>,
    limit: Option<usize>,
    cursor: Option<i64>,
}

/// A page of users.
#[derive(Debug, Serialize)]
struct Page {
    items: Vec<UserView>,
    next_cursor: Option<String>,
}

async fn list_users(
    State(users): State<Users>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_field("query", rejection.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::bad_field("limit", format!("give 1 to {MAX_PAGE}")));
    }
    let wanted = Selection {
        status: query.status.map(|status| status.as_str().to_owned()),
        after: query.cursor.unwrap_or(0),
        limit,
    };
    let vault = Arc::clone(&users.vault);
    let (items, next) = users.db.read(move |conn| list::list(conn, &vault, &wanted)).await?;
    Ok(Json(Page {
        items,
        next_cursor: next.map(|number| number.to_string()),
    }))
}

/// Body of `POST /api/v1/login`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    email: String,
    password: String,
    /// Words with spaces between; everything that the user may do when absent.
    scope: Option<String>,
}

async fn login(State(users): State<Users>, Body(login): Body<Login>) -> Result<Json<Value>, Problem> {
    for (field, text) in [("email", &login.email), ("password", &login.password)] {
        if text.is_empty() || text.len() > MAX_SECRET {
            return Err(Problem::bad_field(field, format!("give 1 to {MAX_SECRET} bytes")));
        }
    }
    let index = users.vault.index(&login.email);
    let known = users.db.read(move |conn| store::credentials(conn, &index)).await?;
    let hash = known.as_ref().map(|known| known.password_hash.clone());
    let matches = users.passwords.matches(login.password, hash).await?;
    // One answer for both, so that nobody learns who is a user here.
    let known = known.filter(|_| matches).ok_or_else(|| {
        Problem::new(StatusCode::UNAUTHORIZED, "bad_login", "no such user and password").detail("check both")
    })?;
    if known.status == Status::Suspended {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "suspended",
            "the user is suspended",
        ));
    }
    let scope = granted(known.role, login.scope.as_deref());
    let token = users
        .issuer
        .issue(&known.id, &scope, clock::unix_nanos_now() / 1_000_000_000)?;
    Ok(Json(json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFETIME_SECONDS,
        "scope": scope,
        "user_id": known.id,
    })))
}

/// What tokens are checked with.
async fn keys(State(users): State<Users>) -> Json<Value> {
    Json(json!({ "keys": [users.issuer.public()] }))
}

fn tagged(status: StatusCode, user: &UserView) -> Response {
    let tag = [(header::ETAG, format!("\"{}\"", user.version))];
    (status, tag, Json(user)).into_response()
}

/// The version in `If-Match`, an ETag of ours.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let version = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    version
        .map(Some)
        .ok_or_else(|| Problem::bad_field("If-Match", "send the ETag of the user as it was given"))
}
