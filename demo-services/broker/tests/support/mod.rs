//! Brokers in temporary folders, and short ways to say things.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shop_broker::{EmbeddedBroker, Settings};
use shop_kit::broker::{Fetch, Fetched, NewMessage};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;

/// Leases end, and rejected messages are due, at once.
pub const IMPATIENT: Settings = Settings {
    visibility: Duration::ZERO,
    max_attempts: 8,
    retry_base: Duration::ZERO,
    retry_cap: Duration::ZERO,
};

/// A broker on the file in `folder`.
pub fn open(folder: &Path, settings: Settings) -> EmbeddedBroker {
    let db = Database::open(
        &folder.join("broker.sqlite"),
        EmbeddedBroker::SCHEMA,
        Switchboard::idle(),
    );
    EmbeddedBroker::new(db.expect("opens"), settings)
}

/// The `n`th message.
pub fn message(n: u64, topic: &str, key: &str) -> NewMessage {
    NewMessage {
        id: format!("m-{n}"),
        topic: topic.to_owned(),
        key: key.to_owned(),
        event_type: "OrderPlaced".to_owned(),
        payload: json!({ "n": n }),
        headers: Default::default(),
    }
}

/// Asks for all there is, without waiting.
pub fn fetch(group: &str, topics: &[&str]) -> Fetch {
    let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
    Fetch {
        group: group.to_owned(),
        topics,
        max: 100,
        wait_ms: 0,
        consumer: String::new(),
        anew: false,
    }
}

/// Topics of what was fetched.
pub fn topic_of(fetched: &Fetched) -> Vec<&str> {
    fetched
        .messages
        .iter()
        .map(|message| message.place.topic.as_str())
        .collect()
}
