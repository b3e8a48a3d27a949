//! Read models by their metrics: position, head, lag, and whether they move.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::read_models::ReadModel;
use sagascope_conventions::events::{self, metrics};
use sagascope_conventions::{ProjectionState, attributes as key};
use serde::{Deserialize, Serialize};

use super::counter::{self, Counter};
use super::names::Names;
use super::window::Slices;
use crate::block::{AttributesRef, LogRef, PointRef, ResourceRef};

/// Silence after which nothing is claimed of a model, seconds.
const SILENT_SECONDS: f64 = 10.0;
/// Silence after which a model is forgotten, seconds.
const FORGET_SECONDS: f64 = 3_600.0;
/// Standing still for longer than this while behind is stalled, seconds.
const STALLED_SECONDS: f64 = 5.0;
/// A model counts as caught up while what it lacks is younger than this, seconds.
const CAUGHT_UP_SECONDS: f64 = 1.0;
/// Seconds over which rates are taken.
const RATE_SECONDS: f64 = 10.0;
/// Slices of the lag's sparkline: five minutes of five seconds.
const LAG_SLICES: usize = 60;
const LAG_SLICE_SECONDS: u64 = 5;

/// All read models, by service, name and partition: a restarted process continues the row of its predecessor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReadModels {
    limit: usize,
    held: BTreeMap<Key, Known>,
    #[serde(skip)]
    removed: Vec<String>,
    dropped: u64,
}

type Key = (Arc<str>, Arc<str>, Arc<str>);

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    position: Reading,
    head: Reading,
    lag_events: Reading,
    lag_seconds: Option<(Time, f64)>,
    processed: Counter,
    applied: Slices<u32>,
    updated_at: Time,
    /// Last time its position rose, or it was seen without lag.
    progress_at: Time,
    lag_history: Slices<f32>,
    #[serde(skip)]
    sent: Option<ReadModel>,
    #[serde(skip)]
    is_changed: bool,
}

/// A gauge's newest value and those of the last seconds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Reading {
    recent: VecDeque<(Time, u64)>,
}

/// When a rebuild last began and ended.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Rebuild {
    started_at: Option<Time>,
    finished_at: Option<Time>,
}

impl ReadModels {
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

    /// Joins a metric point when it is of a read model.
    pub(super) fn apply_point(&mut self, point: PointRef<'_>, now: Time, names: &mut Names) {
        let metric = point.metric_name();
        if !metric.starts_with("projection.") {
            return;
        }
        let Some(known) = self.known(point.resource(), point.attributes(), names) else {
            return;
        };
        let count = counter::count(point);
        match (metric, count) {
            (metrics::PROJECTION_POSITION, Some(count)) => known.moved(point.at(), count),
            (metrics::PROJECTION_HEAD, Some(count)) => known.head.read(point.at(), count),
            (metrics::PROJECTION_LAG_EVENTS, Some(count)) => known.lag_events.read(point.at(), count),
            (metrics::PROJECTION_LAG_TIME, Some(_)) => {
                known.lags(point.at(), counter::reading(point).unwrap_or(0.0).max(0.0), now);
            }
            (metrics::PROJECTION_EVENTS_PROCESSED, Some(_)) => {
                let rise = known.processed.rise(point);
                if let Some(applied) = known.applied.at(point.at(), now) {
                    *applied = applied.saturating_add(u32::try_from(rise).unwrap_or(u32::MAX));
                }
            }
            _ => return,
        }
        known.updated_at = known.updated_at.max(point.at());
        if known.lag() == Some(0) && known.head.is_as_new_as(&known.position) {
            known.progress_at = known.progress_at.max(point.at());
        }
        known.is_changed = true;
    }

    /// Rows that differ from those last handed out.
    pub(super) fn take_changes(
        &mut self,
        rebuilds: &Rebuilds,
        now: Time,
        rates: bool,
    ) -> Option<(Vec<ReadModel>, Vec<String>)> {
        let mut rows = Vec::new();
        for (key, known) in &mut self.held {
            let state = known.state(rebuilds.is_running(&key.0, &key.1), now);
            let news = known.sent.as_ref().is_none_or(|sent| sent.state != state);
            if !(news || rates && known.is_changed) {
                continue;
            }
            known.is_changed = false;
            let row = known.row(key, state, now);
            if known.sent.as_ref() != Some(&row) {
                known.sent = Some(row.clone());
                rows.push(row);
            }
        }
        let removed = std::mem::take(&mut self.removed);
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    /// Forgets the long silent.
    pub(super) fn tick(&mut self, now: Time) {
        let removed = &mut self.removed;
        self.held.retain(|(service, name, partition), known| {
            let keep = now.seconds_since(known.updated_at) <= FORGET_SECONDS;
            if !keep {
                removed.push(format!("{service}/{name}/{partition}"));
            }
            keep
        });
    }

    pub(super) fn rows(&self, rebuilds: &Rebuilds, now: Time) -> Vec<ReadModel> {
        self.held
            .iter()
            .map(|(key, known)| known.row(key, known.state(rebuilds.is_running(&key.0, &key.1), now), now))
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
        let name = attributes.text(key::PROJECTION_NAME).filter(|name| !name.is_empty())?;
        let partition = match (
            attributes.text(key::PROJECTION_PARTITION),
            attributes.int(key::PROJECTION_PARTITION),
        ) {
            (Some(text), _) => names.share(text),
            (None, Some(number)) => names.share(&number.to_string()),
            (None, None) => names.share(""),
        };
        let key = (names.share(resource.service()), names.share(name), partition);
        if self.held.len() >= self.limit && !self.held.contains_key(&key) {
            self.dropped += 1;
            return None;
        }
        Some(self.held.entry(key).or_insert_with(Known::new))
    }
}

impl Known {
    fn new() -> Self {
        Self {
            position: Reading::default(),
            head: Reading::default(),
            lag_events: Reading::default(),
            lag_seconds: None,
            processed: Counter::default(),
            applied: Slices::default(),
            updated_at: Time::default(),
            progress_at: Time::default(),
            lag_history: Slices::new(LAG_SLICE_SECONDS, LAG_SLICES + 1),
            sent: None,
            is_changed: true,
        }
    }

    /// A position that differs is progress: a rebuild starts from zero.
    fn moved(&mut self, at: Time, position: u64) {
        if self.position.newest() != Some(position) {
            self.progress_at = self.progress_at.max(at);
        }
        self.position.read(at, position);
    }

    fn lags(&mut self, at: Time, seconds: f64, now: Time) {
        if self.lag_seconds.is_none_or(|(known, _)| at > known) {
            self.lag_seconds = Some((at, seconds));
        }
        if let Some(lag) = self.lag_history.at(at, now) {
            *lag = lag.max(seconds as f32);
        }
    }

    fn lag(&self) -> Option<u64> {
        match (self.head.newest(), self.position.newest()) {
            (Some(head), Some(position)) => Some(head.saturating_sub(position)),
            _ => self.lag_events.newest(),
        }
    }

    fn state(&self, is_rebuilding: bool, now: Time) -> ProjectionState {
        if now.seconds_since(self.updated_at) > SILENT_SECONDS {
            return ProjectionState::NoData;
        }
        let seconds = self.lag_seconds.map(|(_, seconds)| seconds);
        let is_behind = match (self.lag(), seconds) {
            (Some(0), _) => false,
            (_, Some(seconds)) => seconds >= CAUGHT_UP_SECONDS,
            (Some(_), None) => true,
            (None, None) => return ProjectionState::NoData,
        };
        if is_behind && now.seconds_since(self.progress_at) > STALLED_SECONDS {
            ProjectionState::Stalled
        } else if is_rebuilding {
            ProjectionState::Replaying
        } else if is_behind {
            ProjectionState::Behind
        } else {
            ProjectionState::CaughtUp
        }
    }

    /// Applied per second, by the counter where there is one, else by the position.
    fn drain(&self, now: Time) -> Option<f64> {
        let applied: u32 = self.applied.recent(now, RATE_SECONDS as u64).flatten().sum();
        if applied > 0 {
            return Some(f64::from(applied) / RATE_SECONDS);
        }
        self.position.rate().map(|rate| rate.max(0.0))
    }

    fn row(&self, (service, name, partition): &Key, state: ProjectionState, now: Time) -> ReadModel {
        let drain = self.drain(now);
        let gain = drain.unwrap_or(0.0) - self.head.rate().unwrap_or(0.0).max(0.0);
        let lag = self.lag();
        let is_heard = state != ProjectionState::NoData;
        ReadModel {
            name: name.to_string(),
            service: service.to_string(),
            partition: partition.to_string(),
            state,
            position: self.position.newest(),
            head: self.head.newest(),
            lag_events: lag.filter(|_| is_heard),
            lag_seconds: self.lag_seconds.map(|(_, seconds)| seconds).filter(|_| is_heard),
            drain_per_second: drain.filter(|_| is_heard),
            eta_seconds: match (state, lag) {
                (ProjectionState::CaughtUp, _) => Some(0.0),
                (ProjectionState::Behind | ProjectionState::Replaying, Some(lag)) if gain > 0.0 => {
                    Some(lag as f64 / gain)
                }
                _ => None,
            },
            updated_at: self.updated_at,
            stalled_since: (state == ProjectionState::Stalled).then_some(self.progress_at),
            lag_history: self.history(now),
        }
    }

    fn history(&self, now: Time) -> Vec<f32> {
        let seconds = LAG_SLICE_SECONDS * LAG_SLICES as u64;
        let mut history: Vec<f32> = self
            .lag_history
            .recent(now, seconds)
            .map(|lag| lag.copied().unwrap_or_default())
            .collect();
        history.reverse();
        history
    }
}

impl Reading {
    /// Late and repeated readings are left out.
    fn read(&mut self, at: Time, value: u64) {
        if self.recent.back().is_some_and(|(newest, _)| at <= *newest) {
            return;
        }
        self.recent.push_back((at, value));
        while self.recent.len() > 32 || self.recent.len() > 2 && at.seconds_since(self.recent[1].0) >= RATE_SECONDS {
            self.recent.pop_front();
        }
    }

    /// False while one report is heard in part: its position came, its head did not yet.
    fn is_as_new_as(&self, other: &Self) -> bool {
        self.recent.back().map(|(at, _)| *at) >= other.recent.back().map(|(at, _)| *at)
    }

    fn newest(&self) -> Option<u64> {
        self.recent.back().map(|(_, value)| *value)
    }

    /// Change per second over the last seconds; negative after a reset.
    fn rate(&self) -> Option<f64> {
        let ((from_at, from), (to_at, to)) = (self.recent.front()?, self.recent.back()?);
        let seconds = to_at.seconds_since(*from_at);
        (seconds > 0.0).then(|| (*to as f64 - *from as f64) / seconds)
    }
}

/// Rebuilds by service and read model: they concern all of its partitions.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Rebuilds(BTreeMap<(Arc<str>, Arc<str>), Rebuild>);

/// Models whose rebuilds are remembered.
const REBUILDS_MAX: usize = 2_000;

impl Rebuilds {
    /// Joins a log record when it tells of a rebuild.
    pub(super) fn apply_log(&mut self, log: LogRef<'_>, names: &mut Names) {
        let started = match log.event_name() {
            Some(events::PROJECTION_REBUILD_STARTED) => true,
            Some(events::PROJECTION_REBUILD_FINISHED) => false,
            _ => return,
        };
        let Some(name) = log.attributes().text(key::PROJECTION_NAME) else {
            return;
        };
        let key = (names.share(log.resource().service()), names.share(name));
        if self.0.len() >= REBUILDS_MAX && !self.0.contains_key(&key) {
            return;
        }
        let rebuild = self.0.entry(key).or_default();
        let time = if started {
            &mut rebuild.started_at
        } else {
            &mut rebuild.finished_at
        };
        *time = (*time).max(Some(log.at()));
    }

    pub(super) fn started_at(&self, service: &str, name: &str) -> Option<Time> {
        self.0.get(&(Arc::from(service), Arc::from(name)))?.started_at
    }

    fn is_running(&self, service: &Arc<str>, name: &Arc<str>) -> bool {
        self.0
            .get(&(Arc::clone(service), Arc::clone(name)))
            .is_some_and(|rebuild| rebuild.started_at > rebuild.finished_at)
    }
}

#[cfg(test)]
mod tests;
