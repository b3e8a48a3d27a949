//! Without an orchestrator: orders opens and closes the order, and in between hears what the others did.
//!
//! OrderCreated → ItemsReserved → PaymentProcessed → OrderShipped → OrderConfirmed. A step that is refused turns it
//! round: each service undoes its own step when it hears that the one behind it is undone, until ItemsReleased, or
//! ReserveFailed, comes back here and the order is cancelled.

use sagascope_conventions::{OrderFlow, SagaState, StepState};
use serde_json::Value;
use shop_kit::broker::Message;
use shop_kit::choreography::{self, TOPIC};
use shop_kit::clock::unix_nanos_now;
use shop_kit::consumer::UntilDone;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::order_commands::STEPS;
use shop_kit::outbox;
use shop_kit::participant::Story;
use shop_kit::saga::{self, Instance, StartError, StepDefinition};
use shop_kit::state_events::{Event, SagaEvents, SagaStep};

use crate::order_saga::{self, AcceptedOrder, LocalError};

const FLOW: OrderFlow = OrderFlow::Choreographed;

/// Opens an order and tells of it.
pub(crate) fn start(
    tx: &Tx<'_>,
    order_id: &str,
    accepted: &AcceptedOrder,
    steps: &[StepDefinition],
    context: &Context,
) -> Result<(), StartError> {
    let input = serde_json::to_value(accepted).unwrap_or_default();
    let now = unix_nanos_now();
    // What is kept here is what orders itself knows of it; nobody runs it.
    let (mut instance, _) = Instance::start(FLOW.saga_name(), order_id, &context.correlation_id, steps, input, now);
    if let Err(error) = order_saga::create(tx, order_id, accepted, context) {
        tracing::error!(order_id, %error, "the order cannot be opened");
        return Err(StartError::Exists(order_id.to_owned()));
    }
    instance.steps[0].forward.state = StepState::Succeeded;
    saga::keep(tx, &instance, Vec::new(), context)?;
    let deadline = now + steps.first().map_or(0, |step| nanos(step.deadline));
    choreography::tell(tx, order_id, context, |events| {
        vec![
            events.started(now, &STEPS),
            events.step_started(now, step(0), deadline),
            events.step_succeeded(now, step(0)),
        ]
    })?;
    let story = Story {
        order: accepted.told(order_id),
        reason: None,
        output: Value::Null,
    };
    tell_others(tx, "OrderCreated", &story, context)?;
    Ok(())
}

/// Reacts to what the others did.
pub(crate) fn react(tx: &Tx<'_>, message: &Message, context: &Context) -> anyhow::Result<()> {
    if !matches!(
        message.event_type.as_str(),
        "OrderShipped" | "ReserveFailed" | "ItemsReleased"
    ) {
        return Ok(());
    }
    let story: Story = serde_json::from_value(message.payload.clone())?;
    // Nobody else opens or closes the order, so it comes again until it is heard.
    hear(tx, message, story, context).map_err(|error| error.context(UntilDone))
}

fn hear(tx: &Tx<'_>, message: &Message, story: Story, context: &Context) -> anyhow::Result<()> {
    let Some(instance) = saga::find(tx, FLOW.saga_name(), &story.order.order_id)? else {
        return Ok(());
    };
    if instance.state.is_final() {
        tracing::debug!(order = message.key, event = message.event_type, "comes after the end");
        return Ok(());
    }
    match message.event_type.as_str() {
        "OrderShipped" => confirm(tx, instance, story, context),
        _ => cancel(tx, instance, story, context),
    }
}

fn confirm(tx: &Tx<'_>, mut instance: Instance, mut story: Story, context: &Context) -> anyhow::Result<()> {
    let (now, place) = (unix_nanos_now(), STEPS.len() - 1);
    let deadline = now + instance.steps[place].deadline_ms * 1_000_000;
    instance.data.outputs.insert(STEPS[3].to_owned(), story.output.take());
    match order_saga::confirm(tx, &instance.id, context) {
        Ok(()) => {
            instance.state = SagaState::Completed;
            instance.steps[place].forward.state = StepState::Succeeded;
            keep(tx, instance, context, |events| {
                vec![
                    events.step_started(now, step(4), deadline),
                    events.step_succeeded(now, step(4)),
                    events.completed(now),
                ]
            })?;
            Ok(tell_others(tx, "OrderConfirmed", &story, context)?)
        }
        Err(LocalError::Refused(refusal)) => {
            let reason = refusal.to_string();
            instance.state = SagaState::Compensating;
            instance.reason = Some(reason.clone());
            keep(tx, instance, context, |events| {
                vec![
                    events.step_started(now, step(4), deadline),
                    events.step_failed(now, step(4), "refused", &reason),
                ]
            })?;
            story.reason = Some(reason);
            Ok(tell_others(tx, "OrderRejected", &story, context)?)
        }
        Err(error) => Err(error.into()),
    }
}

fn cancel(tx: &Tx<'_>, mut instance: Instance, story: Story, context: &Context) -> anyhow::Result<()> {
    let now = unix_nanos_now();
    let deadline = now + instance.steps[0].deadline_ms * 1_000_000;
    let reason = story.reason.clone().unwrap_or_default();
    order_saga::cancel(tx, &instance.id, story.reason.as_deref(), context)?;
    instance.state = SagaState::Compensated;
    instance.reason = Some(reason.clone());
    keep(tx, instance, context, |events| {
        vec![
            events.compensation_started(now, step(0), deadline),
            events.compensation_succeeded(now, step(0)),
            events.compensated(now, &reason),
        ]
    })?;
    Ok(tell_others(tx, "OrderCancelled", &story, context)?)
}

fn keep(
    tx: &Tx<'_>,
    mut instance: Instance,
    context: &Context,
    build: impl FnOnce(&mut SagaEvents) -> Vec<Event>,
) -> anyhow::Result<()> {
    let expected = instance.sequence;
    instance.sequence += 1;
    choreography::tell(tx, &instance.id, context, build)?;
    saga::keep_on(tx, &instance, expected, Vec::new(), context)?;
    if instance.state.is_final() {
        crate::retention::ended(tx, &instance.id)?;
    }
    Ok(())
}

fn tell_others(tx: &Tx<'_>, event_type: &str, story: &Story, context: &Context) -> Result<(), DatabaseError> {
    outbox::enqueue(tx, TOPIC, &story.order.order_id, event_type, story, context).map(drop)
}

fn step(index: u32) -> SagaStep<'static> {
    SagaStep {
        name: STEPS[index as usize],
        index,
        attempt: 1,
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
