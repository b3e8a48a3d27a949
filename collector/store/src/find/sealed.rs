//! Sealed files as parts of a query.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sagascope_api::Time;
use sagascope_core::block::{LogBlock, SpanBlock};
use sagascope_core::rows::TraceId;
use sagascope_core::search::{Needs, Query};

use super::parts::{Each, LogPart, Parts, PointPart, Sealed, SealedLogs, SealedSpans, SpanPart};
use crate::head::HeadBlocks;
use crate::segments::{Columns, GroupMeta, ReadError, SealedFile, Table, View};

/// Traces that are looked for one by one.
const FEW: usize = 4;

/// A file as one query looks at it.
pub(super) struct Looked {
    pub(super) file: Arc<SealedFile>,
    /// Told when it cannot be read.
    unread: Arc<AtomicBool>,
}

impl Parts {
    /// What is in memory and what is in files, as both were at one moment. For one query: what cannot be read for it
    /// makes its answer incomplete.
    #[must_use]
    pub fn of(blocks: HeadBlocks, view: &View) -> Self {
        let mut parts = Self::default();
        for file in view.files() {
            let looked = Arc::new(Looked {
                file: Arc::clone(file),
                unread: Arc::clone(&parts.unread),
            });
            match file.meta().table {
                Table::Traces => parts.spans.push(SpanPart::File(looked)),
                Table::Logs => parts.logs.push(LogPart::File(looked)),
                _ => parts.points.push(PointPart::File(looked)),
            }
        }
        parts.spans.extend(blocks.spans.into_iter().map(SpanPart::Block));
        parts.logs.extend(blocks.logs.into_iter().map(LogPart::Block));
        parts.points.extend(blocks.points.into_iter().map(PointPart::Block));
        parts
    }
}

impl Sealed for Looked {
    fn times(&self) -> (Time, Time) {
        (self.file.meta().min_time, self.file.meta().max_time)
    }
}

impl SealedSpans for Looked {
    fn candidates(&self, query: &Query, range: (Time, Time), each: Each<'_, SpanBlock>) {
        let needs = query.needs_of_spans();
        let columns = columns_of(&needs).and(Columns::TRACE);
        for (n, rest) in self.newest_first(range) {
            if may_match(self, n, &needs)
                && let Some(block) = self.told(self.file.spans(n, columns, rows_with(self, n, &needs).as_deref()))
                && !each(&block, rest)
            {
                return;
            }
        }
    }

    fn traces(&self, ids: &[TraceId], columns: Columns, each: &mut dyn FnMut(&SpanBlock) -> bool) {
        for (n, _) in self.groups() {
            let rows = rows_of(self, n, ids);
            if !rows.is_empty()
                && let Some(block) = self.told(self.file.spans(n, columns, Some(&rows)))
                && !each(&block)
            {
                return;
            }
        }
    }

    fn rows(&self, sequences: &[u64]) -> Vec<SpanBlock> {
        let mut blocks = Vec::new();
        for (n, group) in self.groups() {
            if let Some(rows) = wanted(sequences, &group, || {
                Some(self.told(self.file.spans(n, Columns::NONE, None))?.sequence)
            }) {
                blocks.extend(self.told(self.file.spans(n, Columns::ALL, Some(&rows))));
            }
        }
        blocks
    }
}

impl SealedLogs for Looked {
    fn candidates(&self, query: &Query, range: (Time, Time), each: Each<'_, LogBlock>) {
        let needs = query.needs_of_logs();
        let columns = columns_of(&needs);
        for (n, rest) in self.newest_first(range) {
            if may_match(self, n, &needs)
                && let Some(block) = self.told(self.file.logs(n, columns, rows_with(self, n, &needs).as_deref()))
                && !each(&block, rest)
            {
                return;
            }
        }
    }

    fn rows(&self, sequences: &[u64]) -> Vec<LogBlock> {
        let mut blocks = Vec::new();
        for (n, group) in self.groups() {
            if let Some(rows) = wanted(sequences, &group, || {
                Some(self.told(self.file.logs(n, Columns::NONE, None))?.sequence)
            }) {
                blocks.extend(self.told(self.file.logs(n, Columns::ALL, Some(&rows))));
            }
        }
        blocks
    }
}

impl Looked {
    /// What was read; what could not be makes the answer incomplete, which goes without it. (The file itself tells our own
    /// log, once.)
    pub(super) fn told<T>(&self, read: Result<T, ReadError>) -> Option<T> {
        if read.is_err() {
            self.unread.store(true, Ordering::Relaxed);
        }
        read.ok()
    }

    /// Row groups that reach into a range (both ends included), the one with the newest row first; each with how new the
    /// rows of those behind it may be.
    fn newest_first(&self, (from, last): (Time, Time)) -> Vec<(usize, Option<Time>)> {
        let mut groups = self.groups();
        groups.retain(|(_, group)| group.min_time <= last && group.max_time >= from);
        groups.sort_by_key(|(n, group)| std::cmp::Reverse((group.max_time, *n)));
        let rest = groups.iter().skip(1).map(|(_, next)| Some(next.max_time)).chain([None]);
        groups.iter().map(|(n, _)| *n).zip(rest).collect()
    }

    pub(super) fn groups(&self) -> Vec<(usize, GroupMeta)> {
        let groups = self.told(self.file.groups()).unwrap_or_default();
        groups.into_iter().enumerate().collect()
    }
}

/// A group that lacks a value which every match must have, has no match.
fn may_match(looked: &Looked, group: usize, needs: &Needs) -> bool {
    let may = |value: &String| looked.told(looked.file.may_have_value(group, value)).unwrap_or(true);
    needs.values.iter().all(may)
}

/// The rows that have the first of the values which every match must have; `None` when all must be looked at.
fn rows_with(looked: &Looked, group: usize, needs: &Needs) -> Option<Vec<Range<usize>>> {
    looked
        .told(looked.file.rows_with_value(group, needs.values.first()?))
        .flatten()
}

fn columns_of(needs: &Needs) -> Columns {
    let wanted = [
        (needs.duration, Columns::DURATION),
        (needs.trace, Columns::TRACE),
        (needs.span, Columns::SPAN),
        (needs.name, Columns::NAME),
        (needs.kind, Columns::KIND),
        (needs.status, Columns::STATUS),
        (needs.resource, Columns::RESOURCE),
        (needs.attributes, Columns::ATTRIBUTES),
        (needs.events, Columns::EVENTS),
        (needs.body, Columns::BODY),
    ];
    let named = wanted.into_iter().filter(|(is_wanted, _)| *is_wanted);
    named.fold(Columns::TIME, |columns, (_, column)| columns.and(column))
}

/// The rows of a group that have these sequences (ascending); `None` when there are none.
fn wanted(sequences: &[u64], group: &GroupMeta, read: impl FnOnce() -> Option<Vec<u64>>) -> Option<Vec<Range<usize>>> {
    let first = sequences.partition_point(|sequence| *sequence < group.min_sequence);
    if sequences
        .get(first)
        .is_none_or(|sequence| *sequence > group.max_sequence)
    {
        return None;
    }
    let held = read()?.into_iter().enumerate();
    let rows: Vec<Range<usize>> = held
        .filter(|(_, sequence)| sequences.binary_search(sequence).is_ok())
        .map(|(row, _)| row..row + 1)
        .collect();
    (!rows.is_empty()).then(|| ascending(rows))
}

/// Rows of these traces in a group.
fn rows_of(looked: &Looked, group: usize, ids: &[TraceId]) -> Vec<Range<usize>> {
    let likely = looked.told(looked.file.likely_traces(group, ids)).unwrap_or_default();
    let likely: HashSet<TraceId, foldhash::fast::RandomState> = likely.into_iter().collect();
    if likely.len() <= FEW {
        let found = likely
            .iter()
            .map(|id| looked.told(looked.file.rows_of_trace(group, *id)).unwrap_or_default());
        return ascending(found.flatten().collect());
    }
    // For many the column is read once.
    let Some(block) = looked.told(looked.file.spans(group, Columns::TRACE, None)) else {
        return Vec::new();
    };
    let held = block.trace_id.iter().enumerate();
    let rows = held.filter(|(_, id)| likely.contains(id)).map(|(row, _)| row..row + 1);
    ascending(rows.collect())
}

/// In order, and joined where they touch.
fn ascending(mut rows: Vec<Range<usize>>) -> Vec<Range<usize>> {
    rows.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(rows.len());
    for range in rows {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sagascope_core::rows::{
        Attributes, Dropped, Resource, SpanEventRow, SpanId, SpanKind, SpanRow, SpanStatus, Value,
    };
    use sagascope_core::trace::summarise;

    use super::*;
    use crate::Position;
    use crate::find::{Budget, SUMMARY, TraceQuery, traces};
    use crate::head::Sequences;
    use crate::segments::{SealUnit, Segments};

    fn attributes(pairs: &[(&str, Value)]) -> Attributes {
        Attributes(
            pairs
                .iter()
                .map(|(key, value)| (Arc::from(*key), value.clone()))
                .collect(),
        )
    }

    fn span(trace: u8, own: &[(&str, Value)], of_event: &[(&str, Value)], zone: &str) -> SpanRow {
        let resource = Resource {
            service: "orders".into(),
            attributes: attributes(&[("zone", Value::Text(zone.into()))]),
            ..Resource::default()
        };
        let event = SpanEventRow {
            at: Time(1),
            name: "e".into(),
            attributes: attributes(of_event),
            dropped_attributes: 0,
        };
        SpanRow {
            resource: Arc::new(resource),
            scope: Arc::default(),
            trace_id: TraceId([trace; 16]),
            span_id: SpanId([1; 8]),
            parent_span_id: None,
            name: "Work".into(),
            kind: SpanKind::Server,
            start: Time(u64::from(trace)),
            duration_nanos: 5,
            status: SpanStatus::Error,
            status_message: "".into(),
            attributes: attributes(own),
            events: vec![event],
            links: Vec::new(),
            trace_state: "".into(),
            flags: 0,
            dropped: Dropped::default(),
        }
    }

    #[test]
    fn d08_a_sealed_file_answers_as_memory_does_whatever_the_filters_know() {
        let text = |text: &str| Value::Text(text.into());
        let list = Value::List(vec![text("Red"), Value::Int(7), Value::List(vec![Value::Bool(true)])]);
        let rows = [
            span(1, &[("order.id", text("O-7")), ("n", Value::Int(5))], &[], "Eu"),
            span(
                2,
                &[("order.id", text("o-8")), ("n", Value::Double(5.0))],
                &[("cause", text("Late"))],
                "us",
            ),
            span(3, &[("tags", list)], &[], "us"),
            span(4, &[("text", text("[\"Red\"]")), ("n", text("5"))], &[], "us"),
            span(
                5,
                &[
                    ("map", Value::Map(vec![("k".into(), text("red"))])),
                    ("level", text("High")),
                ],
                &[("resource.zone", text("öst"))],
                "us",
            ),
        ];
        let mut block = SpanBlock::default();
        rows.iter().for_each(|row| block.push_row(row, Time(9)));
        let blocks = HeadBlocks {
            spans: vec![Arc::new(block)],
            ..HeadBlocks::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let mut segments = Segments::open(dir.path()).unwrap();
        let unit = SealUnit {
            range: Position::default()..Position { file: 1, offset: 1 },
            blocks: blocks.clone(),
            next: Sequences::default(),
        };
        let sealed = Parts::of(HeadBlocks::default(), &segments.seal(&unit).unwrap());
        let memory = Parts::of(blocks, &View::default());
        for query in [
            "",
            "order.id:o-7",
            "order.id:O-8",
            "order.id:none",
            "n:5",
            "n:5.0",
            "tags:red",
            "tags:RED",
            "tags:7",
            "tags:true",
            "cause:late",
            "zone:EU",
            "resource.zone:eu",
            "text:\"[\\\"Red\\\"]\"",
            "map:red",
            "zone:us n:5",
            "order.id:o-7 OR cause:late",
            "NOT order.id:o-7",
            "level:high",
            "-level:*",
            "map:* -n:*",
            "resource.zone:ÖST",
            "attr.level:h*",
            "parent_span_id:*",
            "name:work",
            "status:error kind:server duration>1ns",
        ] {
            let query = Query::parse(query).unwrap();
            let found = |parts: &Parts, columns: Columns| {
                let search = TraceQuery {
                    query: &query,
                    since: None,
                    until: None,
                    limit: 10,
                    columns,
                    after: None,
                };
                let page = traces(parts, &search, &Budget::new(Duration::from_secs(60), Arc::default()));
                page.traces.into_iter().map(|(_, spans)| spans).collect::<Vec<_>>()
            };
            assert_eq!(found(&sealed, Columns::ALL), found(&memory, Columns::ALL), "{query:?}");
            let summaries = |parts: &Parts| {
                let traces = found(parts, SUMMARY);
                traces.iter().map(|spans| summarise(spans)).collect::<Vec<_>>()
            };
            assert_eq!(summaries(&sealed), summaries(&memory), "{query:?}");
        }
    }
}
