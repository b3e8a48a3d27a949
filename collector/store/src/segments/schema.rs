//! The tables: columns of OpenTelemetry's ClickHouse exporter, in its order, and behind them what those lose.
//!
//! Whoever knows the exporter's tables knows these. The exporter turns every value into text and leaves out what its
//! dashboards do not show; the columns `Sagascope.…` keep that, so that a row comes out as it went in:
//!
//! | column | holds |
//! |---|---|
//! | `Sagascope.Sequence` | ordinal of the row among all of its signal |
//! | `Sagascope.ReceivedAt` | when its request was received |
//! | `Sagascope.ObservedAt` | when a log record was collected; 0 when that was not said |
//! | `Sagascope.Resource`, `.Scope`, `.Metric` | the whole sender, scope, metric with typed values (postcard) |
//! | `Sagascope.Shape` | keys and kinds of the row's attributes (postcard) |
//! | `Sagascope.Rest` | flags, dropped counts, nested values, and what else is rare (postcard) |

use std::sync::{Arc, OnceLock};

use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescriptor, Type};
use serde::{Deserialize, Serialize};

/// A table of sealed rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Readings.
    Gauge,
    /// Sums.
    Sum,
    /// Histograms with stated bounds.
    Histogram,
    /// Histograms whose bounds are powers.
    ExponentialHistogram,
    /// Quantiles computed by the sender.
    Summary,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 7] = [
        Self::Traces,
        Self::Logs,
        Self::Gauge,
        Self::Sum,
        Self::Histogram,
        Self::ExponentialHistogram,
        Self::Summary,
    ];

    /// Its name, also of its folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "otel_traces",
            Self::Logs => "otel_logs",
            Self::Gauge => "otel_metrics_gauge",
            Self::Sum => "otel_metrics_sum",
            Self::Histogram => "otel_metrics_histogram",
            Self::ExponentialHistogram => "otel_metrics_exponential_histogram",
            Self::Summary => "otel_metrics_summary",
        }
    }

    /// The table of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The column of the time by which rows are found.
    pub(super) const fn time_column(self) -> &'static str {
        match self {
            Self::Traces | Self::Logs => "Timestamp",
            _ => "TimeUnix",
        }
    }

    /// Its columns.
    pub(super) fn schema(self) -> &'static Schema {
        static SCHEMAS: [OnceLock<Schema>; 7] = [const { OnceLock::new() }; 7];
        SCHEMAS[self as usize].get_or_init(|| Schema::parse(self))
    }

    fn columns(self) -> Vec<String> {
        let parts: &[&[&str]] = match self {
            Self::Traces => &[&TRACES, &ROW, &["Sagascope.Shape binary", "Sagascope.Rest binary"]],
            Self::Logs => &[
                &LOGS,
                &ROW,
                &OBSERVED,
                &["Sagascope.Shape binary", "Sagascope.Rest binary"],
            ],
            Self::Gauge => &[&POINT, &NUMBER, &EXEMPLARS, &ROW, &METRIC],
            Self::Sum => &[&POINT, &NUMBER, &EXEMPLARS, &TEMPORALITY, &MONOTONIC, &ROW, &METRIC],
            Self::Histogram => &[
                &POINT,
                &COUNTED,
                &BUCKETS,
                &EXEMPLARS,
                &FLAGS,
                &EXTREMES,
                &TEMPORALITY,
                &ROW,
                &METRIC,
            ],
            Self::ExponentialHistogram => &[
                &POINT,
                &COUNTED,
                &POWERS,
                &EXEMPLARS,
                &FLAGS,
                &EXTREMES,
                &TEMPORALITY,
                &ROW,
                &METRIC,
            ],
            Self::Summary => &[&POINT, &COUNTED, &QUANTILES, &FLAGS, &ROW, &METRIC],
        };
        parts
            .iter()
            .flat_map(|part| part.iter())
            .map(|column| written(column))
            .collect()
    }
}

/// The columns of a table as Parquet wants them.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) root: Arc<Type>,
    leaves: Vec<String>,
}

impl Schema {
    #[allow(
        clippy::expect_used,
        reason = "the text is written here, and every table is parsed by a test"
    )]
    fn parse(table: Table) -> Self {
        let text = format!("message {} {{ {} }}", table.name(), table.columns().join(" "));
        let root = Arc::new(parse_message_type(&text).expect("a schema that parses"));
        let leaves = SchemaDescriptor::new(Arc::clone(&root));
        let leaves = leaves.columns().iter().map(|leaf| leaf.path().string()).collect();
        Self { root, leaves }
    }

    /// The place of a column's values: `Duration`, `SpanAttributes.key_value.value`, `Events.Name.list.element`.
    pub(super) fn leaf(&self, path: &str) -> Option<usize> {
        self.leaves.iter().position(|leaf| leaf == path)
    }

    /// How many columns of values.
    pub(super) fn leaves(&self) -> usize {
        self.leaves.len()
    }
}

const TRACES: [&str; 22] = [
    "Timestamp time",
    "TraceId text",
    "SpanId text",
    "ParentSpanId text",
    "TraceState text",
    "SpanName text",
    "SpanKind text",
    "ServiceName text",
    "ResourceAttributes map",
    "ScopeName text",
    "ScopeVersion text",
    "SpanAttributes map",
    "Duration u64",
    "StatusCode text",
    "StatusMessage text",
    "Events.Timestamp list time",
    "Events.Name list text",
    "Events.Attributes list map",
    "Links.TraceId list text",
    "Links.SpanId list text",
    "Links.TraceState list text",
    "Links.Attributes list map",
];

const LOGS: [&str; 16] = [
    "Timestamp time",
    "TraceId text",
    "SpanId text",
    "TraceFlags u8",
    "SeverityText text",
    "SeverityNumber u8",
    "ServiceName text",
    "Body text",
    "ResourceSchemaUrl text",
    "ResourceAttributes map",
    "ScopeSchemaUrl text",
    "ScopeName text",
    "ScopeVersion text",
    "ScopeAttributes map",
    "LogAttributes map",
    "EventName text",
];

const POINT: [&str; 14] = [
    "ResourceAttributes map",
    "ResourceSchemaUrl text",
    "ScopeName text",
    "ScopeVersion text",
    "ScopeAttributes map",
    "ScopeDroppedAttrCount u32",
    "ScopeSchemaUrl text",
    "ServiceName text",
    "MetricName text",
    "MetricDescription text",
    "MetricUnit text",
    "Attributes map",
    "StartTimeUnix time",
    "TimeUnix time",
];

const NUMBER: [&str; 2] = ["Value f64", "Flags u32"];
const COUNTED: [&str; 2] = ["Count u64", "Sum f64"];
const BUCKETS: [&str; 2] = ["BucketCounts list u64", "ExplicitBounds list f64"];
const POWERS: [&str; 6] = [
    "Scale i32",
    "ZeroCount u64",
    "PositiveOffset i32",
    "PositiveBucketCounts list u64",
    "NegativeOffset i32",
    "NegativeBucketCounts list u64",
];
const QUANTILES: [&str; 2] = ["ValueAtQuantiles.Quantile list f64", "ValueAtQuantiles.Value list f64"];
const EXEMPLARS: [&str; 5] = [
    "Exemplars.FilteredAttributes list map",
    "Exemplars.TimeUnix list time",
    "Exemplars.Value list f64",
    "Exemplars.SpanId list text",
    "Exemplars.TraceId list text",
];
const FLAGS: [&str; 1] = ["Flags u32"];
const EXTREMES: [&str; 2] = ["Min f64", "Max f64"];
const TEMPORALITY: [&str; 1] = ["AggregationTemporality i32"];
const MONOTONIC: [&str; 1] = ["IsMonotonic bool"];

/// Ours, of every row.
const ROW: [&str; 4] = [
    "Sagascope.Sequence u64",
    "Sagascope.ReceivedAt time",
    "Sagascope.Resource binary",
    "Sagascope.Scope binary",
];
/// Ours, of log records.
const OBSERVED: [&str; 1] = ["Sagascope.ObservedAt time"];
/// Ours, of points.
const METRIC: [&str; 3] = [
    "Sagascope.Metric binary",
    "Sagascope.Shape binary",
    "Sagascope.Rest binary",
];

/// `Name kind` in Parquet's words.
fn written(column: &str) -> String {
    let (name, kind) = column.split_once(' ').unwrap_or((column, "binary"));
    field(name, kind)
}

fn field(name: &str, kind: &str) -> String {
    if let Some(element) = kind.strip_prefix("list ") {
        let element = field("element", element);
        return format!("required group {name} (LIST) {{ repeated group list {{ {element} }} }}");
    }
    match kind {
        "map" => format!(
            "required group {name} (MAP) {{ repeated group key_value {{ {} {} }} }}",
            field("key", "text"),
            field("value", "text")
        ),
        "time" => format!("required int64 {name} (TIMESTAMP(NANOS,true));"),
        "text" => format!("required binary {name} (STRING);"),
        "u64" => format!("required int64 {name} (INTEGER(64,false));"),
        "u32" => format!("required int32 {name} (INTEGER(32,false));"),
        "u8" => format!("required int32 {name} (INTEGER(8,false));"),
        "i32" => format!("required int32 {name} (INTEGER(32,true));"),
        "f64" => format!("required double {name};"),
        "bool" => format!("required boolean {name};"),
        _ => format!("required binary {name};"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_columns() {
        for table in Table::ALL {
            let schema = table.schema();
            assert!(schema.leaf(table.time_column()).is_some(), "{table:?}");
            assert!(schema.leaf("Sagascope.Rest").is_some(), "{table:?}");
            assert_eq!(Table::named(table.name()), Some(table));
        }
        let traces = Table::Traces.schema();
        assert_eq!(traces.leaf("SpanAttributes.key_value.value"), Some(13));
        assert!(traces.leaf("Events.Attributes.list.element.key_value.key").is_some());
    }
}
