//! An order in time over HTTP: its events, its state as of a moment, and where it stands right now.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, header};
use rusqlite::Connection;
use sagascope_conventions::SagaState;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop_kit::database::{Database, DatabaseError};
use shop_kit::event_store::{self, Kind, Reading};
use shop_kit::problem::Problem;
use shop_kit::projection::{MinPosition, positioned};
use shop_kit::request::check_id;

use crate::event_forms::FORMS;
use crate::http::Orders;
use crate::order::{Item, Order, Status};
use crate::read_models::{lines, search as words, summary};
use crate::remote::Catalog;
use crate::{flows, order_store};

/// Longest search text taken.
const MAX_QUERY: usize = 200;
/// Most orders found.
const MAX_FOUND: u32 = 50;

/// Routes of this file.
pub(crate) fn router<C: Catalog>() -> Router<Orders<C>> {
    Router::new()
        .route("/api/v1/orders/search", get(search::<C>))
        .route("/api/v1/orders/{id}/details", get(details::<C>))
        .route("/api/v1/orders/{id}/history", get(history::<C>))
        .route("/api/v1/orders/{id}/status", get(status::<C>))
        .route("/api/v1/event-kinds", get(kinds::<C>))
}

/// `GET /api/v1/orders/{id}/history`.
#[derive(Debug, Serialize)]
struct History {
    order_id: String,
    /// The stream that took the place of this one.
    replaced_by: Option<String>,
    items: Vec<Happened>,
}

#[derive(Debug, Serialize)]
struct Happened {
    version: u64,
    position: u64,
    event_type: String,
    /// In the newest form; as stored when it is not known.
    data: Value,
    /// Form in which it is stored.
    stored_schema_version: u32,
    /// False for what this version of the service does not know: kept, and without effect.
    known: bool,
    /// Unix nanoseconds.
    created_at: String,
    /// The request or message that caused it.
    correlation_id: Option<String>,
}

async fn history<C: Catalog>(
    State(orders): State<Orders<C>>,
    Path(id): Path<String>,
) -> Result<Json<History>, Problem> {
    check_id("id", &id)?;
    let key = id.clone();
    let read = orders.db.read(move |conn| {
        let items = event_store::load(conn, &key, 1)?.into_iter().map(happened);
        Ok::<_, DatabaseError>((
            event_store::replaced_by(conn, &key)?,
            items.collect::<Result<Vec<_>, _>>()?,
        ))
    });
    let (replaced_by, items) = read.await?;
    if items.is_empty() {
        return Err(Problem::not_found("order", &id));
    }
    Ok(Json(History {
        order_id: id,
        replaced_by,
        items,
    }))
}

fn happened(stored: event_store::StoredEvent) -> Result<Happened, DatabaseError> {
    let form = stored.schema_version;
    let mark = stored.event_type == event_store::REPLACED;
    let (known, event) = match FORMS.read(stored)? {
        Reading::Current(event) => (true, event),
        Reading::UnknownType(event) | Reading::NewerForm(event) => (mark, event),
    };
    Ok(Happened {
        version: event.version,
        position: event.position,
        event_type: event.event_type,
        data: event.data,
        stored_schema_version: form,
        known,
        created_at: event.created_at.to_string(),
        correlation_id: event.headers.get(shop_kit::context::CORRELATION_HEADER).cloned(),
    })
}

/// `GET /api/v1/orders/{id}?as_of=`: the fold of its events up to a moment.
#[derive(Debug, Serialize)]
pub(crate) struct AsOf {
    order_id: String,
    /// Unix nanoseconds.
    as_of: String,
    version: u64,
    status: Status,
    customer_id: String,
    currency: String,
    items: Vec<Item>,
    total_minor: i64,
    cancellation_requested: Option<String>,
    /// Events up to then that this version does not know.
    unknown_events: u64,
}

/// The order as it stood at a time.
pub(crate) async fn as_of(db: &Database, id: &str, at: u64) -> Result<AsOf, Problem> {
    let key = id.to_owned();
    let order: Order = db.read(move |conn| order_store::load_as_of(conn, &key, at)).await?;
    if order.version == 0 {
        let problem = Problem::not_found("order", id);
        return Err(problem.detail(format!("there was no order {id} at that time")));
    }
    Ok(AsOf {
        order_id: id.to_owned(),
        as_of: at.to_string(),
        version: order.version,
        status: order.status,
        total_minor: order.total_minor(),
        customer_id: order.customer_id,
        currency: order.currency,
        items: order.items,
        cancellation_requested: order.cancellation_requested,
        unknown_events: order.unknown,
    })
}

/// `GET /api/v1/orders/{id}/status`: from the event store and the saga, never behind.
#[derive(Debug, Serialize)]
struct OrderStatus {
    order_id: String,
    /// `accepted` until the order has its first event.
    status: &'static str,
    /// Nothing more will happen.
    r#final: bool,
    version: u64,
    /// Of its last event: give it as `min_position` to a read model.
    position: u64,
    saga: Option<SagaState>,
    step: Option<String>,
    reason: Option<String>,
    order_url: String,
    history_url: String,
}

async fn status<C: Catalog>(State(orders): State<Orders<C>>, Path(id): Path<String>) -> Result<Response, Problem> {
    check_id("id", &id)?;
    let key = id.clone();
    let status = orders.db.read(move |conn| read_status(conn, &key)).await?;
    let status = status.ok_or_else(|| Problem::not_found("order", &id))?;
    let (position, done) = (status.position, status.r#final);
    let mut response = positioned(Json(status), position);
    if !done {
        let again = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, again);
    }
    Ok(response)
}

fn read_status(conn: &Connection, id: &str) -> Result<Option<OrderStatus>, DatabaseError> {
    let conn = conn.unchecked_transaction()?;
    let order = order_store::load(&conn, id)?;
    let instance = flows::find(&conn, id)?;
    if order.version == 0 && instance.is_none() {
        return Ok(None);
    }
    let last = event_store::load(&conn, id, order.version.max(1))?;
    let saga_over = instance.as_ref().is_none_or(|instance| instance.state.is_final());
    Ok(Some(OrderStatus {
        order_id: id.to_owned(),
        status: if order.version == 0 {
            "accepted"
        } else {
            order.status.as_str()
        },
        r#final: saga_over && matches!(order.status, Status::Confirmed | Status::Cancelled),
        version: order.version,
        position: last.last().map_or(0, |event| event.position),
        saga: instance.as_ref().map(|instance| instance.state),
        step: instance.as_ref().and_then(crate::http::current_step),
        reason: instance.and_then(|instance| instance.reason),
        order_url: format!("/api/v1/orders/{id}"),
        history_url: format!("/api/v1/orders/{id}/history"),
    }))
}

/// Query of `GET /api/v1/orders/search`.
#[derive(Debug, Deserialize)]
struct SearchQuery {
    #[serde(default)]
    q: String,
    limit: Option<u32>,
}

/// Orders found, best first.
#[derive(Debug, Serialize)]
struct Found {
    items: Vec<summary::Summary>,
}

async fn search<C: Catalog>(
    State(orders): State<Orders<C>>,
    Query(query): Query<SearchQuery>,
    min: MinPosition,
) -> Result<Json<Found>, Problem> {
    if query.q.trim().is_empty() || query.q.len() > MAX_QUERY {
        let detail = format!("give words to look for, at most {MAX_QUERY} bytes");
        return Err(Problem::bad_field("q", detail));
    }
    let limit = query.limit.unwrap_or(MAX_FOUND).clamp(1, MAX_FOUND);
    min.reached(&orders.db, words::NAME).await?;
    min.reached(&orders.db, summary::NAME).await?;
    let read = orders.db.read(move |conn| {
        let ids = words::find_orders(conn, &query.q, limit)?;
        let found = ids.iter().filter_map(|id| summary::find(conn, id).transpose());
        found.collect::<Result<_, DatabaseError>>()
    });
    Ok(Json(Found { items: read.await? }))
}

/// `GET /api/v1/orders/{id}/details`: with the names of its customer and products, from local copies.
async fn details<C: Catalog>(
    State(orders): State<Orders<C>>,
    Path(id): Path<String>,
    min: MinPosition,
) -> Result<Json<lines::Details>, Problem> {
    check_id("id", &id)?;
    min.reached(&orders.db, lines::NAME).await?;
    let key = id.clone();
    let found = orders.db.read(move |conn| lines::details(conn, &key)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("order", &id))
}

/// `GET /api/v1/event-kinds`: what is stored by type and form, and how this version reads it.
#[derive(Debug, Serialize)]
struct Kinds {
    items: Vec<Kind>,
    /// Events that are kept without being understood.
    unknown_events: u64,
}

async fn kinds<C: Catalog>(State(orders): State<Orders<C>>) -> Result<Json<Kinds>, Problem> {
    let items = orders.db.read(|conn| event_store::census(conn, &FORMS)).await?;
    let unknown = items
        .iter()
        .filter(|kind| kind.standing == event_store::Standing::Unknown);
    let unknown_events = unknown.map(|kind| kind.events).sum();
    Ok(Json(Kinds { items, unknown_events }))
}
