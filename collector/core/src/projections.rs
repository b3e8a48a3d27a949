//! The live picture as folds over rows, indifferent to order, repeats and late arrival.
//!
//! [`Projections::apply_spans`] and its like join the new rows of a block; [`Projections::tick`] makes the judgements that time alone brings (stuck,
//! stalled, silent, rates); [`Projections::take_changes`] hands out the rows that changed since it was last asked.
//! States join by the emitter's sequence; spans are counted once within the window of [`seen::Seen`].

use std::ops::Range;

use sagascope_api::live::{Rows, Topic};
use sagascope_api::{
    Time, breakers::Breaker, canaries::Canary, invariants::Invariant, overview::SagaTypeSummary,
    read_models::DeadLetter, read_models::Outbox, read_models::ReadModel, sagas::Saga, sagas::SagaDetail,
    sagas::SagaType, services::Service, services::ServiceDetail, services::ServiceMap, traces::TraceSummary,
};

use serde::{Deserialize, Serialize};

use self::breakers::Breakers;
use self::canaries::Canaries;
use self::dead_letters::DeadLetters;
use self::faults::FaultHits;
use self::invariants::Invariants;
use self::keys::{Key, Keyed};
use self::map::{Map, Told};
use self::names::Names;
use self::notes::Notes;
use self::outboxes::Outboxes;
use self::read_models::{ReadModels, Rebuilds};
use self::sagas::Sagas;
use self::seen::{Seen, SpanKey};
use self::services::{ServiceId, Services};
use self::traces::Traces;
use crate::block::{LogBlock, LogRef, PointBlock, PointRef, SpanBlock, SpanRef};
use crate::rows::Batch;

mod breakers;
mod calls;
mod canaries;
mod counter;
mod dead_letters;
mod faults;
mod histogram;
#[cfg(test)]
mod histories;
mod invariants;
mod keys;
mod map;
mod names;
mod notes;
mod outboxes;
mod read_models;
mod sagas;
mod seen;
mod services;
mod snapshot;
#[cfg(test)]
mod tests;
mod traces;
mod window;

pub use invariants::Look;
pub use snapshot::SnapshotError;

/// Maps of what outsiders can name: quick, and seeded at random.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// Rates are handed out this often; states at once.
const RATES_EVERY_SECONDS: f64 = 1.0;

/// Bounds of the picture; what they cost is counted in [`Projections::lost`] and [`Projections::aged_out`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Saga instances.
    pub sagas: usize,
    /// Trace summaries.
    pub traces: usize,
    /// Services.
    pub services: usize,
    /// Breakers, read models, outboxes, dead letters, invariants, canaries: each.
    pub entities: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sagas: 20_000,
            traces: 20_000,
            services: 500,
            entities: 2_000,
        }
    }
}

/// What the picture lacks because a bound was hit, by the signal that told of it: services, operations, breakers and the
/// like beyond the limit, dead letters beyond it, and sagas that were let go before they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Told by spans.
    pub spans: u64,
    /// Told by log records.
    pub logs: u64,
    /// Told by metric points.
    pub points: u64,
}

/// Rows of one topic that changed, and keys no longer held.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Changed rows.
    pub rows: Rows,
    /// Keys let go.
    pub removed: Vec<String>,
}

/// All projections.
#[derive(Debug, Serialize, Deserialize)]
pub struct Projections {
    names: Names,
    seen: Seen,
    services: Services,
    map: Map,
    sagas: Sagas,
    breakers: Breakers,
    read_models: ReadModels,
    rebuilds: Rebuilds,
    outboxes: Outboxes,
    dead_letters: DeadLetters,
    invariants: Invariants,
    canaries: Canaries,
    traces: Traces,
    fault_hits: FaultHits,
    lost: Lost,
    #[serde(skip)]
    rates_sent_at: Time,
    #[serde(skip)]
    notes: Notes,
}

impl Default for Projections {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Projections {
    /// Empty, with these bounds.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            names: Names::default(),
            seen: Seen::default(),
            services: Services::new(limits.services),
            map: Map::new(limits.entities),
            sagas: Sagas::new(limits.sagas),
            breakers: Breakers::new(limits.entities),
            read_models: ReadModels::new(limits.entities),
            rebuilds: Rebuilds::default(),
            outboxes: Outboxes::new(limits.entities),
            dead_letters: DeadLetters::new(limits.entities),
            invariants: Invariants::new(limits.entities),
            canaries: Canaries::new(limits.entities),
            traces: Traces::new(limits.traces),
            fault_hits: FaultHits::default(),
            lost: Lost::default(),
            rates_sent_at: Time::default(),
            notes: Notes::default(),
        }
    }

    /// Joins spans of a block; time is `now`.
    pub fn apply_spans(&mut self, block: &SpanBlock, rows: Range<usize>, now: Time) {
        let before = self.turned_away();
        let mut notes = std::mem::take(&mut self.notes).cleared();
        for span in rows.map(|row| block.row(row)) {
            let service = notes.sender((span.resource_place(), span.received_at()), || {
                self.services.hear(span.resource(), span.received_at(), &mut self.names)
            });
            self.apply_span(span, service, now, &mut notes);
        }
        self.notes = notes;
        self.lost.spans += self.turned_away() - before;
        self.settle(now);
    }

    /// Joins log records of a block; time is `now`.
    pub fn apply_logs(&mut self, block: &LogBlock, rows: Range<usize>, now: Time) {
        let before = self.turned_away();
        let mut notes = std::mem::take(&mut self.notes).cleared();
        for log in rows.map(|row| block.row(row)) {
            notes.sender((log.resource_place(), log.received_at()), || {
                self.services.hear(log.resource(), log.received_at(), &mut self.names)
            });
            if log.event_name().is_some() {
                self.apply_event(log, &mut notes);
            }
        }
        self.notes = notes;
        self.lost.logs += self.turned_away() - before;
        self.settle(now);
    }

    /// Joins metric points of a block; time is `now`.
    pub fn apply_points(&mut self, block: &PointBlock, rows: Range<usize>, now: Time) {
        let before = self.turned_away();
        let mut notes = std::mem::take(&mut self.notes).cleared();
        for point in rows.map(|row| block.row(row)) {
            notes.sender((point.resource_place(), point.received_at()), || {
                self.services
                    .hear(point.resource(), point.received_at(), &mut self.names)
            });
            self.apply_point(point, now);
        }
        self.notes = notes;
        self.lost.points += self.turned_away() - before;
        self.settle(now);
    }

    /// Joins the rows of one request.
    pub fn apply(&mut self, batch: &Batch, now: Time) {
        let (mut spans, mut logs, mut points) = (SpanBlock::default(), LogBlock::default(), PointBlock::default());
        for row in &batch.spans {
            spans.push_row(row, batch.received_at);
        }
        for row in &batch.logs {
            logs.push_row(row, batch.received_at);
        }
        for row in &batch.points {
            points.push_row(row, batch.received_at);
        }
        self.apply_spans(&spans, 0..spans.len(), now);
        self.apply_logs(&logs, 0..logs.len(), now);
        self.apply_points(&points, 0..points.len(), now);
    }

    fn settle(&mut self, now: Time) {
        self.sagas.settle(now);
        self.breakers.touch(self.sagas.take_waiting_changes());
    }

    /// Judges what time alone changes; call about four times a second.
    pub fn tick(&mut self, now: Time) {
        self.sagas.tick(now);
        self.services.tick(now);
        self.breakers.tick(&self.services, now);
        self.read_models.tick(now);
        self.outboxes.tick(now);
        self.invariants.tick(now);
        self.canaries.tick(now);
        self.map.tick(now);
    }

    /// Rows that changed since the last call, by topic; topics without a change are left out. Never `Overview`,
    /// `Logs` or `Faults`, which belong to the server.
    pub fn take_changes(&mut self, now: Time) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut push = |change: Option<(Rows, Vec<String>)>| {
            changes.extend(change.map(|(rows, removed)| Change { rows, removed }));
        };
        let rates = now.seconds_since(self.rates_sent_at).abs() >= RATES_EVERY_SECONDS;
        if rates {
            self.rates_sent_at = now;
        }
        push(named(self.services.take_changes(now, rates), Rows::Services));
        push(named(self.sagas.take_changes(), Rows::Sagas));
        let breakers = self.breakers.take_changes(&self.services, &self.sagas, now, rates);
        push(named(breakers, Rows::Breakers));
        let read_models = self.read_models.take_changes(&self.rebuilds, now, rates);
        push(named(read_models, Rows::ReadModels));
        push(named(self.outboxes.take_changes(now, rates), Rows::Outboxes));
        push(named(self.dead_letters.take_changes(), Rows::DeadLetters));
        push(named(self.invariants.take_changes(now, rates), Rows::Invariants));
        push(named(self.canaries.take_changes(rates), Rows::Canaries));
        let traces = self.traces.take_changes();
        push((!traces.is_empty()).then_some((Rows::Traces(traces), Vec::new())));
        changes
    }

    /// The rows of a topic for a new watcher, at most `limit`, the newest (for sagas: unended first).
    #[must_use]
    pub fn snapshot(&self, topic: Topic, limit: usize, now: Time) -> Option<Rows> {
        fn at_most<T>(mut rows: Vec<T>, limit: usize) -> Vec<T> {
            rows.truncate(limit);
            rows
        }
        Some(match topic {
            Topic::Services => Rows::Services(at_most(self.services(now), limit)),
            Topic::Sagas => Rows::Sagas(self.sagas.snapshot(limit)),
            Topic::Breakers => Rows::Breakers(at_most(self.breakers(now), limit)),
            Topic::ReadModels => Rows::ReadModels(at_most(self.read_models(now), limit)),
            Topic::Outboxes => Rows::Outboxes(at_most(self.outboxes(now), limit)),
            Topic::DeadLetters => Rows::DeadLetters(at_most(self.dead_letters(), limit)),
            Topic::Invariants => Rows::Invariants(at_most(self.invariants(now), limit)),
            Topic::Canaries => Rows::Canaries(at_most(self.canaries(), limit)),
            Topic::Traces => Rows::Traces(self.traces(limit)),
            Topic::Overview | Topic::Logs | Topic::Faults | Topic::Experiments => return None,
        })
    }

    /// What the picture lacks because a bound was hit.
    #[must_use]
    pub const fn lost(&self) -> Lost {
        Lost {
            // Sagas are told by events.
            logs: self.lost.logs + self.sagas.lost(),
            ..self.lost
        }
    }

    /// Traces and ended sagas that made room for newer ones: the ordinary course of a bounded window.
    #[must_use]
    pub const fn aged_out(&self) -> u64 {
        self.sagas.aged_out() + self.traces.aged_out()
    }

    const fn turned_away(&self) -> u64 {
        self.services.dropped()
            + self.map.dropped()
            + self.breakers.dropped()
            + self.read_models.dropped()
            + self.outboxes.dropped()
            + self.dead_letters.dropped()
            + self.invariants.dropped()
            + self.canaries.dropped()
    }

    /// Services by name.
    #[must_use]
    pub fn services(&self, now: Time) -> Vec<Service> {
        self.services.rows(now)
    }

    /// One service with its operations.
    #[must_use]
    pub fn service(&self, name: &str, now: Time) -> Option<ServiceDetail> {
        self.services.detail(name, now)
    }

    /// Who calls whom.
    #[must_use]
    pub fn service_map(&self, now: Time) -> ServiceMap {
        self.map.rows(self.services.names(), now)
    }

    /// Saga instances, newest first, that `keep` lets through.
    pub fn sagas<'a>(&'a self, keep: impl Fn(&Saga) -> bool + 'a) -> Vec<Saga> {
        self.sagas_page(keep, usize::MAX)
    }

    /// The newest saga instances that `keep` lets through, at most `limit`.
    pub fn sagas_page<'a>(&'a self, keep: impl Fn(&Saga) -> bool + 'a, limit: usize) -> Vec<Saga> {
        self.sagas.rows().filter(|saga| keep(saga)).take(limit).collect()
    }

    /// One instance; of equal ids the newest, or the one of this type.
    #[must_use]
    pub fn saga(&self, id: &str, name: Option<&str>, now: Time) -> Option<SagaDetail> {
        let (mut detail, services) = self.sagas.detail(id, name)?;
        let told = |caller: &str| services.contains(caller);
        detail.breakers = self.breakers.refusing(told, &self.services, now);
        Some(detail)
    }

    /// The flow graph of a type.
    #[must_use]
    pub fn saga_type(&self, name: &str, _now: Time) -> Option<SagaType> {
        self.sagas.type_graph(name)
    }

    /// One row a type.
    #[must_use]
    pub fn saga_types(&self, now: Time) -> Vec<SagaTypeSummary> {
        self.sagas.type_summaries(now)
    }

    /// Breakers by caller and name.
    #[must_use]
    pub fn breakers(&self, now: Time) -> Vec<Breaker> {
        self.breakers.rows(&self.services, &self.sagas, now)
    }

    /// Read models by service and name.
    #[must_use]
    pub fn read_models(&self, now: Time) -> Vec<ReadModel> {
        self.read_models.rows(&self.rebuilds, now)
    }

    /// When the last rebuild of a read model began.
    #[must_use]
    pub fn rebuild_started_at(&self, service: &str, name: &str) -> Option<Time> {
        self.rebuilds.started_at(service, name)
    }

    /// Outboxes by service and name.
    #[must_use]
    pub fn outboxes(&self, now: Time) -> Vec<Outbox> {
        self.outboxes.rows(now)
    }

    /// Dead letters, newest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead_letters.rows()
    }

    /// Invariants by id and service.
    #[must_use]
    pub fn invariants(&self, now: Time) -> Vec<Invariant> {
        self.invariants.rows(now)
    }

    /// Canaries by service.
    #[must_use]
    pub fn canaries(&self) -> Vec<Canary> {
        self.canaries.rows()
    }

    /// Joins a look that the collector took itself.
    pub fn look(&mut self, look: Look<'_>, now: Time) {
        self.invariants.look(look, now, &mut self.names);
    }

    /// Trace summaries, newest first.
    #[must_use]
    pub fn traces(&self, limit: usize) -> Vec<TraceSummary> {
        self.traces.rows(limit)
    }

    /// Spans seen that carry this `fault.id`.
    #[must_use]
    pub fn fault_hits(&self, fault_id: &str) -> u64 {
        self.fault_hits.of(fault_id)
    }

    /// Tells which faults are in force, as `(id, service)`, so that services can be marked.
    pub fn set_active_faults(&mut self, faults: &[(String, String)]) {
        self.services.set_faults(faults);
    }

    fn apply_span(&mut self, span: SpanRef<'_>, service: Option<ServiceId>, now: Time, notes: &mut Notes) {
        let unknown = ServiceId::MAX;
        let id = SpanKey::of(span.trace_id(), span.span_id());
        let keyed = notes.keys.of(span.attributes());
        if self.seen.insert(id, service.unwrap_or(unknown)) {
            self.count_span(span, id, &keyed, service, now, notes);
        }
        // A saga's tellings know their repeats by themselves, for longer than the window of spans.
        self.sagas.apply_span(span, &keyed, &mut self.names);
    }

    fn apply_event(&mut self, log: LogRef<'_>, notes: &mut Notes) {
        self.sagas.apply_log(log, &mut notes.keys, &mut self.names);
        self.breakers.apply_log(log, &mut self.names);
        self.rebuilds.apply_log(log, &mut self.names);
        self.dead_letters.apply_log(log);
        self.invariants.apply_log(log, &mut self.names);
        self.canaries.apply_log(log, &mut self.names);
    }

    fn apply_point(&mut self, point: PointRef<'_>, now: Time) {
        self.breakers.apply_point(point, now, &mut self.names);
        self.read_models.apply_point(point, now, &mut self.names);
        self.outboxes.apply_point(point, now, &mut self.names);
        self.dead_letters.apply_point(point);
        self.invariants.apply_point(point, &mut self.names);
        self.canaries.apply_point(point, &mut self.names);
    }

    fn count_span(
        &mut self,
        span: SpanRef<'_>,
        id: SpanKey,
        keyed: &Keyed<'_>,
        service: Option<ServiceId>,
        now: Time,
        notes: &mut Notes,
    ) {
        if let Some(fault) = keyed.given(Key::FaultId) {
            let fault = self.names.share(fault);
            self.fault_hits.add(&fault);
            self.sagas.touch_by_fault(span.trace_id(), &fault);
        }
        let parent = span.parent_span_id().map(|parent| {
            let parent = SpanKey::of(span.trace_id(), parent);
            (parent, self.seen.service(parent))
        });
        let Some(service) = service else { return };
        self.services.count(service, span, now, &mut self.names, notes);
        let Some(name) = self.services.name(service) else {
            return;
        };
        let is_parent_known = parent.is_some_and(|(_, of)| of.is_some());
        self.traces.apply(span, keyed, name, is_parent_known, &mut self.names);
        let told = Told {
            span,
            id,
            keyed,
            service,
            parent,
        };
        self.map.apply(told, &self.services, now, &mut self.names, notes);
    }
}

fn named<T>(change: Option<(Vec<T>, Vec<String>)>, topic: impl Fn(Vec<T>) -> Rows) -> Option<(Rows, Vec<String>)> {
    change.map(|(rows, removed)| (topic(rows), removed))
}
