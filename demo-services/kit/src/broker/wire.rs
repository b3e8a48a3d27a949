//! Bodies of the broker's HTTP interface, under `/api/v1`.

use serde::{Deserialize, Serialize};

use super::{NewMessage, Place};

/// `POST /messages`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Publish {
    /// All or none.
    pub messages: Vec<NewMessage>,
}

/// `POST /acknowledgements`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Consumer group.
    pub group: String,
    /// What is done.
    pub places: Vec<Place>,
}

/// `POST /rejections`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reject {
    /// Consumer group.
    pub group: String,
    /// What could not be handled.
    pub place: Place,
    /// Why.
    pub reason: String,
    /// It is not worth another attempt.
    #[serde(default)]
    pub park: bool,
    /// It comes again until it is handled, however often that takes.
    #[serde(default)]
    pub until_done: bool,
}

/// Lists.
#[derive(Debug, Serialize, Deserialize)]
pub struct Items<T> {
    /// In order.
    pub items: Vec<T>,
}

/// Query of `GET /dead-letters`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LettersQuery {
    /// Most of them.
    #[serde(default = "LettersQuery::usual")]
    pub limit: usize,
    /// Id of the last one that was seen.
    #[serde(default)]
    pub after: u64,
    /// Topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Group that gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

impl LettersQuery {
    const fn usual() -> usize {
        100
    }
}
