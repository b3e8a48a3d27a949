//! Crashes between write, commit, publish and mark-sent (G04, INV-07).

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{enqueue, relay::relay_batch};
use crate::broker::{Broker, BrokerError, DeadLetter, Fetch, Fetched, Head, NewMessage, Place, Position};
use crate::context::Context;
use crate::database::{Database, DatabaseError, testing};

/// Keeps what is published; can be away, or lose its answer.
#[derive(Clone, Default)]
struct Recorder {
    published: Arc<Mutex<Vec<NewMessage>>>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

#[derive(Clone, Copy)]
enum Trouble {
    Away,
    LosesAnswer,
    Refuses(&'static str),
}

impl Recorder {
    fn keys(&self) -> Vec<String> {
        self.published
            .lock()
            .expect("lock")
            .iter()
            .map(|message| message.key.clone())
            .collect()
    }

    fn set(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().expect("lock") = trouble;
    }
}

impl Broker for Recorder {
    async fn publish(&self, messages: Vec<NewMessage>) -> Result<(), BrokerError> {
        let trouble = *self.trouble.lock().expect("lock");
        if matches!(trouble, Some(Trouble::Away)) {
            return Err(BrokerError::Unavailable("away".to_owned()));
        }
        if let Some(Trouble::Refuses(key)) = trouble
            && messages.iter().any(|message| message.key == key)
        {
            return Err(BrokerError::Refused(format!("{key} is too large")));
        }
        self.published.lock().expect("lock").extend(messages);
        match trouble {
            Some(Trouble::LosesAnswer) => Err(BrokerError::Unavailable("answer lost".to_owned())),
            _ => Ok(()),
        }
    }

    async fn fetch(&self, _: Fetch) -> Result<Fetched, BrokerError> {
        Ok(Fetched::default())
    }

    async fn acknowledge(&self, _: &str, _: Vec<Place>) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn reject(&self, _: &str, _: Place, _: &str) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn heads(&self) -> Result<Vec<Head>, BrokerError> {
        Ok(Vec::new())
    }

    async fn positions(&self) -> Result<Vec<Position>, BrokerError> {
        Ok(Vec::new())
    }

    async fn dead_letters(&self, _: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        Ok(Vec::new())
    }

    async fn replay(&self, _: u64) -> Result<bool, BrokerError> {
        Ok(false)
    }

    async fn purge(&self, _: u64) -> Result<bool, BrokerError> {
        Ok(false)
    }
}

async fn place_order(db: &Database, key: &'static str, fails: bool) -> Result<String, DatabaseError> {
    db.write(move |tx| {
        let id = enqueue(
            tx,
            "orders",
            key,
            "OrderPlaced",
            &json!({ "total": 5 }),
            &Context::fresh(),
        )?;
        if fails { Err(DatabaseError::Closed) } else { Ok(id) }
    })
    .await
}

#[tokio::test]
async fn nothing_is_published_for_a_write_that_was_taken_back() {
    let folder = tempfile::tempdir().expect("folder");
    let (db, broker) = (testing::open(folder.path()), Recorder::default());
    place_order(&db, "o-1", true).await.expect_err("taken back");
    assert_eq!(relay_batch(&db, &broker).await.expect("relayed"), 0);
    assert!(broker.keys().is_empty());
}

#[tokio::test]
async fn what_was_committed_survives_a_kill_before_it_is_published() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = Recorder::default();
    for key in ["o-1", "o-2", "o-3"] {
        let db = testing::open(folder.path());
        place_order(&db, key, false).await.expect("committed");
        broker.set(Some(Trouble::Away));
        relay_batch(&db, &broker).await.expect_err("broker is away");
    }
    broker.set(None);
    let db = testing::open(folder.path());
    assert_eq!(relay_batch(&db, &broker).await.expect("relayed"), 3);
    assert_eq!(relay_batch(&db, &broker).await.expect("nothing left"), 0);
    assert_eq!(broker.keys(), ["o-1", "o-2", "o-3"], "in order");
}

#[tokio::test]
async fn killed_between_publish_and_mark_it_publishes_again_under_the_same_id() {
    let folder = tempfile::tempdir().expect("folder");
    let (db, broker) = (testing::open(folder.path()), Recorder::default());
    let id = place_order(&db, "o-1", false).await.expect("committed");
    broker.set(Some(Trouble::LosesAnswer));
    relay_batch(&db, &broker).await.expect_err("cut off before the mark");
    broker.set(None);
    relay_batch(&testing::open(folder.path()), &broker)
        .await
        .expect("relayed");
    let published = broker.published.lock().expect("lock").clone();
    assert_eq!(
        published.iter().map(|message| &message.id).collect::<Vec<_>>(),
        [&id, &id]
    );
    let correlation = |message: &NewMessage| message.headers["x-correlation-id"].clone();
    assert_eq!(correlation(&published[0]), correlation(&published[1]));
}

#[tokio::test]
async fn what_the_broker_will_never_take_is_set_aside_and_told() {
    let folder = tempfile::tempdir().expect("folder");
    let (db, broker) = (testing::open(folder.path()), Recorder::default());
    for key in ["o-1", "too-large", "o-2", "o-3"] {
        place_order(&db, key, false).await.expect("committed");
    }
    broker.set(Some(Trouble::Refuses("too-large")));
    for _ in 0..4 {
        relay_batch(&db, &broker).await.expect("goes on");
    }
    assert_eq!(broker.keys(), ["o-1", "o-2", "o-3"]);
    let told = db.read(|conn| {
        let sql = "SELECT count(*) FROM state_events WHERE event LIKE '%message.dead_lettered%too large%'";
        Ok::<i64, DatabaseError>(conn.query_row(sql, [], |row| row.get(0))?)
    });
    assert_eq!(told.await.expect("reads"), 1);
}
