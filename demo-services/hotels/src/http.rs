//! The service's HTTP interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use sagascope_conventions::FaultKind;
use serde::{Deserialize, Serialize};
use shop_kit::context;
use shop_kit::database::{Database, DatabaseError};
use shop_kit::day::Day;
use shop_kit::outside::Outside;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};
use shop_kit::two_phase;

use crate::commands::{self, CommandError};
use crate::reservation::{Refusal, Reservation, ReservationState, Stay};
use crate::room::Room;
use crate::store;

/// Longest stay.
pub(crate) const MAX_NIGHTS: u32 = 30;
/// Most rooms on one page.
const MAX_PAGE: u32 = 200;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Hotels {
    pub(crate) db: Database,
    /// Asked before a room is set aside.
    pub(crate) reception: Outside,
}

/// Commands that a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "POST /api/v1/reservations",
    "POST /api/v1/reservations/{id}/release",
    "POST /api/v1/reservations/{id}/confirm",
    "POST /api/v1/transactions/{id}/prepare",
];

/// Every route.
pub(crate) fn router(hotels: Hotels) -> Router {
    Router::new()
        .route("/api/v1/rooms", get(list_rooms))
        .route("/api/v1/rooms/{room_id}", get(show_room))
        .route("/api/v1/reservations", post(reserve))
        .route("/api/v1/reservations/{id}", get(show_reservation))
        .route("/api/v1/reservations/{id}/release", post(release))
        .route("/api/v1/reservations/{id}/confirm", post(confirm))
        .route("/api/v1/audit", get(audit))
        .with_state(hotels.clone())
        .merge(two_phase::router(hotels.db.clone(), Arc::new(hotels)))
}

/// Body of `POST /api/v1/reservations`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserve {
    /// Chosen by the caller; repeating it repeats the answer, not the effect.
    reservation_id: String,
    room_id: String,
    arrival: Day,
    nights: u32,
}

async fn reserve(State(hotels): State<Hotels>, Body(command): Body<Reserve>) -> Result<Response, Problem> {
    check_id("reservation_id", &command.reservation_id)?;
    let stay = Stay {
        room_id: command.room_id,
        arrival: command.arrival,
        nights: command.nights,
    };
    let refused = hotels.ask_reception(&stay).await?;
    let (id, context) = (command.reservation_id, context::current());
    let promise = ReservationState::Reserved;
    let reserved = hotels
        .db
        .write(move |tx| commands::reserve_once(tx, &id, stay, promise, refused, &context))
        .await?;
    Ok(reserved.map_or_else(IntoResponse::into_response, |reservation| {
        (StatusCode::CREATED, Json(reservation)).into_response()
    }))
}

impl Hotels {
    /// Checks a wish, and lets the house look at it.
    pub(crate) async fn ask_reception(&self, stay: &Stay) -> Result<Option<Refusal>, Problem> {
        check_id("room_id", &stay.room_id)?;
        if !(1..=MAX_NIGHTS).contains(&stay.nights) {
            return Err(Problem::bad_field("nights", format!("give 1 to {MAX_NIGHTS}")));
        }
        self.reception.ask("set aside").await;
        if self.db.faults().hit(FaultKind::OutOfStock, "reserve").is_some() {
            let (room_id, night) = (stay.room_id.clone(), stay.arrival);
            return Ok(Some(Refusal::NoRoom { room_id, night }));
        }
        Ok(None)
    }
}

async fn release(State(hotels): State<Hotels>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    check_id("id", &id)?;
    let context = context::current();
    let work = move |tx: &shop_kit::database::Tx<'_>| commands::release_room(tx, &id, &context);
    Ok(Json(hotels.db.write(work).await?))
}

async fn confirm(State(hotels): State<Hotels>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    check_id("id", &id)?;
    let context = context::current();
    let work = move |tx: &shop_kit::database::Tx<'_>| commands::confirm_room(tx, &id, &context);
    Ok(Json(hotels.db.write(work).await?))
}

async fn show_reservation(State(hotels): State<Hotels>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    let key = id.clone();
    let found = hotels.db.read(move |conn| store::find_reservation(conn, &key)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("reservation", &id))
}

/// Query of `GET /api/v1/rooms`.
#[derive(Debug, Deserialize)]
struct ListQuery {
    limit: Option<u32>,
    cursor: Option<i64>,
}

/// `GET /api/v1/rooms`.
#[derive(Debug, Serialize)]
struct RoomList {
    items: Vec<Room>,
    next_cursor: Option<String>,
}

async fn list_rooms(
    State(hotels): State<Hotels>,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<RoomList>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_field("query", rejection.body_text()))?;
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let after = query.cursor.unwrap_or(0);
    let rooms = hotels.db.read(move |conn| store::rooms(conn, after, limit)).await?;
    let more = rooms.len() == limit as usize;
    let next_cursor = rooms.last().filter(|_| more).map(|(number, _)| number.to_string());
    let items = rooms.into_iter().map(|(_, room)| room).collect();
    Ok(Json(RoomList { items, next_cursor }))
}

async fn show_room(State(hotels): State<Hotels>, Path(id): Path<String>) -> Result<Json<Room>, Problem> {
    let key = id.clone();
    let found = hotels.db.read(move |conn| store::find_room(conn, &key)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("room", &id))
}

/// `GET /api/v1/audit`: every promised night is held by exactly one reservation.
#[derive(Debug, Serialize)]
struct Audit {
    agrees: bool,
    nights_promised: u32,
    nights_held: u32,
    reservations: BTreeMap<String, u32>,
}

async fn audit(State(hotels): State<Hotels>) -> Result<Json<Audit>, Problem> {
    let read = |conn: &rusqlite::Connection| {
        // One snapshot for both: a reservation between two statements would look like a difference.
        let snapshot = conn.unchecked_transaction()?;
        Ok::<_, DatabaseError>((store::nights(&snapshot)?, store::counts(&snapshot)?))
    };
    let ((nights_promised, nights_held), reservations) = hotels.db.read(read).await?;
    Ok(Json(Audit {
        agrees: nights_promised == nights_held,
        nights_promised,
        nights_held,
        reservations,
    }))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", "not found"),
            Refusal::UnknownRoom { .. } => Self {
                field: Some("room_id".into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_room", "no such room")
            },
            Refusal::NoRoom { .. } => Self::conflict("no_room", "the room is taken"),
            Refusal::InDoubt { .. } => Self::conflict("in_doubt", "the room is locked"),
            Refusal::Released => Self::conflict("released", "the reservation has been released"),
            Refusal::OtherStay => Self::conflict("other_stay", "the reservation exists for another stay"),
        }
        .detail(detail)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::Database(error) => error.into(),
        }
    }
}
