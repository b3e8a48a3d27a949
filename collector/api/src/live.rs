//! The live stream: what it says, and the pure fold that joins it into a picture.
//!
//! A subscriber gets one bounded `snapshot` per topic, then `update`s, and `lagged` when it was too slow, followed by
//! a new snapshot. Message ids are `<run>-<sequence>` across topics. Rows replace rows of the same key, so a repeated
//! message changes nothing.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::breakers::Breaker;
use crate::canaries::Canary;
use crate::experiments::Experiment;
use crate::faults::FaultStatus;
use crate::invariants::Invariant;
use crate::logs::LogRow;
use crate::overview::Overview;
use crate::read_models::{DeadLetter, Outbox, ReadModel};
use crate::sagas::Saga;
use crate::services::Service;
use crate::traces::TraceSummary;

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// One row of numbers.
    Overview,
    /// Services.
    Services,
    /// Saga instances.
    Sagas,
    /// Circuit breakers.
    Breakers,
    /// Read models.
    ReadModels,
    /// Outboxes.
    Outboxes,
    /// Dead letters.
    DeadLetters,
    /// Invariants.
    Invariants,
    /// Canaries.
    Canaries,
    /// Summaries of traces that ended or changed, sampled when there are too many.
    Traces,
    /// Log records, sampled when there are too many.
    Logs,
    /// Faults.
    Faults,
    /// Experiments of the lab, each with its newest run.
    Experiments,
}

impl Topic {
    /// Every topic, in the order snapshots are sent.
    pub const ALL: &'static [Self] = &[
        Self::Overview,
        Self::Faults,
        Self::Experiments,
        Self::Services,
        Self::Breakers,
        Self::ReadModels,
        Self::Outboxes,
        Self::DeadLetters,
        Self::Invariants,
        Self::Canaries,
        Self::Sagas,
        Self::Traces,
        Self::Logs,
    ];

    /// The word used in queries and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Services => "services",
            Self::Sagas => "sagas",
            Self::Breakers => "breakers",
            Self::ReadModels => "read-models",
            Self::Outboxes => "outboxes",
            Self::DeadLetters => "dead-letters",
            Self::Invariants => "invariants",
            Self::Canaries => "canaries",
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Faults => "faults",
            Self::Experiments => "experiments",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|topic| topic.as_str() == word)
    }
}

/// Place in the stream: the collector's run and a number that counts up across topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveId {
    /// Made up at each start of the collector; no `-` in it.
    pub run: String,
    /// Counts up.
    pub sequence: u64,
}

impl LiveId {
    /// Reads `<run>-<sequence>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (run, sequence) = text.rsplit_once('-')?;
        (!run.is_empty()).then_some(())?;
        Some(Self {
            run: run.to_owned(),
            sequence: sequence.parse().ok()?,
        })
    }
}

impl fmt::Display for LiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.sequence)
    }
}

impl Serialize for LiveId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LiveId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a live id"))
    }
}

/// Rows of one topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "topic", content = "items", rename_all = "kebab-case")]
pub enum Rows {
    /// The numbers; exactly one row.
    Overview(Vec<Overview>),
    /// Services.
    Services(Vec<Service>),
    /// Saga instances.
    Sagas(Vec<Saga>),
    /// Breakers.
    Breakers(Vec<Breaker>),
    /// Read models.
    ReadModels(Vec<ReadModel>),
    /// Outboxes.
    Outboxes(Vec<Outbox>),
    /// Dead letters.
    DeadLetters(Vec<DeadLetter>),
    /// Invariants.
    Invariants(Vec<Invariant>),
    /// Canaries.
    Canaries(Vec<Canary>),
    /// Traces.
    Traces(Vec<TraceSummary>),
    /// Logs.
    Logs(Vec<LogRow>),
    /// Faults.
    Faults(Vec<FaultStatus>),
    /// Experiments.
    Experiments(Vec<Experiment>),
}

impl Rows {
    /// The topic they belong to.
    #[must_use]
    pub const fn topic(&self) -> Topic {
        match self {
            Self::Overview(_) => Topic::Overview,
            Self::Services(_) => Topic::Services,
            Self::Sagas(_) => Topic::Sagas,
            Self::Breakers(_) => Topic::Breakers,
            Self::ReadModels(_) => Topic::ReadModels,
            Self::Outboxes(_) => Topic::Outboxes,
            Self::DeadLetters(_) => Topic::DeadLetters,
            Self::Invariants(_) => Topic::Invariants,
            Self::Canaries(_) => Topic::Canaries,
            Self::Traces(_) => Topic::Traces,
            Self::Logs(_) => Topic::Logs,
            Self::Faults(_) => Topic::Faults,
            Self::Experiments(_) => Topic::Experiments,
        }
    }
}

/// One message of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LiveMessage {
    /// The rows of a topic as they stand; forget what was known of it.
    Snapshot {
        /// Place in the stream.
        id: LiveId,
        /// The rows.
        data: Rows,
    },
    /// Rows that changed or came.
    Update {
        /// Place in the stream.
        id: LiveId,
        /// The rows.
        data: Rows,
        /// Keys of rows that are no longer held.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
    },
    /// The watcher was too slow; a snapshot follows.
    Lagged {
        /// Place in the stream.
        id: LiveId,
        /// Messages it missed.
        missed: u64,
    },
}

impl LiveMessage {
    /// Place in the stream.
    #[must_use]
    pub const fn id(&self) -> &LiveId {
        match self {
            Self::Snapshot { id, .. } | Self::Update { id, .. } | Self::Lagged { id, .. } => id,
        }
    }
}

/// What a client may say on the WebSocket. Anything else ends the stream: the close frame has code 1007 (1003 for binary
/// messages) and says in its reason what is understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum LiveRequest {
    /// Send these topics too.
    Subscribe {
        /// Topics.
        topics: Vec<Topic>,
    },
    /// Send these no longer.
    Unsubscribe {
        /// Topics.
        topics: Vec<Topic>,
    },
}

/// Sagas kept in a picture; the oldest ended ones go first.
pub const SAGAS_HELD: usize = 10_000;
/// Traces kept in a picture.
pub const TRACES_HELD: usize = 1_000;
/// Log records kept in a picture.
pub const LOGS_HELD: usize = 5_000;

/// Everything known from the stream: fold of its messages, bounded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// The numbers, once heard.
    pub overview: Option<Overview>,
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// By [`Saga::key`].
    pub sagas: BTreeMap<String, Saga>,
    /// By id.
    pub breakers: BTreeMap<String, Breaker>,
    /// By [`ReadModel::key`].
    pub read_models: BTreeMap<String, ReadModel>,
    /// By [`Outbox::key`].
    pub outboxes: BTreeMap<String, Outbox>,
    /// By id.
    pub dead_letters: BTreeMap<String, DeadLetter>,
    /// By [`Invariant::key`].
    pub invariants: BTreeMap<String, Invariant>,
    /// By service.
    pub canaries: BTreeMap<String, Canary>,
    /// By trace id.
    pub traces: BTreeMap<String, TraceSummary>,
    /// As they came, oldest first.
    pub logs: VecDeque<LogRow>,
    /// By fault id.
    pub faults: BTreeMap<String, FaultStatus>,
    /// By name.
    pub experiments: BTreeMap<String, Experiment>,
    /// Place after the last message; resume from here.
    pub last_id: Option<LiveId>,
    /// Messages missed for being slow.
    pub missed: u64,
}

impl Picture {
    /// Joins one message.
    pub fn apply(&mut self, message: LiveMessage) {
        self.last_id = Some(message.id().clone());
        match message {
            LiveMessage::Snapshot { data, .. } => {
                self.forget(data.topic());
                self.merge(data);
            }
            LiveMessage::Update { data, removed, .. } => {
                self.remove(data.topic(), &removed);
                self.merge(data);
            }
            LiveMessage::Lagged { missed, .. } => self.missed += missed,
        }
    }

    /// Faults in force or about to be, the one that ends first in front.
    #[must_use]
    pub fn active_faults(&self) -> Vec<&FaultStatus> {
        let mut active: Vec<_> = self.faults.values().filter(|fault| fault.is_active()).collect();
        active.sort_by_key(|fault| fault.ends_at);
        active
    }

    /// Experiments in the order of the course.
    #[must_use]
    pub fn course(&self) -> Vec<&Experiment> {
        let mut course: Vec<_> = self.experiments.values().collect();
        course.sort_by_key(|experiment| experiment.place);
        course
    }

    fn forget(&mut self, topic: Topic) {
        match topic {
            Topic::Overview => self.overview = None,
            Topic::Services => self.services.clear(),
            Topic::Sagas => self.sagas.clear(),
            Topic::Breakers => self.breakers.clear(),
            Topic::ReadModels => self.read_models.clear(),
            Topic::Outboxes => self.outboxes.clear(),
            Topic::DeadLetters => self.dead_letters.clear(),
            Topic::Invariants => self.invariants.clear(),
            Topic::Canaries => self.canaries.clear(),
            Topic::Traces => self.traces.clear(),
            Topic::Logs => self.logs.clear(),
            Topic::Faults => self.faults.clear(),
            Topic::Experiments => self.experiments.clear(),
        }
    }

    fn remove(&mut self, topic: Topic, keys: &[String]) {
        fn drop_keys<T>(map: &mut BTreeMap<String, T>, keys: &[String]) {
            for key in keys {
                map.remove(key);
            }
        }
        match topic {
            Topic::Services => drop_keys(&mut self.services, keys),
            Topic::Sagas => drop_keys(&mut self.sagas, keys),
            Topic::Breakers => drop_keys(&mut self.breakers, keys),
            Topic::ReadModels => drop_keys(&mut self.read_models, keys),
            Topic::Outboxes => drop_keys(&mut self.outboxes, keys),
            Topic::DeadLetters => drop_keys(&mut self.dead_letters, keys),
            Topic::Invariants => drop_keys(&mut self.invariants, keys),
            Topic::Canaries => drop_keys(&mut self.canaries, keys),
            Topic::Traces => drop_keys(&mut self.traces, keys),
            Topic::Faults => drop_keys(&mut self.faults, keys),
            Topic::Experiments => drop_keys(&mut self.experiments, keys),
            Topic::Overview | Topic::Logs => {}
        }
    }

    fn merge(&mut self, rows: Rows) {
        fn upsert<T>(map: &mut BTreeMap<String, T>, rows: Vec<T>, key: impl Fn(&T) -> String) {
            map.extend(rows.into_iter().map(|row| (key(&row), row)));
        }
        match rows {
            Rows::Overview(rows) => self.overview = rows.into_iter().next_back().or_else(|| self.overview.take()),
            Rows::Services(rows) => upsert(&mut self.services, rows, |row| row.name.clone()),
            Rows::Sagas(rows) => {
                upsert(&mut self.sagas, rows, Saga::key);
                self.shed_sagas();
            }
            Rows::Breakers(rows) => upsert(&mut self.breakers, rows, |row| row.id.clone()),
            Rows::ReadModels(rows) => upsert(&mut self.read_models, rows, ReadModel::key),
            Rows::Outboxes(rows) => upsert(&mut self.outboxes, rows, Outbox::key),
            Rows::DeadLetters(rows) => upsert(&mut self.dead_letters, rows, |row| row.id.clone()),
            Rows::Invariants(rows) => upsert(&mut self.invariants, rows, Invariant::key),
            Rows::Canaries(rows) => upsert(&mut self.canaries, rows, |row| row.service.clone()),
            Rows::Traces(rows) => {
                upsert(&mut self.traces, rows, |row| row.trace_id.clone());
                shed(&mut self.traces, TRACES_HELD, |trace| trace.started_at.0);
            }
            Rows::Logs(rows) => {
                self.logs.extend(rows);
                let surplus = self.logs.len().saturating_sub(LOGS_HELD);
                self.logs.drain(..surplus);
            }
            Rows::Faults(rows) => upsert(&mut self.faults, rows, |row| row.fault.id.clone()),
            Rows::Experiments(rows) => upsert(&mut self.experiments, rows, |row| row.scenario.name.clone()),
        }
    }

    /// Lets ended sagas go first, and within each kind the longest unchanged.
    fn shed_sagas(&mut self) {
        shed(&mut self.sagas, SAGAS_HELD, |saga| {
            (!saga.state.is_final(), saga.updated_at.0)
        });
    }
}

/// Drops the rows of least `rank` once the map is an eighth over its bound, so that the sort is paid for rarely.
fn shed<T, R: Ord + Copy>(map: &mut BTreeMap<String, T>, bound: usize, rank: impl Fn(&T) -> R) {
    if map.len() <= bound + bound / 8 {
        return;
    }
    let mut ranked: Vec<_> = map.iter().map(|(key, row)| (rank(row), key.clone())).collect();
    ranked.sort();
    for (_, key) in ranked.into_iter().take(map.len() - bound) {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    fn service(name: &str, rate: f64) -> Service {
        Service {
            name: name.into(),
            rate_per_second: rate,
            ..Service::default()
        }
    }

    fn id(sequence: u64) -> LiveId {
        LiveId {
            run: "r1".into(),
            sequence,
        }
    }

    #[test]
    fn a_snapshot_forgets_and_an_update_joins() {
        let mut picture = Picture::default();
        picture.apply(LiveMessage::Snapshot {
            id: id(1),
            data: Rows::Services(vec![service("a", 1.0), service("b", 1.0)]),
        });
        picture.apply(LiveMessage::Update {
            id: id(2),
            data: Rows::Services(vec![service("a", 2.0)]),
            removed: vec!["b".into()],
        });
        assert_eq!(picture.services.len(), 1);
        assert_eq!(picture.services["a"].rate_per_second, 2.0);
        picture.apply(LiveMessage::Snapshot {
            id: id(3),
            data: Rows::Services(vec![service("c", 1.0)]),
        });
        assert_eq!(picture.services.keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(picture.last_id, Some(id(3)));
    }

    #[test]
    fn a_repeated_update_changes_nothing() {
        let update = LiveMessage::Update {
            id: id(2),
            data: Rows::Services(vec![service("a", 2.0)]),
            removed: vec![],
        };
        let mut once = Picture::default();
        once.apply(update.clone());
        let mut twice = once.clone();
        twice.apply(update);
        assert_eq!(once, twice);
    }

    #[test]
    fn a_picture_stays_bounded() {
        let mut picture = Picture::default();
        for n in 0..3 * TRACES_HELD as u64 {
            let row = TraceSummary {
                trace_id: format!("{n:032x}"),
                started_at: Time(n),
                ..TraceSummary::default()
            };
            picture.apply(LiveMessage::Update {
                id: id(n),
                data: Rows::Traces(vec![row]),
                removed: vec![],
            });
        }
        assert!(picture.traces.len() <= TRACES_HELD + TRACES_HELD / 8);
        assert!(
            picture
                .traces
                .values()
                .any(|trace| trace.started_at.0 == 3 * TRACES_HELD as u64 - 1),
            "the newest stays"
        );
    }

    #[test]
    fn the_wire_form_is_flat_and_named() {
        let message = LiveMessage::Update {
            id: id(7),
            data: Rows::ReadModels(vec![]),
            removed: vec!["x".into()],
        };
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"type": "update", "id": "r1-7", "data": {"topic": "read-models", "items": []}, "removed": ["x"]})
        );
        assert_eq!(serde_json::from_value::<LiveMessage>(json).unwrap(), message);
    }

    #[test]
    fn ids_are_read_strictly() {
        assert_eq!(LiveId::parse("r1-7"), Some(id(7)));
        for text in ["", "-", "r1", "r1-", "-7", "r1-x"] {
            assert_eq!(LiveId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_topic_has_its_word() {
        for &topic in Topic::ALL {
            assert_eq!(Topic::parse(topic.as_str()), Some(topic));
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.as_str());
        }
    }
}
