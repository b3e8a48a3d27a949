//! Spans.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, span};
use sagascope_api::Time;

use super::interner::Interner;
use super::{Normalised, time_or, values};
use crate::rows::{Dropped, LinkRow, Resource, Scope, SpanEventRow, SpanId, SpanKind, SpanRow, SpanStatus, TraceId};

/// Events kept of one span.
pub(crate) const EVENTS_MAX: usize = 1_024;
/// Links kept of one span.
pub(crate) const LINKS_MAX: usize = 1_024;

pub(super) fn normalise(request: ExportTraceServiceRequest, received_at: Time) -> Normalised {
    let mut out = Normalised::new(received_at);
    let mut names = Interner::default();
    for group in request.resource_spans {
        let resource = values::resource(group.resource, &group.schema_url, &mut names);
        for scoped in group.scope_spans {
            let scope = values::scope(scoped.scope, &scoped.schema_url, &mut names);
            for span in scoped.spans {
                match row(span, &resource, &scope, received_at, &mut names) {
                    Ok(row) => out.batch.spans.push(Arc::new(row)),
                    Err(reason) => out.reject(reason),
                }
            }
        }
    }
    out.cut = names.cut;
    out
}

fn row(
    span: Span,
    resource: &Arc<Resource>,
    scope: &Arc<Scope>,
    received_at: Time,
    names: &mut Interner,
) -> Result<SpanRow, &'static str> {
    let SpanIds {
        trace_id,
        span_id,
        parent_span_id,
    } = SpanIds::of(&span.trace_id, &span.span_id, &span.parent_span_id)?;
    let start = time_or(span.start_time_unix_nano, time_or(span.end_time_unix_nano, received_at));
    let status = span.status.unwrap_or_default();
    let (attributes, dropped_attributes) = values::counted(span.attributes, span.dropped_attributes_count, names);
    let (sent_events, sent_links) = (span.events.len(), span.links.len());
    let events: Vec<_> = span
        .events
        .into_iter()
        .take(EVENTS_MAX)
        .map(|event| event_row(event, start, names))
        .collect();
    let links: Vec<_> = span
        .links
        .into_iter()
        .take(LINKS_MAX)
        .filter_map(|link| link_row(link, names))
        .collect();
    names.cut += (sent_events - events.len() + sent_links - links.len()) as u64;
    let odd = [
        !is_kind(span.kind),
        !is_status(status.code),
        ends_too_early(span.start_time_unix_nano, span.end_time_unix_nano),
    ];
    names.cut += odd.into_iter().map(u64::from).sum::<u64>();
    let more = |dropped: u32, sent: usize, kept: usize| dropped.saturating_add((sent - kept) as u32);
    Ok(SpanRow {
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
        trace_id,
        span_id,
        parent_span_id,
        name: names.name(&span.name),
        kind: kind_of(span.kind),
        start,
        duration_nanos: span.end_time_unix_nano.saturating_sub(start.0),
        status: status_of(status.code),
        status_message: values::text(status.message, names),
        attributes,
        dropped: Dropped {
            attributes: dropped_attributes,
            events: more(span.dropped_events_count, sent_events, events.len()),
            links: more(span.dropped_links_count, sent_links, links.len()),
        },
        events,
        links,
        trace_state: values::text(span.trace_state, names),
        flags: span.flags,
    })
}

/// Whether the end is told, and cannot be one: the span is kept with no length then.
pub(crate) const fn ends_too_early(start: u64, end: u64) -> bool {
    end != 0 && end < start
}

/// Whether OTLP knows this status; any other reads as unset.
pub(crate) const fn is_status(number: i32) -> bool {
    number == 0 || !matches!(status_of(number), SpanStatus::Unset)
}

pub(crate) const fn status_of(number: i32) -> SpanStatus {
    match number {
        1 => SpanStatus::Ok,
        2 => SpanStatus::Error,
        _ => SpanStatus::Unset,
    }
}

/// The ids without which nothing is a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpanIds {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent_span_id: Option<SpanId>,
}

impl SpanIds {
    /// Judges ids of any length.
    pub(crate) fn of(trace_id: &[u8], span_id: &[u8], parent_span_id: &[u8]) -> Result<Self, &'static str> {
        Ok(Self {
            trace_id: TraceId::from_slice(trace_id).ok_or("trace_id must be 16 bytes, not all zero")?,
            span_id: SpanId::from_slice(span_id).ok_or("span_id must be 8 bytes, not all zero")?,
            parent_span_id: parent(parent_span_id)?,
        })
    }
}

/// Absent and all-zero parents both mean a root; any other length than 8 is an error.
fn parent(bytes: &[u8]) -> Result<Option<SpanId>, &'static str> {
    match bytes.len() {
        0 => Ok(None),
        8 => Ok(SpanId::from_slice(bytes)),
        _ => Err("parent_span_id must be empty or 8 bytes"),
    }
}

/// Whether OTLP knows this kind; any other reads as unspecified.
pub(crate) const fn is_kind(number: i32) -> bool {
    number == 0 || !matches!(kind_of(number), SpanKind::Unspecified)
}

pub(crate) const fn kind_of(number: i32) -> SpanKind {
    match number {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

fn event_row(event: span::Event, start: Time, names: &mut Interner) -> SpanEventRow {
    let (attributes, dropped_attributes) = values::counted(event.attributes, event.dropped_attributes_count, names);
    SpanEventRow {
        at: time_or(event.time_unix_nano, start),
        name: names.name(&event.name),
        attributes,
        dropped_attributes,
    }
}

/// A link to nowhere is left out; the span itself is good.
fn link_row(link: span::Link, names: &mut Interner) -> Option<LinkRow> {
    let (trace_id, span_id) = (TraceId::from_slice(&link.trace_id)?, SpanId::from_slice(&link.span_id)?);
    let (attributes, dropped_attributes) = values::counted(link.attributes, link.dropped_attributes_count, names);
    Some(LinkRow {
        trace_id,
        span_id,
        trace_state: values::text(link.trace_state, names),
        flags: link.flags,
        attributes,
        dropped_attributes,
    })
}
