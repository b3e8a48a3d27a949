//! The streams of a metric with their readings, gathered from the newest part on.

use std::collections::{BTreeMap, HashMap};
use std::mem::size_of;

use sagascope_api::Time;
use sagascope_api::metrics::Function;
use sagascope_core::block::{AttributesRef, PointBlock, PointRef, ValueRef};
use sagascope_core::measure::Reading;
use sagascope_core::rows::{MetricKind, PointValue};
use sagascope_core::trace::json;

use super::{By, LOOKBACK, RangeQuery};
use crate::find::budget::Budget;
use crate::find::parts::{Parts, PointPart, newest_first};

/// Streams of one answer.
const STREAMS_MAX: usize = 20_000;
/// Memory that their readings may take, bytes.
const BYTES_MAX: usize = 128 << 20;
/// Rows between two looks at the budget.
const STRIDE: usize = 4_096;

/// What one sender reports with one set of attributes.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) kind: MetricKind,
    pub(super) unit: Box<str>,
    /// With their sequences.
    readings: Vec<(u64, Reading)>,
}

/// All streams of a metric.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pub(super) all: Vec<Stream>,
    places: HashMap<Box<str>, usize>,
    bytes: usize,
    pub(super) truncated: bool,
}

impl Stream {
    /// Its readings in order of time; of those for the same time the last taken.
    pub(super) fn into_readings(mut self) -> Vec<Reading> {
        self.readings
            .sort_unstable_by_key(|(sequence, reading)| (reading.at, *sequence));
        let mut readings: Vec<Reading> = Vec::with_capacity(self.readings.len());
        for (_, reading) in self.readings {
            match readings.last_mut() {
                Some(last) if last.at == reading.at && last.start == reading.start => *last = reading,
                _ => readings.push(reading),
            }
        }
        readings
    }

    fn newest(&self) -> Option<(Time, u64)> {
        self.readings
            .iter()
            .map(|(sequence, reading)| (reading.at, *sequence))
            .max()
    }
}

impl Streams {
    pub(super) fn gather(parts: &Parts, asked: &RangeQuery<'_>, budget: &Budget) -> Self {
        let mut streams = Self::default();
        // What was added up to the end is known from the reading after it.
        let ahead = if asked.function == Function::Rate { LOOKBACK } else { 0 };
        let range = (
            Time(asked.since.0.saturating_sub(LOOKBACK)),
            Time(asked.until.0.saturating_add(ahead)),
        );
        for (_, part) in newest_first(&parts.points, PointPart::times, range) {
            part.candidates(Some(asked.name), asked.query, range, &mut |block| {
                streams.truncated = !streams.take(block, asked, range, budget);
                !streams.truncated
            });
            if streams.truncated {
                break;
            }
        }
        streams.sort();
        streams
    }

    /// In an order that does not depend on where the rows were: sums of fractions do depend on their order.
    fn sort(&mut self) {
        let mut places: Vec<(Box<str>, usize)> = self.places.drain().collect();
        places.sort_unstable();
        let mut all: Vec<Option<Stream>> = std::mem::take(&mut self.all).into_iter().map(Some).collect();
        self.all = places.into_iter().filter_map(|(_, place)| all[place].take()).collect();
    }

    /// The stream with the newest reading.
    pub(super) fn newest(&self) -> Option<&Stream> {
        self.all.iter().max_by_key(|stream| stream.newest())
    }

    /// False when a limit was reached.
    fn take(&mut self, block: &PointBlock, asked: &RangeQuery<'_>, (from, to): (Time, Time), budget: &Budget) -> bool {
        let wanted: Vec<bool> = (block.metrics.iter())
            .map(|metric| block.tables.strings.get(metric.name) == asked.name)
            .collect();
        if !wanted.contains(&true) {
            return true;
        }
        let mut senders = HashMap::new();
        let mut select = asked.query.over_points(block);
        for row in 0..block.len() {
            if row % STRIDE == 0 && (budget.is_spent() || self.bytes > BYTES_MAX) {
                return false;
            }
            let at = block.at[row];
            let is_wanted = wanted.get(block.metric[row] as usize) == Some(&true);
            if !is_wanted || at < from || at >= to || !select.matches(row) {
                continue;
            }
            let point = block.row(row);
            let sender = senders
                .entry((block.resource[row], block.scope[row]))
                .or_insert_with(|| sender_of(point));
            let Some(place) = self.place(point, sender, &asked.by) else {
                return false;
            };
            let reading = Reading {
                start: point.start(),
                at,
                value: point.value(),
            };
            self.bytes += size_of::<Reading>() + bytes_of(&reading.value);
            self.all[place].readings.push((point.sequence(), reading));
        }
        true
    }

    /// The place of a point's stream; `None` when there are too many.
    fn place(&mut self, point: PointRef<'_>, sender: &str, by: &By) -> Option<usize> {
        let block = point.block();
        let metric = point.metric();
        let unit = block.tables.strings.get(metric.unit);
        let mut key = format!("{sender}\u{1d}{:?}\u{1d}{unit}\u{1d}", metric.kind);
        write_set(point.attributes(), &mut key);
        if let Some(place) = self.places.get(key.as_str()) {
            return Some(*place);
        }
        if self.all.len() >= STREAMS_MAX {
            return None;
        }
        self.bytes += 2 * key.len() + size_of::<Stream>();
        self.all.push(Stream {
            labels: labels(point, by),
            kind: metric.kind,
            unit: unit.into(),
            readings: Vec::new(),
        });
        self.places.insert(key.into(), self.all.len() - 1);
        Some(self.all.len() - 1)
    }
}

fn bytes_of(value: &PointValue) -> usize {
    match value {
        PointValue::Histogram(value) => (value.bounds.len() + value.counts.len()) * 8,
        PointValue::ExponentialHistogram(value) => (value.positive.len() + value.negative.len()) * 8,
        PointValue::Summary(value) => value.quantiles.len() * 16,
        PointValue::Missing | PointValue::Int(_) | PointValue::Double(_) => 0,
    }
}

/// Sender and scope as one text.
fn sender_of(point: PointRef<'_>) -> String {
    let mut key = String::new();
    write_set(point.resource().attributes(), &mut key);
    key.push('\u{1d}');
    key.push_str(point.scope().name());
    key
}

/// Attributes as a text that does not depend on their order.
fn write_set(attributes: AttributesRef<'_>, out: &mut String) {
    let mut pairs: Vec<(&str, ValueRef<'_>)> = attributes.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    for (key, value) in pairs {
        out.push_str(key);
        out.push('\u{1f}');
        write_value(value, out);
        out.push('\u{1e}');
    }
}

fn write_value(value: ValueRef<'_>, out: &mut String) {
    match value {
        ValueRef::Text(text) => out.push_str(text),
        value => out.push_str(&json::text(&value.to_value())),
    }
}

fn labels(point: PointRef<'_>, by: &By) -> BTreeMap<String, String> {
    match by {
        By::Keys(keys) => {
            let found = keys.iter().filter_map(|key| Some((key.clone(), label(point, key)?)));
            found.collect()
        }
        By::All => {
            let own = point.attributes().iter().map(|(key, value)| {
                let mut text = String::new();
                write_value(value, &mut text);
                (key.to_owned(), text)
            });
            let senders = ["service", "instance"].into_iter();
            let senders = senders.filter_map(|key| Some((key.to_owned(), label(point, key)?)));
            own.chain(senders).collect()
        }
    }
}

fn label(point: PointRef<'_>, key: &str) -> Option<String> {
    let sender = point.resource();
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    match key {
        "service" => return text(sender.service()),
        "instance" => return text(sender.instance()),
        "scope" => return text(point.scope().name()),
        _ => {}
    }
    let value = match key.strip_prefix("resource.") {
        Some(key) => sender.attributes().get(key),
        None => point.attributes().get(key).or_else(|| sender.attributes().get(key)),
    };
    let mut text = String::new();
    write_value(value?, &mut text);
    Some(text)
}
