//! The log at start: what it holds goes through the same loop as what comes in.

use std::sync::Arc;

use sagascope_store::{Position, Record, Replay};
use tokio::sync::mpsc;

use super::intake::Durable;
use crate::app::App;

/// Records of the log that may wait for the loop.
const AHEAD: usize = 64;

/// The log's records in order, read on a thread of their own. The channel ends with the log, or when the collector stops.
pub(crate) fn replay(app: &Arc<App>, mut records: Replay) -> mpsc::Receiver<Durable> {
    let (queue, replayed) = mpsc::channel(AHEAD);
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || {
        let started = std::time::Instant::now();
        for (position, record) in records.by_ref() {
            let stopping = *app.stopping.borrow();
            if stopping || queue.blocking_send(durable(&app, position, record)).is_err() {
                return;
            }
        }
        let found = records.recovered();
        if found.records + found.skipped + found.torn_bytes > 0 {
            tracing::info!(
                records = found.records,
                skipped = found.skipped,
                torn_bytes = found.torn_bytes,
                took_ms = started.elapsed().as_millis() as u64,
                "the log was read back"
            );
        }
    });
    replayed
}

fn durable(app: &App, position: Position, record: Record) -> Durable {
    app.wal.set_oldest(record.received_at);
    Durable {
        signal: record.signal,
        received_at: record.received_at,
        bytes: record.bytes,
        acknowledged: None,
        position,
        _share: None,
    }
}
