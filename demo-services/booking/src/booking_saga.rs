//! The booking saga: create → room → car → pay → confirm, and each undo.
//!
//! Every command carries the booking's id, so that a step may run twice. Every undo may come before, or without, its
//! step: the peers leave a tombstone then. The booking becomes confirmed in the very transaction that completes the
//! saga, so that none is ever both confirmed and compensated.

use std::sync::Arc;

use sagascope_conventions::{SagaState, WaitingFor};
use serde_json::{Value, json};
use shop_kit::caller::CallError;
use shop_kit::context::{self, Context};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::profile::Profile;
use shop_kit::saga::{self, Instance, SagaData, SagaDefinition, StepContext, StepDefinition, StepFailure, StepResult};

use crate::booking::{Price, Protocol, Refusal};
use crate::booking_store;
use crate::cancel_booking::cancel_booking;
use crate::confirm_booking::confirm_booking;
use crate::create_booking::create_booking;
use crate::place_booking::PlaceBooking;
use crate::price::{self, Quote};
use crate::remote::{Peer, Remote};

/// Saga type.
pub(crate) const NAME: &str = "booking";
/// Steps in order.
pub(crate) const STEPS: [&str; 5] = ["create", "room", "car", "pay", "confirm"];

/// The definition that the runner executes.
pub(crate) struct BookingSaga<R> {
    db: Database,
    remote: Arc<R>,
    steps: [StepDefinition; STEPS.len()],
}

impl<R: Remote> BookingSaga<R> {
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

    async fn create(&self, id: &str, wish: PlaceBooking) -> StepResult {
        let (id, context) = (id.to_owned(), context::current());
        let work = move |tx: &Tx<'_>| {
            let existing = booking_store::find(tx, &id)?;
            if let Some(new) = create_booking(existing.as_ref(), &id, wish, Protocol::Saga)? {
                booking_store::put(tx, &new, &context)?;
            }
            Ok::<_, LocalError>(Value::Null)
        };
        Ok(self.db.write(work).await?)
    }

    async fn room(&self, id: &str, key: &str, wish: &PlaceBooking) -> StepResult {
        let body = json!({
            "reservation_id": id,
            "room_id": wish.room_id,
            "arrival": wish.arrival,
            "nights": wish.nights,
        });
        self.post(Peer::Hotels, "/api/v1/reservations", key, &body).await
    }

    /// No car is no failure when none is wanted, or when the customer said that it may be so.
    async fn car(&self, id: &str, key: &str, wish: &PlaceBooking) -> StepResult {
        let Some(car) = &wish.car else { return Ok(Value::Null) };
        let body = json!({
            "reservation_id": id,
            "class": car.class,
            "from": wish.arrival,
            "days": wish.nights,
        });
        match self.post(Peer::Cars, "/api/v1/reservations", key, &body).await {
            Err(failure) if car.optional && failure.error_type == "no_car" => Ok(Value::Null),
            outcome => outcome,
        }
    }

    async fn pay(&self, id: &str, key: &str, wish: &PlaceBooking, data: &SagaData) -> StepResult {
        let Price { total_minor, currency } = price(data)?;
        let body = json!({
            "order_id": id,
            "customer_id": wish.customer_id,
            "amount_minor": total_minor,
            "currency": currency,
        });
        self.post(Peer::Payments, "/api/v1/charges", key, &body).await
    }

    /// The guest and the customer of the car will come: from here on both are sold.
    async fn confirm(&self, id: &str, key: &str, data: &SagaData) -> StepResult {
        let path = format!("/api/v1/reservations/{id}/confirm");
        self.post(Peer::Hotels, &path, key, &json!({})).await?;
        if has_car(data) {
            self.post(Peer::Cars, &path, key, &json!({})).await?;
        }
        Ok(Value::Null)
    }

    async fn release(&self, peer: Peer, id: &str, key: &str) -> StepResult {
        let path = format!("/api/v1/reservations/{id}/release");
        self.post(peer, &path, key, &json!({})).await
    }

    async fn refund(&self, id: &str, key: &str) -> StepResult {
        let body = json!({ "order_id": id, "reason": "the booking was cancelled" });
        self.post(Peer::Payments, "/api/v1/refunds", key, &body).await
    }

    async fn cancel(&self, id: &str, wish: PlaceBooking) -> StepResult {
        let (id, context) = (id.to_owned(), context::current());
        let work = move |tx: &Tx<'_>| {
            let reason = saga::find(tx, NAME, &id)?.and_then(|instance| instance.reason);
            let reason = reason.as_deref().unwrap_or("a step failed");
            let existing = booking_store::find(tx, &id)?;
            if let Some(cancelled) = cancel_booking(existing, &id, wish, Protocol::Saga, reason) {
                booking_store::put(tx, &cancelled, &context)?;
            }
            Ok::<_, LocalError>(Value::Null)
        };
        Ok(self.db.write(work).await?)
    }

    async fn post(&self, peer: Peer, path: &str, key: &str, body: &Value) -> StepResult {
        self.remote.post(peer, path, key, body).await.map_err(step_failure)
    }
}

impl<R: Remote> SagaDefinition for BookingSaga<R> {
    const NAME: &'static str = NAME;

    fn steps(&self) -> &[StepDefinition] {
        &self.steps
    }

    async fn execute(&self, step: &str, data: &SagaData, context: StepContext) -> StepResult {
        let wish: PlaceBooking = data.input().map_err(malformed)?;
        let (id, key) = (&context.saga_id, &context.idempotency_key);
        match step {
            "create" => self.create(id, wish).await,
            "room" => self.room(id, key, &wish).await,
            "car" => self.car(id, key, &wish).await,
            "pay" => self.pay(id, key, &wish, data).await,
            "confirm" => self.confirm(id, key, data).await,
            other => Err(unknown(other)),
        }
    }

    async fn compensate(&self, step: &str, data: &SagaData, context: StepContext) -> StepResult {
        let wish: PlaceBooking = data.input().map_err(malformed)?;
        let (id, key) = (&context.saga_id, &context.idempotency_key);
        match step {
            // What is confirmed, or may be, is released by the undo of the step that reserved it.
            "confirm" => Ok(Value::Null),
            "pay" => self.refund(id, key).await,
            "car" if wish.car.is_none() => Ok(Value::Null),
            "car" => self.release(Peer::Cars, id, key).await,
            "room" => self.release(Peer::Hotels, id, key).await,
            "create" => self.cancel(id, wish).await,
            other => Err(unknown(other)),
        }
    }

    fn finished(&self, tx: &Tx<'_>, instance: &Instance, context: &Context) -> anyhow::Result<()> {
        if instance.state == SagaState::Completed {
            let price = price(&instance.data).map_err(|failure| anyhow::anyhow!(failure.reason))?;
            let existing = booking_store::find(tx, &instance.id)?;
            if let Some(confirmed) = confirm_booking(existing, price)? {
                booking_store::put(tx, &confirmed, context)?;
            }
        }
        Ok(booking_store::ended(tx, &instance.id)?)
    }
}

fn has_car(data: &SagaData) -> bool {
    data.output::<Quote>("car").is_some()
}

fn price(data: &SagaData) -> Result<Price, StepFailure> {
    let (room, car): (Option<Quote>, Option<Quote>) = (data.output("room"), data.output("car"));
    price::total(room.as_ref(), car.as_ref()).map_err(|reason| StepFailure::refused("no_price", reason))
}

/// What went wrong in a step on our own database.
#[derive(Debug, thiserror::Error)]
enum LocalError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<LocalError> for StepFailure {
    fn from(error: LocalError) -> Self {
        let reason = error.to_string();
        match error {
            LocalError::Refused(_) => Self::refused("refused", reason),
            LocalError::Database(_) => Self::lost("database", reason),
        }
    }
}

/// What a failed call means for the step. What is locked by a transaction in doubt may be free in a moment, or not.
fn step_failure(error: CallError) -> StepFailure {
    match &error {
        CallError::Refused { problem, .. } if problem.code == "in_doubt" => {
            StepFailure::not_tried("in_doubt", error.reason()).waiting(WaitingFor::Retry, "two-phase commit")
        }
        _ => error.into(),
    }
}

fn malformed(error: serde_json::Error) -> StepFailure {
    StepFailure::refused("malformed", format!("the booking cannot be read: {error}"))
}

fn unknown(step: &str) -> StepFailure {
    StepFailure::refused("unknown_step", format!("this version knows no step {step}"))
}
