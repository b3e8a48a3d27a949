//! The service over HTTP: one parcel an order.

use serde_json::{Value, json};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::outside::Outside;
use shop_kit::retention::Rule;
use shop_kit::testing::TestServer;
use tempfile::TempDir;

use crate::http::{Shipping, router};
use crate::store;

async fn open(folder: &TempDir) -> TestServer {
    TestServer::start(router(Shipping {
        db: database(folder),
        carrier: Outside::instant("carrier"),
    }))
    .await
}

fn database(folder: &TempDir) -> Database {
    let path = folder.path().join("shipping.sqlite");
    Database::open(&path, store::SCHEMA, Switchboard::idle()).expect("opens")
}

async fn create(server: &TestServer, order_id: &str) -> (u16, Value) {
    let body = json!({ "order_id": order_id, "customer_id": "c-1", "pieces": 3 });
    server.post("/api/v1/shipments", None, &body).await
}

async fn cancel(server: &TestServer, order_id: &str) -> (u16, Value) {
    server
        .post(&format!("/api/v1/shipments/{order_id}/cancel"), None, &json!({}))
        .await
}

#[tokio::test]
async fn a_shipment_is_created_once_and_cancelled_once() {
    let folder = tempfile::tempdir().expect("folder");
    let server = open(&folder).await;
    let first = create(&server, "o-1").await;
    assert_eq!((first.0, first.1["tracking_number"].is_string()), (201, true));
    assert_eq!(create(&server, "o-1").await, first);
    let server = open(&folder).await;
    assert_eq!(
        server.get("/api/v1/shipments/o-1").await.1,
        first.1,
        "there after a restart"
    );
    for _ in 0..2 {
        assert_eq!(cancel(&server, "o-1").await.1["state"], "cancelled");
    }
    assert_eq!(create(&server, "o-1").await.1["code"], "shipment_cancelled");
    assert_eq!(
        server.get("/api/v1/audit").await.1["shipments"],
        json!({ "cancelled": 1 })
    );
}

#[tokio::test]
async fn g06_a_create_that_comes_after_its_cancel_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let server = open(&folder).await;
    assert_eq!(cancel(&server, "o-1").await.0, 200);
    assert_eq!(create(&server, "o-1").await.0, 409);
}

#[tokio::test]
async fn bad_commands_name_the_field_and_have_no_effect() {
    let folder = tempfile::tempdir().expect("folder");
    let server = open(&folder).await;
    for (body, field) in [
        (json!({ "customer_id": "c-1", "pieces": 3 }), "order_id"),
        (
            json!({ "order_id": "a b", "customer_id": "c-1", "pieces": 3 }),
            "order_id",
        ),
        (
            json!({ "order_id": "o-1", "customer_id": "", "pieces": 3 }),
            "customer_id",
        ),
        (
            json!({ "order_id": "o-1", "customer_id": "c-1", "pieces": 0 }),
            "pieces",
        ),
        (
            json!({ "order_id": "o-1", "customer_id": "c-1", "pieces": "three" }),
            "pieces",
        ),
    ] {
        let (status, problem) = server.post("/api/v1/shipments", None, &body).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{body}: {problem}");
    }
    assert_eq!(server.get("/api/v1/shipments/o-1").await.0, 404);
    assert_eq!(server.get("/api/v1/audit").await.1["shipments"], json!({}));
}

#[tokio::test]
async fn shipments_that_were_let_go_are_counted_on() {
    let folder = tempfile::tempdir().expect("folder");
    let server = open(&folder).await;
    create(&server, "o-1").await;
    create(&server, "o-2").await;
    cancel(&server, "o-2").await;
    let before = server.get("/api/v1/audit").await;
    let rule = Rule::Ended {
        kept: 0,
        let_go: store::let_go,
    };
    let gone = database(&folder).write(move |tx| rule.apply(tx)).await;
    assert_eq!(gone.expect("let go"), 2);
    assert_eq!(server.get("/api/v1/shipments/o-1").await.0, 404);
    assert_eq!(server.get("/api/v1/audit").await, before);
}
