//! What rows take in memory, roughly: a page has a bound in bytes, since one row may be as large as thousands.

use sagascope_core::rows::{Attributes, LogRow, SpanRow, Value};

/// Memory for the rows of one page, and for those of one trace; a page that would need more ends before.
pub(super) const PAGE_BYTES_MAX: usize = 64 << 20;

pub(super) fn span(span: &SpanRow) -> usize {
    let events = span.events.iter();
    let links = span.links.iter();
    size_of::<SpanRow>()
        + span.name.len()
        + span.status_message.len()
        + span.trace_state.len()
        + attributes(&span.attributes)
        + events
            .map(|event| size_of_val(event) + event.name.len() + attributes(&event.attributes))
            .sum::<usize>()
        + links
            .map(|link| size_of_val(link) + link.trace_state.len() + attributes(&link.attributes))
            .sum::<usize>()
}

pub(super) fn log(log: &LogRow) -> usize {
    size_of::<LogRow>() + value(&log.body) + attributes(&log.attributes)
}

fn attributes(attributes: &Attributes) -> usize {
    let each = attributes.0.iter();
    each.map(|(key, value)| size_of_val(key) + key.len() + self::value(value))
        .sum()
}

fn value(value: &Value) -> usize {
    let inside = match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.iter().map(self::value).sum(),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| size_of_val(key) + key.len() + self::value(value))
            .sum(),
        Value::Empty | Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
    };
    size_of::<Value>() + inside
}
