//! The service's HTTP interface.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use sagascope_conventions::FaultKind;
use serde::{Deserialize, Serialize};
use shop_kit::idempotency::Answer;
use shop_kit::outside::Outside;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};
use shop_kit::{context, database::Database, faults::Switchboard};

use crate::commands::{self, CommandError};
use crate::reservation::{Line, Refusal, Reservation};
use crate::stock::Shelf;
use crate::store;

/// Most lines of one reservation.
const MAX_LINES: usize = 50;
/// Most pieces of one line.
const MAX_QUANTITY: u32 = 10_000;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    pub(crate) db: Database,
    pub(crate) faults: Switchboard,
    /// Asked before goods are set aside.
    pub(crate) warehouse: Outside,
}

/// Commands that a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "POST /api/v1/reservations",
    "POST /api/v1/reservations/{id}/release",
    "POST /api/v1/reservations/{id}/confirm",
];

/// Every route.
pub(crate) fn router(inventory: Inventory) -> Router {
    Router::new()
        .route("/api/v1/stock", get(list_stock))
        .route("/api/v1/stock/{product_id}", get(show_stock))
        .route("/api/v1/reservations", post(reserve))
        .route("/api/v1/reservations/{id}", get(show_reservation))
        .route("/api/v1/reservations/{id}/release", post(release))
        .route("/api/v1/reservations/{id}/confirm", post(confirm))
        .route("/api/v1/audit", get(audit))
        .with_state(inventory)
}

/// Body of `POST /api/v1/reservations`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reserve {
    /// Chosen by the caller; repeating it repeats the answer, not the effect.
    pub(crate) reservation_id: String,
    pub(crate) lines: Vec<Line>,
}

impl Inventory {
    /// Checks the command and asks the warehouse, which may say that nothing is left.
    pub(crate) async fn set_aside(&self, command: &Reserve) -> Result<Option<Refusal>, Problem> {
        check(command)?;
        self.warehouse.ask("set aside").await;
        if self.faults.hit(FaultKind::OutOfStock, "reserve").is_some() {
            let first = &command.lines[0];
            let (product_id, wanted) = (first.product_id.clone(), first.quantity);
            return Ok(Some(Refusal::OutOfStock {
                product_id,
                wanted,
                on_hand: 0,
            }));
        }
        Ok(None)
    }
}

async fn reserve(State(inventory): State<Inventory>, Body(command): Body<Reserve>) -> Result<Answer, Problem> {
    let refused = inventory.set_aside(&command).await?;
    let context = context::current();
    let Reserve { reservation_id, lines } = command;
    inventory
        .db
        .write(move |tx| commands::reserve_once(tx, &reservation_id, lines, refused, &context))
        .await
}

async fn release(State(inventory): State<Inventory>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    check_id("id", &id)?;
    let context = context::current();
    Ok(Json(
        inventory
            .db
            .write(move |tx| commands::release_goods(tx, &id, &context))
            .await?,
    ))
}

async fn confirm(State(inventory): State<Inventory>, Path(id): Path<String>) -> Result<Json<Reservation>, Problem> {
    check_id("id", &id)?;
    let context = context::current();
    Ok(Json(
        inventory
            .db
            .write(move |tx| commands::confirm_goods(tx, &id, &context))
            .await?,
    ))
}

async fn show_reservation(
    State(inventory): State<Inventory>,
    Path(id): Path<String>,
) -> Result<Json<Reservation>, Problem> {
    let key = id.clone();
    let found = inventory
        .db
        .read(move |conn| store::find_reservation(conn, &key))
        .await?;
    found.map(Json).ok_or_else(|| Problem::not_found("reservation", &id))
}

/// `GET /api/v1/stock`.
#[derive(Debug, Serialize)]
struct StockList {
    items: Vec<Shelf>,
}

async fn list_stock(State(inventory): State<Inventory>) -> Result<Json<StockList>, Problem> {
    Ok(Json(StockList {
        items: inventory.db.read(store::shelves).await?,
    }))
}

async fn show_stock(State(inventory): State<Inventory>, Path(id): Path<String>) -> Result<Json<Shelf>, Problem> {
    let key = id.clone();
    let found = inventory.db.read(move |conn| store::find_shelf(conn, &key)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("product", &id))
}

/// `GET /api/v1/audit`: INV-02 over the whole stock and for each product.
#[derive(Debug, Serialize)]
struct Audit {
    /// Every shelf accounts for all its pieces.
    agrees: bool,
    initial: u64,
    restocked: u64,
    on_hand: u64,
    reserved: u64,
    sold: u64,
    reservations: BTreeMap<String, u32>,
    products: Vec<Shelf>,
}

async fn audit(State(inventory): State<Inventory>) -> Result<Json<Audit>, Problem> {
    let read = |conn: &rusqlite::Connection| {
        // One snapshot for both: a movement between two statements would look like a difference.
        let snapshot = conn.unchecked_transaction()?;
        Ok::<_, shop_kit::database::DatabaseError>((store::shelves(&snapshot)?, store::reservation_counts(&snapshot)?))
    };
    let (products, reservations) = inventory.db.read(read).await?;
    let sum = |of: fn(&Shelf) -> u32| products.iter().map(of).map(u64::from).sum();
    Ok(Json(Audit {
        agrees: products.iter().all(Shelf::agrees),
        initial: sum(|shelf| shelf.initial),
        restocked: sum(|shelf| shelf.restocked),
        on_hand: sum(|shelf| shelf.on_hand),
        reserved: sum(|shelf| shelf.reserved),
        sold: sum(|shelf| shelf.sold),
        reservations,
        products,
    }))
}

fn check(command: &Reserve) -> Result<(), Problem> {
    check_id("reservation_id", &command.reservation_id)?;
    if command.lines.is_empty() || command.lines.len() > MAX_LINES {
        return Err(Problem::bad_field("lines", format!("give 1 to {MAX_LINES} lines")));
    }
    for (index, line) in command.lines.iter().enumerate() {
        if line.quantity == 0 || line.quantity > MAX_QUANTITY {
            let detail = format!("give 1 to {MAX_QUANTITY} pieces");
            return Err(Problem::bad_field(&format!("lines[{index}].quantity"), detail));
        }
        if command.lines[..index]
            .iter()
            .any(|earlier| earlier.product_id == line.product_id)
        {
            return Err(Problem::bad_field(
                &format!("lines[{index}].product_id"),
                "name each product once",
            ));
        }
    }
    Ok(())
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", "not found"),
            Refusal::UnknownProduct { .. } => Self {
                field: Some("lines".into()),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_product", "no such product")
            },
            Refusal::OutOfStock { .. } => Self::conflict("out_of_stock", "not enough in stock"),
            Refusal::Released => Self::conflict("released", "the reservation has been released"),
            Refusal::OtherLines => Self {
                field: Some("lines".into()),
                ..Self::conflict("other_lines", "the reservation exists with other lines")
            },
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
