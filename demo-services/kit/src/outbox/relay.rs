//! Publishes what the outbox holds, in order, as soon as it is committed.

use std::time::Duration;

use opentelemetry::KeyValue;
use sagascope_conventions::{FaultKind, attributes};
use sagascope_instrument::metrics::OutboxMetrics;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::table;
use crate::broker::{Broker, BrokerError, NewMessage};
use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::Database;
use crate::pace::Pace;
use crate::simulated;
use crate::telemetry::{self, Span, SpanKind, span_in};

/// Messages published at once.
const BATCH: usize = 64;
/// Tells its metrics, and looks again, at least this often.
const PULSE: Duration = Duration::from_secs(1);
/// A request and two transactions for each message alone would cost a busy service more than its work: after so many
/// publications at once, those that follow closely go together.
const PACE: Pace = Pace::new(Duration::from_millis(20), 8);
/// First and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The task that publishes; dropping it stops the task, and nothing is lost.
#[derive(Debug)]
pub struct OutboxRelay {
    _tasks: JoinSet<()>,
}

impl OutboxRelay {
    /// Publishes the outbox of `db`, told under `name`, to `broker`.
    #[must_use]
    pub fn start(name: &str, db: Database, broker: impl Broker) -> Self {
        let metrics = OutboxMetrics::new(&telemetry::meter(), name);
        let mut tasks = JoinSet::new();
        tasks.spawn(simulated::carry(run(db, broker, metrics)));
        Self { _tasks: tasks }
    }
}

async fn run(db: Database, broker: impl Broker, metrics: OutboxMetrics) {
    let mut enqueued = db.inserts("outbox");
    let mut wait = BACKOFF.0;
    let mut told: Option<Instant> = None;
    let mut pace = PACE;
    loop {
        enqueued.mark_unchanged();
        if told.is_none_or(|told| told.elapsed() >= PULSE) {
            tell(&db, &metrics).await;
            told = Some(Instant::now());
        }
        if db.faults().active(FaultKind::StoppedOutboxRelay).is_some() {
            tokio::time::sleep(PULSE / 4).await;
            continue;
        }
        tokio::time::sleep(pace.wait(Instant::now())).await;
        match relay_batch(&db, &broker).await {
            // Only the time limit can end this wait early: the sender lives in the database held here.
            Ok(0) => drop(tokio::time::timeout(PULSE, enqueued.changed()).await),
            Ok(published) => {
                metrics.published(published);
                wait = BACKOFF.0;
                if published < BATCH as u64 {
                    pace.passed(Instant::now());
                }
            }
            Err(error) => {
                metrics.failed(1);
                tracing::warn!(%error, "outbox could not be relayed");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
            }
        }
    }
}

async fn tell(db: &Database, metrics: &OutboxMetrics) {
    if let Ok((pending, oldest)) = db.read(table::waiting).await {
        let age = oldest.map_or(0, |oldest| unix_nanos_now().saturating_sub(oldest));
        metrics.waiting(pending, Duration::from_nanos(age).as_secs_f64());
    }
}

/// Publishes the oldest rows, then marks them. Killed in between, it publishes them again; the broker knows their ids.
///
/// When the broker refuses the batch, the rows go one by one, and the one that it will never take is set aside.
pub(super) async fn relay_batch(db: &Database, broker: &impl Broker) -> anyhow::Result<u64> {
    match relay_oldest(db, broker, BATCH).await {
        Err(error) if is_refusal(&error) => {}
        relayed => return relayed,
    }
    match relay_oldest(db, broker, 1).await {
        Err(error) if is_refusal(&error) => {
            db.write(move |tx| table::set_aside_oldest(tx, &error.to_string()))
                .await?;
            Ok(0)
        }
        relayed => relayed,
    }
}

async fn relay_oldest(db: &Database, broker: &impl Broker, limit: usize) -> anyhow::Result<u64> {
    let pending = db.read(move |conn| table::pending(conn, limit)).await?;
    let count = pending.messages.len() as u64;
    if count == 0 {
        return Ok(0);
    }
    let (messages, spans): (Vec<_>, Vec<_>) = pending.messages.into_iter().map(in_send_span).unzip();
    if let Err(error) = broker.publish(messages).await {
        for span in &spans {
            span.fail("broker", error.to_string());
        }
        return Err(error.into());
    }
    db.write(move |tx| table::mark_published(tx, pending.last)).await?;
    Ok(count)
}

fn is_refusal(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(BrokerError::Refused(_)))
}

/// The message, carrying on the trace of what caused it through a span that tells of the sending.
fn in_send_span(mut message: NewMessage) -> (NewMessage, Span) {
    let attributes = vec![
        KeyValue::new(attributes::MESSAGING_SYSTEM, "shop-broker"),
        KeyValue::new(attributes::MESSAGING_OPERATION_TYPE, "send"),
        KeyValue::new(attributes::MESSAGING_DESTINATION_NAME, message.topic.clone()),
        KeyValue::new(attributes::MESSAGING_MESSAGE_ID, message.id.clone()),
    ];
    let parent = Context::from_headers(&message.headers);
    let span = span_in(
        &parent,
        &[],
        format!("send {}", message.topic),
        SpanKind::Producer,
        attributes,
    );
    message.headers.extend(span.context().to_headers());
    (message, span)
}
