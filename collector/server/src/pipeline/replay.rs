//! Rebuilds the world from the log at start.

use std::sync::Arc;

use sagascope_core::normalise::Normalised;
use sagascope_store::{Record, Replay};

use crate::app::{self, App};
use crate::receive::decode;

/// Folds every record of the log; returns at the end or when the collector is told to stop.
pub(crate) fn replay(app: &Arc<App>, mut records: Replay) {
    let started = std::time::Instant::now();
    for (_, record) in records.by_ref() {
        if *app.stopping.borrow() {
            return;
        }
        fold(app, record);
    }
    let now = app::now();
    {
        let mut world = app.write();
        world.projections.tick(now);
        // Nobody has watched yet: the first snapshot holds all of it.
        drop(world.projections.take_changes(now));
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
}

fn fold(
    app: &Arc<App>,
    Record {
        signal,
        received_at,
        bytes,
    }: Record,
) {
    app.wal.set_oldest(received_at);
    match decode(signal, bytes, received_at) {
        Ok(Normalised { batch, .. }) => {
            let mut world = app.write();
            world.projections.apply(&batch, received_at);
            world.head.push(&batch);
        }
        Err(error) => tracing::warn!(%error, "a record of the log does not decode; it is skipped"),
    }
}
