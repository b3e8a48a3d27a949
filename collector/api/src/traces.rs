//! Traces and their spans.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Time, time::u64_text};

/// One trace, as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// 32 hex digits.
    pub trace_id: String,
    /// Span without a parent, or the earliest known.
    pub root: TraceRoot,
    /// Earliest start.
    pub started_at: Time,
    /// Earliest start to latest end.
    pub duration_nanos: u64,
    /// Spans known.
    pub span_count: u64,
    /// Spans with status error.
    pub error_count: u64,
    /// Services that took part.
    pub services: Vec<String>,
    /// Every parent named is known.
    pub complete: bool,
    /// Faults that touched it.
    pub faults: Vec<String>,
    /// Correlation id.
    pub correlation_id: Option<String>,
}

/// Where a trace begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRoot {
    /// `service.name`.
    pub service: String,
    /// Span name.
    pub name: String,
}

/// `GET /api/v1/traces/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// 32 hex digits.
    pub trace_id: String,
    /// Where it begins.
    pub root: TraceRoot,
    /// Earliest start.
    pub started_at: Time,
    /// Earliest start to latest end.
    pub duration_nanos: u64,
    /// Every parent named is known.
    pub complete: bool,
    /// Spans in waterfall order: parents before children, siblings by start; depth tells the indent.
    pub spans: Vec<Span>,
    /// Span ids on the critical path.
    pub critical_path: Vec<String>,
    /// Sagas that this trace belongs to, as `name/id`.
    pub sagas: Vec<String>,
    /// Traces that link here or are linked from here.
    pub linked_traces: Vec<String>,
    /// Spans that were more than the answer holds.
    pub omitted: u64,
    /// There may be more of it: in files that could not be read, or behind the search's limit of time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

/// One span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// 16 hex digits.
    pub span_id: String,
    /// Parent's id; absent for a root.
    pub parent_span_id: Option<String>,
    /// `service.name`.
    pub service: String,
    /// Span name.
    pub name: String,
    /// `internal`, `server`, `client`, `producer`, `consumer` or `unspecified`.
    pub kind: String,
    /// `unset`, `ok` or `error`.
    pub status: String,
    /// Status message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status_message: String,
    /// Start.
    #[serde(with = "u64_text")]
    pub start_unix_nano: u64,
    /// Length; 0 when the end was before the start.
    pub duration_nanos: u64,
    /// Indent in the waterfall.
    pub depth: u32,
    /// The parent named is not known.
    pub missing_parent: bool,
    /// Attributes; resource attributes under `resource.`.
    pub attributes: Map<String, Value>,
    /// Events on it.
    pub events: Vec<SpanEvent>,
    /// Links from it.
    pub links: Vec<SpanLink>,
}

/// An event on a span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// When.
    #[serde(with = "u64_text")]
    pub time_unix_nano: u64,
    /// Name.
    pub name: String,
    /// Attributes.
    pub attributes: Map<String, Value>,
}

/// A link to another span.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpanLink {
    /// Trace.
    pub trace_id: String,
    /// Span.
    pub span_id: String,
}
