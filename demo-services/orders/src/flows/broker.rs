//! The second generation: commands and answers over the broker.
//!
//! How far the order is stands in the database; the next command is published after that was committed. Dual write, on
//! purpose: killed between the two, or with the broker away, the message is lost and the order stands still for ever.

use std::sync::Arc;

use sagascope_conventions::{OrderFlow, StepState, attributes};
use serde_json::{Value, json};
use shop_kit::broker::{Message, NewMessage};
use shop_kit::clock::unix_nanos_now;
use shop_kit::consumer::Handle;
use shop_kit::context::Context;
use shop_kit::database::{Database, Tx};
use shop_kit::ids;
use shop_kit::order_commands::{Command, Ordered};
use shop_kit::participant::{Asked, Publish, Replied, topic_of};
use shop_kit::saga::{self, Direction, Instance, Next, StartError, StepDefinition, StepFailure, StepResult};
use shop_kit::state_events::Event;

use super::ONCE;
use crate::order_saga::{self, AcceptedOrder, LocalError};
use crate::order_store;

const FLOW: OrderFlow = OrderFlow::Broker;
/// Beginning and end of each order, for whoever follows it.
const EVENTS: &str = "order-broker.events";

/// Starts an order; answers what is to be published once this is committed.
pub(crate) fn start(
    tx: &Tx<'_>,
    order_id: &str,
    accepted: &AcceptedOrder,
    steps: &[StepDefinition],
    context: &Context,
) -> Result<Vec<NewMessage>, StartError> {
    let input = serde_json::to_value(accepted).unwrap_or_default();
    let now = unix_nanos_now();
    let (instance, told) = Instance::start(FLOW.saga_name(), order_id, &context.correlation_id, steps, input, now);
    let mut turn = Turn::of(instance, accepted.told(order_id), context);
    turn.told = told;
    turn.publish(
        EVENTS.to_owned(),
        "OrderCreated",
        json!({ "saga": "SAGA_START", "order": turn.order }),
    );
    turn.advance(tx);
    saga::keep(tx, &turn.instance, turn.told, context)?;
    Ok(turn.messages)
}

/// Hears the answers, and sends the next command.
pub(crate) struct Replies {
    pub(crate) publisher: Arc<dyn Publish>,
}

impl Handle for Replies {
    async fn handle(&self, db: &Database, message: Message, context: Context) -> anyhow::Result<()> {
        let messages = db.write(move |tx| take(tx, &message, &context)).await?;
        self.publisher.publish_or_lose(messages).await;
        Ok(())
    }
}

/// Takes an answer in. One that nobody waits for any more changes nothing.
fn take(tx: &Tx<'_>, message: &Message, context: &Context) -> anyhow::Result<Vec<NewMessage>> {
    let reply: Replied = serde_json::from_value(message.payload.clone())?;
    let Some(instance) = saga::find(tx, FLOW.saga_name(), &message.key)? else {
        return Ok(Vec::new());
    };
    if !waits_for(&instance, &reply.command) {
        tracing::debug!(order = message.key, reply = message.event_type, "comes late, or again");
        return Ok(Vec::new());
    }
    let accepted: AcceptedOrder = instance.data.input()?;
    let (expected, order) = (instance.sequence, accepted.told(&message.key));
    let mut turn = Turn::of(instance, order, context);
    turn.finish(outcome(reply));
    turn.advance(tx);
    if turn.instance.state.is_final() {
        let word = order_saga::ending(turn.instance.state);
        turn.publish(EVENTS.to_owned(), word, json!({ "order_id": message.key }));
        order_saga::end(tx, &turn.instance, context)?;
    }
    let kept = saga::keep_on(tx, &turn.instance, expected, turn.told, context)?;
    Ok(if kept { turn.messages } else { Vec::new() })
}

fn outcome(reply: Replied) -> StepResult {
    if reply.status < 400 {
        return Ok(reply.body);
    }
    let text = |field: &str| reply.body[field].as_str().unwrap_or_default().to_owned();
    Err(StepFailure::refused(
        &text("code"),
        format!("{}: {}", text("title"), text("detail")),
    ))
}

fn waits_for(instance: &Instance, command: &str) -> bool {
    let Next::Go { direction, index, .. } = instance.next() else {
        return false;
    };
    let under_way = instance.progress(direction, index).state == StepState::Running;
    under_way && command_of(instance, direction, index).is_some_and(|waited| waited.as_str() == command)
}

fn command_of(instance: &Instance, direction: Direction, index: usize) -> Option<Command> {
    let step = &instance.steps[index].name;
    match direction {
        Direction::Forward => Command::forward(step),
        Direction::Back => Command::undo(step),
    }
}

/// An order taken one turn further.
struct Turn<'a> {
    instance: Instance,
    order: Ordered,
    context: &'a Context,
    told: Vec<Event>,
    messages: Vec<NewMessage>,
}

impl<'a> Turn<'a> {
    const fn of(instance: Instance, order: Ordered, context: &'a Context) -> Self {
        Self {
            instance,
            order,
            context,
            told: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Up to the next command, or to the end.
    fn advance(&mut self, tx: &Tx<'_>) {
        while let Next::Go { direction, index, .. } = self.instance.next() {
            let begun = self.instance.begin(unix_nanos_now());
            let Some(command) = command_of(&self.instance, direction, index) else {
                self.told.extend(begun);
                let outcome = self.act_here(tx, direction);
                self.finish(outcome);
                continue;
            };
            if direction == Direction::Forward
                && let Err(error) = self.still_wanted(tx)
            {
                self.told.extend(begun);
                self.finish(Err(error.into()));
                continue;
            }
            let topic = topic_of(FLOW, command.service());
            let waits = |event: Event| {
                event
                    .with(attributes::SAGA_STEP_WAITING_FOR, "message")
                    .with(attributes::SAGA_STEP_WAITING_ON, command.answered(200))
            };
            self.told.extend(begun.into_iter().map(waits));
            let asked = Asked {
                key: None,
                body: command.body(&self.order),
            };
            self.publish(topic.to_owned(), command.as_str(), json!(asked));
            return;
        }
    }

    /// What orders does by itself: it creates the order, and cancels it.
    fn act_here(&self, tx: &Tx<'_>, direction: Direction) -> StepResult {
        let (id, instance) = (&self.instance.id, &self.instance);
        match direction {
            Direction::Forward => {
                let accepted: AcceptedOrder = instance
                    .data
                    .input()
                    .map_err(|error| StepFailure::refused("malformed", error.to_string()))?;
                order_saga::create(tx, id, &accepted, self.context)?;
            }
            Direction::Back => order_saga::cancel(tx, id, instance.reason.as_deref(), self.context)?,
        }
        Ok(Value::Null)
    }

    fn still_wanted(&self, tx: &Tx<'_>) -> Result<(), LocalError> {
        order_saga::still_wanted(&order_store::load(tx, &self.instance.id)?)
    }

    fn finish(&mut self, outcome: StepResult) {
        self.told
            .extend(self.instance.finish(outcome, unix_nanos_now(), &ONCE, 0.0));
    }

    fn publish(&mut self, topic: String, event_type: &str, payload: Value) {
        self.messages.push(NewMessage {
            id: ids::unique(),
            topic,
            key: self.instance.id.clone(),
            event_type: event_type.to_owned(),
            payload,
            headers: self.context.to_headers(),
        });
    }
}
