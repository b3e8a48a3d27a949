//! Log records by query, newest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_core::rows::{LogRow, TraceId};
use sagascope_core::search::Query;

use super::budget::Budget;
use super::parts::{LogPart, Parts, newest_first, range};
use super::weigh::{self, PAGE_BYTES_MAX};

/// Rows between two looks at the budget.
const STRIDE: usize = 4_096;

/// A search for log records.
#[derive(Clone, Debug)]
pub struct LogQuery<'a> {
    /// What a record must match.
    pub query: &'a Query,
    /// Records before that do not count.
    pub since: Option<Time>,
    /// Records from then on do not count.
    pub until: Option<Time>,
    /// Records of a page.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<LogCursor>,
}

/// A record's place: the newest first; of equal times the one that came last first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor {
    /// When it happened.
    pub at: Time,
    /// Its ordinal among all records ever taken.
    pub sequence: u64,
}

/// A page of log records.
#[derive(Debug, Default)]
pub struct LogPage {
    /// Records with their places.
    pub logs: Vec<(LogCursor, Arc<LogRow>)>,
    /// There may be more behind the last.
    pub more: bool,
    /// The budget ended before all was looked at: older records may be missing.
    pub truncated: bool,
}

/// Finds log records.
#[must_use]
pub fn logs(parts: &Parts, search: &LogQuery<'_>, budget: &Budget) -> LogPage {
    let Some((from, until)) = range(search.since, search.until) else {
        return LogPage::default();
    };
    let last = search.after.map_or(until, |after| until.min(after.at));
    let within = newest_first(&parts.logs, LogPart::times, (from, last));
    // One more than a page tells that there is a next one.
    let mut found: BTreeSet<(LogCursor, usize)> = BTreeSet::new();
    let mut truncated = false;
    for (n, (end, part)) in within.iter().enumerate() {
        if found.len() > search.limit && found.first().is_some_and(|(oldest, _)| oldest.at > *end) {
            break;
        }
        part.candidates(search.query, (from, last), &mut |block, rest| {
            let mut select = search.query.over_logs(block);
            for row in 0..block.len() {
                if row % STRIDE == 0 && budget.is_spent() {
                    truncated = true;
                    return false;
                }
                let place = LogCursor {
                    at: block.at[row],
                    sequence: block.sequence[row],
                };
                let is_in = place.at >= from && place.at <= last && search.after.is_none_or(|after| place < after);
                let is_late = found.len() > search.limit && found.first().is_some_and(|(oldest, _)| place < *oldest);
                if is_in && !is_late && select.matches(row) {
                    found.insert((place, n));
                    if found.len() > search.limit + 1 {
                        found.pop_first();
                    }
                }
            }
            // Nothing that is as old as the rest would stay.
            !(found.len() > search.limit && found.first().is_some_and(|(oldest, _)| Some(oldest.at) > rest))
        });
        if truncated {
            break;
        }
    }
    let more = found.len() > search.limit;
    if more {
        found.pop_first();
    }
    let logs = load(&within, &found);
    LogPage {
        more: more || truncated || logs.len() < found.len(),
        logs,
        truncated,
    }
}

/// The records of a trace in order of time, at most `limit`.
#[must_use]
pub fn logs_of(parts: &Parts, id: TraceId, limit: usize, budget: &Budget) -> Vec<Arc<LogRow>> {
    let Ok(query) = Query::parse(&format!("trace_id:{id}")) else {
        return Vec::new();
    };
    let search = LogQuery {
        query: &query,
        since: None,
        until: None,
        limit,
        after: None,
    };
    let mut rows: Vec<_> = logs(parts, &search, budget)
        .logs
        .into_iter()
        .map(|(_, log)| log)
        .collect();
    rows.reverse();
    rows
}

/// The rows at these places of these parts, newest first; the oldest are left out when all would be too much.
fn load(within: &[(Time, &LogPart)], found: &BTreeSet<(LogCursor, usize)>) -> Vec<(LogCursor, Arc<LogRow>)> {
    let mut wanted: HashMap<usize, HashSet<u64>> = HashMap::new();
    for (place, n) in found {
        wanted.entry(*n).or_default().insert(place.sequence);
    }
    let mut rows = BTreeMap::new();
    // What lies behind this place is left out.
    let (mut total, mut end) = (0, None);
    for (n, sequences) in wanted {
        let mut sorted: Vec<u64> = sequences.iter().copied().collect();
        sorted.sort_unstable();
        within[n].1.rows(&sorted, |block| {
            for log in block.rows().filter(|log| sequences.contains(&log.sequence())) {
                let place = Reverse(LogCursor {
                    at: log.at(),
                    sequence: log.sequence(),
                });
                if end.is_some_and(|end| place >= end) {
                    continue;
                }
                let log = Arc::new(log.to_row());
                total += weigh::log(&log);
                rows.insert(place, log);
                while total > PAGE_BYTES_MAX && rows.len() > 1 {
                    if let Some((place, left_out)) = rows.pop_last() {
                        total -= weigh::log(&left_out);
                        end = Some(place);
                    }
                }
            }
        });
    }
    rows.into_iter().map(|(Reverse(place), log)| (place, log)).collect()
}
