//! The service's HTTP interface: commands answer 202 and point to where the outcome can be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use sagascope_conventions::{OrderFlow, SagaState};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shop_kit::broker::NewMessage;
use shop_kit::context::{self, Context};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::event_store::{self, AppendError};
use shop_kit::idempotency::{self, Answer, Begin};
use shop_kit::order_commands::STEPS;
use shop_kit::participant::Publish;
use shop_kit::problem::Problem;
use shop_kit::projection::{self, MinPosition, positioned};
use shop_kit::request::{Body, IdempotencyKey, check_id, parse_time};
use shop_kit::saga::{self, Instance, StartError, StepDefinition};
use tokio::time::Instant;

use crate::cancel_order::{cancel_for_compensation, request_cancellation};
use crate::flows;
use crate::flows::sync::Inline;
use crate::order::{Item, Refusal, Status};
use crate::order_saga::{self, AcceptedOrder};
use crate::order_store;
use crate::place_order::PlaceOrder;
use crate::prices::Prices;
use crate::read_models::statistics::{self, Statistic};
use crate::read_models::{MODELS, by_customer, summary};
use crate::remote::Catalog;
use crate::retention::{self, Sums};
use crate::{history_http, open_order, open_order_http, replace_http};

/// Most orders on one page.
const MAX_PAGE: u32 = 100;
/// Longest reason of a cancellation.
const MAX_REASON_LENGTH: usize = 256;

/// What the handlers share.
pub(crate) struct Orders<C> {
    pub(crate) db: Database,
    pub(crate) prices: Arc<Prices<C>>,
    /// Of every flow.
    pub(crate) steps: [StepDefinition; STEPS.len()],
    /// The first generation.
    pub(crate) inline: Arc<dyn Inline>,
    /// Of the second generation.
    pub(crate) publisher: Arc<dyn Publish>,
}

impl<C> Clone for Orders<C> {
    fn clone(&self) -> Self {
        Self {
            db: self.db.clone(),
            prices: self.prices.clone(),
            steps: self.steps,
            inline: self.inline.clone(),
            publisher: self.publisher.clone(),
        }
    }
}

/// What a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "POST /api/v1/orders",
    "GET /api/v1/orders/{id}",
    "POST /api/v1/orders/{id}/cancel",
    "POST /api/v1/orders/{id}/items",
    "POST /api/v1/orders/{id}/confirm",
];

/// Every route.
pub(crate) fn router<C: Catalog>(orders: Orders<C>) -> Router {
    let db = orders.db.clone();
    Router::new()
        .route("/api/v1/orders", post(place_order::<C>).get(list_orders::<C>))
        .route("/api/v1/orders/{id}", get(show_order::<C>))
        .route("/api/v1/orders/{id}/cancel", post(cancel_order::<C>))
        .route("/api/v1/statistics", get(show_statistics::<C>))
        .route("/api/v1/audit", get(audit::<C>))
        .merge(open_order_http::router())
        .merge(history_http::router())
        .merge(replace_http::router())
        .with_state(orders)
        .merge(projection::router(db, MODELS))
}

async fn place_order<C: Catalog>(
    State(orders): State<Orders<C>>,
    key: IdempotencyKey,
    Body(command): Body<PlaceOrder>,
) -> Result<Response, Problem> {
    let command = command.checked()?;
    let flow = command.flow;
    // The first two generations know no keys: whoever sends a command twice orders twice.
    let key = match flow {
        OrderFlow::Sync | OrderFlow::Broker => None,
        OrderFlow::Hardened | OrderFlow::EventSourced | OrderFlow::Choreographed => Some(key.required()?),
    };
    let (items, currency) = orders.prices.quote(&command.items, Instant::now()).await?;
    let accepted = AcceptedOrder {
        customer_id: command.customer_id.clone(),
        currency,
        items,
    };
    let order_id = context::new_id();
    let answer = if flow == OrderFlow::Sync {
        orders.inline.carry_out(&order_id, accepted).await?
    } else {
        let new = NewOrder {
            order_id,
            flow,
            accepted,
            steps: orders.steps,
            context: context::current(),
        };
        let work = move |tx: &Tx<'_>| match key {
            Some(key) => accept_once(tx, &key, &command, &new),
            None => accept(tx, &new),
        };
        let (answer, messages) = orders.db.write(work).await?;
        orders.publisher.publish_or_lose(messages).await;
        answer
    };
    let location = answer.body["status_url"]
        .as_str()
        .and_then(|url| HeaderValue::from_str(url).ok());
    let position = answer.body["position"].as_u64().unwrap_or(0);
    let mut response = positioned(answer, position);
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// An order about to be accepted.
struct NewOrder {
    order_id: String,
    flow: OrderFlow,
    accepted: AcceptedOrder,
    steps: [StepDefinition; STEPS.len()],
    context: Context,
}

/// Accepts it under the key: a repeat is answered with the order that the first one started.
fn accept_once(
    tx: &Tx<'_>,
    key: &str,
    command: &PlaceOrder,
    new: &NewOrder,
) -> Result<(Answer, Vec<NewMessage>), Problem> {
    // The key stands for what the client sent; prices may have changed between two attempts.
    match idempotency::begin(tx, "place_order", key, command)? {
        Begin::Stored(answer) => return Ok((answer, Vec::new())),
        Begin::First | Begin::Unfinished => {}
        Begin::Conflict => {
            let problem = Problem::conflict("key_reused", "the key was used for another order");
            return Err(Problem {
                field: Some("Idempotency-Key".into()),
                ..problem
            }
            .detail("use a new key for a new order"));
        }
    }
    let (answer, messages) = accept(tx, new)?;
    idempotency::finish(tx, "place_order", key, &answer)?;
    Ok((answer, messages))
}

/// Starts its saga; answers also what is to be published after the commit.
fn accept(tx: &Tx<'_>, new: &NewOrder) -> Result<(Answer, Vec<NewMessage>), Problem> {
    let NewOrder {
        order_id,
        flow,
        accepted,
        steps,
        context,
    } = new;
    let started = match flow {
        OrderFlow::Broker => flows::broker::start(tx, order_id, accepted, steps, context),
        OrderFlow::Choreographed => {
            flows::choreographed::start(tx, order_id, accepted, steps, context).map(|()| Vec::new())
        }
        OrderFlow::Sync | OrderFlow::Hardened | OrderFlow::EventSourced => {
            order_saga::start(tx, *flow, order_id, accepted, steps, context).map(|()| Vec::new())
        }
    };
    let messages = started.map_err(|error| match error {
        StartError::Exists(_) => Problem::unavailable("the new order's id is taken; try again"),
        StartError::Database(error) => error.into(),
    })?;
    let status_url = format!("/api/v1/orders/{order_id}");
    let body = json!({
        "order_id": order_id,
        "status": "accepted",
        "status_url": status_url,
        "status_resource": format!("{status_url}/status"),
        "position": event_store::head(tx)?,
        "currency": accepted.currency,
        "total_minor": accepted.total_minor(),
    });
    let answer = Answer {
        status: StatusCode::ACCEPTED.as_u16(),
        body,
    };
    Ok((answer, messages))
}

/// `GET /api/v1/orders/{id}`: the read model's row, and how far the saga is.
#[derive(Debug, Serialize)]
struct OrderView {
    order_id: String,
    customer_id: String,
    status: String,
    currency: String,
    items: Vec<Item>,
    total_minor: i64,
    reason: Option<String>,
    tracking_number: Option<String>,
    saga: Option<SagaView>,
}

#[derive(Debug, Serialize)]
struct SagaView {
    name: String,
    state: SagaState,
    step: Option<String>,
}

/// Query of `GET /api/v1/orders/{id}`.
#[derive(Debug, Deserialize)]
struct ShowQuery {
    /// A moment: RFC 3339, or unix nanoseconds.
    as_of: Option<String>,
}

async fn show_order<C: Catalog>(
    State(orders): State<Orders<C>>,
    Path(id): Path<String>,
    Query(query): Query<ShowQuery>,
    min: MinPosition,
) -> Result<Response, Problem> {
    if let Some(text) = query.as_of {
        let as_of = history_http::as_of(&orders.db, &id, parse_time("as_of", &text)?).await?;
        return Ok(Json(as_of).into_response());
    }
    min.reached(&orders.db, summary::NAME).await?;
    let key = id.clone();
    let read = move |conn: &rusqlite::Connection| {
        Ok::<_, DatabaseError>((summary::find(conn, &key)?, flows::find(conn, &key)?))
    };
    let (summary, instance) = orders.db.read(read).await?;
    order_view(&id, summary, instance)?
        .map(|view| Json(view).into_response())
        .ok_or_else(|| Problem::not_found("order", &id))
}

/// Accepted orders that the read model has not seen yet are shown from the saga, so that a client that follows the
/// `Location` never meets a 404.
fn order_view(
    id: &str,
    summary: Option<summary::Summary>,
    instance: Option<Instance>,
) -> Result<Option<OrderView>, Problem> {
    let accepted: Option<AcceptedOrder> = match &instance {
        Some(instance) => Some(instance.data.input().map_err(DatabaseError::from)?),
        None => None,
    };
    let shipment: Option<serde_json::Value> = instance.as_ref().and_then(|instance| instance.data.output("ship"));
    let tracking_number = shipment.and_then(|shipment| shipment["tracking_number"].as_str().map(str::to_owned));
    let saga = instance.as_ref().map(|instance| SagaView {
        name: instance.name.clone(),
        state: instance.state,
        step: current_step(instance),
    });
    Ok(match (summary, accepted) {
        (Some(row), _) => Some(OrderView {
            order_id: row.order_id,
            customer_id: row.customer_id,
            status: row.status,
            currency: row.currency,
            items: row.items,
            total_minor: row.total_minor,
            reason: row.reason,
            tracking_number,
            saga,
        }),
        (None, Some(accepted)) => Some(OrderView {
            order_id: id.to_owned(),
            total_minor: accepted.total_minor(),
            customer_id: accepted.customer_id,
            status: "accepted".to_owned(),
            currency: accepted.currency,
            items: accepted.items,
            reason: instance.and_then(|instance| instance.reason),
            tracking_number,
            saga,
        }),
        (None, None) => None,
    })
}

/// Of a choreographed order nobody here knows.
pub(crate) fn current_step(instance: &Instance) -> Option<String> {
    if instance.name == OrderFlow::Choreographed.saga_name() {
        return None;
    }
    match instance.next() {
        saga::Next::Go { index, .. } => Some(instance.steps[index].name.clone()),
        saga::Next::Nothing => None,
    }
}

/// Query of `GET /api/v1/orders`.
#[derive(Debug, Deserialize)]
struct ListQuery {
    customer_id: String,
    limit: Option<u32>,
    cursor: Option<i64>,
}

/// `GET /api/v1/orders?customer_id=`.
#[derive(Debug, Serialize)]
struct OrderList {
    items: Vec<by_customer::CustomerOrder>,
    next_cursor: Option<String>,
}

async fn list_orders<C: Catalog>(
    State(orders): State<Orders<C>>,
    min: MinPosition,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<OrderList>, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::bad_field("customer_id", rejection.body_text()))?;
    check_id("customer_id", &query.customer_id)?;
    min.reached(&orders.db, by_customer::NAME).await?;
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let before = query.cursor.unwrap_or(i64::MAX);
    let items = orders
        .db
        .read(move |conn| by_customer::list(conn, &query.customer_id, before, limit))
        .await?;
    let more = items.len() == limit as usize;
    let next_cursor = items.last().filter(|_| more).map(|order| order.position.to_string());
    Ok(Json(OrderList { items, next_cursor }))
}

/// Body of `POST /api/v1/orders/{id}/cancel`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    /// In the customer's words.
    #[serde(default)]
    reason: String,
}

async fn cancel_order<C: Catalog>(
    State(orders): State<Orders<C>>,
    Path(id): Path<String>,
    Body(command): Body<Cancel>,
) -> Result<Response, Problem> {
    check_id("id", &id)?;
    if command.reason.len() > MAX_REASON_LENGTH {
        return Err(Problem::bad_field(
            "reason",
            format!("give at most {MAX_REASON_LENGTH} bytes"),
        ));
    }
    let reason = if command.reason.is_empty() {
        "cancelled by the customer".to_owned()
    } else {
        command.reason
    };
    let context = context::current();
    let key = id.clone();
    let position = orders.db.write(move |tx| request(tx, &key, &reason, &context)).await?;
    let status_url = format!("/api/v1/orders/{id}");
    let body = json!({ "order_id": id, "status": "cancelling", "status_url": status_url, "position": position });
    let answer = (StatusCode::ACCEPTED, [(header::LOCATION, status_url)], Json(body));
    Ok(positioned(answer, position))
}

/// Notes the wish, unless the order is past the point of no return. The saga sees it before its next step. An order
/// that no saga works on yet is cancelled at once. Answers the position that shows it.
fn request(tx: &Tx<'_>, id: &str, reason: &str, context: &Context) -> Result<u64, Problem> {
    let instance = flows::find(tx, id)?;
    let order = order_store::load(tx, id)?;
    if order.status == Status::Absent && instance.is_some() {
        // Accepted, and the saga has not got to its first step yet.
        return Err(Problem::conflict("not_created_yet", "the order is not created yet").detail("try again"));
    }
    let mut events = request_cancellation(&order, reason)?;
    if events.is_empty() {
        return Ok(event_store::head(tx)?);
    }
    if open_order::is_open(tx, id)? {
        events = cancel_for_compensation(&order, reason);
        open_order::close(tx, id)?;
        retention::abandoned(tx, id)?;
    } else if !instance.as_ref().is_some_and(order_saga::can_be_cancelled) {
        return Err(Problem::conflict("too_late", "the order is being confirmed"));
    }
    order_store::record(tx, id, &order, &events, context).map_err(|error| match error {
        AppendError::Conflict { .. } => Problem::conflict("conflict", "the order has changed; try again"),
        AppendError::Replaced { .. } => Problem::conflict("replaced", "the order's stream is replaced by another"),
        AppendError::Database(error) => error.into(),
    })?;
    Ok(event_store::head(tx)?)
}

/// `GET /api/v1/statistics`: counts and money by status, from the read model.
async fn show_statistics<C: Catalog>(
    State(orders): State<Orders<C>>,
    min: MinPosition,
) -> Result<Json<BTreeMap<String, Statistic>>, Problem> {
    min.reached(&orders.db, statistics::NAME).await?;
    Ok(Json(orders.db.read(statistics::by_status).await?))
}

/// `GET /api/v1/audit`: INV-03 and the orders' side of INV-01, from the event store and the sagas themselves.
#[derive(Debug, Serialize)]
struct Audit {
    /// Every order whose saga completed is confirmed, and no other; nothing is in a state that it should not have.
    agrees: bool,
    /// Orders by their last state in the event store.
    orders: BTreeMap<&'static str, u32>,
    /// Sagas by state, all flows together.
    sagas: BTreeMap<&'static str, u32>,
    /// The same for each saga type that was ever used.
    flows: BTreeMap<&'static str, BTreeMap<&'static str, u32>>,
    /// Sum of all confirmed orders: what payments should have captured and not refunded, once nothing is under way.
    confirmed_total_minor: i64,
}

async fn audit<C: Catalog>(State(orders): State<Orders<C>>) -> Result<Json<Audit>, Problem> {
    Ok(Json(orders.db.read(read_audit).await?))
}

fn read_audit(conn: &rusqlite::Connection) -> Result<Audit, DatabaseError> {
    // One snapshot for all: a saga that ends between two statements would look like a difference.
    let conn = conn.unchecked_transaction()?;
    let mut sagas: BTreeMap<&'static str, u32> = SagaState::ALL.iter().map(|state| (state.as_str(), 0)).collect();
    let mut flows: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for flow in OrderFlow::ALL {
        for (state, count) in saga::counts(&conn, flow.saga_name())? {
            *sagas.entry(state.as_str()).or_default() += count;
            flows.entry(flow.saga_name()).or_default().insert(state.as_str(), count);
        }
    }
    let Sums {
        created,
        confirmed,
        cancelled,
        confirmed_minor,
        abandoned,
    } = retention::sums(&conn)?;
    let filling = open_order::count(&conn)?;
    let open = created.saturating_sub(confirmed + cancelled);
    let under_way = sagas["running"] + sagas["compensating"];
    let undone = sagas["compensated"] + sagas["compensating"] + sagas["failed"];
    let agrees = confirmed == sagas["completed"]
        && cancelled <= undone + abandoned
        && open <= under_way + sagas["failed"] + filling;
    let orders = BTreeMap::from([("created", open), ("confirmed", confirmed), ("cancelled", cancelled)]);
    Ok(Audit {
        agrees,
        orders,
        sagas,
        flows,
        confirmed_total_minor: confirmed_minor,
    })
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let title = refusal.to_string();
        match refusal {
            Refusal::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", &title),
            Refusal::AlreadyConfirmed => Self::conflict("already_confirmed", &title),
            Refusal::AlreadyCancelled => Self::conflict("already_cancelled", &title),
            Refusal::CancellationRequested(_) => Self::conflict("cancellation_requested", &title),
            Refusal::Exists => Self::conflict("exists", &title),
            Refusal::HandedOver => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "being_processed", &title),
            Refusal::OtherCurrency(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "mixed_currencies", &title),
            Refusal::Full => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "full", &title),
            Refusal::Empty => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "empty_order", &title),
        }
    }
}
