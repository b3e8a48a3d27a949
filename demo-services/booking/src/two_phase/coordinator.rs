//! Brings every transaction to its end: writes, then speaks, and never the other way round.

use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::{Coordination, SagaState, attributes};
use shop_kit::caller::CallError;
use shop_kit::clock::unix_nanos_now;
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::profile::Profile;
use shop_kit::saga::Event;
use shop_kit::simulated;
use shop_kit::telemetry::{KeyValue, Span, SpanKind, span_in};
use shop_kit::two_phase::Decision;
use tokio::task::JoinSet;

use super::log::{self, Loaded};
use super::talk;
use super::transaction::{DECIDE, NAME, Next, Transaction, step_of};
use crate::remote::{Peer, Remote};

/// Transactions under way at once; more wait in the log.
const AT_ONCE: usize = 256;
/// Transactions loaded at once.
const LOADED: u32 = 64;
/// Looks again after this time even if nothing told of a new one.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// First and longest wait before whoever does not answer is told again, and after the database failed.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The task that runs all transactions; dropping it stops the task, and the next start recovers what it left.
#[derive(Debug)]
pub(crate) struct Coordinator {
    _tasks: JoinSet<()>,
}

impl Coordinator {
    /// Recovers what a process before this one left, and runs what begins from now on.
    pub(crate) fn start<R: Remote>(db: Database, remote: Arc<R>, profile: &Profile) -> Self {
        let shared = Arc::new(Shared {
            faults: db.faults().clone(),
            db,
            remote,
            step_deadline: profile.step_deadline,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(simulated::carry(run(shared)));
        Self { _tasks: tasks }
    }
}

struct Shared<R> {
    db: Database,
    faults: Switchboard,
    remote: Arc<R>,
    step_deadline: Duration,
}

async fn run<R: Remote>(shared: Arc<Shared<R>>) {
    let mut begun = shared.db.inserts("transactions");
    let mut lives = JoinSet::new();
    let (mut after, mut wait) = (0, BACKOFF.0);
    loop {
        while lives.try_join_next().is_some() || (lives.len() >= AT_ONCE && lives.join_next().await.is_some()) {}
        begun.mark_unchanged();
        let found = shared.db.read(move |conn| log::unfinished(conn, after, LOADED)).await;
        match found {
            Ok(found) if found.is_empty() => {
                // Only the time limit can end this wait early: the sender lives in the database held here.
                let _ = tokio::time::timeout(LOOK_AGAIN, begun.changed()).await;
            }
            Ok(found) => {
                wait = BACKOFF.0;
                for loaded in found {
                    after = loaded.number;
                    lives.spawn(simulated::carry(Life::new(shared.clone(), loaded).live()));
                }
            }
            Err(error) => {
                tracing::error!(%error, "transactions cannot be loaded");
                back_off(&mut wait).await;
            }
        }
    }
}

async fn back_off(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(BACKOFF.1);
}

/// One transaction on its way.
struct Life<R> {
    shared: Arc<Shared<R>>,
    transaction: Transaction,
    /// As last written.
    kept: Transaction,
    span: Span,
}

/// The transaction was changed by another coordinator since it was read.
struct TakenOver;

impl<R: Remote> Life<R> {
    fn new(shared: Arc<Shared<R>>, loaded: Loaded) -> Self {
        let Loaded {
            transaction, headers, ..
        } = loaded;
        let attributes = attributes_of(&transaction);
        let parent = Context::from_headers(&headers);
        Self {
            kept: transaction.clone(),
            shared,
            span: span_in(&parent, &[], format!("saga {NAME}"), SpanKind::Internal, attributes),
            transaction,
        }
    }

    async fn live(mut self) {
        if let Err(TakenOver) = self.go_on().await {
            return tracing::warn!(id = self.transaction.id, "changed by another coordinator; left to it");
        }
        let state = self.transaction.state;
        self.span.set(KeyValue::new(attributes::SAGA_STATE, state.as_str()));
        if state != SagaState::Completed {
            let reason = self.transaction.reason.clone().unwrap_or_default();
            self.span.fail(state.as_str(), reason);
        }
    }

    async fn go_on(&mut self) -> Result<(), TakenOver> {
        let told = self.transaction.recover(unix_nanos_now());
        self.save(told).await?;
        loop {
            match self.transaction.next() {
                Next::Ask(peer) => self.ask(peer).await?,
                Next::Decide => self.decide().await?,
                Next::Tell(peer, decision) => self.tell(peer, decision).await?,
                Next::Nothing => return Ok(()),
            }
        }
    }

    async fn ask(&mut self, peer: Peer) -> Result<(), TakenOver> {
        let told = self.transaction.asking(peer, unix_nanos_now(), self.deadline());
        self.save(told).await?;
        let span = self.step_span(Next::Ask(peer));
        let answer = span.run(talk::ask(&*self.shared.remote, &self.transaction, peer)).await;
        let told = self.transaction.voted(peer, answer, unix_nanos_now());
        self.save(told).await
    }

    async fn decide(&mut self) -> Result<(), TakenOver> {
        let told = self.transaction.deciding(unix_nanos_now(), self.deadline());
        self.save(told).await?;
        // Here everybody has voted and nobody knows the outcome: whoever voted yes waits for the next line.
        // An abort that the votes have settled is no step of its own.
        let step = self.transaction.reason.is_none().then(|| self.step_span(Next::Decide));
        let span = step.as_ref().unwrap_or(&self.span);
        span.run(self.shared.faults.point(DECIDE)).await;
        drop(step);
        let told = self.transaction.decide(unix_nanos_now());
        self.save(told).await
    }

    /// Until it has answered: there is no other way out of a decision.
    async fn tell(&mut self, peer: Peer, decision: Decision) -> Result<(), TakenOver> {
        let mut wait = BACKOFF.0;
        loop {
            let told = self.transaction.telling(peer, unix_nanos_now(), self.deadline());
            self.save(told).await?;
            let span = self.step_span(Next::Tell(peer, decision));
            let answer = span
                .run(talk::tell(&*self.shared.remote, &self.transaction, peer, decision))
                .await;
            let (now, due) = (unix_nanos_now(), unix_nanos_now().saturating_add(nanos(wait)));
            let (told, over) = match answer {
                Ok(()) => (self.transaction.told(peer, now), true),
                Err(error) => {
                    let (word, reason) = (error.error_type().to_owned(), error.reason());
                    span.fail(word.clone(), reason.clone());
                    match error {
                        CallError::Refused { .. } => (self.transaction.broken(peer, &word, &reason, now), true),
                        _ => (self.transaction.not_told(peer, &word, &reason, now, due), false),
                    }
                }
            };
            self.save(told).await?;
            if over {
                return Ok(());
            }
            back_off(&mut wait).await;
        }
    }

    fn deadline(&self) -> u64 {
        unix_nanos_now().saturating_add(nanos(self.shared.step_deadline))
    }

    fn step_span(&self, next: Next) -> Span {
        let step = step_of(next).unwrap_or("end");
        let mut attributes = attributes_of(&self.transaction);
        attributes.push(KeyValue::new(attributes::SAGA_STEP_NAME, step));
        let name = format!("saga.step {step}");
        span_in(self.span.context(), &[], name, SpanKind::Internal, attributes)
    }

    /// Writes until it succeeds: speaking of what is not written would break every promise.
    async fn save(&mut self, told: Vec<Event>) -> Result<(), TakenOver> {
        if self.transaction == self.kept {
            return Ok(());
        }
        let mut wait = BACKOFF.0;
        loop {
            let (transaction, told, expected) = (self.transaction.clone(), told.clone(), self.kept.sequence);
            let context = self.span.context().clone();
            let saved = self
                .shared
                .db
                .write(move |tx| log::save(tx, &transaction, expected, told, &context));
            match saved.await {
                Ok(true) => break self.kept = self.transaction.clone(),
                Ok(false) => return Err(TakenOver),
                Err(error) => {
                    tracing::error!(id = self.transaction.id, %error, "the log cannot be written");
                    back_off(&mut wait).await;
                }
            }
        }
        Ok(())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn attributes_of(transaction: &Transaction) -> Vec<KeyValue> {
    vec![
        KeyValue::new(attributes::SAGA_NAME, NAME),
        KeyValue::new(attributes::SAGA_ID, transaction.id.clone()),
        KeyValue::new(attributes::SAGA_COORDINATION, Coordination::Orchestration.as_str()),
    ]
}
