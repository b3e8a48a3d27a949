//! The first generation: the request handler calls one service after the other, and undoes inline what it has done.
//!
//! Naive on purpose: no key that tells a repeat, no breaker, no retry, and nothing written down before the end. An
//! error counts as "nothing happened". Cut off in the middle, it leaves money charged and no order.

use std::sync::Arc;

use http::StatusCode;
use opentelemetry::KeyValue;
use sagascope_conventions::{Coordination, OrderFlow, SagaState, attributes};
use serde_json::{Value, json};
use shop_kit::caller::CallError;
use shop_kit::clock::unix_nanos_now;
use shop_kit::context::{self, Context, kept_span};
use shop_kit::database::{Database, Tx};
use shop_kit::events::StateEvents;
use shop_kit::idempotency::Answer;
use shop_kit::order_commands::{Command, Ordered, STEPS};
use shop_kit::problem::Problem;
use shop_kit::saga::{self, Direction, Instance, Next, StartError, StepDefinition, StepFailure};
use shop_kit::state_events::Event;
use shop_kit::telemetry::{SpanKind, span_in};

use super::{Boxed, ONCE};
use crate::order_saga::{self, AcceptedOrder, LocalError};
use crate::remote::Remote;

/// Carries a whole order out while the client waits.
pub(crate) trait Inline: Send + Sync + 'static {
    /// Answers when all is done, or undone.
    fn carry_out<'a>(&'a self, order_id: &'a str, accepted: AcceptedOrder) -> Boxed<'a, Result<Answer, Problem>>;
}

/// See the module.
pub(crate) struct SyncOrders<R> {
    pub(crate) db: Database,
    pub(crate) remote: Arc<R>,
    pub(crate) steps: [StepDefinition; STEPS.len()],
    /// Told from memory: what was not sent yet is lost with the process, as everything else is.
    pub(crate) events: StateEvents,
}

impl<R: Remote> Inline for SyncOrders<R> {
    fn carry_out<'a>(&'a self, order_id: &'a str, accepted: AcceptedOrder) -> Boxed<'a, Result<Answer, Problem>> {
        Box::pin(self.run(order_id, accepted))
    }
}

impl<R: Remote> SyncOrders<R> {
    async fn run(&self, order_id: &str, accepted: AcceptedOrder) -> Result<Answer, Problem> {
        let (name, context) = (OrderFlow::Sync.saga_name(), context::current());
        let input = serde_json::to_value(&accepted).unwrap_or_default();
        let now = unix_nanos_now();
        let (mut instance, mut told) =
            Instance::start(name, order_id, &context.correlation_id, &self.steps, input, now);
        let (order, mut refusal) = (accepted.told(order_id), None);
        while let Next::Go { direction, index, .. } = instance.next() {
            told.extend(instance.begin(unix_nanos_now()));
            self.tell(&mut told);
            let outcome = self.act(&mut instance, direction, index, &order).await;
            let outcome = outcome.map_err(|error| {
                let failure = StepFailure::refused(error.error_type(), error.reason());
                if direction == Direction::Forward {
                    refusal = Some(error);
                }
                failure
            });
            told.extend(instance.finish(outcome, unix_nanos_now(), &ONCE, 0.0));
        }
        self.write_down(instance.clone(), accepted.clone(), context).await?;
        self.tell(&mut told);
        answer(&instance, &accepted, refusal)
    }

    async fn act(
        &self,
        instance: &mut Instance,
        direction: Direction,
        index: usize,
        order: &Ordered,
    ) -> Result<Value, CallError> {
        let step = instance.steps[index].name.clone();
        let (command, word, undone) = match direction {
            Direction::Forward => (Command::forward(&step), "step", None),
            Direction::Back => {
                let undone = instance.steps[index].span.as_deref().map(kept_span);
                (Command::undo(&step), "compensate", undone)
            }
        };
        // The order itself exists in memory alone until the end.
        let Some(command) = command else {
            return Ok(Value::Null);
        };
        let attributes = vec![
            KeyValue::new(attributes::SAGA_NAME, instance.name.clone()),
            KeyValue::new(attributes::SAGA_ID, instance.id.clone()),
            KeyValue::new(attributes::SAGA_COORDINATION, Coordination::Orchestration.as_str()),
            KeyValue::new(attributes::SAGA_STEP_NAME, step.clone()),
        ];
        let (name, around) = (format!("saga.{word} {step}"), context::current());
        let span = span_in(&around, undone.as_slice(), name, SpanKind::Internal, attributes);
        if direction == Direction::Forward {
            instance.steps[index].span = span.context().traceparent();
        }
        let answer = span.run(self.remote.ask(command, order, "")).await;
        if let Err(error) = &answer {
            span.fail(error.error_type(), error.reason());
        }
        answer
    }

    /// The first and last word of it on the disk.
    async fn write_down(&self, instance: Instance, accepted: AcceptedOrder, context: Context) -> Result<(), Problem> {
        let work = move |tx: &Tx<'_>| {
            order_saga::create(tx, &instance.id, &accepted, &context)?;
            if instance.state != SagaState::Completed {
                order_saga::cancel(tx, &instance.id, instance.reason.as_deref(), &context)?;
            }
            order_saga::end(tx, &instance, &context)?;
            match saga::keep(tx, &instance, Vec::new(), &context) {
                Ok(()) => Ok(()),
                Err(StartError::Exists(_)) => Err(Problem::unavailable("the new order's id is taken; try again")),
                Err(StartError::Database(error)) => Err(error.into()),
            }
        };
        self.db.write(work).await
    }

    fn tell(&self, told: &mut Vec<Event>) {
        told.drain(..).for_each(|event| self.events.emit(event));
    }
}

fn answer(instance: &Instance, accepted: &AcceptedOrder, refusal: Option<CallError>) -> Result<Answer, Problem> {
    let id = &instance.id;
    let reason = instance.reason.clone().unwrap_or_default();
    match instance.state {
        SagaState::Completed => Ok(Answer {
            status: StatusCode::CREATED.as_u16(),
            body: json!({
                "order_id": id,
                "status": "confirmed",
                "status_url": format!("/api/v1/orders/{id}"),
                "currency": accepted.currency,
                "total_minor": accepted.total_minor(),
            }),
        }),
        SagaState::Compensated => Err(match refusal {
            Some(CallError::Refused { status, problem }) => Problem { status, ..problem },
            _ => Problem::unavailable(format!("order {id} was cancelled: {reason}; try again")),
        }),
        _ => {
            let title = "the order failed, and not all of it could be undone";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not_undone", title)
                .detail(format!("order {id}: {reason}; a person has to look at it")))
        }
    }
}

impl From<LocalError> for Problem {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::Refused(refusal) => refusal.into(),
            LocalError::Append(error) => Self::unavailable(error.to_string()),
            LocalError::Database(error) => error.into(),
        }
    }
}
