//! Whatever way rows are spread over blocks and files, the answers are those of one list that is searched row by row.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use proptest::prelude::*;
use sagascope_api::Time;
use sagascope_core::block::{LogBlock, SpanBlock};
use sagascope_core::rows::{
    Attributes, Dropped, LogRow, Resource, SpanId, SpanKind, SpanRow, SpanStatus, TraceId, Value,
};
use sagascope_core::search::Query;
use std::sync::Arc;

use crate::segments::Columns;

use super::*;

fn budget() -> Budget {
    Budget::new(Duration::from_secs(60), Arc::default())
}

fn span(trace: u8, id: u8, start: u64, is_error: bool, order: u8) -> SpanRow {
    SpanRow {
        resource: Arc::new(Resource::default()),
        scope: Arc::default(),
        trace_id: TraceId([trace + 1; 16]),
        span_id: SpanId([id + 1; 8]),
        parent_span_id: None,
        name: "work".into(),
        kind: SpanKind::Server,
        start: Time(start),
        duration_nanos: 5,
        status: if is_error { SpanStatus::Error } else { SpanStatus::Ok },
        status_message: "".into(),
        attributes: Attributes(vec![("order.id".into(), Value::Int(order.into()))]),
        events: Vec::new(),
        links: Vec::new(),
        trace_state: "".into(),
        flags: 0,
        dropped: Dropped::default(),
    }
}

fn log(at: u64, trace: u8, body: &str) -> LogRow {
    LogRow {
        resource: Arc::new(Resource::default()),
        scope: Arc::default(),
        at: Time(at),
        severity: 9,
        severity_text: "".into(),
        event_name: None,
        body: Value::Text(body.into()),
        attributes: Attributes::default(),
        trace_id: Some(TraceId([trace + 1; 16])),
        span_id: None,
        observed: Time(0),
        flags: 0,
        dropped_attributes: 0,
    }
}

/// A file that lies in memory; it proposes every row as a candidate, as a file may.
struct Pretended<B>(Arc<B>);

impl Sealed for Pretended<SpanBlock> {
    fn times(&self) -> (Time, Time) {
        SpanPart::Block(Arc::clone(&self.0)).times().expect("files have rows")
    }
}

impl SealedSpans for Pretended<SpanBlock> {
    fn candidates(&self, _: &Query, _: (Time, Time), each: Each<'_, SpanBlock>) {
        let half = self.0.len() / 2;
        let halves = [some(&self.0, |n| n < half), some(&self.0, |n| n >= half)];
        in_two(halves, |block| block.start.iter().max().copied(), each);
    }

    fn traces(&self, ids: &[TraceId], _: Columns, each: &mut dyn FnMut(&SpanBlock) -> bool) {
        each(&some(&self.0, |n| ids.contains(&self.0.trace_id[n])));
    }

    fn rows(&self, sequences: &[u64]) -> Vec<SpanBlock> {
        vec![some(&self.0, |n| sequences.contains(&self.0.sequence[n]))]
    }
}

fn some(block: &SpanBlock, keep: impl Fn(usize) -> bool) -> SpanBlock {
    let mut kept = SpanBlock::default();
    for n in (0..block.len()).filter(|n| keep(*n)) {
        kept.next_sequence = block.sequence[n];
        kept.push_row(&block.row(n).to_row(), Time(0));
    }
    kept
}

impl Sealed for Pretended<LogBlock> {
    fn times(&self) -> (Time, Time) {
        LogPart::Block(Arc::clone(&self.0)).times().expect("files have rows")
    }
}

impl SealedLogs for Pretended<LogBlock> {
    fn candidates(&self, _: &Query, _: (Time, Time), each: Each<'_, LogBlock>) {
        let half = self.0.len() / 2;
        let halves = [some_logs(&self.0, |n| n < half), some_logs(&self.0, |n| n >= half)];
        in_two(halves, |block| block.at.iter().max().copied(), each);
    }

    fn rows(&self, sequences: &[u64]) -> Vec<LogBlock> {
        vec![some_logs(&self.0, |n| sequences.contains(&self.0.sequence[n]))]
    }
}

fn some_logs(block: &LogBlock, keep: impl Fn(usize) -> bool) -> LogBlock {
    let mut kept = LogBlock::default();
    for n in (0..block.len()).filter(|n| keep(*n)) {
        kept.next_sequence = block.sequence[n];
        kept.push_row(&block.row(n).to_row(), Time(0));
    }
    kept
}

/// Shows the half with the newest row first, as a file does with its row groups.
fn in_two<B>(mut halves: [B; 2], newest: impl Fn(&B) -> Option<Time>, each: Each<'_, B>) {
    halves.sort_by_key(|half| std::cmp::Reverse(newest(half)));
    let rest = newest(&halves[1]);
    let _ = each(&halves[0], rest) && each(&halves[1], None);
}

/// Spreads rows over parts: a part ends where the cuts say so, and every other one is a file.
fn spread<R, B: Default, P>(
    rows: &[R],
    cuts: &[bool],
    push: impl Fn(&mut B, &R, u64),
    part: impl Fn(B, bool) -> P,
) -> Vec<P> {
    let (mut parts, mut block, mut is_empty) = (Vec::new(), B::default(), true);
    for (n, row) in rows.iter().enumerate() {
        push(&mut block, row, n as u64);
        is_empty = false;
        if cuts[n % cuts.len()] {
            parts.push(part(std::mem::take(&mut block), parts.len() % 2 == 0));
            is_empty = true;
        }
    }
    if !is_empty {
        parts.push(part(block, false));
    }
    parts
}

fn parts_of(spans: &[SpanRow], logs: &[LogRow], cuts: &[bool]) -> Parts {
    let push_span = |block: &mut SpanBlock, row: &SpanRow, sequence| {
        block.next_sequence = sequence;
        block.push_row(row, Time(0));
    };
    let push_log = |block: &mut LogBlock, row: &LogRow, sequence| {
        block.next_sequence = sequence;
        block.push_row(row, Time(0));
    };
    Parts {
        spans: spread(spans, cuts, push_span, |block, is_file| match is_file {
            true => SpanPart::File(Arc::new(Pretended(Arc::new(block)))),
            false => SpanPart::Block(Arc::new(block)),
        }),
        logs: spread(logs, cuts, push_log, |block, is_file| match is_file {
            true => LogPart::File(Arc::new(Pretended(Arc::new(block)))),
            false => LogPart::Block(Arc::new(block)),
        }),
        ..Parts::default()
    }
}

/// Traces by their newest matching span in the range, newest first, then by id; each with its spans, each once.
fn model(spans: &[SpanRow], query: &Query, range: std::ops::Range<u64>) -> Vec<(TraceId, Vec<SpanRow>)> {
    let mut newest: BTreeMap<TraceId, Time> = BTreeMap::new();
    for span in spans
        .iter()
        .filter(|span| range.contains(&span.start.0) && query.matches_span(span))
    {
        let known = newest.entry(span.trace_id).or_default();
        *known = span.start.max(*known);
    }
    let mut order: Vec<_> = newest.into_iter().collect();
    order.sort_by_key(|(id, at)| (std::cmp::Reverse(*at), *id));
    let of = |id: TraceId| {
        let mut once: Vec<SpanRow> = Vec::new();
        for span in spans.iter().filter(|span| span.trace_id == id) {
            if !once.iter().any(|known| known.span_id == span.span_id) {
                once.push(span.clone());
            }
        }
        once
    };
    order.into_iter().map(|(id, _)| (id, of(id))).collect()
}

fn some_spans() -> impl Strategy<Value = Vec<SpanRow>> {
    let one = (0..6_u8, 0..5_u8, 0..30_u64, any::<bool>(), 0..3_u8);
    prop::collection::vec(
        one.prop_map(|(trace, id, start, error, order)| span(trace, id, start, error, order)),
        0..40,
    )
}

const QUERIES: [&str; 5] = [
    "",
    "status:error",
    "order.id:1",
    "NOT order.id:1 status:ok",
    "order.id:7",
];

proptest! {
    #[test]
    fn d08_pages_of_traces_join_to_what_a_plain_list_gives(
        spans in some_spans(),
        cuts in prop::collection::vec(any::<bool>(), 1..9),
        query in prop::sample::select(QUERIES.to_vec()),
        limit in 1..4_usize,
        (since, length) in (0..20_u64, 0..31_u64),
    ) {
        let parts = parts_of(&spans, &[], &cuts);
        let query = Query::parse(query).unwrap();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let search = TraceQuery { query: &query, since: Some(Time(since)), until: Some(Time(since + length)), limit, after, columns: Columns::ALL };
            let page = traces(&parts, &search, &budget());
            prop_assert!(page.traces.len() <= limit && !page.truncated);
            after = page.traces.last().map(|(place, _)| *place);
            found.extend(page.traces.into_iter().map(|(place, spans)| {
                (place.trace_id, spans.iter().map(|span| (**span).clone()).collect::<Vec<_>>())
            }));
            if !page.more {
                break;
            }
        }
        prop_assert_eq!(found, model(&spans, &query, since..since + length));
    }

    #[test]
    fn d08_pages_of_logs_join_to_what_a_plain_list_gives(
        rows in prop::collection::vec((0..20_u64, 0..3_u8, prop::sample::select(vec!["paid", "refused"])), 0..40),
        cuts in prop::collection::vec(any::<bool>(), 1..9),
        query in prop::sample::select(vec!["", "refused", "NOT paid", "body:none"]),
        limit in 1..5_usize,
        (since, length) in (0..15_u64, 0..20_u64),
    ) {
        let rows: Vec<LogRow> = rows.into_iter().map(|(at, trace, body)| log(at, trace, body)).collect();
        let parts = parts_of(&[], &rows, &cuts);
        let query = Query::parse(query).unwrap();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let search = LogQuery { query: &query, since: Some(Time(since)), until: Some(Time(since + length)), limit, after };
            let page = logs(&parts, &search, &budget());
            prop_assert!(page.logs.len() <= limit);
            after = page.logs.last().map(|(place, _)| *place);
            found.extend(page.logs.into_iter().map(|(_, log)| (*log).clone()));
            if !page.more {
                break;
            }
        }
        let mut expected: Vec<(u64, LogRow)> = (0..).zip(rows).filter(|(_, row)| {
            (since..since + length).contains(&row.at.0) && query.matches_log(row)
        }).collect();
        expected.sort_by_key(|(n, row)| std::cmp::Reverse((row.at, *n)));
        prop_assert_eq!(found, expected.into_iter().map(|(_, row)| row).collect::<Vec<_>>());
    }

    #[test]
    fn d08_what_carries_an_id_is_the_newest_of_it(
        spans in some_spans(),
        cuts in prop::collection::vec(any::<bool>(), 1..9),
        limit in 0..10_usize,
    ) {
        let query = Query::parse("order.id:1").unwrap();
        let (found, is_cut) = carrying(&parts_of(&spans, &[], &cuts), &query, limit, &budget());
        let mut all: Vec<(Time, usize)> = spans.iter().enumerate().filter(|(_, span)| query.matches_span(span)).map(|(n, span)| (span.start, n)).collect();
        all.sort_unstable();
        prop_assert_eq!(is_cut, all.len() > limit);
        let mut kept: Vec<usize> = all.split_off(all.len().saturating_sub(limit)).into_iter().map(|(_, n)| n).collect();
        kept.sort_unstable();
        let mut seen = Vec::new();
        kept.retain(|n| {
            let id = (spans[*n].trace_id, spans[*n].span_id);
            let is_new = !seen.contains(&id);
            seen.push(id);
            is_new
        });
        prop_assert_eq!(found.iter().map(|span| (**span).clone()).collect::<Vec<_>>(), kept.into_iter().map(|n| spans[n].clone()).collect::<Vec<_>>());
    }
}

#[test]
fn d04_a_query_that_nobody_waits_for_ends() {
    let spans: Vec<_> = (0..100).map(|n| span(n, 0, u64::from(n), false, 0)).collect();
    let parts = parts_of(&spans, &[], &[false]);
    let query = Query::parse("").unwrap();
    let search = TraceQuery {
        query: &query,
        since: None,
        until: None,
        limit: 10,
        columns: Columns::ALL,
        after: None,
    };
    let cancelled = Budget::new(Duration::from_secs(60), Arc::new(AtomicBool::new(true)));
    let late = Budget::new(Duration::ZERO, Arc::default());
    for spent in [cancelled, late] {
        let page = traces(&parts, &search, &spent);
        assert!(page.truncated && page.more && page.traces.is_empty());
    }
}

#[test]
fn d02_a_page_of_large_traces_is_shorter_and_none_is_left_out() {
    const SPANS: u64 = 300;
    let large = Value::Text("x".repeat(100_000).into());
    let mut block = SpanBlock::default();
    for (trace, id) in (0..4).flat_map(|trace| (0..SPANS).map(move |id| (trace, id))) {
        let row = SpanRow {
            span_id: SpanId((id + 1).to_be_bytes()),
            attributes: Attributes(vec![("large".into(), large.clone())]),
            ..span(trace, 0, id, false, 0)
        };
        block.push_row(&row, Time(0));
    }
    let parts = Parts {
        spans: vec![SpanPart::Block(Arc::new(block))],
        ..Parts::default()
    };
    let query = Query::parse("").unwrap();
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let search = TraceQuery {
            query: &query,
            since: None,
            until: None,
            limit: 3,
            columns: Columns::ALL,
            after,
        };
        let page = traces(&parts, &search, &budget());
        let whole = page.traces.iter().filter(|(_, spans)| spans.len() as u64 == SPANS);
        assert_eq!(whole.count(), page.traces.len(), "each trace is whole");
        pages.push(page.traces.len());
        after = page.traces.last().map(|(place, _)| *place);
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [2, 2], "thirty megabytes each, and sixty-four for a page");
}

#[test]
fn d02_a_page_of_large_records_is_shorter_and_none_is_left_out() {
    let large = "x".repeat(1 << 20);
    let rows: Vec<_> = (0..100).map(|n| log(n, 1, &format!("{n} {large}"))).collect();
    let parts = parts_of(&[], &rows, &[false, true]);
    let query = Query::parse("").unwrap();
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let search = LogQuery {
            query: &query,
            since: None,
            until: None,
            limit: 1_000,
            after,
        };
        let page = logs(&parts, &search, &budget());
        assert!(page.logs.len() < 64, "more than fits");
        after = page.logs.last().map(|(place, _)| *place);
        found.extend(page.logs.iter().map(|(place, _)| place.at.0));
        if !page.more {
            break;
        }
    }
    assert_eq!(found, (0..100).rev().collect::<Vec<u64>>());
}

#[test]
fn the_logs_of_a_trace_come_in_order_of_time() {
    let rows = [log(3, 1, "c"), log(1, 1, "a"), log(2, 2, "other"), log(2, 1, "b")];
    let parts = parts_of(&[], &rows, &[true, false]);
    let bodies: Vec<_> = logs_of(&parts, TraceId([2; 16]), 10, &budget())
        .iter()
        .map(|log| log.body.clone())
        .collect();
    assert_eq!(bodies, ["a", "b", "c"].map(|text| Value::Text(text.into())));
}
