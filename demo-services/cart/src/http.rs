//! The service's HTTP interface.

use ::http::{HeaderValue, Method, StatusCode, header};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop_kit::caller::{CallError, Caller};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::idempotency::{self, Answer, Begin};
use shop_kit::ids;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, IdempotencyKey, check_id};

use crate::add_item::add_item;
use crate::cart::{Cart, Checkout, MAX_QUANTITY, Refusal};
use crate::remove_item::remove_item;
use crate::{check_out, store};

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Carts {
    pub(crate) db: Database,
    pub(crate) orders: Caller,
}

/// What a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "GET /api/v1/carts/{customer_id}",
    "POST /api/v1/carts/{customer_id}/items",
    "POST /api/v1/carts/{customer_id}/checkout",
];

/// Every route.
pub(crate) fn router(carts: Carts) -> Router {
    Router::new()
        .route("/api/v1/carts/{customer_id}", get(show))
        .route("/api/v1/carts/{customer_id}/items", post(add))
        .route("/api/v1/carts/{customer_id}/items/{product_id}", delete(remove))
        .route("/api/v1/carts/{customer_id}/checkout", post(check_out))
        .with_state(carts)
}

/// A cart as it is shown.
#[derive(Debug, Serialize)]
struct CartView {
    customer_id: String,
    items: Vec<Line>,
    /// Ordered, and not known yet whether it was accepted: check out again to know.
    checkout_under_way: bool,
}

/// A line; also the body of `POST …/items`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    product_id: String,
    quantity: u32,
}

fn view(customer_id: String, cart: Cart) -> Json<CartView> {
    let line = |(product_id, quantity)| Line { product_id, quantity };
    Json(CartView {
        customer_id,
        checkout_under_way: cart.checkout.is_some(),
        items: cart.lines.into_iter().map(line).collect(),
    })
}

async fn show(State(carts): State<Carts>, Path(customer_id): Path<String>) -> Result<Json<CartView>, Problem> {
    check_id("customer_id", &customer_id)?;
    let id = customer_id.clone();
    let cart = carts.db.read(move |conn| store::load(conn, &id)).await?;
    Ok(view(customer_id, cart))
}

async fn add(
    State(carts): State<Carts>,
    Path(customer_id): Path<String>,
    key: IdempotencyKey,
    Body(line): Body<Line>,
) -> Result<Response, Problem> {
    check_id("customer_id", &customer_id)?;
    check_id("product_id", &line.product_id)?;
    if !(1..=MAX_QUANTITY).contains(&line.quantity) {
        return Err(Problem::bad_field("quantity", format!("give 1 to {MAX_QUANTITY}")));
    }
    // A key is for who may have to ask twice; without one, twice is twice as many.
    let answer = carts
        .db
        .write(move |tx| {
            let request = json!([customer_id, line]);
            once(tx, "add_item", key.0.as_deref(), &request, || {
                let cart = add_item(store::load(tx, &customer_id)?, &line.product_id, line.quantity)?;
                store::keep(tx, &customer_id, &cart)?;
                let body = serde_json::to_value(view(customer_id, cart).0).map_err(DatabaseError::from)?;
                Ok(Answer { status: 200, body })
            })
        })
        .await?;
    Ok(answer.into_response())
}

async fn remove(
    State(carts): State<Carts>,
    Path((customer_id, product_id)): Path<(String, String)>,
) -> Result<Json<CartView>, Problem> {
    check_id("customer_id", &customer_id)?;
    check_id("product_id", &product_id)?;
    let id = customer_id.clone();
    let cart = carts
        .db
        .write(move |tx| {
            let cart = remove_item(store::load(tx, &id)?, &product_id)?;
            store::keep(tx, &id, &cart)?;
            Ok::<_, Problem>(cart)
        })
        .await?;
    Ok(view(customer_id, cart))
}

/// Body of `POST …/checkout`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckOut {
    flow: Option<String>,
}

/// What the first transaction of a checkout finds.
enum Found {
    Done(Answer),
    UnderWay(Checkout),
}

async fn check_out(
    State(carts): State<Carts>,
    Path(customer_id): Path<String>,
    key: IdempotencyKey,
    Body(command): Body<CheckOut>,
) -> Result<Response, Problem> {
    let key = key.required()?;
    check_id("customer_id", &customer_id)?;
    let (id, first_key) = (customer_id.clone(), key.clone());
    let found = carts.db.write(move |tx| begin(tx, &id, &first_key, command)).await?;
    let checkout = match found {
        Found::Done(answer) => return Ok(with_location(answer)),
        Found::UnderWay(checkout) => checkout,
    };
    let answer = match order(&carts.orders, &customer_id, &checkout).await {
        Ok(answer) => answer,
        Err(CallError::Refused { status, problem }) => Answer::from(Problem { status, ..problem }),
        // Whether it was ordered is not known; the next try orders the same under the same key.
        Err(error) => {
            return Err(Problem::unavailable(format!(
                "orders: {}; check out again",
                error.reason()
            )));
        }
    };
    let end = move |tx: &Tx<'_>| {
        let cart = store::load(tx, &customer_id)?;
        let cart = match answer.status {
            ..400 => check_out::accepted(cart, &checkout.id),
            _ => check_out::refused(cart, &checkout.id),
        };
        store::keep(tx, &customer_id, &cart)?;
        idempotency::finish(tx, "check_out", &key, &answer)?;
        Ok::<_, Problem>(answer)
    };
    carts.db.write(end).await.map(with_location)
}

fn begin(tx: &Tx<'_>, customer_id: &str, key: &str, command: CheckOut) -> Result<Found, Problem> {
    match idempotency::begin(tx, "check_out", key, &json!([customer_id, command]))? {
        Begin::Stored(answer) => return Ok(Found::Done(answer)),
        Begin::Conflict => return Err(key_reused()),
        Begin::First | Begin::Unfinished => {}
    }
    let cart = store::load(tx, customer_id)?;
    let (cart, checkout) = check_out::begin(cart, &format!("cart-{}", ids::unique()), command.flow)?;
    store::keep(tx, customer_id, &cart)?;
    Ok(Found::UnderWay(checkout))
}

async fn order(orders: &Caller, customer_id: &str, checkout: &Checkout) -> Result<Answer, CallError> {
    let line = |(product_id, quantity): (&String, &u32)| json!({ "product_id": product_id, "quantity": quantity });
    let items: Vec<Value> = checkout.lines.iter().map(line).collect();
    let mut order = json!({ "customer_id": customer_id, "items": items });
    if let Some(flow) = &checkout.flow {
        order["flow"] = flow.as_str().into();
    }
    let answer = orders
        .send(Method::POST, "/api/v1/orders", Some(&order), Some(&checkout.id))
        .await?;
    let body = answer.json()?;
    Ok(Answer {
        status: answer.status,
        body,
    })
}

/// Runs `command` unless its key was used before; keeps its answer.
fn once(
    tx: &Tx<'_>,
    operation: &str,
    key: Option<&str>,
    request: &Value,
    command: impl FnOnce() -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    let Some(key) = key else { return command() };
    match idempotency::begin(tx, operation, key, request)? {
        Begin::Stored(answer) => Ok(answer),
        Begin::Conflict => Err(key_reused()),
        Begin::First | Begin::Unfinished => {
            let answer = command()?;
            idempotency::finish(tx, operation, key, &answer)?;
            Ok(answer)
        }
    }
}

fn key_reused() -> Problem {
    Problem {
        field: Some("Idempotency-Key".into()),
        ..Problem::conflict("key_reused", "the key was used for another request")
    }
    .detail("use a new key for a new command")
}

fn with_location(answer: Answer) -> Response {
    let location = answer.body["status_url"]
        .as_str()
        .and_then(|url| HeaderValue::from_str(url).ok());
    let mut response = answer.into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let title = refusal.to_string();
        let (status, code) = match refusal {
            Refusal::TooManyLines | Refusal::TooManyPieces => (StatusCode::UNPROCESSABLE_ENTITY, "cart_full"),
            Refusal::NotInIt(_) => (StatusCode::NOT_FOUND, "not_found"),
            Refusal::Empty => (StatusCode::UNPROCESSABLE_ENTITY, "empty_cart"),
        };
        Self::new(status, code, &title)
    }
}
