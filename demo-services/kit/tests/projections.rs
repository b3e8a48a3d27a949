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
use shop_kit::outbox;
use shop_kit::projection::{self, Projection, ReadModel};
use shop_kit::testing::TestServer;

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

const MODELS: &[ReadModel] = &[ReadModel::new(NAME, &["totals"], add)];

async fn dump(db: &Database) -> Vec<String> {
    db.read(|conn| MODELS[0].dump(conn)).await.expect("reads")
}

async fn number(db: &Database, sql: &'static str) -> i64 {
    db.read(move |conn| Ok::<_, DatabaseError>(conn.query_row(sql, [], |row| row.get(0))?))
        .await
        .expect("reads")
}

#[tokio::test]
async fn inv_09_a_rebuild_from_zero_ends_byte_equal_and_causes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    for n in 0..2_000_u64 {
        append(&db, &format!("o-{}", n % 7), n / 7, json!({ "amount": n })).await;
    }
    let write = db.write(|tx| outbox::enqueue(tx, "t", "k", "Told", &json!({}), &Context::default()).map(drop));
    write.await.expect("told");
    let _projection = Projection::of(MODELS[0], db.clone());
    until(&db, 2_000).await;
    let before = dump(&db).await;
    assert_eq!(before.len(), 7);
    let others = "SELECT (SELECT count(*) FROM outbox) * 1000000 + (SELECT count(*) FROM events) * 100 + (SELECT count(*) FROM sagas)";
    let effects = number(&db, others).await;
    MODELS[0].rebuild(&db).await.expect("rebuilds");
    until(&db, 2_000).await;
    assert_eq!(dump(&db).await, before, "INV-09");
    assert_eq!(number(&db, others).await, effects, "no side effects");
}

/// A read model that tells others of what it sees: it must not.
fn chatty(tx: &Tx<'_>, event: &StoredEvent) -> anyhow::Result<()> {
    add(tx, event)?;
    outbox::enqueue(tx, "t", "k", "Told", &json!({}), &Context::default())?;
    Ok(())
}

#[tokio::test]
async fn a_read_model_that_tries_a_side_effect_is_stopped() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    append(&db, "o-1", 0, json!({ "amount": 5 })).await;
    let _projection = Projection::start(NAME, db.clone(), chatty);
    until(&db, 1).await;
    assert_eq!(
        (total(&db).await, number(&db, "SELECT count(*) FROM outbox").await),
        (0, 0)
    );
    let parked = db.read(|conn| projection::parked(conn, NAME)).await.expect("reads");
    assert!(parked[0].reason.contains("no side effects"), "{parked:?}");
    append(&db, "o-1", 1, json!({ "amount": 5 })).await;
}

#[tokio::test]
async fn g12_one_poison_event_in_a_large_batch_parks_itself_only() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    for n in 0..700_u64 {
        let data = if n % 300 == 123 {
            json!({ "poison": n })
        } else {
            json!({ "amount": 1 })
        };
        append(&db, "o-1", n, data).await;
    }
    let _projection = Projection::start(NAME, db.clone(), add);
    until(&db, 700).await;
    assert_eq!(total(&db).await, 698);
    let parked = db.read(|conn| projection::parked(conn, NAME)).await.expect("reads");
    assert_eq!(
        parked.iter().map(|parked| parked.position).collect::<Vec<_>>(),
        [124, 424]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_10_the_position_never_goes_back_nor_past_what_is_not_applied() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    let _projection = Projection::start(NAME, db.clone(), add);
    let watched = db.clone();
    let watch = tokio::spawn(async move {
        let mut last = 0;
        while last < 600 {
            // Both in one statement, so that they are of one moment: with amounts of 1 the sum is the position.
            let sql = "SELECT coalesce((SELECT position FROM projections), 0) * 100000 + (SELECT coalesce(sum(total), 0) FROM totals)";
            let both = number(&watched, sql).await;
            let (position, sum) = (both / 100_000, both % 100_000);
            assert_eq!(position, sum, "INV-10: applied and position are one");
            assert!(position >= last, "INV-10: never back");
            last = position;
            tokio::task::yield_now().await;
        }
    });
    for version in 0..600 {
        append(&db, "o-1", version, json!({ "amount": 1 })).await;
    }
    tokio::time::timeout(Duration::from_secs(60), watch)
        .await
        .expect("ends")
        .expect("holds");
}

#[tokio::test]
async fn g14_gaps_of_what_was_taken_back_or_let_go_are_passed_and_nothing_is_missed() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    for order in ["o-1", "o-2", "o-3"] {
        append(&db, order, 0, json!({ "amount": 1 })).await;
        let refused = db.write(move |tx| {
            let event = NewEvent::new("ItemAdded", &json!({ "amount": 100 }))?;
            event_store::append(tx, "order", order, 1, &[event], &Context::default())?;
            anyhow::bail!("taken back")
        });
        let refused: anyhow::Result<()> = refused.await;
        refused.expect_err("taken back");
    }
    let gone = db.write(|tx| event_store::let_go(tx, "o-2"));
    assert!(gone.await.expect("let go").is_some());
    append(&db, "o-4", 0, json!({ "amount": 1 })).await;
    let head = db.read(event_store::head).await.expect("reads");
    let _projection = Projection::start(NAME, db.clone(), add);
    until(&db, head).await;
    assert_eq!(total(&db).await, 3);
}

#[tokio::test]
async fn a_reader_waits_for_its_own_write_and_is_told_when_it_takes_too_long() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    append(&db, "o-1", 0, json!({ "amount": 1 })).await;
    let wait = projection::reached(&db, NAME, 1, Duration::from_secs(30));
    let work = async {
        tokio::task::yield_now().await;
        Projection::start(NAME, db.clone(), add)
    };
    let (stands, _projection) = tokio::join!(wait, work);
    assert_eq!(stands.expect("waits"), 1);
    let never = projection::reached(&db, NAME, 2, Duration::from_millis(20)).await;
    assert_eq!(never.expect("gives up"), 1);
}

#[tokio::test]
async fn read_models_tell_how_far_they_are_and_are_rebuilt_over_http() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    append(&db, "o-1", 0, json!({ "amount": 1 })).await;
    append(&db, "o-1", 1, json!({ "poison": true })).await;
    let server = TestServer::start(projection::router(db.clone(), MODELS)).await;
    let (_, list) = server.get("/api/v1/read-models").await;
    let behind = json!({ "name": NAME, "position": 0, "head": 2, "lag_events": 2, "rebuilding": false, "parked": 0 });
    assert_eq!(list["items"], json!([behind]));
    let _projection = Projection::of(MODELS[0], db.clone());
    until(&db, 2).await;
    let url = format!("/api/v1/read-models/{NAME}");
    let (_, seen) = server.get(&url).await;
    assert_eq!(
        (&seen["parked"], &seen["parked_events"][0]["position"]),
        (&json!(1), &json!(2))
    );
    let (status, _) = server.post(&format!("{url}/rebuild"), None, &json!({})).await;
    assert_eq!(status, 202);
    until(&db, 2).await;
    assert_eq!(total(&db).await, 1);
    assert_eq!(
        server
            .post("/api/v1/read-models/none/rebuild", None, &json!({}))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn inv_09_a_read_model_is_compared_with_its_fold_and_a_wrong_row_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    for n in 0..40_u64 {
        let data = if n == 7 {
            json!({ "poison": true })
        } else {
            json!({ "amount": n })
        };
        append(&db, &format!("o-{}", n % 4), n / 4, data).await;
    }
    let _projection = Projection::of(MODELS[0], db.clone());
    until(&db, 40).await;
    let before = dump(&db).await;
    let verified = MODELS[0].verify(&db).await.expect("compares");
    assert_eq!(
        (verified.agrees, verified.rows, verified.position, verified.difference),
        (true, 4, 40, None)
    );
    assert_eq!(dump(&db).await, before, "nothing changes by looking");
    let spoil =
        db.write(|tx| Ok::<_, DatabaseError>(tx.execute("UPDATE totals SET total = 1 WHERE order_id = 'o-2'", [])?));
    spoil.await.expect("spoiled");
    let verified = MODELS[0].verify(&db).await.expect("compares");
    assert!(!verified.agrees && verified.difference.is_some_and(|row| row.contains("o-2")));
}

#[tokio::test]
async fn inv_08_a_stream_with_a_gap_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let db = open(folder.path());
    for n in 0..6_u64 {
        append(&db, &format!("o-{}", n % 2), n / 2, json!({ "amount": n })).await;
    }
    assert!(db.read(event_store::broken_streams).await.expect("reads").is_empty());
    let spoil = db.write(|tx| Ok::<_, DatabaseError>(tx.execute("DELETE FROM events WHERE position = 4", [])?));
    spoil.await.expect("spoiled");
    assert_eq!(db.read(event_store::broken_streams).await.expect("reads"), ["o-1"]);
}
