//! The order saga: create → reserve → charge → ship → confirm, and each undo.
//!
//! Every command carries an id that the order's id gives, so that a step may run twice. Every undo may come before, or
//! without, its step: the peers leave a tombstone then. The order becomes confirmed in the very transaction that
//! completes the saga, so that no order is ever both confirmed and compensated.

use std::sync::Arc;

use sagascope_conventions::{SagaState, StepState, WaitingFor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop_kit::caller::CallError;
use shop_kit::context::{self, Context};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::event_store::AppendError;
use shop_kit::profile::Profile;
use shop_kit::saga::{self, Instance, SagaData, SagaDefinition, StepContext, StepDefinition, StepFailure, StepResult};

use crate::cancel_order::cancel_for_compensation;
use crate::confirm_order::confirm_order;
use crate::create_order::create_order;
use crate::order::{Item, Order, Refusal};
use crate::order_store;
use crate::remote::{Peer, Remote};
use crate::retention;

/// Saga type.
pub(crate) const NAME: &str = "order";
/// Steps in order.
pub(crate) const STEPS: [&str; 5] = ["create", "reserve", "charge", "ship", "confirm"];

/// What the saga starts with: an order with its prices fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AcceptedOrder {
    /// Who orders.
    pub(crate) customer_id: String,
    /// Currency of the prices.
    pub(crate) currency: String,
    /// What, at which price.
    pub(crate) items: Vec<Item>,
}

impl AcceptedOrder {
    /// Sum of the items.
    pub(crate) fn total_minor(&self) -> i64 {
        self.items.iter().map(Item::total_minor).fold(0, i64::saturating_add)
    }

    fn lines(&self) -> Value {
        let line = |item: &Item| json!({ "product_id": item.product_id, "quantity": item.quantity });
        self.items.iter().map(line).collect()
    }

    fn pieces(&self) -> u32 {
        self.items.iter().map(|item| item.quantity).fold(0, u32::saturating_add)
    }
}

/// The definition that the runner executes.
pub(crate) struct OrderSaga<R> {
    db: Database,
    remote: Arc<R>,
    steps: [StepDefinition; STEPS.len()],
}

impl<R: Remote> OrderSaga<R> {
    /// With the deadlines of the profile.
    pub(crate) fn new(db: Database, remote: Arc<R>, profile: &Profile) -> Self {
        Self {
            db,
            remote,
            steps: STEPS.map(|name| StepDefinition {
                name,
                deadline: profile.step_deadline,
            }),
        }
    }

    async fn create(&self, id: &str, accepted: AcceptedOrder) -> StepResult {
        let (id, context) = (id.to_owned(), context::current());
        let work = move |tx: &Tx<'_>| {
            let order = order_store::load(tx, &id)?;
            let events = create_order(&order, &accepted.customer_id, &accepted.currency, &accepted.items)?;
            order_store::record(tx, &id, &order, &events, &context)?;
            Ok::<_, LocalError>(json!({ "total_minor": accepted.total_minor() }))
        };
        Ok(self.db.write(work).await?)
    }

    async fn reserve(&self, id: &str, key: &str, accepted: &AcceptedOrder) -> StepResult {
        let body = json!({ "reservation_id": id, "lines": accepted.lines() });
        self.post(Peer::Inventory, "/api/v1/reservations", key, &body).await
    }

    async fn charge(&self, id: &str, key: &str, accepted: &AcceptedOrder) -> StepResult {
        let body = json!({
            "order_id": id,
            "customer_id": accepted.customer_id,
            "amount_minor": accepted.total_minor(),
            "currency": accepted.currency,
        });
        self.post(Peer::Payments, "/api/v1/charges", key, &body).await
    }

    async fn ship(&self, id: &str, key: &str, accepted: &AcceptedOrder) -> StepResult {
        let body = json!({ "order_id": id, "customer_id": accepted.customer_id, "pieces": accepted.pieces() });
        self.post(Peer::Shipping, "/api/v1/shipments", key, &body).await
    }

    async fn sell(&self, id: &str, key: &str) -> StepResult {
        self.post(
            Peer::Inventory,
            &format!("/api/v1/reservations/{id}/confirm"),
            key,
            &json!({}),
        )
        .await
    }

    async fn release(&self, id: &str, key: &str) -> StepResult {
        self.post(
            Peer::Inventory,
            &format!("/api/v1/reservations/{id}/release"),
            key,
            &json!({}),
        )
        .await
    }

    async fn refund(&self, id: &str, key: &str) -> StepResult {
        let body = json!({ "order_id": id, "reason": "the order was cancelled" });
        self.post(Peer::Payments, "/api/v1/refunds", key, &body).await
    }

    async fn cancel_shipment(&self, id: &str, key: &str) -> StepResult {
        self.post(
            Peer::Shipping,
            &format!("/api/v1/shipments/{id}/cancel"),
            key,
            &json!({}),
        )
        .await
    }

    async fn cancel(&self, id: &str) -> StepResult {
        let (id, context) = (id.to_owned(), context::current());
        let work = move |tx: &Tx<'_>| {
            let reason = saga::find(tx, NAME, &id)?.and_then(|instance| instance.reason);
            let order = order_store::load(tx, &id)?;
            let events = cancel_for_compensation(&order, reason.as_deref().unwrap_or("a step failed"));
            order_store::record(tx, &id, &order, &events, &context)?;
            Ok::<_, LocalError>(Value::Null)
        };
        Ok(self.db.write(work).await?)
    }

    /// Refuses to go on when the customer has asked to cancel.
    async fn still_wanted(&self, id: &str) -> Result<(), StepFailure> {
        let id = id.to_owned();
        let order: Order = self
            .db
            .read(move |conn| order_store::load(conn, &id))
            .await
            .map_err(LocalError::from)?;
        match order.cancellation_requested {
            Some(reason) => Err(LocalError::Refused(Refusal::CancellationRequested(reason)).into()),
            None => Ok(()),
        }
    }

    async fn post(&self, peer: Peer, path: &str, key: &str, body: &Value) -> StepResult {
        self.remote.post(peer, path, key, body).await.map_err(step_failure)
    }
}

impl<R: Remote> SagaDefinition for OrderSaga<R> {
    const NAME: &'static str = NAME;

    fn steps(&self) -> &[StepDefinition] {
        &self.steps
    }

    async fn execute(&self, step: &str, data: &SagaData, context: StepContext) -> StepResult {
        let accepted: AcceptedOrder = data.input().map_err(malformed)?;
        let (id, key) = (&context.saga_id, &context.idempotency_key);
        if step != "create" {
            self.still_wanted(id).await?;
        }
        match step {
            "create" => self.create(id, accepted).await,
            "reserve" => self.reserve(id, key, &accepted).await,
            "charge" => self.charge(id, key, &accepted).await,
            "ship" => self.ship(id, key, &accepted).await,
            "confirm" => self.sell(id, key).await,
            other => Err(unknown(other)),
        }
    }

    async fn compensate(&self, step: &str, _: &SagaData, context: StepContext) -> StepResult {
        let (id, key) = (&context.saga_id, &context.idempotency_key);
        match step {
            // Goods that are sold, or may be, come back to the shelf; releasing them a second time changes nothing.
            "confirm" | "reserve" => self.release(id, key).await,
            "ship" => self.cancel_shipment(id, key).await,
            "charge" => self.refund(id, key).await,
            "create" => self.cancel(id).await,
            other => Err(unknown(other)),
        }
    }

    fn finished(&self, tx: &Tx<'_>, instance: &Instance, context: &Context) -> anyhow::Result<()> {
        if instance.state == SagaState::Completed {
            let order = order_store::load(tx, &instance.id)?;
            let events = confirm_order(&order)?;
            order_store::record(tx, &instance.id, &order, &events, context)?;
        }
        Ok(retention::ended(tx, &instance.id)?)
    }
}

/// True while the customer may still cancel: from the moment the last step begins the order will be confirmed.
pub(crate) fn can_be_cancelled(instance: &Instance) -> bool {
    let confirm = instance.steps.last().map(|step| step.forward.state);
    instance.state == SagaState::Running && confirm == Some(StepState::Pending)
}

/// What went wrong in a step on our own database.
#[derive(Debug, thiserror::Error)]
enum LocalError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<LocalError> for StepFailure {
    fn from(error: LocalError) -> Self {
        let reason = error.to_string();
        match error {
            LocalError::Refused(Refusal::CancellationRequested(_)) => Self::refused("cancelled_by_customer", reason),
            LocalError::Refused(_) => Self::refused("refused", reason),
            LocalError::Append(AppendError::Replaced { .. }) => Self::refused("replaced", reason),
            LocalError::Append(AppendError::Conflict { .. }) => Self::not_tried("conflict", reason),
            LocalError::Append(AppendError::Database(_)) | LocalError::Database(_) => Self::lost("database", reason),
        }
    }
}

/// What a failed call means for the step: a clear no ends it, anything unclear may have acted.
fn step_failure(error: CallError) -> StepFailure {
    let (word, reason) = (error.error_type().to_owned(), error.reason());
    match error {
        CallError::Refused { .. } => StepFailure::refused(&word, reason),
        CallError::BreakerOpen { breaker, .. } => {
            StepFailure::not_tried(&word, reason).waiting(WaitingFor::Breaker, &breaker)
        }
        CallError::BulkheadFull { .. } => StepFailure::not_tried(&word, reason),
        CallError::Unavailable { .. } | CallError::TimedOut { .. } | CallError::Malformed { .. } => {
            StepFailure::lost(&word, reason)
        }
    }
}

fn malformed(error: serde_json::Error) -> StepFailure {
    StepFailure::refused("malformed", format!("the order cannot be read: {error}"))
}

fn unknown(step: &str) -> StepFailure {
    StepFailure::refused("unknown_step", format!("this version knows no step {step}"))
}
