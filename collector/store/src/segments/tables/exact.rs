//! What the exporter's columns lose, as small records of their own.

use sagascope_core::block::{AttributeSet, AttributeValues, Cell, Kind, Str, Strings, Tables, ValueRef};
use sagascope_core::rows::{MetricKind, Temporality};
use serde::{Deserialize, Serialize};

use crate::segments::codec::Damaged;

/// Attributes with the kinds of their values.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ExactAttributes<'a>(#[serde(borrow)] Vec<(&'a str, Exact<'a>)>);

#[derive(Debug, Serialize, Deserialize)]
enum Exact<'a> {
    Empty,
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(u64),
    Bytes(&'a [u8]),
    Nested(&'a [u8]),
}

/// A sender, a scope, or the metadata of a metric with its kind.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExactResource<'a> {
    pub(super) service: &'a str,
    pub(super) instance: &'a str,
    #[serde(borrow)]
    pub(super) attributes: ExactAttributes<'a>,
    pub(super) dropped_attributes: u32,
    pub(super) schema_url: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExactScope<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    #[serde(borrow)]
    pub(super) attributes: ExactAttributes<'a>,
    pub(super) dropped_attributes: u32,
    pub(super) schema_url: &'a str,
}

/// Keys and kinds of attributes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExactShape<'a>(#[serde(borrow)] pub(super) Vec<(&'a str, u8)>);

/// The rare things of a span.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SpanRest {
    pub(super) flags: u32,
    pub(super) dropped: [u32; 3],
    /// Of each event.
    pub(super) events: Vec<Item>,
    /// Of each link.
    pub(super) links: Vec<Item>,
    /// Lists and maps among its attributes.
    pub(super) nested: Vec<Vec<u8>>,
}

/// An event, link or exemplar beyond its columns.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) flags: u32,
    pub(super) dropped_attributes: u32,
    /// Kinds of its attributes.
    pub(super) kinds: Vec<u8>,
    /// Lists and maps among them.
    pub(super) nested: Vec<Vec<u8>>,
    /// A whole number, of an exemplar.
    pub(super) int: Option<i64>,
}

/// The rare things of a log record.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct LogRest {
    pub(super) flags: u32,
    pub(super) dropped_attributes: u32,
    /// Kind of the body.
    pub(super) body: u8,
    /// The body when it is a list or map, then lists and maps among its attributes.
    pub(super) nested: Vec<Vec<u8>>,
}

impl<'a> ExactAttributes<'a> {
    pub(super) fn of(tables: &'a Tables, set: AttributeSet) -> Self {
        let pairs = tables.attributes(set).iter().map(|(key, value)| {
            let exact = match value {
                ValueRef::Empty => Exact::Empty,
                ValueRef::Text(text) => Exact::Text(text),
                ValueRef::Bool(truth) => Exact::Bool(truth),
                ValueRef::Int(number) => Exact::Int(number),
                ValueRef::Double(number) => Exact::Double(number.to_bits()),
                ValueRef::Bytes(bytes) => Exact::Bytes(bytes),
                ValueRef::Nested(bytes) => Exact::Nested(bytes),
            };
            (key, exact)
        });
        Self(pairs.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them into a block.
    pub(super) fn push(&self, strings: &mut Strings, values: &mut AttributeValues) -> AttributeSet {
        for (key, exact) in &self.0 {
            let of = |kind, bits| Cell { kind, bits };
            let cell = match exact {
                Exact::Empty => Cell::default(),
                Exact::Text(text) => Cell::text(strings.intern(text)),
                Exact::Bool(truth) => of(Kind::Bool, u64::from(*truth)),
                Exact::Int(number) => of(Kind::Int, number.cast_unsigned()),
                Exact::Double(bits) => of(Kind::Double, *bits),
                Exact::Bytes(bytes) => values.blob(Kind::Bytes, bytes),
                Exact::Nested(bytes) => values.blob(Kind::Nested, bytes),
            };
            let key = strings.intern(key);
            values.push(key, cell);
        }
        values.finish()
    }
}

/// Keys and kinds of a shape, from a block.
pub(super) fn shape<'a>(members: &[(Str, Kind)], strings: &'a Strings) -> ExactShape<'a> {
    ExactShape(
        members
            .iter()
            .map(|(key, kind)| (strings.get(*key), *kind as u8))
            .collect(),
    )
}

/// The kind with this number.
pub(super) fn kind(number: u8) -> Result<Kind, Damaged> {
    const KINDS: [Kind; 7] = [
        Kind::Empty,
        Kind::Text,
        Kind::Bool,
        Kind::Int,
        Kind::Double,
        Kind::Bytes,
        Kind::Nested,
    ];
    KINDS
        .get(usize::from(number))
        .copied()
        .ok_or(Damaged("a value is of no known kind"))
}

/// A record as bytes.
pub(super) fn bytes_of(record: &impl Serialize, out: &mut Vec<u8>) {
    out.clear();
    // Plain data into memory: nothing here can fail.
    if let Ok(bytes) = postcard::to_extend(record, std::mem::take(out)) {
        *out = bytes;
    }
}

/// A record from its bytes.
pub(super) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Damaged> {
    postcard::from_bytes(bytes).map_err(|_| Damaged("a record of ours does not read as one"))
}

/// A metric.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExactMetric<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) unit: &'a str,
    pub(super) kind: ExactKind,
    #[serde(borrow)]
    pub(super) metadata: ExactAttributes<'a>,
}

/// The kind of a metric: which, what it counts from, whether it never falls.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExactKind(u8, u8, bool);

/// The rare things of a point.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PointRest {
    pub(super) value: ExactValue,
    /// Of each exemplar.
    pub(super) exemplars: Vec<Item>,
    /// Lists and maps among its attributes.
    pub(super) nested: Vec<Vec<u8>>,
}

/// What the columns of a point's value lose.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum ExactValue {
    Missing,
    Int(i64),
    Double,
    /// Which of sum, least and greatest were said.
    Histogram([bool; 3]),
    Exponential {
        given: [bool; 3],
        zero_threshold: u64,
    },
    Summary,
}

impl From<MetricKind> for ExactKind {
    fn from(kind: MetricKind) -> Self {
        let temporality = kind.temporality() as u8;
        match kind {
            MetricKind::Gauge => Self(0, temporality, false),
            MetricKind::Sum { monotonic, .. } => Self(1, temporality, monotonic),
            MetricKind::Histogram(_) => Self(2, temporality, false),
            MetricKind::ExponentialHistogram(_) => Self(3, temporality, false),
            MetricKind::Summary => Self(4, temporality, false),
        }
    }
}

impl ExactKind {
    pub(super) fn kind(&self) -> Result<MetricKind, Damaged> {
        const UNKNOWN: Damaged = Damaged("a metric is of no known kind");
        let temporality = match self.1 {
            0 => Temporality::Unspecified,
            1 => Temporality::Delta,
            2 => Temporality::Cumulative,
            _ => return Err(UNKNOWN),
        };
        Ok(match self.0 {
            0 => MetricKind::Gauge,
            1 => MetricKind::Sum {
                monotonic: self.2,
                temporality,
            },
            2 => MetricKind::Histogram(temporality),
            3 => MetricKind::ExponentialHistogram(temporality),
            4 => MetricKind::Summary,
            _ => return Err(UNKNOWN),
        })
    }
}
