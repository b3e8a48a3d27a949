//! The order saga: create → reserve → charge → ship → confirm, and each undo.
//!
//! Every command carries an id that the order's id gives, so that a step may run twice. Every undo may come before, or
//! without, its step: the peers leave a tombstone then. The order becomes confirmed in the very transaction that
//! completes the saga, so that no order is ever both confirmed and compensated.
//!
//! What a step does to the order itself is here once for all flows; they differ in how commands travel and in what is
//! kept on the way.

use std::marker::PhantomData;
use std::sync::Arc;

use sagascope_conventions::{OrderFlow, SagaState, StepState, WaitingFor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shop_kit::caller::CallError;
use shop_kit::clock::unix_nanos_now;
use shop_kit::context::{self, Context};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::event_store::AppendError;
use shop_kit::order_commands::{Command, Ordered, OrderedItem, STEPS};
use shop_kit::outbox;
use shop_kit::profile::Profile;
use shop_kit::saga::{
    self, Instance, SagaData, SagaDefinition, StartError, StepContext, StepDefinition, StepFailure, StepResult,
};

use crate::cancel_order::cancel_for_compensation;
use crate::confirm_order::confirm_order;
use crate::create_order::create_order;
use crate::order::{Item, Order, Refusal};
use crate::order_store;
use crate::remote::Remote;
use crate::retention;

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

    /// As others need to know it.
    pub(crate) fn told(&self, order_id: &str) -> Ordered {
        let item = |item: &Item| OrderedItem {
            product_id: item.product_id.clone(),
            quantity: item.quantity,
            unit_price_minor: item.unit_price_minor,
        };
        Ordered {
            order_id: order_id.to_owned(),
            customer_id: self.customer_id.clone(),
            currency: self.currency.clone(),
            items: self.items.iter().map(item).collect(),
        }
    }
}

/// Opens the order.
pub(crate) fn create(tx: &Tx<'_>, id: &str, accepted: &AcceptedOrder, context: &Context) -> Result<(), LocalError> {
    let order = order_store::load(tx, id)?;
    let events = create_order(&order, &accepted.customer_id, &accepted.currency, &accepted.items)?;
    order_store::record(tx, id, &order, &events, context)?;
    Ok(())
}

/// Its undo.
pub(crate) fn cancel(tx: &Tx<'_>, id: &str, reason: Option<&str>, context: &Context) -> Result<(), LocalError> {
    let order = order_store::load(tx, id)?;
    let events = cancel_for_compensation(&order, reason.unwrap_or("a step failed"));
    order_store::record(tx, id, &order, &events, context)?;
    Ok(())
}

/// Closes the order as confirmed.
pub(crate) fn confirm(tx: &Tx<'_>, id: &str, context: &Context) -> Result<(), LocalError> {
    let order = order_store::load(tx, id)?;
    let events = confirm_order(&order)?;
    order_store::record(tx, id, &order, &events, context)?;
    Ok(())
}

/// Refuses to go on when the customer has asked to cancel.
pub(crate) fn still_wanted(order: &Order) -> Result<(), LocalError> {
    match &order.cancellation_requested {
        Some(reason) => Err(Refusal::CancellationRequested(reason.clone()).into()),
        None => Ok(()),
    }
}

/// What happens to the order when its saga has ended.
pub(crate) fn end(tx: &Tx<'_>, instance: &Instance, context: &Context) -> Result<(), LocalError> {
    if instance.state == SagaState::Completed {
        confirm(tx, &instance.id, context)?;
    }
    Ok(retention::ended(tx, &instance.id)?)
}

/// The steps with the deadline of the profile.
pub(crate) fn steps(profile: &Profile) -> [StepDefinition; STEPS.len()] {
    STEPS.map(|name| StepDefinition {
        name,
        deadline: profile.step_deadline,
    })
}

/// Starts the saga of a generation that a runner executes.
pub(crate) fn start(
    tx: &Tx<'_>,
    flow: OrderFlow,
    id: &str,
    accepted: &AcceptedOrder,
    steps: &[StepDefinition],
    context: &Context,
) -> Result<(), StartError> {
    let input = serde_json::to_value(accepted).map_err(DatabaseError::from)?;
    let (name, now) = (flow.saga_name(), unix_nanos_now());
    if flow == OrderFlow::Hardened {
        let story = json!({ "saga": "SAGA_START", "order": accepted.told(id) });
        outbox::enqueue(tx, HARDENED_EVENTS, id, "OrderCreated", &story, context)?;
    }
    let (instance, told) = Instance::start(name, id, &context.correlation_id, steps, input, now);
    saga::keep(tx, &instance, told, context)
}

/// Beginning and end of each order of the third generation, for whoever follows it.
const HARDENED_EVENTS: &str = "order-hardened.events";

/// A generation whose steps the kit's runner executes.
pub(crate) trait Generation: Send + Sync + 'static {
    /// Which.
    const FLOW: OrderFlow;
}

/// The fourth.
pub(crate) struct EventSourced;

impl Generation for EventSourced {
    const FLOW: OrderFlow = OrderFlow::EventSourced;
}

/// The third.
pub(crate) struct Hardened;

impl Generation for Hardened {
    const FLOW: OrderFlow = OrderFlow::Hardened;
}

/// The definition that the runner executes.
pub(crate) struct OrderSaga<R, G = EventSourced> {
    db: Database,
    remote: Arc<R>,
    steps: [StepDefinition; STEPS.len()],
    generation: PhantomData<G>,
}

impl<R: Remote, G: Generation> OrderSaga<R, G> {
    /// With the deadlines of the profile.
    pub(crate) fn new(db: Database, remote: Arc<R>, profile: &Profile) -> Self {
        Self {
            db,
            remote,
            steps: steps(profile),
            generation: PhantomData,
        }
    }

    async fn create(&self, id: &str, accepted: AcceptedOrder) -> StepResult {
        let (id, context) = (id.to_owned(), context::current());
        let work = move |tx: &Tx<'_>| {
            create(tx, &id, &accepted, &context)?;
            Ok::<_, LocalError>(json!({ "total_minor": accepted.total_minor() }))
        };
        Ok(self.db.write(work).await?)
    }

    async fn cancel(&self, id: &str) -> StepResult {
        let (id, context) = (id.to_owned(), context::current());
        let work = move |tx: &Tx<'_>| {
            let reason = saga::find(tx, Self::NAME, &id)?.and_then(|instance| instance.reason);
            cancel(tx, &id, reason.as_deref(), &context)?;
            Ok::<_, LocalError>(Value::Null)
        };
        Ok(self.db.write(work).await?)
    }

    async fn still_wanted(&self, id: &str) -> Result<(), StepFailure> {
        let id = id.to_owned();
        let read = move |conn: &rusqlite::Connection| still_wanted(&order_store::load(conn, &id)?);
        Ok(self.db.read(read).await?)
    }

    async fn ask(&self, command: Option<Command>, step: &str, order: &Ordered, key: &str) -> StepResult {
        let command = command.ok_or_else(|| unknown(step))?;
        self.remote.ask(command, order, key).await.map_err(step_failure)
    }
}

impl<R: Remote, G: Generation> SagaDefinition for OrderSaga<R, G> {
    const NAME: &'static str = G::FLOW.saga_name();

    fn steps(&self) -> &[StepDefinition] {
        &self.steps
    }

    async fn execute(&self, step: &str, data: &SagaData, context: StepContext) -> StepResult {
        let accepted: AcceptedOrder = data.input().map_err(malformed)?;
        let (id, key) = (&context.saga_id, &context.idempotency_key);
        if step == STEPS[0] {
            return self.create(id, accepted).await;
        }
        self.still_wanted(id).await?;
        self.ask(Command::forward(step), step, &accepted.told(id), key).await
    }

    async fn compensate(&self, step: &str, data: &SagaData, context: StepContext) -> StepResult {
        let (id, key) = (&context.saga_id, &context.idempotency_key);
        if step == STEPS[0] {
            return self.cancel(id).await;
        }
        let accepted: AcceptedOrder = data.input().map_err(malformed)?;
        self.ask(Command::undo(step), step, &accepted.told(id), key).await
    }

    fn finished(&self, tx: &Tx<'_>, instance: &Instance, context: &Context) -> anyhow::Result<()> {
        if G::FLOW == OrderFlow::Hardened {
            let story = json!({ "order_id": instance.id });
            outbox::enqueue(
                tx,
                HARDENED_EVENTS,
                &instance.id,
                ending(instance.state),
                &story,
                context,
            )?;
        }
        Ok(end(tx, instance, context)?)
    }
}

/// The documents' word for the end of a saga.
pub(crate) const fn ending(state: SagaState) -> &'static str {
    match state {
        SagaState::Completed => "SAGA_COMPLETE",
        _ => "SAGA_ROLLBACK",
    }
}

/// True while the customer may still cancel: from the moment the last step begins the order will be confirmed.
pub(crate) fn can_be_cancelled(instance: &Instance) -> bool {
    let confirm = instance.steps.last().map(|step| step.forward.state);
    instance.state == SagaState::Running && confirm == Some(StepState::Pending)
}

/// What went wrong in a step on our own database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
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
