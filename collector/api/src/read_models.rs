//! Read models, outboxes and dead letters.

use std::collections::BTreeMap;

use sagascope_conventions::ProjectionState;
use serde::{Deserialize, Serialize};

use crate::Time;

/// One partition of one read model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadModel {
    /// `projection.name`.
    pub name: String,
    /// `service.name`.
    pub service: String,
    /// `projection.partition`, empty when there is one only.
    pub partition: String,
    /// How it keeps up.
    pub state: ProjectionState,
    /// Last position applied.
    pub position: Option<u64>,
    /// Last position there is.
    pub head: Option<u64>,
    /// Events behind.
    pub lag_events: Option<u64>,
    /// Seconds behind.
    pub lag_seconds: Option<f64>,
    /// Events applied per second.
    pub drain_per_second: Option<f64>,
    /// Seconds until caught up at the present rates; absent when it gains nothing.
    pub eta_seconds: Option<f64>,
    /// Last report.
    pub updated_at: Time,
    /// Since when it stands still while behind.
    pub stalled_since: Option<Time>,
    /// Lag in seconds per slice, oldest first (5 minutes in 5-second slices).
    pub lag_history: Vec<f32>,
}

impl ReadModel {
    /// Unique key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.service, self.name, self.partition)
    }
}

/// A read model with its partitions taken together.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeModel {
    /// `service.name`.
    pub service: String,
    /// `projection.name`.
    pub name: String,
    /// How many it has.
    pub partitions: usize,
    /// Of the partition that is worst off.
    pub state: ProjectionState,
    /// The longest way that one of them is behind, in events.
    pub lag_events: Option<u64>,
    /// The same in seconds.
    pub lag_seconds: Option<f64>,
}

/// Read models by service and name, one row for all partitions of each.
pub fn whole<'m>(models: impl IntoIterator<Item = &'m ReadModel>) -> Vec<WholeModel> {
    let mut rows: BTreeMap<(&str, &str), WholeModel> = BTreeMap::new();
    for model in models {
        let row = rows.entry((&model.service, &model.name)).or_insert_with(|| WholeModel {
            service: model.service.clone(),
            name: model.name.clone(),
            partitions: 0,
            state: model.state,
            lag_events: None,
            lag_seconds: None,
        });
        row.partitions += 1;
        if badness(model.state) > badness(row.state) {
            row.state = model.state;
        }
        row.lag_events = row.lag_events.max(model.lag_events);
        row.lag_seconds = match (row.lag_seconds, model.lag_seconds) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
    }
    rows.into_values().collect()
}

/// A partition of which nothing is known is worse than one that has caught up.
const fn badness(state: ProjectionState) -> u8 {
    match state {
        ProjectionState::CaughtUp => 0,
        ProjectionState::NoData => 1,
        ProjectionState::Behind => 2,
        ProjectionState::Replaying => 3,
        ProjectionState::Stalled => 4,
    }
}

/// One outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// `outbox.name`.
    pub name: String,
    /// `service.name`.
    pub service: String,
    /// Rows not yet published.
    pub pending: Option<u64>,
    /// Age of the oldest.
    pub oldest_age_seconds: Option<f64>,
    /// Rows published per second.
    pub published_per_second: Option<f64>,
    /// Failed attempts since the start.
    pub failed: u64,
    /// Last report.
    pub updated_at: Time,
}

impl Outbox {
    /// Unique key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }

    /// It has nothing to publish and never had.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.pending.unwrap_or(0) == 0 && self.published_per_second.is_none() && self.failed == 0
    }
}

/// One message given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Message id.
    pub id: String,
    /// Topic or queue it came from.
    pub destination: String,
    /// Service that gave it up.
    pub service: String,
    /// Why.
    pub reason: Option<String>,
    /// Deliveries before.
    pub attempts: Option<u32>,
    /// When.
    pub at: Time,
    /// Correlation id.
    pub correlation_id: Option<String>,
    /// Trace.
    pub trace_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(service: &str, name: &str, partition: &str, state: ProjectionState, behind: Option<u64>) -> ReadModel {
        ReadModel {
            name: name.into(),
            service: service.into(),
            partition: partition.into(),
            state,
            position: None,
            head: None,
            lag_events: behind,
            lag_seconds: behind.map(|events| events as f64 / 10.0),
            drain_per_second: None,
            eta_seconds: None,
            updated_at: Time(0),
            stalled_since: None,
            lag_history: Vec::new(),
        }
    }

    #[test]
    fn a_model_is_as_well_as_its_worst_partition() {
        use ProjectionState::{Behind, CaughtUp, NoData, Stalled};
        let models = [
            model("analytics", "feed", "0", CaughtUp, Some(0)),
            model("analytics", "feed", "1", Stalled, Some(40)),
            model("analytics", "feed", "2", NoData, None),
            model("analytics", "feed", "3", Behind, Some(70)),
            model("orders", "feed", "", NoData, None),
        ];
        let rows = whole(&models);
        assert_eq!(rows.len(), 2, "the same name in two services is two models");
        let feed = &rows[0];
        assert_eq!((feed.partitions, feed.state), (4, Stalled));
        assert_eq!((feed.lag_events, feed.lag_seconds), (Some(70), Some(7.0)));
        assert_eq!((rows[1].partitions, rows[1].lag_events), (1, None));
    }
}
