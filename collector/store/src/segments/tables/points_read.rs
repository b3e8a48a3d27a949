//! Metric points back from their tables.

use std::ops::Range;

use sagascope_api::Time;
use sagascope_core::block::{
    ExemplarCells, ExponentialCells, HistogramCells, MetricEntry, PointBlock, PointCell, SummaryCells,
};
use sagascope_core::rows::{Number, SpanId, TraceId};

use super::super::exact::{self, ExactMetric, ExactValue, PointRest};
use super::super::read::{self, AttributesIn, GroupColumns, Words};
use crate::segments::codec::{Damaged, Lists};
use crate::segments::file::ReadError;
use crate::segments::schema::Table;
use crate::segments::tables::Columns;

/// Wanted rows of a row group as a block. Columns that are not wanted hold zeros and empty texts.
pub(in crate::segments) fn read(
    group: &GroupColumns<'_>,
    table: Table,
    wanted: Columns,
    rows: &[Range<usize>],
) -> Result<PointBlock, ReadError> {
    let count = rows.iter().map(ExactSizeIterator::len).sum::<usize>();
    let time = |nanos: i64| Time(nanos.cast_unsigned());
    let mut block = blank(count);
    let has = |columns| wanted.has(columns);
    block.sequence = group.numbers("Sagascope.Sequence", rows, i64::cast_unsigned)?;
    block.next_sequence = block.sequence.iter().max().map_or(0, |last| last + 1);
    if has(Columns::TIME) {
        block.start = group.numbers("StartTimeUnix", rows, time)?;
        block.at = group.numbers("TimeUnix", rows, time)?;
    }
    if has(Columns::RECEIVED) {
        block.received_at = group.numbers("Sagascope.ReceivedAt", rows, time)?;
    }
    // A row without its metric would be no row.
    block.metric = read_metrics(group, rows, &mut block)?;
    if has(Columns::REST) {
        block.flags = group.numbers("Flags", rows, |flags| flags as u32)?;
    }
    if has(Columns::RESOURCE) {
        block.resource = group.resources(rows, &mut block.tables)?;
        block.scope = group.scopes(rows, &mut block.tables)?;
    }
    if has(Columns::ATTRIBUTES) || has(Columns::BODY) || has(Columns::EXEMPLARS) {
        let rest = group.records::<PointRest>("Sagascope.Rest", rows)?;
        rest.even(count)?;
        if has(Columns::ATTRIBUTES) {
            let nested = |row: usize| rest.of(row).nested.as_slice();
            block.attributes = group.attributes("Attributes", rows, &mut block.tables, nested)?;
        }
        if has(Columns::BODY) {
            let values = Value {
                group,
                rows,
                rest: &rest,
            };
            match table {
                Table::Histogram => values.histograms(&mut block)?,
                Table::ExponentialHistogram => values.exponentials(&mut block)?,
                Table::Summary => values.summaries(&mut block)?,
                _ => values.numbers(&mut block)?,
            }
        }
        if has(Columns::EXEMPLARS) && table != Table::Summary {
            read_exemplars(group, rows, &rest, &mut block)?;
        }
    }
    let lengths = [
        block.sequence.len(),
        block.start.len(),
        block.at.len(),
        block.received_at.len(),
        block.metric.len(),
        block.flags.len(),
        block.resource.len(),
        block.scope.len(),
        block.attributes.len(),
        block.value.len(),
        block.exemplar_ends.len(),
    ];
    read::even(count, &lengths)?;
    Ok(block)
}

fn read_metrics(
    group: &GroupColumns<'_>,
    rows: &[Range<usize>],
    block: &mut PointBlock,
) -> Result<Vec<u32>, ReadError> {
    group.shared("Sagascope.Metric", rows, |bytes| {
        let exact: ExactMetric<'_> = exact::read(bytes)?;
        let kind = exact.kind.kind()?;
        let strings = &mut block.tables.strings;
        let entry = MetricEntry {
            name: strings.intern(exact.name),
            description: strings.intern(exact.description),
            unit: strings.intern(exact.unit),
            kind,
            metadata: if exact.metadata.is_empty() {
                Default::default()
            } else {
                exact.metadata.push(strings, &mut block.tables.values)
            },
        };
        Ok(block.metric(entry))
    })
}

struct Value<'a, 'g> {
    group: &'a GroupColumns<'g>,
    rows: &'a [Range<usize>],
    rest: &'a Words<PointRest>,
}

const OTHER_KIND: Damaged = Damaged("a point is of another kind than its table");

impl Value<'_, '_> {
    fn numbers(&self, block: &mut PointBlock) -> Result<(), ReadError> {
        let values = self.fractions("Value")?;
        read::even(block.value.len(), &[values.len()])?;
        for (row, value) in values.into_iter().enumerate() {
            block.value[row] = match self.rest.of(row).value {
                ExactValue::Missing => PointCell::Missing,
                ExactValue::Int(number) => PointCell::Int(number),
                ExactValue::Double => PointCell::Double(value),
                _ => return Err(OTHER_KIND.into()),
            };
        }
        Ok(())
    }

    fn histograms(&self, block: &mut PointBlock) -> Result<(), ReadError> {
        let counts = self.whole("Count")?;
        let [sums, mins, maxs] = self.extremes()?;
        let (bucket_counts, in_counts) = self.lists("BucketCounts")?;
        let (bounds, in_bounds) = self.group.fractions("ExplicitBounds", 1, self.rows)?;
        let rows = block.value.len();
        read::even(rows, &[counts.len(), sums.len(), mins.len(), maxs.len()])?;
        read::even(rows, &[in_counts.outer.len(), in_bounds.outer.len()])?;
        let (counts_of, bounds_of) = (ranges(&in_counts, 0), ranges(&in_bounds, 0));
        block.counts = bucket_counts;
        block.bounds = bounds;
        for row in 0..rows {
            block.value[row] = match self.rest.of(row).value {
                ExactValue::Missing => PointCell::Missing,
                ExactValue::Histogram([sum, min, max]) => {
                    block.histograms.push(HistogramCells {
                        count: counts[row],
                        sum: sum.then_some(sums[row]),
                        min: min.then_some(mins[row]),
                        max: max.then_some(maxs[row]),
                        bounds: bounds_of[row].clone(),
                        counts: counts_of[row].clone(),
                    });
                    PointCell::Histogram(block.histograms.len() as u32 - 1)
                }
                _ => return Err(OTHER_KIND.into()),
            };
        }
        Ok(())
    }

    fn exponentials(&self, block: &mut PointBlock) -> Result<(), ReadError> {
        let (counts, zeros) = (self.whole("Count")?, self.whole("ZeroCount")?);
        let [sums, mins, maxs] = self.extremes()?;
        let small = |path| self.group.numbers(path, self.rows, |number| number as i32);
        let (scales, positive_offsets, negative_offsets) =
            (small("Scale")?, small("PositiveOffset")?, small("NegativeOffset")?);
        let (positive, in_positive) = self.lists("PositiveBucketCounts")?;
        let (negative, in_negative) = self.lists("NegativeBucketCounts")?;
        let rows = block.value.len();
        read::even(rows, &[counts.len(), zeros.len(), sums.len(), mins.len(), maxs.len()])?;
        read::even(rows, &[scales.len(), positive_offsets.len(), negative_offsets.len()])?;
        read::even(rows, &[in_positive.outer.len(), in_negative.outer.len()])?;
        let positive_of = ranges(&in_positive, 0);
        let negative_of = ranges(&in_negative, positive.len() as u32);
        block.counts = positive;
        block.counts.extend(negative);
        for row in 0..rows {
            block.value[row] = match self.rest.of(row).value {
                ExactValue::Missing => PointCell::Missing,
                ExactValue::Exponential {
                    given: [sum, min, max],
                    zero_threshold,
                } => {
                    block.exponentials.push(ExponentialCells {
                        count: counts[row],
                        sum: sum.then_some(sums[row]),
                        min: min.then_some(mins[row]),
                        max: max.then_some(maxs[row]),
                        scale: scales[row],
                        zero_count: zeros[row],
                        zero_threshold: f64::from_bits(zero_threshold),
                        positive_offset: positive_offsets[row],
                        positive: positive_of[row].clone(),
                        negative_offset: negative_offsets[row],
                        negative: negative_of[row].clone(),
                    });
                    PointCell::Exponential(block.exponentials.len() as u32 - 1)
                }
                _ => return Err(OTHER_KIND.into()),
            };
        }
        Ok(())
    }

    fn summaries(&self, block: &mut PointBlock) -> Result<(), ReadError> {
        let (counts, sums) = (self.whole("Count")?, self.fractions("Sum")?);
        let (quantiles, in_quantiles) = self.group.fractions("ValueAtQuantiles.Quantile", 1, self.rows)?;
        let (values, _) = self.group.fractions("ValueAtQuantiles.Value", 1, self.rows)?;
        let rows = block.value.len();
        read::even(rows, &[counts.len(), sums.len(), in_quantiles.outer.len()])?;
        read::even(quantiles.len(), &[values.len()])?;
        let quantiles_of = ranges(&in_quantiles, 0);
        block.quantiles = quantiles.into_iter().zip(values).collect();
        for row in 0..rows {
            block.value[row] = match self.rest.of(row).value {
                ExactValue::Missing => PointCell::Missing,
                ExactValue::Summary => {
                    block.summaries.push(SummaryCells {
                        count: counts[row],
                        sum: sums[row],
                        quantiles: quantiles_of[row].clone(),
                    });
                    PointCell::Summary(block.summaries.len() as u32 - 1)
                }
                _ => return Err(OTHER_KIND.into()),
            };
        }
        Ok(())
    }

    fn whole(&self, path: &str) -> Result<Vec<u64>, ReadError> {
        self.group.numbers(path, self.rows, i64::cast_unsigned)
    }

    fn fractions(&self, path: &str) -> Result<Vec<f64>, ReadError> {
        Ok(self.group.fractions(path, 0, self.rows)?.0)
    }

    fn extremes(&self) -> Result<[Vec<f64>; 3], ReadError> {
        Ok([self.fractions("Sum")?, self.fractions("Min")?, self.fractions("Max")?])
    }

    fn lists(&self, path: &str) -> Result<(Vec<u64>, Lists), ReadError> {
        let (numbers, lists) = self.group.nested_numbers(path, 1, self.rows)?;
        Ok((numbers.into_iter().map(i64::cast_unsigned).collect(), lists))
    }
}

/// Where each list lies, when the first begins at `begin`.
fn ranges(lists: &Lists, begin: u32) -> Vec<Range<u32>> {
    let ranges = lists.outer.iter().scan(begin, |end, count| {
        let begin = *end;
        *end += count;
        Some(begin..*end)
    });
    ranges.collect()
}

fn read_exemplars(
    group: &GroupColumns<'_>,
    rows: &[Range<usize>],
    rest: &Words<PointRest>,
    block: &mut PointBlock,
) -> Result<(), ReadError> {
    let (at, lists) = group.nested_numbers("Exemplars.TimeUnix", 1, rows)?;
    let (values, _) = group.fractions("Exemplars.Value", 1, rows)?;
    let (spans, _) = group.ids::<8>("Exemplars.SpanId", 1, rows)?;
    let (traces, _) = group.ids::<16>("Exemplars.TraceId", 1, rows)?;
    rest.even(lists.outer.len())?;
    let items = (0..lists.outer.len()).flat_map(|row| &rest.of(row).exemplars);
    let sets = group.attributes_in("Exemplars.FilteredAttributes", rows, &mut block.tables, items)?;
    read::even(at.len(), &[values.len(), spans.len(), traces.len(), sets.len()])?;
    for (n, AttributesIn { set, item }) in sets.into_iter().enumerate() {
        block.push_exemplar(ExemplarCells {
            at: Time(at[n].cast_unsigned()),
            value: item.int.map_or(Number::Double(values[n]), Number::Int),
            trace_id: TraceId::from_slice(&traces[n]),
            span_id: SpanId::from_slice(&spans[n]),
            attributes: set,
        });
    }
    block.exemplar_ends = read::ends(&lists.outer);
    Ok(())
}

/// Rows of nothing.
fn blank(rows: usize) -> PointBlock {
    let mut block = PointBlock::default();
    block.sequence = vec![0; rows];
    block.received_at = vec![Time(0); rows];
    block.resource = vec![0; rows];
    block.scope = vec![0; rows];
    block.metric = vec![0; rows];
    block.start = vec![Time(0); rows];
    block.at = vec![Time(0); rows];
    block.flags = vec![0; rows];
    block.attributes = vec![Default::default(); rows];
    block.value = vec![PointCell::Missing; rows];
    block.exemplar_ends = vec![0; rows];
    block
}
