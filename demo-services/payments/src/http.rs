//! The service's HTTP interface.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use sagascope_conventions::FaultKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shop_kit::context;
use shop_kit::database::{Database, DatabaseError};
use shop_kit::faults::Switchboard;
use shop_kit::idempotency::Answer;
use shop_kit::outside::Outside;
use shop_kit::problem::Problem;
use shop_kit::request::{Body, IdempotencyKey, check_id};
use shop_kit::two_phase;

use crate::cards::{self, Card};
use crate::commands::{ChargeOrder, RefundOrder, charge_order, refund_order};
use crate::payment::PaymentState;
use crate::store::{self, OrderSums, Totals};

/// Most money moved at once.
const MAX_AMOUNT_MINOR: i64 = 1_000_000_000;
/// Longest reason taken.
const MAX_REASON_LENGTH: usize = 1_024;
/// Most orders on one page of the audit.
const MAX_PAGE: u32 = 1_000;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Payments {
    pub(crate) db: Database,
    pub(crate) faults: Switchboard,
    /// Of the bank's dice.
    pub(crate) seed: u64,
    /// Asked before money moves.
    pub(crate) bank: Outside,
}

/// Commands that a fault can be narrowed to.
pub(crate) const OPERATIONS: &[&str] = &[
    "POST /api/v1/charges",
    "POST /api/v1/refunds",
    "POST /api/v1/transactions/{id}/prepare",
];

/// Every route.
pub(crate) fn router(payments: Payments) -> Router {
    Router::new()
        .route("/api/v1/charges", post(charge))
        .route("/api/v1/refunds", post(refund))
        .route("/api/v1/payments/{order_id}", get(show_payment))
        .route("/api/v1/ledger", get(ledger))
        .route("/api/v1/audit", get(audit))
        .merge(crate::audit_http::router())
        .with_state(payments.clone())
        .merge(two_phase::router(payments.db.clone(), Arc::new(payments)))
}

impl Payments {
    /// Checks the command and asks the bank.
    pub(crate) async fn authorise(&self, command: &ChargeOrder) -> Result<Card, Problem> {
        check_id("order_id", &command.order_id)?;
        check_id("customer_id", &command.customer_id)?;
        if !(1..=MAX_AMOUNT_MINOR).contains(&command.amount_minor) {
            return Err(Problem::bad_field(
                "amount_minor",
                format!("give 1 to {MAX_AMOUNT_MINOR}"),
            ));
        }
        if command.currency.len() != 3 || !command.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Problem::bad_field(
                "currency",
                "give three capital letters, such as EUR",
            ));
        }
        self.bank.ask("authorise").await;
        Ok(match self.faults.hit(FaultKind::DeclinedCards, "charge") {
            Some(_) => Card::Declines {
                reason: "declined_by_fault",
            },
            None => cards::ask(self.seed, &command.order_id),
        })
    }
}

/// Checks a refund.
pub(crate) fn check_refund(command: &RefundOrder) -> Result<(), Problem> {
    check_id("order_id", &command.order_id)?;
    if command.reason.len() > MAX_REASON_LENGTH {
        return Err(Problem::bad_field(
            "reason",
            format!("give at most {MAX_REASON_LENGTH} bytes"),
        ));
    }
    Ok(())
}

async fn charge(
    State(payments): State<Payments>,
    key: IdempotencyKey,
    Body(command): Body<ChargeOrder>,
) -> Result<Answer, Problem> {
    let key = key.required()?;
    let card = payments.authorise(&command).await?;
    let context = context::current();
    payments
        .db
        .write(move |tx| charge_order(tx, &key, command, card, &context))
        .await
}

async fn refund(
    State(payments): State<Payments>,
    key: IdempotencyKey,
    Body(command): Body<RefundOrder>,
) -> Result<Answer, Problem> {
    let key = key.required()?;
    check_refund(&command)?;
    let context = context::current();
    payments
        .db
        .write(move |tx| refund_order(tx, &key, command, &context))
        .await
}

/// `GET /api/v1/payments/{order_id}`: where it stands, and how it came there.
#[derive(Debug, Serialize)]
struct PaymentHistory {
    order_id: String,
    payment: PaymentState,
    events: Vec<HistoryEvent>,
}

#[derive(Debug, Serialize)]
struct HistoryEvent {
    version: u64,
    event_type: String,
    data: Value,
    created_at: String,
}

async fn show_payment(
    State(payments): State<Payments>,
    Path(order_id): Path<String>,
) -> Result<Json<PaymentHistory>, Problem> {
    let key = order_id.clone();
    let (payment, events) = payments
        .db
        .read(move |conn| Ok::<_, DatabaseError>((store::load(conn, &key)?, store::history(conn, &key)?)))
        .await?;
    if events.is_empty() {
        return Err(Problem::not_found("payment of order", &order_id));
    }
    let events = events
        .into_iter()
        .map(|event| HistoryEvent {
            version: event.version,
            event_type: event.event_type,
            data: event.data,
            created_at: event.created_at.to_string(),
        })
        .collect();
    Ok(Json(PaymentHistory {
        order_id,
        payment: payment.state,
        events,
    }))
}

async fn ledger(State(payments): State<Payments>) -> Result<Json<Totals>, Problem> {
    Ok(Json(payments.db.read(store::totals).await?))
}

/// Query of `GET /api/v1/audit`.
#[derive(Debug, Default, Deserialize)]
struct AuditQuery {
    /// The last order of the page before.
    #[serde(default)]
    after: String,
    /// Orders on the page.
    limit: Option<u32>,
}

/// `GET /api/v1/audit`: INV-01 over the whole ledger, and money by order, page by page.
#[derive(Debug, Serialize)]
struct Audit {
    /// The books balance.
    agrees: bool,
    #[serde(flatten)]
    totals: Totals,
    orders: Vec<OrderSums>,
    /// Give this as `after` for the next page.
    next_cursor: Option<String>,
}

async fn audit(State(payments): State<Payments>, Query(query): Query<AuditQuery>) -> Result<Json<Audit>, Problem> {
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let (totals, orders) = payments
        .db
        .read(move |conn| {
            // One snapshot for both, so that the page and the totals tell of the same moment.
            let snapshot = conn.unchecked_transaction()?;
            Ok::<_, DatabaseError>((
                store::totals(&snapshot)?,
                store::order_sums(&snapshot, &query.after, limit)?,
            ))
        })
        .await?;
    let next_cursor = (orders.len() == limit as usize)
        .then(|| orders.last().map(|order| order.order_id.clone()))
        .flatten();
    Ok(Json(Audit {
        agrees: totals.agree(),
        totals,
        orders,
        next_cursor,
    }))
}
