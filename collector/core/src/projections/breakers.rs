//! Circuit breakers, one a process: state by events with the polled gauge as second witness, calls by counters.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::breakers::{Breaker, BreakerChange, BreakerWindow};
use sagascope_conventions::events::{self, metrics};
use sagascope_conventions::{BreakerState, attributes as key};
use serde::{Deserialize, Serialize};

use super::counter::{self, Counter};
use super::names::{Names, cut};
use super::sagas::{BreakerName, Sagas};
use super::services::Services;
use super::window::Slices;
use crate::block::{AttributesRef, LogRef, PointRef, ResourceRef};

/// Changes of state kept of one breaker.
const HISTORY_MAX: usize = 200;
/// The window of calls, seconds.
const WINDOW_SECONDS: u64 = 60;
/// Seconds over which the rate of refusals is taken.
const REJECTED_SECONDS: u64 = 5;
/// How much newer than the last event the gauge must be to contradict it, seconds: an event was lost.
const CONTRADICTS_SECONDS: f64 = 5.0;
/// How long the breakers of a process stay after another took its place, seconds.
const REPLACED_SECONDS: f64 = 60.0;
/// How long the breakers of a silent process stay in any case, seconds.
const SILENT_SECONDS: f64 = 3_600.0;

/// All breakers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Breakers {
    limit: usize,
    /// By caller, name and instance.
    held: BTreeMap<Key, Known>,
    #[serde(skip)]
    removed: Vec<String>,
    dropped: u64,
}

type Key = (Arc<str>, Arc<str>, Arc<str>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    target: Option<Arc<str>>,
    /// Sorted by number, then time; without repeats.
    changes: Vec<Told>,
    /// Newest time at which the gauge told each state to be in force.
    gauge: HashMap<BreakerState, Time>,
    counters: [Counter; OUTCOMES.len()],
    calls: Slices<[u32; OUTCOMES.len()]>,
    #[serde(skip)]
    sent: Option<Breaker>,
    #[serde(skip)]
    is_changed: bool,
}

/// One change of state as the breaker told it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    sequence: Option<u64>,
    at: Time,
    state: BreakerState,
    reason: Option<Arc<str>>,
    failure_rate: Option<f64>,
    next_probe_at: Option<Time>,
}

const OUTCOMES: [&str; 5] = ["success", "failure", "slow", "rejected", "fallback"];
const REJECTED: usize = 3;

impl Breakers {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            held: BTreeMap::new(),
            removed: Vec::new(),
            dropped: 0,
        }
    }

    /// Bounded by `limit` from now on.
    pub(super) const fn restored(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Joins a log record when it tells of a change of state.
    pub(super) fn apply_log(&mut self, log: LogRef<'_>, names: &mut Names) {
        if log.event_name() != Some(events::CIRCUIT_BREAKER_STATE_CHANGED) {
            return;
        }
        let attributes = log.attributes();
        let Some(state) = attributes
            .text(key::CIRCUIT_BREAKER_STATE)
            .and_then(BreakerState::parse)
        else {
            return;
        };
        let told = Told {
            sequence: attributes
                .int(key::CIRCUIT_BREAKER_SEQUENCE)
                .and_then(|n| u64::try_from(n).ok()),
            at: log.at(),
            state,
            reason: attributes
                .text(key::CIRCUIT_BREAKER_REASON)
                .map(|text| names.share(text)),
            failure_rate: attributes
                .double(key::CIRCUIT_BREAKER_FAILURE_RATE)
                .filter(|rate| rate.is_finite()),
            next_probe_at: attributes.time(key::CIRCUIT_BREAKER_NEXT_PROBE_AT),
        };
        if let Some(known) = self.known(log.resource(), attributes, names) {
            known.tell(told);
        }
    }

    /// Joins a metric point when it is of a breaker.
    pub(super) fn apply_point(&mut self, point: PointRef<'_>, now: Time, names: &mut Names) {
        let attributes = point.attributes();
        match point.metric_name() {
            metrics::CIRCUIT_BREAKER_STATE => {
                let state = attributes
                    .text(key::CIRCUIT_BREAKER_STATE)
                    .and_then(BreakerState::parse);
                let in_force = counter::reading(point).is_some_and(|value| value > 0.5);
                if let (Some(state), true) = (state, in_force)
                    && let Some(known) = self.known(point.resource(), attributes, names)
                {
                    known.poll(state, point.at());
                }
            }
            metrics::CIRCUIT_BREAKER_CALLS => {
                let outcome = attributes.text(key::OUTCOME);
                if let Some(outcome) = OUTCOMES.iter().position(|known| outcome == Some(*known))
                    && let Some(known) = self.known(point.resource(), attributes, names)
                {
                    known.count(outcome, point, now);
                }
            }
            _ => {}
        }
    }

    /// Sagas began or ceased to wait on these.
    pub(super) fn touch(&mut self, waited_on: impl IntoIterator<Item = BreakerName>) {
        for (caller, name) in waited_on {
            let from = (Arc::clone(&caller), Arc::clone(&name), Arc::from(""));
            for (_, known) in self
                .held
                .range_mut(from..)
                .take_while(|((c, n, _), _)| *c == caller && *n == name)
            {
                known.is_changed = true;
            }
        }
    }

    /// Lets go of the breakers of processes that are gone.
    pub(super) fn tick(&mut self, services: &Services, now: Time) {
        let removed = &mut self.removed;
        self.held.retain(|(caller, name, instance), _| {
            let heard = services.heard(caller, instance).unwrap_or_default();
            let silent = now.seconds_since(heard);
            let gone = silent > SILENT_SECONDS || silent > REPLACED_SECONDS && services.is_replaced(caller, instance);
            if gone {
                removed.push(id(caller, name, instance));
            }
            !gone
        });
    }

    /// Rows that differ from those last handed out: states at once, rates when `rates` says so.
    pub(super) fn take_changes(
        &mut self,
        services: &Services,
        sagas: &Sagas,
        now: Time,
        rates: bool,
    ) -> Option<(Vec<Breaker>, Vec<String>)> {
        let mut rows = Vec::new();
        for (key, known) in &mut self.held {
            let live = services.is_live(&key.0, &key.2, now);
            let is_due = known.is_changed || rates && known.numbers_changed(live, now);
            if !is_due {
                continue;
            }
            known.is_changed = false;
            let row = known.row(key, live, sagas, now);
            if known.sent.as_ref() != Some(&row) {
                known.sent = Some(row.clone());
                rows.push(row);
            }
        }
        let removed = std::mem::take(&mut self.removed);
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    /// By caller, name and instance.
    pub(super) fn rows(&self, services: &Services, sagas: &Sagas, now: Time) -> Vec<Breaker> {
        self.held
            .iter()
            .map(|(key, known)| known.row(key, services.is_live(&key.0, &key.2, now), sagas, now))
            .collect()
    }

    /// Ids of the live breakers of these callers that refuse calls.
    pub(super) fn refusing(&self, callers: impl Fn(&str) -> bool, services: &Services, now: Time) -> Vec<String> {
        self.held
            .iter()
            .filter(|((caller, _, instance), known)| {
                callers(caller)
                    && known.state().is_some_and(|(state, ..)| state.refuses())
                    && services.is_live(caller, instance, now)
            })
            .map(|((caller, name, instance), _)| id(caller, name, instance))
            .collect()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn known(
        &mut self,
        resource: ResourceRef<'_>,
        attributes: AttributesRef<'_>,
        names: &mut Names,
    ) -> Option<&mut Known> {
        let name = attributes
            .text(key::CIRCUIT_BREAKER_NAME)
            .filter(|name| !name.is_empty())?;
        let key = (
            names.share(resource.service()),
            names.share(cut(name)),
            names.share(resource.instance()),
        );
        if self.held.len() >= self.limit && !self.held.contains_key(&key) {
            self.dropped += 1;
            return None;
        }
        let known = self.held.entry(key).or_default();
        if known.target.is_none() {
            let target = attributes
                .text(key::SERVICE_PEER_NAME)
                .or_else(|| attributes.text(key::SERVER_ADDRESS));
            known.target = target
                .filter(|target| !target.is_empty())
                .map(|target| names.share(target));
        }
        Some(known)
    }
}

impl Known {
    /// Joins one change; repeats change nothing, and of too many the newest stay.
    fn tell(&mut self, told: Told) {
        let rank = |t: &Told| (t.sequence, t.at, t.state);
        let place = self.changes.partition_point(|known| rank(known) < rank(&told));
        if self.changes.get(place).is_some_and(|known| rank(known) == rank(&told)) {
            return;
        }
        self.changes.insert(place, told);
        if self.changes.len() > HISTORY_MAX {
            self.changes.remove(0);
        }
        self.is_changed = true;
    }

    fn poll(&mut self, state: BreakerState, at: Time) {
        let before = self.state().map(|(state, ..)| state);
        let newest = self.gauge.entry(state).or_default();
        *newest = at.max(*newest);
        if self.state().map(|(state, ..)| state) != before {
            self.is_changed = true;
        }
    }

    fn count(&mut self, outcome: usize, point: PointRef<'_>, now: Time) {
        let rise = self.counters[outcome].rise(point);
        if rise > 0
            && let Some(calls) = self.calls.at(point.at(), now)
        {
            calls[outcome] = calls[outcome].saturating_add(u32::try_from(rise).unwrap_or(u32::MAX));
        }
    }

    /// The state in force, since when, and the change that told it.
    fn state(&self) -> Option<(BreakerState, Option<Time>, Option<&Told>)> {
        let told = self.changes.last();
        let polled = self.gauge.iter().max_by_key(|(state, at)| (**at, **state));
        match (told, polled) {
            (Some(told), Some((state, at)))
                if *state != told.state && at.seconds_since(told.at) > CONTRADICTS_SECONDS =>
            {
                Some((*state, self.polled_since(*state), None))
            }
            (Some(told), _) => Some((told.state, Some(told.at), Some(told))),
            (None, Some((state, _))) => Some((*state, self.polled_since(*state), None)),
            (None, None) => None,
        }
    }

    /// It came some time after the newest sign of another state.
    fn polled_since(&self, state: BreakerState) -> Option<Time> {
        let others = self.gauge.iter().filter(|(other, _)| **other != state);
        others.map(|(_, at)| *at).max()
    }

    /// Told with the last change. A probe that failed tells none: what opened the breaker holds until it closes.
    fn failure_rate(&self, state: BreakerState) -> Option<f64> {
        let mut changes = self.changes.iter().rev();
        if state == BreakerState::Closed {
            return changes.next()?.failure_rate;
        }
        changes
            .take_while(|told| told.state != BreakerState::Closed)
            .find_map(|told| told.failure_rate)
    }

    fn window(&self, now: Time) -> [u64; OUTCOMES.len()] {
        sum(self.calls.recent(now, WINDOW_SECONDS))
    }

    fn rejected_per_second(&self, now: Time) -> f64 {
        let rejected = sum(self.calls.recent(now, REJECTED_SECONDS))[REJECTED];
        rejected as f64 / REJECTED_SECONDS as f64
    }

    fn numbers_changed(&self, live: bool, now: Time) -> bool {
        self.sent.as_ref().is_none_or(|sent| {
            sent.live != live
                || sent.window != window(self.window(now))
                || sent.rejected_per_second != self.rejected_per_second(now)
        })
    }

    fn row(&self, (caller, name, instance): &Key, live: bool, sagas: &Sagas, now: Time) -> Breaker {
        let state = self.state();
        let told = state.and_then(|(.., told)| told);
        Breaker {
            id: id(caller, name, instance),
            caller: caller.to_string(),
            name: name.to_string(),
            target: self.target.as_deref().map(str::to_owned),
            instance: instance.to_string(),
            state: state.map(|(state, ..)| state),
            since: state.and_then(|(_, since, _)| since),
            next_probe_at: told.and_then(|told| told.next_probe_at),
            reason: told.and_then(|told| told.reason.as_deref()).map(str::to_owned),
            failure_rate: told.and_then(|told| self.failure_rate(told.state)),
            window: window(self.window(now)),
            rejected_per_second: self.rejected_per_second(now),
            waiting_sagas: sagas.waiting_on(caller, name),
            history: self.changes.iter().map(Told::row).collect(),
            live,
        }
    }
}

impl Told {
    fn row(&self) -> BreakerChange {
        BreakerChange {
            state: self.state,
            at: self.at,
            reason: self.reason.as_deref().map(str::to_owned),
        }
    }
}

fn sum<'a>(slices: impl Iterator<Item = Option<&'a [u32; OUTCOMES.len()]>>) -> [u64; OUTCOMES.len()] {
    let mut sum = [0; OUTCOMES.len()];
    for slice in slices.flatten() {
        for (sum, count) in sum.iter_mut().zip(slice) {
            *sum += u64::from(*count);
        }
    }
    sum
}

const fn window([success, failure, slow, rejected, fallback]: [u64; OUTCOMES.len()]) -> BreakerWindow {
    BreakerWindow {
        success,
        failure,
        slow,
        rejected,
        fallback,
    }
}

/// `caller~name~instance` with everything but unreserved characters as `-`, so that it can stand in a path.
fn id(caller: &str, name: &str, instance: &str) -> String {
    format!("{caller}~{name}~{instance}")
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' => c,
            _ => '-',
        })
        .collect()
}

#[cfg(test)]
mod tests;
