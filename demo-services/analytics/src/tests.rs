//! The read models over HTTP, fed with messages.

use std::time::Duration;

use serde_json::{Value, json};
use shop_kit::broker::{Message, Place};
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::event_store;
use shop_kit::faults::Switchboard;
use shop_kit::projection::{self, Projection};
use shop_kit::testing::TestServer;

use crate::feed::{self, ALL_GO, MODELS};
use crate::{SCHEMA, http};

fn message(topic: &str, event_type: &str, payload: Value) -> Message {
    Message {
        id: "m".into(),
        place: Place {
            topic: topic.into(),
            partition: 0,
            offset: 0,
        },
        key: "o-1".into(),
        event_type: event_type.into(),
        payload,
        headers: Default::default(),
        published_at: 0,
        attempts: 1,
    }
}

/// Takes a message over, and waits until both read models have seen it.
async fn take(db: &Database, message: Message) {
    let write = db.write(move |tx| {
        feed::take(tx, &message, &Context::default())?;
        Ok::<_, anyhow::Error>(event_store::head(tx)?)
    });
    let head = write.await.expect("taken over");
    seen(db, head).await;
}

async fn seen(db: &Database, head: u64) {
    for model in MODELS {
        let stands = projection::reached(db, model.name, head, Duration::from_secs(30))
            .await
            .expect("waits");
        assert!(stands >= head, "{} stands at {stands}", model.name);
    }
}

fn run(db: &Database) -> Vec<Projection> {
    MODELS.iter().map(|&model| Projection::of(model, db.clone())).collect()
}

async fn order(db: &Database, event_type: &str, was_confirmed: bool) {
    let items = json!([{ "quantity": 2 }, { "quantity": 1 }]);
    let payload = json!({ "at": "2026-11-21T10:00:00.000Z", "total_minor": 13_000, "items": items,
                          "was_confirmed": was_confirmed });
    take(db, message("orders.events", event_type, payload)).await;
}

async fn payment(db: &Database, event_type: &str, payload: Value) {
    take(db, message("payments.events", event_type, payload)).await;
}

/// The statistics of the course's worked example: 1 order, 1 confirmed, revenue 130.00.
#[tokio::test]
async fn daily_sales_count_orders_and_money() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("a.sqlite"), SCHEMA, Switchboard::idle()).expect("opens");
    let _read_models = run(&db);
    let server = TestServer::start(http::router(db.clone())).await;
    order(&db, "OrderCreated", false).await;
    order(&db, "OrderConfirmed", false).await;
    let day = json!({ "day": "2026-11-21", "created": 1, "confirmed": 1, "cancelled": 0, "pieces": 3,
                      "sales_minor": 13_000 });
    assert_eq!(server.get("/api/v1/daily-sales").await.1["items"], json!([day]));
    order(&db, "OrderCreated", false).await;
    order(&db, "OrderCancelled", false).await;
    order(&db, "OrderGiftWrapped", false).await;
    let (_, days) = server.get("/api/v1/daily-sales?limit=1").await;
    let seen = ["created", "confirmed", "cancelled", "sales_minor"].map(|of| days["items"][0][of].clone());
    assert_eq!(seen, [2, 1, 1, 13_000].map(Value::from));
}

#[tokio::test]
async fn revenue_counts_what_came_and_what_went_back() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("a.sqlite"), SCHEMA, Switchboard::idle()).expect("opens");
    let _read_models = run(&db);
    let server = TestServer::start(http::router(db.clone())).await;
    let money = |amount: i64| json!({ "amount_minor": amount, "currency": "EUR" });
    payment(&db, "PaymentCaptured", money(13_000)).await;
    payment(&db, "PaymentCaptured", money(500)).await;
    payment(&db, "PaymentRefunded", money(500)).await;
    payment(&db, "PaymentDeclined", json!({ "amount_minor": 9 })).await;
    payment(&db, "PaymentVoided", json!({})).await;
    let (_, revenue) = server.get("/api/v1/revenue").await;
    let seen = ["captured_minor", "refunded_minor", "net_minor", "charges"].map(|of| revenue["items"][0][of].clone());
    assert_eq!(seen, [13_500, 500, 13_000, 2].map(Value::from));
}

#[tokio::test]
async fn inv_09_rebuilt_read_models_count_also_what_was_let_go() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("a.sqlite"), SCHEMA, Switchboard::idle()).expect("opens");
    let _read_models = run(&db);
    let server = TestServer::start(http::router(db.clone())).await;
    order(&db, "OrderCreated", false).await;
    order(&db, "OrderConfirmed", false).await;
    payment(
        &db,
        "PaymentCaptured",
        json!({ "amount_minor": 13_000, "currency": "EUR" }),
    )
    .await;
    take(
        &db,
        message("orders.events", "OrderConfirmed", json!({ "poison": true })),
    )
    .await;
    let gone = db.write(|tx| ALL_GO.apply(tx)).await.expect("let go");
    assert_eq!(gone, 2, "the streams of one order and one payment");
    order(&db, "OrderCreated", false).await;
    let head = db.read(event_store::head).await.expect("reads");
    for model in MODELS {
        let before = db.read(|conn| model.dump(conn)).await.expect("reads");
        let (status, _) = server
            .post(&format!("/api/v1/read-models/{}/rebuild", model.name), None, &json!({}))
            .await;
        assert_eq!(status, 202);
        seen(&db, head).await;
        assert_eq!(
            db.read(|conn| model.dump(conn)).await.expect("reads"),
            before,
            "{}",
            model.name
        );
    }
    let (_, days) = server.get("/api/v1/daily-sales").await;
    assert_eq!(
        (&days["items"][0]["created"], &days["items"][0]["sales_minor"]),
        (&json!(2), &json!(13_000))
    );
}

#[tokio::test]
async fn read_models_from_before_there_were_copies_begin_with_what_they_hold() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("a.sqlite"), SCHEMA, Switchboard::idle()).expect("opens");
    let fill = db.write(|tx| {
        tx.execute("INSERT INTO daily_sales VALUES ('2026-11-20', 5, 4, 1, 9, 70000)", [])?;
        feed::adopt(tx)
    });
    fill.await.expect("filled");
    let _read_models = run(&db);
    MODELS[0].rebuild(&db).await.expect("rebuilds");
    order(&db, "OrderCreated", false).await;
    db.write(feed::adopt).await.expect("changes nothing");
    MODELS[0].rebuild(&db).await.expect("rebuilds");
    let head = db.read(event_store::head).await.expect("reads");
    seen(&db, head).await;
    let server = TestServer::start(http::router(db.clone())).await;
    let (_, days) = server.get("/api/v1/daily-sales").await;
    let created: Vec<_> = days["items"]
        .as_array()
        .expect("days")
        .iter()
        .map(|day| day["created"].clone())
        .collect();
    assert_eq!(created, [1, 5]);
}
