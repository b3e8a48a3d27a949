//! State changes of things that live in memory (breakers, faults), and log lines: sent at once, never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sagascope_instrument::Event;
use tokio::sync::{mpsc, oneshot};

use crate::exporter::Exporter;
use crate::{context, simulated};

/// Events that may wait for the collector; more are dropped and counted.
const QUEUE: usize = 8_192;
/// Most events of one request.
const BATCH: usize = 512;
/// Longest wait for company.
const LINGER: Duration = Duration::from_millis(40);
/// First and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Where events are handed in. Never blocks; a cheap clone.
#[derive(Clone, Debug)]
pub struct StateEvents {
    queue: mpsc::Sender<Item>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Item {
    Event(Box<Event>),
    Flush(oneshot::Sender<()>),
}

impl StateEvents {
    /// Starts the task that sends them. Needs a tokio runtime.
    #[must_use]
    pub fn start(exporter: Exporter) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(simulated::carry(relay(waiting, exporter)));
        Self {
            queue,
            dropped: Arc::default(),
        }
    }

    /// Goes nowhere, for tests and for parts that run without a collector.
    #[must_use]
    pub fn discard() -> Self {
        let (queue, _) = mpsc::channel(1);
        Self {
            queue,
            dropped: Arc::default(),
        }
    }

    /// Hands one in, tied to the current span and correlation id unless it says otherwise.
    pub fn emit(&self, event: Event) {
        let item = Item::Event(Box::new(in_context(event)));
        if self.queue.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events lost because the queue was full or closed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Resolves when everything handed in so far is sent, or after `limit`.
    pub async fn flush(&self, limit: Duration) {
        let (done, wait) = oneshot::channel();
        let flushed = async {
            if self.queue.send(Item::Flush(done)).await.is_ok() {
                // An error here means the relay is gone: nothing is left to wait for.
                let _ = wait.await;
            }
        };
        let _ = tokio::time::timeout(limit, flushed).await;
    }
}

fn in_context(mut event: Event) -> Event {
    let context = context::current();
    if event.trace_id == [0; 16]
        && let Some((trace_id, span_id)) = context.span_ids()
    {
        (event.trace_id, event.span_id) = (trace_id, span_id);
    }
    if event
        .attribute(sagascope_conventions::attributes::CORRELATION_ID)
        .is_none()
    {
        return event.correlated(&context.correlation_id);
    }
    event
}

async fn relay(mut waiting: mpsc::Receiver<Item>, exporter: Exporter) {
    let mut items = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut items, BATCH).await > 0 {
        let hurry = items.iter().any(|item| matches!(item, Item::Flush(_)));
        if !hurry && items.len() < BATCH {
            tokio::time::sleep(LINGER).await;
            while items.len() < BATCH
                && let Ok(item) = waiting.try_recv()
            {
                items.push(item);
            }
        }
        let mut events = Vec::with_capacity(items.len());
        let mut flushes = Vec::new();
        for item in items.drain(..) {
            match item {
                Item::Event(event) => events.push(*event),
                Item::Flush(done) => flushes.push(done),
            }
        }
        send(&exporter, &events).await;
        for done in flushes {
            // The one who asked may have given up.
            let _ = done.send(());
        }
    }
}

/// Tries until the collector has them or will never take them.
async fn send(exporter: &Exporter, events: &[Event]) {
    let mut wait = BACKOFF.0;
    while let Err(again) = exporter.send(events).await {
        if !again {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}
