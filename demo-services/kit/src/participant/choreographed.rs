//! Without an orchestrator: a service hears an event, does its step, and tells the next event.

use std::time::Duration;

use crate::clock::unix_nanos_now;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use sagascope_conventions::{Coordination, OrderFlow, WaitingFor, attributes};
use sagascope_instrument::{Event, SagaEvents, SagaStep};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asked, Part, Participant, carried_out};
use crate::broker::Message;
use crate::choreography::{self, Reaction};
use crate::consumer::{Handle, UntilDone};
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::idempotency::Answer;
use crate::order_commands::{Command, Ordered};
use crate::profile::Profile;
use crate::telemetry::{Span, SpanKind, span_in};
use crate::{inbox, outbox};

/// What an event tells: the order, so that nobody has to ask back, and what happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// The order.
    pub order: Ordered,
    /// Why it turned back, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the step gave.
    #[serde(default)]
    pub output: Value,
}

/// Reacts to the events of choreographed orders.
#[derive(Debug)]
pub struct Reacts<P> {
    service: &'static str,
    group: &'static str,
    part: Part<P>,
    /// Attempts of a step before the order turns back.
    attempts: u32,
    deadline: Duration,
}

impl<P> Reacts<P> {
    /// The part of `service`, which remembers messages under the name of `group`; attempts and deadlines are those of the
    /// profile.
    pub const fn new(service: &'static str, group: &'static str, part: Part<P>, profile: &Profile) -> Self {
        Self {
            service,
            group,
            part,
            attempts: profile.retry.attempts,
            deadline: profile.step_deadline,
        }
    }
}

/// One delivery of an event that concerns this service.
struct Turn {
    reaction: Reaction,
    story: Story,
    message: Message,
    context: Context,
}

impl<P: Participant> Handle for Reacts<P> {
    async fn handle(&self, db: &Database, message: Message, context: Context) -> anyhow::Result<()> {
        let Some(reaction) = choreography::reaction(self.service, &message.event_type) else {
            return Ok(());
        };
        // What cannot be read now cannot be read later either: it is given up for a person.
        let story: Story = serde_json::from_value(message.payload.clone())?;
        let taken = self.take(db, reaction, story, message, context).await;
        taken.map_err(|error| again(reaction, error))
    }
}

impl<P: Participant> Reacts<P> {
    async fn take(
        &self,
        db: &Database,
        reaction: Reaction,
        story: Story,
        message: Message,
        context: Context,
    ) -> anyhow::Result<()> {
        let span = if reaction.is_step {
            let undone = undone_span(db, reaction.command, &story.order.order_id).await?;
            Some(step_span(reaction.command, &story, &message, &context, undone))
        } else {
            None
        };
        let context = span.as_ref().map_or(context, |span| span.context().clone());
        let turn = Turn {
            reaction,
            story,
            message,
            context,
        };
        if !self.begin(db, &turn).await? {
            return Ok(());
        }
        let acted = match &span {
            Some(span) => span.run(self.act(db, &turn)).await,
            None => self.act(db, &turn).await,
        };
        match acted {
            Ok(()) => Ok(()),
            Err(error) => {
                if let Some(span) = &span {
                    span.fail("failed", format!("{error:#}"));
                }
                self.failed(db, turn, error).await
            }
        }
    }

    /// Tells that an attempt begins; false when its effects stand already.
    async fn begin(&self, db: &Database, turn: &Turn) -> anyhow::Result<bool> {
        let (group, deadline) = (self.group, self.deadline);
        let (reaction, attempt) = (turn.reaction, turn.message.attempts);
        let (id, order_id) = (turn.message.id.clone(), turn.story.order.order_id.clone());
        let context = turn.context.clone();
        db.write(move |tx| {
            if inbox::is_known(tx, group, &id)? {
                return Ok(false);
            }
            if reaction.is_step {
                let now = unix_nanos_now();
                let until = now.saturating_add(u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX));
                let step = step(reaction.command, attempt);
                if !reaction.command.is_undo() {
                    choreography::keep_span(tx, &order_id, step.name, &context)?;
                }
                choreography::tell(tx, &order_id, &context, |events| {
                    vec![if reaction.command.is_undo() {
                        events.compensation_started(now, step, until)
                    } else {
                        events.step_started(now, step, until)
                    }]
                })?;
            }
            Ok(true)
        })
        .await
    }

    async fn act(&self, db: &Database, turn: &Turn) -> anyhow::Result<()> {
        let command = turn.reaction.command;
        let body = command.body(&turn.story.order);
        let found = self.part.ask(command, &body).await?;
        let asked = Asked {
            key: Some(format!("{}/{}", turn.story.order.order_id, command.as_str())),
            body,
        };
        let group = self.group;
        let (message, context) = (turn.message.clone(), turn.context.clone());
        let (reaction, story) = (turn.reaction, turn.story.clone());
        db.write(move |tx| {
            if !inbox::first_time(tx, group, &message.id)? {
                return Ok(());
            }
            let answer = carried_out::<P>(tx, command, asked, found, &message, &context)?;
            if must_be_done(reaction) && answer.status >= 400 {
                let (word, reason) = refusal(&answer);
                anyhow::bail!("refused ({word}): {reason}");
            }
            if reaction.is_step {
                end(tx, command, message.attempts, story, answer, &context)?;
            }
            Ok(())
        })
        .await
    }

    /// Another attempt comes with the next delivery. A step out of attempts turns the order back, as it never acted;
    /// an undo goes on until it is done, and each failure of it is told.
    async fn failed(&self, db: &Database, turn: Turn, error: anyhow::Error) -> anyhow::Result<()> {
        let (reason, group) = (format!("{error:#}"), self.group);
        let Turn {
            reaction,
            story,
            message,
            context,
        } = turn;
        let command = reaction.command;
        let gives_up = reaction.is_step && !command.is_undo() && message.attempts >= self.attempts;
        let work = move |tx: &Tx<'_>| {
            if !reaction.is_step {
                return Ok(());
            }
            if gives_up {
                if inbox::first_time(tx, group, &message.id)? {
                    let problem = crate::problem::Problem::unavailable(reason);
                    end(tx, command, message.attempts, story, problem.into(), &context)?;
                }
                return Ok(());
            }
            let step = step(command, message.attempts);
            choreography::tell(tx, &story.order.order_id, &context, |events| {
                tell_failure(events, command, step, &reason)
            })?;
            anyhow::Ok(())
        };
        db.write(work).await?;
        if gives_up { Ok(()) } else { Err(error) }
    }
}

/// Nobody turns back for it: an undo, and what follows from the end of an order.
const fn must_be_done(reaction: Reaction) -> bool {
    reaction.command.is_undo() || !reaction.is_step
}

/// How a failed attempt comes again: nobody else puts right what an undo leaves.
fn again(reaction: Reaction, error: anyhow::Error) -> anyhow::Error {
    if must_be_done(reaction) {
        error.context(UntilDone)
    } else {
        error
    }
}

/// Tells how the step ended, and the event that goes with it.
fn end(
    tx: &Tx<'_>,
    command: Command,
    attempt: u32,
    story: Story,
    answer: Answer,
    context: &Context,
) -> anyhow::Result<()> {
    let (now, step) = (unix_nanos_now(), step(command, attempt));
    let refusal = (answer.status >= 400).then(|| refusal(&answer));
    choreography::tell(tx, &story.order.order_id, context, |events| {
        vec![match (&refusal, command.is_undo()) {
            (None, false) => events.step_succeeded(now, step),
            (None, true) => events.compensation_succeeded(now, step),
            (Some((word, reason)), false) => events.step_failed(now, step, word, reason),
            (Some((word, reason)), true) => events.compensation_failed(now, step, word, reason),
        }]
    })?;
    let told = Story {
        reason: refusal.map(|(_, reason)| reason).or(story.reason),
        order: story.order,
        output: answer.body,
    };
    let word = command.answered(answer.status);
    outbox::enqueue(tx, choreography::TOPIC, &told.order.order_id, word, &told, context)?;
    Ok(())
}

fn tell_failure(events: &mut SagaEvents, command: Command, step: SagaStep<'_>, reason: &str) -> Vec<Event> {
    let now = unix_nanos_now();
    if command.is_undo() {
        return vec![events.compensation_failed(now, step, "unavailable", reason)];
    }
    // The broker's longest wait before it delivers again.
    let next = now.saturating_add(2_000_000_000);
    vec![
        events.step_failed(now, step, "unavailable", reason),
        events.step_retrying(now, step, next, (WaitingFor::Message, step.name), reason),
    ]
}

/// Its stable word and a sentence.
fn refusal(answer: &Answer) -> (String, String) {
    let text = |field: &str| answer.body[field].as_str().unwrap_or_default().to_owned();
    let reason = match text("detail") {
        detail if detail.is_empty() => text("title"),
        detail => format!("{}: {detail}", text("title")),
    };
    (text("code"), reason)
}

fn step(command: Command, attempt: u32) -> SagaStep<'static> {
    let (name, index) = command.step();
    SagaStep { name, index, attempt }
}

/// The span of the step that `command` undoes, when it undoes one that was begun here.
async fn undone_span(db: &Database, command: Command, order_id: &str) -> Result<Option<SpanContext>, DatabaseError> {
    if !command.is_undo() {
        return Ok(None);
    }
    let (order_id, (step, _)) = (order_id.to_owned(), command.step());
    db.read(move |conn| choreography::kept_span(conn, &order_id, step))
        .await
}

fn step_span(
    command: Command,
    story: &Story,
    message: &Message,
    context: &Context,
    undone: Option<SpanContext>,
) -> Span {
    let (name, index) = command.step();
    let word = if command.is_undo() { "compensate" } else { "step" };
    let attributes = vec![
        KeyValue::new(attributes::SAGA_NAME, OrderFlow::Choreographed.saga_name()),
        KeyValue::new(attributes::SAGA_ID, story.order.order_id.clone()),
        KeyValue::new(attributes::SAGA_COORDINATION, Coordination::Choreography.as_str()),
        KeyValue::new(attributes::SAGA_STEP_NAME, name),
        KeyValue::new(attributes::SAGA_STEP_INDEX, i64::from(index)),
        KeyValue::new(attributes::SAGA_STEP_ATTEMPT, i64::from(message.attempts)),
    ];
    span_in(
        context,
        undone.as_slice(),
        format!("saga.{word} {name}"),
        SpanKind::Internal,
        attributes,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_turns_back_for_is_tried_until_it_is_done_and_nothing_else_is() {
        for command in Command::ALL {
            for is_step in [true, false] {
                let error = again(Reaction { command, is_step }, anyhow::anyhow!("the bank is closed"));
                assert_eq!(error.is::<UntilDone>(), command.is_undo() || !is_step, "{command:?}");
                assert!(format!("{error:#}").contains("the bank is closed"));
            }
        }
    }
}
