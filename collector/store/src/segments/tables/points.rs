//! Metric points into the `otel_metrics_…` tables.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use sagascope_core::block::{ExemplarCells, MetricEntry, PointBlock, PointCell};
use sagascope_core::rows::{MetricKind, Number, Temporality};

use super::exact::{ExactAttributes, ExactMetric, ExactValue, Item, PointRest};
use super::write::{self, IdColumn, MapColumn, Records, SharedMap, TextColumn};
use crate::segments::codec::{Column, Nesting, Values};
use crate::segments::schema::Table;

#[path = "points_read.rs"]
mod reading;

pub(in crate::segments) use reading::read;

/// The table of a row: by what its point says, and by its metric where it says nothing.
fn table_of(block: &PointBlock, row: usize) -> Table {
    match (block.value[row], block.row(row).kind()) {
        (PointCell::Histogram(_), _) | (PointCell::Missing, MetricKind::Histogram(_)) => Table::Histogram,
        (PointCell::Exponential(_), _) | (PointCell::Missing, MetricKind::ExponentialHistogram(_)) => {
            Table::ExponentialHistogram
        }
        (PointCell::Summary(_), _) | (PointCell::Missing, MetricKind::Summary) => Table::Summary,
        (_, MetricKind::Sum { .. }) => Table::Sum,
        _ => Table::Gauge,
    }
}

/// Rows of a table in the order they are sealed in: metric by metric, then in the order of the log.
pub(in crate::segments) fn order(blocks: &[Arc<PointBlock>], table: Table) -> Vec<(u32, u32)> {
    let mut rows = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let of_table = (0..block.len()).filter(|row| table_of(block, *row) == table);
        rows.extend(of_table.map(|row| (n as u32, row as u32)));
    }
    rows.sort_by_cached_key(|(n, row)| {
        let block = &blocks[*n as usize];
        let name = block.row(*row as usize).metric_name();
        (name.to_owned(), block.sequence[*row as usize])
    });
    rows
}

/// The columns of a row group.
pub(in crate::segments) fn columns(blocks: &[Arc<PointBlock>], rows: &[(u32, u32)], table: Table) -> Vec<Column> {
    let mut writer = Writer::default();
    for (block, row) in rows {
        writer.push(*block as usize, &blocks[*block as usize], *row as usize, table);
    }
    writer.finish(table)
}

#[derive(Default)]
struct Writer {
    resource_attributes: SharedMap,
    resource_schema: TextColumn,
    scope_name: TextColumn,
    scope_version: TextColumn,
    scope_attributes: SharedMap,
    scope_dropped: Vec<i32>,
    scope_schema: TextColumn,
    service: TextColumn,
    name: TextColumn,
    description: TextColumn,
    unit: TextColumn,
    attributes: MapColumn,
    start: Vec<i64>,
    at: Vec<i64>,
    value: Vec<f64>,
    flags: Vec<i32>,
    count: Vec<i64>,
    sum: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    scale: Vec<i32>,
    zero_count: Vec<i64>,
    offsets: [Vec<i32>; 2],
    counts: [NumberLists<i64>; 2],
    bounds: NumberLists<f64>,
    quantiles: [NumberLists<f64>; 2],
    exemplars: Exemplars,
    temporality: Vec<i32>,
    monotonic: Vec<bool>,
    sequence: Vec<i64>,
    received_at: Vec<i64>,
    resource: Records,
    scope: Records,
    metric: Records,
    shape: Records,
    rest: Records,
}

#[derive(Default)]
struct NumberLists<T> {
    lengths: Vec<u32>,
    numbers: Vec<T>,
}

impl<T> NumberLists<T> {
    fn push(&mut self, numbers: impl Iterator<Item = T>) {
        let before = self.numbers.len();
        self.numbers.extend(numbers);
        self.lengths.push((self.numbers.len() - before) as u32);
    }

    fn column(self, values: impl FnOnce(Vec<T>) -> Values) -> Column {
        Column {
            values: values(self.numbers),
            nesting: Nesting::Lists(Rc::new(self.lengths)),
        }
    }
}

#[derive(Default)]
struct Exemplars {
    lengths: Vec<u32>,
    attributes: MapColumn,
    at: Vec<i64>,
    value: Vec<f64>,
    span: IdColumn,
    trace: IdColumn,
}

impl Exemplars {
    fn push(&mut self, n: usize, block: &PointBlock, exemplars: &[ExemplarCells]) {
        self.lengths.push(exemplars.len() as u32);
        for exemplar in exemplars {
            self.attributes.push(n, &block.tables, exemplar.attributes);
            self.at.push(exemplar.at.0.cast_signed());
            self.value.push(match exemplar.value {
                Number::Int(number) => number as f64,
                Number::Double(number) => number,
            });
            self.span.push(&exemplar.span_id.map_or([0; 8], |id| id.0));
            self.trace.push(&exemplar.trace_id.map_or([0; 16], |id| id.0));
        }
    }

    fn finish(self, columns: &mut Vec<Column>) {
        let lengths = Rc::new(self.lengths);
        let nested = |values| Column {
            values,
            nesting: Nesting::Lists(Rc::clone(&lengths)),
        };
        let rest = [
            nested(Values::Numbers(self.at)),
            nested(Values::Fractions(self.value)),
            nested(self.span.into_values()),
            nested(self.trace.into_values()),
        ];
        columns.extend(self.attributes.in_lists(Rc::clone(&lengths)));
        columns.extend(rest);
    }
}

impl Writer {
    fn push(&mut self, n: usize, block: &PointBlock, row: usize, table: Table) {
        let tables = &block.tables;
        let strings = &tables.strings;
        let resource = tables.resource_at(block.resource[row]).entry();
        let scope = tables
            .scopes
            .get(block.scope[row] as usize)
            .copied()
            .unwrap_or_default();
        let metric = block.row(row).metric();
        self.resource_attributes
            .push(n, tables, block.resource[row], resource.attributes);
        self.resource_schema.push(n, strings, resource.schema_url);
        self.scope_name.push(n, strings, scope.name);
        self.scope_version.push(n, strings, scope.version);
        self.scope_attributes
            .push(n, tables, block.scope[row], scope.attributes);
        self.scope_dropped.push(scope.dropped_attributes.cast_signed());
        self.scope_schema.push(n, strings, scope.schema_url);
        self.service.push(n, strings, resource.service);
        self.name.push(n, strings, metric.name);
        self.description.push(n, strings, metric.description);
        self.unit.push(n, strings, metric.unit);
        self.attributes.push(n, tables, block.attributes[row]);
        self.start.push(block.start[row].0.cast_signed());
        self.at.push(block.at[row].0.cast_signed());
        self.flags.push(block.flags[row].cast_signed());
        self.temporality.push(match metric.kind.temporality() {
            Temporality::Unspecified => 0,
            Temporality::Delta => 1,
            Temporality::Cumulative => 2,
        });
        self.monotonic
            .push(matches!(metric.kind, MetricKind::Sum { monotonic: true, .. }));
        let exemplars = block.row(row).exemplars();
        self.exemplars.push(n, block, exemplars);
        self.sequence.push(block.sequence[row].cast_signed());
        self.received_at.push(block.received_at[row].0.cast_signed());
        self.resource.resource(n, tables, block.resource[row]);
        self.scope.scope(n, tables, block.scope[row]);
        self.metric.known(n, block.metric[row], || exact_metric(block, metric));
        self.shape.shape(n, tables, block.attributes[row]);
        let value = self.push_value(block, row, table);
        let item = |cells: &ExemplarCells| Item {
            kinds: write::kinds_of(tables, cells.attributes),
            nested: write::nested_of(tables, cells.attributes),
            int: match cells.value {
                Number::Int(number) => Some(number),
                Number::Double(_) => None,
            },
            ..Item::default()
        };
        self.rest.row(&PointRest {
            value,
            exemplars: exemplars.iter().map(item).collect(),
            nested: write::nested_of(tables, block.attributes[row]),
        });
    }

    /// Puts what the point says into the columns of its table, and gives what those lose.
    fn push_value(&mut self, block: &PointBlock, row: usize, table: Table) -> ExactValue {
        let cell = block.value[row];
        match table {
            Table::Histogram => self.push_histogram(block, cell),
            Table::ExponentialHistogram => self.push_exponential(block, cell),
            Table::Summary => self.push_summary(block, cell),
            _ => {
                let (value, exact) = match cell {
                    PointCell::Int(number) => (number as f64, ExactValue::Int(number)),
                    PointCell::Double(number) => (number, ExactValue::Double),
                    _ => (0.0, ExactValue::Missing),
                };
                self.value.push(value);
                exact
            }
        }
    }

    fn push_histogram(&mut self, block: &PointBlock, cell: PointCell) -> ExactValue {
        let cells = match cell {
            PointCell::Histogram(place) => block.histograms.get(place as usize),
            _ => None,
        };
        let known = cells.cloned().unwrap_or_default();
        self.count.push(known.count.cast_signed());
        self.push_extremes(known.sum, known.min, known.max);
        self.counts[0].push(
            part(&block.counts, &known.counts)
                .iter()
                .map(|count| count.cast_signed()),
        );
        self.bounds.push(part(&block.bounds, &known.bounds).iter().copied());
        cells.map_or(ExactValue::Missing, |cells| {
            ExactValue::Histogram(given(cells.sum, cells.min, cells.max))
        })
    }

    fn push_exponential(&mut self, block: &PointBlock, cell: PointCell) -> ExactValue {
        let cells = match cell {
            PointCell::Exponential(place) => block.exponentials.get(place as usize),
            _ => None,
        };
        let known = cells.cloned().unwrap_or_default();
        self.count.push(known.count.cast_signed());
        self.push_extremes(known.sum, known.min, known.max);
        self.scale.push(known.scale);
        self.zero_count.push(known.zero_count.cast_signed());
        self.offsets[0].push(known.positive_offset);
        self.offsets[1].push(known.negative_offset);
        self.counts[0].push(
            part(&block.counts, &known.positive)
                .iter()
                .map(|count| count.cast_signed()),
        );
        self.counts[1].push(
            part(&block.counts, &known.negative)
                .iter()
                .map(|count| count.cast_signed()),
        );
        cells.map_or(ExactValue::Missing, |cells| ExactValue::Exponential {
            given: given(cells.sum, cells.min, cells.max),
            zero_threshold: cells.zero_threshold.to_bits(),
        })
    }

    fn push_summary(&mut self, block: &PointBlock, cell: PointCell) -> ExactValue {
        let cells = match cell {
            PointCell::Summary(place) => block.summaries.get(place as usize),
            _ => None,
        };
        let known = cells.cloned().unwrap_or_default();
        self.count.push(known.count.cast_signed());
        self.sum.push(known.sum);
        let quantiles = part(&block.quantiles, &known.quantiles);
        self.quantiles[0].push(quantiles.iter().map(|(quantile, _)| *quantile));
        self.quantiles[1].push(quantiles.iter().map(|(_, value)| *value));
        cells.map_or(ExactValue::Missing, |_| ExactValue::Summary)
    }

    fn push_extremes(&mut self, sum: Option<f64>, min: Option<f64>, max: Option<f64>) {
        self.sum.push(sum.unwrap_or(0.0));
        self.min.push(min.unwrap_or(0.0));
        self.max.push(max.unwrap_or(0.0));
    }

    fn finish(self, table: Table) -> Vec<Column> {
        let number = |numbers| Column::flat(Values::Numbers(numbers));
        let small = |numbers| Column::flat(Values::Small(numbers));
        let fraction = |numbers| Column::flat(Values::Fractions(numbers));
        let [positive, negative] = self.counts;
        let [positive_offset, negative_offset] = self.offsets;
        let [quantile, value_at] = self.quantiles;
        let mut columns = Vec::from(self.resource_attributes.flat());
        columns.extend([
            self.resource_schema.flat(),
            self.scope_name.flat(),
            self.scope_version.flat(),
        ]);
        columns.extend(self.scope_attributes.flat());
        columns.extend([
            small(self.scope_dropped),
            self.scope_schema.flat(),
            self.service.flat(),
            self.name.flat(),
            self.description.flat(),
            self.unit.flat(),
        ]);
        columns.extend(self.attributes.flat());
        columns.extend([number(self.start), number(self.at)]);
        let (flags, extremes) = (small(self.flags), [fraction(self.min), fraction(self.max)]);
        let temporality = small(self.temporality);
        match table {
            Table::Histogram => {
                columns.extend([number(self.count), fraction(self.sum)]);
                columns.extend([positive.column(Values::Numbers), self.bounds.column(Values::Fractions)]);
                self.exemplars.finish(&mut columns);
                columns.push(flags);
                columns.extend(extremes);
                columns.push(temporality);
            }
            Table::ExponentialHistogram => {
                columns.extend([number(self.count), fraction(self.sum)]);
                columns.extend([small(self.scale), number(self.zero_count), small(positive_offset)]);
                columns.extend([positive.column(Values::Numbers), small(negative_offset)]);
                columns.push(negative.column(Values::Numbers));
                self.exemplars.finish(&mut columns);
                columns.push(flags);
                columns.extend(extremes);
                columns.push(temporality);
            }
            Table::Summary => {
                columns.extend([number(self.count), fraction(self.sum)]);
                columns.extend([quantile.column(Values::Fractions), value_at.column(Values::Fractions)]);
                columns.push(flags);
            }
            _ => {
                columns.extend([fraction(self.value), flags]);
                self.exemplars.finish(&mut columns);
                if table == Table::Sum {
                    columns.extend([temporality, Column::flat(Values::Truths(self.monotonic))]);
                }
            }
        }
        columns.extend([
            number(self.sequence),
            number(self.received_at),
            self.resource.flat(),
            self.scope.flat(),
            self.metric.flat(),
            self.shape.flat(),
            self.rest.flat(),
        ]);
        columns
    }
}

fn exact_metric(block: &PointBlock, metric: MetricEntry) -> ExactMetric<'_> {
    let strings = &block.tables.strings;
    ExactMetric {
        name: strings.get(metric.name),
        description: strings.get(metric.description),
        unit: strings.get(metric.unit),
        kind: metric.kind.into(),
        metadata: ExactAttributes::of(&block.tables, metric.metadata),
    }
}

/// Which of sum, least and greatest were said.
fn given(sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> [bool; 3] {
    [sum.is_some(), min.is_some(), max.is_some()]
}

fn part<'a, T>(all: &'a [T], range: &Range<u32>) -> &'a [T] {
    &all[range.start as usize..range.end as usize]
}
