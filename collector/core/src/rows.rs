//! Normalised telemetry: one row a span, log record or metric point, with its resource shared.

use std::fmt;
use std::sync::Arc;

use sagascope_api::Time;

/// 16 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

macro_rules! hex_id {
    ($name:ident, $len:literal) => {
        impl $name {
            /// From bytes of the right length that are not all zero.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                let bytes: [u8; $len] = bytes.try_into().ok()?;
                bytes.iter().any(|b| *b != 0).then_some(Self(bytes))
            }

            /// From hex digits of either case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                if text.len() != 2 * $len || !text.is_ascii() {
                    return None;
                }
                let mut bytes = [0; $len];
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
                }
                Self::from_slice(&bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}
hex_id!(TraceId, 16);
hex_id!(SpanId, 8);

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing was sent.
    Empty,
    /// Text.
    Text(Box<str>),
    /// Truth.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Fraction.
    Double(f64),
    /// Raw bytes.
    Bytes(Box<[u8]>),
    /// Values in order.
    List(Vec<Value>),
    /// Values by key.
    Map(Vec<(Arc<str>, Value)>),
}

/// Attributes in the order they came; the first of equal keys counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub Vec<(Arc<str>, Value)>);

impl Attributes {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| &**k == key).map(|(_, value)| value)
    }

    /// The value of `key` when it is text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `key` as a whole number, also when it came as text.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::Int(n) => Some(*n),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value of `key` as a fraction, also when it came as a whole number or text.
    #[must_use]
    pub fn double(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Double(n) => Some(*n),
            Value::Int(n) => Some(*n as f64),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value of `key` as a moment: RFC 3339 text, or unix nanoseconds.
    #[must_use]
    pub fn time(&self, key: &str) -> Option<Time> {
        match self.get(key)? {
            Value::Text(text) => Time::parse(text),
            Value::Int(nanos) => u64::try_from(*nanos).ok().map(Time),
            _ => None,
        }
    }
}

/// Who sent it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// `service.name`, or `unknown_service`.
    pub service: Arc<str>,
    /// `service.instance.id`, or empty.
    pub instance: Arc<str>,
    /// All of its attributes.
    pub attributes: Attributes,
}

/// Kind of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Not said, or a number we do not know.
    #[default]
    Unspecified,
    /// Inside one service.
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

impl SpanKind {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// True for spans by which work enters a service.
    #[must_use]
    pub const fn is_entry(self) -> bool {
        matches!(self, Self::Server | Self::Consumer)
    }
}

/// Status of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpanStatus {
    /// Not said.
    #[default]
    Unset,
    /// Said to be well.
    Ok,
    /// Failed.
    Error,
}

impl SpanStatus {
    /// Its word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanRow {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Instrumentation scope.
    pub scope: Arc<str>,
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// Parent; absent for a root.
    pub parent_span_id: Option<SpanId>,
    /// Name.
    pub name: Arc<str>,
    /// Kind.
    pub kind: SpanKind,
    /// Start.
    pub start: Time,
    /// Length; 0 when the end was before the start.
    pub duration_nanos: u64,
    /// Status.
    pub status: SpanStatus,
    /// Status message.
    pub status_message: Box<str>,
    /// Attributes.
    pub attributes: Attributes,
    /// Events on it.
    pub events: Vec<SpanEventRow>,
    /// Links from it.
    pub links: Vec<(TraceId, SpanId)>,
}

impl SpanRow {
    /// Start plus length.
    #[must_use]
    pub const fn end(&self) -> Time {
        Time(self.start.0.saturating_add(self.duration_nanos))
    }
}

/// An event on a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEventRow {
    /// When.
    pub at: Time,
    /// Name.
    pub name: Arc<str>,
    /// Attributes.
    pub attributes: Attributes,
}

/// One log record.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Instrumentation scope.
    pub scope: Arc<str>,
    /// When it happened; observed time when that was not said; arrival when neither was.
    pub at: Time,
    /// OTLP severity number, 0 to 24.
    pub severity: u8,
    /// Severity in the sender's word.
    pub severity_text: Box<str>,
    /// `event_name`; for older senders the attribute `event.name`.
    pub event_name: Option<Arc<str>>,
    /// Body.
    pub body: Value,
    /// Attributes.
    pub attributes: Attributes,
    /// Trace.
    pub trace_id: Option<TraceId>,
    /// Span.
    pub span_id: Option<SpanId>,
}

/// What a metric point says.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// A gauge's reading.
    Gauge(f64),
    /// A sum since `start`.
    Sum {
        /// The sum.
        value: f64,
        /// Never falls but at a restart.
        monotonic: bool,
        /// True when it counts from `start` of the point, false when from the last report.
        cumulative: bool,
    },
    /// A histogram.
    Histogram {
        /// Measurements.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Upper bounds, ascending.
        bounds: Vec<f64>,
        /// Measurements per bucket, one more than bounds.
        counts: Vec<u64>,
        /// As for sums.
        cumulative: bool,
    },
}

/// One metric point.
#[derive(Clone, Debug, PartialEq)]
pub struct PointRow {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Metric name.
    pub metric: Arc<str>,
    /// Unit.
    pub unit: Arc<str>,
    /// Start of the counting, for sums and histograms.
    pub start: Time,
    /// When it was read.
    pub at: Time,
    /// Attributes.
    pub attributes: Attributes,
    /// What it says.
    pub value: PointValue,
}

/// The rows of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// When the collector received it.
    pub received_at: Time,
    /// Spans.
    pub spans: Vec<Arc<SpanRow>>,
    /// Log records.
    pub logs: Vec<Arc<LogRow>>,
    /// Metric points.
    pub points: Vec<PointRow>,
}
