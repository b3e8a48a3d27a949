//! Invariants by what their watchers tell: a gauge of violations, a counter of looks, and an event for each violation.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::invariants::{Evidence, Invariant};
use sagascope_conventions::events::{self, metrics};
use sagascope_conventions::{InvariantState, attributes as key};
use serde::{Deserialize, Serialize};

use super::counter::{self, Counter};
use super::names::Names;
use crate::block::{AttributesRef, LogRef, PointRef};

/// Without a look for so long nothing is known, seconds. A busy watcher rests longer between looks than an idle one.
const SILENT_SECONDS: f64 = 60.0;
/// Silence after which an invariant is forgotten, seconds.
const FORGET_SECONDS: f64 = 3_600.0;
/// Violations kept of one invariant.
const EVIDENCE: usize = 5;
/// Characters kept of a sentence, and of a violation.
const LONGEST: usize = 300;

/// All invariants, by id and the service that looks: a restarted process continues the row of its predecessor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Invariants {
    limit: usize,
    held: BTreeMap<(Arc<str>, Arc<str>), Known>,
    #[serde(skip)]
    removed: Vec<String>,
    dropped: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    statement: String,
    /// Violations, and when they were told.
    violations: Option<(Time, u64)>,
    /// The last time that there were none.
    clean_at: Time,
    /// Since when there are some, or none.
    since: Time,
    looks: Counter,
    looked_at: Time,
    /// Oldest first.
    evidence: Vec<Evidence>,
    #[serde(skip)]
    sent: Option<Invariant>,
}

/// What one look found, told by a program that keeps its own rows here.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Who looked.
    pub service: &'a str,
    /// At what.
    pub invariant: sagascope_conventions::Invariant,
    /// Each violation.
    pub found: &'a [String],
}

impl Invariants {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            held: BTreeMap::new(),
            removed: Vec::new(),
            dropped: 0,
        }
    }

    /// Bounded by `limit` from now on.
    pub(super) const fn restored(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Joins a metric point when it is of an invariant.
    pub(super) fn apply_point(&mut self, point: PointRef<'_>, names: &mut Names) {
        if !point.metric_name().starts_with("invariant.") {
            return;
        }
        let Some(value) = counter::count(point) else { return };
        let Some(known) = self.known(point.resource().service(), point.attributes(), names) else {
            return;
        };
        match point.metric_name() {
            metrics::INVARIANT_VIOLATIONS => known.found(point.at(), value),
            metrics::INVARIANT_LOOKS => {
                let is_first = known.looked_at == Time(0);
                if known.looks.rise(point) > 0 || is_first {
                    known.looked_at = known.looked_at.max(point.at());
                }
            }
            _ => {}
        }
    }

    /// Joins a log record when it tells of a violation, or that it is over.
    pub(super) fn apply_log(&mut self, log: LogRef<'_>, names: &mut Names) {
        let is_violated = match log.event_name() {
            Some(events::INVARIANT_VIOLATED) => true,
            Some(events::INVARIANT_RESTORED) => false,
            _ => return,
        };
        let attributes = log.attributes();
        let Some(known) = self.known(log.resource().service(), attributes, names) else {
            return;
        };
        // Whoever tells has looked.
        known.looked_at = known.looked_at.max(log.at());
        if !is_violated {
            return known.found(log.at(), 0);
        }
        let count = attributes.int(key::INVARIANT_VIOLATIONS);
        let count = count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1);
        known.found(log.at(), count.max(1));
        if let Some(evidence) = attributes.text(key::INVARIANT_EVIDENCE) {
            known.proven(log.at(), evidence);
        }
    }

    /// Joins a look of the collector itself.
    pub(super) fn look(&mut self, look: Look<'_>, now: Time, names: &mut Names) {
        let invariant = look.invariant;
        let Some(known) = self.row_of(look.service, invariant.as_str(), names) else {
            return;
        };
        known.statement = invariant.statement().to_owned();
        known.found(now, look.found.len() as u64);
        known.looked_at = known.looked_at.max(now);
        for evidence in look.found.iter().take(EVIDENCE) {
            known.proven(now, evidence);
        }
    }

    fn known(&mut self, service: &str, attributes: AttributesRef<'_>, names: &mut Names) -> Option<&mut Known> {
        let id = attributes.text(key::INVARIANT_ID)?;
        let known = self.row_of(service, id, names)?;
        if let Some(statement) = attributes.text(key::INVARIANT_STATEMENT)
            && known.statement != statement
        {
            known.statement = short(statement);
        }
        Some(known)
    }

    fn row_of(&mut self, service: &str, id: &str, names: &mut Names) -> Option<&mut Known> {
        let key = (names.share(id), names.share(service));
        if self.held.len() >= self.limit && !self.held.contains_key(&key) {
            self.dropped += 1;
            return None;
        }
        Some(self.held.entry(key).or_default())
    }

    /// Forgets the long silent.
    pub(super) fn tick(&mut self, now: Time) {
        let removed = &mut self.removed;
        self.held.retain(|(id, service), known| {
            let keep = now.seconds_since(known.heard_at()) <= FORGET_SECONDS;
            if !keep {
                removed.push(format!("{id}/{service}"));
            }
            keep
        });
    }

    /// Rows that differ from those last handed out; that one was looked at once more is told at the pace of `rates`.
    pub(super) fn take_changes(&mut self, now: Time, rates: bool) -> Option<(Vec<Invariant>, Vec<String>)> {
        let mut rows = Vec::new();
        for (key, known) in &mut self.held {
            let row = known.row(key, now);
            let is_news = match &known.sent {
                None => true,
                Some(sent) if rates => *sent != row,
                Some(sent) => {
                    (sent.state, sent.violations, &sent.evidence) != (row.state, row.violations, &row.evidence)
                }
            };
            if is_news {
                known.sent = Some(row.clone());
                rows.push(row);
            }
        }
        let removed = std::mem::take(&mut self.removed);
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    pub(super) fn rows(&self, now: Time) -> Vec<Invariant> {
        self.held.iter().map(|(key, known)| known.row(key, now)).collect()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Known {
    fn found(&mut self, at: Time, violations: u64) {
        if violations == 0 {
            // What was found until then is over.
            self.clean_at = self.clean_at.max(at);
            self.evidence.retain(|evidence| evidence.at > at);
        }
        if self.violations.is_some_and(|(newest, _)| at < newest) {
            return;
        }
        let (before, is_first) = (self.count() > 0, self.violations.is_none());
        if is_first || before != (violations > 0) {
            self.since = at;
        }
        self.violations = Some((at, violations));
    }

    fn proven(&mut self, at: Time, text: &str) {
        let text = short(text);
        if at <= self.clean_at {
            return;
        }
        match self.evidence.iter_mut().find(|known| known.text == text) {
            Some(known) => known.at = known.at.max(at),
            None => self.evidence.push(Evidence { at, text }),
        }
        self.evidence
            .sort_by(|one, other| (one.at, &one.text).cmp(&(other.at, &other.text)));
        let surplus = self.evidence.len().saturating_sub(EVIDENCE);
        self.evidence.drain(..surplus);
    }

    fn count(&self) -> u64 {
        self.violations.map_or(0, |(_, count)| count)
    }

    fn heard_at(&self) -> Time {
        self.violations.map_or(self.looked_at, |(at, _)| at.max(self.looked_at))
    }

    /// A violation stays one until a look finds none; that nothing was found fades.
    fn state(&self, now: Time) -> InvariantState {
        match self.violations {
            Some((_, count)) if count > 0 => InvariantState::Violated,
            Some(_) if now.seconds_since(self.looked_at) <= SILENT_SECONDS => InvariantState::Holds,
            _ => InvariantState::NoData,
        }
    }

    fn row(&self, (id, service): &(Arc<str>, Arc<str>), now: Time) -> Invariant {
        let state = self.state(now);
        let evidence = self.evidence.iter().rev().filter(|_| state == InvariantState::Violated);
        Invariant {
            id: id.to_string(),
            service: service.to_string(),
            statement: self.statement.clone(),
            state,
            violations: self.count(),
            since: self.since,
            looked_at: self.looked_at,
            evidence: evidence.cloned().collect(),
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{PointRow, Value};
    use crate::testing::{at, counter, event, gauge, log_block, point_block, text};

    #[derive(Debug)]
    struct Picture(Invariants, Names);

    impl Picture {
        fn new() -> Self {
            Self(Invariants::new(10), Names::default())
        }

        fn hear(&mut self, point: PointRow) {
            self.0
                .apply_point(point_block(std::slice::from_ref(&point)).row(0), &mut self.1);
        }

        fn look(&mut self, process: &str, seconds: f64, looks: f64, violations: f64) {
            let pairs = [
                ("invariant.id", text("INV-02")),
                ("invariant.statement", text("Nothing is oversold")),
            ];
            self.hear(gauge(process, seconds, "invariant.violations", violations, &pairs));
            self.hear(counter(process, seconds, "invariant.looks", looks, &pairs));
        }

        fn event(&mut self, seconds: f64, name: &str, evidence: &str) {
            let pairs = [
                ("invariant.id", text("INV-02")),
                ("invariant.evidence", text(evidence)),
                ("invariant.violations", Value::Int(2)),
            ];
            let log = event("inventory", seconds, name, &pairs);
            self.0
                .apply_log(log_block(std::slice::from_ref(&log)).row(0), &mut self.1);
        }

        fn row(&self, seconds: f64) -> Invariant {
            let rows = self.0.rows(at(seconds));
            assert_eq!(rows.len(), 1);
            rows[0].clone()
        }

        fn evidence(&self, seconds: f64) -> Vec<String> {
            self.row(seconds)
                .evidence
                .into_iter()
                .map(|evidence| evidence.text)
                .collect()
        }
    }

    #[test]
    fn it_holds_is_violated_and_holds_again() {
        let mut picture = Picture::new();
        picture.look("inventory", 1.0, 1.0, 0.0);
        let row = picture.row(2.0);
        assert_eq!(
            (row.state, row.since, row.looked_at),
            (InvariantState::Holds, at(1.0), at(1.0))
        );
        assert_eq!(row.statement, "Nothing is oversold");
        picture.event(4.0, "invariant.violated", "p-1");
        picture.event(4.0, "invariant.violated", "p-2");
        let row = picture.row(4.0);
        assert_eq!(
            (row.state, row.looked_at),
            (InvariantState::Violated, at(4.0)),
            "the event is faster than the gauge"
        );
        picture.look("inventory", 5.0, 2.0, 2.0);
        let row = picture.row(5.0);
        assert_eq!((row.violations, row.since, row.looked_at), (2, at(4.0), at(5.0)));
        assert_eq!(picture.evidence(5.0), ["p-2", "p-1"]);
        picture.look("inventory#2", 9.0, 1.0, 0.0);
        let row = picture.row(9.0);
        assert_eq!(
            (row.state, row.since),
            (InvariantState::Holds, at(9.0)),
            "whichever process looks"
        );
        assert_eq!(row.evidence, []);
    }

    #[test]
    fn a_gauge_that_is_only_repeated_is_no_look() {
        let mut picture = Picture::new();
        for seconds in 1..100 {
            picture.look("inventory", f64::from(seconds), 7.0, 0.0);
        }
        let row = picture.row(99.0);
        assert_eq!((row.state, row.looked_at), (InvariantState::NoData, at(1.0)));
        picture.look("inventory", 100.0, 8.0, 0.0);
        assert_eq!(picture.row(100.0).state, InvariantState::Holds);
    }

    #[test]
    fn a_violation_does_not_fade() {
        let mut picture = Picture::new();
        picture.look("inventory", 1.0, 1.0, 3.0);
        assert_eq!(picture.row(1_000.0).state, InvariantState::Violated);
        picture.0.tick(at(1_000.0));
        assert_eq!(picture.0.rows(at(1_000.0)).len(), 1);
        picture.0.tick(at(5_000.0));
        assert_eq!(picture.0.rows(at(5_000.0)).len(), 0, "until its service is forgotten");
        let (_, removed) = picture.0.take_changes(at(5_000.0), true).expect("told");
        assert_eq!(removed, ["INV-02/inventory"]);
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let acts: [&dyn Fn(&mut Picture); 5] = [
            &|picture| picture.look("inventory", 1.0, 1.0, 0.0),
            &|picture| picture.event(2.0, "invariant.violated", "old"),
            &|picture| picture.event(3.0, "invariant.restored", ""),
            &|picture| picture.event(6.0, "invariant.violated", "new"),
            &|picture| picture.look("inventory", 6.5, 2.0, 2.0),
        ];
        for turn in 0..acts.len() {
            let mut picture = Picture::new();
            for act in (0..acts.len()).map(|n| (n + turn) % acts.len()) {
                acts[act](&mut picture);
                acts[act](&mut picture);
            }
            let row = picture.row(7.0);
            assert_eq!(
                (row.state, row.violations),
                (InvariantState::Violated, 2),
                "turn {turn}"
            );
            assert_eq!(picture.evidence(7.0), ["new"], "turn {turn}");
        }
    }

    #[test]
    fn evidence_and_rows_are_bounded() {
        let mut picture = Picture::new();
        for n in 0..20 {
            picture.event(
                f64::from(n),
                "invariant.violated",
                &format!("{n} {}", "x".repeat(1_000)),
            );
        }
        let row = picture.row(20.0);
        assert_eq!(row.evidence.len(), EVIDENCE);
        assert!(row.evidence[0].text.starts_with("19 ") && row.evidence[0].text.len() == LONGEST);
        for n in 0..20 {
            let id = text(&format!("X-{n}"));
            picture.hear(gauge(
                "inventory",
                1.0,
                "invariant.violations",
                0.0,
                &[("invariant.id", id)],
            ));
        }
        assert_eq!((picture.0.rows(at(1.0)).len(), picture.0.dropped()), (10, 11));
    }

    #[test]
    fn watchers_hear_of_a_violation_at_once_and_of_looks_now_and_then() {
        let mut picture = Picture::new();
        picture.look("inventory", 1.0, 1.0, 0.0);
        assert!(picture.0.take_changes(at(1.0), false).is_some());
        picture.look("inventory", 2.0, 2.0, 0.0);
        assert!(picture.0.take_changes(at(2.0), false).is_none());
        assert!(picture.0.take_changes(at(2.0), true).is_some());
        picture.event(3.0, "invariant.violated", "p-1");
        let (rows, _) = picture.0.take_changes(at(3.0), false).expect("told");
        assert_eq!(rows[0].state, InvariantState::Violated);
        assert!(picture.0.take_changes(at(70.0), false).is_none(), "it stays violated");
    }
}
