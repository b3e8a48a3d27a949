//! Messages given up. The events bring them, the count says when a destination was emptied.

use std::collections::{BTreeMap, BTreeSet};

use sagascope_api::Time;
use sagascope_api::read_models::DeadLetter;
use sagascope_conventions::attributes as key;
use sagascope_conventions::events::{self, metrics};
use serde::{Deserialize, Serialize};

use super::counter;
use super::names::cut;
use crate::block::{LogRef, PointRef};

/// A count of zero speaks of letters older than this only: it may have been read before the letter came, seconds.
const SETTLED_SECONDS: f64 = 2.0;

/// All dead letters.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeadLetters {
    limit: usize,
    by_id: BTreeMap<String, DeadLetter>,
    by_time: BTreeSet<(Time, String)>,
    /// When each destination was last said to be empty.
    emptied: BTreeMap<String, Time>,
    #[serde(skip)]
    changed: BTreeSet<String>,
    #[serde(skip)]
    removed: Vec<String>,
    dropped: u64,
}

impl DeadLetters {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            by_id: BTreeMap::new(),
            by_time: BTreeSet::new(),
            emptied: BTreeMap::new(),
            changed: BTreeSet::new(),
            removed: Vec::new(),
            dropped: 0,
        }
    }

    /// Bounded by `limit` from now on.
    pub(super) const fn restored(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Joins a log record when it tells of a message given up.
    pub(super) fn apply_log(&mut self, log: LogRef<'_>) {
        match log.event_name() {
            Some(events::MESSAGE_DEAD_LETTERED) => {}
            Some(events::MESSAGE_DEAD_LETTER_SETTLED) => return self.settle(log),
            _ => return,
        }
        let Some(letter) = letter(log) else { return };
        let emptied = self.emptied.get(&letter.destination);
        if emptied.is_some_and(|at| at.seconds_since(letter.at) > SETTLED_SECONDS) {
            return;
        }
        if let Some(known) = self.by_id.get(&letter.id) {
            // The same message may be given up again after a replay: the later time stands.
            if known.at >= letter.at {
                return;
            }
            self.by_time.remove(&(known.at, known.id.clone()));
        }
        self.by_time.insert((letter.at, letter.id.clone()));
        self.changed.insert(letter.id.clone());
        self.by_id.insert(letter.id.clone(), letter);
        while self.by_id.len() > self.limit {
            let Some((_, oldest)) = self.by_time.first().cloned() else {
                return;
            };
            self.let_go(&oldest);
            self.dropped += 1;
        }
    }

    /// Joins a metric point when it counts dead letters: none left means they were replayed or purged.
    pub(super) fn apply_point(&mut self, point: PointRef<'_>) {
        if point.metric_name() != metrics::DEAD_LETTER_COUNT || counter::count(point) != Some(0) {
            return;
        }
        let Some(destination) = point.attributes().text(key::MESSAGING_DESTINATION_NAME).map(cut) else {
            return;
        };
        if self.emptied.len() < self.limit || self.emptied.contains_key(destination) {
            let emptied = self.emptied.entry(destination.to_owned()).or_default();
            *emptied = point.at().max(*emptied);
        }
        let gone: Vec<String> = self
            .by_id
            .values()
            .filter(|letter| letter.destination == destination)
            .filter(|letter| point.at().seconds_since(letter.at) > SETTLED_SECONDS)
            .map(|letter| letter.id.clone())
            .collect();
        for id in gone {
            self.let_go(&id);
        }
    }

    /// It was replayed, purged or handled after all. Events of one service come in order, so nothing settles a letter
    /// that it has not told of before.
    fn settle(&mut self, log: LogRef<'_>) {
        let Some(id) = log.attributes().text(key::MESSAGING_MESSAGE_ID).map(cut) else {
            return;
        };
        if self.by_id.get(id).is_some_and(|letter| letter.at <= log.at()) {
            let id = id.to_owned();
            self.let_go(&id);
        }
    }

    pub(super) fn take_changes(&mut self) -> Option<(Vec<DeadLetter>, Vec<String>)> {
        let changed = std::mem::take(&mut self.changed);
        let rows: Vec<DeadLetter> = changed.iter().filter_map(|id| self.by_id.get(id)).cloned().collect();
        let removed = std::mem::take(&mut self.removed);
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    /// Newest first.
    pub(super) fn rows(&self) -> Vec<DeadLetter> {
        self.by_time
            .iter()
            .rev()
            .filter_map(|(_, id)| self.by_id.get(id))
            .cloned()
            .collect()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn let_go(&mut self, id: &str) {
        if let Some(letter) = self.by_id.remove(id) {
            self.by_time.remove(&(letter.at, letter.id.clone()));
            self.changed.remove(id);
            self.removed.push(letter.id);
        }
    }
}

fn letter(log: LogRef<'_>) -> Option<DeadLetter> {
    let attributes = log.attributes();
    let text = |key: &str| attributes.text(key).map(|text| cut(text).to_owned());
    Some(DeadLetter {
        id: text(key::MESSAGING_MESSAGE_ID).filter(|id| !id.is_empty())?,
        destination: text(key::MESSAGING_DESTINATION_NAME).unwrap_or_default(),
        service: cut(log.resource().service()).to_owned(),
        reason: text(key::DEAD_LETTER_REASON),
        attempts: attributes
            .int(key::DEAD_LETTER_ATTEMPTS)
            .and_then(|n| u32::try_from(n).ok()),
        at: log.at(),
        correlation_id: text(key::CORRELATION_ID).or_else(|| text(key::CONVERSATION_ID)),
        trace_id: log.trace_id().map(|id| id.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{LogRow, Value};
    use crate::testing::{at, event, gauge, log_block, point_block, text};

    fn given_up(seconds: f64, id: &str) -> LogRow {
        let pairs = [
            ("messaging.message.id", text(id)),
            ("messaging.destination.name", text("payments.events")),
            ("dead_letter.reason", text("schema v3 unknown")),
            ("dead_letter.attempts", Value::Int(5)),
        ];
        event("broker", seconds, "message.dead_lettered", &pairs)
    }

    fn ids(letters: &DeadLetters) -> Vec<String> {
        letters.rows().into_iter().map(|letter| letter.id).collect()
    }

    #[test]
    fn letters_come_newest_first_and_once() {
        let mut letters = DeadLetters::new(10);
        for log in [given_up(2.0, "b"), given_up(1.0, "a"), given_up(2.0, "b")] {
            letters.apply_log(log_block(std::slice::from_ref(&log)).row(0));
        }
        assert_eq!(ids(&letters), ["b", "a"]);
        assert_eq!(letters.rows()[0].reason.as_deref(), Some("schema v3 unknown"));
        assert_eq!(letters.take_changes().unwrap().0.len(), 2);
        assert_eq!(letters.take_changes(), None);
    }

    #[test]
    fn of_too_many_the_oldest_goes() {
        let mut letters = DeadLetters::new(2);
        for n in 0..5 {
            letters.apply_log(log_block(std::slice::from_ref(&given_up(f64::from(n), &n.to_string()))).row(0));
        }
        assert_eq!((ids(&letters), letters.dropped()), (vec!["4".into(), "3".into()], 3));
    }

    #[test]
    fn a_letter_that_was_settled_is_gone_until_it_is_given_up_again() {
        let settled = |seconds, id: &str| {
            let pairs = [
                ("messaging.message.id", text(id)),
                ("messaging.destination.name", text("payments.events")),
                ("dead_letter.outcome", text("replayed")),
            ];
            event("broker", seconds, "message.dead_letter.settled", &pairs)
        };
        let mut letters = DeadLetters::new(10);
        let mut apply = |log: LogRow| letters.apply_log(log_block(std::slice::from_ref(&log)).row(0));
        apply(given_up(1.0, "a"));
        apply(given_up(2.0, "b"));
        apply(settled(3.0, "a"));
        apply(settled(3.0, "unknown"));
        apply(settled(1.0, "b"));
        assert_eq!(ids(&letters), ["b"], "told before it was given up: not of this time");
        assert_eq!(letters.take_changes().unwrap().1, ["a"]);
        let mut apply = |log: LogRow| letters.apply_log(log_block(std::slice::from_ref(&log)).row(0));
        apply(given_up(4.0, "a"));
        assert_eq!(ids(&letters), ["a", "b"]);
    }

    #[test]
    fn a_destination_said_to_be_empty_has_no_letters_whichever_comes_first() {
        let empty = |seconds| {
            let name = [("messaging.destination.name", text("payments.events"))];
            gauge("broker", seconds, "dead_letter.count", 0.0, &name)
        };
        let mut letters = DeadLetters::new(10);
        letters.apply_log(log_block(std::slice::from_ref(&given_up(1.0, "a"))).row(0));
        letters.apply_log(log_block(std::slice::from_ref(&given_up(9.0, "b"))).row(0));
        letters.apply_point(point_block(std::slice::from_ref(&empty(2.0))).row(0));
        assert_eq!(ids(&letters), ["b", "a"], "too soon to tell");
        letters.apply_point(point_block(std::slice::from_ref(&empty(10.0))).row(0));
        assert_eq!(ids(&letters), ["b"]);
        letters.apply_log(log_block(std::slice::from_ref(&given_up(1.0, "a"))).row(0));
        assert_eq!(ids(&letters), ["b"], "told late");
        assert_eq!(letters.rows()[0].at, at(9.0));
    }
}
