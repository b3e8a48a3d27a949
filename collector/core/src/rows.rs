//! Normalised telemetry: one row a span, log record or metric point, with its resource shared.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sagascope_api::Time;
use serde::{Deserialize, Serialize};

/// 16 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TraceId(pub [u8; 16]);

impl Hash for TraceId {
    /// As one number, which hashers take in a step.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

/// 8 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing was sent.
    #[default]
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
    /// Attributes left out, by the sender or by our bounds.
    pub dropped_attributes: u32,
    /// Schema of the resource.
    pub schema_url: Arc<str>,
}

/// What part of the sender's program made it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Name, of a library mostly.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// Attributes.
    pub attributes: Attributes,
    /// Attributes left out, by the sender or by our bounds.
    pub dropped_attributes: u32,
    /// Schema of what it makes.
    pub schema_url: Arc<str>,
}

/// Kind of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpanKind {
    /// Not said, or a number that OTLP did not know, which is counted and told as not kept.
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
    /// Not said, or a number that OTLP did not know, which is counted and told as not kept.
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
    pub scope: Arc<Scope>,
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
    /// Length; 0 when the end was before the start, which is counted and told.
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
    pub links: Vec<LinkRow>,
    /// W3C trace state.
    pub trace_state: Box<str>,
    /// W3C trace flags and OTLP's own.
    pub flags: u32,
    /// What was left out, by the sender or by our bounds.
    pub dropped: Dropped,
}

/// How much of a span was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Attributes.
    pub attributes: u32,
    /// Events.
    pub events: u32,
    /// Links.
    pub links: u32,
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
    /// Attributes left out, by the sender or by our bounds.
    pub dropped_attributes: u32,
}

/// A link from a span to another.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRow {
    /// Trace of the other span.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// W3C trace state.
    pub trace_state: Box<str>,
    /// W3C trace flags and OTLP's own.
    pub flags: u32,
    /// Attributes.
    pub attributes: Attributes,
    /// Attributes left out, by the sender or by our bounds.
    pub dropped_attributes: u32,
}

/// One log record.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Instrumentation scope.
    pub scope: Arc<Scope>,
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
    /// When it was collected; 0 when that was not said.
    pub observed: Time,
    /// W3C trace flags.
    pub flags: u32,
    /// Attributes left out, by the sender or by our bounds.
    pub dropped_attributes: u32,
}

/// What the numbers of a sum or histogram count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Temporality {
    /// Not said, or a number we do not know.
    #[default]
    Unspecified,
    /// From the last report.
    Delta,
    /// From the `start` of the point.
    Cumulative,
}

/// Which kind of metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A reading.
    #[default]
    Gauge,
    /// A sum.
    Sum {
        /// It never falls but at a restart.
        monotonic: bool,
        /// What it counts from.
        temporality: Temporality,
    },
    /// A histogram with stated bounds.
    Histogram(Temporality),
    /// A histogram whose bounds are powers.
    ExponentialHistogram(Temporality),
    /// Quantiles computed by the sender.
    Summary,
}

/// What the points of one metric share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric {
    /// Name.
    pub name: Arc<str>,
    /// What it measures, in words.
    pub description: Arc<str>,
    /// Unit.
    pub unit: Arc<str>,
    /// Kind.
    pub kind: MetricKind,
    /// Metadata of the whole metric.
    pub metadata: Attributes,
}

/// What a metric point says, just as it came.
#[derive(Clone, Debug, PartialEq)]
pub enum PointValue {
    /// Flagged as having no value now.
    Missing,
    /// Reading of a gauge or sum.
    Int(i64),
    /// Reading of a gauge or sum.
    Double(f64),
    /// A histogram with stated bounds.
    Histogram(HistogramValue),
    /// A histogram whose bounds are powers.
    ExponentialHistogram(ExponentialValue),
    /// Quantiles.
    Summary(SummaryValue),
}

/// A histogram with stated bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramValue {
    /// Measurements.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
    /// Upper bounds, ascending.
    pub bounds: Vec<f64>,
    /// Measurements per bucket: one more than bounds, or none at all.
    pub counts: Vec<u64>,
}

/// A histogram whose bounds are powers of `2^(2^-scale)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialValue {
    /// Measurements.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
    /// Resolution.
    pub scale: i32,
    /// Measurements around zero.
    pub zero_count: u64,
    /// How far around zero.
    pub zero_threshold: f64,
    /// Index of the first positive bucket.
    pub positive_offset: i32,
    /// Positive buckets.
    pub positive: Vec<u64>,
    /// Index of the first negative bucket.
    pub negative_offset: i32,
    /// Negative buckets.
    pub negative: Vec<u64>,
}

/// Quantiles computed by the sender.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryValue {
    /// Measurements.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// `(quantile, value)`.
    pub quantiles: Vec<(f64, f64)>,
}

/// A measurement that stands for others of its point.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// When.
    pub at: Time,
    /// The measurement.
    pub value: Number,
    /// Trace in which it was made.
    pub trace_id: Option<TraceId>,
    /// Span in which it was made.
    pub span_id: Option<SpanId>,
    /// Attributes that the point itself lacks.
    pub attributes: Attributes,
}

/// A number as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Whole.
    Int(i64),
    /// Fraction.
    Double(f64),
}

impl PointValue {
    /// A reading as a fraction; `None` of histograms and summaries.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match *self {
            Self::Int(number) => Some(number as f64),
            Self::Double(number) => Some(number),
            Self::Missing | Self::Histogram(_) | Self::ExponentialHistogram(_) | Self::Summary(_) => None,
        }
    }
}

impl MetricKind {
    /// As the API has it, without what belongs to some kinds only.
    #[must_use]
    pub const fn word(self) -> sagascope_api::metrics::MetricKind {
        use sagascope_api::metrics::MetricKind as Word;
        match self {
            Self::Gauge => Word::Gauge,
            Self::Sum { .. } => Word::Sum,
            Self::Histogram(_) => Word::Histogram,
            Self::ExponentialHistogram(_) => Word::ExponentialHistogram,
            Self::Summary => Word::Summary,
        }
    }

    /// A sum that never falls but at a restart.
    #[must_use]
    pub const fn is_monotonic(self) -> bool {
        matches!(self, Self::Sum { monotonic: true, .. })
    }

    /// What the points count from; of gauges and summaries nothing is said.
    #[must_use]
    pub const fn temporality(self) -> Temporality {
        match self {
            Self::Sum { temporality, .. } | Self::Histogram(temporality) | Self::ExponentialHistogram(temporality) => {
                temporality
            }
            Self::Gauge | Self::Summary => Temporality::Unspecified,
        }
    }
}

/// One metric point.
#[derive(Clone, Debug, PartialEq)]
pub struct PointRow {
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// Instrumentation scope.
    pub scope: Arc<Scope>,
    /// Its metric.
    pub metric: Arc<Metric>,
    /// Start of the counting, for sums and histograms.
    pub start: Time,
    /// When it was read.
    pub at: Time,
    /// OTLP's flags.
    pub flags: u32,
    /// Attributes.
    pub attributes: Attributes,
    /// What it says.
    pub value: PointValue,
    /// Examples.
    pub exemplars: Vec<Exemplar>,
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
