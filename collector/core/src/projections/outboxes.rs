//! Outboxes by their metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::read_models::Outbox;
use sagascope_conventions::attributes as key;
use sagascope_conventions::events::metrics;
use serde::{Deserialize, Serialize};

use super::counter::{self, Counter};
use super::names::Names;
use super::window::Slices;
use crate::block::PointRef;
use crate::rows::{MetricKind, Temporality};

/// Seconds over which the rate of publishing is taken.
const RATE_SECONDS: u64 = 10;
/// Silence after which an outbox is forgotten, seconds.
const FORGET_SECONDS: f64 = 3_600.0;

/// All outboxes, by service and name: a restarted process continues the row of its predecessor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outboxes {
    limit: usize,
    held: BTreeMap<(Arc<str>, Arc<str>), Known>,
    #[serde(skip)]
    removed: Vec<String>,
    dropped: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    pending: Option<(Time, u64)>,
    oldest_age: Option<(Time, f64)>,
    published: Counter,
    published_by_second: Slices<u32>,
    counts_published: bool,
    failed: Option<(Time, u64)>,
    updated_at: Time,
    #[serde(skip)]
    sent: Option<Outbox>,
    #[serde(skip)]
    is_changed: bool,
}

impl Outboxes {
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

    /// Joins a metric point when it is of an outbox.
    pub(super) fn apply_point(&mut self, point: PointRef<'_>, now: Time, names: &mut Names) {
        if !point.metric_name().starts_with("outbox.") {
            return;
        }
        let (Some(name), Some(value)) = (point.attributes().text(key::OUTBOX_NAME), counter::reading(point)) else {
            return;
        };
        let key = (names.share(point.resource().service()), names.share(name));
        if self.held.len() >= self.limit && !self.held.contains_key(&key) {
            self.dropped += 1;
            return;
        }
        self.held.entry(key).or_default().read(point, value, now);
    }

    /// Forgets the long silent.
    pub(super) fn tick(&mut self, now: Time) {
        let removed = &mut self.removed;
        self.held.retain(|(service, name), known| {
            let keep = now.seconds_since(known.updated_at) <= FORGET_SECONDS;
            if !keep {
                removed.push(format!("{service}/{name}"));
            }
            keep
        });
    }

    /// Rows that differ from those last handed out.
    pub(super) fn take_changes(&mut self, now: Time, rates: bool) -> Option<(Vec<Outbox>, Vec<String>)> {
        let mut rows = Vec::new();
        for (key, known) in &mut self.held {
            if !(rates && known.is_changed || known.sent.is_none()) {
                continue;
            }
            known.is_changed = false;
            let row = known.row(key, now);
            if known.sent.as_ref() != Some(&row) {
                known.sent = Some(row.clone());
                rows.push(row);
            }
        }
        let removed = std::mem::take(&mut self.removed);
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    pub(super) fn rows(&self, now: Time) -> Vec<Outbox> {
        self.held.iter().map(|(key, known)| known.row(key, now)).collect()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Known {
    fn read(&mut self, point: PointRef<'_>, value: f64, now: Time) {
        let count = value.max(0.0) as u64;
        match point.metric_name() {
            metrics::OUTBOX_PENDING => newer(&mut self.pending, point.at(), count),
            metrics::OUTBOX_OLDEST_AGE => newer(&mut self.oldest_age, point.at(), value.max(0.0)),
            metrics::OUTBOX_FAILED => match point.kind() {
                MetricKind::Sum { temporality, .. } if temporality != Temporality::Cumulative => {
                    // Each report brings only what is new since the last.
                    let known = self.failed.map_or(0, |(_, failed)| failed);
                    newer(&mut self.failed, point.at(), known.saturating_add(count));
                }
                _ => newer(&mut self.failed, point.at(), count),
            },
            metrics::OUTBOX_PUBLISHED => {
                self.counts_published = true;
                let rise = self.published.rise(point);
                if let Some(published) = self.published_by_second.at(point.at(), now) {
                    *published = published.saturating_add(u32::try_from(rise).unwrap_or(u32::MAX));
                }
            }
            _ => return,
        }
        self.updated_at = self.updated_at.max(point.at());
        self.is_changed = true;
    }

    fn row(&self, (service, name): &(Arc<str>, Arc<str>), now: Time) -> Outbox {
        let published: u32 = self.published_by_second.recent(now, RATE_SECONDS).flatten().sum();
        let pending = self.pending.map(|(_, pending)| pending);
        Outbox {
            name: name.to_string(),
            service: service.to_string(),
            pending,
            oldest_age_seconds: self
                .oldest_age
                .map(|(_, age)| age)
                // Nothing waits, so nothing has an age.
                .filter(|_| pending != Some(0)),
            published_per_second: self
                .counts_published
                .then(|| f64::from(published) / RATE_SECONDS as f64),
            failed: self.failed.map_or(0, |(_, failed)| failed),
            updated_at: self.updated_at,
        }
    }
}

fn newer<T>(known: &mut Option<(Time, T)>, at: Time, value: T) {
    if known.as_ref().is_none_or(|(newest, _)| at > *newest) {
        *known = Some((at, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, counter, gauge, point_block, text};

    #[test]
    fn an_outbox_shows_what_waits_and_what_goes() {
        let name = [("outbox.name", text("orders"))];
        let mut outboxes = Outboxes::new(10);
        let mut names = Names::default();
        for (n, pending) in [(1.0, 5.0), (2.0, 3.0), (1.5, 9.0)] {
            let point = gauge("orders", n, "outbox.pending", pending, &name);
            outboxes.apply_point(point_block(std::slice::from_ref(&point)).row(0), at(3.0), &mut names);
        }
        outboxes.apply_point(
            point_block(std::slice::from_ref(&gauge(
                "orders",
                2.0,
                "outbox.oldest.age",
                1.5,
                &name,
            )))
            .row(0),
            at(3.0),
            &mut names,
        );
        outboxes.apply_point(
            point_block(std::slice::from_ref(&counter(
                "orders",
                2.0,
                "outbox.published",
                20.0,
                &name,
            )))
            .row(0),
            at(3.0),
            &mut names,
        );
        outboxes.apply_point(
            point_block(std::slice::from_ref(&counter(
                "orders#2",
                2.5,
                "outbox.failed",
                4.0,
                &name,
            )))
            .row(0),
            at(3.0),
            &mut names,
        );
        let rows = outboxes.rows(at(3.0));
        assert_eq!(rows.len(), 1, "another process of the service continues the row");
        let row = &rows[0];
        assert_eq!((row.pending, row.oldest_age_seconds), (Some(3), Some(1.5)));
        assert_eq!((row.published_per_second, row.failed), (Some(2.0), 4));
        assert_eq!(row.updated_at, at(2.5));
    }

    #[test]
    fn what_was_not_told_is_not_zero() {
        let mut outboxes = Outboxes::new(1);
        let mut names = Names::default();
        let point = gauge("orders", 1.0, "outbox.pending", 0.0, &[("outbox.name", text("orders"))]);
        outboxes.apply_point(point_block(std::slice::from_ref(&point)).row(0), at(1.0), &mut names);
        let row = &outboxes.rows(at(1.0))[0];
        assert_eq!(
            (row.pending, row.oldest_age_seconds, row.published_per_second),
            (Some(0), None, None)
        );
        let second = gauge("orders", 1.0, "outbox.pending", 0.0, &[("outbox.name", text("x"))]);
        outboxes.apply_point(point_block(std::slice::from_ref(&second)).row(0), at(1.0), &mut names);
        assert_eq!((outboxes.rows(at(1.0)).len(), outboxes.dropped()), (1, 1));
    }
}
