//! Metrics: what there is, and series of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Time;

/// What a metric is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// A reading.
    #[default]
    Gauge,
    /// A sum.
    Sum,
    /// A histogram with stated bounds.
    Histogram,
    /// A histogram whose bounds are powers.
    ExponentialHistogram,
    /// Quantiles computed by the sender.
    Summary,
}

impl MetricKind {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum => "sum",
            Self::Histogram => "histogram",
            Self::ExponentialHistogram => "exponential_histogram",
            Self::Summary => "summary",
        }
    }
}

/// What the numbers of a sum or histogram count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temporality {
    /// Not said; gauges and summaries never say.
    #[default]
    Unspecified,
    /// From the last report.
    Delta,
    /// From the start of the counting.
    Cumulative,
}

impl Temporality {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        }
    }
}

/// One metric of the catalogue. A name that is sent in several ways is there once for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Name.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// What it measures, in words.
    pub description: String,
    /// Kind.
    pub kind: MetricKind,
    /// What its numbers count from.
    pub temporality: Temporality,
    /// A sum that never falls but at a restart.
    pub monotonic: bool,
    /// Keys of its points' attributes.
    pub attributes: Vec<String>,
    /// Services that send it.
    pub services: Vec<String>,
    /// Time of its newest point.
    pub last_seen: Time,
    /// What is odd about it.
    pub warnings: Vec<MetricWarning>,
}

/// Something that a reader of the numbers should know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricWarning {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// What each step of a series tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Mean of the readings or measurements.
    #[default]
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Last readings added up over what is grouped together; of deltas and histograms, all that was added in the step.
    Sum,
    /// Growth a second, resets taken into account.
    Rate,
    /// Median.
    P50,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Sum,
        Self::Rate,
        Self::P50,
        Self::P95,
        Self::P99,
    ];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Rate => "rate",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.as_str() == word)
    }

    /// The share of a percentile.
    #[must_use]
    pub const fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            _ => None,
        }
    }
}

/// Series of one metric over a range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricRange {
    /// The metric.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Its kind.
    pub kind: MetricKind,
    /// What each step tells.
    pub function: Function,
    /// Begin of the first step.
    pub since: Time,
    /// End of the last step.
    pub until: Time,
    /// Length of a step.
    pub step_ms: u64,
    /// The series, by their attributes.
    pub series: Vec<Series>,
    /// Series left out, those with the lowest peaks.
    pub omitted: u64,
    /// A limit ended the work before all was looked at: what is oldest may be missing.
    pub truncated: bool,
    /// What the reader should know.
    pub warnings: Vec<MetricWarning>,
}

/// One series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What tells it from the others.
    pub attributes: BTreeMap<String, String>,
    /// Steps that have a value, in order of time.
    pub points: Vec<SeriesPoint>,
}

/// One step of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// Begin of the step.
    pub at: Time,
    /// What the function gives.
    pub value: f64,
    /// The least within the step, when that is known.
    pub min: Option<f64>,
    /// The greatest within the step, when that is known.
    pub max: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_one_word_each_in_address_and_answer() {
        for function in Function::ALL {
            assert_eq!(Function::parse(function.as_str()), Some(function));
            assert_eq!(serde_json::to_value(function).unwrap(), function.as_str());
        }
        assert_eq!(Function::parse("median"), None);
        let kind = MetricKind::ExponentialHistogram;
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}
