//! The service's HTTP interface.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_kit::context::{self, Context};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::outside::Outside;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, check_id};

use crate::shipment::{CreateShipment, Refusal, Shipment, cancel, create};
use crate::store;

/// Most pieces in a parcel.
const MAX_PIECES: u32 = 100_000;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Shipping {
    pub(crate) db: Database,
    /// Asked before a parcel is promised.
    pub(crate) carrier: Outside,
}

/// Commands that a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &["POST /api/v1/shipments", "POST /api/v1/shipments/{order_id}/cancel"];

/// Every route.
pub(crate) fn router(shipping: Shipping) -> Router {
    Router::new()
        .route("/api/v1/shipments", post(create_shipment))
        .route("/api/v1/shipments/{order_id}", get(show_shipment))
        .route("/api/v1/shipments/{order_id}/cancel", post(cancel_shipment))
        .route("/api/v1/audit", get(audit))
        .with_state(shipping)
}

/// Body of `POST /api/v1/shipments`; repeating it repeats the answer, not the parcel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShipment {
    order_id: String,
    customer_id: String,
    pieces: u32,
}

impl Shipping {
    /// Checks the command and asks the carrier.
    pub(crate) async fn book(&self, command: &NewShipment) -> Result<(), Problem> {
        check_id("order_id", &command.order_id)?;
        check_id("customer_id", &command.customer_id)?;
        if !(1..=MAX_PIECES).contains(&command.pieces) {
            return Err(Problem::bad_field("pieces", format!("give 1 to {MAX_PIECES}")));
        }
        self.carrier.ask("book").await;
        Ok(())
    }
}

/// Creates the parcel of an order, once.
pub(crate) fn ship_order(tx: &Tx<'_>, command: NewShipment, context: &Context) -> Result<Shipment, Problem> {
    let NewShipment {
        order_id,
        customer_id,
        pieces,
    } = command;
    let existing = store::find(tx, &order_id)?;
    let (shipment, new) = create(
        existing.as_ref(),
        CreateShipment {
            order_id,
            customer_id,
            pieces,
        },
    )?;
    if new {
        store::put(tx, &shipment, context)?;
    }
    Ok(shipment)
}

/// Calls it back, or makes sure that there will never be one.
pub(crate) fn call_back(tx: &Tx<'_>, order_id: &str, context: &Context) -> Result<Shipment, DatabaseError> {
    let (shipment, new) = cancel(store::find(tx, order_id)?.as_ref(), order_id);
    if new {
        store::put(tx, &shipment, context)?;
    }
    Ok(shipment)
}

async fn create_shipment(
    State(shipping): State<Shipping>,
    Body(command): Body<NewShipment>,
) -> Result<(StatusCode, Json<Shipment>), Problem> {
    shipping.book(&command).await?;
    let context = context::current();
    let work = move |tx: &Tx<'_>| ship_order(tx, command, &context);
    Ok((StatusCode::CREATED, Json(shipping.db.write(work).await?)))
}

async fn cancel_shipment(
    State(shipping): State<Shipping>,
    Path(order_id): Path<String>,
) -> Result<Json<Shipment>, Problem> {
    check_id("order_id", &order_id)?;
    let context = context::current();
    let work = move |tx: &Tx<'_>| call_back(tx, &order_id, &context);
    Ok(Json(shipping.db.write(work).await?))
}

async fn show_shipment(
    State(shipping): State<Shipping>,
    Path(order_id): Path<String>,
) -> Result<Json<Shipment>, Problem> {
    let key = order_id.clone();
    let found = shipping.db.read(move |conn| store::find(conn, &key)).await?;
    found
        .map(Json)
        .ok_or_else(|| Problem::not_found("shipment of order", &order_id))
}

/// `GET /api/v1/audit`.
#[derive(Debug, Serialize)]
struct Audit {
    shipments: BTreeMap<String, u32>,
}

async fn audit(State(shipping): State<Shipping>) -> Result<Json<Audit>, Problem> {
    Ok(Json(Audit {
        shipments: shipping.db.read(store::counts).await?,
    }))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Cancelled => Self::conflict("shipment_cancelled", "the shipment has been cancelled"),
            Refusal::OtherContents => Self::conflict("other_contents", "the shipment exists with other contents"),
        }
        .detail(detail)
    }
}
