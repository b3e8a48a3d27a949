//! One state change, or one line of a log: what an OTLP log record carries.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use sagascope_conventions::attributes;
use serde::{Deserialize, Serialize};

/// A log record. With a `name` it is an event of the conventions, without one a plain line.
///
/// It serialises, so that it can be kept in a table until it has been sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `event_name`; empty for a plain line.
    pub name: Cow<'static, str>,
    /// When it happened, nanoseconds since the unix epoch.
    pub at_unix_nanos: u64,
    /// How bad.
    pub severity: Severity,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Keys and values.
    pub attributes: Vec<(Cow<'static, str>, Value)>,
    /// Trace it belongs to; all zero for none.
    #[serde(default)]
    pub trace_id: [u8; 16],
    /// Span it belongs to; all zero for none.
    #[serde(default)]
    pub span_id: [u8; 8],
}

/// OTLP severities in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the developer.
    Debug,
    /// As expected.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

impl Severity {
    /// The severity number of OTLP.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
        }
    }

    /// Its short text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// An ordered list of texts.
    List(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

/// A count beyond `i64::MAX` is told as that.
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&[&str]> for Value {
    fn from(texts: &[&str]) -> Self {
        Self::List(texts.iter().map(|&text| text.to_owned()).collect())
    }
}

impl Event {
    /// An event of the conventions, at `at_unix_nanos`.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, at_unix_nanos: u64) -> Self {
        Self {
            name: name.into(),
            at_unix_nanos,
            severity: Severity::Info,
            body: None,
            attributes: Vec::new(),
            trace_id: [0; 16],
            span_id: [0; 8],
        }
    }

    /// A plain line.
    #[must_use]
    pub fn line(severity: Severity, body: impl Into<String>, at_unix_nanos: u64) -> Self {
        let mut event = Self::new("", at_unix_nanos);
        event.severity = severity;
        event.body = Some(body.into());
        event
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.attributes.push((key.into(), value.into()));
        self
    }

    /// Adds an attribute when there is a value.
    #[must_use]
    pub fn with_some(self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Ties it to a span.
    #[must_use]
    pub fn in_span(mut self, trace_id: [u8; 16], span_id: [u8; 8]) -> Self {
        self.trace_id = trace_id;
        self.span_id = span_id;
        self
    }

    /// Adds the correlation id, unless it is empty.
    #[must_use]
    pub fn correlated(self, correlation_id: &str) -> Self {
        let id = Some(correlation_id).filter(|id| !id.is_empty());
        self.with_some(attributes::CORRELATION_ID, id)
    }

    /// Marks it as touched by a fault.
    #[must_use]
    pub fn touched_by(self, fault_id: &str, fault_kind: &str) -> Self {
        self.with(attributes::FAULT_ID, fault_id)
            .with(attributes::FAULT_KIND, fault_kind)
    }

    /// Value of an attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }
}

/// The wall clock, nanoseconds since the unix epoch.
#[must_use]
pub fn unix_nanos_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_table_it_waits_in() {
        let steps: &[&str] = &["reserve", "charge"];
        let event = Event::new("saga.started", 7)
            .with("saga.steps", steps)
            .with("saga.sequence", 1_i64)
            .with("rate", 0.5)
            .with("forced", true)
            .in_span([1; 16], [2; 8])
            .correlated("c-1");
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn an_empty_correlation_id_is_left_out() {
        assert_eq!(Event::new("x", 0).correlated("").attributes, []);
    }
}
