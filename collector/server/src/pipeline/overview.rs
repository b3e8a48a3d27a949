//! The whole in numbers.

use std::collections::BTreeMap;

use sagascope_api::invariants::InvariantCounts;
use sagascope_api::overview::{Ingest, Overview, SignalCounts, Storage};
use sagascope_conventions::{BreakerState, ProjectionState};
use sagascope_store::Signal;

use crate::app::{self, App, World, get};

/// The row of `GET /api/v1/overview` and of the topic.
pub(crate) fn overview(app: &App, world: &World) -> Overview {
    let now = app::now();
    let projections = &world.projections;
    let saga_types = projections.saga_types(now);
    let mut sagas = BTreeMap::new();
    for (state, number) in saga_types.iter().flat_map(|summary| &summary.states) {
        *sagas.entry(*state).or_default() += number;
    }
    let open = |state| matches!(state, Some(BreakerState::Open | BreakerState::ForcedOpen));
    let breakers = projections.breakers(now);
    let models = projections.read_models(now);
    Overview {
        now,
        ingest: ingest(app, world),
        storage: storage(app, world),
        sagas,
        stuck: saga_types.iter().map(|summary| summary.stuck).sum(),
        saga_types,
        open_breakers: breakers
            .iter()
            .filter(|breaker| breaker.live && open(breaker.state))
            .count() as u64,
        stalled_models: models
            .iter()
            .filter(|model| model.state == ProjectionState::Stalled)
            .count() as u64,
        dead_letters: projections.dead_letters().len() as u64,
        invariants: InvariantCounts::of(&projections.invariants(now)),
        active_faults: world.board.active().count() as u64,
        watchers: get(&app.counters.watchers),
        uptime_seconds: app.started.elapsed().as_secs_f64(),
        version: env!("CARGO_PKG_VERSION").into(),
        durability: app.config.durability.as_str().into(),
        projection_lag_ms: world.projection_lag_ms,
        demo: app.config.demo.clone().map(|mut demo| {
            if let Some(traffic) = world.board.traffic() {
                (demo.orders_per_second, demo.flows) = traffic;
            }
            demo
        }),
    }
}

fn ingest(app: &App, world: &World) -> Ingest {
    let lost = world.projections.lost();
    let counts = |signal, dropped| SignalCounts {
        accepted: get(&app.counters.of(signal).accepted),
        rejected: get(&app.counters.of(signal).rejected),
        dropped,
        per_second: world.rates.per_second(signal),
    };
    Ingest {
        spans: counts(Signal::Traces, lost.spans),
        logs: counts(Signal::Logs, lost.logs),
        points: counts(Signal::Metrics, lost.points),
    }
}

fn storage(app: &App, world: &World) -> Storage {
    let status = app.wal.status();
    let held = world.head.held();
    let in_segments = world.view.oldest();
    Storage {
        bytes: status.bytes + world.view.bytes(),
        cap_bytes: app.config.storage_cap_bytes,
        oldest: in_segments.or(status.oldest),
        held_spans: held.spans,
        held_logs: held.logs,
    }
}
