//! Log records into `otel_logs`, and back.

use std::ops::Range;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_core::block::{Cell, Kind, LogBlock, Str, ValueRef};

use super::exact::{self, LogRest};
use super::read::{self, GroupColumns};
use super::write::{IdColumn, MapColumn, Records, SharedMap, TextColumn, TraceColumn};
use super::{Columns, text, write};
use crate::segments::codec::{Column, Values};
use crate::segments::file::ReadError;

/// Rows in the order they are sealed in, which is that of the log. Each is the number of its block and its row there.
pub(in crate::segments) fn order(blocks: &[Arc<LogBlock>]) -> Vec<(u32, u32)> {
    let blocks = blocks.iter().enumerate();
    let rows = blocks.flat_map(|(block, rows)| (0..rows.len() as u32).map(move |row| (block as u32, row)));
    rows.collect()
}

/// The columns of a row group.
pub(in crate::segments) fn columns(blocks: &[Arc<LogBlock>], rows: &[(u32, u32)]) -> Vec<Column> {
    let mut writer = Writer::new();
    for (block, row) in rows {
        writer.push(*block as usize, &blocks[*block as usize], *row as usize);
    }
    writer.finish()
}

struct Writer {
    at: Vec<i64>,
    trace: TraceColumn,
    span: IdColumn,
    trace_flags: Vec<i32>,
    severity_text: TextColumn,
    severity: Vec<i32>,
    service: TextColumn,
    body: TextColumn,
    resource_schema: TextColumn,
    resource_attributes: SharedMap,
    scope_schema: TextColumn,
    scope_name: TextColumn,
    scope_version: TextColumn,
    scope_attributes: SharedMap,
    attributes: MapColumn,
    event_name: TextColumn,
    sequence: Vec<i64>,
    received_at: Vec<i64>,
    resource: Records,
    scope: Records,
    observed: Vec<i64>,
    shape: Records,
    rest: Records,
    /// Flags and kind of body of the plain records in `rest`, by their number there.
    plain: Vec<(u32, Kind)>,
    scratch: String,
}

impl Writer {
    fn new() -> Self {
        Self {
            at: Vec::new(),
            trace: TraceColumn::new(),
            span: IdColumn::default(),
            trace_flags: Vec::new(),
            severity_text: TextColumn::default(),
            severity: Vec::new(),
            service: TextColumn::default(),
            body: TextColumn::default(),
            resource_schema: TextColumn::default(),
            resource_attributes: SharedMap::with_bloom(),
            scope_schema: TextColumn::default(),
            scope_name: TextColumn::default(),
            scope_version: TextColumn::default(),
            scope_attributes: SharedMap::default(),
            attributes: MapColumn::with_bloom(),
            event_name: TextColumn::default(),
            sequence: Vec::new(),
            received_at: Vec::new(),
            resource: Records::default(),
            scope: Records::default(),
            observed: Vec::new(),
            shape: Records::default(),
            rest: Records::default(),
            plain: Vec::new(),
            scratch: String::new(),
        }
    }

    fn push(&mut self, n: usize, block: &LogBlock, row: usize) {
        let tables = &block.tables;
        let strings = &tables.strings;
        let resource = tables.resource_at(block.resource[row]).entry();
        let scope = tables
            .scopes
            .get(block.scope[row] as usize)
            .copied()
            .unwrap_or_default();
        self.at.push(block.at[row].0.cast_signed());
        self.trace.push(block.trace_id[row]);
        self.span.push(&block.span_id[row]);
        self.trace_flags.push((block.flags[row] & 0xff) as i32);
        self.severity_text.push(n, strings, block.severity_text[row]);
        self.severity.push(i32::from(block.severity[row]));
        self.service.push(n, strings, resource.service);
        self.push_body(n, block, row);
        self.resource_schema.push(n, strings, resource.schema_url);
        self.resource_attributes
            .push(n, tables, block.resource[row], resource.attributes);
        self.scope_schema.push(n, strings, scope.schema_url);
        self.scope_name.push(n, strings, scope.name);
        self.scope_version.push(n, strings, scope.version);
        self.scope_attributes
            .push(n, tables, block.scope[row], scope.attributes);
        self.attributes.push(n, tables, block.attributes[row]);
        self.event_name.push(n, strings, block.event_name[row]);
        self.sequence.push(block.sequence[row].cast_signed());
        self.received_at.push(block.received_at[row].0.cast_signed());
        self.resource.resource(n, tables, block.resource[row]);
        self.scope.scope(n, tables, block.scope[row]);
        self.observed.push(block.observed[row].0.cast_signed());
        self.shape.shape(n, tables, block.attributes[row]);
        self.push_rest(block, row);
    }

    fn push_body(&mut self, n: usize, block: &LogBlock, row: usize) {
        let (tables, body) = (&block.tables, block.body[row]);
        if let Some(text) = body.as_str() {
            self.body.push(n, &tables.strings, text);
            return;
        }
        self.scratch.clear();
        text::write(ValueRef::of(body, &tables.strings, &tables.values), &mut self.scratch);
        self.body.push_text(self.scratch.as_bytes());
    }

    fn push_rest(&mut self, block: &LogBlock, row: usize) {
        let (tables, body) = (&block.tables, block.body[row]);
        let mut rest = LogRest {
            flags: block.flags[row],
            dropped_attributes: block.dropped_attributes[row],
            body: body.kind as u8,
            nested: Vec::new(),
        };
        let has_nested = body.kind == Kind::Nested || write::has_nested(tables, block.attributes[row]);
        if rest.dropped_attributes == 0 && !has_nested {
            let plain = (rest.flags, body.kind);
            let known = self.plain.iter().position(|known| *known == plain);
            let number = known.unwrap_or_else(|| {
                self.plain.push(plain);
                self.plain.len() - 1
            });
            self.rest.known(0, number as u32, || rest);
            return;
        }
        if body.kind == Kind::Nested {
            rest.nested.push(tables.values.blob_of(body.bits).to_vec());
        }
        rest.nested.extend(write::nested_of(tables, block.attributes[row]));
        self.rest.row(&rest);
    }

    fn finish(self) -> Vec<Column> {
        let number = |numbers| Column::flat(Values::Numbers(numbers));
        let small = |numbers| Column::flat(Values::Small(numbers));
        let mut columns = vec![
            number(self.at),
            self.trace.flat(),
            Column::flat(self.span.into_values()),
            small(self.trace_flags),
            self.severity_text.flat(),
            small(self.severity),
            self.service.flat(),
            self.body.flat(),
            self.resource_schema.flat(),
        ];
        columns.extend(self.resource_attributes.flat());
        columns.extend([
            self.scope_schema.flat(),
            self.scope_name.flat(),
            self.scope_version.flat(),
        ]);
        columns.extend(self.scope_attributes.flat());
        columns.extend(self.attributes.flat());
        columns.extend([
            self.event_name.flat(),
            number(self.sequence),
            number(self.received_at),
            self.resource.flat(),
            self.scope.flat(),
            number(self.observed),
            self.shape.flat(),
            self.rest.flat(),
        ]);
        columns
    }
}

/// Wanted rows of a row group as a block. Columns that are not wanted hold zeros and empty texts.
pub(in crate::segments) fn read(
    group: &GroupColumns<'_>,
    wanted: Columns,
    rows: &[Range<usize>],
) -> Result<LogBlock, ReadError> {
    let count = rows.iter().map(ExactSizeIterator::len).sum::<usize>();
    let time = |nanos: i64| Time(nanos.cast_unsigned());
    let mut block = blank(count);
    let has = |columns| wanted.has(columns);
    block.sequence = group.numbers("Sagascope.Sequence", rows, i64::cast_unsigned)?;
    block.next_sequence = block.sequence.iter().max().map_or(0, |last| last + 1);
    if has(Columns::TIME) {
        block.at = group.numbers("Timestamp", rows, time)?;
    }
    if has(Columns::RECEIVED) {
        block.received_at = group.numbers("Sagascope.ReceivedAt", rows, time)?;
    }
    if has(Columns::TRACE) {
        block.trace_id = group.each_text("TraceId", rows, read::id)?;
    }
    if has(Columns::SPAN) {
        block.span_id = group.ids("SpanId", 0, rows)?.0;
    }
    if has(Columns::NAME) {
        block.event_name = group.strings("EventName", rows, &mut block.tables.strings)?;
    }
    if has(Columns::STATUS) {
        block.severity = group.numbers("SeverityNumber", rows, |number| number as u8)?;
        block.severity_text = group.strings("SeverityText", rows, &mut block.tables.strings)?;
    }
    if has(Columns::RESOURCE) {
        block.resource = group.resources(rows, &mut block.tables)?;
        block.scope = group.scopes(rows, &mut block.tables)?;
    }
    if has(Columns::REST) || has(Columns::BODY) || has(Columns::ATTRIBUTES) {
        read_rest(group, wanted, rows, &mut block)?;
    }
    let lengths = [
        block.sequence.len(),
        block.at.len(),
        block.received_at.len(),
        block.trace_id.len(),
        block.span_id.len(),
        block.event_name.len(),
        block.severity.len(),
        block.severity_text.len(),
        block.resource.len(),
        block.scope.len(),
        block.attributes.len(),
        block.body.len(),
        block.observed.len(),
    ];
    read::even(count, &lengths)?;
    Ok(block)
}

fn read_rest(
    group: &GroupColumns<'_>,
    wanted: Columns,
    rows: &[Range<usize>],
    block: &mut LogBlock,
) -> Result<(), ReadError> {
    let rest = group.records::<LogRest>("Sagascope.Rest", rows)?;
    let count = block.sequence.len();
    rest.even(count)?;
    let has_body = |row: usize| rest.of(row).body == Kind::Nested as u8;
    if wanted.has(Columns::REST) {
        block.observed = group.numbers("Sagascope.ObservedAt", rows, |nanos| Time(nanos.cast_unsigned()))?;
        for row in 0..count {
            block.flags[row] = rest.of(row).flags;
            block.dropped_attributes[row] = rest.of(row).dropped_attributes;
        }
    }
    if wanted.has(Columns::ATTRIBUTES) {
        let nested = |row: usize| &rest.of(row).nested[usize::from(has_body(row)).min(rest.of(row).nested.len())..];
        block.attributes = group.attributes("LogAttributes", rows, &mut block.tables, nested)?;
    }
    if wanted.has(Columns::BODY) {
        let kinds = (0..count).map(|row| exact::kind(rest.of(row).body));
        let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
        let nested = |row: usize| rest.of(row).nested.first().map(Vec::as_slice);
        block.body = group.values("Body", rows, &mut block.tables, &kinds, nested)?;
    }
    Ok(())
}

/// Rows of nothing.
fn blank(rows: usize) -> LogBlock {
    LogBlock {
        sequence: vec![0; rows],
        received_at: vec![Time(0); rows],
        resource: vec![0; rows],
        scope: vec![0; rows],
        at: vec![Time(0); rows],
        observed: vec![Time(0); rows],
        severity: vec![0; rows],
        severity_text: vec![Str::EMPTY; rows],
        event_name: vec![Str::EMPTY; rows],
        body: vec![Cell::default(); rows],
        attributes: vec![Default::default(); rows],
        dropped_attributes: vec![0; rows],
        trace_id: vec![[0; 16]; rows],
        span_id: vec![[0; 8]; rows],
        flags: vec![0; rows],
        ..LogBlock::default()
    }
}
