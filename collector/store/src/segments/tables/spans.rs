//! Spans into `otel_traces`, and back.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_core::block::{EventCells, LinkCells, SpanBlock, Str};
use sagascope_core::rows::{Dropped, SpanId, SpanKind, SpanStatus, TraceId};

use super::exact::{Item, SpanRest};
use super::read::{self, AttributesIn, GroupColumns, Words};
use super::write::{IdColumn, MapColumn, Records, SharedMap, TextColumn, TraceColumn, WordColumn};
use super::{Columns, write};
use crate::segments::codec::{Column, Nesting, Values};
use crate::segments::file::ReadError;

/// Rows in the order they are sealed in: traces by their first span, the spans of each by sequence. Each is the number
/// of its block and its row there.
pub(in crate::segments) fn order(blocks: &[Arc<SpanBlock>]) -> Vec<(u32, u32)> {
    let mut numbers: hashbrown::HashMap<TraceId, u32, foldhash::fast::RandomState> = hashbrown::HashMap::default();
    let total = blocks.iter().map(|block| block.len()).sum();
    let mut trace_of = Vec::with_capacity(total);
    let mut sizes: Vec<u32> = Vec::new();
    for trace in blocks.iter().flat_map(|block| &block.trace_id) {
        let number = *numbers.entry(*trace).or_insert(sizes.len() as u32);
        if number as usize == sizes.len() {
            sizes.push(0);
        }
        sizes[number as usize] += 1;
        trace_of.push(number);
    }
    // From sizes to where each trace begins.
    let mut begin = 0;
    for size in &mut sizes {
        begin += std::mem::replace(size, begin);
    }
    let mut rows = vec![(0, 0); total];
    let places = blocks
        .iter()
        .enumerate()
        .flat_map(|(block, rows)| (0..rows.len() as u32).map(move |row| (block as u32, row)));
    for (place, trace) in places.zip(trace_of) {
        let next = &mut sizes[trace as usize];
        rows[*next as usize] = place;
        *next += 1;
    }
    rows
}

/// The columns of a row group.
pub(in crate::segments) fn columns(blocks: &[Arc<SpanBlock>], rows: &[(u32, u32)]) -> Vec<Column> {
    let mut writer = Writer::new();
    for (block, row) in rows {
        writer.push(*block as usize, &blocks[*block as usize], *row as usize);
    }
    writer.finish()
}

struct Writer {
    start: Vec<i64>,
    trace: TraceColumn,
    span: IdColumn,
    parent: IdColumn,
    trace_state: TextColumn,
    name: TextColumn,
    kind: WordColumn,
    service: TextColumn,
    resource_attributes: SharedMap,
    scope_name: TextColumn,
    scope_version: TextColumn,
    attributes: MapColumn,
    duration: Vec<i64>,
    status: WordColumn,
    status_message: TextColumn,
    events: Vec<u32>,
    event_at: Vec<i64>,
    event_name: TextColumn,
    event_attributes: MapColumn,
    links: Vec<u32>,
    link_trace: IdColumn,
    link_span: IdColumn,
    link_state: TextColumn,
    link_attributes: MapColumn,
    sequence: Vec<i64>,
    received_at: Vec<i64>,
    resource: Records,
    scope: Records,
    shape: Records,
    rest: Records,
    /// Flags of the plain records in `rest`, by their number there.
    plain: Vec<u32>,
}

impl Writer {
    fn new() -> Self {
        Self {
            start: Vec::new(),
            trace: TraceColumn::new(),
            span: IdColumn::default(),
            parent: IdColumn::default(),
            trace_state: TextColumn::default(),
            name: TextColumn::default(),
            kind: WordColumn::default(),
            service: TextColumn::default(),
            resource_attributes: SharedMap::with_bloom(),
            scope_name: TextColumn::default(),
            scope_version: TextColumn::default(),
            attributes: MapColumn::with_bloom(),
            duration: Vec::new(),
            status: WordColumn::default(),
            status_message: TextColumn::default(),
            events: Vec::new(),
            event_at: Vec::new(),
            event_name: TextColumn::default(),
            event_attributes: MapColumn::with_bloom(),
            links: Vec::new(),
            link_trace: IdColumn::default(),
            link_span: IdColumn::default(),
            link_state: TextColumn::default(),
            link_attributes: MapColumn::default(),
            sequence: Vec::new(),
            received_at: Vec::new(),
            resource: Records::default(),
            scope: Records::default(),
            shape: Records::default(),
            rest: Records::default(),
            plain: Vec::new(),
        }
    }

    fn push(&mut self, n: usize, block: &SpanBlock, row: usize) {
        let tables = &block.tables;
        let strings = &tables.strings;
        let resource = tables.resource_at(block.resource[row]).entry();
        let scope = tables
            .scopes
            .get(block.scope[row] as usize)
            .copied()
            .unwrap_or_default();
        let attributes = block.attributes[row];
        self.start.push(block.start[row].0.cast_signed());
        self.trace.push(block.trace_id[row].0);
        self.span.push(&block.span_id[row].0);
        self.parent.push(&block.parent_span_id[row]);
        self.trace_state.push(n, strings, block.trace_state[row]);
        self.name.push(n, strings, block.name[row]);
        let (kind, status) = (block.kind[row], block.status[row]);
        self.kind.push(kind as u8, kind_word(kind));
        self.service.push(n, strings, resource.service);
        self.resource_attributes
            .push(n, tables, block.resource[row], resource.attributes);
        self.scope_name.push(n, strings, scope.name);
        self.scope_version.push(n, strings, scope.version);
        self.attributes.push(n, tables, attributes);
        self.duration.push(block.duration_nanos[row].cast_signed());
        self.status.push(status as u8, status_word(status));
        self.status_message.push(n, strings, block.status_message[row]);
        self.sequence.push(block.sequence[row].cast_signed());
        self.received_at.push(block.received_at[row].0.cast_signed());
        self.resource.resource(n, tables, block.resource[row]);
        self.scope.scope(n, tables, block.scope[row]);
        self.shape.shape(n, tables, attributes);
        let events = &block.events[read::within(&block.event_ends, row)];
        let links = &block.links[read::within(&block.link_ends, row)];
        self.push_events(n, block, events);
        self.push_links(n, block, links);
        self.push_rest(block, row, events, links);
    }

    fn push_events(&mut self, n: usize, block: &SpanBlock, events: &[EventCells]) {
        self.events.push(events.len() as u32);
        for event in events {
            self.event_at.push(event.at.0.cast_signed());
            self.event_name.push(n, &block.tables.strings, event.name);
            self.event_attributes.push(n, &block.tables, event.attributes);
        }
    }

    fn push_links(&mut self, n: usize, block: &SpanBlock, links: &[LinkCells]) {
        self.links.push(links.len() as u32);
        for link in links {
            self.link_trace.push(&link.trace_id.0);
            self.link_span.push(&link.span_id.0);
            self.link_state.push(n, &block.tables.strings, link.trace_state);
            self.link_attributes.push(n, &block.tables, link.attributes);
        }
    }

    fn push_rest(&mut self, block: &SpanBlock, row: usize, events: &[EventCells], links: &[LinkCells]) {
        let (flags, dropped) = (block.flags[row], block.dropped[row]);
        let (tables, attributes) = (&block.tables, block.attributes[row]);
        let mut rest = SpanRest {
            flags,
            dropped: [dropped.attributes, dropped.events, dropped.links],
            ..SpanRest::default()
        };
        let is_plain = events.is_empty() && links.is_empty() && dropped == Dropped::default();
        if is_plain && !write::has_nested(tables, attributes) {
            // All that differs is the flags; programs send very few.
            let known = self.plain.iter().position(|known| *known == flags);
            let number = known.unwrap_or_else(|| {
                self.plain.push(flags);
                self.plain.len() - 1
            });
            self.rest.known(0, number as u32, || rest);
            return;
        }
        let item = |set, flags, dropped_attributes| Item {
            flags,
            dropped_attributes,
            kinds: write::kinds_of(tables, set),
            nested: write::nested_of(tables, set),
            int: None,
        };
        let of_event = |event: &EventCells| item(event.attributes, 0, event.dropped_attributes);
        let of_link = |link: &LinkCells| item(link.attributes, link.flags, link.dropped_attributes);
        rest.events = events.iter().map(of_event).collect();
        rest.links = links.iter().map(of_link).collect();
        rest.nested = write::nested_of(tables, attributes);
        self.rest.row(&rest);
    }

    fn finish(self) -> Vec<Column> {
        let (events, links) = (Rc::new(self.events), Rc::new(self.links));
        let in_events = Nesting::Lists(Rc::clone(&events));
        let in_links = Nesting::Lists(Rc::clone(&links));
        let nested = |values, nesting: &Nesting| Column {
            values,
            nesting: nesting.clone(),
        };
        let mut columns = vec![
            Column::flat(Values::Numbers(self.start)),
            self.trace.flat(),
            Column::flat(self.span.into_values()),
            Column::flat(self.parent.into_values()),
            self.trace_state.flat(),
            self.name.flat(),
            self.kind.flat(),
            self.service.flat(),
        ];
        columns.extend(self.resource_attributes.flat());
        columns.extend([self.scope_name.flat(), self.scope_version.flat()]);
        columns.extend(self.attributes.flat());
        columns.extend([
            Column::flat(Values::Numbers(self.duration)),
            self.status.flat(),
            self.status_message.flat(),
            nested(Values::Numbers(self.event_at), &in_events),
            self.event_name.nested(in_events.clone()),
        ]);
        columns.extend(self.event_attributes.in_lists(events));
        columns.extend([
            nested(self.link_trace.into_values(), &in_links),
            nested(self.link_span.into_values(), &in_links),
            self.link_state.nested(in_links),
        ]);
        columns.extend(self.link_attributes.in_lists(links));
        columns.extend([
            Column::flat(Values::Numbers(self.sequence)),
            Column::flat(Values::Numbers(self.received_at)),
            self.resource.flat(),
            self.scope.flat(),
            self.shape.flat(),
            self.rest.flat(),
        ]);
        columns
    }
}

const KINDS: [SpanKind; 6] = [
    SpanKind::Unspecified,
    SpanKind::Internal,
    SpanKind::Server,
    SpanKind::Client,
    SpanKind::Producer,
    SpanKind::Consumer,
];
const STATUSES: [SpanStatus; 3] = [SpanStatus::Unset, SpanStatus::Ok, SpanStatus::Error];

/// The exporter's word.
const fn kind_word(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "Unspecified",
        SpanKind::Internal => "Internal",
        SpanKind::Server => "Server",
        SpanKind::Client => "Client",
        SpanKind::Producer => "Producer",
        SpanKind::Consumer => "Consumer",
    }
}

/// The exporter's word.
const fn status_word(status: SpanStatus) -> &'static str {
    match status {
        SpanStatus::Unset => "Unset",
        SpanStatus::Ok => "Ok",
        SpanStatus::Error => "Error",
    }
}

/// Wanted rows of a row group as a block. Columns that are not wanted hold zeros and empty texts.
pub(in crate::segments) fn read(
    group: &GroupColumns<'_>,
    wanted: Columns,
    rows: &[Range<usize>],
) -> Result<SpanBlock, ReadError> {
    let count = rows.iter().map(ExactSizeIterator::len).sum::<usize>();
    let mut block = blank(count);
    let has = |columns| wanted.has(columns);
    block.sequence = group.numbers("Sagascope.Sequence", rows, i64::cast_unsigned)?;
    block.next_sequence = block.sequence.iter().max().map_or(0, |last| last + 1);
    if has(Columns::TIME) {
        block.start = group.numbers("Timestamp", rows, |nanos| Time(nanos.cast_unsigned()))?;
    }
    if has(Columns::RECEIVED) {
        block.received_at = group.numbers("Sagascope.ReceivedAt", rows, |nanos| Time(nanos.cast_unsigned()))?;
    }
    if has(Columns::DURATION) {
        block.duration_nanos = group.numbers("Duration", rows, i64::cast_unsigned)?;
    }
    if has(Columns::TRACE) {
        block.trace_id = group.each_text("TraceId", rows, |text| read::id(text).map(TraceId))?;
    }
    if has(Columns::SPAN) {
        block.span_id = group.ids("SpanId", 0, rows)?.0.into_iter().map(SpanId).collect();
        block.parent_span_id = group.ids("ParentSpanId", 0, rows)?.0;
    }
    if has(Columns::NAME) {
        block.name = group.strings("SpanName", rows, &mut block.tables.strings)?;
    }
    if has(Columns::KIND) {
        block.kind = group.each_text("SpanKind", rows, |text| {
            read::word(text, &KINDS, |kind| kind_word(*kind))
        })?;
    }
    if has(Columns::STATUS) {
        block.status = group.each_text("StatusCode", rows, |text| {
            read::word(text, &STATUSES, |status| status_word(*status))
        })?;
        block.status_message = group.strings("StatusMessage", rows, &mut block.tables.strings)?;
    }
    if has(Columns::RESOURCE) {
        block.resource = group.resources(rows, &mut block.tables)?;
        block.scope = group.scopes(rows, &mut block.tables)?;
    }
    let rest = if has(Columns::REST) || has(Columns::EVENTS) || has(Columns::LINKS) || has(Columns::ATTRIBUTES) {
        Some(group.records::<SpanRest>("Sagascope.Rest", rows)?)
    } else {
        None
    };
    if let Some(rest) = &rest {
        rest.even(count)?;
        if has(Columns::ATTRIBUTES) {
            let nested = |row: usize| rest.of(row).nested.as_slice();
            let attributes = group.attributes("SpanAttributes", rows, &mut block.tables, nested)?;
            block.attributes = attributes;
        }
        if has(Columns::REST) {
            block.trace_state = group.strings("TraceState", rows, &mut block.tables.strings)?;
            for row in 0..count {
                let rest = rest.of(row);
                let [attributes, events, links] = rest.dropped;
                block.flags[row] = rest.flags;
                block.dropped[row] = Dropped {
                    attributes,
                    events,
                    links,
                };
            }
        }
        if has(Columns::EVENTS) {
            read_events(group, rows, rest, &mut block)?;
        }
        if has(Columns::LINKS) {
            read_links(group, rows, rest, &mut block)?;
        }
    }
    read::even(count, &block_lengths(&block))?;
    Ok(block)
}

fn block_lengths(block: &SpanBlock) -> [usize; 16] {
    [
        block.sequence.len(),
        block.start.len(),
        block.received_at.len(),
        block.duration_nanos.len(),
        block.trace_id.len(),
        block.span_id.len(),
        block.parent_span_id.len(),
        block.name.len(),
        block.kind.len(),
        block.status.len(),
        block.status_message.len(),
        block.resource.len(),
        block.scope.len(),
        block.attributes.len(),
        block.trace_state.len(),
        block.event_ends.len().min(block.link_ends.len()),
    ]
}

fn read_events(
    group: &GroupColumns<'_>,
    rows: &[Range<usize>],
    rest: &Words<SpanRest>,
    block: &mut SpanBlock,
) -> Result<(), ReadError> {
    let (at, lists) = group.nested_numbers("Events.Timestamp", 1, rows)?;
    let names = group.nested_strings("Events.Name", rows, &mut block.tables.strings)?;
    let items = (0..lists.outer.len()).flat_map(|row| &rest.of(row).events);
    let sets = group.attributes_in("Events.Attributes", rows, &mut block.tables, items)?;
    for ((at, name), AttributesIn { set, item }) in at.into_iter().zip(names).zip(sets) {
        block.push_event(EventCells {
            at: Time(at.cast_unsigned()),
            name,
            attributes: set,
            dropped_attributes: item.dropped_attributes,
        });
    }
    block.event_ends = read::ends(&lists.outer);
    read::even(
        block.event_ends.last().map_or(0, |end| *end as usize),
        &[block.events.len()],
    )?;
    Ok(())
}

fn read_links(
    group: &GroupColumns<'_>,
    rows: &[Range<usize>],
    rest: &Words<SpanRest>,
    block: &mut SpanBlock,
) -> Result<(), ReadError> {
    let (traces, lists) = group.ids::<16>("Links.TraceId", 1, rows)?;
    let (spans, _) = group.ids::<8>("Links.SpanId", 1, rows)?;
    let states = group.nested_strings("Links.TraceState", rows, &mut block.tables.strings)?;
    let items = (0..lists.outer.len()).flat_map(|row| &rest.of(row).links);
    let sets = group.attributes_in("Links.Attributes", rows, &mut block.tables, items)?;
    for (((trace, span), state), AttributesIn { set, item }) in traces.into_iter().zip(spans).zip(states).zip(sets) {
        block.push_link(LinkCells {
            trace_id: TraceId(trace),
            span_id: SpanId(span),
            trace_state: state,
            flags: item.flags,
            attributes: set,
            dropped_attributes: item.dropped_attributes,
        });
    }
    block.link_ends = read::ends(&lists.outer);
    read::even(
        block.link_ends.last().map_or(0, |end| *end as usize),
        &[block.links.len()],
    )?;
    Ok(())
}

/// Rows of nothing.
fn blank(rows: usize) -> SpanBlock {
    SpanBlock {
        sequence: vec![0; rows],
        received_at: vec![Time(0); rows],
        resource: vec![0; rows],
        scope: vec![0; rows],
        trace_id: vec![TraceId([0; 16]); rows],
        span_id: vec![SpanId([0; 8]); rows],
        parent_span_id: vec![[0; 8]; rows],
        name: vec![Str::EMPTY; rows],
        kind: vec![SpanKind::Unspecified; rows],
        start: vec![Time(0); rows],
        duration_nanos: vec![0; rows],
        status: vec![SpanStatus::Unset; rows],
        status_message: vec![Str::EMPTY; rows],
        trace_state: vec![Str::EMPTY; rows],
        flags: vec![0; rows],
        dropped: vec![Dropped::default(); rows],
        attributes: vec![Default::default(); rows],
        event_ends: vec![0; rows],
        link_ends: vec![0; rows],
        ..SpanBlock::default()
    }
}
