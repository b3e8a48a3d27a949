//! Letters are written once, however often and in whatever company a message comes.

use std::time::Duration;

use sagascope_conventions::fault::ArmedFault;
use sagascope_conventions::{Fault, FaultKind, FaultStrength, FaultTarget};
use serde_json::{Value, json};
use shop_kit::broker::{Message, Place, schema};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::inbox;
use shop_kit::jobs::Worker;
use shop_kit::retention::Rule;
use shop_kit::retry::RetryPolicy;
use shop_kit::testing::{TestServer, eventually};

use crate::{http, mail, store};

fn message(id: &str, event_type: &str, payload: Value) -> Message {
    Message {
        id: id.into(),
        place: Place {
            topic: "orders.events".into(),
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

/// As the kit's consumer does: the inbox and the handler in one transaction.
async fn deliver(db: &Database, message: Message) -> anyhow::Result<()> {
    db.write(move |tx| {
        if inbox::first_time(tx, "notifications", &message.id)? {
            store::handle(tx, &message)?;
        }
        anyhow::Ok(())
    })
    .await
}

fn order(reason: Option<&str>) -> Value {
    json!({ "order_id": "o-1", "customer_id": "c-1", "currency": "EUR", "total_minor": 13_000, "items": [],
            "reason": reason, "at": "2026-11-21T10:00:00Z" })
}

#[tokio::test]
async fn one_letter_for_each_final_state_of_an_order() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("n.sqlite"), store::SCHEMA, Switchboard::idle()).expect("opens");
    let server = TestServer::start(http::router(db.clone())).await;
    for (id, event_type) in [
        ("m-1", "OrderCreated"),
        ("m-2", "OrderConfirmed"),
        ("m-2", "OrderConfirmed"),
        // Published a second time under a new id: the outbox delivers at least once.
        ("m-3", "OrderConfirmed"),
    ] {
        deliver(&db, message(id, event_type, order(None)))
            .await
            .expect("handled");
    }
    let (_, letters) = server.get("/api/v1/letters?order_id=o-1").await;
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1), "{letters}");
    assert_eq!(letters["items"][0]["state"], "confirmed");
    deliver(&db, message("m-4", "OrderCancelled", order(Some("declined"))))
        .await
        .expect("handled");
    assert_eq!(
        server.get("/api/v1/audit").await.1["letters"],
        json!({ "cancelled": 1, "confirmed": 1 })
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("n.sqlite"), store::SCHEMA, Switchboard::idle()).expect("opens");
    let server = TestServer::start(http::router(db.clone())).await;
    assert!(
        deliver(&db, message("m-1", "OrderConfirmed", json!([5])))
            .await
            .is_err()
    );
    assert_eq!(server.get("/api/v1/audit").await.1["letters"], json!({}));
    deliver(&db, message("m-1", "OrderConfirmed", order(None)))
        .await
        .expect("the same id, mended");
    assert_eq!(
        server.get("/api/v1/audit").await.1["letters"],
        json!({ "confirmed": 1 })
    );
}

#[tokio::test]
async fn g15_a_later_form_of_a_message_gives_the_same_letter_and_an_unknown_one_none() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("n.sqlite"), store::SCHEMA, Switchboard::idle()).expect("opens");
    let server = TestServer::start(http::router(db.clone())).await;
    let of_form = |id: &str, order: &str, version: &str, mut payload: Value| {
        payload["order_id"] = json!(order);
        let mut message = message(id, "OrderConfirmed", payload);
        message.headers.insert(schema::SCHEMA_VERSION.into(), version.into());
        message
    };
    let later = json!({ "customer_id": "c-1", "total": { "minor": 13_000, "currency": "EUR" } });
    deliver(&db, of_form("m-1", "o-1", "1", order(None)))
        .await
        .expect("handled");
    deliver(&db, of_form("m-2", "o-2", "2", later.clone()))
        .await
        .expect("handled");
    let body = |letters: &Value| letters["items"][0]["body"].clone();
    let (_, first) = server.get("/api/v1/letters?order_id=o-1").await;
    let (_, second) = server.get("/api/v1/letters?order_id=o-2").await;
    assert!(
        body(&first).is_string() && body(&first) == body(&second),
        "{first} {second}"
    );
    let unknown = deliver(&db, of_form("m-3", "o-3", "3", later))
        .await
        .expect_err("not guessed");
    assert!(unknown.is::<schema::Unreadable>(), "{unknown}");
}

#[tokio::test]
async fn mails_go_out_as_jobs_and_those_that_fail_wait_for_a_person() {
    let folder = tempfile::tempdir().expect("folder");
    let board = Switchboard::idle();
    let db = Database::open(&folder.path().join("n.sqlite"), store::SCHEMA, board.clone()).expect("opens");
    let server = TestServer::start(http::router(db.clone())).await;
    let away = Fault {
        id: "f-1".into(),
        target: FaultTarget {
            operation: Some(mail::SEND.into()),
            ..FaultTarget::default()
        },
        kind: FaultKind::ErrorRate,
        strength: FaultStrength {
            percent: Some(100),
            ..FaultStrength::default()
        },
        duration_seconds: 600,
        seed: 1,
    };
    let armed = ArmedFault {
        fault: away,
        remaining_ms: 600_000,
    };
    assert!(board.arm(armed));
    deliver(&db, message("m-1", "OrderConfirmed", order(None)))
        .await
        .expect("handled");
    let retry = RetryPolicy {
        attempts: 2,
        base: Duration::from_millis(1),
        factor: 1,
        cap: Duration::from_millis(1),
        jitter: 0.0,
    };
    let mails = |expected: Value| {
        let server = &server;
        async move {
            eventually("the mails stand so", || async {
                (server.get("/api/v1/audit").await.1["mails"] == expected).then_some(())
            })
            .await;
        }
    };
    let work = db.clone();
    let _worker = Worker::start(mail::QUEUE, db.clone(), retry, move |job| mail::send(work.clone(), job));
    mails(json!({ "sent": 0, "waiting": 0, "failed": 1 })).await;
    board.clear("f-1");
    deliver(&db, message("m-2", "OrderCancelled", order(Some("declined"))))
        .await
        .expect("handled");
    mails(json!({ "sent": 1, "waiting": 0, "failed": 1 })).await;
}

#[tokio::test]
async fn a_missing_order_id_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("n.sqlite"), store::SCHEMA, Switchboard::idle()).expect("opens");
    let server = TestServer::start(http::router(db)).await;
    let (status, problem) = server.get("/api/v1/letters").await;
    assert_eq!((status, &problem["field"]), (400, &json!("order_id")));
}

#[tokio::test]
async fn letters_that_were_let_go_are_counted_on() {
    let folder = tempfile::tempdir().expect("folder");
    let db = Database::open(&folder.path().join("n.sqlite"), store::SCHEMA, Switchboard::idle()).expect("opens");
    let server = TestServer::start(http::router(db.clone())).await;
    deliver(&db, message("m-1", "OrderConfirmed", order(None)))
        .await
        .expect("handled");
    let rule = Rule::Ended {
        kept: 0,
        let_go: store::let_go,
    };
    assert_eq!(db.write(move |tx| rule.apply(tx)).await.expect("let go"), 1);
    let (_, letters) = server.get("/api/v1/letters?order_id=o-1").await;
    assert_eq!(letters["items"], json!([]));
    assert_eq!(
        server.get("/api/v1/audit").await.1["letters"],
        json!({ "confirmed": 1 })
    );
}
