//! The service over HTTP.

use serde_json::{Value, json};
use shop_kit::testing::{TestServer, eventually};
use tempfile::TempDir;

use super::fakes::{Effects, Peers, Shop, Trouble, open};
use crate::retention::ALL_GO;

async fn start(peers: &Peers) -> (Shop, TestServer, TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    let mut shop = open(&folder, peers);
    shop.run();
    let server = shop.serve(peers).await;
    (shop, server, folder)
}

fn order() -> Value {
    json!({ "customer_id": "c-1", "items": [
        { "product_id": "product-1", "quantity": 2 },
        { "product_id": "product-2", "quantity": 1 },
    ]})
}

async fn shows(server: &TestServer, url: &str, status: &str) -> Value {
    let look = || async {
        let (code, order) = server.get(url).await;
        assert_eq!(code, 200, "never a 404 behind the Location");
        (order["status"] == status).then_some(order)
    };
    eventually(status, look).await
}

#[tokio::test]
async fn an_order_is_accepted_and_then_confirmed_at_the_catalogs_prices() {
    let (_shop, server, _folder) = start(&Peers::default()).await;
    let (status, accepted) = server.post("/api/v1/orders", Some("k-1"), &order()).await;
    assert_eq!(
        (status, &accepted["status"], &accepted["total_minor"]),
        (202, &json!("accepted"), &json!(13_000))
    );
    let url = accepted["status_url"].as_str().expect("a link").to_owned();
    let seen = shows(&server, &url, "confirmed").await;
    assert_eq!(
        (&seen["total_minor"], &seen["tracking_number"]),
        (&json!(13_000), &json!("SG1"))
    );
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(2));

    let listed = || async {
        let (_, list) = server.get("/api/v1/orders?customer_id=c-1").await;
        (list["items"][0]["status"] == "confirmed").then_some(list)
    };
    let list = eventually("the customer's list", listed).await;
    assert_eq!(
        (&list["items"][0]["items"], &list["items"][0]["total_minor"]),
        (&json!(2), &json!(13_000))
    );
    // The worked example: 1 order, 1 confirmed, revenue 130.00.
    let (_, statistics) = server.get("/api/v1/statistics").await;
    assert_eq!(
        statistics,
        json!({ "confirmed": { "orders": 1, "total_minor": 13_000 } })
    );
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(
        (&audit["agrees"], &audit["confirmed_total_minor"]),
        (&json!(true), &json!(13_000))
    );
}

#[tokio::test]
async fn a_refused_order_is_cancelled_with_its_reason() {
    let peers = Peers::default();
    peers.trouble("charge", Trouble::Refused, 1);
    let (_shop, server, _folder) = start(&peers).await;
    let (_, accepted) = server.post("/api/v1/orders", Some("k-1"), &order()).await;
    let url = accepted["status_url"].as_str().expect("a link").to_owned();
    let seen = shows(&server, &url, "cancelled").await;
    assert!(seen["reason"].is_string(), "{seen}");
    let ended = || async {
        let (_, audit) = server.get("/api/v1/audit").await;
        (audit["sagas"]["compensated"] == 1).then_some(audit)
    };
    assert_eq!(eventually("the saga's end", ended).await["agrees"], true);
}

#[tokio::test]
async fn inv_06_a_repeated_key_is_the_same_order_and_another_body_is_refused() {
    let (_shop, server, _folder) = start(&Peers::default()).await;
    let body = order();
    let place = || server.post("/api/v1/orders", Some("k"), &body);
    let (first, again) = tokio::join!(place(), place());
    assert_eq!(first, again);
    let mut other = order();
    other["items"][0]["quantity"] = json!(3);
    let (status, problem) = server.post("/api/v1/orders", Some("k"), &other).await;
    assert_eq!((status, &problem["code"]), (409, &json!("key_reused")));
    let (_, audit) = server.get("/api/v1/audit").await;
    let sagas: u64 = audit["sagas"]
        .as_object()
        .expect("by state")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(sagas, 1);
}

#[tokio::test]
async fn bad_orders_name_the_field_and_have_no_effect() {
    let (_shop, server, _folder) = start(&Peers::default()).await;
    let items = |product_id: &str, quantity: i64| json!({ "customer_id": "c-1", "items": [{ "product_id": product_id, "quantity": quantity }] });
    for (body, status, field) in [
        (json!({}), 400, "customer_id"),
        (json!({ "customer_id": "c 1", "items": [] }), 400, "customer_id"),
        (json!({ "customer_id": "c-1", "items": [] }), 400, "items"),
        (json!({ "customer_id": "c-1", "items": "all" }), 400, "items"),
        (items("product-1", 0), 400, "items[0].quantity"),
        (items("product-1", 101), 400, "items[0].quantity"),
        (items("../x", 1), 400, "items[0].product_id"),
        (items("product-404", 1), 422, "items[0].product_id"),
    ] {
        let (answered, problem) = server.post("/api/v1/orders", Some("k"), &body).await;
        assert_eq!(
            (answered, &problem["field"]),
            (status, &json!(field)),
            "{body}: {problem}"
        );
    }
    let (status, problem) = server.post("/api/v1/orders", None, &order()).await;
    assert_eq!((status, &problem["field"]), (400, &json!("Idempotency-Key")));
    let (status, _) = server.post("/api/v1/orders", Some("k"), &items("product-503", 1)).await;
    assert_eq!(status, 503, "no price, no order");
    assert_eq!(server.get("/api/v1/orders/nobody").await.0, 404);
    assert_eq!(server.get("/api/v1/orders").await.1["field"], "customer_id");
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(audit["orders"], json!({ "cancelled": 0, "confirmed": 0, "created": 0 }));
}

#[tokio::test]
async fn an_order_can_be_cancelled_while_it_is_under_way() {
    let peers = Peers::default();
    peers.trouble("reserve", Trouble::HangsBefore, 1);
    let (_shop, server, _folder) = start(&peers).await;
    let (_, accepted) = server.post("/api/v1/orders", Some("k-1"), &order()).await;
    let url = accepted["status_url"].as_str().expect("a link").to_owned();
    shows(&server, &url, "created").await;
    let cancel = format!("{url}/cancel");
    for _ in 0..2 {
        assert_eq!(
            server
                .post(&cancel, None, &json!({ "reason": "changed my mind" }))
                .await
                .0,
            202
        );
    }
    shows(&server, &url, "cancelled").await;
}

#[tokio::test]
async fn a_confirmed_or_unknown_order_cannot_be_cancelled() {
    let (_shop, server, _folder) = start(&Peers::default()).await;
    let (_, accepted) = server.post("/api/v1/orders", Some("k-2"), &order()).await;
    let url = accepted["status_url"].as_str().expect("a link").to_owned();
    shows(&server, &url, "confirmed").await;
    let (status, problem) = server.post(&format!("{url}/cancel"), None, &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("already_confirmed")));
    assert_eq!(
        server.post("/api/v1/orders/nobody/cancel", None, &json!({})).await.0,
        404
    );
}

#[tokio::test]
async fn an_accepted_order_that_is_not_created_yet_cannot_be_cancelled_but_is_not_unknown() {
    let (folder, peers) = (tempfile::tempdir().expect("folder"), Peers::default());
    let mut shop = open(&folder, &peers);
    let server = shop.serve(&peers).await;
    let (_, accepted) = server.post("/api/v1/orders", Some("k-1"), &order()).await;
    let url = accepted["status_url"].as_str().expect("a link").to_owned();
    let (status, problem) = server.post(&format!("{url}/cancel"), None, &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("not_created_yet")));
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("try again"))
    );
    shop.run();
    shows(&server, &url, "confirmed").await;
}

/// Places an order that ends as `end`, lets go of it, and looks at what is left.
async fn let_go_of_one(peers: &Peers, end: &str, saga: &str) {
    let (shop, server, _folder) = start(peers).await;
    let (_, accepted) = server.post("/api/v1/orders", Some("k-1"), &order()).await;
    let url = accepted["status_url"].as_str().expect("a link").to_owned();
    shows(&server, &url, end).await;
    let ended = || async {
        let (_, audit) = server.get("/api/v1/audit").await;
        (audit["sagas"][saga] == 1).then_some(audit)
    };
    let before = eventually("the saga's end", ended).await;
    let statistics = server.get("/api/v1/statistics").await;
    // It stays until every read model has seen its last event.
    let gone = || async {
        shop.db.write(|tx| ALL_GO.apply(tx)).await.expect("applied");
        (server.get(&url).await.0 == 404).then_some(())
    };
    eventually("it is gone", gone).await;
    assert_eq!(server.get("/api/v1/audit").await.1, before);
    assert_eq!(server.get("/api/v1/statistics").await, statistics);
    let (_, list) = server.get("/api/v1/orders?customer_id=c-1").await;
    assert_eq!(list["items"], json!([]));
    // Rebuilt from zero they still count what was let go.
    server
        .post("/api/v1/read-models/statistics/rebuild", None, &json!({}))
        .await;
    assert_eq!(server.get("/api/v1/statistics").await, statistics);
}

#[tokio::test]
async fn orders_that_were_let_go_are_gone_and_still_counted() {
    let_go_of_one(&Peers::default(), "confirmed", "completed").await;
    let peers = Peers::default();
    peers.trouble("charge", Trouble::Refused, 1);
    let_go_of_one(&peers, "cancelled", "compensated").await;
}

fn by(flow: &str) -> Value {
    let mut order = order();
    order["flow"] = json!(flow);
    order
}

#[tokio::test]
async fn the_first_generation_answers_when_all_is_done() {
    let peers = Peers::default();
    let (shop, server, _folder) = start(&peers).await;
    let (status, done) = server.post("/api/v1/orders", None, &by("sync")).await;
    assert_eq!((status, &done["status"]), (201, &json!("confirmed")));
    assert_eq!(peers.calls(), ["reserve", "charge", "ship", "sell"]);
    let seen = shows(&server, done["status_url"].as_str().expect("a link"), "confirmed").await;
    assert_eq!(
        (&seen["saga"]["name"], &seen["saga"]["state"]),
        (&json!("order-sync"), &json!("completed"))
    );
    assert_eq!(shop.told().await, ["OrderCreated", "OrderConfirmed"]);
}

#[tokio::test]
async fn the_first_generation_undoes_inline_and_answers_with_the_refusal() {
    let peers = Peers::default();
    peers.trouble("ship", Trouble::Refused, 1);
    let (_shop, server, _folder) = start(&peers).await;
    let (status, problem) = server.post("/api/v1/orders", None, &by("sync")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("ship")));
    assert_eq!(peers.calls(), ["reserve", "charge", "ship", "refund", "release"]);
    assert_eq!(peers.effects(), Effects::default());
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(
        (&audit["agrees"], &audit["flows"]["order-sync"]["compensated"]),
        (&json!(true), &json!(1))
    );
}

/// The lesson of the first generation: an error is taken for "nothing happened", and an undo is tried once.
#[tokio::test]
async fn the_first_generation_leaves_money_charged_when_an_answer_gets_lost() {
    let peers = Peers::default();
    peers.trouble("charge", Trouble::AnswerLost, 1);
    let (_shop, server, _folder) = start(&peers).await;
    let (status, _) = server.post("/api/v1/orders", None, &by("sync")).await;
    assert_eq!((status, peers.effects().captured), (503, 1));

    let peers = Peers::default();
    peers
        .trouble("ship", Trouble::Refused, 1)
        .trouble("refund", Trouble::Lost, 1);
    let (_shop, server, _folder) = start(&peers).await;
    let (status, problem) = server.post("/api/v1/orders", None, &by("sync")).await;
    assert_eq!((status, &problem["code"]), (500, &json!("not_undone")));
    assert_eq!(peers.effects().captured, 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_on_the_first_generation_leaves_no_order() {
    let peers = Peers::default();
    peers.trouble("ship", Trouble::HangsBefore, 1);
    let (_shop, server, _folder) = start(&peers).await;
    let body = by("sync");
    let hangs_up = async {
        let charged = || async { (peers.calls().last() == Some(&"ship")).then_some(()) };
        eventually("the parcel is being booked", charged).await;
    };
    tokio::select! {
        answer = server.post("/api/v1/orders", None, &body) => panic!("answered {answer:?}"),
        () = hangs_up => {}
    }
    assert_eq!(peers.effects().captured, 1, "the money is gone");
    let (_, audit) = server.get("/api/v1/audit").await;
    assert_eq!(audit["orders"]["created"], 0, "and nobody knows of an order: {audit}");
}

#[tokio::test]
async fn the_second_generation_publishes_after_the_commit() {
    let (shop, server, _folder) = start(&Peers::default()).await;
    let (status, accepted) = server.post("/api/v1/orders", None, &by("broker")).await;
    assert_eq!((status, &accepted["status"]), (202, &json!("accepted")));
    assert_eq!(shop.published.types(), ["OrderCreated", "ReserveItems"]);
    assert_eq!(shop.told().await, ["OrderCreated"], "none of it through the outbox");
    let (_, order) = server.get(accepted["status_url"].as_str().expect("a link")).await;
    assert_eq!(order["saga"]["step"], "reserve");
}

#[tokio::test]
async fn an_unknown_flow_is_refused_with_its_field() {
    let (_shop, server, _folder) = start(&Peers::default()).await;
    let (status, problem) = server.post("/api/v1/orders", Some("k"), &by("carrier_pigeon")).await;
    assert_eq!((status, &problem["field"]), (400, &json!("flow")));
    for flow in ["hardened", "event_sourced", "choreographed"] {
        let (status, problem) = server.post("/api/v1/orders", None, &by(flow)).await;
        assert_eq!((status, &problem["field"]), (400, &json!("Idempotency-Key")), "{flow}");
    }
}
