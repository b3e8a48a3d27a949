//! Filling an order step by step over HTTP: open it, add items, hand it to the saga. Each answer tells its position.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use sagascope_conventions::OrderFlow;
use serde::Deserialize;
use serde_json::{Value, json};
use shop_kit::context::{self, Context};
use shop_kit::database::Tx;
use shop_kit::event_store::{self, AppendError};
use shop_kit::problem::Problem;
use shop_kit::projection::positioned;
use shop_kit::request::{Body, check_id};
use shop_kit::saga::{StartError, StepDefinition};
use tokio::time::Instant;

use crate::http::Orders;
use crate::open_order;
use crate::order::{Item, Order, OrderEvent, Refusal};
use crate::order_saga::{self, AcceptedOrder};
use crate::order_store;
use crate::place_order::{Line, MAX_QUANTITY};
use crate::remote::Catalog;

/// Routes of this file.
pub(crate) fn router<C: Catalog>() -> Router<Orders<C>> {
    Router::new()
        .route("/api/v1/orders/{id}", put(open::<C>))
        .route("/api/v1/orders/{id}/items", post(add_item::<C>))
        .route("/api/v1/orders/{id}/confirm", post(confirm::<C>))
}

/// Body of `PUT /api/v1/orders/{id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenOrder {
    customer_id: String,
    #[serde(default = "euro")]
    currency: String,
}

fn euro() -> String {
    "EUR".to_owned()
}

async fn open<C: Catalog>(
    State(orders): State<Orders<C>>,
    Path(id): Path<String>,
    Body(command): Body<OpenOrder>,
) -> Result<Response, Problem> {
    check_id("id", &id)?;
    check_id("customer_id", &command.customer_id)?;
    if command.currency.len() != 3 || !command.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Problem::bad_field(
            "currency",
            "give three capital letters, such as EUR",
        ));
    }
    let context = context::current();
    let write = orders.db.write(move |tx| {
        let order = order_store::load(tx, &id)?;
        let events = open_order::open(&order, &command.customer_id, &command.currency)?;
        if !events.is_empty() {
            if open_order::count(tx)? >= open_order::MOST_OPEN {
                return Err(Problem::unavailable("too many orders are open; confirm or cancel some"));
            }
            open_order::note(tx, &id)?;
        }
        let after = record(tx, &id, &order, &events, &context)?;
        Ok((StatusCode::CREATED, written(tx, &id, &after)?))
    });
    answer(write.await?)
}

/// Body of `POST /api/v1/orders/{id}/items`. The price is the catalog's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AddItem {
    product_id: String,
    quantity: u32,
    /// Version that the caller has seen; another one is refused.
    expected_version: Option<u64>,
}

async fn add_item<C: Catalog>(
    State(orders): State<Orders<C>>,
    Path(id): Path<String>,
    Body(command): Body<AddItem>,
) -> Result<Response, Problem> {
    check_id("id", &id)?;
    check_id("product_id", &command.product_id)?;
    if !(1..=MAX_QUANTITY).contains(&command.quantity) {
        return Err(Problem::bad_field(
            "quantity",
            format!("give 1 to {MAX_QUANTITY} pieces"),
        ));
    }
    let line = Line {
        product_id: command.product_id,
        quantity: command.quantity,
    };
    let (mut items, currency) = orders.prices.quote(&[line], Instant::now()).await?;
    let item: Item = items.pop().ok_or_else(Problem::internal)?;
    let context = context::current();
    let write = orders.db.write(move |tx| {
        let order = order_store::load(tx, &id)?;
        let events = open_order::add(&order, open_order::is_open(tx, &id)?, item, &currency).map_err(by_rule)?;
        if command
            .expected_version
            .is_some_and(|expected| expected != order.version)
        {
            let detail = format!(
                "the order is at version {}; look at it, and decide again",
                order.version
            );
            return Err(Problem::conflict("conflict", "the order has changed").detail(detail));
        }
        let after = record(tx, &id, &order, &events, &context)?;
        Ok::<_, Problem>((StatusCode::OK, written(tx, &id, &after)?))
    });
    answer(write.await?)
}

async fn confirm<C: Catalog>(State(orders): State<Orders<C>>, Path(id): Path<String>) -> Result<Response, Problem> {
    check_id("id", &id)?;
    let (steps, context) = (orders.steps, context::current());
    let write = orders.db.write(move |tx| {
        let order = order_store::load(tx, &id)?;
        if open_order::check_out(&order, open_order::is_open(tx, &id)?).map_err(by_rule)? {
            hand_over(tx, &steps, &id, &order, &context)?;
        }
        Ok::<_, Problem>((StatusCode::ACCEPTED, written(tx, &id, &order)?))
    });
    answer(write.await?)
}

/// Starts the saga with what is in the order.
fn hand_over(tx: &Tx<'_>, steps: &[StepDefinition], id: &str, order: &Order, context: &Context) -> Result<(), Problem> {
    let accepted = AcceptedOrder {
        customer_id: order.customer_id.clone(),
        currency: order.currency.clone(),
        items: order.items.clone(),
    };
    order_saga::start(tx, OrderFlow::EventSourced, id, &accepted, steps, context).map_err(|error| match error {
        StartError::Exists(_) => Problem::conflict("exists", "the order is being processed"),
        StartError::Database(error) => error.into(),
    })?;
    Ok(open_order::close(tx, id)?)
}

fn record(tx: &Tx<'_>, id: &str, order: &Order, events: &[OrderEvent], context: &Context) -> Result<Order, Problem> {
    order_store::record(tx, id, order, events, context).map_err(|error| match error {
        AppendError::Database(error) => error.into(),
        other => Problem::conflict("conflict", "the order has changed").detail(other.to_string()),
    })
}

/// What a write answers; its events are the last there are, for nobody else writes meanwhile.
fn written(tx: &Tx<'_>, id: &str, order: &Order) -> Result<Value, Problem> {
    Ok(json!({
        "order_id": id,
        "status": order.status,
        "version": order.version,
        "items": order.items.len(),
        "total_minor": order.total_minor(),
        "currency": order.currency,
        "status_url": format!("/api/v1/orders/{id}/status"),
        "position": event_store::head(tx)?,
    }))
}

fn answer((status, body): (StatusCode, Value)) -> Result<Response, Problem> {
    let position = body["position"].as_u64().unwrap_or(0);
    let location = body["status_url"].as_str().unwrap_or_default();
    let location = HeaderValue::from_str(location).map_err(|_| Problem::internal())?;
    Ok(positioned(
        (status, [(header::LOCATION, location)], Json(body)).into_response(),
        position,
    ))
}

/// The course calls these errors of the command, whatever the state: 422 each, except for what is not there.
fn by_rule(refusal: Refusal) -> Problem {
    let status = match refusal {
        Refusal::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem {
        status: status.as_u16(),
        ..Problem::from(refusal)
    }
}
