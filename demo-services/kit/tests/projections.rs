//! Read models: each event once, poison set aside, rebuilt while writes go on (G12, G13, INV-09, INV-10).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::event_store::{self, AppendError, NewEvent, StoredEvent};
use shop_kit::faults::Switchboard;
use shop_kit::projection::{self, Projection};

const NAME: &str = "order_totals";
const TOTALS: &[&str] =
    &["CREATE TABLE IF NOT EXISTS totals (order_id TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT"];

fn open(folder: &Path) -> Database {
    Database::open(&folder.join("orders.sqlite"), TOTALS, Switchboard::idle()).expect("opens")
}

fn add(tx: &Tx<'_>, event: &StoredEvent) -> anyhow::Result<()> {
    let amount = event.data["amount"]
        .as_i64()
        .ok_or_else(|| anyhow::anyhow!("an event without amount"))?;
    let sql = "INSERT INTO totals VALUES (?1, ?2) ON CONFLICT DO UPDATE SET total = total + ?2";
    tx.execute(sql, (&event.aggregate_id, amount))?;
    Ok(())
}

async fn append(db: &Database, order: &str, version: u64, data: serde_json::Value) {
    let (order, event) = (
        order.to_owned(),
        NewEvent {
            event_type: "ItemAdded".to_owned(),
            data,
            schema_version: 1,
        },
    );
    let write =
        db.write(move |tx| event_store::append(tx, "order", &order, version, &[event], &Context::default()).map(drop));
    write
        .await
        .map_err(|error: AppendError| error.to_string())
        .expect("appended");
}

async fn total(db: &Database) -> i64 {
    let read = db.read(|conn| {
        let sql = "SELECT coalesce(sum(total), 0) FROM totals";
        Ok::<_, DatabaseError>(conn.query_row(sql, [], |row| row.get(0))?)
    });
    read.await.expect("reads")
}

async fn until(db: &Database, position: u64) {
    let reached = async {
        while db.read(|conn| projection::position(conn, NAME)).await.expect("reads") < position {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached)
        .await
        .expect("catches up");
}

#[tokio::test]
async fn each_event_is_applied_once_however_often_it_is_killed() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    for version in 0..200 {
        append(&db, "o-1", version, json!({ "amount": 1 })).await;
        if version % 20 == 0 {
            // Dropped at once: some of these never begin, some are cut off between applying and answering.
            let _killed = Projection::start(NAME, open(folder.path()), add);
            tokio::task::yield_now().await;
        }
    }
    let _projection = Projection::start(NAME, db.clone(), add);
    until(&db, 200).await;
    assert_eq!(total(&db).await, 200);
}

#[tokio::test]
async fn g12_an_event_that_cannot_be_applied_is_set_aside_and_told() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    append(&db, "o-1", 0, json!({ "amount": 5 })).await;
    append(&db, "o-1", 1, json!({ "poison": true })).await;
    append(&db, "o-2", 0, json!({ "amount": 7 })).await;
    let _projection = Projection::start(NAME, db.clone(), add);
    until(&db, 3).await;
    assert_eq!(total(&db).await, 12);
    let read = db.read(|conn| {
        let failed = conn.query_row("SELECT position, reason FROM projection_failures", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        let told: i64 = conn.query_row(
            "SELECT count(*) FROM state_events WHERE event LIKE '%projection.failed%'",
            [],
            |row| row.get(0),
        )?;
        Ok::<_, DatabaseError>((failed, told))
    });
    assert_eq!(
        read.await.expect("reads"),
        ((2, "an event without amount".to_owned()), 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g13_a_rebuild_while_writes_go_on_ends_equal_to_the_events() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    let _projection = Projection::start(NAME, db.clone(), add);
    let rebuilt = Arc::new(AtomicBool::new(false));
    let writes = async {
        for version in 0..400 {
            append(&db, "o-1", version, json!({ "amount": version })).await;
            rebuilt.store(version > 200, Ordering::Relaxed);
        }
    };
    let rebuilds = async {
        while !rebuilt.load(Ordering::Relaxed) {
            let clear = |tx: &Tx<'_>| Ok(tx.execute("DELETE FROM totals", []).map(drop)?);
            projection::rebuild(&db, NAME, clear).await.expect("rebuilds");
        }
    };
    tokio::join!(writes, rebuilds);
    until(&db, 400).await;
    assert_eq!(total(&db).await, (0..400).sum::<i64>(), "INV-09");
    let told = db.read(|conn| {
        let sql = "SELECT count(*) FROM state_events WHERE event LIKE '%projection.rebuild.finished%'";
        Ok::<i64, DatabaseError>(conn.query_row(sql, [], |row| row.get(0))?)
    });
    assert!(told.await.expect("reads") >= 1);
}
