//! Traces by query and by id, and what carries a correlation id.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_core::rows::{SpanRow, TraceId};
use sagascope_core::search::Query;

use super::budget::Budget;
use super::parts::{Parts, SpanPart, newest_first, range};
use super::weigh::{self, PAGE_BYTES_MAX};
use crate::segments::Columns;

/// Rows between two looks at the budget.
const STRIDE: usize = 4_096;

/// What [`sagascope_core::trace::summarise`] looks at.
pub const SUMMARY: Columns = Columns::TIME
    .and(Columns::DURATION)
    .and(Columns::NAME)
    .and(Columns::STATUS)
    .and(Columns::RESOURCE)
    .and(Columns::ATTRIBUTES);

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
    /// What is wanted of their spans, beside their ids and sequences; the rest may be blank.
    pub columns: Columns,
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
    let mut newest = Newest::default();
    let mut settled = Settled::new(parts, search, (from, until), budget);
    let mut end = Gathered::All;
    for (n, (_, part)) in within.iter().enumerate() {
        let next = within.get(n + 1).map(|(newest, _)| *newest);
        end = gather(part, search.query, (from, last), &mut newest, budget, |newest, rest| {
            settled.take(newest, rest.max(next))
        });
        if end != Gathered::All {
            break;
        }
    }
    settled.take(&newest, None);
    let Settled {
        mut found,
        mut spans,
        held,
        is_spent,
        ..
    } = settled;
    let mut more = found.len() > search.limit;
    found.truncate(search.limit);
    let ids = found.iter().map(|place| place.trace_id);
    let missing: Vec<TraceId> = ids.filter(|id| !spans.contains_key(id)).collect();
    let loaded = load_all(
        parts,
        &missing,
        search.columns,
        PAGE_BYTES_MAX.saturating_sub(held),
        budget,
    );
    if let Some(left_out) = missing.get(loaded.kept)
        && let Some(end) = found.iter().position(|place| place.trace_id == *left_out)
        // The first of a page is always in it.
        && end > 0
    {
        found.truncate(end);
        more = true;
    }
    spans.extend(loaded.spans);
    let truncated = end == Gathered::Spent || is_spent || loaded.is_cut;
    let traces = found
        .into_iter()
        .map(|place| (place, once(spans.remove(&place.trace_id).unwrap_or_default())))
        .collect();
    TracePage {
        traces,
        more: more || truncated,
        truncated,
    }
}

/// Start of the newest matching span of each trace, so far.
type Newest = HashMap<TraceId, Time, foldhash::fast::RandomState>;

/// How looking at a part ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gathered {
    /// All of it was looked at.
    All,
    /// What is known is enough.
    Enough,
    /// The budget ended before.
    Spent,
}

/// Notes the newest matching span of each trace in a part. `is_enough` is asked after each block, and told how new what
/// is left of the part may be.
fn gather(
    part: &SpanPart,
    query: &Query,
    (from, last): (Time, Time),
    newest: &mut Newest,
    budget: &Budget,
    mut is_enough: impl FnMut(&Newest, Option<Time>) -> bool,
) -> Gathered {
    let mut gathered = Gathered::All;
    part.candidates(query, (from, last), &mut |block, rest| {
        let mut select = query.over_spans(block);
        for row in 0..block.len() {
            if row % STRIDE == 0 && budget.is_spent() {
                gathered = Gathered::Spent;
                return false;
            }
            let start = block.start[row];
            if start >= from && start <= last && select.matches(row) {
                let known = newest.entry(block.trace_id[row]).or_insert(start);
                *known = start.max(*known);
            }
        }
        if is_enough(newest, rest) {
            gathered = Gathered::Enough;
        }
        gathered == Gathered::All
    });
    gathered
}

/// The places that nothing older can change, in order.
struct Settled<'a> {
    parts: &'a Parts,
    search: &'a TraceQuery<'a>,
    range: (Time, Time),
    found: Vec<TraceCursor>,
    looked_at: HashSet<TraceId>,
    /// Spans of those found, as far as they had to be looked at and there is room.
    spans: SpansOf,
    /// Their bytes.
    held: usize,
    budget: &'a Budget,
    /// The budget ended while spans were looked at.
    is_spent: bool,
}

impl<'a> Settled<'a> {
    fn new(parts: &'a Parts, search: &'a TraceQuery<'a>, range: (Time, Time), budget: &'a Budget) -> Self {
        Self {
            parts,
            search,
            range,
            found: Vec::new(),
            looked_at: HashSet::new(),
            spans: SpansOf::new(),
            held: 0,
            budget,
            is_spent: false,
        }
    }

    /// Takes the places newer than `next`, which is as new as what is not looked at yet may be; true when the page is full.
    fn take(&mut self, newest: &Newest, next: Option<Time>) -> bool {
        let mut places: Vec<TraceCursor> = newest
            .iter()
            .filter(|(id, at)| next.is_none_or(|next| **at > next) && !self.looked_at.contains(*id))
            .map(|(id, at)| TraceCursor {
                newest: *at,
                trace_id: *id,
            })
            .filter(|place| self.search.after.is_none_or(|after| place.is_after(&after)))
            .collect();
        places.sort_unstable_by_key(|place| (std::cmp::Reverse(place.newest), place.trace_id));
        let mut rest = places.as_slice();
        while !rest.is_empty() && !self.is_full() && !self.is_spent {
            // One more than a page tells that there is a next one.
            let some = &rest[..rest.len().min(self.search.limit + 1 - self.found.len())];
            rest = &rest[self.judge(some)..];
        }
        self.is_full()
    }

    fn is_full(&self) -> bool {
        self.found.len() > self.search.limit
    }

    /// Takes those of these places that are no repeats: a trace of an earlier page has a newer matching span than those
    /// looked at now. Answers how many it looked at, which is one at least.
    fn judge(&mut self, places: &[TraceCursor]) -> usize {
        if self.search.after.is_none() {
            self.looked_at.extend(places.iter().map(|place| place.trace_id));
            self.found.extend_from_slice(places);
            return places.len();
        }
        let ids: Vec<TraceId> = places.iter().map(|place| place.trace_id).collect();
        let mut loaded = load_all(self.parts, &ids, Columns::ALL, PAGE_BYTES_MAX, self.budget);
        self.is_spent |= loaded.is_cut;
        let kept = loaded.kept.max(1);
        for place in &places[..kept] {
            self.looked_at.insert(place.trace_id);
            let spans = loaded.spans.remove(&place.trace_id).unwrap_or_default();
            if self.newest_of(&spans) == Some(place.newest) {
                self.found.push(*place);
                let bytes = bytes_of(&spans);
                if self.held + bytes <= PAGE_BYTES_MAX {
                    self.held += bytes;
                    self.spans.insert(place.trace_id, spans);
                }
            }
        }
        kept
    }

    fn newest_of(&self, spans: &[(u64, Arc<SpanRow>)]) -> Option<Time> {
        let (from, until) = self.range;
        let within = spans
            .iter()
            .map(|(_, span)| span)
            .filter(|span| span.start >= from && span.start <= until);
        within
            .filter(|span| self.search.query.matches_span(span))
            .map(|span| span.start)
            .max()
    }
}

/// All spans of a trace in order of arrival, each once; and whether there may be more, since the budget ended or it is
/// too large.
#[must_use]
pub fn trace(parts: &Parts, id: TraceId, budget: &Budget) -> (Vec<Arc<SpanRow>>, bool) {
    let mut loaded = load_all(parts, &[id], Columns::ALL, PAGE_BYTES_MAX, budget);
    (once(loaded.spans.remove(&id).unwrap_or_default()), loaded.is_cut)
}

/// Spans of traces, each with its sequence.
type SpansOf = HashMap<TraceId, Vec<(u64, Arc<SpanRow>)>>;

fn bytes_of(spans: &[(u64, Arc<SpanRow>)]) -> usize {
    spans.iter().map(|(_, span)| weigh::span(span)).sum()
}

/// In order of arrival, and each once.
fn once(mut spans: Vec<(u64, Arc<SpanRow>)>) -> Vec<Arc<SpanRow>> {
    let mut seen = HashSet::new();
    spans.sort_by_key(|(sequence, _)| *sequence);
    spans.retain(|(_, span)| seen.insert(span.span_id));
    spans.into_iter().map(|(_, span)| span).collect()
}

/// What was read of several traces.
struct Loaded {
    /// Spans with their sequences, repeats included.
    spans: SpansOf,
    /// So many of the traces, from the first on, are there; the others would have been too much.
    kept: usize,
    /// The budget ended before, or one trace alone was too much: spans may be missing.
    is_cut: bool,
}

/// Reads the spans of traces, of at most so many bytes in all.
fn load_all(parts: &Parts, ids: &[TraceId], columns: Columns, most: usize, budget: &Budget) -> Loaded {
    let columns = columns | Columns::TRACE | Columns::SPAN;
    let places: HashMap<TraceId, usize, foldhash::fast::RandomState> = ids.iter().copied().zip(0..).collect();
    let mut loaded = Loaded {
        spans: SpansOf::new(),
        kept: ids.len(),
        is_cut: false,
    };
    let mut total = 0;
    for part in &parts.spans {
        part.traces(ids, columns, &mut |block| {
            for (row, id) in block.trace_id.iter().enumerate() {
                if row % STRIDE == 0 && budget.is_spent() {
                    loaded.is_cut = true;
                    return false;
                }
                if places.get(id).is_none_or(|place| *place >= loaded.kept) {
                    continue;
                }
                let span = block.row(row).to_row();
                total += weigh::span(&span);
                let of_trace = loaded.spans.entry(*id).or_default();
                of_trace.push((block.sequence[row], Arc::new(span)));
                while total > most {
                    if loaded.kept <= 1 {
                        loaded.is_cut = true;
                        return false;
                    }
                    loaded.kept -= 1;
                    let left_out = loaded.spans.remove(&ids[loaded.kept]);
                    total -= left_out.as_deref().map_or(0, bytes_of);
                }
            }
            true
        });
        if loaded.is_cut {
            break;
        }
    }
    loaded
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
        part.candidates(query, all, &mut |block, rest| {
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
            // Nothing that is as old as the rest would stay.
            !(found.len() > limit && found.first().is_some_and(|(oldest, ..)| Some(*oldest) > rest))
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
