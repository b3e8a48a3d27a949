//! Metric points in columns; what histograms and summaries hold lies in tables beside them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use sagascope_api::Time;

use super::attributes::{AttributeSet, AttributesRef};
use super::spans::within;
use super::strings::Str;
use super::tables::{ResourceRef, ScopeRef, Tables};
use crate::rows::{
    Exemplar, ExponentialValue, HistogramValue, Metric, MetricKind, Number, PointRow, PointValue, SpanId, SummaryValue,
    TraceId,
};

/// Metric points of many requests, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct PointBlock {
    /// What the rows share.
    pub tables: Tables,
    /// Ordinal of the row among all of its signal ever taken.
    pub sequence: Vec<u64>,
    /// Ordinal that the next row pushed will have.
    pub next_sequence: u64,
    /// Metrics; a row refers to one by its place.
    pub metrics: Vec<MetricEntry>,
    metric_places: HashMap<MetricEntry, u32, RandomState>,
    /// When the collector received the row's request.
    pub received_at: Vec<Time>,
    /// Place of the sender.
    pub resource: Vec<u32>,
    /// Place of the scope.
    pub scope: Vec<u32>,
    /// Place of the metric.
    pub metric: Vec<u32>,
    /// Start of the counting.
    pub start: Vec<Time>,
    /// When it was read.
    pub at: Vec<Time>,
    /// Flags.
    pub flags: Vec<u32>,
    /// Attributes.
    pub attributes: Vec<AttributeSet>,
    /// What it says.
    pub value: Vec<PointCell>,
    /// End of the row's exemplars in `exemplars`.
    pub exemplar_ends: Vec<u32>,
    /// Exemplars of all rows.
    pub exemplars: Vec<ExemplarCells>,
    /// Histograms with stated bounds.
    pub histograms: Vec<HistogramCells>,
    /// Histograms whose bounds are powers.
    pub exponentials: Vec<ExponentialCells>,
    /// Summaries.
    pub summaries: Vec<SummaryCells>,
    /// Bounds of histograms.
    pub bounds: Vec<f64>,
    /// Bucket counts of histograms.
    pub counts: Vec<u64>,
    /// `(quantile, value)` of summaries.
    pub quantiles: Vec<(f64, f64)>,
}

/// What the points of one metric share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetricEntry {
    /// Name.
    pub name: Str,
    /// What it measures, in words.
    pub description: Str,
    /// Unit.
    pub unit: Str,
    /// Kind.
    pub kind: MetricKind,
    /// Metadata. Sets that are not shared make metrics that are not shared.
    pub metadata: AttributeSet,
}

/// What a point says: a number, or a place in the tables of its block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum PointCell {
    /// Flagged as having no value now.
    #[default]
    Missing,
    /// Whole number.
    Int(i64),
    /// Fraction.
    Double(f64),
    /// Place in `histograms`.
    Histogram(u32),
    /// Place in `exponentials`.
    Exponential(u32),
    /// Place in `summaries`.
    Summary(u32),
}

/// One point on its way into the columns.
#[derive(Clone, Copy, Debug)]
pub struct PointCells {
    /// Place of the sender.
    pub resource: u32,
    /// Place of the scope.
    pub scope: u32,
    /// Place of the metric.
    pub metric: u32,
    /// Start of the counting.
    pub start: Time,
    /// When it was read.
    pub at: Time,
    /// Flags.
    pub flags: u32,
    /// Attributes.
    pub attributes: AttributeSet,
    /// What it says.
    pub value: PointCell,
}

/// A histogram with stated bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramCells {
    /// Measurements.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// Part of the block's `bounds`.
    pub bounds: Range<u32>,
    /// Part of the block's `counts`.
    pub counts: Range<u32>,
}

/// A histogram whose bounds are powers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialCells {
    /// Measurements.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// Resolution.
    pub scale: i32,
    /// Measurements around zero.
    pub zero_count: u64,
    /// How far around zero.
    pub zero_threshold: f64,
    /// Index of the first positive bucket.
    pub positive_offset: i32,
    /// Part of the block's `counts`.
    pub positive: Range<u32>,
    /// Index of the first negative bucket.
    pub negative_offset: i32,
    /// Part of the block's `counts`.
    pub negative: Range<u32>,
}

/// A summary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryCells {
    /// Measurements.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Part of the block's `quantiles`.
    pub quantiles: Range<u32>,
}

/// An exemplar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExemplarCells {
    /// When.
    pub at: Time,
    /// The measurement.
    pub value: Number,
    /// Trace in which it was made.
    pub trace_id: Option<TraceId>,
    /// Span in which it was made.
    pub span_id: Option<SpanId>,
    /// Attributes that the point itself lacks.
    pub attributes: AttributeSet,
}

impl PointBlock {
    /// Empty; the first row will have this sequence.
    #[must_use]
    pub fn begin_at(sequence: u64) -> Self {
        Self {
            next_sequence: sequence,
            ..Self::default()
        }
    }

    /// Rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.at.len()
    }

    /// No rows?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The place of a metric, which is added when it is new.
    pub fn metric(&mut self, entry: MetricEntry) -> u32 {
        let Self {
            metrics, metric_places, ..
        } = self;
        *metric_places.entry(entry).or_insert_with(|| {
            metrics.push(entry);
            metrics.len() as u32 - 1
        })
    }

    /// Adds an exemplar to the point that is pushed next.
    pub fn push_exemplar(&mut self, exemplar: ExemplarCells) {
        self.exemplars.push(exemplar);
    }

    /// Forgets exemplars of a point that turned out not to be one.
    pub fn abandon(&mut self) {
        self.exemplars
            .truncate(self.exemplar_ends.last().map_or(0, |end| *end as usize));
    }

    /// Adds a point with the exemplars pushed since the last.
    pub fn push(&mut self, point: PointCells, received_at: Time) {
        self.sequence.push(self.next_sequence);
        self.next_sequence += 1;
        self.received_at.push(received_at);
        self.resource.push(point.resource);
        self.scope.push(point.scope);
        self.metric.push(point.metric);
        self.start.push(point.start);
        self.at.push(point.at);
        self.flags.push(point.flags);
        self.attributes.push(point.attributes);
        self.value.push(point.value);
        self.exemplar_ends.push(self.exemplars.len() as u32);
    }

    /// Adds an owned row.
    pub fn push_row(&mut self, row: &PointRow, received_at: Time) {
        let tables = &mut self.tables;
        let (resource, scope) = (tables.push_resource(&row.resource), tables.push_scope(&row.scope));
        let Tables { strings, values, .. } = tables;
        let entry = MetricEntry {
            name: strings.intern(&row.metric.name),
            description: strings.intern(&row.metric.description),
            unit: strings.intern(&row.metric.unit),
            kind: row.metric.kind,
            metadata: if row.metric.metadata.0.is_empty() {
                AttributeSet::default()
            } else {
                values.push_all(strings, &row.metric.metadata)
            },
        };
        let attributes = values.push_all(strings, &row.attributes);
        for exemplar in &row.exemplars {
            self.exemplars.push(ExemplarCells {
                at: exemplar.at,
                value: exemplar.value,
                trace_id: exemplar.trace_id,
                span_id: exemplar.span_id,
                attributes: values.push_all(strings, &exemplar.attributes),
            });
        }
        let cells = PointCells {
            resource,
            scope,
            metric: self.metric(entry),
            start: row.start,
            at: row.at,
            flags: row.flags,
            attributes,
            value: self.push_value(&row.value),
        };
        self.push(cells, received_at);
    }

    fn push_value(&mut self, value: &PointValue) -> PointCell {
        match value {
            PointValue::Missing => PointCell::Missing,
            PointValue::Int(number) => PointCell::Int(*number),
            PointValue::Double(number) => PointCell::Double(*number),
            PointValue::Histogram(histogram) => {
                let cells = HistogramCells {
                    count: histogram.count,
                    sum: histogram.sum,
                    min: histogram.min,
                    max: histogram.max,
                    bounds: self.push_bounds(&histogram.bounds),
                    counts: self.push_counts(&histogram.counts),
                };
                self.push_histogram(cells)
            }
            PointValue::ExponentialHistogram(histogram) => {
                let cells = ExponentialCells {
                    count: histogram.count,
                    sum: histogram.sum,
                    min: histogram.min,
                    max: histogram.max,
                    scale: histogram.scale,
                    zero_count: histogram.zero_count,
                    zero_threshold: histogram.zero_threshold,
                    positive_offset: histogram.positive_offset,
                    positive: self.push_counts(&histogram.positive),
                    negative_offset: histogram.negative_offset,
                    negative: self.push_counts(&histogram.negative),
                };
                self.push_exponential(cells)
            }
            PointValue::Summary(summary) => {
                let cells = SummaryCells {
                    count: summary.count,
                    sum: summary.sum,
                    quantiles: self.push_quantiles(&summary.quantiles),
                };
                self.push_summary(cells)
            }
        }
    }

    /// Keeps bounds for a histogram.
    pub fn push_bounds(&mut self, bounds: &[f64]) -> Range<u32> {
        append(&mut self.bounds, bounds)
    }

    /// Keeps bucket counts for a histogram.
    pub fn push_counts(&mut self, counts: &[u64]) -> Range<u32> {
        append(&mut self.counts, counts)
    }

    /// Keeps `(quantile, value)` for a summary.
    pub fn push_quantiles(&mut self, quantiles: &[(f64, f64)]) -> Range<u32> {
        append(&mut self.quantiles, quantiles)
    }

    /// Keeps a histogram, for the point that is pushed next.
    pub fn push_histogram(&mut self, cells: HistogramCells) -> PointCell {
        self.histograms.push(cells);
        PointCell::Histogram(self.histograms.len() as u32 - 1)
    }

    /// Keeps an exponential histogram, for the point that is pushed next.
    pub fn push_exponential(&mut self, cells: ExponentialCells) -> PointCell {
        self.exponentials.push(cells);
        PointCell::Exponential(self.exponentials.len() as u32 - 1)
    }

    /// Keeps a summary, for the point that is pushed next.
    pub fn push_summary(&mut self, cells: SummaryCells) -> PointCell {
        self.summaries.push(cells);
        PointCell::Summary(self.summaries.len() as u32 - 1)
    }

    /// Takes the last rows back, so that this many are left.
    pub fn truncate(&mut self, rows: usize) {
        if let Some(sequence) = self.sequence.get(rows) {
            self.next_sequence = *sequence;
        }
        self.sequence.truncate(rows);
        self.received_at.truncate(rows);
        self.resource.truncate(rows);
        self.scope.truncate(rows);
        self.metric.truncate(rows);
        self.start.truncate(rows);
        self.at.truncate(rows);
        self.flags.truncate(rows);
        self.attributes.truncate(rows);
        self.value.truncate(rows);
        self.exemplar_ends.truncate(rows);
        self.abandon();
    }

    /// A view of a row.
    ///
    /// # Panics
    /// Of a row that the block lacks, as soon as it is looked at.
    #[must_use]
    pub const fn row(&self, row: usize) -> PointRef<'_> {
        PointRef { block: self, row }
    }

    /// Views of all rows.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = PointRef<'_>> + ExactSizeIterator {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Memory held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tables.bytes()
            + self.at.capacity() * 80
            + self.exemplars.capacity() * 72
            + self.histograms.capacity() * 72
            + self.exponentials.capacity() * 112
            + self.summaries.capacity() * 24
            + (self.bounds.capacity() + self.counts.capacity()) * 8
            + self.quantiles.capacity() * 16
    }
}

fn append<T: Copy>(all: &mut Vec<T>, more: &[T]) -> Range<u32> {
    let begin = all.len() as u32;
    all.extend_from_slice(more);
    begin..all.len() as u32
}

fn part<'a, T>(all: &'a [T], range: &Range<u32>) -> &'a [T] {
    &all[range.start as usize..range.end as usize]
}

/// A metric point, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct PointRef<'a> {
    block: &'a PointBlock,
    row: usize,
}

impl<'a> PointRef<'a> {
    /// The block it is in.
    #[must_use]
    pub const fn block(self) -> &'a PointBlock {
        self.block
    }

    /// Its row in the block.
    #[must_use]
    pub const fn index(self) -> usize {
        self.row
    }

    /// Its ordinal among all points ever taken.
    #[must_use]
    pub fn sequence(self) -> u64 {
        self.block.sequence[self.row]
    }

    /// When the collector received it.
    #[must_use]
    pub fn received_at(self) -> Time {
        self.block.received_at[self.row]
    }

    /// Place of the sender in the block's tables.
    #[must_use]
    pub fn resource_place(self) -> u32 {
        self.block.resource[self.row]
    }

    /// The sender.
    #[must_use]
    pub fn resource(self) -> ResourceRef<'a> {
        self.block.tables.resource_at(self.block.resource[self.row])
    }

    /// Instrumentation scope.
    #[must_use]
    pub fn scope(self) -> ScopeRef<'a> {
        self.block.tables.scope_at(self.block.scope[self.row])
    }

    /// Its metric.
    #[must_use]
    pub fn metric(self) -> MetricEntry {
        self.block.metrics[self.block.metric[self.row] as usize]
    }

    /// Name of its metric.
    #[must_use]
    pub fn metric_name(self) -> &'a str {
        self.block.tables.strings.get(self.metric().name)
    }

    /// Kind of its metric.
    #[must_use]
    pub fn kind(self) -> MetricKind {
        self.metric().kind
    }

    /// Start of the counting.
    #[must_use]
    pub fn start(self) -> Time {
        self.block.start[self.row]
    }

    /// When it was read.
    #[must_use]
    pub fn at(self) -> Time {
        self.block.at[self.row]
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(self) -> AttributesRef<'a> {
        self.block.tables.attributes(self.block.attributes[self.row])
    }

    /// What it says, as its column has it.
    #[must_use]
    pub fn cell(self) -> PointCell {
        self.block.value[self.row]
    }

    /// A reading as a fraction; `None` of histograms and summaries.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        match self.cell() {
            PointCell::Int(number) => Some(number as f64),
            PointCell::Double(number) => Some(number),
            _ => None,
        }
    }

    /// What it says, owned.
    #[must_use]
    pub fn value(self) -> PointValue {
        let block = self.block;
        match self.cell() {
            PointCell::Missing => PointValue::Missing,
            PointCell::Int(number) => PointValue::Int(number),
            PointCell::Double(number) => PointValue::Double(number),
            PointCell::Histogram(place) => {
                let cells = &block.histograms[place as usize];
                PointValue::Histogram(HistogramValue {
                    count: cells.count,
                    sum: cells.sum,
                    min: cells.min,
                    max: cells.max,
                    bounds: part(&block.bounds, &cells.bounds).into(),
                    counts: part(&block.counts, &cells.counts).into(),
                })
            }
            PointCell::Exponential(place) => {
                let cells = &block.exponentials[place as usize];
                PointValue::ExponentialHistogram(ExponentialValue {
                    count: cells.count,
                    sum: cells.sum,
                    min: cells.min,
                    max: cells.max,
                    scale: cells.scale,
                    zero_count: cells.zero_count,
                    zero_threshold: cells.zero_threshold,
                    positive_offset: cells.positive_offset,
                    positive: part(&block.counts, &cells.positive).into(),
                    negative_offset: cells.negative_offset,
                    negative: part(&block.counts, &cells.negative).into(),
                })
            }
            PointCell::Summary(place) => {
                let cells = &block.summaries[place as usize];
                PointValue::Summary(SummaryValue {
                    count: cells.count,
                    sum: cells.sum,
                    quantiles: part(&block.quantiles, &cells.quantiles).into(),
                })
            }
        }
    }

    /// Exemplars of it.
    #[must_use]
    pub fn exemplars(self) -> &'a [ExemplarCells] {
        within(&self.block.exemplar_ends, &self.block.exemplars, self.row)
    }

    /// As an owned row.
    #[must_use]
    pub fn to_row(self) -> PointRow {
        let tables = &self.block.tables;
        let entry = self.metric();
        PointRow {
            resource: self.resource().to_row(),
            scope: self.scope().to_row(),
            metric: Arc::new(Metric {
                name: tables.strings.get(entry.name).into(),
                description: tables.strings.get(entry.description).into(),
                unit: tables.strings.get(entry.unit).into(),
                kind: entry.kind,
                metadata: tables.attributes(entry.metadata).to_owned(),
            }),
            start: self.start(),
            at: self.at(),
            flags: self.block.flags[self.row],
            attributes: self.attributes().to_owned(),
            value: self.value(),
            exemplars: self
                .exemplars()
                .iter()
                .map(|cells| Exemplar {
                    at: cells.at,
                    value: cells.value,
                    trace_id: cells.trace_id,
                    span_id: cells.span_id,
                    attributes: tables.attributes(cells.attributes).to_owned(),
                })
                .collect(),
        }
    }
}
