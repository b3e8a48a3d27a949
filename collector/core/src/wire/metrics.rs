//! `ExportMetricsServiceRequest`, walked.

use sagascope_api::Time;

use super::any::{self, Left, Pairs, check_pairs, push_pairs};
use super::points::{Exemplar, Point, Value};
use super::reader::{Malformed, Reader};
use super::senders::{Head, head};
use super::{Tally, time_or};
use crate::block::{
    AttributeSet, ExemplarCells, ExponentialCells, HistogramCells, MetricEntry, PointBlock, PointCell, PointCells,
    SummaryCells,
};
use crate::normalise::fit::fitted;
use crate::normalise::{ATTRIBUTES_MAX, BUCKETS_MAX, EXEMPLARS_MAX, temporality_of};
use crate::rows::{MetricKind, SpanId, Temporality, TraceId};

/// Level of a metric in its request, of its data, and of a point.
const METRIC: u32 = 3;
const DATA: u32 = METRIC + 1;
const POINT: u32 = METRIC + 2;

const USELESS_EXEMPLAR: &str = "an exemplar without a value, or beyond the 1024th of a point";

/// What is done with what is found.
trait Sink {
    fn resource(&mut self, head: &Head<'_>) -> Result<(), Malformed>;
    fn scope(&mut self, head: &Head<'_>) -> Result<(), Malformed>;
    /// `left` is left out of it.
    fn metric(&mut self, metric: &Metric<'_>, left: Left) -> Result<(), Malformed>;
    fn point(&mut self, point: &Point<'_>) -> Result<(), Malformed>;
}

pub(super) fn check(bytes: &[u8]) -> Result<Tally, Malformed> {
    let mut check = Check(Tally::default());
    walk(bytes, &mut check)?;
    Ok(check.0)
}

pub(super) fn read(bytes: &[u8], received_at: Time, block: &mut PointBlock) -> Result<Tally, Malformed> {
    let before = block.len();
    let mut read = Read {
        block,
        received_at,
        resource: 0,
        scope: 0,
        metric: 0,
        tally: Tally::default(),
    };
    match walk(bytes, &mut read) {
        Ok(()) => Ok(read.tally),
        Err(error) => {
            block.truncate(before);
            Err(error)
        }
    }
}

fn walk(bytes: &[u8], sink: &mut impl Sink) -> Result<(), Malformed> {
    let mut point = Point::default();
    let mut request = Reader::new(bytes, 0);
    while let Some((number, field)) = request.next()? {
        if number != 1 {
            request.unknown()?;
            continue;
        }
        let group = field.message(0)?;
        sink.resource(&head(group, 1)?)?;
        let mut scopes = Reader::new(group, 1);
        while let Some((number, field)) = scopes.next()? {
            if number != 2 {
                continue;
            }
            let scope = field.message(1)?;
            sink.scope(&head(scope, 2)?)?;
            let mut metrics = Reader::new(scope, 2);
            while let Some((number, field)) = metrics.next()? {
                if number == 2 {
                    walk_metric(field.message(2)?, &mut point, sink)?;
                }
            }
        }
    }
    Ok(())
}

fn walk_metric<'a>(bytes: &'a [u8], point: &mut Point<'a>, sink: &mut impl Sink) -> Result<(), Malformed> {
    let metric = Metric::of(bytes)?;
    let mut left = check_pairs(&metric.metadata, METRIC + 1)?;
    let Some(data) = metric.data else { return Ok(()) };
    [metric.name, metric.description, metric.unit]
        .iter()
        .for_each(|name| left.name(name));
    left.count(
        metric.kind(data).temporality() == Temporality::Unspecified && metric.temporality != 0,
        "a temporality that OTLP does not know",
    );
    sink.metric(&metric, left)?;
    for part in &metric.parts {
        let mut reader = Reader::new(part, DATA);
        while let Some((number, field)) = reader.next()? {
            if number == 1 {
                point.fill(data, field.message(DATA)?)?;
                sink.point(point)?;
            }
        }
    }
    Ok(())
}

/// Which field of a metric its points are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

impl Data {
    const fn of(number: u32) -> Option<Self> {
        Some(match number {
            5 => Self::Gauge,
            7 => Self::Sum,
            9 => Self::Histogram,
            10 => Self::Exponential,
            11 => Self::Summary,
            _ => return None,
        })
    }
}

/// A metric as it lies on the wire.
#[derive(Debug, Default)]
struct Metric<'a> {
    name: &'a str,
    description: &'a str,
    unit: &'a str,
    metadata: Pairs<'a>,
    data: Option<Data>,
    /// The data, in as many parts as were sent.
    parts: Vec<&'a [u8]>,
    temporality: i32,
    is_monotonic: bool,
}

impl<'a> Metric<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut metric = Self::default();
        let mut reader = Reader::new(bytes, METRIC);
        while let Some((number, field)) = reader.next()? {
            match (number, Data::of(number)) {
                (1, _) => metric.name = field.text()?,
                (2, _) => metric.description = field.text()?,
                (3, _) => metric.unit = field.text()?,
                (12, _) => metric.metadata.push(field.message(METRIC)?),
                (_, Some(data)) => metric.take(data, field.message(METRIC)?)?,
                _ => reader.unknown()?,
            }
        }
        Ok(metric)
    }

    /// Data of another kind takes the place of what was there; it had to be good all the same.
    fn take(&mut self, data: Data, part: &'a [u8]) -> Result<(), Malformed> {
        if let Some(before) = self.data.filter(|before| *before != data) {
            self.parts.iter().try_for_each(|part| check_data(before, part))?;
            self.parts.clear();
            (self.temporality, self.is_monotonic) = (0, false);
        }
        self.data = Some(data);
        self.parts.push(part);
        let mut reader = Reader::new(part, DATA);
        while let Some((number, field)) = reader.next()? {
            match (number, data) {
                (1, _) => {}
                (2, Data::Sum | Data::Histogram | Data::Exponential) => self.temporality = field.int32()?,
                (3, Data::Sum) => self.is_monotonic = field.varint()? != 0,
                _ => reader.unknown()?,
            }
        }
        Ok(())
    }

    const fn kind(&self, data: Data) -> MetricKind {
        let temporality = temporality_of(self.temporality);
        match data {
            Data::Gauge => MetricKind::Gauge,
            Data::Sum => MetricKind::Sum {
                monotonic: self.is_monotonic,
                temporality,
            },
            Data::Histogram => MetricKind::Histogram(temporality),
            Data::Exponential => MetricKind::ExponentialHistogram(temporality),
            Data::Summary => MetricKind::Summary,
        }
    }
}

fn check_data(data: Data, part: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(part, DATA);
    let mut point = Point::default();
    while let Some((number, field)) = reader.next()? {
        if number == 1 {
            point.fill(data, field.message(DATA)?)?;
            check_point(&point)?;
        }
    }
    Ok(())
}

/// Checks what [`Point::fill`] has only found; answers what is left out of it.
fn check_point(point: &Point<'_>) -> Result<Left, Malformed> {
    let mut left = check_pairs(&point.attributes, POINT + 1)?;
    for (n, bytes) in point.exemplars.iter().enumerate() {
        let exemplar = Exemplar::of(bytes)?;
        let inner = check_pairs(&exemplar.pairs, POINT + 2)?;
        if n < EXEMPLARS_MAX && exemplar.value.is_some() {
            left.add(inner);
        } else {
            left.count(true, USELESS_EXEMPLAR);
        }
    }
    Ok(left)
}

fn weigh(point: &Point<'_>, tally: &mut Tally) {
    let numbers = [
        point.bounds.kept().len(),
        point.counts.kept().len(),
        (point.positive.counts.kept().len() + point.negative.counts.kept().len()).min(BUCKETS_MAX),
        2 * point.quantiles.kept().len(),
    ];
    let lists = [
        (point.attributes.len().min(ATTRIBUTES_MAX), 16),
        (point.exemplars.len().min(EXEMPLARS_MAX), 88),
        (numbers.iter().sum(), 8),
    ];
    tally.weigh(192, &lists);
}

/// Judges and keeps nothing.
struct Check(Tally);

impl Sink for Check {
    fn resource(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.0.left.add(head.check_resource()?);
        Ok(())
    }

    fn scope(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.0.left.add(head.check_scope()?);
        Ok(())
    }

    fn metric(&mut self, _: &Metric<'_>, left: Left) -> Result<(), Malformed> {
        self.0.left.add(left);
        Ok(())
    }

    fn point(&mut self, point: &Point<'_>) -> Result<(), Malformed> {
        let left = check_point(point)?;
        if self.0.count(point.judge()).is_some() {
            self.0.left.add(left);
            weigh(point, &mut self.0);
        }
        Ok(())
    }
}

/// Judges the same way, and puts what is good into columns.
struct Read<'b> {
    block: &'b mut PointBlock,
    received_at: Time,
    resource: u32,
    scope: u32,
    metric: u32,
    tally: Tally,
}

impl Sink for Read<'_> {
    fn resource(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.resource = head.resource_in(&mut self.block.tables, &mut self.tally.left)?;
        Ok(())
    }

    fn scope(&mut self, head: &Head<'_>) -> Result<(), Malformed> {
        self.scope = head.scope_in(&mut self.block.tables, &mut self.tally.left)?;
        Ok(())
    }

    fn metric(&mut self, metric: &Metric<'_>, left: Left) -> Result<(), Malformed> {
        self.tally.left.add(left);
        let Some(data) = metric.data else { return Ok(()) };
        let tables = &mut self.block.tables;
        let metadata = if metric.metadata.is_empty() {
            AttributeSet::default()
        } else {
            // Counted already.
            push_pairs(&metric.metadata, METRIC + 1, tables, &mut Left::default())?;
            tables.values.finish()
        };
        let entry = MetricEntry {
            name: any::name(tables, metric.name),
            description: any::name(tables, metric.description),
            unit: any::name(tables, metric.unit),
            kind: metric.kind(data),
            metadata,
        };
        self.metric = self.block.metric(entry);
        Ok(())
    }

    fn point(&mut self, point: &Point<'_>) -> Result<(), Malformed> {
        let Some(value) = self.tally.count(point.judge()) else {
            return check_point(point).map(drop);
        };
        weigh(point, &mut self.tally);
        let tables = &mut self.block.tables;
        push_pairs(&point.attributes, POINT + 1, tables, &mut self.tally.left)?;
        let attributes = tables.values.finish();
        self.exemplars(&point.exemplars)?;
        let cells = PointCells {
            resource: self.resource,
            scope: self.scope,
            metric: self.metric,
            start: Time(point.start),
            at: time_or(point.at, self.received_at),
            flags: point.flags,
            attributes,
            value: self.value(value, point),
        };
        self.block.push(cells, self.received_at);
        Ok(())
    }
}

impl Read<'_> {
    /// Keeps the first exemplars that have a value.
    fn exemplars(&mut self, exemplars: &[&[u8]]) -> Result<(), Malformed> {
        for (n, bytes) in exemplars.iter().enumerate() {
            let exemplar = Exemplar::of(bytes)?;
            let Some(value) = exemplar.value.filter(|_| n < EXEMPLARS_MAX) else {
                self.tally.left.count(true, USELESS_EXEMPLAR);
                check_pairs(&exemplar.pairs, POINT + 2)?;
                continue;
            };
            push_pairs(&exemplar.pairs, POINT + 2, &mut self.block.tables, &mut self.tally.left)?;
            let attributes = self.block.tables.values.finish();
            self.block.push_exemplar(ExemplarCells {
                at: Time(exemplar.at),
                value,
                trace_id: TraceId::from_slice(exemplar.trace_id),
                span_id: SpanId::from_slice(exemplar.span_id),
                attributes,
            });
        }
        Ok(())
    }

    fn value(&mut self, value: Value, point: &Point<'_>) -> PointCell {
        let block = &mut *self.block;
        match value {
            Value::Missing => PointCell::Missing,
            Value::Int(number) => PointCell::Int(number),
            Value::Double(number) => PointCell::Double(number),
            Value::Histogram => {
                let bounds = block.push_bounds(point.bounds.kept());
                let counts = block.push_counts(point.counts.kept());
                block.push_histogram(HistogramCells {
                    count: point.count,
                    sum: point.sum,
                    min: point.min,
                    max: point.max,
                    bounds,
                    counts,
                })
            }
            Value::Exponential => {
                let fitted = fitted(point.scale, point.negative.kept(), point.positive.kept());
                let positive = block.push_counts(&fitted.positive.1);
                let negative = block.push_counts(&fitted.negative.1);
                block.push_exponential(ExponentialCells {
                    count: point.count,
                    sum: point.sum,
                    min: point.min,
                    max: point.max,
                    scale: fitted.scale,
                    zero_count: point.zero_count,
                    zero_threshold: point.zero_threshold,
                    positive_offset: fitted.positive.0,
                    positive,
                    negative_offset: fitted.negative.0,
                    negative,
                })
            }
            Value::Summary => {
                let quantiles = block.push_quantiles(point.quantiles.kept());
                block.push_summary(SummaryCells {
                    count: point.count,
                    sum: point.sum.unwrap_or(0.0),
                    quantiles,
                })
            }
        }
    }
}
