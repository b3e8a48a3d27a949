//! Log records in columns.

use sagascope_api::Time;

use super::attributes::{AttributeSet, AttributesRef, Cell, ValueRef};
use super::strings::Str;
use super::tables::{ResourceRef, ScopeRef, Tables};
use crate::rows::{LogRow, SpanId, TraceId};

/// Log records of many requests, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct LogBlock {
    /// What the rows share.
    pub tables: Tables,
    /// Ordinal of the row among all of its signal ever taken.
    pub sequence: Vec<u64>,
    /// Ordinal that the next row pushed will have.
    pub next_sequence: u64,
    /// When the collector received the row's request.
    pub received_at: Vec<Time>,
    /// Place of the sender.
    pub resource: Vec<u32>,
    /// Place of the scope.
    pub scope: Vec<u32>,
    /// When it happened; observed time when that was not said; arrival when neither was.
    pub at: Vec<Time>,
    /// When it was collected; 0 when that was not said.
    pub observed: Vec<Time>,
    /// Severity number.
    pub severity: Vec<u8>,
    /// Severity in the sender's word.
    pub severity_text: Vec<Str>,
    /// Name of the event, empty for a plain record.
    pub event_name: Vec<Str>,
    /// Body.
    pub body: Vec<Cell>,
    /// Attributes.
    pub attributes: Vec<AttributeSet>,
    /// Attributes left out.
    pub dropped_attributes: Vec<u32>,
    /// Trace, all zero for none.
    pub trace_id: Vec<[u8; 16]>,
    /// Span, all zero for none.
    pub span_id: Vec<[u8; 8]>,
    /// Flags.
    pub flags: Vec<u32>,
}

/// One record on its way into the columns.
#[derive(Clone, Copy, Debug)]
pub struct LogCells {
    /// Place of the sender.
    pub resource: u32,
    /// Place of the scope.
    pub scope: u32,
    /// When it happened.
    pub at: Time,
    /// When it was collected.
    pub observed: Time,
    /// Severity number.
    pub severity: u8,
    /// Severity in the sender's word.
    pub severity_text: Str,
    /// Name of the event, empty for a plain record.
    pub event_name: Str,
    /// Body.
    pub body: Cell,
    /// Attributes.
    pub attributes: AttributeSet,
    /// Attributes left out.
    pub dropped_attributes: u32,
    /// Trace.
    pub trace_id: Option<TraceId>,
    /// Span.
    pub span_id: Option<SpanId>,
    /// Flags.
    pub flags: u32,
}

impl LogBlock {
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

    /// Adds a record.
    pub fn push(&mut self, log: LogCells, received_at: Time) {
        self.sequence.push(self.next_sequence);
        self.next_sequence += 1;
        self.received_at.push(received_at);
        self.resource.push(log.resource);
        self.scope.push(log.scope);
        self.at.push(log.at);
        self.observed.push(log.observed);
        self.severity.push(log.severity);
        self.severity_text.push(log.severity_text);
        self.event_name.push(log.event_name);
        self.body.push(log.body);
        self.attributes.push(log.attributes);
        self.dropped_attributes.push(log.dropped_attributes);
        self.trace_id.push(log.trace_id.map_or([0; 16], |id| id.0));
        self.span_id.push(log.span_id.map_or([0; 8], |id| id.0));
        self.flags.push(log.flags);
    }

    /// Adds an owned row.
    pub fn push_row(&mut self, row: &LogRow, received_at: Time) {
        let tables = &mut self.tables;
        let (resource, scope) = (tables.push_resource(&row.resource), tables.push_scope(&row.scope));
        let Tables { strings, values, .. } = tables;
        let cells = LogCells {
            resource,
            scope,
            at: row.at,
            observed: row.observed,
            severity: row.severity,
            severity_text: strings.intern(&row.severity_text),
            event_name: strings.intern(row.event_name.as_deref().unwrap_or_default()),
            body: values.cell(strings, &row.body),
            attributes: values.push_all(strings, &row.attributes),
            dropped_attributes: row.dropped_attributes,
            trace_id: row.trace_id,
            span_id: row.span_id,
            flags: row.flags,
        };
        self.push(cells, received_at);
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
        self.at.truncate(rows);
        self.observed.truncate(rows);
        self.severity.truncate(rows);
        self.severity_text.truncate(rows);
        self.event_name.truncate(rows);
        self.body.truncate(rows);
        self.attributes.truncate(rows);
        self.dropped_attributes.truncate(rows);
        self.trace_id.truncate(rows);
        self.span_id.truncate(rows);
        self.flags.truncate(rows);
    }

    /// A view of a row.
    ///
    /// # Panics
    /// Of a row that the block lacks, as soon as it is looked at.
    #[must_use]
    pub const fn row(&self, row: usize) -> LogRef<'_> {
        LogRef { block: self, row }
    }

    /// Views of all rows.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = LogRef<'_>> + ExactSizeIterator {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Memory held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tables.bytes() + self.at.capacity() * 121
    }
}

/// A log record, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct LogRef<'a> {
    block: &'a LogBlock,
    row: usize,
}

impl<'a> LogRef<'a> {
    /// The block it is in.
    #[must_use]
    pub const fn block(self) -> &'a LogBlock {
        self.block
    }

    /// Its row in the block.
    #[must_use]
    pub const fn index(self) -> usize {
        self.row
    }

    /// Its ordinal among all records ever taken.
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

    /// When it happened.
    #[must_use]
    pub fn at(self) -> Time {
        self.block.at[self.row]
    }

    /// OTLP severity number, 0 to 24.
    #[must_use]
    pub fn severity(self) -> u8 {
        self.block.severity[self.row]
    }

    /// Severity in the sender's word.
    #[must_use]
    pub fn severity_text(self) -> &'a str {
        self.block.tables.strings.get(self.block.severity_text[self.row])
    }

    /// Name of the event; absent for a plain record.
    #[must_use]
    pub fn event_name(self) -> Option<&'a str> {
        let name = self.block.event_name[self.row];
        (name != Str::EMPTY).then(|| self.block.tables.strings.get(name))
    }

    /// Body.
    #[must_use]
    pub fn body(self) -> ValueRef<'a> {
        let Tables { strings, values, .. } = &self.block.tables;
        ValueRef::of(self.block.body[self.row], strings, values)
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(self) -> AttributesRef<'a> {
        self.block.tables.attributes(self.block.attributes[self.row])
    }

    /// Trace.
    #[must_use]
    pub fn trace_id(self) -> Option<TraceId> {
        TraceId::from_slice(&self.block.trace_id[self.row])
    }

    /// Span.
    #[must_use]
    pub fn span_id(self) -> Option<SpanId> {
        SpanId::from_slice(&self.block.span_id[self.row])
    }

    /// As an owned row.
    #[must_use]
    pub fn to_row(self) -> LogRow {
        LogRow {
            resource: self.resource().to_row(),
            scope: self.scope().to_row(),
            at: self.at(),
            severity: self.severity(),
            severity_text: self.severity_text().into(),
            event_name: self.event_name().map(Into::into),
            body: self.body().to_value(),
            attributes: self.attributes().to_owned(),
            trace_id: self.trace_id(),
            span_id: self.span_id(),
            observed: self.block.observed[self.row],
            flags: self.block.flags[self.row],
            dropped_attributes: self.block.dropped_attributes[self.row],
        }
    }
}
