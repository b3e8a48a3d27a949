//! Read models over HTTP: how far each is, rebuilding one, and reading no less than one has written.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{Parked, ReadModel, Standing, Verified, parked, reached, standing};
use crate::database::{Database, DatabaseError};
use crate::event_store;
use crate::problem::Problem;

/// Header of an answer: position up to which a read model must be, to show what the answer tells of.
pub const POSITION_HEADER: &str = "x-position";
/// Header of a read: show nothing older than this.
const MIN_POSITION_HEADER: &str = "x-min-position";
/// Longest wait of a read for its position.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Models {
    db: Database,
    models: &'static [ReadModel],
}

/// `GET /api/v1/read-models` and `GET /api/v1/read-models/{name}`; `POST …/{name}/rebuild` and `…/{name}/verify`; and
/// `GET /api/v1/event-store`.
pub fn router(db: Database, models: &'static [ReadModel]) -> Router {
    Router::new()
        .route("/api/v1/read-models", get(list))
        .route("/api/v1/read-models/{name}", get(show))
        .route("/api/v1/read-models/{name}/rebuild", post(rebuild))
        .route("/api/v1/read-models/{name}/verify", post(verify))
        .route("/api/v1/event-store", get(store))
        .with_state(Models { db, models })
}

#[derive(Serialize)]
struct List {
    items: Vec<Standing>,
}

async fn list(State(state): State<Models>) -> Result<Json<List>, Problem> {
    let models = state.models;
    let read = state.db.read(move |conn| {
        let standings = models.iter().map(|model| standing(conn, model.name));
        standings.collect::<Result<_, DatabaseError>>()
    });
    Ok(Json(List { items: read.await? }))
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    standing: Standing,
    parked_events: Vec<Parked>,
}

async fn show(State(state): State<Models>, Path(name): Path<String>) -> Result<Json<Detail>, Problem> {
    let name = state.find(&name)?.name;
    let read = state.db.read(move |conn| {
        Ok::<_, DatabaseError>(Detail {
            standing: standing(conn, name)?,
            parked_events: parked(conn, name)?,
        })
    });
    Ok(Json(read.await?))
}

async fn rebuild(State(state): State<Models>, Path(name): Path<String>) -> Result<Response, Problem> {
    let model = state.find(&name)?;
    model.rebuild(&state.db).await?;
    let seen = state.db.read(move |conn| standing(conn, model.name)).await?;
    let location = format!("/api/v1/read-models/{}", model.name);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(seen)).into_response())
}

async fn verify(State(state): State<Models>, Path(name): Path<String>) -> Result<Json<Verified>, Problem> {
    Ok(Json(state.find(&name)?.verify(&state.db).await?))
}

/// `GET /api/v1/event-store`.
#[derive(Serialize)]
struct Store {
    /// Position of the last event.
    head: u64,
    /// Streams whose versions are not 1, 2, 3, …: none, or INV-08 is broken.
    broken_streams: Vec<String>,
}

async fn store(State(state): State<Models>) -> Result<Json<Store>, Problem> {
    let read = state.db.read(|conn| {
        Ok::<_, DatabaseError>(Store {
            head: event_store::head(conn)?,
            broken_streams: event_store::broken_streams(conn)?,
        })
    });
    Ok(Json(read.await?))
}

impl Models {
    fn find(&self, name: &str) -> Result<ReadModel, Problem> {
        let found = self.models.iter().find(|model| model.name == name);
        found.copied().ok_or_else(|| Problem::not_found("read model", name))
    }
}

/// An answer that tells which position its write came to, in a header.
pub fn positioned(answer: impl IntoResponse, position: u64) -> Response {
    let mut response = answer.into_response();
    response
        .headers_mut()
        .insert(POSITION_HEADER, HeaderValue::from(position));
    response
}

/// What a reader wants to see at least: `?min_position=`, or the header `x-min-position`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinPosition(pub Option<u64>);

#[derive(Deserialize)]
struct MinQuery {
    min_position: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for MinPosition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(MIN_POSITION_HEADER)
            .map(|value| value.to_str().unwrap_or_default().to_owned());
        let query = Query::<MinQuery>::try_from_uri(&parts.uri).ok();
        let given = query.and_then(|Query(query)| query.min_position).or(header);
        let parsed = given
            .map(|text| text.parse().map_err(|_| not_a_position()))
            .transpose()?;
        Ok(Self(parsed))
    }
}

fn not_a_position() -> Problem {
    Problem::bad_field("min_position", "give the `position` of an answer, as it was")
}

impl MinPosition {
    /// Waits for a read model to be that far.
    ///
    /// # Errors
    /// 503 with `Retry-After` when it is not within two seconds.
    pub async fn reached(self, db: &Database, name: &'static str) -> Result<(), Problem> {
        let Some(wanted) = self.0 else { return Ok(()) };
        let stands = reached(db, name, wanted, PATIENCE).await?;
        if stands >= wanted {
            return Ok(());
        }
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "read_model_behind",
            "the read model is not that far yet",
        );
        let detail =
            format!("{name} stands at {stands}, asked for {wanted}; try again, or read without `min_position`");
        Err(problem.detail(detail).retry_after(1))
    }
}
