//! One summary a trace, kept up to date as its spans come.

use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::traces::{TraceRoot, TraceSummary};
use serde::{Deserialize, Serialize};

use super::HashMap;
use super::keys::{Key, Keyed};
use super::names::{Names, cut};
use crate::block::SpanRef;
use crate::rows::{SpanId, SpanStatus, TraceId};

/// Services named of one trace.
const SERVICES_MAX: usize = 32;
/// Faults named of one trace.
const FAULTS_MAX: usize = 16;
/// Parents awaited in one trace; one that lacks more counts as incomplete for good.
const MISSING_MAX: usize = 64;
/// Changed summaries handed out at once; of more, the newest.
const CHANGES_MAX: usize = 200;

/// All summaries.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Traces {
    limit: usize,
    /// In the order of their first span's arrival: a ring, once there are `limit` of them.
    all: Vec<Summary>,
    /// Place of the oldest of a full ring.
    oldest: usize,
    #[serde(skip)]
    places: HashMap<TraceId, u32>,
    /// Places of those that changed, the newest change last.
    #[serde(skip)]
    changed: Vec<u32>,
    aged_out: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    id: TraceId,
    /// Least of: has a parent, start, id. So the root, or the earliest span known.
    root: (bool, Time, SpanId),
    root_service: Arc<str>,
    root_name: Arc<str>,
    start: Time,
    end: Time,
    spans: u32,
    errors: u32,
    services: Vec<Arc<str>>,
    faults: Vec<Arc<str>>,
    correlation: Option<Box<str>>,
    missing: Vec<SpanId>,
    lacks_too_many: bool,
    #[serde(skip)]
    is_changed: bool,
}

impl Traces {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            all: Vec::new(),
            oldest: 0,
            places: HashMap::default(),
            changed: Vec::new(),
            aged_out: 0,
        }
    }

    /// Bounded by `limit` from now on; finds places and shares names again.
    pub(super) fn restored(&mut self, limit: usize, names: &mut Names) {
        self.limit = limit.max(1);
        let oldest = std::mem::take(&mut self.oldest).min(self.all.len());
        self.all.rotate_left(oldest);
        let surplus = self.all.len().saturating_sub(self.limit);
        self.all.drain(..surplus);
        self.aged_out += surplus as u64;
        self.all.iter_mut().for_each(|summary| summary.share_names(names));
        self.places = self.all.iter().map(|summary| summary.id).zip(0..).collect();
    }

    /// Joins a span seen for the first time; `is_parent_known` tells whether its parent was seen.
    pub(super) fn apply(
        &mut self,
        span: SpanRef<'_>,
        keyed: &Keyed<'_>,
        service: &Arc<str>,
        is_parent_known: bool,
        names: &mut Names,
    ) {
        let place = match self.places.get(&span.trace_id()) {
            Some(place) => *place,
            None => self.begin(span, service, names),
        };
        let summary = &mut self.all[place as usize];
        summary.join(span, keyed, service, is_parent_known, names);
        if !summary.is_changed {
            summary.is_changed = true;
            self.note_change(place);
        }
    }

    /// Summaries that changed since the last call; of too many, the newest.
    pub(super) fn take_changes(&mut self) -> Vec<TraceSummary> {
        let mut rows = Vec::with_capacity(self.changed.len().min(CHANGES_MAX));
        for place in std::mem::take(&mut self.changed).into_iter().rev() {
            let summary = &mut self.all[place as usize];
            if std::mem::take(&mut summary.is_changed) && rows.len() < CHANGES_MAX {
                rows.push(summary.row());
            }
        }
        rows.reverse();
        rows
    }

    /// Newest first.
    pub(super) fn rows(&self, limit: usize) -> Vec<TraceSummary> {
        let (newer, older) = (&self.all[..self.oldest], &self.all[self.oldest..]);
        let newest = newer.iter().rev().chain(older.iter().rev()).take(limit);
        let mut rows: Vec<TraceSummary> = newest.map(Summary::row).collect();
        rows.sort_by(|a, b| (b.started_at, &b.trace_id).cmp(&(a.started_at, &a.trace_id)));
        rows
    }

    pub(super) const fn aged_out(&self) -> u64 {
        self.aged_out
    }

    /// A new summary takes the place of the oldest when there are enough.
    fn begin(&mut self, span: SpanRef<'_>, service: &Arc<str>, names: &mut Names) -> u32 {
        let summary = Summary::of(span, service, names);
        let place = if self.all.len() < self.limit {
            self.all.push(summary);
            self.all.len() - 1
        } else {
            let place = self.oldest;
            self.oldest = (place + 1) % self.all.len();
            self.places.remove(&self.all[place].id);
            self.all[place] = summary;
            self.aged_out += 1;
            place
        };
        self.places.insert(span.trace_id(), place as u32);
        place as u32
    }

    /// While nobody takes the changes, the oldest of them are let go.
    fn note_change(&mut self, place: u32) {
        if self.changed.len() == 2 * CHANGES_MAX {
            for place in self.changed.drain(..CHANGES_MAX) {
                self.all[place as usize].is_changed = false;
            }
        }
        self.changed.push(place);
    }
}

impl Summary {
    fn of(span: SpanRef<'_>, service: &Arc<str>, names: &mut Names) -> Self {
        Self {
            id: span.trace_id(),
            root: rank(span),
            root_service: Arc::clone(service),
            root_name: names.share(span.name()),
            start: span.start(),
            end: span.end(),
            spans: 0,
            errors: 0,
            services: Vec::new(),
            faults: Vec::new(),
            correlation: None,
            missing: Vec::new(),
            lacks_too_many: false,
            is_changed: false,
        }
    }

    fn join(
        &mut self,
        span: SpanRef<'_>,
        keyed: &Keyed<'_>,
        service: &Arc<str>,
        is_parent_known: bool,
        names: &mut Names,
    ) {
        self.start = self.start.min(span.start());
        self.end = self.end.max(span.end());
        self.spans = self.spans.saturating_add(1);
        self.errors = self
            .errors
            .saturating_add(u32::from(span.status() == SpanStatus::Error));
        if rank(span) < self.root {
            self.root = rank(span);
            self.root_service = Arc::clone(service);
            self.root_name = names.share(span.name());
        }
        let is_known = |known: &Arc<str>| Arc::ptr_eq(known, service) || known == service;
        if self.services.len() < SERVICES_MAX && !self.services.iter().any(is_known) {
            self.services.push(Arc::clone(service));
        }
        if let Some(fault) = keyed.given(Key::FaultId).map(cut)
            && self.faults.len() < FAULTS_MAX
            && !self.faults.iter().any(|known| **known == *fault)
        {
            self.faults.push(names.share(fault));
        }
        if self.correlation.is_none() {
            self.correlation = keyed.correlation_id().map(|id| cut(id).into());
        }
        if !self.missing.is_empty() {
            self.missing.retain(|missing| *missing != span.span_id());
        }
        if let Some(parent) = span.parent_span_id().filter(|_| !is_parent_known)
            && !self.missing.contains(&parent)
        {
            if self.missing.len() < MISSING_MAX {
                self.missing.push(parent);
            } else {
                self.lacks_too_many = true;
            }
        }
    }

    fn share_names(&mut self, names: &mut Names) {
        let own = [&mut self.root_service, &mut self.root_name];
        for name in own.into_iter().chain(&mut self.services).chain(&mut self.faults) {
            *name = names.share(name);
        }
    }

    fn row(&self) -> TraceSummary {
        let mut services: Vec<String> = self.services.iter().map(ToString::to_string).collect();
        services.sort_unstable();
        let mut faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        faults.sort_unstable();
        TraceSummary {
            trace_id: self.id.to_string(),
            root: TraceRoot {
                service: self.root_service.to_string(),
                name: self.root_name.to_string(),
            },
            started_at: self.start,
            duration_nanos: self.end.0.saturating_sub(self.start.0),
            span_count: u64::from(self.spans),
            error_count: u64::from(self.errors),
            services,
            complete: self.missing.is_empty() && !self.lacks_too_many && !self.root.0,
            faults,
            correlation_id: self.correlation.as_deref().map(str::to_owned),
        }
    }
}

fn rank(span: SpanRef<'_>) -> (bool, Time, SpanId) {
    (span.parent_span_id().is_some(), span.start(), span.span_id())
}
