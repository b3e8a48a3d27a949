//! The worked example of the course over HTTP, and what event sourcing gives beside: history, time travel, old forms,
//! reading one's own writes, rebuilding.

use serde_json::{Value, json};
use shop_kit::broker::{Message, Place};
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::event_store::{self, AppendError, NewEvent};
use shop_kit::projection;
use shop_kit::testing::{TestServer, eventually};
use tempfile::TempDir;

use super::fakes::{Peers, Shop, open};
use crate::copies;
use crate::read_models::MODELS;

async fn start() -> (Shop, TestServer, TempDir) {
    let (folder, peers) = (tempfile::tempdir().expect("folder"), Peers::default());
    let mut shop = open(&folder, &peers);
    shop.run();
    let server = shop.serve(&peers).await;
    (shop, server, folder)
}

fn item(product_id: &str, quantity: u32) -> Value {
    json!({ "product_id": product_id, "quantity": quantity })
}

async fn put(server: &TestServer, path: &str, body: &Value) -> (u16, Value) {
    server.put(path, body).await
}

async fn confirmed(server: &TestServer, id: &str) -> Value {
    let look = || async {
        let (_, status) = server.get(&format!("/api/v1/orders/{id}/status")).await;
        (status["final"] == true).then_some(status)
    };
    let status = eventually("the end of the order", look).await;
    assert_eq!(status["status"], "confirmed", "{status}");
    status
}

/// Opens order-123, puts 2 × product-1 at 50.0 and 1 × product-2 at 30.0 in, and confirms it.
async fn order_123(server: &TestServer) -> Value {
    assert_eq!(
        put(server, "/api/v1/orders/order-123", &json!({ "customer_id": "c-1" }))
            .await
            .0,
        201
    );
    for line in [item("product-1", 2), item("product-2", 1)] {
        assert_eq!(server.post("/api/v1/orders/order-123/items", None, &line).await.0, 200);
    }
    let (status, accepted) = server.post("/api/v1/orders/order-123/confirm", None, &json!({})).await;
    assert_eq!((status, &accepted["total_minor"]), (202, &json!(13_000)));
    confirmed(server, "order-123").await
}

#[tokio::test]
async fn order_123_is_confirmed_with_two_items_at_130() {
    let (_shop, server, _folder) = start().await;
    let status = order_123(&server).await;
    let min = format!("min_position={}", status["position"]);

    let (_, order) = server.get(&format!("/api/v1/orders/order-123?{min}")).await;
    assert_eq!(
        (&order["status"], &order["total_minor"]),
        (&json!("confirmed"), &json!(13_000))
    );
    let lines: Vec<_> = order["items"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| {
            (
                line["product_id"].clone(),
                line["quantity"].clone(),
                line["unit_price_minor"].clone(),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (json!("product-1"), json!(2), json!(5_000)),
            (json!("product-2"), json!(1), json!(3_000)),
        ]
    );
    // 1 order, 1 confirmed, revenue 130.00.
    let (_, statistics) = server.get(&format!("/api/v1/statistics?{min}")).await;
    assert_eq!(
        statistics,
        json!({ "confirmed": { "orders": 1, "total_minor": 13_000 } })
    );

    let (refused, problem) = server
        .post("/api/v1/orders/order-123/items", None, &item("product-1", 1))
        .await;
    assert_eq!((refused, &problem["code"]), (422, &json!("already_confirmed")));
    put(&server, "/api/v1/orders/order-empty", &json!({ "customer_id": "c-1" })).await;
    let (refused, problem) = server
        .post("/api/v1/orders/order-empty/confirm", None, &json!({}))
        .await;
    assert_eq!((refused, &problem["code"]), (422, &json!("empty_order")));
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(
        (&audit["agrees"], &audit["orders"]["created"]),
        (&json!(true), &json!(1))
    );
}

#[tokio::test]
async fn what_was_refused_changes_nothing_and_what_is_repeated_is_done_once() {
    let (shop, server, _folder) = start().await;
    order_123(&server).await;
    let events = shop.db.read(event_store::head).await.expect("reads");
    assert_eq!(
        put(&server, "/api/v1/orders/order-123", &json!({ "customer_id": "c-2" }))
            .await
            .0,
        409
    );
    assert_eq!(
        server
            .post("/api/v1/orders/order-123/items", None, &item("product-1", 0))
            .await
            .0,
        400
    );
    assert_eq!(
        server
            .post("/api/v1/orders/nobody/items", None, &item("product-1", 1))
            .await
            .0,
        404
    );
    assert_eq!(
        server
            .post("/api/v1/orders/order-123/items", None, &item("product-404", 1))
            .await
            .0,
        422
    );
    assert_eq!(
        server.post("/api/v1/orders/nobody/confirm", None, &json!({})).await.0,
        404
    );
    assert_eq!(
        server
            .post("/api/v1/orders/order-123/confirm", None, &json!({}))
            .await
            .0,
        202
    );
    assert_eq!(shop.db.read(event_store::head).await.expect("reads"), events);

    put(&server, "/api/v1/orders/order-124", &json!({ "customer_id": "c-1" })).await;
    let stale = json!({ "product_id": "product-1", "quantity": 1, "expected_version": 0 });
    let (status, problem) = server.post("/api/v1/orders/order-124/items", None, &stale).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    assert_eq!(
        server.post("/api/v1/orders/order-124/cancel", None, &json!({})).await.0,
        202
    );
    assert_eq!(
        server.get("/api/v1/orders/order-124/status").await.1["status"],
        "cancelled"
    );
    assert_eq!(server.get("/api/v1/audit").await.1["agrees"], true);
}

#[tokio::test]
async fn an_order_can_be_seen_as_it_was_after_each_of_its_events() {
    let (_shop, server, _folder) = start().await;
    order_123(&server).await;
    let (_, history) = server.get("/api/v1/orders/order-123/history").await;
    let events = history["items"].as_array().expect("events").clone();
    let types: Vec<_> = events
        .iter()
        .map(|event| event["event_type"].as_str().expect("a word"))
        .collect();
    assert_eq!(types, ["OrderCreated", "ItemAdded", "ItemAdded", "OrderConfirmed"]);
    for (event, (status, items, total)) in events.iter().zip([
        ("created", 0, 0),
        ("created", 1, 10_000),
        ("created", 2, 13_000),
        ("confirmed", 2, 13_000),
    ]) {
        let at = event["created_at"].as_str().expect("a time");
        let (_, seen) = server.get(&format!("/api/v1/orders/order-123?as_of={at}")).await;
        assert_eq!((&seen["status"], &seen["total_minor"]), (&json!(status), &json!(total)));
        assert_eq!(
            (seen["items"].as_array().map(Vec::len), &seen["version"]),
            (Some(items), &event["version"])
        );
    }
    assert_eq!(
        server
            .get("/api/v1/orders/order-123?as_of=1970-01-01T00:00:01Z")
            .await
            .0,
        404
    );
    let (status, problem) = server.get("/api/v1/orders/order-123?as_of=yesterday").await;
    assert_eq!((status, &problem["field"]), (400, &json!("as_of")));
    assert_eq!(server.get("/api/v1/orders/nobody/history").await.0, 404);
}

async fn append(db: &Database, id: &'static str, expected: u64, events: Vec<NewEvent>) {
    let write = db.write(move |tx| event_store::append(tx, "order", id, expected, &events, &Context::default()));
    write
        .await
        .map_err(|error: AppendError| error.to_string())
        .expect("appended");
}

/// order-123 as the course stores it: decimals, and no `OrderCreated`.
fn as_the_course_writes_it() -> Vec<NewEvent> {
    let item = |product: &str, quantity: u32, price: f64| {
        NewEvent::new(
            "ItemAdded",
            &json!({ "product_id": product, "quantity": quantity, "price": price }),
        )
    };
    let events = [
        item("product-1", 2, 50.0),
        item("product-2", 1, 30.0),
        NewEvent::new("OrderConfirmed", &json!({ "total": 130.0 })),
    ];
    events.into_iter().collect::<Result<_, _>>().expect("have a JSON form")
}

#[tokio::test]
async fn g15_a_stream_of_the_first_form_reads_as_one_of_today_and_unknown_events_are_kept() {
    let (shop, server, _folder) = start().await;
    append(&shop.db, "order-123", 0, as_the_course_writes_it()).await;
    let later = NewEvent::new("GiftWrapped", &json!({ "paper": "blue" })).expect("has a JSON form");
    append(&shop.db, "order-123", 3, vec![later]).await;
    let (_, order) = server.get("/api/v1/orders/order-123?min_position=4").await;
    assert_eq!(
        (&order["status"], &order["total_minor"]),
        (&json!("confirmed"), &json!(13_000))
    );
    let (_, statistics) = server.get("/api/v1/statistics?min_position=4").await;
    assert_eq!(
        statistics,
        json!({ "confirmed": { "orders": 1, "total_minor": 13_000 } })
    );
    let (_, history) = server.get("/api/v1/orders/order-123/history").await;
    let told: Vec<_> = history["items"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| (event["stored_schema_version"].clone(), event["known"].clone()))
        .collect();
    let (known, unknown) = ((json!(1), json!(true)), (json!(1), json!(false)));
    assert_eq!(told, [known.clone(), known.clone(), known, unknown]);
    assert_eq!(history["items"][0]["data"]["unit_price_minor"], 5_000);
    let (_, kinds) = server.get("/api/v1/event-kinds").await;
    assert_eq!(kinds["unknown_events"], 1);
    let (_, model) = server.get("/api/v1/read-models/summary").await;
    assert_eq!(
        (&model["parked"], &model["parked_events"][0]["position"]),
        (&json!(1), &json!(4))
    );
}

#[tokio::test]
async fn a_stream_can_be_copied_into_the_newest_form_and_is_counted_once() {
    let (shop, server, _folder) = start().await;
    append(&shop.db, "order-123", 0, as_the_course_writes_it()).await;
    let (status, first) = server
        .post(
            "/api/v1/orders/order-123/replace",
            None,
            &json!({ "new_id": "order-123.v2" }),
        )
        .await;
    assert_eq!((status, &first["events"]), (200, &json!(3)), "{first}");
    let (status, again) = server
        .post(
            "/api/v1/orders/order-123/replace",
            None,
            &json!({ "new_id": "order-123.v2" }),
        )
        .await;
    assert_eq!((status, &again["events"]), (200, &json!(null)), "done before");
    let min = format!("min_position={}", first["position"]);
    let (_, statistics) = server.get(&format!("/api/v1/statistics?{min}")).await;
    assert_eq!(
        statistics,
        json!({ "confirmed": { "orders": 1, "total_minor": 13_000 } })
    );
    assert_eq!(server.get(&format!("/api/v1/orders/order-123?{min}")).await.0, 404);
    let (_, order) = server.get("/api/v1/orders/order-123.v2").await;
    assert_eq!(
        (&order["status"], &order["total_minor"]),
        (&json!("confirmed"), &json!(13_000))
    );
    let (_, history) = server.get("/api/v1/orders/order-123/history").await;
    assert_eq!(
        (history["items"].as_array().map(Vec::len), &history["replaced_by"]),
        (Some(4), &json!("order-123.v2"))
    );
    let (_, copy) = server.get("/api/v1/orders/order-123.v2/history").await;
    assert_eq!(copy["items"][0]["stored_schema_version"], 2);
    assert_eq!(
        server
            .post("/api/v1/orders/nobody/replace", None, &json!({ "new_id": "x" }))
            .await
            .0,
        404
    );
    assert_eq!(
        server
            .post("/api/v1/orders/order-123/replace", None, &json!({ "new_id": "x" }))
            .await
            .0,
        409
    );
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(audit["confirmed_total_minor"], 13_000, "{audit}");
}

#[tokio::test]
async fn orders_are_found_by_words() {
    let (_shop, server, _folder) = start().await;
    let status = order_123(&server).await;
    let min = format!("min_position={}", status["position"]);
    for (words, found) in [
        ("order-123", 1),
        ("product-2%20confirmed", 1),
        ("c-1", 1),
        ("conf", 1),
        ("cancelled", 0),
        ("%22%28OR%20unheard", 0),
    ] {
        let (_, orders) = server.get(&format!("/api/v1/orders/search?q={words}&{min}")).await;
        assert_eq!(
            orders["items"].as_array().map(Vec::len),
            Some(found),
            "{words}: {orders}"
        );
    }
    assert_eq!(server.get("/api/v1/orders/search?q=").await.1["field"], "q");
}

#[tokio::test]
async fn a_read_that_asks_for_more_than_there_is_waits_and_is_told_to_come_again() {
    let (_shop, server, _folder) = start().await;
    let (status, problem) = server.get("/api/v1/statistics?min_position=1").await;
    assert_eq!((status, &problem["code"]), (503, &json!("read_model_behind")));
    let (status, problem) = server.get("/api/v1/statistics?min_position=soon").await;
    assert_eq!((status, &problem["field"]), (400, &json!("min_position")));
}

#[tokio::test]
async fn inv_09_every_read_model_rebuilt_is_what_it_was_and_nothing_is_told_again() {
    let (shop, server, _folder) = start().await;
    order_123(&server).await;
    put(&server, "/api/v1/orders/order-124", &json!({ "customer_id": "c-1" })).await;
    server
        .post("/api/v1/orders/order-124/items", None, &item("product-7", 3))
        .await;
    let (_, last) = server
        .post("/api/v1/orders/order-124/cancel", None, &json!({ "reason": "no" }))
        .await;
    let head = last["position"].as_u64().expect("a position");
    let told = shop.told().await;
    for model in MODELS {
        let dump = || async {
            let limit = std::time::Duration::from_secs(30);
            assert!(
                projection::reached(&shop.db, model.name, head, limit)
                    .await
                    .expect("waits")
                    >= head
            );
            shop.db.read(|conn| model.dump(conn)).await.expect("reads")
        };
        let before = dump().await;
        assert!(!before.is_empty(), "{}", model.name);
        let url = format!("/api/v1/read-models/{}/rebuild", model.name);
        assert_eq!(server.post(&url, None, &json!({})).await.0, 202);
        assert_eq!(dump().await, before, "INV-09: {}", model.name);
        let (_, verified) = server
            .post(&format!("/api/v1/read-models/{}/verify", model.name), None, &json!({}))
            .await;
        assert_eq!(
            (&verified["agrees"], &verified["difference"]),
            (&json!(true), &json!(null))
        );
    }
    assert_eq!(shop.told().await, told, "the outbox is unchanged");
    let (_, store) = server.get("/api/v1/event-store").await;
    assert_eq!(store["broken_streams"], json!([]), "INV-08");
}

fn told(event_type: &str, payload: Value) -> Message {
    Message {
        id: "m".into(),
        place: Place {
            topic: "t".into(),
            partition: 0,
            offset: 0,
        },
        key: "k".into(),
        event_type: event_type.into(),
        payload,
        headers: Default::default(),
        published_at: 0,
        attempts: 1,
    }
}

#[tokio::test]
async fn an_order_is_shown_with_the_names_of_its_customer_and_products() {
    let (shop, server, _folder) = start().await;
    let status = order_123(&server).await;
    let url = format!("/api/v1/orders/order-123/details?min_position={}", status["position"]);
    let (_, bare) = server.get(&url).await;
    assert_eq!(
        (&bare["customer"]["display_name"], &bare["lines"][0]["name"]),
        (&json!(null), &json!(null))
    );
    let write = shop.db.write(|tx| {
        let product = |version, name| json!({ "product_id": "product-1", "version": version, "name": name, "category": "kitchen" });
        let user = |version, name| json!({ "user_id": "c-1", "version": version, "display_name": name, "tier": "gold" });
        copies::product(tx, &told("ProductChanged", product(2, "Enamel mug")))?;
        copies::product(tx, &told("ProductListed", product(1, "an older name")))?;
        copies::product(tx, &told("ProductSungAbout", json!({})))?;
        copies::customer(tx, &told("UserRegistered", user(1, "Ada")))
    });
    write.await.expect("copied");
    let (_, order) = server.get(&url).await;
    assert_eq!(
        (&order["status"], &order["total_minor"]),
        (&json!("confirmed"), &json!(13_000))
    );
    assert_eq!(
        (&order["customer"]["display_name"], &order["customer"]["tier"]),
        (&json!("Ada"), &json!("gold"))
    );
    assert_eq!(
        (&order["lines"][0]["name"], &order["lines"][1]["name"]),
        (&json!("Enamel mug"), &json!(null))
    );

    let forget = shop.db.write(|tx| {
        copies::customer(tx, &told("UserDeleted", json!({ "user_id": "c-1", "version": 2 })))?;
        copies::customer(
            tx,
            &told(
                "UserChanged",
                json!({ "user_id": "c-1", "version": 1, "display_name": "Ada" }),
            ),
        )
    });
    forget.await.expect("forgotten");
    assert_eq!(server.get(&url).await.1["customer"]["display_name"], json!(null));
}
