//! Spans as OTLP/JSON.

use opentelemetry_proto::tonic::trace::v1 as proto;
use serde::Deserialize;

use super::values::{Enum, Hex, Int, KeyValue, List, One, Resource, Scope, all, one};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) resource_spans: List<ResourceSpans>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ResourceSpans {
    resource: One<Resource>,
    scope_spans: List<ScopeSpans>,
    schema_url: Option<String>,
}

impl From<ResourceSpans> for proto::ResourceSpans {
    fn from(from: ResourceSpans) -> Self {
        Self {
            resource: one(from.resource),
            scope_spans: all(from.scope_spans),
            schema_url: from.schema_url.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScopeSpans {
    scope: One<Scope>,
    spans: List<Span>,
    schema_url: Option<String>,
}

impl From<ScopeSpans> for proto::ScopeSpans {
    fn from(from: ScopeSpans) -> Self {
        Self {
            scope: one(from.scope),
            spans: all(from.spans),
            schema_url: from.schema_url.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Span {
    trace_id: Option<Hex>,
    span_id: Option<Hex>,
    trace_state: Option<String>,
    parent_span_id: Option<Hex>,
    flags: Option<Int<u32>>,
    name: Option<String>,
    kind: Option<Enum>,
    start_time_unix_nano: Option<Int<u64>>,
    end_time_unix_nano: Option<Int<u64>>,
    attributes: List<KeyValue>,
    dropped_attributes_count: Option<Int<u32>>,
    events: List<Event>,
    dropped_events_count: Option<Int<u32>>,
    links: List<Link>,
    dropped_links_count: Option<Int<u32>>,
    status: One<Status>,
}

impl From<Span> for proto::Span {
    fn from(from: Span) -> Self {
        Self {
            trace_id: from.trace_id.unwrap_or_default().0,
            span_id: from.span_id.unwrap_or_default().0,
            trace_state: from.trace_state.unwrap_or_default(),
            parent_span_id: from.parent_span_id.unwrap_or_default().0,
            flags: from.flags.unwrap_or_default().0,
            name: from.name.unwrap_or_default(),
            kind: from.kind.unwrap_or_default().0,
            start_time_unix_nano: from.start_time_unix_nano.unwrap_or_default().0,
            end_time_unix_nano: from.end_time_unix_nano.unwrap_or_default().0,
            attributes: all(from.attributes),
            dropped_attributes_count: from.dropped_attributes_count.unwrap_or_default().0,
            events: all(from.events),
            dropped_events_count: from.dropped_events_count.unwrap_or_default().0,
            links: all(from.links),
            dropped_links_count: from.dropped_links_count.unwrap_or_default().0,
            status: one(from.status),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    time_unix_nano: Option<Int<u64>>,
    name: Option<String>,
    attributes: List<KeyValue>,
    dropped_attributes_count: Option<Int<u32>>,
}

impl From<Event> for proto::span::Event {
    fn from(from: Event) -> Self {
        Self {
            time_unix_nano: from.time_unix_nano.unwrap_or_default().0,
            name: from.name.unwrap_or_default(),
            attributes: all(from.attributes),
            dropped_attributes_count: from.dropped_attributes_count.unwrap_or_default().0,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Link {
    trace_id: Option<Hex>,
    span_id: Option<Hex>,
    trace_state: Option<String>,
    attributes: List<KeyValue>,
    dropped_attributes_count: Option<Int<u32>>,
    flags: Option<Int<u32>>,
}

impl From<Link> for proto::span::Link {
    fn from(from: Link) -> Self {
        Self {
            trace_id: from.trace_id.unwrap_or_default().0,
            span_id: from.span_id.unwrap_or_default().0,
            trace_state: from.trace_state.unwrap_or_default(),
            attributes: all(from.attributes),
            dropped_attributes_count: from.dropped_attributes_count.unwrap_or_default().0,
            flags: from.flags.unwrap_or_default().0,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    message: Option<String>,
    code: Option<Enum>,
}

impl From<Status> for proto::Status {
    fn from(from: Status) -> Self {
        Self {
            message: from.message.unwrap_or_default(),
            code: from.code.unwrap_or_default().0,
        }
    }
}
