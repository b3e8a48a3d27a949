//! Spans in columns.

use sagascope_api::Time;

use super::attributes::{AttributeSet, AttributesRef};
use super::strings::Str;
use super::tables::{ResourceRef, ScopeRef, Tables};
use crate::rows::{Dropped, LinkRow, SpanEventRow, SpanId, SpanKind, SpanRow, SpanStatus, TraceId};

/// Spans of many requests, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct SpanBlock {
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
    /// Trace.
    pub trace_id: Vec<TraceId>,
    /// Span.
    pub span_id: Vec<SpanId>,
    /// Parent, all zero for a root.
    pub parent_span_id: Vec<[u8; 8]>,
    /// Name.
    pub name: Vec<Str>,
    /// Kind.
    pub kind: Vec<SpanKind>,
    /// Start.
    pub start: Vec<Time>,
    /// Length.
    pub duration_nanos: Vec<u64>,
    /// Status.
    pub status: Vec<SpanStatus>,
    /// Status message.
    pub status_message: Vec<Str>,
    /// W3C trace state.
    pub trace_state: Vec<Str>,
    /// Flags.
    pub flags: Vec<u32>,
    /// What was left out.
    pub dropped: Vec<Dropped>,
    /// Attributes.
    pub attributes: Vec<AttributeSet>,
    /// End of the row's events in `events`.
    pub event_ends: Vec<u32>,
    /// Events of all rows.
    pub events: Vec<EventCells>,
    /// End of the row's links in `links`.
    pub link_ends: Vec<u32>,
    /// Links of all rows.
    pub links: Vec<LinkCells>,
}

/// One span on its way into the columns.
#[derive(Clone, Copy, Debug)]
pub struct SpanCells {
    /// Place of the sender.
    pub resource: u32,
    /// Place of the scope.
    pub scope: u32,
    /// Trace.
    pub trace_id: TraceId,
    /// Span.
    pub span_id: SpanId,
    /// Parent.
    pub parent_span_id: Option<SpanId>,
    /// Name.
    pub name: Str,
    /// Kind.
    pub kind: SpanKind,
    /// Start.
    pub start: Time,
    /// Length.
    pub duration_nanos: u64,
    /// Status.
    pub status: SpanStatus,
    /// Status message.
    pub status_message: Str,
    /// W3C trace state.
    pub trace_state: Str,
    /// Flags.
    pub flags: u32,
    /// What was left out.
    pub dropped: Dropped,
    /// Attributes.
    pub attributes: AttributeSet,
}

/// An event on a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCells {
    /// When.
    pub at: Time,
    /// Name.
    pub name: Str,
    /// Attributes.
    pub attributes: AttributeSet,
    /// Attributes left out.
    pub dropped_attributes: u32,
}

/// A link from a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCells {
    /// Trace of the other span.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// W3C trace state.
    pub trace_state: Str,
    /// Flags.
    pub flags: u32,
    /// Attributes.
    pub attributes: AttributeSet,
    /// Attributes left out.
    pub dropped_attributes: u32,
}

impl SpanBlock {
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
        self.span_id.len()
    }

    /// No rows?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.span_id.is_empty()
    }

    /// Adds an event to the span that is pushed next.
    pub fn push_event(&mut self, event: EventCells) {
        self.events.push(event);
    }

    /// Adds a link to the span that is pushed next.
    pub fn push_link(&mut self, link: LinkCells) {
        self.links.push(link);
    }

    /// Forgets events and links of a span that turned out not to be one.
    pub fn abandon(&mut self) {
        self.events
            .truncate(self.event_ends.last().map_or(0, |end| *end as usize));
        self.links
            .truncate(self.link_ends.last().map_or(0, |end| *end as usize));
    }

    /// Adds a span with the events and links pushed since the last.
    pub fn push(&mut self, span: SpanCells, received_at: Time) {
        self.sequence.push(self.next_sequence);
        self.next_sequence += 1;
        self.received_at.push(received_at);
        self.resource.push(span.resource);
        self.scope.push(span.scope);
        self.trace_id.push(span.trace_id);
        self.span_id.push(span.span_id);
        self.parent_span_id.push(span.parent_span_id.map_or([0; 8], |id| id.0));
        self.name.push(span.name);
        self.kind.push(span.kind);
        self.start.push(span.start);
        self.duration_nanos.push(span.duration_nanos);
        self.status.push(span.status);
        self.status_message.push(span.status_message);
        self.trace_state.push(span.trace_state);
        self.flags.push(span.flags);
        self.dropped.push(span.dropped);
        self.attributes.push(span.attributes);
        self.event_ends.push(self.events.len() as u32);
        self.link_ends.push(self.links.len() as u32);
    }

    /// Adds an owned row.
    pub fn push_row(&mut self, row: &SpanRow, received_at: Time) {
        let tables = &mut self.tables;
        let (resource, scope) = (tables.push_resource(&row.resource), tables.push_scope(&row.scope));
        let Tables { strings, values, .. } = tables;
        for event in &row.events {
            self.events.push(EventCells {
                at: event.at,
                name: strings.intern(&event.name),
                attributes: values.push_all(strings, &event.attributes),
                dropped_attributes: event.dropped_attributes,
            });
        }
        for link in &row.links {
            self.links.push(LinkCells {
                trace_id: link.trace_id,
                span_id: link.span_id,
                trace_state: strings.intern(&link.trace_state),
                flags: link.flags,
                attributes: values.push_all(strings, &link.attributes),
                dropped_attributes: link.dropped_attributes,
            });
        }
        let cells = SpanCells {
            resource,
            scope,
            trace_id: row.trace_id,
            span_id: row.span_id,
            parent_span_id: row.parent_span_id,
            name: strings.intern(&row.name),
            kind: row.kind,
            start: row.start,
            duration_nanos: row.duration_nanos,
            status: row.status,
            status_message: strings.intern(&row.status_message),
            trace_state: strings.intern(&row.trace_state),
            flags: row.flags,
            dropped: row.dropped,
            attributes: values.push_all(strings, &row.attributes),
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
        self.trace_id.truncate(rows);
        self.span_id.truncate(rows);
        self.parent_span_id.truncate(rows);
        self.name.truncate(rows);
        self.kind.truncate(rows);
        self.start.truncate(rows);
        self.duration_nanos.truncate(rows);
        self.status.truncate(rows);
        self.status_message.truncate(rows);
        self.trace_state.truncate(rows);
        self.flags.truncate(rows);
        self.dropped.truncate(rows);
        self.attributes.truncate(rows);
        self.event_ends.truncate(rows);
        self.link_ends.truncate(rows);
        self.abandon();
    }

    /// A view of a row.
    ///
    /// # Panics
    /// Of a row that the block lacks, as soon as it is looked at.
    #[must_use]
    pub const fn row(&self, row: usize) -> SpanRef<'_> {
        SpanRef { block: self, row }
    }

    /// Views of all rows.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = SpanRef<'_>> + ExactSizeIterator {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Memory held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tables.bytes() + self.span_id.capacity() * 152 + self.events.capacity() * 24 + self.links.capacity() * 48
    }
}

/// A span, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct SpanRef<'a> {
    block: &'a SpanBlock,
    row: usize,
}

impl<'a> SpanRef<'a> {
    /// The block it is in.
    #[must_use]
    pub const fn block(self) -> &'a SpanBlock {
        self.block
    }

    /// Its row in the block.
    #[must_use]
    pub const fn index(self) -> usize {
        self.row
    }

    /// Its ordinal among all spans ever taken.
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

    /// Trace.
    #[must_use]
    pub fn trace_id(self) -> TraceId {
        self.block.trace_id[self.row]
    }

    /// Span.
    #[must_use]
    pub fn span_id(self) -> SpanId {
        self.block.span_id[self.row]
    }

    /// Parent; absent for a root.
    #[must_use]
    pub fn parent_span_id(self) -> Option<SpanId> {
        let id = self.block.parent_span_id[self.row];
        (id != [0; 8]).then_some(SpanId(id))
    }

    /// Name.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.block.tables.strings.get(self.block.name[self.row])
    }

    /// The block's number of the name.
    #[must_use]
    pub fn name_number(self) -> Str {
        self.block.name[self.row]
    }

    /// Kind.
    #[must_use]
    pub fn kind(self) -> SpanKind {
        self.block.kind[self.row]
    }

    /// Start.
    #[must_use]
    pub fn start(self) -> Time {
        self.block.start[self.row]
    }

    /// Length; 0 when the end was before the start.
    #[must_use]
    pub fn duration_nanos(self) -> u64 {
        self.block.duration_nanos[self.row]
    }

    /// Start plus length.
    #[must_use]
    pub fn end(self) -> Time {
        Time(self.start().0.saturating_add(self.duration_nanos()))
    }

    /// Status.
    #[must_use]
    pub fn status(self) -> SpanStatus {
        self.block.status[self.row]
    }

    /// Status message.
    #[must_use]
    pub fn status_message(self) -> &'a str {
        self.block.tables.strings.get(self.block.status_message[self.row])
    }

    /// W3C trace state.
    #[must_use]
    pub fn trace_state(self) -> &'a str {
        self.block.tables.strings.get(self.block.trace_state[self.row])
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(self) -> AttributesRef<'a> {
        self.block.tables.attributes(self.block.attributes[self.row])
    }

    /// Events on it.
    pub fn events(self) -> impl ExactSizeIterator<Item = EventRef<'a>> {
        let tables = &self.block.tables;
        let events = within(&self.block.event_ends, &self.block.events, self.row);
        events.iter().map(move |cells| EventRef { tables, cells: *cells })
    }

    /// Events on it, as the columns have them.
    #[must_use]
    pub fn event_cells(self) -> &'a [EventCells] {
        within(&self.block.event_ends, &self.block.events, self.row)
    }

    /// Links from it.
    pub fn links(self) -> impl ExactSizeIterator<Item = LinkRef<'a>> {
        let tables = &self.block.tables;
        let links = within(&self.block.link_ends, &self.block.links, self.row);
        links.iter().map(move |cells| LinkRef { tables, cells: *cells })
    }

    /// As an owned row.
    #[must_use]
    pub fn to_row(self) -> SpanRow {
        SpanRow {
            resource: self.resource().to_row(),
            scope: self.scope().to_row(),
            trace_id: self.trace_id(),
            span_id: self.span_id(),
            parent_span_id: self.parent_span_id(),
            name: self.name().into(),
            kind: self.kind(),
            start: self.start(),
            duration_nanos: self.duration_nanos(),
            status: self.status(),
            status_message: self.status_message().into(),
            attributes: self.attributes().to_owned(),
            events: self.events().map(EventRef::to_row).collect(),
            links: self.links().map(LinkRef::to_row).collect(),
            trace_state: self.trace_state().into(),
            flags: self.block.flags[self.row],
            dropped: self.block.dropped[self.row],
        }
    }
}

/// The part of `all` that belongs to a row.
pub(super) fn within<'a, T>(ends: &[u32], all: &'a [T], row: usize) -> &'a [T] {
    let begin = row.checked_sub(1).map_or(0, |before| ends[before]);
    &all[begin as usize..ends[row] as usize]
}

/// An event on a span, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    tables: &'a Tables,
    cells: EventCells,
}

impl<'a> EventRef<'a> {
    /// When.
    #[must_use]
    pub const fn at(self) -> Time {
        self.cells.at
    }

    /// Name.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.tables.strings.get(self.cells.name)
    }

    /// Attributes.
    #[must_use]
    pub const fn attributes(self) -> AttributesRef<'a> {
        self.tables.attributes(self.cells.attributes)
    }

    fn to_row(self) -> SpanEventRow {
        SpanEventRow {
            at: self.cells.at,
            name: self.name().into(),
            attributes: self.attributes().to_owned(),
            dropped_attributes: self.cells.dropped_attributes,
        }
    }
}

/// A link from a span, borrowed from its block.
#[derive(Clone, Copy, Debug)]
pub struct LinkRef<'a> {
    tables: &'a Tables,
    cells: LinkCells,
}

impl<'a> LinkRef<'a> {
    /// Trace of the other span.
    #[must_use]
    pub const fn trace_id(self) -> TraceId {
        self.cells.trace_id
    }

    /// The other span.
    #[must_use]
    pub const fn span_id(self) -> SpanId {
        self.cells.span_id
    }

    /// Attributes.
    #[must_use]
    pub const fn attributes(self) -> AttributesRef<'a> {
        self.tables.attributes(self.cells.attributes)
    }

    fn to_row(self) -> LinkRow {
        LinkRow {
            trace_id: self.cells.trace_id,
            span_id: self.cells.span_id,
            trace_state: self.tables.strings.get(self.cells.trace_state).into(),
            flags: self.cells.flags,
            attributes: self.attributes().to_owned(),
            dropped_attributes: self.cells.dropped_attributes,
        }
    }
}
