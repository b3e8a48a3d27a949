//! One summary a trace, kept up to date as its spans come.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::traces::{TraceRoot, TraceSummary};
use serde::{Deserialize, Serialize};

use super::marks::Marks;
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
    by_id: HashMap<TraceId, Summary>,
    /// In the order of their first span's arrival.
    arrival: VecDeque<TraceId>,
    #[serde(skip)]
    changed: Vec<TraceId>,
    aged_out: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    /// Least of: has a parent, start, id. So the root, or the earliest span known.
    root: (bool, Time, SpanId),
    root_service: Arc<str>,
    root_name: Arc<str>,
    start: Time,
    end: Time,
    spans: u64,
    errors: u64,
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
            by_id: HashMap::new(),
            arrival: VecDeque::new(),
            changed: Vec::new(),
            aged_out: 0,
        }
    }

    /// Bounded by `limit` from now on.
    pub(super) const fn restored(&mut self, limit: usize) {
        self.limit = if limit > 0 { limit } else { 1 };
    }

    /// Joins a span seen for the first time; `is_parent_known` tells whether its parent was seen.
    pub(super) fn apply(
        &mut self,
        span: SpanRef<'_>,
        marks: &Marks<'_>,
        service: &Arc<str>,
        is_parent_known: bool,
        names: &mut Names,
    ) {
        let id = span.trace_id();
        if !self.by_id.contains_key(&id) {
            self.make_room();
            self.arrival.push_back(id);
            self.by_id.insert(id, Summary::of(span, service, names));
        }
        let Some(summary) = self.by_id.get_mut(&id) else { return };
        summary.join(span, marks, service, is_parent_known, names);
        if !summary.is_changed {
            summary.is_changed = true;
            self.changed.push(id);
        }
    }

    /// Summaries that changed since the last call; of too many, the newest.
    pub(super) fn take_changes(&mut self) -> Vec<TraceSummary> {
        let changed = std::mem::take(&mut self.changed);
        let surplus = changed.len().saturating_sub(CHANGES_MAX);
        let mut rows = Vec::with_capacity(changed.len() - surplus);
        for (n, id) in changed.into_iter().enumerate() {
            let Some(summary) = self.by_id.get_mut(&id) else {
                continue;
            };
            summary.is_changed = false;
            if n >= surplus {
                rows.push(summary.row(id));
            }
        }
        rows
    }

    /// Newest first.
    pub(super) fn rows(&self, limit: usize) -> Vec<TraceSummary> {
        let newest = self.arrival.iter().rev().take(limit);
        let mut rows: Vec<TraceSummary> = newest.filter_map(|id| Some(self.by_id.get(id)?.row(*id))).collect();
        rows.sort_by(|a, b| (b.started_at, &b.trace_id).cmp(&(a.started_at, &a.trace_id)));
        rows
    }

    pub(super) const fn aged_out(&self) -> u64 {
        self.aged_out
    }

    fn make_room(&mut self) {
        while self.by_id.len() >= self.limit {
            let Some(oldest) = self.arrival.pop_front() else { return };
            self.by_id.remove(&oldest);
            self.aged_out += 1;
        }
    }
}

impl Summary {
    fn of(span: SpanRef<'_>, service: &Arc<str>, names: &mut Names) -> Self {
        Self {
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
        marks: &Marks<'_>,
        service: &Arc<str>,
        is_parent_known: bool,
        names: &mut Names,
    ) {
        self.start = self.start.min(span.start());
        self.end = self.end.max(span.end());
        self.spans += 1;
        self.errors += u64::from(span.status() == SpanStatus::Error);
        if rank(span) < self.root {
            self.root = rank(span);
            self.root_service = Arc::clone(service);
            self.root_name = names.share(span.name());
        }
        if self.services.len() < SERVICES_MAX && !self.services.contains(service) {
            self.services.push(Arc::clone(service));
        }
        if let Some(fault) = marks.fault_id.map(cut)
            && self.faults.len() < FAULTS_MAX
            && !self.faults.iter().any(|known| **known == *fault)
        {
            self.faults.push(names.share(fault));
        }
        if self.correlation.is_none() {
            self.correlation = marks.correlation_id.map(|id| cut(id).into());
        }
        self.missing.retain(|missing| *missing != span.span_id());
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

    fn row(&self, id: TraceId) -> TraceSummary {
        let mut services: Vec<String> = self.services.iter().map(ToString::to_string).collect();
        services.sort_unstable();
        let mut faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        faults.sort_unstable();
        TraceSummary {
            trace_id: id.to_string(),
            root: TraceRoot {
                service: self.root_service.to_string(),
                name: self.root_name.to_string(),
            },
            started_at: self.start,
            duration_nanos: self.end.0.saturating_sub(self.start.0),
            span_count: self.spans,
            error_count: self.errors,
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
