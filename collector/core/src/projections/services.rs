//! Services: who was heard, and the rate, errors and durations of what enters them.

use std::collections::HashMap;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::services::{Operation, Service, ServiceDetail};
use sagascope_conventions::attributes as key;
use serde::{Deserialize, Serialize};

use super::calls::{Counts, Durations, HISTORY_SLICES, SLICE_SECONDS, WINDOW_SECONDS, When};
use super::histogram::Bucket;
use super::names::{Names, cut};
use super::notes::Notes;
use crate::block::{ResourceRef, SpanRef};
use crate::rows::{SpanKind, SpanStatus};

/// Silence after which a service or an instance counts as down, seconds.
pub(super) const HEARD_SECONDS: f64 = 10.0;
/// Silence after which a service is forgotten, seconds.
const FORGET_SECONDS: f64 = 3_600.0;
/// Instances remembered of one service.
const INSTANCES_MAX: usize = 64;
/// Operations counted over all services.
const OPERATIONS_MAX: usize = 2_000;

/// Place of a service.
pub(super) type ServiceId = u32;
/// Place of an operation among those of its service.
pub(super) type OperationPlace = u32;

/// All services.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Services {
    limit: usize,
    all: Vec<Option<Known>>,
    by_name: HashMap<Arc<str>, ServiceId>,
    operations: usize,
    faults: HashMap<Arc<str>, Vec<String>>,
    #[serde(skip)]
    removed: Vec<String>,
    dropped: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    name: Arc<str>,
    instances: HashMap<Arc<str>, Heard>,
    first_seen_at: Time,
    last_seen_at: Time,
    restarts: u64,
    counts: Counts,
    durations: Durations,
    operations: Vec<KnownOperation>,
    by_operation: HashMap<Arc<str>, Vec<OperationPlace>>,
    /// The row last handed out.
    #[serde(skip)]
    sent: Option<Service>,
    #[serde(skip)]
    is_changed: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Heard {
    first_at: Time,
    last_at: Time,
}

#[derive(Debug, Serialize, Deserialize)]
struct KnownOperation {
    name: Arc<str>,
    kind: SpanKind,
    since: Time,
    counts: Counts,
    durations: Durations,
}

impl Services {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            all: Vec::new(),
            by_name: HashMap::new(),
            operations: 0,
            faults: HashMap::new(),
            removed: Vec::new(),
            dropped: 0,
        }
    }

    /// Bounded by `limit` from now on.
    pub(super) const fn restored(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Notes that this resource was heard at `at`; `None` when there are too many services.
    pub(super) fn hear(&mut self, resource: ResourceRef<'_>, at: Time, names: &mut Names) -> Option<ServiceId> {
        let id = self.id(resource.service(), at, names)?;
        let service = self.all[id as usize].as_mut()?;
        service.first_seen_at = service.first_seen_at.min(at);
        service.last_seen_at = service.last_seen_at.max(at);
        let restarts = resource.attributes().int(key::SERVICE_RESTART_COUNT).unwrap_or(0);
        service.restarts = service.restarts.max(u64::try_from(restarts).unwrap_or(0));
        service.hear_instance(resource.instance(), at, names);
        service.is_changed = true;
        Some(id)
    }

    /// Counts a span of this service.
    pub(super) fn count(&mut self, id: ServiceId, span: SpanRef<'_>, now: Time, names: &mut Names, notes: &mut Notes) {
        let when = When::of(span.end(), now);
        let Some(service) = self.all[id as usize].as_mut() else {
            return;
        };
        let is_error = span.status() == SpanStatus::Error;
        let bucket = Bucket::of_nanos(span.duration_nanos());
        if span.kind().is_entry() && service.counts.add(when, is_error) {
            service.durations.add(when, bucket);
            service.is_changed = true;
        }
        let place = *notes
            .operations
            .entry((id, span.name_number(), span.kind()))
            .or_insert_with(|| service.operation(span, now, &mut self.operations, names));
        let Some(place) = place else {
            self.dropped += 1;
            return;
        };
        let operation = &mut service.operations[place as usize];
        if operation.counts.add(when, is_error) {
            operation.since = operation.since.min(span.start());
            operation.durations.add(when, bucket);
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = Arc<str>> {
        self.all.iter().flatten().map(|service| Arc::clone(&service.name))
    }

    pub(super) fn name(&self, id: ServiceId) -> Option<&Arc<str>> {
        self.all.get(id as usize)?.as_ref().map(|service| &service.name)
    }

    /// Was this process heard within the last seconds?
    pub(super) fn is_live(&self, service: &str, instance: &str, now: Time) -> bool {
        self.heard(service, instance)
            .is_some_and(|at| now.seconds_since(at) <= HEARD_SECONDS)
    }

    /// When this process was last heard.
    pub(super) fn heard(&self, service: &str, instance: &str) -> Option<Time> {
        let service = self.all[*self.by_name.get(service)? as usize].as_ref()?;
        Some(service.instances.get(instance)?.last_at)
    }

    /// Did another process of the service start after this one was last heard?
    pub(super) fn is_replaced(&self, service: &str, instance: &str) -> bool {
        let known = self.by_name.get(service).and_then(|id| self.all[*id as usize].as_ref());
        let last_at = self.heard(service, instance).unwrap_or_default();
        known.is_some_and(|known| {
            known
                .instances
                .iter()
                .any(|(name, heard)| **name != *instance && heard.last_at > last_at)
        })
    }

    /// Forgets the long silent.
    pub(super) fn tick(&mut self, now: Time) {
        for slot in &mut self.all {
            let Some(service) = slot.take_if(|s| now.seconds_since(s.last_seen_at) > FORGET_SECONDS) else {
                continue;
            };
            self.operations -= service.operations.len();
            self.by_name.remove(&service.name);
            self.removed.push(service.name.to_string());
        }
    }

    /// Rows that differ from those last handed out. Rates change all the time and by themselves: they are handed out
    /// when `rates` says so, a new service or one that went silent at once.
    pub(super) fn take_changes(&mut self, now: Time, rates: bool) -> Option<(Vec<Service>, Vec<String>)> {
        let mut rows = Vec::new();
        for service in self.all.iter_mut().flatten() {
            let is_due = service.is_changed || !service.is_at_rest(now);
            if !(rates && is_due || service.is_up_news(now)) {
                continue;
            }
            service.is_changed = false;
            let row = service.row(self.faults.get(&service.name), now);
            if service.sent.as_ref() != Some(&row) {
                service.sent = Some(row.clone());
                rows.push(row);
            }
        }
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        let removed = std::mem::take(&mut self.removed);
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    /// By name.
    pub(super) fn rows(&self, now: Time) -> Vec<Service> {
        let mut rows: Vec<Service> = self
            .all
            .iter()
            .flatten()
            .map(|service| service.row(self.faults.get(&service.name), now))
            .collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }

    pub(super) fn detail(&self, name: &str, now: Time) -> Option<ServiceDetail> {
        let service = self.all[*self.by_name.get(name)? as usize].as_ref()?;
        let mut operations: Vec<Operation> = service.operations.iter().map(|known| known.row(now)).collect();
        operations.sort_by(|a, b| (&a.name, &a.kind).cmp(&(&b.name, &b.kind)));
        Some(ServiceDetail {
            service: service.row(self.faults.get(&service.name), now),
            operations,
        })
    }

    /// Replaces what is known of faults in force, as `(id, service)`.
    pub(super) fn set_faults(&mut self, faults: &[(String, String)]) {
        let mut by_service: HashMap<Arc<str>, Vec<String>> = HashMap::new();
        for (id, service) in faults {
            by_service
                .entry(Arc::from(service.as_str()))
                .or_default()
                .push(id.clone());
        }
        self.faults = by_service;
        for service in self.all.iter_mut().flatten() {
            service.is_changed = true;
        }
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn id(&mut self, name: &str, at: Time, names: &mut Names) -> Option<ServiceId> {
        if let Some(id) = self.by_name.get(cut(name)) {
            return Some(*id);
        }
        if self.by_name.len() >= self.limit {
            self.dropped += 1;
            return None;
        }
        let name = names.share(name);
        let known = Some(Known::new(Arc::clone(&name), at));
        // Places of forgotten services are not given out again: spans in the window still name them.
        self.all.push(known);
        let id = ServiceId::try_from(self.all.len() - 1).ok()?;
        self.by_name.insert(name, id);
        Some(id)
    }
}

impl Known {
    fn new(name: Arc<str>, at: Time) -> Self {
        Self {
            name,
            instances: HashMap::new(),
            first_seen_at: at,
            last_seen_at: at,
            restarts: 0,
            counts: Counts::over_slices(HISTORY_SLICES + 1),
            durations: Durations::default(),
            operations: Vec::new(),
            by_operation: HashMap::new(),
            sent: None,
            is_changed: true,
        }
    }

    fn hear_instance(&mut self, instance: &str, at: Time, names: &mut Names) {
        if let Some(heard) = self.instances.get_mut(instance) {
            heard.first_at = heard.first_at.min(at);
            heard.last_at = heard.last_at.max(at);
            return;
        }
        if self.instances.len() == INSTANCES_MAX {
            let silent = self.instances.iter().min_by_key(|(_, heard)| heard.last_at);
            if let Some(silent) = silent.map(|(name, _)| Arc::clone(name)) {
                self.instances.remove(&silent);
            }
        }
        let heard = Heard {
            first_at: at,
            last_at: at,
        };
        self.instances.insert(names.share(instance), heard);
    }

    /// The place of a span's operation; `None` when there are too many.
    fn operation(
        &mut self,
        span: SpanRef<'_>,
        now: Time,
        held: &mut usize,
        names: &mut Names,
    ) -> Option<OperationPlace> {
        let (name, kind) = (cut(span.name()), span.kind());
        let mut places = self.by_operation.get(name).into_iter().flatten();
        if let Some(place) = places.find(|place| self.operations[**place as usize].kind == kind) {
            return Some(*place);
        }
        if *held >= OPERATIONS_MAX {
            return None;
        }
        *held += 1;
        let place = OperationPlace::try_from(self.operations.len()).ok()?;
        let name = names.share(name);
        self.by_operation.entry(Arc::clone(&name)).or_default().push(place);
        self.operations
            .push(KnownOperation::new(name, kind, span.start().min(now)));
        Some(place)
    }

    fn is_up(&self, now: Time) -> bool {
        now.seconds_since(self.last_seen_at) <= HEARD_SECONDS
    }

    /// Watchers do not know of it yet, or not that it came or went.
    fn is_up_news(&self, now: Time) -> bool {
        self.sent.as_ref().is_none_or(|sent| sent.up != self.is_up(now))
    }

    /// Nothing in the row can have changed by time alone.
    fn is_at_rest(&self, now: Time) -> bool {
        let history_seconds = (SLICE_SECONDS * (HISTORY_SLICES as u64 + 1)) as f64;
        now.seconds_since(self.last_seen_at) > history_seconds.max(WINDOW_SECONDS as f64 + HEARD_SECONDS)
    }

    fn row(&self, faults: Option<&Vec<String>>, now: Time) -> Service {
        let lately = |heard: &&Heard| now.seconds_since(heard.last_at) <= HEARD_SECONDS;
        let (rate_per_second, error_ratio) = self.counts.rate(self.first_seen_at, now);
        let [p50_ms, p95_ms, p99_ms] = self.durations.percentiles(now);
        let history = self.counts.history(now);
        Service {
            name: self.name.to_string(),
            instances: self.instances.values().filter(lately).count() as u64,
            rate_per_second,
            error_ratio,
            p50_ms,
            p95_ms,
            p99_ms,
            up: self.is_up(now),
            restarts: self.restarts,
            started_at: self.instances.values().map(|heard| heard.first_at).max(),
            last_seen_at: self.last_seen_at,
            rate_history: history.iter().map(|count| count.calls as f32).collect(),
            error_history: history.iter().map(|count| count.errors as f32).collect(),
            faults: faults.cloned().unwrap_or_default(),
        }
    }
}

impl KnownOperation {
    fn new(name: Arc<str>, kind: SpanKind, since: Time) -> Self {
        Self {
            name,
            kind,
            since,
            counts: Counts::over_slices((WINDOW_SECONDS / SLICE_SECONDS) as usize),
            durations: Durations::default(),
        }
    }

    fn row(&self, now: Time) -> Operation {
        let (rate_per_second, error_ratio) = self.counts.rate(self.since, now);
        let [p50_ms, p95_ms, p99_ms] = self.durations.percentiles(now);
        Operation {
            name: self.name.to_string(),
            kind: self.kind.as_str().to_owned(),
            rate_per_second,
            error_ratio,
            p50_ms,
            p95_ms,
            p99_ms,
        }
    }
}
