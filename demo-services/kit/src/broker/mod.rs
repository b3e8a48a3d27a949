//! What a broker promises, whichever it is: topics with partitions by key, consumer groups, at-least-once delivery,
//! one message of a key at a time, and a place for letters that nobody can handle.

pub mod admin;
mod client;
pub mod schema;
pub mod wire;

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sql::Headers;

pub use client::HttpBroker;

/// A message to be published. Publishing the same id to the same topic again has no effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Unique id; consumers recognise repeats by it.
    pub id: String,
    /// Where to.
    pub topic: String,
    /// Messages of one key are delivered in order; usually the aggregate id.
    pub key: String,
    /// Such as `OrderPlaced`.
    pub event_type: String,
    /// Content.
    pub payload: Value,
    /// Trace and correlation.
    pub headers: Headers,
}

/// A message as delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Unique id.
    pub id: String,
    /// Where it stands in the log.
    #[serde(flatten)]
    pub place: Place,
    /// Messages of one key come in order.
    pub key: String,
    /// Such as `OrderPlaced`.
    pub event_type: String,
    /// Content.
    pub payload: Value,
    /// Trace and correlation.
    pub headers: Headers,
    /// Unix nanoseconds.
    pub published_at: u64,
    /// Deliveries to this group, this one included.
    pub attempts: u32,
}

/// A place in the log of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Topic.
    pub topic: String,
    /// Partition of it.
    pub partition: u32,
    /// Zero-based place in the partition.
    pub offset: u64,
}

/// What a consumer asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Consumer group; a new one starts at the beginning of the log.
    pub group: String,
    /// Topics it reads.
    pub topics: Vec<String>,
    /// Most messages at once.
    pub max: usize,
    /// How long to wait for the first one, milliseconds.
    pub wait_ms: u64,
    /// Who asks, by a name that outlives a restart; empty for nobody in particular.
    #[serde(default)]
    pub consumer: String,
    /// It has just begun: what was leased to it before is at work nowhere, and is delivered at once.
    #[serde(default)]
    pub anew: bool,
}

/// What it gets, leased for a while: what is neither acknowledged nor rejected by then is delivered again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fetched {
    /// At most one message of a key.
    pub messages: Vec<Message>,
    /// How far the group is, over all its topics.
    pub backlog: Backlog,
    /// The same by partition.
    #[serde(default)]
    pub partitions: Vec<PartitionBacklog>,
}

/// How far a group is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Messages done.
    pub position: u64,
    /// Messages there are.
    pub head: u64,
    /// When the oldest one not yet done was published, unix nanoseconds.
    pub oldest_at: Option<u64>,
}

/// How far a group is behind in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionBacklog {
    /// Topic.
    pub topic: String,
    /// Partition of it.
    pub partition: u32,
    /// How far.
    #[serde(flatten)]
    pub backlog: Backlog,
}

/// Messages of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset that the next message gets.
    pub next_offset: u64,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Everything before it is done.
    pub committed: u64,
    /// Offset that the next message gets.
    pub next_offset: u64,
}

/// A message that a group gave up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// To name it by.
    pub id: u64,
    /// Group that gave it up.
    pub group: String,
    /// Why.
    pub reason: String,
    /// When, unix nanoseconds.
    pub at: u64,
    /// When it failed for the first time, unix nanoseconds.
    #[serde(default)]
    pub first_failed_at: u64,
    /// The message; its `attempts` tell how often it was delivered.
    pub message: Message,
}

/// Why a broker did not do it.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// It is not there or does not answer; another attempt may go better.
    #[error("broker cannot be reached: {0}")]
    Unavailable(String),
    /// It says no.
    #[error("broker refused: {0}")]
    Refused(String),
}

/// A broker.
pub trait Broker: Send + Sync + 'static {
    /// Publishes all of them or none; answers when they are durable.
    fn publish(&self, messages: Vec<NewMessage>) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Leases messages to the group, waiting for the first one.
    fn fetch(&self, fetch: Fetch) -> impl Future<Output = Result<Fetched, BrokerError>> + Send;

    /// These are done.
    fn acknowledge(&self, group: &str, places: Vec<Place>) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// This one could not be handled: it comes again later, or becomes a dead letter after too many attempts.
    fn reject(&self, group: &str, place: Place, reason: &str) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// This one can never be handled as things are: it becomes a dead letter at once.
    fn park(&self, group: &str, place: Place, reason: &str) -> impl Future<Output = Result<(), BrokerError>> + Send {
        self.reject(group, place, reason)
    }

    /// This one could not be handled now, and must be in the end: it comes again with back-off, however often that takes.
    /// A broker may bound how many such messages it has out.
    fn postpone(
        &self,
        group: &str,
        place: Place,
        reason: &str,
    ) -> impl Future<Output = Result<(), BrokerError>> + Send {
        self.reject(group, place, reason)
    }

    /// Every partition there is.
    fn heads(&self) -> impl Future<Output = Result<Vec<Head>, BrokerError>> + Send;

    /// How far every group is.
    fn positions(&self) -> impl Future<Output = Result<Vec<Position>, BrokerError>> + Send;

    /// Oldest dead letters.
    fn dead_letters(&self, limit: usize) -> impl Future<Output = Result<Vec<DeadLetter>, BrokerError>> + Send;

    /// Delivers a dead letter once more to the group that gave it up. False when there is no such letter.
    fn replay(&self, id: u64) -> impl Future<Output = Result<bool, BrokerError>> + Send;

    /// Throws a dead letter away. False when there is no such letter.
    fn purge(&self, id: u64) -> impl Future<Output = Result<bool, BrokerError>> + Send;
}

/// Longest wait for a first message that a broker grants.
pub const LONGEST_WAIT: Duration = Duration::from_secs(20);
