//! Canaries by what the one who shares the requests out tells: an event for each change of a share, which says why, and
//! gauges of the calls that decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sagascope_api::Time;
use sagascope_api::canaries::{Canary, CanaryCalls, CanaryChange};
use sagascope_conventions::events::{self, metrics};
use sagascope_conventions::{CanaryState, attributes as key};
use serde::{Deserialize, Serialize};

use super::counter;
use super::names::Names;
use crate::block::{LogRef, PointRef};

/// Silence after which a canary is forgotten, seconds.
const FORGET_SECONDS: f64 = 3_600.0;
/// Changes kept of one service.
const CHANGES: usize = 16;
/// Versions of one service whose gauges are kept.
const VERSIONS: usize = 4;
/// Characters kept of a reason, and of a version.
const LONGEST: usize = 300;

/// All canaries, by service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Canaries {
    limit: usize,
    held: BTreeMap<Arc<str>, Known>,
    #[serde(skip)]
    removed: Vec<String>,
    dropped: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// In the order of time; a repeat changes nothing.
    changes: BTreeSet<CanaryChange>,
    removed_at: Time,
    /// Who shares the requests out.
    told_by: Option<Newest<String>>,
    versions: BTreeMap<String, Gauges>,
    #[serde(skip)]
    sent: Option<Canary>,
}

/// The newest reading of each gauge.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Gauges {
    heard_at: Time,
    share: Newest<u64>,
    state: Option<Newest<CanaryState>>,
    stable: Track,
    canary: Track,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Track {
    calls: Newest<u64>,
    errors: Newest<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Newest<T> {
    at: Time,
    value: T,
}

impl<T: Ord> Newest<T> {
    /// Of two readings of one moment the greater stands, so that their order does not matter.
    fn join(&mut self, at: Time, value: T) {
        if (at, &value) > (self.at, &self.value) {
            *self = Self { at, value };
        }
    }
}

impl Canaries {
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

    /// Joins a metric point when it is of a canary.
    pub(super) fn apply_point(&mut self, point: PointRef<'_>, names: &mut Names) {
        if !point.metric_name().starts_with("canary.") {
            return;
        }
        let attributes = point.attributes();
        let told = (
            attributes.text(key::SERVICE_PEER_NAME),
            attributes.text(key::CANARY_VERSION),
        );
        let ((Some(service), Some(version)), Some(value)) = (told, counter::count(point)) else {
            return;
        };
        let Some(known) = self.known(service, names) else {
            return;
        };
        known.heard_from(point.resource().service(), point.at());
        let gauges = known.versions.entry(short(version)).or_default();
        gauges.heard_at = gauges.heard_at.max(point.at());
        let at = point.at();
        match point.metric_name() {
            metrics::CANARY_SHARE => gauges.share.join(at, value),
            metrics::CANARY_STATE if value > 0 => {
                let state = attributes.text(key::CANARY_STATE).and_then(CanaryState::parse);
                if let Some(state) = state {
                    gauges.state.get_or_insert(Newest { at, value: state }).join(at, state);
                }
            }
            metrics::CANARY_CALLS | metrics::CANARY_ERRORS => {
                let track = match attributes.text(key::CANARY_TRACK) {
                    Some("stable") => &mut gauges.stable,
                    Some("canary") => &mut gauges.canary,
                    _ => return,
                };
                if point.metric_name() == metrics::CANARY_CALLS {
                    track.calls.join(at, value);
                } else {
                    track.errors.join(at, value);
                }
            }
            _ => {}
        }
        known.shed();
    }

    /// Joins a log record when it tells of another share, or that there is no canary any more.
    pub(super) fn apply_log(&mut self, log: LogRef<'_>, names: &mut Names) {
        let is_removal = match log.event_name() {
            Some(events::CANARY_CHANGED) => false,
            Some(events::CANARY_REMOVED) => true,
            _ => return,
        };
        let attributes = log.attributes();
        let Some(service) = attributes.text(key::SERVICE_PEER_NAME) else {
            return;
        };
        if is_removal {
            if let Some(known) = self.known(service, names) {
                known.heard_from(log.resource().service(), log.at());
                known.removed_at = known.removed_at.max(log.at());
            }
            return;
        }
        let version = attributes.text(key::CANARY_VERSION);
        let state = attributes.text(key::CANARY_STATE).and_then(CanaryState::parse);
        let percent = attributes.int(key::CANARY_SHARE);
        let (Some(version), Some(state), Some(percent)) = (version, state, percent) else {
            return;
        };
        let change = CanaryChange {
            at: log.at(),
            version: short(version),
            state,
            percent: u8::try_from(percent.clamp(0, 100)).unwrap_or(0),
            reason: attributes.text(key::CANARY_REASON).map(short),
            by_itself: attributes.text(key::CANARY_DECIDED_BY) == Some("numbers"),
        };
        let Some(known) = self.known(service, names) else {
            return;
        };
        known.heard_from(log.resource().service(), log.at());
        known.changes.insert(change);
        known.shed();
    }

    fn known(&mut self, service: &str, names: &mut Names) -> Option<&mut Known> {
        let service = names.share(service);
        if self.held.len() >= self.limit && !self.held.contains_key(&service) {
            self.dropped += 1;
            return None;
        }
        Some(self.held.entry(service).or_default())
    }

    /// Forgets the long silent.
    pub(super) fn tick(&mut self, now: Time) {
        let removed = &mut self.removed;
        self.held.retain(|service, known| {
            let keep = now.seconds_since(known.heard_at()) <= FORGET_SECONDS;
            if !keep && known.sent.is_some() {
                removed.push(service.to_string());
            }
            keep
        });
    }

    /// Rows that differ from those last handed out; new numbers alone are told at the pace of `rates`.
    pub(super) fn take_changes(&mut self, rates: bool) -> Option<(Vec<Canary>, Vec<String>)> {
        let mut rows = Vec::new();
        for (service, known) in &mut self.held {
            let row = known.row(service);
            let is_news = match (&known.sent, &row) {
                (Some(sent), Some(row)) if !rates => sent.changes != row.changes,
                (sent, row) => sent != row,
            };
            if !is_news {
                continue;
            }
            match &row {
                Some(row) => rows.push(row.clone()),
                None => self.removed.push(service.to_string()),
            }
            known.sent = row;
        }
        let removed = std::mem::take(&mut self.removed);
        (!rows.is_empty() || !removed.is_empty()).then_some((rows, removed))
    }

    pub(super) fn rows(&self) -> Vec<Canary> {
        self.held
            .iter()
            .filter_map(|(service, known)| known.row(service))
            .collect()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Known {
    fn heard_from(&mut self, teller: &str, at: Time) {
        let newest = self.told_by.get_or_insert_default();
        if (at, teller) > (newest.at, newest.value.as_str()) {
            newest.join(at, short(teller));
        }
    }

    /// Keeps what is newest.
    fn shed(&mut self) {
        while self.changes.len() > CHANGES {
            self.changes.pop_first();
        }
        while self.versions.len() > VERSIONS {
            let oldest = self.versions.iter().min_by_key(|(_, gauges)| gauges.heard_at);
            let Some(oldest) = oldest.map(|(version, _)| version.clone()) else {
                return;
            };
            self.versions.remove(&oldest);
        }
    }

    fn heard_at(&self) -> Time {
        let gauges = self.versions.values().map(|gauges| gauges.heard_at).max();
        let change = self.changes.last().map(|change| change.at);
        gauges.max(change).unwrap_or_default().max(self.removed_at)
    }

    /// What events say stands: a gauge may have been read before the event, and go on after the removal.
    fn row(&self, service: &str) -> Option<Canary> {
        let change = self.changes.last();
        if change.map_or(Time::default(), |change| change.at) <= self.removed_at && self.removed_at > Time::default() {
            return None;
        }
        let newest = self.versions.iter().max_by_key(|(_, gauges)| gauges.heard_at);
        let version = match change {
            Some(change) => &change.version,
            None => newest?.0,
        };
        let gauges = self.versions.get(version);
        let told = gauges.and_then(|gauges| gauges.state).map(|newest| newest.value);
        let calls = |track: fn(&Gauges) -> &Track| {
            let track = track(gauges?);
            (track.calls.at > Time::default()).then_some(CanaryCalls {
                calls: track.calls.value,
                errors: track.errors.value,
            })
        };
        Some(Canary {
            service: service.to_owned(),
            told_by: self
                .told_by
                .as_ref()
                .map(|newest| newest.value.clone())
                .unwrap_or_default(),
            version: version.clone(),
            state: change.map(|change| change.state).or(told)?,
            percent: match change {
                Some(change) => change.percent,
                None => u8::try_from(gauges?.share.value.min(100)).unwrap_or(0),
            },
            since: change.map(|change| change.at),
            reason: change.and_then(|change| change.reason.clone()),
            by_itself: change.is_some_and(|change| change.by_itself),
            stable: calls(|gauges| &gauges.stable),
            canary: calls(|gauges| &gauges.canary),
            updated_at: self.heard_at(),
            changes: self.changes.iter().rev().cloned().collect(),
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{LogRow, PointRow, Value};
    use crate::testing::{at, event, gauge, log_block, point_block, text};

    #[derive(Clone)]
    enum Told {
        Point(PointRow),
        Log(LogRow),
    }

    fn change(seconds: f64, version: &str, state: &str, percent: i64) -> Told {
        let pairs = [
            ("service.peer.name", text("payments")),
            ("canary.version", text(version)),
            ("canary.state", text(state)),
            ("canary.share", Value::Int(percent)),
            ("canary.reason", text("18 of 20 calls failed")),
            (
                "canary.decided_by",
                text(if state == "rolled_back" { "numbers" } else { "person" }),
            ),
        ];
        Told::Log(event("registry", seconds, "canary.changed", &pairs))
    }

    fn removal(seconds: f64) -> Told {
        let pairs = [("service.peer.name", text("payments"))];
        Told::Log(event("registry", seconds, "canary.removed", &pairs))
    }

    fn calls(seconds: f64, version: &str, metric: &str, track: &str, value: f64) -> Told {
        let pairs = [
            ("service.peer.name", text("payments")),
            ("canary.version", text(version)),
            ("canary.track", text(track)),
        ];
        Told::Point(gauge("registry", seconds, metric, value, &pairs))
    }

    fn heard<'t>(told: impl IntoIterator<Item = &'t Told>) -> Canaries {
        let (mut canaries, mut names) = (Canaries::new(10), Names::default());
        for told in told {
            match told {
                Told::Point(point) => {
                    canaries.apply_point(point_block(std::slice::from_ref(point)).row(0), &mut names);
                }
                Told::Log(log) => canaries.apply_log(log_block(std::slice::from_ref(log)).row(0), &mut names),
            }
        }
        canaries
    }

    #[test]
    fn a_canary_shows_its_share_its_calls_and_why_it_was_rolled_back() {
        let told = [
            change(1.0, "2.0.0", "running", 25),
            calls(2.0, "2.0.0", "canary.calls", "stable", 180.0),
            calls(2.0, "2.0.0", "canary.errors", "stable", 1.0),
            calls(2.0, "2.0.0", "canary.calls", "canary", 20.0),
            calls(2.0, "2.0.0", "canary.errors", "canary", 18.0),
            change(2.5, "2.0.0", "rolled_back", 0),
            calls(3.0, "2.0.0", "canary.share", "", 25.0),
        ];
        let mut drawn = Vec::new();
        for first in 0..told.len() {
            let rotated = told[first..].iter().chain(&told[..first]).chain(&told);
            drawn.push(heard(rotated).rows());
        }
        assert!(drawn.windows(2).all(|pair| pair[0] == pair[1]), "whatever the order");
        let row = &drawn[0][0];
        assert_eq!((row.state, row.percent), (CanaryState::RolledBack, 0));
        assert_eq!((row.since, row.by_itself), (Some(at(2.5)), true));
        assert_eq!(row.reason.as_deref(), Some("18 of 20 calls failed"));
        assert_eq!(row.stable.unwrap().calls, 180);
        assert_eq!(row.canary.unwrap().error_ratio(), Some(0.9));
        assert_eq!((row.changes.len(), row.told_by.as_str()), (2, "registry"));
    }

    #[test]
    fn a_removed_one_is_gone_whatever_its_gauges_go_on_to_say() {
        let told = [
            change(1.0, "2.0.0", "running", 25),
            removal(2.0),
            calls(3.0, "2.0.0", "canary.calls", "canary", 20.0),
        ];
        assert!(heard(&told).rows().is_empty());
        assert!(heard(told.iter().rev()).rows().is_empty());
        let mut canaries = heard(&told[..1]);
        assert_eq!(canaries.take_changes(false).unwrap().0.len(), 1);
        let again = change(4.0, "2.1.0", "running", 5);
        let rows = heard(told.iter().chain([&again])).rows();
        assert_eq!((rows[0].version.as_str(), rows[0].percent), ("2.1.0", 5));
        assert_eq!(rows[0].canary, None, "calls of another version say nothing");
    }

    #[test]
    fn watchers_hear_of_changes_at_once_and_of_numbers_in_time() {
        let mut canaries = heard(&[change(1.0, "2.0.0", "running", 25)]);
        let mut names = Names::default();
        assert_eq!(canaries.take_changes(false).map(|(rows, _)| rows.len()), Some(1));
        let Told::Point(point) = calls(2.0, "2.0.0", "canary.calls", "canary", 20.0) else {
            unreachable!("a point");
        };
        canaries.apply_point(point_block(std::slice::from_ref(&point)).row(0), &mut names);
        assert_eq!(canaries.take_changes(false), None);
        assert_eq!(canaries.take_changes(true).map(|(rows, _)| rows.len()), Some(1));
        let Told::Log(log) = removal(3.0) else {
            unreachable!("a log");
        };
        canaries.apply_log(log_block(std::slice::from_ref(&log)).row(0), &mut names);
        assert_eq!(canaries.take_changes(false).unwrap().1, ["payments"]);
        assert_eq!(canaries.take_changes(true), None, "told once");
    }

    #[test]
    fn whoever_has_gauges_alone_is_shown_too_and_everything_is_bounded() {
        let state = Told::Point(gauge(
            "registry",
            1.0,
            "canary.state",
            1.0,
            &[
                ("service.peer.name", text("payments")),
                ("canary.version", text("2.0.0")),
                ("canary.state", text("running")),
            ],
        ));
        let share = calls(1.0, "2.0.0", "canary.share", "", 25.0);
        let rows = heard([&state, &share]).rows();
        assert_eq!((rows[0].state, rows[0].percent), (CanaryState::Running, 25));
        assert_eq!((rows[0].since, rows[0].canary), (None, None));

        let many: Vec<_> = (0..100)
            .flat_map(|n| {
                let version = format!("2.{n}.0");
                [
                    change(f64::from(n), &version, "running", 5),
                    calls(f64::from(n), &version, "canary.calls", "canary", 1.0),
                ]
            })
            .collect();
        let canaries = heard(&many);
        let known = canaries.held.values().next().unwrap();
        assert_eq!((known.changes.len(), known.versions.len()), (CHANGES, VERSIONS));
        assert_eq!(canaries.rows()[0].version, "2.99.0");
    }
}
