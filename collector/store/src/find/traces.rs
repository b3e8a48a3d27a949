//! Traces by query and by id, and what carries a correlation id.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_core::block::SpanBlock;
use sagascope_core::rows::{SpanRow, TraceId};
use sagascope_core::search::Query;

use super::budget::Budget;
use super::parts::{Parts, SpanPart, newest_first, range};

/// Spans taken of one trace; whoever shows fewer says how many it left out.
const TRACE_SPANS_MAX: usize = 200_000;
/// Rows between two looks at the budget.
const STRIDE: usize = 4_096;

/// A search for traces: a trace is found when a span of it matches.
#[derive(Clone, Debug)]
pub struct TraceQuery<'a> {
    /// What a span must match.
    pub query: &'a Query,
    /// Spans that start earlier do not count.
    pub since: Option<Time>,
    /// Spans that start then or later do not count.
    pub until: Option<Time>,
    /// Traces of a page.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<TraceCursor>,
}

/// A trace's place among those found: by its newest matching span, the newest first; then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceCursor {
    /// Start of the newest matching span.
    pub newest: Time,
    /// The trace.
    pub trace_id: TraceId,
}

impl TraceCursor {
    /// Does it come behind `other`?
    fn is_after(&self, other: &Self) -> bool {
        (std::cmp::Reverse(self.newest), self.trace_id) > (std::cmp::Reverse(other.newest), other.trace_id)
    }
}

/// A page of traces.
#[derive(Debug, Default)]
pub struct TracePage {
    /// Each trace's place, with all of its spans in order of arrival, each once.
    pub traces: Vec<(TraceCursor, Vec<Arc<SpanRow>>)>,
    /// There may be more behind the last.
    pub more: bool,
    /// The budget ended before all was looked at: older traces may be missing.
    pub truncated: bool,
}

/// Finds traces.
#[must_use]
pub fn traces(parts: &Parts, search: &TraceQuery<'_>, budget: &Budget) -> TracePage {
    let Some((from, until)) = range(search.since, search.until) else {
        return TracePage::default();
    };
    // Nothing at or behind the cursor starts later than it.
    let last = search.after.map_or(until, |after| until.min(after.newest));
    let within = newest_first(&parts.spans, SpanPart::times, (from, last));
    let mut newest: HashMap<TraceId, Time> = HashMap::new();
    let mut settled = Settled::new(parts, search, (from, until));
    let mut truncated = false;
    for (n, (_, part)) in within.iter().enumerate() {
        truncated = !gather(part, search.query, (from, last), &mut newest, budget);
        if truncated {
            break;
        }
        let next = within.get(n + 1).map(|(newest, _)| *newest);
        if next.is_some_and(|next| settled.take(&newest, Some(next))) {
            break;
        }
    }
    settled.take(&newest, None);
    let mut found = settled.found;
    let more = found.len() > search.limit;
    found.truncate(search.limit);
    let ids: Vec<TraceId> = found.iter().map(|place| place.trace_id).collect();
    let mut spans = load(parts, &ids);
    let traces = found
        .into_iter()
        .map(|place| (place, spans.remove(&place.trace_id).unwrap_or_default()))
        .collect();
    TracePage {
        traces,
        more: more || truncated,
        truncated,
    }
}

/// Notes the newest matching span of each trace in a part; false when the budget ended.
fn gather(
    part: &SpanPart,
    query: &Query,
    (from, last): (Time, Time),
    newest: &mut HashMap<TraceId, Time>,
    budget: &Budget,
) -> bool {
    let mut is_spent = false;
    part.candidates(query, (from, last), &mut |block| {
        let mut select = query.over_spans(block);
        for row in 0..block.len() {
            if row % STRIDE == 0 && budget.is_spent() {
                is_spent = true;
                return false;
            }
            let start = block.start[row];
            if start < from || start > last {
                continue;
            }
            let known = newest.get(&block.trace_id[row]);
            if known.is_none_or(|known| *known < start) && select.matches(row) {
                newest.insert(block.trace_id[row], start);
            }
        }
        true
    });
    !is_spent
}

/// The places that no older part can change, in order.
struct Settled<'a> {
    parts: &'a Parts,
    search: &'a TraceQuery<'a>,
    range: (Time, Time),
    found: Vec<TraceCursor>,
    looked_at: HashSet<TraceId>,
}

impl<'a> Settled<'a> {
    fn new(parts: &'a Parts, search: &'a TraceQuery<'a>, range: (Time, Time)) -> Self {
        Self {
            parts,
            search,
            range,
            found: Vec::new(),
            looked_at: HashSet::new(),
        }
    }

    /// Takes the places newer than `next`, where the next part begins; true when the page is full.
    fn take(&mut self, newest: &HashMap<TraceId, Time>, next: Option<Time>) -> bool {
        let mut places: Vec<TraceCursor> = newest
            .iter()
            .filter(|(id, at)| next.is_none_or(|next| **at > next) && !self.looked_at.contains(*id))
            .map(|(id, at)| TraceCursor {
                newest: *at,
                trace_id: *id,
            })
            .collect();
        places.sort_unstable_by_key(|place| (std::cmp::Reverse(place.newest), place.trace_id));
        for place in places {
            if self.found.len() > self.search.limit {
                return true;
            }
            self.looked_at.insert(place.trace_id);
            if self
                .search
                .after
                .is_none_or(|after| place.is_after(&after) && self.is_newest(&place))
            {
                self.found.push(place);
            }
        }
        self.found.len() > self.search.limit
    }

    /// A trace of an earlier page has a newer matching span than those looked at now. Repeats count as they did there.
    fn is_newest(&self, place: &TraceCursor) -> bool {
        let (from, until) = self.range;
        let spans = load_all(self.parts, &[place.trace_id])
            .remove(&place.trace_id)
            .unwrap_or_default();
        let spans = spans.iter().map(|(_, span)| span);
        let counts =
            |span: &&Arc<SpanRow>| span.start >= from && span.start <= until && self.search.query.matches_span(span);
        spans.filter(counts).map(|span| span.start).max() == Some(place.newest)
    }
}

/// All spans of a trace in order of arrival, each once.
#[must_use]
pub fn trace(parts: &Parts, id: TraceId) -> Vec<Arc<SpanRow>> {
    load(parts, &[id]).remove(&id).unwrap_or_default()
}

/// The spans of several traces, each in order of arrival and once.
fn load(parts: &Parts, ids: &[TraceId]) -> HashMap<TraceId, Vec<Arc<SpanRow>>> {
    let once = |mut spans: Vec<(u64, Arc<SpanRow>)>| {
        let mut seen = HashSet::new();
        spans.sort_by_key(|(sequence, _)| *sequence);
        spans.retain(|(_, span)| seen.insert(span.span_id));
        spans.into_iter().map(|(_, span)| span).collect()
    };
    let all = load_all(parts, ids);
    all.into_iter().map(|(id, spans)| (id, once(spans))).collect()
}

/// The spans of several traces with their sequences, repeats included.
fn load_all(parts: &Parts, ids: &[TraceId]) -> HashMap<TraceId, Vec<(u64, Arc<SpanRow>)>> {
    let wanted: HashSet<TraceId> = ids.iter().copied().collect();
    let mut rows: HashMap<TraceId, Vec<(u64, Arc<SpanRow>)>> = HashMap::new();
    let mut take = |block: &SpanBlock| {
        for (row, id) in block.trace_id.iter().enumerate() {
            if wanted.contains(id) {
                let of_trace = rows.entry(*id).or_default();
                if of_trace.len() < TRACE_SPANS_MAX {
                    of_trace.push((block.sequence[row], Arc::new(block.row(row).to_row())));
                }
            }
        }
    };
    for part in &parts.spans {
        part.traces(ids, &mut take);
    }
    rows
}

/// The newest spans that match, at most `limit`, in order of arrival; and whether there are more.
#[must_use]
pub fn carrying(parts: &Parts, query: &Query, limit: usize, budget: &Budget) -> (Vec<Arc<SpanRow>>, bool) {
    let all = (Time(0), Time(u64::MAX));
    let mut found: BTreeSet<(Time, u64, usize)> = BTreeSet::new();
    let mut is_cut = false;
    let within = newest_first(&parts.spans, SpanPart::times, all);
    for (n, (end, part)) in within.iter().enumerate() {
        if found.len() > limit && found.first().is_some_and(|(oldest, ..)| *oldest > *end) {
            break;
        }
        part.candidates(query, all, &mut |block| {
            let mut select = query.over_spans(block);
            for row in 0..block.len() {
                if row % STRIDE == 0 && budget.is_spent() {
                    is_cut = true;
                    return false;
                }
                if select.matches(row) {
                    found.insert((block.start[row], block.sequence[row], n));
                    if found.len() > limit + 1 {
                        found.pop_first();
                    }
                }
            }
            true
        });
    }
    if found.len() > limit {
        found.pop_first();
        is_cut = true;
    }
    let mut rows = Vec::with_capacity(found.len());
    for (n, (_, part)) in within.iter().enumerate() {
        let sequences: Vec<u64> = found
            .iter()
            .filter(|(.., m)| *m == n)
            .map(|(_, sequence, _)| *sequence)
            .collect();
        if sequences.is_empty() {
            continue;
        }
        let wanted: HashSet<u64> = sequences.iter().copied().collect();
        part.rows(&sequences, |block| {
            let of_block = block.rows().filter(|span| wanted.contains(&span.sequence()));
            rows.extend(of_block.map(|span| (span.sequence(), Arc::new(span.to_row()))));
        });
    }
    rows.sort_by_key(|(sequence, _)| *sequence);
    let mut seen = HashSet::new();
    rows.retain(|(_, span)| seen.insert((span.trace_id, span.span_id)));
    (rows.into_iter().map(|(_, span)| span).collect(), is_cut)
}
