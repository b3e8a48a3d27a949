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
}

/// Lists.
#[derive(Debug, Serialize, Deserialize)]
pub struct Items<T> {
    /// In order.
    pub items: Vec<T>,
}

/// Query of `GET /dead-letters`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Limit {
    /// Most of them.
    #[serde(default = "Limit::usual")]
    pub limit: usize,
}

impl Limit {
    const fn usual() -> usize {
        100
    }
}
