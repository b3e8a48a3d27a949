//! The service's HTTP interface.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use sagascope_conventions::FaultKind;
use serde::{Deserialize, Serialize};
use shop_kit::context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::day::Day;
use shop_kit::outside::Outside;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};
use shop_kit::two_phase;

use crate::commands::{self, CommandError};
use crate::fleet::Class;
use crate::reservation::{Refusal, Rental, Reservation, ReservationState};
use crate::store;

/// Longest rental.
const MAX_DAYS: u32 = 30;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Cars {
    pub(crate) db: Database,
    /// Asked before a car is set aside.
    pub(crate) depot: Outside,
}

/// Commands that a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "POST /api/v1/reservations",
    "POST /api/v1/reservations/{id}/release",
    "POST /api/v1/reservations/{id}/confirm",
    "POST /api/v1/transactions/{id}/prepare",
];

/// Every route.
pub(crate) fn router(cars: Cars) -> Router {
    Router::new()
        .route("/api/v1/cars", get(list_classes))
        .route("/api/v1/cars/{class}", get(show_class))
        .route("/api/v1/reservations", post(reserve))
        .route("/api/v1/reservations/{id}", get(show_reservation))
        .route("/api/v1/reservations/{id}/release", post(release))
        .route("/api/v1/reservations/{id}/confirm", post(confirm))
        .route("/api/v1/audit", get(audit))
        .with_state(cars.clone())
        .merge(two_phase::router(cars.db.clone(), Arc::new(cars)))
}

/// Body of `POST /api/v1/reservations`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserve {
    /// Chosen by the caller; repeating it repeats the answer, not the effect.
    reservation_id: String,
    class: String,
    from: Day,
    days: u32,
}

async fn reserve(State(cars): State<Cars>, Body(command): Body<Reserve>) -> Result<Response, Problem> {
    check_id("reservation_id", &command.reservation_id)?;
    let rental = Rental {
        class: command.class,
        from: command.from,
        days: command.days,
    };
    let refused = cars.ask_depot(&rental).await?;
    let (id, context) = (command.reservation_id, context::current());
    let promise = ReservationState::Reserved;
    let reserved = cars
        .db
        .write(move |tx| commands::reserve_once(tx, &id, rental, promise, refused, &context))
        .await?;
    Ok(reserved.map_or_else(IntoResponse::into_response, |reservation| {
        (StatusCode::CREATED, Json(reservation)).into_response()
    }))
}

impl Cars {
    /// Checks a wish, and lets the depot look at it.
    pub(crate) async fn ask_depot(&self, rental: &Rental) -> Result<Option<Refusal>, Problem> {
        check_id("class", &rental.class)?;
        if !(1..=MAX_DAYS).contains(&rental.days) {
            return Err(Problem::bad_field("days", format!("give 1 to {MAX_DAYS}")));
        }
        self.depot.ask("set aside").await;
        if self.db.faults().hit(FaultKind::OutOfStock, "reserve").is_some() {
            let (class, day) = (rental.class.clone(), rental.from);
            return Ok(Some(Refusal::NoCar { class, day }));
        }
        Ok(None)
    }
}

async fn release(State(cars): State<Cars>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    check_id("id", &id)?;
    let context = context::current();
    let work = move |tx: &Tx<'_>| commands::release_car(tx, &id, &context);
    Ok(Json(cars.db.write(work).await?))
}

async fn confirm(State(cars): State<Cars>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    check_id("id", &id)?;
    let context = context::current();
    let work = move |tx: &Tx<'_>| commands::confirm_car(tx, &id, &context);
    Ok(Json(cars.db.write(work).await?))
}

async fn show_reservation(State(cars): State<Cars>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    let key = id.clone();
    let found = cars.db.read(move |conn| store::find_reservation(conn, &key)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("reservation", &id))
}

/// `GET /api/v1/cars`.
#[derive(Debug, Serialize)]
struct ClassList {
    items: Vec<Class>,
}

async fn list_classes(State(cars): State<Cars>) -> Result<Json<ClassList>, Problem> {
    let items = cars.db.read(store::classes).await?;
    Ok(Json(ClassList { items }))
}

async fn show_class(State(cars): State<Cars>, Path(class): Path<String>) -> Result<Json<Class>, Problem> {
    let key = class.clone();
    let found = cars.db.read(move |conn| store::find_class(conn, &key)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("class", &class))
}

/// `GET /api/v1/audit`: every promised car is counted once on each of its days.
#[derive(Debug, Serialize)]
struct Audit {
    agrees: bool,
    days_promised: u32,
    days_counted: u32,
    reservations: BTreeMap<String, u32>,
}

async fn audit(State(cars): State<Cars>) -> Result<Json<Audit>, Problem> {
    let read = |conn: &rusqlite::Connection| {
        // One snapshot for both: a reservation between two statements would look like a difference.
        let snapshot = conn.unchecked_transaction()?;
        Ok::<_, DatabaseError>((store::days(&snapshot)?, store::counts(&snapshot)?))
    };
    let ((days_promised, days_counted), reservations) = cars.db.read(read).await?;
    Ok(Json(Audit {
        agrees: days_promised == days_counted,
        days_promised,
        days_counted,
        reservations,
    }))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", "not found"),
            Refusal::UnknownClass { .. } => Self {
                field: Some("class".into()),
                ..Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "unknown_class",
                    "no such class of cars",
                )
            },
            Refusal::NoCar { .. } => Self::conflict("no_car", "no car is free"),
            Refusal::InDoubt { .. } => Self::conflict("in_doubt", "the cars are locked"),
            Refusal::Released => Self::conflict("released", "the reservation has been released"),
            Refusal::OtherRental => Self::conflict("other_rental", "the reservation exists for another rental"),
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
