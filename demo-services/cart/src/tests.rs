//! Carts over HTTP, before an orders service that accepts, refuses or is away.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shop_kit::caller::Caller;
use shop_kit::database::Database;
use shop_kit::events::StateEvents;
use shop_kit::faults::Switchboard;
use shop_kit::profile::Profile;
use shop_kit::testing::{TestServer, client};
use tempfile::TempDir;

use crate::http::{Carts, router};
use crate::store;

/// Key and body of an order.
type Ordered = (String, Value);

/// Answers every order with this status, and notes it.
#[derive(Clone)]
struct Orders {
    status: Arc<Mutex<u16>>,
    ordered: Arc<Mutex<Vec<Ordered>>>,
}

async fn order(State(orders): State<Orders>, request: Request) -> Response {
    let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap();
    orders.ordered.lock().unwrap().push((key, body));
    let status = StatusCode::from_u16(*orders.status.lock().unwrap()).unwrap();
    let answer = match status.as_u16() {
        202 => json!({ "order_id": "o-1", "status_url": "/api/v1/orders/o-1" }),
        _ => json!({ "code": "unknown_product", "title": "cannot be ordered" }),
    };
    (status, axum::Json(answer)).into_response()
}

struct Shop {
    carts: TestServer,
    orders: Orders,
    _parts: (TestServer, TempDir),
}

async fn shop() -> Shop {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("cart.sqlite");
    let orders = Orders {
        status: Arc::new(Mutex::new(202)),
        ordered: Arc::default(),
    };
    let behind = TestServer::start(Router::new().fallback(order).with_state(orders.clone())).await;
    let mut profile = Profile::demo();
    profile.retry.attempts = 1;
    let caller = Caller::new(
        "orders",
        behind.base().to_owned(),
        client(),
        profile,
        StateEvents::discard(),
    );
    let db = Database::open(&path, store::SCHEMA, Switchboard::idle()).expect("opens");
    let carts = TestServer::start(router(Carts { db, orders: caller })).await;
    Shop {
        carts,
        orders,
        _parts: (behind, folder),
    }
}

impl Shop {
    async fn add(&self, product_id: &str, quantity: i64) -> (u16, Value) {
        let line = json!({ "product_id": product_id, "quantity": quantity });
        self.carts.post("/api/v1/carts/c-1/items", None, &line).await
    }

    async fn check_out(&self, key: &str) -> (u16, Value) {
        self.carts
            .post("/api/v1/carts/c-1/checkout", Some(key), &json!({}))
            .await
    }

    async fn items(&self) -> Value {
        let (status, cart) = self.carts.get("/api/v1/carts/c-1").await;
        assert_eq!(status, 200);
        cart["items"].clone()
    }

    fn orders_answer(&self, status: u16) {
        *self.orders.status.lock().unwrap() = status;
    }

    fn ordered(&self) -> Vec<Ordered> {
        self.orders.ordered.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_cart_is_filled_changed_and_ordered_once() {
    let shop = shop().await;
    shop.add("mug", 1).await;
    shop.add("mug", 1).await;
    shop.add("pen", 3).await;
    let (status, _, cart) = shop
        .carts
        .send(Method::DELETE, "/api/v1/carts/c-1/items/pen", &[], None)
        .await;
    assert_eq!(
        (status, &cart["items"]),
        (200, &json!([{ "product_id": "mug", "quantity": 2 }]))
    );
    let first = shop.check_out("k-1").await;
    assert_eq!((first.0, &first.1["order_id"]), (202, &json!("o-1")));
    assert_eq!(shop.items().await, json!([]));
    assert_eq!(shop.check_out("k-1").await, first, "the same answer for the same key");
    assert_eq!(shop.check_out("k-2").await.0, 422, "it is empty");
    let ordered = shop.ordered();
    assert_eq!(ordered.len(), 1);
    assert_eq!(ordered[0].1["items"], json!([{ "product_id": "mug", "quantity": 2 }]));
}

#[tokio::test]
async fn filling_goes_on_while_orders_are_away_and_a_second_try_orders_the_same() {
    let shop = shop().await;
    shop.orders_answer(503);
    shop.add("mug", 1).await;
    assert_eq!(shop.check_out("k-1").await.0, 503);
    assert_eq!(shop.add("pen", 1).await.0, 200);
    assert_eq!(shop.items().await.as_array().unwrap().len(), 2, "nothing is lost");
    shop.orders_answer(202);
    assert_eq!(shop.check_out("k-1").await.0, 202);
    assert_eq!(shop.items().await, json!([{ "product_id": "pen", "quantity": 1 }]));
    let ordered = shop.ordered();
    assert_eq!(ordered[0], ordered[1], "the same key and the same body");
}

#[tokio::test]
async fn a_refused_order_leaves_the_cart_to_be_changed() {
    let shop = shop().await;
    shop.add("unicorn", 1).await;
    shop.orders_answer(422);
    let (status, problem) = shop.check_out("k-1").await;
    assert_eq!((status, &problem["code"]), (422, &json!("unknown_product")));
    assert_eq!(shop.items().await, json!([{ "product_id": "unicorn", "quantity": 1 }]));
    shop.orders_answer(202);
    assert_eq!(shop.check_out("k-2").await.0, 202);
}

#[tokio::test]
async fn bad_input_names_its_field_and_has_no_effect() {
    let shop = shop().await;
    for (line, field) in [
        (json!({ "product_id": "mug", "quantity": 0 }), "quantity"),
        (json!({ "product_id": "mug", "quantity": 101 }), "quantity"),
        (json!({ "product_id": "mug", "quantity": -1 }), "quantity"),
        (json!({ "product_id": "m/../ug", "quantity": 1 }), "product_id"),
        (json!({ "quantity": 1 }), "product_id"),
        (json!({ "product_id": "mug", "quantity": 1, "price": 0 }), "price"),
    ] {
        let (status, problem) = shop.carts.post("/api/v1/carts/c-1/items", None, &line).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{line}");
    }
    let (status, problem) = shop.carts.post("/api/v1/carts/c-1/checkout", None, &json!({})).await;
    assert_eq!((status, &problem["field"]), (400, &json!("Idempotency-Key")));
    assert_eq!(shop.carts.get("/api/v1/carts/a%20b").await.0, 400);
    let gone = shop
        .carts
        .send(Method::DELETE, "/api/v1/carts/c-1/items/mug", &[], None)
        .await;
    assert_eq!(gone.0, 404);
    assert_eq!(shop.items().await, json!([]));
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let shop = shop().await;
    let line = |quantity: u32| json!({ "product_id": "mug", "quantity": quantity });
    let add = async |line: Value| shop.carts.post("/api/v1/carts/c-1/items", Some("k-1"), &line).await;
    let first = add(line(1)).await;
    assert_eq!(add(line(1)).await, first);
    assert_eq!(add(line(2)).await.0, 409);
    assert_eq!(shop.items().await, json!([line(1)]));
}
