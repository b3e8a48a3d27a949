//! The service's HTTP interface: commands answer 202 and point to where the outcome can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use sagascope_conventions::SagaState;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop_kit::context::{self, Context};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::day::Day;
use shop_kit::idempotency::{self, Answer, Begin};
use shop_kit::problem::Problem;
use shop_kit::request::{Body, IdempotencyKey, check_id};
use shop_kit::saga::{self, Instance, Next, StartError};

use crate::booking::{Booking, Protocol, Status};
use crate::booking_saga::{self, BookingSaga};
use crate::booking_store;
use crate::place_booking::PlaceBooking;
use crate::remote::Remote;
use crate::two_phase::{self, Transaction};

/// Most bookings on one page.
const MAX_PAGE: u32 = 100;

/// What the handlers share.
pub(crate) struct Bookings<R> {
    pub(crate) db: Database,
    pub(crate) saga: Arc<BookingSaga<R>>,
}

impl<R> Clone for Bookings<R> {
    fn clone(&self) -> Self {
        Self {
            db: self.db.clone(),
            saga: self.saga.clone(),
        }
    }
}

/// What a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &["POST /api/v1/bookings", "GET /api/v1/bookings/{id}"];

/// Every route.
pub(crate) fn router<R: Remote>(bookings: Bookings<R>) -> Router {
    Router::new()
        .route("/api/v1/bookings", post(place_booking::<R>).get(list_bookings::<R>))
        .route("/api/v1/bookings/{id}", get(show_booking::<R>))
        .route("/api/v1/transactions/{id}", get(show_decision::<R>))
        .route("/api/v1/audit", get(audit::<R>))
        .with_state(bookings)
}

/// Query of `POST /api/v1/bookings`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceQuery {
    protocol: Option<String>,
}

/// What a key stands for: the same wish by the same protocol.
#[derive(Debug, Serialize)]
struct Asked<'a> {
    protocol: Protocol,
    wish: &'a PlaceBooking,
}

async fn place_booking<R: Remote>(
    State(bookings): State<Bookings<R>>,
    query: Result<Query<PlaceQuery>, QueryRejection>,
    key: IdempotencyKey,
    Body(command): Body<PlaceBooking>,
) -> Result<Response, Problem> {
    let key = key.required()?;
    let protocol = protocol_of(query)?;
    let wish = command.checked(Day::today())?;
    let (saga, context) = (bookings.saga.clone(), context::current());
    let booking_id = context::new_id();
    let answer = bookings
        .db
        .write(move |tx| accept(tx, &*saga, &key, protocol, &wish, &booking_id, &context))
        .await?;
    let location = answer.body["status_url"]
        .as_str()
        .and_then(|url| HeaderValue::from_str(url).ok());
    let mut response = answer.into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn protocol_of(query: Result<Query<PlaceQuery>, QueryRejection>) -> Result<Protocol, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_field("query", rejection.body_text()))?;
    let Some(word) = query.protocol else {
        return Ok(Protocol::default());
    };
    Protocol::parse(&word).ok_or_else(|| Problem::bad_field("protocol", "give saga or 2pc"))
}

/// Starts the booking under the key: a repeat is answered with the booking that the first one started.
fn accept<R: Remote>(
    tx: &Tx<'_>,
    saga: &BookingSaga<R>,
    key: &str,
    protocol: Protocol,
    wish: &PlaceBooking,
    booking_id: &str,
    context: &Context,
) -> Result<Answer, Problem> {
    match idempotency::begin(tx, "place_booking", key, &Asked { protocol, wish })? {
        Begin::Stored(answer) => return Ok(answer),
        Begin::First | Begin::Unfinished => {}
        Begin::Conflict => {
            let problem = Problem::conflict("key_reused", "the key was used for another booking");
            return Err(Problem {
                field: Some("Idempotency-Key".into()),
                ..problem
            }
            .detail("use a new key for a new booking"));
        }
    }
    match protocol {
        Protocol::Saga => saga::start(tx, saga, booking_id, wish, context).map_err(|error| match error {
            StartError::Exists(_) => Problem::unavailable("the new booking's id is taken; try again"),
            StartError::Database(error) => error.into(),
        })?,
        Protocol::TwoPhase => two_phase::begin(tx, booking_id, wish, context)?,
    }
    let body = json!({
        "booking_id": booking_id,
        "status": Status::Pending,
        "protocol": protocol,
        "status_url": format!("/api/v1/bookings/{booking_id}"),
    });
    let answer = Answer {
        status: StatusCode::ACCEPTED.as_u16(),
        body,
    };
    idempotency::finish(tx, "place_booking", key, &answer)?;
    Ok(answer)
}

/// `GET /api/v1/bookings/{id}`: the booking, and how far it is.
#[derive(Debug, Serialize)]
struct BookingView {
    #[serde(flatten)]
    booking: Booking,
    progress: Option<Progress>,
}

#[derive(Debug, Serialize)]
struct Progress {
    state: SagaState,
    step: Option<String>,
}

async fn show_booking<R: Remote>(
    State(bookings): State<Bookings<R>>,
    Path(id): Path<String>,
) -> Result<Json<BookingView>, Problem> {
    let key = id.clone();
    let read = move |conn: &rusqlite::Connection| {
        let instance = saga::find(conn, booking_saga::NAME, &key)?;
        let transaction = two_phase::find(conn, &key)?;
        let booking = match booking_store::find(conn, &key)? {
            Some(booking) => Some(booking),
            None => instance.as_ref().map(accepted).transpose()?,
        };
        Ok::<_, DatabaseError>(booking.map(|booking| {
            BookingView {
                booking,
                progress: instance
                    .as_ref()
                    .map(of_saga)
                    .or(transaction.as_ref().map(of_transaction)),
            }
        }))
    };
    let found = bookings.db.read(read).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("booking", &id))
}

/// A booking whose first step has not begun is shown from its saga, so that a client that follows the `Location` never
/// meets a 404.
fn accepted(instance: &Instance) -> Result<Booking, DatabaseError> {
    Ok(Booking {
        booking_id: instance.id.clone(),
        wish: instance.data.input()?,
        protocol: Protocol::Saga,
        status: Status::Pending,
        reason: None,
        price: None,
    })
}

fn of_transaction(transaction: &Transaction) -> Progress {
    Progress {
        state: transaction.state,
        step: transaction.step().map(str::to_owned),
    }
}

fn of_saga(instance: &Instance) -> Progress {
    let step = match instance.next() {
        Next::Go { index, .. } => Some(instance.steps[index].name.clone()),
        Next::Nothing => None,
    };
    Progress {
        state: instance.state,
        step,
    }
}

/// `GET /api/v1/transactions/{id}`: what a participant in doubt asks.
async fn show_decision<R: Remote>(
    State(bookings): State<Bookings<R>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    check_id("id", &id)?;
    let found = bookings.db.read(move |conn| two_phase::find(conn, &id)).await?;
    Ok(Json(two_phase::decision_of(found.as_ref())))
}

/// Query of `GET /api/v1/bookings`.
#[derive(Debug, Deserialize)]
struct ListQuery {
    customer_id: Option<String>,
    limit: Option<u32>,
    cursor: Option<i64>,
}

/// `GET /api/v1/bookings`: newest first.
#[derive(Debug, Serialize)]
struct BookingList {
    items: Vec<Booking>,
    next_cursor: Option<String>,
}

async fn list_bookings<R: Remote>(
    State(bookings): State<Bookings<R>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<BookingList>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_field("query", rejection.body_text()))?;
    if let Some(id) = &query.customer_id {
        check_id("customer_id", id)?;
    }
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let before = query.cursor.unwrap_or(i64::MAX);
    let found = bookings
        .db
        .read(move |conn| booking_store::list(conn, query.customer_id.as_deref(), before, limit))
        .await?;
    let more = found.len() == limit as usize;
    let next_cursor = found.last().filter(|_| more).map(|(number, _)| number.to_string());
    let items = found.into_iter().map(|(_, booking)| booking).collect();
    Ok(Json(BookingList { items, next_cursor }))
}

/// `GET /api/v1/audit`: INV-03 for bookings, and their side of INV-01.
#[derive(Debug, Serialize)]
struct Audit {
    /// Every booking whose saga completed, or whose transaction is committed, is confirmed, and no other.
    agrees: bool,
    /// Bookings by protocol and status.
    bookings: BTreeMap<String, u32>,
    /// Sagas by state.
    sagas: BTreeMap<&'static str, u32>,
    /// Two-phase commits by state; `undecided` while nobody knows.
    transactions: BTreeMap<String, u32>,
    /// Sum of all confirmed bookings: what payments should have captured for them and not refunded.
    confirmed_total_minor: i64,
}

async fn audit<R: Remote>(State(bookings): State<Bookings<R>>) -> Result<Json<Audit>, Problem> {
    Ok(Json(bookings.db.read(read_audit).await?))
}

fn read_audit(conn: &rusqlite::Connection) -> Result<Audit, DatabaseError> {
    // One snapshot for all: a saga that ends between two statements would look like a difference.
    let conn = conn.unchecked_transaction()?;
    let mut sagas: BTreeMap<&'static str, u32> = SagaState::ALL.iter().map(|state| (state.as_str(), 0)).collect();
    for (state, count) in saga::counts(&conn, booking_saga::NAME)? {
        sagas.insert(state.as_str(), count);
    }
    let bookings = booking_store::counts(&conn)?;
    let with = |word: &str| bookings.get(word).copied().unwrap_or(0);
    let undone = sagas["compensated"] + sagas["compensating"] + sagas["failed"];
    let transactions = two_phase::counts(&conn)?;
    let of = |state: &str| transactions.get(state).copied().unwrap_or(0);
    let (committed, pending) = (of("completed") + of("running") + of("failed"), with("2pc/pending"));
    let sagas_agree = with("saga/confirmed") == sagas["completed"] && with("saga/cancelled") <= undone;
    let agrees = sagas_agree && with("2pc/confirmed") == committed && pending == of("undecided");
    Ok(Audit {
        agrees,
        confirmed_total_minor: booking_store::confirmed_minor(&conn)?,
        bookings,
        sagas,
        transactions,
    })
}
