//! The newest spans and log records in memory, bounded by bytes, findable by trace and by correlation id.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem::size_of;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_conventions::attributes::{CONVERSATION_ID, CORRELATION_ID};
use sagascope_core::rows::{Attributes, Batch, LogRow, SpanRow, TraceId, Value};

/// A number of each kind of row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Spans.
    pub spans: u64,
    /// Log records.
    pub logs: u64,
}

/// Everything in the head that carries one correlation id, oldest arrival first.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Spans.
    pub spans: Vec<Arc<SpanRow>>,
    /// Log records.
    pub logs: Vec<Arc<LogRow>>,
}

/// Bounded rows. Spans and log records have half of the budget each, so that neither floods the other out.
#[derive(Debug, Default)]
pub struct Head {
    cap_bytes: usize,
    spans: Ring<SpanRow>,
    logs: Ring<LogRow>,
    spans_by_trace: HashMap<TraceId, VecDeque<Arc<SpanRow>>>,
    logs_by_trace: HashMap<TraceId, VecDeque<Arc<LogRow>>>,
    spans_by_correlation: HashMap<Box<str>, VecDeque<Arc<SpanRow>>>,
    logs_by_correlation: HashMap<Box<str>, VecDeque<Arc<LogRow>>>,
    aged_out: RowCounts,
}

impl Head {
    /// Empty, with this budget.
    #[must_use]
    pub fn new(cap_bytes: usize) -> Self {
        Self {
            cap_bytes,
            ..Self::default()
        }
    }

    /// Takes the rows of one request; the oldest rows make room.
    pub fn push(&mut self, batch: &Batch) {
        for span in &batch.spans {
            self.push_span(span, batch.received_at);
        }
        for log in &batch.logs {
            self.push_log(log, batch.received_at);
        }
        self.evict();
    }

    /// Spans of a trace, in order of arrival; a span sent twice is there once.
    #[must_use]
    pub fn trace(&self, id: TraceId) -> Vec<Arc<SpanRow>> {
        let mut seen = HashSet::new();
        let spans = self.spans_by_trace.get(&id).into_iter().flatten();
        spans.filter(|span| seen.insert(span.span_id)).cloned().collect()
    }

    /// Log records of a trace, in order of arrival.
    #[must_use]
    pub fn trace_logs(&self, id: TraceId) -> Vec<Arc<LogRow>> {
        self.logs_by_trace.get(&id).into_iter().flatten().cloned().collect()
    }

    /// What carries a correlation id, at most `limit` of each kind, and how many were more.
    #[must_use]
    pub fn correlation(&self, id: &str, limit: usize) -> (Carried, u64) {
        let spans = self.spans_by_correlation.get(id);
        let logs = self.logs_by_correlation.get(id);
        let surplus = |len: Option<usize>| len.unwrap_or(0).saturating_sub(limit) as u64;
        let carried = Carried {
            spans: spans.into_iter().flatten().take(limit).cloned().collect(),
            logs: logs.into_iter().flatten().take(limit).cloned().collect(),
        };
        (
            carried,
            surplus(spans.map(VecDeque::len)) + surplus(logs.map(VecDeque::len)),
        )
    }

    /// Spans, newest arrival first.
    pub fn recent_spans(&self) -> impl Iterator<Item = &Arc<SpanRow>> {
        self.spans.rows.iter().rev().map(|held| &held.row)
    }

    /// Log records, newest arrival first.
    pub fn recent_logs(&self) -> impl Iterator<Item = &Arc<LogRow>> {
        self.logs.rows.iter().rev().map(|held| &held.row)
    }

    /// Rows held.
    #[must_use]
    pub fn held(&self) -> RowCounts {
        RowCounts {
            spans: self.spans.rows.len() as u64,
            logs: self.logs.rows.len() as u64,
        }
    }

    /// Rows that made room for newer ones.
    #[must_use]
    pub const fn aged_out(&self) -> RowCounts {
        self.aged_out
    }

    /// From when on everything received is here; `None` while nothing has made room yet.
    #[must_use]
    pub fn searchable_since(&self) -> Option<Time> {
        let spans = self.spans.oldest().filter(|_| self.aged_out.spans > 0);
        let logs = self.logs.oldest().filter(|_| self.aged_out.logs > 0);
        spans.max(logs)
    }

    /// Bytes held, roughly.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.spans.bytes + self.logs.bytes
    }

    fn push_span(&mut self, span: &Arc<SpanRow>, received_at: Time) {
        self.spans_by_trace
            .entry(span.trace_id)
            .or_default()
            .push_back(Arc::clone(span));
        if let Some(id) = correlation_of(&span.attributes) {
            index(&mut self.spans_by_correlation, id, span);
        }
        self.spans.push(Arc::clone(span), span_bytes(span), received_at);
    }

    fn push_log(&mut self, log: &Arc<LogRow>, received_at: Time) {
        if let Some(trace) = log.trace_id {
            self.logs_by_trace.entry(trace).or_default().push_back(Arc::clone(log));
        }
        if let Some(id) = correlation_of(&log.attributes) {
            index(&mut self.logs_by_correlation, id, log);
        }
        self.logs.push(Arc::clone(log), log_bytes(log), received_at);
    }

    /// Rows leave in the order they came, and each index holds its rows in that order: the front of each is the one.
    fn evict(&mut self) {
        while self.spans.bytes > self.cap_bytes / 2
            && let Some(span) = self.spans.pop()
        {
            pop_front(&mut self.spans_by_trace, &span.trace_id);
            if let Some(id) = correlation_of(&span.attributes) {
                pop_front(&mut self.spans_by_correlation, id);
            }
            self.aged_out.spans += 1;
        }
        while self.logs.bytes > self.cap_bytes / 2
            && let Some(log) = self.logs.pop()
        {
            if let Some(trace) = &log.trace_id {
                pop_front(&mut self.logs_by_trace, trace);
            }
            if let Some(id) = correlation_of(&log.attributes) {
                pop_front(&mut self.logs_by_correlation, id);
            }
            self.aged_out.logs += 1;
        }
    }
}

/// Rows in order of arrival.
#[derive(Debug)]
struct Ring<T> {
    rows: VecDeque<Held<T>>,
    bytes: usize,
}

#[derive(Debug)]
struct Held<T> {
    row: Arc<T>,
    bytes: usize,
    received_at: Time,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self {
            rows: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<T> Ring<T> {
    fn push(&mut self, row: Arc<T>, bytes: usize, received_at: Time) {
        self.rows.push_back(Held {
            row,
            bytes,
            received_at,
        });
        self.bytes += bytes;
    }

    fn oldest(&self) -> Option<Time> {
        self.rows.front().map(|held| held.received_at)
    }

    fn pop(&mut self) -> Option<Arc<T>> {
        let Held { row, bytes, .. } = self.rows.pop_front()?;
        self.bytes -= bytes;
        Some(row)
    }
}

fn correlation_of(attributes: &Attributes) -> Option<&str> {
    attributes
        .text(CORRELATION_ID)
        .or_else(|| attributes.text(CONVERSATION_ID))
}

fn index<T>(map: &mut HashMap<Box<str>, VecDeque<Arc<T>>>, id: &str, row: &Arc<T>) {
    if let Some(rows) = map.get_mut(id) {
        rows.push_back(Arc::clone(row));
    } else {
        map.insert(id.into(), VecDeque::from([Arc::clone(row)]));
    }
}

fn pop_front<K, Q, T>(map: &mut HashMap<K, VecDeque<Arc<T>>>, key: &Q)
where
    K: std::borrow::Borrow<Q> + Eq + std::hash::Hash,
    Q: Eq + std::hash::Hash + ?Sized,
{
    if let Some(rows) = map.get_mut(key) {
        rows.pop_front();
        if rows.is_empty() {
            map.remove(key);
        }
    }
}

/// What the indexes cost a row, roughly.
const INDEX_BYTES: usize = 160;

fn span_bytes(span: &SpanRow) -> usize {
    let events: usize = span
        .events
        .iter()
        .map(|event| 64 + attributes_bytes(&event.attributes))
        .sum();
    size_of::<SpanRow>()
        + INDEX_BYTES
        + span.status_message.len()
        + attributes_bytes(&span.attributes)
        + events
        + span.links.len() * 24
}

fn log_bytes(log: &LogRow) -> usize {
    size_of::<LogRow>()
        + INDEX_BYTES
        + log.severity_text.len()
        + value_bytes(&log.body)
        + attributes_bytes(&log.attributes)
}

fn attributes_bytes(attributes: &Attributes) -> usize {
    attributes
        .0
        .iter()
        .map(|(key, value)| 16 + key.len() + value_bytes(value))
        .sum()
}

fn value_bytes(value: &Value) -> usize {
    let own = size_of::<Value>();
    own + match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(values) => values.iter().map(value_bytes).sum(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| 16 + key.len() + value_bytes(value))
            .sum(),
        Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
