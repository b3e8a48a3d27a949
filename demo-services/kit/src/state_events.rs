//! State events as rows of the business transaction, and the relay that sends them: a killed process loses none.

use std::future::Future;
use std::time::Duration;

use rusqlite::{Connection, params};
pub use sagascope_instrument::event::Value;
use sagascope_instrument::metrics::LossMetrics;
pub use sagascope_instrument::{Event, SagaEvents, SagaStep};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::exporter::Exporter;
use crate::sql::{json, signed, unsigned};
use crate::{simulated, telemetry};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS state_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL
) STRICT;
";

/// Most events of one request.
const BATCH: usize = 256;
/// Events that wait for a collector that is away; the oldest beyond that are let go.
const MOST_WAITING: u64 = 200_000;
/// Rows let go in one transaction.
const AT_ONCE: u64 = 500;
/// First and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Longest wait for company, once something was recorded or sent.
const LINGER: Duration = Duration::from_millis(20);
/// Looks again after this time even if nothing told of new rows.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Records an event in the transaction that makes it true, tied to the span of `context` unless it is tied already.
///
/// # Errors
/// When the database fails.
pub fn record(tx: &Tx<'_>, event: Event, context: &Context) -> Result<(), DatabaseError> {
    let event = tie(event, context);
    let mut insert = tx.prepare_cached("INSERT INTO state_events (event) VALUES (?)")?;
    insert.execute([serde_json::to_string(&event)?])?;
    Ok(())
}

/// Records several, in order.
///
/// # Errors
/// When the database fails.
pub fn record_all(tx: &Tx<'_>, events: Vec<Event>, context: &Context) -> Result<(), DatabaseError> {
    events.into_iter().try_for_each(|event| record(tx, event, context))
}

/// Ties events to the span of `context`.
pub(crate) fn tied(events: Vec<Event>, context: &Context) -> Vec<Event> {
    events.into_iter().map(|event| tie(event, context)).collect()
}

fn tie(event: Event, context: &Context) -> Event {
    match context.span_ids() {
        Some((trace_id, span_id)) if event.trace_id == [0; 16] => event.in_span(trace_id, span_id),
        _ => event,
    }
}

/// Where the relay sends to.
trait Sink: Send + Sync + 'static {
    /// Sends a batch; `Err(true)` when another attempt may go better.
    fn send(&self, events: &[Event]) -> impl Future<Output = Result<(), bool>> + Send;
}

impl Sink for Exporter {
    async fn send(&self, events: &[Event]) -> Result<(), bool> {
        Self::send(self, events).await
    }
}

/// The task that sends what was recorded; dropping it stops the task, and nothing is lost.
#[derive(Debug)]
pub struct StateEventRelay {
    _tasks: JoinSet<()>,
}

impl StateEventRelay {
    /// Sends the recorded events of `db`, at least once and in order.
    #[must_use]
    pub fn start(db: Database, exporter: Exporter) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(simulated::carry(relay(db, exporter)));
        Self { _tasks: tasks }
    }
}

async fn relay(db: Database, sink: impl Sink) {
    let mut recorded = db.inserts("state_events");
    let lost = LossMetrics::new(&telemetry::meter());
    let mut wait = BACKOFF.0;
    loop {
        recorded.mark_unchanged();
        match relay_batch(&db, &sink).await {
            Ok(Relayed::Full) => wait = BACKOFF.0,
            Ok(Relayed::Some) => {
                wait = BACKOFF.0;
                tokio::time::sleep(LINGER).await;
            }
            Ok(Relayed::Nothing) => {
                // Only the time limit can end this wait early: the sender lives in the database held here.
                let _ = tokio::time::timeout(LOOK_AGAIN, recorded.changed()).await;
                tokio::time::sleep(LINGER).await;
            }
            Ok(Relayed::Refused) | Err(_) => {
                tell_lost(let_oldest_go(&db, MOST_WAITING).await, &lost);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
            }
        }
    }
}

/// Keeps the rows that wait within bounds; answers how many went unsent.
async fn let_oldest_go(db: &Database, kept: u64) -> Result<u64, DatabaseError> {
    let mut gone = 0;
    loop {
        let some = db.write(move |tx| {
            let mut delete = tx.prepare_cached(
                "DELETE FROM state_events WHERE number IN (SELECT number FROM state_events
                    WHERE number <= (SELECT max(number) FROM state_events) - ? ORDER BY number LIMIT ?)",
            )?;
            Ok::<_, DatabaseError>(delete.execute([signed(kept), signed(AT_ONCE)])? as u64)
        });
        match some.await? {
            0 => return Ok(gone),
            some => gone += some,
        }
    }
}

fn tell_lost(gone: Result<u64, DatabaseError>, metrics: &LossMetrics) {
    match gone {
        Ok(0) => {}
        Ok(gone) => {
            metrics.lost("state_events", "no_room", gone);
            tracing::warn!(
                gone,
                "the collector is away for long, the oldest state events were let go"
            );
        }
        Err(error) => tracing::warn!(%error, "state events cannot be kept within bounds"),
    }
}

enum Relayed {
    Nothing,
    /// All that there was.
    Some,
    /// As many as fit, and there may be more.
    Full,
    Refused,
}

async fn relay_batch(db: &Database, sink: &impl Sink) -> Result<Relayed, DatabaseError> {
    let (last, events) = db.read(pending).await?;
    if events.is_empty() {
        return Ok(Relayed::Nothing);
    }
    if let Err(true) = sink.send(&events).await {
        return Ok(Relayed::Refused);
    }
    // A batch that will never be taken is dropped like one that was: it must not hold up the rest for ever.
    db.write(move |tx| {
        tx.prepare_cached("DELETE FROM state_events WHERE number <= ?")?
            .execute([signed(last)])?;
        Ok::<_, DatabaseError>(())
    })
    .await?;
    Ok(if events.len() < BATCH {
        Relayed::Some
    } else {
        Relayed::Full
    })
}

fn pending(conn: &Connection) -> Result<(u64, Vec<Event>), DatabaseError> {
    let mut query = conn.prepare_cached("SELECT number, event FROM state_events ORDER BY number LIMIT ?")?;
    let mut rows = query.query(params![signed(BATCH as u64)])?;
    let (mut last, mut events) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        last = unsigned(row, 0)?;
        events.push(json(row, 1)?);
    }
    Ok((last, events))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing;
    use std::sync::{Arc, Mutex};

    /// Keeps what it gets; refuses the first so many batches, after or before it took them.
    #[derive(Clone, Default)]
    struct Collector {
        received: Arc<Mutex<Vec<u64>>>,
        refusals: Arc<Mutex<Vec<Refusal>>>,
    }

    #[derive(Clone, Copy)]
    enum Refusal {
        Away,
        AnswerLost,
        Never,
    }

    impl Sink for Collector {
        async fn send(&self, events: &[Event]) -> Result<(), bool> {
            let refusal = self.refusals.lock().expect("lock").pop();
            if !matches!(refusal, Some(Refusal::Away | Refusal::Never)) {
                self.received
                    .lock()
                    .expect("lock")
                    .extend(events.iter().map(|event| event.at_unix_nanos));
            }
            match refusal {
                None => Ok(()),
                Some(Refusal::Never) => Err(false),
                Some(Refusal::Away | Refusal::AnswerLost) => Err(true),
            }
        }
    }

    async fn record_one(db: &Database, at: u64, fails: bool) -> Result<(), DatabaseError> {
        db.write(move |tx| {
            record(tx, Event::new("saga.started", at), &Context::default())?;
            if fails { Err(DatabaseError::Closed) } else { Ok(()) }
        })
        .await
    }

    async fn left(db: &Database) -> usize {
        db.read(pending).await.expect("reads").1.len()
    }

    #[tokio::test]
    async fn committed_events_are_sent_at_least_once_and_in_order() {
        let folder = tempfile::tempdir().expect("folder");
        let collector = Collector::default();
        collector
            .refusals
            .lock()
            .expect("lock")
            .extend([Refusal::AnswerLost, Refusal::Away]);
        for at in 1..=3 {
            let killed_after_each = testing::open(folder.path());
            record_one(&killed_after_each, at, false).await.expect("committed");
            record_one(&killed_after_each, 100, true).await.expect_err("taken back");
        }
        let db = testing::open(folder.path());
        assert!(matches!(relay_batch(&db, &collector).await, Ok(Relayed::Refused)));
        assert!(matches!(relay_batch(&db, &collector).await, Ok(Relayed::Refused)));
        assert_eq!(left(&db).await, 3);
        assert!(matches!(relay_batch(&db, &collector).await, Ok(Relayed::Some)));
        assert!(matches!(relay_batch(&db, &collector).await, Ok(Relayed::Nothing)));
        assert_eq!(*collector.received.lock().expect("lock"), [1, 2, 3, 1, 2, 3]);
    }

    #[tokio::test]
    async fn what_will_never_be_taken_does_not_hold_up_the_rest() {
        let folder = tempfile::tempdir().expect("folder");
        let (db, collector) = (testing::open(folder.path()), Collector::default());
        collector.refusals.lock().expect("lock").push(Refusal::Never);
        record_one(&db, 1, false).await.expect("committed");
        relay_batch(&db, &collector).await.expect("dropped");
        assert_eq!(left(&db).await, 0);
    }

    #[tokio::test]
    async fn while_the_collector_is_away_the_newest_stay() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        for at in 1..=5 {
            record_one(&db, at, false).await.expect("committed");
        }
        assert_eq!(let_oldest_go(&db, 2).await.expect("let go"), 3);
        assert_eq!(let_oldest_go(&db, 2).await.expect("nothing more"), 0);
        let collector = Collector::default();
        relay_batch(&db, &collector).await.expect("sent");
        assert_eq!(*collector.received.lock().expect("lock"), [4, 5]);
    }

    #[tokio::test]
    async fn the_relay_wakes_by_itself() {
        let folder = tempfile::tempdir().expect("folder");
        let (db, collector) = (testing::open(folder.path()), Collector::default());
        let task = tokio::spawn(relay(db.clone(), collector.clone()));
        record_one(&db, 7, false).await.expect("committed");
        let arrived = async {
            while collector.received.lock().expect("lock").is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), arrived)
            .await
            .expect("arrives");
        task.abort();
    }
}
