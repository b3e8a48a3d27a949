//! Log records and events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Time;

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogRow {
    /// When it happened, or was seen when the sender did not say.
    pub at: Time,
    /// `service.name`.
    pub service: String,
    /// OTLP severity number, 0 when unknown.
    pub severity: u8,
    /// Severity in the sender's word.
    pub severity_text: String,
    /// `event_name`, when it is an event.
    pub event_name: Option<String>,
    /// Body as text.
    pub body: String,
    /// Attributes.
    pub attributes: Map<String, Value>,
    /// Trace.
    pub trace_id: Option<String>,
    /// Span.
    pub span_id: Option<String>,
    /// Correlation id.
    pub correlation_id: Option<String>,
}
