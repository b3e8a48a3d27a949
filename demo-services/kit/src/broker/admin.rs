//! What a person asks of a broker: look into a topic, see where a group stands, set it back, settle dead letters.

use serde::{Deserialize, Serialize};

use super::Message;

/// Most messages of one look into a topic.
pub const MOST_INSPECTED: usize = 200;

/// Where a look into a partition begins: `GET /topics/{topic}/messages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Partition.
    #[serde(default)]
    pub partition: u32,
    /// First offset of interest.
    #[serde(default)]
    pub from: u64,
    /// Most messages, up to [`MOST_INSPECTED`].
    #[serde(default = "Look::usual")]
    pub limit: usize,
}

impl Look {
    const fn usual() -> usize {
        50
    }
}

/// A page of a partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// In order; their `attempts` are 0, nobody is given them by this.
    pub items: Vec<Message>,
    /// Oldest offset that is still kept.
    pub oldest: u64,
    /// Offset that the next message gets.
    pub head: u64,
    /// Where the next page begins; absent at the head.
    pub next: Option<u64>,
}

/// Where a group is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetTo {
    /// The oldest message that is kept.
    Beginning,
    /// Behind the newest one.
    End,
    /// The first one published at or after this time, unix nanoseconds.
    Time(u64),
    /// This offset; needs a partition.
    Offset(u64),
}

/// `POST /groups/{group}/reset`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// Topic.
    pub topic: String,
    /// One partition of it; all when absent.
    #[serde(default)]
    pub partition: Option<u32>,
    /// Where to.
    pub to: ResetTo,
}

/// What a reset did in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Partition.
    pub partition: u32,
    /// Where the group stood.
    pub from: u64,
    /// Where it stands now: never before the oldest message that is kept.
    pub to: u64,
    /// Dead letters of the group that are deliveries again.
    pub letters: u64,
}

/// Each message of a partition, for one group, is in exactly one of these (INV-11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Everything before it is settled: done, or dead.
    pub committed: u64,
    /// Offset that the next message gets.
    pub head: u64,
    /// Not settled.
    pub lag: u64,
    /// Settled and handled.
    pub done: u64,
    /// Leased to a consumer.
    pub in_flight: u64,
    /// Waiting: for its turn, for an earlier one of its key, or for its next attempt.
    pub scheduled: u64,
    /// Given up.
    pub dead: u64,
}

/// Which dead letters; all fields that are given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letters {
    /// Topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Group that gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Key of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// `POST /deliveries/hurry`: what waits for its next attempt is due now, and what was given up comes once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hurry {
    /// Topic.
    pub topic: String,
    /// Key of the messages.
    pub key: String,
}

impl Letters {
    /// Every one of a topic.
    #[must_use]
    pub fn of_topic(topic: &str) -> Self {
        Self {
            topic: Some(topic.to_owned()),
            ..Self::default()
        }
    }

    /// One message, whichever groups gave it up.
    #[must_use]
    pub fn of_message(topic: &str, id: &str) -> Self {
        Self {
            message_id: Some(id.to_owned()),
            ..Self::of_topic(topic)
        }
    }
}

/// How many letters were replayed or purged, or deliveries hurried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Of them.
    pub count: u64,
}
