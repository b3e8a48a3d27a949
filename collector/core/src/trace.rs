//! Lays the spans of one trace out: waterfall order, depth, critical path.
//!
//! Spans come from anyone, so nothing is taken for granted: a parent may be missing, its own child, or its own parent.
//! Each span is shown exactly once, and what has no known parent starts at the margin.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::logs::LogRow as ApiLogRow;
use sagascope_api::traces::{Span, SpanEvent, SpanLink, Trace, TraceRoot, TraceSummary};
use sagascope_conventions::attributes as key;

use self::tree::Tree;
use crate::normalise::cut;
use crate::rows::{Attributes, LogRow, SpanRow, SpanStatus};

pub mod json;
mod room;
#[cfg(test)]
mod tests;
mod tree;

pub use room::Room;

/// Longest id shown, in bytes.
const ID_BYTES_MAX: usize = 512;

/// The trace of these spans (any order, repeats allowed); at most `limit` spans are answered. `None` without spans.
#[must_use]
pub fn assemble(spans: &[Arc<SpanRow>], limit: usize) -> Option<Trace> {
    let tree = Tree::of(spans);
    let summary = summary_of(&tree)?;
    let shown = tree.order.len().min(limit);
    let mut room = Room::answer();
    Some(Trace {
        trace_id: summary.trace_id,
        root: summary.root,
        started_at: summary.started_at,
        duration_nanos: summary.duration_nanos,
        complete: summary.complete,
        spans: tree.order[..shown]
            .iter()
            .map(|(place, depth)| span(&tree, *place, *depth, &mut room))
            .collect(),
        critical_path: tree
            .critical_path()
            .iter()
            .map(|span| span.span_id.to_string())
            .collect(),
        sagas: sagas(&tree),
        linked_traces: linked(&tree),
        omitted: (tree.order.len() - shown) as u64,
        incomplete: false,
    })
}

/// The list row of these spans. `None` without spans.
#[must_use]
pub fn summarise(spans: &[Arc<SpanRow>]) -> Option<TraceSummary> {
    summary_of(&Tree::of(spans))
}

/// A log record as lists of the API show it.
#[must_use]
pub fn log_row(log: &LogRow) -> ApiLogRow {
    log_row_in(log, &mut Room::row())
}

/// A log record as the API shows it where there is so much room.
#[must_use]
pub fn log_row_in(log: &LogRow, room: &mut Room) -> ApiLogRow {
    ApiLogRow {
        at: log.at,
        service: log.resource.service.to_string(),
        severity: log.severity,
        severity_text: room.text(&log.severity_text),
        event_name: log.event_name.as_deref().map(str::to_owned),
        body: room.value(&log.body),
        attributes: room.attributes(&log.attributes),
        trace_id: log.trace_id.map(|id| id.to_string()),
        span_id: log.span_id.map(|id| id.to_string()),
        correlation_id: correlation(&log.attributes).map(str::to_owned),
    }
}

/// The correlation id under either of its names.
fn correlation(attributes: &Attributes) -> Option<&str> {
    attributes
        .text(key::CORRELATION_ID)
        .or_else(|| attributes.text(key::CONVERSATION_ID))
        .map(id)
}

/// An id, when it is as long as one may be.
fn id(text: &str) -> &str {
    cut(text, ID_BYTES_MAX)
}

fn summary_of(tree: &Tree<'_>) -> Option<TraceSummary> {
    let root = tree.root()?;
    let spans = &tree.spans;
    let start = spans.iter().map(|span| span.start).min()?;
    let end = spans.iter().map(|span| span.end()).max()?;
    let services: BTreeSet<&str> = spans.iter().map(|span| &*span.resource.service).collect();
    let faults: BTreeSet<&str> = spans
        .iter()
        .filter_map(|span| span.attributes.text(key::FAULT_ID).map(id))
        .collect();
    Some(TraceSummary {
        trace_id: root.trace_id.to_string(),
        root: TraceRoot {
            service: root.resource.service.to_string(),
            name: root.name.to_string(),
        },
        started_at: start,
        duration_nanos: end.0.saturating_sub(start.0),
        span_count: spans.len() as u64,
        error_count: spans.iter().filter(|span| span.status == SpanStatus::Error).count() as u64,
        services: services.into_iter().map(str::to_owned).collect(),
        complete: tree.is_complete(),
        faults: faults.into_iter().map(str::to_owned).collect(),
        correlation_id: spans
            .iter()
            .find_map(|span| correlation(&span.attributes))
            .map(str::to_owned),
    })
}

fn span(tree: &Tree<'_>, place: usize, depth: u32, room: &mut Room) -> Span {
    let row = tree.spans[place];
    let mut attributes = room.attributes(&row.attributes);
    for (key, value) in room.attributes(&row.resource.attributes) {
        attributes.insert(format!("resource.{key}"), value);
    }
    Span {
        span_id: row.span_id.to_string(),
        parent_span_id: row.parent_span_id.map(|id| id.to_string()),
        service: row.resource.service.to_string(),
        name: row.name.to_string(),
        kind: row.kind.as_str().to_owned(),
        status: row.status.as_str().to_owned(),
        status_message: room.text(&row.status_message),
        start_unix_nano: row.start.0,
        duration_nanos: row.duration_nanos,
        depth,
        missing_parent: tree.lacks_parent(place),
        attributes,
        events: row
            .events
            .iter()
            .map(|event| SpanEvent {
                time_unix_nano: event.at.0,
                name: room.text(&event.name),
                attributes: room.attributes(&event.attributes),
            })
            .collect(),
        links: row
            .links
            .iter()
            .map(|link| SpanLink {
                trace_id: link.trace_id.to_string(),
                span_id: link.span_id.to_string(),
            })
            .collect(),
    }
}

fn sagas(tree: &Tree<'_>) -> Vec<String> {
    let keys: BTreeSet<String> = tree
        .spans
        .iter()
        .filter_map(|span| {
            let name = span.attributes.text(key::SAGA_NAME)?;
            let saga = span.attributes.text(key::SAGA_ID)?;
            Some(format!("{}/{}", id(name), id(saga)))
        })
        .collect();
    keys.into_iter().collect()
}

fn linked(tree: &Tree<'_>) -> Vec<String> {
    let ids: BTreeSet<String> = tree
        .spans
        .iter()
        .flat_map(|span| span.links.iter().map(move |link| (span.trace_id, link.trace_id)))
        .filter(|(own, other)| own != other)
        .map(|(_, other)| other.to_string())
        .collect();
    ids.into_iter().collect()
}

/// Earliest first, then by id, so that equal input gives equal output.
fn by_start(a: &SpanRow, b: &SpanRow) -> std::cmp::Ordering {
    let rank = |span: &SpanRow| -> (Time, [u8; 8]) { (span.start, span.span_id.0) };
    rank(a).cmp(&rank(b))
}
