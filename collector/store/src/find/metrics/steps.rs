//! The steps of a range: what the streams of a series tell is put into them.

use std::collections::BTreeMap;

use sagascope_api::Time;
use sagascope_api::metrics::{Function, SeriesPoint};
use sagascope_core::buckets::Buckets;
use sagascope_core::measure::{Added, Growth, Reading, Spread, growth};
use sagascope_core::rows::{MetricKind, PointValue, SummaryValue, Temporality};

use super::streams::Stream;
use super::warnings::Notes;
use super::{LOOKBACK, STEPS_MAX};

/// Steps of equal length; the last may be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    since: u64,
    until: u64,
    length: u64,
}

/// What is known of one step.
#[derive(Debug, Default)]
struct Cell {
    /// Of readings and measurements.
    sum: f64,
    count: f64,
    min: Option<f64>,
    max: Option<f64>,
    readings: Vec<f64>,
    spread: Spread,
    /// A percentile as senders of summaries state it.
    stated: Option<f64>,
    flow: Option<Flow>,
}

/// What adds up over streams, with its least and greatest within the step.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    total: f64,
    low: f64,
    high: f64,
}

type Cells = BTreeMap<u64, Cell>;
type Flows = BTreeMap<u64, Flow>;

/// Are these shown as one?
pub(super) const fn are_alike(a: MetricKind, b: MetricKind) -> bool {
    use MetricKind::{ExponentialHistogram, Gauge, Histogram, Sum, Summary};
    matches!(
        (a, b),
        (Gauge, Gauge)
            | (Sum { .. }, Sum { .. })
            | (
                Histogram(_) | ExponentialHistogram(_),
                Histogram(_) | ExponentialHistogram(_)
            )
            | (Summary, Summary)
    )
}

impl Steps {
    /// Steps longer than asked when there would be too many.
    pub(super) fn new(since: Time, until: Time, length: u64) -> Self {
        let until = until.0.max(since.0);
        Self {
            since: since.0,
            until,
            length: length.max((until - since.0).div_ceil(STEPS_MAX)).max(1),
        }
    }

    pub(super) const fn step_nanos(&self) -> u64 {
        self.length
    }

    /// The points of one series.
    pub(super) fn series(&self, streams: Vec<Stream>, function: Function, notes: &mut Notes) -> Vec<SeriesPoint> {
        let mut cells = Cells::new();
        for stream in streams {
            let kind = stream.kind;
            let readings = stream.into_readings();
            self.add_stream(&mut cells, kind, readings, function, notes);
        }
        let points = cells.into_iter().filter_map(|(step, mut cell)| {
            let (value, min, max) = cell.finish(function)?;
            let bound = |value: Option<f64>| value.filter(|value| value.is_finite());
            value.is_finite().then(|| SeriesPoint {
                at: Time(self.begin(step)),
                value,
                min: bound(min),
                max: bound(max),
            })
        });
        points.collect()
    }

    fn add_stream(
        &self,
        cells: &mut Cells,
        kind: MetricKind,
        readings: Vec<Reading>,
        function: Function,
        notes: &mut Notes,
    ) {
        let is_level = matches!(kind, MetricKind::Gauge) || kind.temporality() != Temporality::Delta;
        let is_number = matches!(kind, MetricKind::Gauge | MetricKind::Sum { .. });
        match function {
            Function::Rate if kind == MetricKind::Gauge => {}
            Function::Sum if is_number && is_level => merge(cells, self.levels(&readings)),
            Function::Rate => merge(cells, self.rates(&self.grown(kind, readings, notes))),
            _ if is_number => {
                for reading in readings {
                    if let (Some(step), Some(number)) = (self.at(reading.at), finite(&reading.value)) {
                        cells.entry(step).or_default().number(number, function);
                    }
                }
            }
            _ => {
                for added in self.grown(kind, readings, notes).added {
                    if let Some(step) = self.at(added.to) {
                        cells.entry(step).or_default().measured(&added.value, function);
                    }
                }
            }
        }
    }

    fn grown(&self, kind: MetricKind, readings: Vec<Reading>, notes: &mut Notes) -> Growth {
        let may_fall = matches!(kind, MetricKind::Sum { monotonic: false, .. });
        let known_since = Time(self.since.saturating_sub(LOOKBACK));
        let grown = growth(readings, kind.temporality(), may_fall, known_since);
        notes.resets += grown.resets;
        notes.unlike += grown.unlike;
        grown
    }

    /// The last reading of each step, with the least and greatest; a reading stands until the next for a while.
    fn levels(&self, readings: &[Reading]) -> Flows {
        let mut flows = Flows::new();
        for (n, reading) in readings.iter().enumerate() {
            let Some(number) = finite(&reading.value) else { continue };
            let next = readings.get(n + 1).map_or(u64::MAX, |next| next.at.0);
            let end = next.min(reading.at.0.saturating_add(LOOKBACK)).min(self.until);
            let mut step = self.at(Time(reading.at.0.max(self.since)));
            while let Some(now) = step.filter(|step| self.begin(*step) < end || self.at(reading.at) == Some(*step)) {
                let level = Flow {
                    total: number,
                    low: number,
                    high: number,
                };
                let flow = flows.entry(now).or_insert(level);
                *flow = Flow {
                    total: number,
                    low: flow.low.min(number),
                    high: flow.high.max(number),
                };
                step = Some(now + 1).filter(|step| self.begin(*step) < self.until);
            }
        }
        flows
    }

    /// Growth spread evenly over the time in which it was added; low and high are of its speed.
    fn rates(&self, grown: &Growth) -> Flows {
        let mut flows = Flows::new();
        for Added { from, to, value } in &grown.added {
            let Some(amount) = amount(value).filter(|amount| amount.is_finite()) else {
                continue;
            };
            if from == to {
                if let Some(step) = self.at(*to) {
                    add_flow(&mut flows, step, amount, amount / self.seconds(step));
                }
                continue;
            }
            let speed = amount / ((to.0 - from.0) as f64 / 1e9);
            let (from, to) = (from.0.max(self.since), to.0.min(self.until));
            let mut begin = from;
            while begin < to {
                let step = (begin - self.since) / self.length;
                let end = self.end(step).min(to);
                add_flow(&mut flows, step, speed * ((end - begin) as f64 / 1e9), speed);
                begin = end;
            }
        }
        for (step, flow) in &mut flows {
            flow.total /= self.seconds(*step);
        }
        flows
    }

    fn at(&self, at: Time) -> Option<u64> {
        (at.0 >= self.since && at.0 < self.until).then(|| (at.0 - self.since) / self.length)
    }

    const fn begin(&self, step: u64) -> u64 {
        self.since.saturating_add(step.saturating_mul(self.length))
    }

    fn end(&self, step: u64) -> u64 {
        self.begin(step).saturating_add(self.length).min(self.until)
    }

    fn seconds(&self, step: u64) -> f64 {
        (self.end(step) - self.begin(step)) as f64 / 1e9
    }
}

fn add_flow(flows: &mut Flows, step: u64, amount: f64, speed: f64) {
    let fresh = Flow {
        total: 0.0,
        low: speed,
        high: speed,
    };
    let flow = flows.entry(step).or_insert(fresh);
    flow.total += amount;
    flow.low = flow.low.min(speed);
    flow.high = flow.high.max(speed);
}

/// Adds what one stream flows to what the others do.
fn merge(cells: &mut Cells, flows: Flows) {
    for (step, more) in flows {
        let flow = cells.entry(step).or_default().flow.get_or_insert_default();
        flow.total += more.total;
        flow.low += more.low;
        flow.high += more.high;
    }
}

fn finite(value: &PointValue) -> Option<f64> {
    value.number().filter(|number| number.is_finite())
}

/// What counts of a growth: the number, or how many measurements.
fn amount(value: &PointValue) -> Option<f64> {
    value.number().or_else(|| Some(count_and_sum(value)?.0))
}

fn count_and_sum(value: &PointValue) -> Option<(f64, f64)> {
    let (count, sum) = match value {
        PointValue::Histogram(value) => (value.count, value.sum.unwrap_or(0.0)),
        PointValue::ExponentialHistogram(value) => (value.count, value.sum.unwrap_or(0.0)),
        PointValue::Summary(value) => (value.count, value.sum),
        PointValue::Missing | PointValue::Int(_) | PointValue::Double(_) => return None,
    };
    Some((count as f64, sum))
}

fn extremes(value: &PointValue) -> (Option<f64>, Option<f64>) {
    match value {
        PointValue::Histogram(value) => (value.min, value.max),
        PointValue::ExponentialHistogram(value) => (value.min, value.max),
        _ => (None, None),
    }
}

impl Cell {
    fn number(&mut self, number: f64, function: Function) {
        self.sum += number;
        self.count += 1.0;
        self.widen(Some(number), Some(number));
        if function.quantile().is_some() {
            self.readings.push(number);
        }
    }

    /// Measurements that were added.
    fn measured(&mut self, value: &PointValue, function: Function) {
        let Some((count, sum)) = count_and_sum(value).filter(|(count, _)| *count > 0.0) else {
            return;
        };
        self.sum += sum;
        self.count += count;
        let (min, max) = extremes(value);
        self.widen(min, max);
        if !matches!(function, Function::Avg | Function::Sum | Function::Rate)
            && let Some(buckets) = Buckets::of(value)
        {
            self.spread.add(&buckets, min, max);
        }
        if let PointValue::Summary(summary) = value {
            self.stated(summary, function);
        }
    }

    fn stated(&mut self, summary: &SummaryValue, function: Function) {
        let at = |wanted: f64| {
            let mut all = summary.quantiles.iter();
            all.find(|(share, value)| (share - wanted).abs() < 1e-9 && value.is_finite())
                .map(|(_, value)| *value)
        };
        self.widen(at(0.0), at(1.0));
        let stated = function.quantile().and_then(at);
        self.stated = self.stated.into_iter().chain(stated).reduce(f64::max);
    }

    fn widen(&mut self, min: Option<f64>, max: Option<f64>) {
        self.min = self.min.into_iter().chain(min).reduce(f64::min);
        self.max = self.max.into_iter().chain(max).reduce(f64::max);
    }

    /// Value, least and greatest.
    fn finish(&mut self, function: Function) -> Option<(f64, Option<f64>, Option<f64>)> {
        if let Some(flow) = self.flow {
            if self.count > 0.0 {
                // Levels of some senders and deltas of others: their sum has no least and greatest.
                return Some((flow.total + self.sum, None, None));
            }
            return Some((flow.total, Some(flow.low), Some(flow.high)));
        }
        let (min, max) = (
            self.min.or_else(|| self.spread.min()),
            self.max.or_else(|| self.spread.max()),
        );
        let value = match function {
            Function::Avg => (self.count > 0.0).then(|| self.sum / self.count),
            Function::Sum => (self.count > 0.0).then_some(self.sum),
            Function::Min => min,
            Function::Max => max,
            Function::Rate => None,
            Function::P50 | Function::P95 | Function::P99 => self.percentile(function.quantile()?),
        };
        Some((value?, min, max))
    }

    fn percentile(&mut self, share: f64) -> Option<f64> {
        if self.spread.total() > 0 {
            return self.spread.quantile(share);
        }
        if self.readings.is_empty() {
            return self.stated;
        }
        self.readings.sort_by(f64::total_cmp);
        let rank = ((self.readings.len() as f64 * share).ceil() as usize).clamp(1, self.readings.len());
        Some(self.readings[rank - 1])
    }
}
