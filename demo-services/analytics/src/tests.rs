//! The read models over HTTP, fed with messages.

use serde_json::{Value, json};
use shop_kit::broker::{Message, Place};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::testing::TestServer;

use crate::{SCHEMA, daily_sales, http, revenue};

fn message(event_type: &str, payload: Value) -> Message {
    Message {
        id: "m".into(),
        place: Place {
            topic: "t".into(),
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

async fn order(db: &Database, event_type: &str, was_confirmed: bool) {
    let items = json!([{ "quantity": 2 }, { "quantity": 1 }]);
    let payload = json!({ "at": "2026-11-21T10:00:00.000Z", "total_minor": 13_000, "items": items,
                          "was_confirmed": was_confirmed });
    let message = message(event_type, payload);
    db.write(move |tx| daily_sales::apply(tx, &message))
        .await
        .expect("applied");
}

async fn payment(db: &Database, event_type: &str, payload: Value) {
    let message = message(event_type, payload);
    db.write(move |tx| revenue::apply(tx, &message)).await.expect("applied");
}

/// The statistics of the course's worked example: 1 order, 1 confirmed, revenue 130.00.
#[tokio::test]
async fn daily_sales_count_orders_and_money() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("a.sqlite"), SCHEMA, Switchboard::idle()).expect("opens");
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
