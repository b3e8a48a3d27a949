//! The audit trail of one payment over HTTP: every event with its cause, the state after it and the rows it made, and
//! whether the two halves of the books agree. Rows are only ever inserted; a refund is a row of its own.

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop_kit::context::{CAUSATION_HEADER, CORRELATION_HEADER};
use shop_kit::database::DatabaseError;
use shop_kit::event_store;
use shop_kit::problem::Problem;
use shop_kit::request::{check_id, parse_time};

use crate::http::Payments;
use crate::ledger::transaction;
use crate::payment::{Payment, PaymentEvent, PaymentState};

/// Routes of this file.
pub(crate) fn router() -> Router<Payments> {
    Router::new().route("/api/v1/payments/{order_id}/audit", get(audit))
}

/// `GET /api/v1/payments/{order_id}/audit`.
#[derive(Debug, Serialize)]
struct Trail {
    order_id: String,
    /// Versions are 1, 2, 3, …, and the rows are those that the events make, in their order.
    agrees: bool,
    /// The state that the events fold to.
    payment: PaymentState,
    entries: Vec<Entry>,
    /// As booked.
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Entry {
    version: u64,
    position: u64,
    event_type: String,
    data: Value,
    /// Unix nanoseconds.
    created_at: String,
    /// The request from outside that it belongs to.
    correlation_id: Option<String>,
    /// The command or message that caused it.
    causation_id: Option<String>,
    /// The state after it.
    payment: PaymentState,
    /// False for what this version does not know: kept, and without effect.
    known: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    kind: String,
    amount_minor: i64,
    currency: String,
}

/// Query of the audit.
#[derive(Debug, Deserialize)]
struct AuditQuery {
    /// A moment: RFC 3339, or unix nanoseconds. The trail up to then; rows are those of now.
    as_of: Option<String>,
}

async fn audit(
    State(payments): State<Payments>,
    Path(order_id): Path<String>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Trail>, Problem> {
    check_id("order_id", &order_id)?;
    let at = query.as_of.map(|text| parse_time("as_of", &text)).transpose()?;
    let key = order_id.clone();
    let trail = payments.db.read(move |conn| read(conn, &key, at)).await?;
    trail
        .map(Json)
        .ok_or_else(|| Problem::not_found("payment of order", &order_id))
}

fn read(conn: &Connection, order_id: &str, at: Option<u64>) -> Result<Option<Trail>, DatabaseError> {
    let conn = conn.unchecked_transaction()?;
    let all = event_store::load(&conn, order_id, 1)?;
    let contiguous = (1..).zip(&all).all(|(version, event)| event.version == version);
    let (mut payment, mut entries, mut booked) = (Payment::default(), Vec::new(), Vec::new());
    for stored in all {
        let event = PaymentEvent::read(&stored.event_type, stored.data.clone())?;
        if let Some(event) = &event {
            booked.extend(transaction(event).map(|transaction| Row {
                kind: transaction.kind.as_str().to_owned(),
                amount_minor: transaction.amount_minor,
                currency: transaction.currency,
            }));
        }
        if at.is_some_and(|at| stored.created_at > at) {
            continue;
        }
        if let Some(event) = &event {
            payment.apply(event);
        }
        let header = |name: &str| stored.headers.get(name).cloned();
        entries.push(Entry {
            version: stored.version,
            position: stored.position,
            created_at: stored.created_at.to_string(),
            correlation_id: header(CORRELATION_HEADER),
            causation_id: header(CAUSATION_HEADER),
            payment: payment.state.clone(),
            known: event.is_some(),
            event_type: stored.event_type,
            data: stored.data,
        });
    }
    let rows = rows(&conn, order_id)?;
    Ok((!entries.is_empty()).then(|| Trail {
        order_id: order_id.to_owned(),
        agrees: contiguous && booked == rows,
        payment: payment.state,
        entries,
        rows,
    }))
}

fn rows(conn: &Connection, order_id: &str) -> Result<Vec<Row>, DatabaseError> {
    let mut query = conn
        .prepare_cached("SELECT kind, amount_minor, currency FROM transactions WHERE order_id = ? ORDER BY number")?;
    let rows = query.query_map([order_id], |row| {
        Ok(Row {
            kind: row.get(0)?,
            amount_minor: row.get(1)?,
            currency: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
