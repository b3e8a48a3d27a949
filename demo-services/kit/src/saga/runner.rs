//! Brings every unfinished instance to its end: loads, persists, acts, persists.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use opentelemetry::KeyValue;
use rusqlite::Connection;
use sagascope_conventions::{Coordination, SagaState, attributes};
use sagascope_instrument::Event;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::machine::{Direction, Instance, Next, StepFailure, StepResult};
use super::operate;
use super::store::{self, Loaded};
use super::{Policy, SagaDefinition, StepContext};
use crate::clock::unix_nanos_now;
use crate::context::{Context, kept_span};
use crate::database::{Database, DatabaseError};
use crate::random;
use crate::telemetry::{LongSpan, Span, SpanKind, span_in};
use crate::{simulated, state_events};

/// Instances held in memory; more wait in the database.
const IN_MEMORY: usize = 2_000;
/// Instances loaded at once.
const LOADED: usize = 64;
/// Attempts of one step under way at once, as many as the bulkhead in front of a critical callee lets through: one more
/// would only be refused there. An attempt that waits for its retry does not count.
const ATTEMPTS_OF_STEP: usize = 20;
/// Steps that have turns of their own; further ones share with these.
const STEPS_APART: usize = 8;
/// An instance that somebody else changed is read again after this.
const TAKE_UP_AGAIN: Duration = Duration::from_millis(250);
/// Looks again after this time even if nothing told of a new instance.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// First and longest wait after the database failed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The task that runs one saga type; dropping it stops the task, and the next start resumes where it stood.
#[derive(Debug)]
pub struct SagaRunner {
    tasks: JoinSet<()>,
}

impl SagaRunner {
    /// Resumes what is unfinished and runs what is started from now on.
    #[must_use]
    pub fn start<D: SagaDefinition>(db: Database, definition: Arc<D>, policy: Policy) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(simulated::carry(run(db, definition, policy)));
        Self { tasks }
    }

    /// Resolves when the task has ended, which it does by panicking only.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }
}

struct Shared<D> {
    db: Database,
    definition: Arc<D>,
    policy: Policy,
    /// Turns, by the place of the step.
    attempts: [Semaphore; STEPS_APART],
}

async fn run<D: SagaDefinition>(db: Database, definition: Arc<D>, policy: Policy) {
    let (mut started, mut operated) = (db.inserts("sagas"), db.inserts(operate::TABLE));
    let shared = Arc::new(Shared {
        db,
        definition,
        policy,
        attempts: std::array::from_fn(|_| Semaphore::new(ATTEMPTS_OF_STEP)),
    });
    let mut lives = JoinSet::new();
    let (mut seen, mut wait) = (Seen::default(), BACKOFF.0);
    loop {
        while lives.try_join_next().is_some() || (lives.len() >= IN_MEMORY && lives.join_next().await.is_some()) {}
        started.mark_unchanged();
        operated.mark_unchanged();
        let found = shared.db.read(move |conn| seen.look(conn, D::NAME)).await;
        match found {
            Ok((found, now_seen)) if found.is_empty() => {
                seen = now_seen;
                // The senders live in the database held here.
                tokio::select! {
                    _ = started.changed() => {}
                    _ = operated.changed() => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
            }
            Ok((found, now_seen)) => {
                (seen, wait) = (now_seen, BACKOFF.0);
                for loaded in found {
                    lives.spawn(simulated::carry(Life::new(shared.clone(), loaded).live()));
                }
            }
            Err(error) => {
                tracing::error!(saga = D::NAME, %error, "unfinished sagas cannot be loaded");
                back_off(&mut wait).await;
            }
        }
    }
}

/// What the runner has taken up.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Number of the last instance.
    instance: u64,
    /// Number of the last operation of a person; none before the first look.
    operation: Option<u64>,
}

impl Seen {
    /// Instances to take up: those behind the last one, and those before it that a person has revived.
    fn look(mut self, conn: &Connection, name: &str) -> Result<(Vec<Loaded>, Self), DatabaseError> {
        // One picture of both tables: an instance is in one of the two lists, and never in both.
        let conn = conn.unchecked_transaction()?;
        let mut found = Vec::new();
        if let Some(operation) = self.operation {
            for number in operate::revived(&conn, name, operation)? {
                if number <= self.instance {
                    found.extend(store::unfinished_one(&conn, number)?);
                }
            }
        }
        self.operation = Some(operate::newest(&conn)?);
        let new = store::unfinished(&conn, name, self.instance, LOADED)?;
        self.instance = new.last().map_or(self.instance, |last| last.number);
        found.extend(new);
        Ok((found, self))
    }
}

async fn back_off(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(BACKOFF.1);
}

/// One instance on its way.
struct Life<D> {
    shared: Arc<Shared<D>>,
    instance: Instance,
    /// Sequence as last persisted.
    saved: u64,
    span: LongSpan,
    /// Unix nanoseconds.
    started_at: u64,
}

/// The instance was changed by somebody else since it was read.
struct TakenOver;

impl<D: SagaDefinition> Life<D> {
    fn new(shared: Arc<Shared<D>>, loaded: Loaded) -> Self {
        let Loaded {
            instance,
            headers,
            started_at,
            ..
        } = loaded;
        let identity = format!("{}/{}", instance.name, instance.id);
        Self {
            saved: instance.sequence,
            shared,
            instance,
            span: LongSpan::new(&Context::from_headers(&headers), &identity),
            started_at,
        }
    }

    async fn live(mut self) {
        while let Err(TakenOver) = self.go_on().await {
            tracing::warn!(
                saga = D::NAME,
                id = self.instance.id,
                "changed by another runner; taken up again"
            );
            if !self.take_up_again().await {
                return;
            }
        }
        self.tell_span();
    }

    /// By whoever brought it to its end, however many went before.
    fn tell_span(&self) {
        let (name, state) = (format!("saga {}", D::NAME), self.instance.state);
        let mut attributes = saga_attributes(&self.instance);
        attributes.push(KeyValue::new(attributes::SAGA_STATE, state.as_str()));
        let span = self.span.tell(name, SpanKind::Internal, attributes, self.started_at);
        if state != SagaState::Completed {
            span.fail(state.as_str(), self.instance.reason.clone().unwrap_or_default());
        }
    }

    /// Reads the instance as it stands now; false when another runner has ended it. That one may be the remains of a
    /// runner before this, whose last write came late: then nobody else goes on with the instance.
    async fn take_up_again(&mut self) -> bool {
        loop {
            tokio::time::sleep(TAKE_UP_AGAIN).await;
            let id = self.instance.id.clone();
            match self.shared.db.read(move |conn| store::find(conn, D::NAME, &id)).await {
                Ok(Some(instance)) => {
                    self.saved = instance.sequence;
                    self.instance = instance;
                    return !self.instance.state.is_final();
                }
                Ok(None) => return false,
                Err(error) => tracing::error!(saga = D::NAME, %error, "cannot be read again"),
            }
        }
    }

    async fn go_on(&mut self) -> Result<(), TakenOver> {
        let mut told = Vec::new();
        while let Next::Go { direction, index, due } = self.instance.next() {
            let wait = Duration::from_nanos(due.saturating_sub(unix_nanos_now()));
            if !wait.is_zero() {
                self.save(std::mem::take(&mut told)).await?;
                self.wait(wait).await?;
            }
            told = self.attempt(direction, index, told).await?;
        }
        self.save(told).await
    }

    /// Waits for the next attempt, or until a person has changed the instance.
    async fn wait(&self, wait: Duration) -> Result<(), TakenOver> {
        let mut operated = self.shared.db.inserts(operate::TABLE);
        let due = tokio::time::Instant::now() + wait;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(due) => return Ok(()),
                _ = operated.changed() => {}
            }
            let id = self.instance.id.clone();
            let stands = self
                .shared
                .db
                .read(move |conn| store::sequence(conn, D::NAME, &id))
                .await;
            // Should the database fail, the next write tells.
            if stands.is_ok_and(|stands| stands.is_some_and(|stands| stands != self.saved)) {
                return Err(TakenOver);
            }
        }
    }

    /// Makes one attempt; what came before it is saved together with its beginning. Answers what is to be saved next.
    async fn attempt(
        &mut self,
        direction: Direction,
        index: usize,
        mut told: Vec<Event>,
    ) -> Result<Vec<Event>, TakenOver> {
        let shared = self.shared.clone();
        // Never closed, so this waits for a turn and nothing else.
        let _turn = shared.attempts[index % STEPS_APART].acquire().await;
        let begun = self.instance.begin(unix_nanos_now());
        let span = self.step_span(direction, index);
        told.extend(state_events::tied(begun, span.context()));
        self.save(told).await?;
        let outcome = span.run(self.act(direction, index)).await;
        if let Err(failure) = &outcome {
            span.fail(failure.error_type.clone(), failure.reason.clone());
        }
        let finished = self
            .instance
            .finish(outcome, unix_nanos_now(), &self.shared.policy, random::f64());
        Ok(state_events::tied(finished, span.context()))
    }

    async fn act(&self, direction: Direction, index: usize) -> StepResult {
        let (step, data) = (&self.instance.steps[index], &self.instance.data);
        let progress = self.instance.progress(direction, index);
        let context = StepContext {
            saga_id: self.instance.id.clone(),
            attempt: progress.attempt,
            idempotency_key: idempotency_key(&self.instance.id, &step.name, direction),
        };
        let left = Duration::from_nanos(progress.deadline.saturating_sub(unix_nanos_now()));
        let definition = &self.shared.definition;
        let acting = async {
            match direction {
                Direction::Forward => definition.execute(&step.name, data, context).await,
                Direction::Back => definition.compensate(&step.name, data, context).await,
            }
        };
        match tokio::time::timeout(left, AssertUnwindSafe(acting).catch_unwind()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StepFailure::lost("panic", "the step panicked")),
            Err(_) => Err(StepFailure::lost(
                "deadline",
                format!("no answer within {} ms", step.deadline_ms),
            )),
        }
    }

    /// Persists until it succeeds: acting on what is not persisted would break the promise to resume.
    async fn save(&mut self, told: Vec<Event>) -> Result<(), TakenOver> {
        if told.is_empty() {
            return Ok(());
        }
        let mut wait = BACKOFF.0;
        loop {
            let (instance, told, expected) = (self.instance.clone(), told.clone(), self.saved);
            let (definition, context) = (self.shared.definition.clone(), self.span.context().clone());
            let saved = self.shared.db.write(move |tx| {
                let saved = store::save(tx, &instance, expected, told)?;
                if saved && instance.state.is_final() {
                    definition.finished(tx, &instance, &context)?;
                }
                anyhow::Ok(saved)
            });
            match saved.await {
                Ok(true) => break self.saved = self.instance.sequence,
                Ok(false) => return Err(TakenOver),
                Err(error) => {
                    tracing::error!(saga = D::NAME, id = self.instance.id, %error, "cannot be persisted");
                    back_off(&mut wait).await;
                }
            }
        }
        Ok(())
    }

    fn step_span(&mut self, direction: Direction, index: usize) -> Span {
        let step = &self.instance.steps[index];
        let mut attributes = saga_attributes(&self.instance);
        attributes.extend([
            KeyValue::new(attributes::SAGA_STEP_NAME, step.name.clone()),
            KeyValue::new(attributes::SAGA_STEP_INDEX, index as i64),
            KeyValue::new(
                attributes::SAGA_STEP_ATTEMPT,
                i64::from(self.instance.progress(direction, index).attempt),
            ),
        ]);
        let (word, links): (_, Vec<_>) = match direction {
            Direction::Forward => ("step", Vec::new()),
            Direction::Back => ("compensate", step.span.as_deref().map(kept_span).into_iter().collect()),
        };
        let name = format!("saga.{word} {}", step.name);
        let span = span_in(self.span.context(), &links, name, SpanKind::Internal, attributes);
        if direction == Direction::Forward {
            self.instance.steps[index].span = span.context().traceparent();
        }
        span
    }
}

fn saga_attributes(instance: &Instance) -> Vec<KeyValue> {
    vec![
        KeyValue::new(attributes::SAGA_NAME, instance.name.clone()),
        KeyValue::new(attributes::SAGA_ID, instance.id.clone()),
        KeyValue::new(attributes::SAGA_COORDINATION, Coordination::Orchestration.as_str()),
    ]
}

fn idempotency_key(saga: &str, step: &str, direction: Direction) -> String {
    match direction {
        Direction::Forward => format!("{saga}/{step}"),
        Direction::Back => format!("{saga}/{step}/undo"),
    }
}
