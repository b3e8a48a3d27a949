//! Metrics: which there are, and series of one over a range.
//!
//! A *stream* is what one sender reports of one metric with one set of attributes. The streams of a metric are grouped
//! by the attributes asked for; each group is a series. A metric that is sent in several ways under one name is shown
//! in the way of its newest point; what was left out, and everything else that bends the numbers, is said in warnings.

mod catalogue;
mod steps;
mod streams;
#[cfg(test)]
mod tests;
mod warnings;

use std::collections::BTreeMap;

use sagascope_api::Time;
use sagascope_api::metrics::{Function, MetricRange, Series};
use sagascope_core::search::Query;

use self::steps::Steps;
use self::streams::{Stream, Streams};
use self::warnings::Notes;
use super::budget::Budget;
use super::parts::Parts;

pub use catalogue::{Catalogue, catalogue};

/// Steps of a range, at most; shorter ones are made longer.
const STEPS_MAX: u64 = 2_000;
/// A reading stands for its stream until the next, but not longer than this; nanoseconds.
const LOOKBACK: u64 = 300_000_000_000;

/// What is asked of one metric.
#[derive(Clone, Debug)]
pub struct RangeQuery<'a> {
    /// Its name.
    pub name: &'a str,
    /// What its points must match beside.
    pub query: &'a Query,
    /// What tells series apart.
    pub by: By,
    /// Begin of the first step.
    pub since: Time,
    /// End of the last step.
    pub until: Time,
    /// Length of a step, nanoseconds.
    pub step_nanos: u64,
    /// What each step tells.
    pub function: Function,
    /// Series of an answer.
    pub limit: usize,
}

/// What tells series apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Service, instance and every attribute of the points.
    All,
    /// These: `service`, `instance`, `scope`, an attribute, or an attribute of the sender behind `resource.`.
    Keys(Vec<String>),
}

/// Series of a metric; `None` when there is no such metric in the range.
#[must_use]
pub fn range(parts: &Parts, asked: &RangeQuery<'_>, budget: &Budget) -> Option<MetricRange> {
    let steps = Steps::new(asked.since, asked.until, asked.step_nanos.max(1));
    let mut streams = Streams::gather(parts, asked, budget);
    let newest = streams.newest()?;
    let (kind, unit) = (newest.kind, newest.unit.clone());
    let mut notes = Notes::new(asked.function);
    notes.unread = parts.is_incomplete();
    streams.all.retain(|stream| {
        notes.stream(stream, kind, &unit);
        steps::are_alike(stream.kind, kind)
    });
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<Stream>> = BTreeMap::new();
    for stream in streams.all {
        groups.entry(stream.labels.clone()).or_default().push(stream);
    }
    let mut truncated = streams.truncated;
    let mut kept = Highest::new(asked.limit);
    for (attributes, streams) in groups {
        if budget.is_spent() {
            truncated = true;
            break;
        }
        let points = steps.series(streams, asked.function, &mut notes);
        if !points.is_empty() {
            kept.offer(Series { attributes, points });
        }
    }
    let (series, omitted) = kept.finish();
    Some(MetricRange {
        name: asked.name.to_owned(),
        unit: unit.into(),
        kind: kind.word(),
        function: asked.function,
        since: asked.since,
        until: asked.until,
        step_ms: steps.step_nanos().div_ceil(1_000_000),
        series,
        omitted,
        truncated,
        warnings: notes.finish(),
    })
}

/// The series with the highest peaks, in the order they came.
struct Highest {
    limit: usize,
    series: Vec<(f64, Series)>,
    omitted: u64,
}

impl Highest {
    const fn new(limit: usize) -> Self {
        Self {
            limit,
            series: Vec::new(),
            omitted: 0,
        }
    }

    fn offer(&mut self, series: Series) {
        let peak = series.points.iter().map(|point| point.value).fold(f64::MIN, f64::max);
        self.series.push((peak, series));
        if self.series.len() > self.limit {
            let places = (0..self.series.len()).rev();
            if let Some(lowest) = places.min_by(|a, b| self.series[*a].0.total_cmp(&self.series[*b].0)) {
                self.series.remove(lowest);
                self.omitted += 1;
            }
        }
    }

    fn finish(self) -> (Vec<Series>, u64) {
        (
            self.series.into_iter().map(|(_, series)| series).collect(),
            self.omitted,
        )
    }
}
