//! The gateway over HTTP, with services behind it that answer from a table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shop_kit::caller::Caller;
use shop_kit::clock;
use shop_kit::events::StateEvents;
use shop_kit::profile::Profile;
use shop_kit::testing::TestServer;

use crate::guard::{Auth, Guard};
use crate::http::{OPERATIONS, router};
use crate::identity::Checker;
use crate::test_keys;
use crate::upstream::Upstream;

/// Answers by method and path; what is not there is 404. Notes what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Behind {
    answers: Arc<Mutex<BTreeMap<String, (u16, Value)>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Behind {
    /// From now on `what` is answered so.
    pub(crate) fn answer(&self, what: &str, status: u16, body: Value) {
        self.answers.lock().unwrap().insert(what.to_owned(), (status, body));
    }

    /// Bodies of the requests for `what`.
    pub(crate) fn asked(&self, what: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(of, _)| of == what)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

async fn answer(State(behind): State<Behind>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let what = format!("{} {path}", request.method());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    behind.asked.lock().unwrap().push((what.clone(), body));
    let (status, body) = behind
        .answers
        .lock()
        .unwrap()
        .get(&what)
        .cloned()
        .unwrap_or((404, json!({})));
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

pub(crate) struct Shop {
    pub(crate) gateway: TestServer,
    pub(crate) behind: Behind,
    _services: TestServer,
}

pub(crate) async fn shop(auth: Auth) -> Shop {
    let behind = Behind::default();
    behind.answer("GET /api/v1/keys", 200, test_keys::published());
    let services = TestServer::start(Router::new().fallback(answer).with_state(behind.clone())).await;
    let caller = |name: &'static str| {
        let http = shop_kit::testing::client();
        let mut profile = Profile::demo();
        profile.retry.base = std::time::Duration::from_millis(1);
        Caller::new(name, services.base().to_owned(), http, profile, StateEvents::discard())
    };
    let upstream = Upstream {
        catalog: caller("catalog"),
        orders: caller("orders"),
        payments: caller("payments"),
        shipping: caller("shipping"),
        booking: caller("booking"),
        users: caller("users"),
        cart: caller("cart"),
    };
    let guard = Guard::new(auth, Checker::new(upstream.users.clone()), &["http://page".to_owned()]);
    let gateway = TestServer::start(router(upstream, guard)).await;
    Shop {
        gateway,
        behind,
        _services: services,
    }
}

/// The header of a user with these scopes.
pub(crate) fn token(user_id: &str, scope: &str) -> String {
    let exp = clock::unix_nanos_now() / 1_000_000_000 + 600;
    let claims = json!({ "sub": user_id, "iss": "sagascope-shop", "exp": exp, "scope": scope });
    format!("Bearer {}", test_keys::sign(&claims, "test"))
}

impl Shop {
    async fn order(&self, authorization: Option<&str>, customer_id: Option<&str>) -> (u16, Value) {
        let mut body = json!({ "items": [{ "product_id": "product-1", "quantity": 1 }] });
        if let Some(id) = customer_id {
            body["customer_id"] = id.into();
        }
        let headers: Vec<_> = [("idempotency-key", "k-1")]
            .into_iter()
            .chain(authorization.map(|value| ("authorization", value)))
            .collect();
        let (status, _, body) = self
            .gateway
            .send(Method::POST, "/api/v1/orders", &headers, Some(&body))
            .await;
        (status, body)
    }

    async fn get_as(&self, authorization: &str, path: &str) -> (u16, Value) {
        let headers = [("authorization", authorization)];
        let (status, _, body) = self.gateway.send(Method::GET, path, &headers, None).await;
        (status, body)
    }
}

fn accepted(shop: &Shop) {
    let body = json!({ "order_id": "o-1", "status_url": "/api/v1/orders/o-1" });
    shop.behind.answer("POST /api/v1/orders", 202, body);
}

#[tokio::test]
async fn guests_are_welcome_unless_a_token_is_required() {
    let open = shop(Auth::Optional).await;
    accepted(&open);
    assert_eq!(open.order(None, Some("customer-1")).await.0, 202);
    let closed = shop(Auth::Required).await;
    accepted(&closed);
    let (status, problem) = closed.order(None, Some("customer-1")).await;
    assert_eq!((status, &problem["code"]), (401, &json!("token_needed")));
    assert!(closed.behind.asked("POST /api/v1/orders").is_empty(), "no effect");
    assert_eq!(
        closed.order(Some(&token("u-1", "orders:write")), Some("u-1")).await.0,
        202
    );
    closed
        .behind
        .answer("GET /api/v1/products", 200, json!({ "items": [] }));
    assert_eq!(
        closed.gateway.get("/api/v1/products").await.0,
        200,
        "browsing needs no token"
    );
}

#[tokio::test]
async fn a_bad_token_is_401_and_a_missing_scope_403() {
    let shop = shop(Auth::Optional).await;
    accepted(&shop);
    for bad in ["Bearer nonsense", "Basic YTpi", "Bearer a.b.c"] {
        assert_eq!(shop.order(Some(bad), Some("u-1")).await.0, 401, "{bad}");
        assert_eq!(shop.get_as(bad, "/api/v1/products").await.0, 401, "{bad}");
    }
    let (status, problem) = shop.order(Some(&token("u-1", "orders:read")), Some("u-1")).await;
    assert_eq!((status, &problem["code"]), (403, &json!("scope_missing")));
    assert!(shop.behind.asked("POST /api/v1/orders").is_empty(), "no effect");
}

#[tokio::test]
async fn a_user_orders_for_themselves_alone_and_sees_their_own() {
    let shop = shop(Auth::Optional).await;
    accepted(&shop);
    let ada = token("u-1", "orders:write");
    assert_eq!(shop.order(Some(&ada), Some("u-2")).await.0, 403);
    assert_eq!(shop.order(Some(&ada), None).await.0, 202);
    assert_eq!(shop.behind.asked("POST /api/v1/orders")[0]["customer_id"], "u-1");
    assert_eq!(shop.order(Some(&token("u-9", "admin")), Some("u-2")).await.0, 202);
    shop.behind.answer(
        "GET /api/v1/orders/o-1",
        200,
        json!({ "order_id": "o-1", "customer_id": "u-1" }),
    );
    assert_eq!(shop.get_as(&ada, "/api/v1/orders/o-1").await.0, 200);
    assert_eq!(shop.get_as(&token("u-2", ""), "/api/v1/orders/o-1").await.0, 403);
    assert_eq!(
        shop.get_as(&token("u-2", ""), "/api/v1/orders?customer_id=u-1").await.0,
        403
    );
    let other = token("u-2", "orders:write");
    let headers = [("authorization", other.as_str())];
    let path = "/api/v1/orders/o-1/cancel";
    assert_eq!(
        shop.gateway
            .send(Method::POST, path, &headers, Some(&json!({})))
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn the_hundred_and_first_request_of_a_minute_waits() {
    let shop = shop(Auth::Optional).await;
    shop.behind
        .answer("GET /api/v1/categories", 200, json!({ "items": [] }));
    let (ada, eve) = (token("u-1", ""), token("u-2", ""));
    for n in 0..100 {
        assert_eq!(shop.get_as(&ada, "/api/v1/categories").await.0, 200, "{n}");
    }
    let headers = [("authorization", ada.as_str())];
    let (status, answer, problem) = shop
        .gateway
        .send(Method::GET, "/api/v1/categories", &headers, None)
        .await;
    assert_eq!((status, &problem["code"]), (429, &json!("too_many_requests")));
    let wait: u64 = answer["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(shop.get_as(&eve, "/api/v1/categories").await.0, 200);
    assert_eq!(shop.gateway.get("/api/v1/categories").await.0, 200);
    assert!(
        shop.behind.asked("GET /api/v1/categories").len() < 100,
        "most came from memory"
    );
}

#[tokio::test]
async fn details_are_composed_and_a_missing_part_is_named() {
    let shop = shop(Auth::Optional).await;
    let order =
        json!({ "order_id": "o-1", "customer_id": "u-1", "items": [{ "product_id": "p-1" }, { "product_id": "p-2" }] });
    shop.behind.answer("GET /api/v1/orders/o-1", 200, order);
    shop.behind
        .answer("GET /api/v1/products/p-1", 200, json!({ "name": "Mug" }));
    shop.behind.answer("GET /api/v1/products/p-2", 500, json!({}));
    let user = json!({ "id": "u-1", "email": "ada@example.org", "name": "Ada Lovelace", "display_name": "Ada", "tier": "gold", "status": "active" });
    shop.behind.answer("GET /api/v1/users/u-1", 200, user);
    shop.behind.answer("GET /api/v1/shipments/o-1", 503, json!({}));
    let (status, details) = shop.gateway.get("/api/v1/orders/o-1/details").await;
    assert_eq!(status, 200, "{details}");
    assert_eq!(details["products"][0]["name"], "Mug");
    assert!(details["products"][1]["unavailable"].is_string());
    assert!(details["shipment"]["unavailable"].is_string());
    assert_eq!(details["payment"], Value::Null, "there is none yet");
    assert_eq!(details["user"]["display_name"], "Ada");
    assert!(
        !details.to_string().contains("ada@example.org"),
        "a guest sees nothing personal"
    );
    let (_, own) = shop.get_as(&token("u-1", ""), "/api/v1/orders/o-1/details").await;
    assert_eq!(own["user"]["email"], "ada@example.org");
    assert_eq!(
        shop.get_as(&token("u-2", ""), "/api/v1/orders/o-1/details").await.0,
        403
    );
    assert_eq!(shop.gateway.get("/api/v1/orders/o-2/details").await.0, 404);
}

#[tokio::test]
async fn users_see_and_change_themselves_and_administrators_all() {
    let shop = shop(Auth::Optional).await;
    let user = json!({ "id": "u-1", "version": 3 });
    shop.behind.answer("GET /api/v1/users/u-1", 200, user.clone());
    shop.behind.answer("PUT /api/v1/users/u-1", 200, user.clone());
    shop.behind.answer("POST /api/v1/users", 201, user);
    shop.behind.answer("GET /api/v1/users", 200, json!({ "items": [] }));
    let (ada, eve, admin) = (token("u-1", "profile"), token("u-2", "profile"), token("u-9", "admin"));
    assert_eq!(shop.gateway.get("/api/v1/users/u-1").await.0, 401);
    assert_eq!(shop.get_as(&eve, "/api/v1/users/u-1").await.0, 403);
    assert_eq!(
        shop.get_as(&token("u-1", ""), "/api/v1/users/u-1").await.0,
        403,
        "without the scope"
    );
    assert_eq!(shop.get_as(&ada, "/api/v1/users").await.0, 403);
    assert_eq!(shop.get_as(&admin, "/api/v1/users").await.0, 200);
    let headers = [("authorization", ada.as_str()), ("if-match", "\"2\"")];
    let put = async |body: Value| {
        shop.gateway
            .send(Method::PUT, "/api/v1/users/u-1", &headers, Some(&body))
            .await
    };
    let (status, answer, _) = put(json!({ "name": "Ada" })).await;
    assert_eq!((status, &answer["etag"]), (200, &"\"3\"".parse().unwrap()));
    let (status, _, problem) = put(json!({ "name": "Ada", "tier": "gold" })).await;
    assert_eq!((status, &problem["field"]), (403, &json!("tier")));
    let (status, answer, _) = shop
        .gateway
        .send(Method::POST, "/api/v1/users", &[], Some(&json!({ "name": "Ada" })))
        .await;
    assert_eq!(
        (status, answer["location"].to_str().unwrap()),
        (201, "/api/v1/users/u-1")
    );
}

#[tokio::test]
async fn logins_of_one_address_are_slowed_down() {
    let shop = shop(Auth::Optional).await;
    shop.behind
        .answer("POST /api/v1/login", 401, json!({ "code": "bad_login", "title": "no" }));
    let login = async |email: &str| {
        let body = json!({ "email": email, "password": "x" });
        shop.gateway.send(Method::POST, "/api/v1/login", &[], Some(&body)).await
    };
    for _ in 0..20 {
        assert_eq!(login("ada@example.org").await.0, 401);
    }
    let (status, headers, _) = login("ADA@example.org").await;
    assert_eq!(status, 429);
    assert!(headers.contains_key("retry-after"));
    assert_eq!(login("eve@example.org").await.0, 401);
}

#[tokio::test]
async fn only_known_pages_may_read_answers() {
    let shop = shop(Auth::Optional).await;
    shop.behind
        .answer("GET /api/v1/categories", 200, json!({ "items": [] }));
    let get = async |origin: &str| {
        let headers = [("origin", origin)];
        shop.gateway
            .send(Method::GET, "/api/v1/categories", &headers, None)
            .await
            .1
    };
    assert_eq!(get("http://page").await["access-control-allow-origin"], "http://page");
    assert!(
        !get("http://elsewhere")
            .await
            .contains_key("access-control-allow-origin")
    );
    let headers = [("origin", "http://page"), ("access-control-request-method", "POST")];
    let (status, answer, _) = shop
        .gateway
        .send(Method::OPTIONS, "/api/v1/orders", &headers, None)
        .await;
    assert_eq!(status, 204);
    assert!(
        answer["access-control-allow-headers"]
            .to_str()
            .unwrap()
            .contains("authorization")
    );
}

#[tokio::test]
async fn browsing_goes_on_while_nobody_can_check_tokens() {
    let shop = shop(Auth::Optional).await;
    accepted(&shop);
    shop.behind.answer("GET /api/v1/keys", 503, json!({}));
    shop.behind
        .answer("GET /api/v1/categories", 200, json!({ "items": [] }));
    let ada = token("u-1", "orders:write");
    assert_eq!(shop.get_as(&ada, "/api/v1/categories").await.0, 200);
    assert_eq!(shop.order(Some(&ada), Some("u-1")).await.0, 503);
}

fn a_month_of_orders(shop: &Shop) {
    let now_ms = clock::unix_nanos_now() / 1_000_000;
    let user = |n: u32| json!({ "id": format!("u-{n}"), "email": "x@example.org", "name": "Ada Lovelace", "display_name": format!("user {n}"), "tier": "gold", "status": "active" });
    let users = json!({ "items": [user(1), user(2)], "next_cursor": "2" });
    for limit in [2, 10] {
        let path = format!("GET /api/v1/users?status=active&limit={limit}&cursor=0");
        shop.behind.answer(&path, 200, users.clone());
    }
    shop.behind.answer("GET /api/v1/users/u-1", 200, user(1));
    let line = |id: &str, at: u64| json!({ "order_id": id, "status": "confirmed", "items": 1, "total_minor": 5_000, "created_at_ms": at });
    let orders = json!({ "items": [line("o-2", now_ms), line("o-1", now_ms - 40 * 86_400_000)], "next_cursor": null });
    shop.behind
        .answer("GET /api/v1/orders?customer_id=u-1&limit=50", 200, orders);
    shop.behind
        .answer("GET /api/v1/orders?customer_id=u-2&limit=50", 503, json!({}));
    let order = json!({ "order_id": "o-2", "customer_id": "u-1", "status": "confirmed", "currency": "EUR", "total_minor": 5_000, "items": [{ "product_id": "p-1", "quantity": 1, "unit_price_minor": 5_000 }] });
    shop.behind.answer("GET /api/v1/orders/o-2", 200, order);
    let product = json!({ "id": "p-1", "name": "Mug", "category": "kitchen", "description": "A mug.", "price_minor": 5_000, "currency": "EUR" });
    shop.behind.answer("GET /api/v1/products/p-1", 200, product);
    shop.behind.answer(
        "GET /api/v1/payments/o-2",
        200,
        json!({ "payment": { "state": "captured" } }),
    );
}

impl Shop {
    async fn ask(&self, query: &str) -> Value {
        let (status, answer) = self.gateway.post("/graphql", None, &json!({ "query": query })).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

#[tokio::test]
async fn orders_of_active_users_of_the_last_month_by_composition() {
    let shop = shop(Auth::Optional).await;
    a_month_of_orders(&shop);
    let (status, report) = shop.gateway.get("/api/v1/reports/active-users-orders").await;
    assert_eq!(status, 200, "{report}");
    let orders = report["items"][0]["orders"].as_array().unwrap();
    assert_eq!(
        (orders.len(), &orders[0]["order_id"]),
        (1, &json!("o-2")),
        "the other is too old"
    );
    assert!(
        report["items"][1]["orders"]["unavailable"].is_string(),
        "a partial answer"
    );
    assert!(!report.to_string().contains("Lovelace"));
    assert_eq!(report["next_cursor"], "2");
    for query in ["days=0", "days=400", "limit=21", "limit=x", "cursor=a%20b"] {
        let path = format!("/api/v1/reports/active-users-orders?{query}");
        assert_eq!(shop.gateway.get(&path).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn and_by_graphql_with_everything_about_them() {
    let shop = shop(Auth::Optional).await;
    a_month_of_orders(&shop);
    let question =
        "{ activeUsers(first: 2) { displayName email orders(lastDays: 30) { id items { product { name } } } } }";
    let answer = shop.ask(question).await;
    let users = &answer["data"]["activeUsers"];
    let ada = &users[0];
    assert_eq!(
        (&ada["displayName"], &ada["email"]),
        (&json!("user 1"), &Value::Null),
        "{answer}"
    );
    assert_eq!(ada["orders"].as_array().unwrap().len(), 1);
    assert_eq!(ada["orders"][0]["items"][0]["product"]["name"], "Mug");
    assert_eq!(
        users[1]["orders"],
        Value::Null,
        "a part that cannot be had is told beside the others"
    );
    assert_eq!(answer["errors"][0]["extensions"]["code"], "unavailable");
}

#[tokio::test]
async fn one_order_by_graphql() {
    let shop = shop(Auth::Optional).await;
    a_month_of_orders(&shop);
    let answer = shop
        .ask("{ order(id: \"o-2\") { status payment user { displayName name } items { product { name } } } none: order(id: \"o-9\") { status } }")
        .await;
    let order = &answer["data"]["order"];
    assert_eq!(
        (&order["payment"], &order["user"]["displayName"]),
        (&json!("captured"), &json!("user 1")),
        "{answer}"
    );
    assert_eq!(
        (&order["user"]["name"], &answer["data"]["none"]),
        (&Value::Null, &Value::Null)
    );
    let closed = self::shop(Auth::Required).await;
    a_month_of_orders(&closed);
    let answer = closed.ask("{ order(id: \"o-2\") { status } }").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "token_needed", "{answer}");
}

#[tokio::test]
async fn questions_have_limits() {
    let shop = shop(Auth::Optional).await;
    a_month_of_orders(&shop);
    let deep = (0..6).fold("id".to_owned(), |inner, _| format!("user {{ orders {{ {inner} }} }}"));
    let wide = "{ activeUsers(first: 20) { orders { items { product { id name } } user { orders { items { product { id } } } } } } }";
    for question in [
        format!("{{ order(id: \"o-2\") {{ {deep} }} }}"),
        wide.to_owned(),
        "{ nonsense }".to_owned(),
        "{".to_owned(),
    ] {
        let answer = shop.ask(&question).await;
        assert!(
            answer["errors"].is_array() && answer["data"].is_null(),
            "{question}: {answer}"
        );
    }
    assert!(
        shop.behind.asked("GET /api/v1/orders/o-2").is_empty(),
        "refused before anything is asked"
    );
    let (status, _) = shop.gateway.post("/graphql", None, &json!({ "quest": 1 })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_cart_is_its_owners() {
    let shop = shop(Auth::Optional).await;
    let cart = json!({ "customer_id": "u-1", "items": [] });
    shop.behind.answer("GET /api/v1/carts/u-1", 200, cart.clone());
    shop.behind.answer("POST /api/v1/carts/u-1/items", 200, cart);
    let accepted = json!({ "order_id": "o-1", "status_url": "/api/v1/orders/o-1" });
    shop.behind.answer("POST /api/v1/carts/u-1/checkout", 202, accepted);
    let post = async |token: &str, what: &str| {
        let headers = [("authorization", token), ("idempotency-key", "k-1")];
        let path = format!("/api/v1/carts/u-1/{what}");
        shop.gateway.send(Method::POST, &path, &headers, Some(&json!({}))).await
    };
    let ada = token("u-1", "cart:write");
    assert_eq!(shop.get_as(&ada, "/api/v1/carts/u-1").await.0, 200);
    assert_eq!(
        shop.get_as(&token("u-2", "cart:write"), "/api/v1/carts/u-1").await.0,
        403
    );
    assert_eq!(post(&token("u-2", "cart:write"), "items").await.0, 403);
    assert_eq!(
        post(&token("u-1", "profile"), "items").await.0,
        403,
        "without the scope"
    );
    assert_eq!(post(&ada, "items").await.0, 200);
    let (status, headers, _) = post(&ada, "checkout").await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (202, "/api/v1/orders/o-1")
    );
}

#[tokio::test]
async fn an_order_is_filled_and_its_story_read_by_its_owner_alone() {
    let shop = shop(Auth::Optional).await;
    let (ada, bob) = (token("u-1", "orders:write"), token("u-2", "orders:write"));
    let answers = [
        ("PUT /api/v1/orders/o-1", 201),
        ("POST /api/v1/orders/o-1/items", 200),
        ("POST /api/v1/orders/o-1/confirm", 202),
        ("GET /api/v1/orders/o-1/history", 200),
        ("GET /api/v1/orders/o-1/status", 200),
    ];
    for (what, status) in answers {
        shop.behind.answer(what, status, json!({ "order_id": "o-1" }));
    }
    let latest = format!("GET /api/v1/orders/o-1?as_of={}", i64::MAX);
    shop.behind.answer(&latest, 200, json!({ "customer_id": "u-1" }));
    let send = async |what: &str, who: &str, body: Value| {
        let (method, path) = what.split_once(' ').unwrap();
        let headers = [("authorization", who)];
        let method: Method = method.parse().unwrap();
        let body = (method != Method::GET).then_some(body);
        shop.gateway.send(method, path, &headers, body.as_ref()).await.0
    };
    for (what, status) in answers {
        assert_eq!(send(what, &ada, json!({})).await, status, "{what}");
        let body = if what.starts_with("PUT") {
            json!({ "customer_id": "u-1" })
        } else {
            json!({})
        };
        assert_eq!(send(what, &bob, body).await, 403, "{what}");
    }
    let opened = shop.behind.asked("PUT /api/v1/orders/o-1");
    assert_eq!(opened, [json!({ "customer_id": "u-1" })], "signed, and once");
    assert_eq!(
        send(answers[1].0, &token("u-1", "orders:read"), json!({})).await,
        403,
        "the scope"
    );

    shop.behind
        .answer("GET /api/v1/orders/o-2", 200, json!({ "customer_id": "u-1" }));
    shop.behind.answer("GET /api/v1/orders/o-2/status", 200, json!({}));
    let early = "GET /api/v1/orders/o-2/status";
    assert_eq!(send(early, &ada, json!({})).await, 200, "an order without an event yet");
    assert_eq!(send(early, &bob, json!({})).await, 403);
}

#[tokio::test]
async fn the_search_over_all_orders_is_for_administrators_when_tokens_are_required() {
    let shop = shop(Auth::Required).await;
    shop.behind
        .answer("GET /api/v1/orders/search?q=steel", 200, json!({ "items": [] }));
    let path = "/api/v1/orders/search?q=steel";
    assert_eq!(shop.gateway.get(path).await.0, 401);
    assert_eq!(shop.get_as(&token("u-1", "orders:read"), path).await.0, 403);
    assert_eq!(shop.get_as(&token("u-9", "admin"), path).await.0, 200);
}

#[tokio::test]
async fn a_booking_is_seen_by_its_owner_alone() {
    let shop = shop(Auth::Optional).await;
    let booking = json!({ "booking_id": "b-1", "customer_id": "u-1" });
    shop.behind.answer("GET /api/v1/bookings/b-1", 200, booking);
    for customer in ["u-1", "u-2"] {
        let what = format!("GET /api/v1/bookings?customer_id={customer}");
        shop.behind.answer(&what, 200, json!({ "items": [] }));
    }
    shop.behind.answer("GET /api/v1/bookings", 200, json!({ "items": [] }));
    let (ada, admin) = (token("u-1", "orders:read"), token("u-9", "admin"));
    let own = ["/api/v1/bookings/b-1", "/api/v1/bookings?customer_id=u-1"];
    for path in own {
        assert_eq!(shop.get_as(&ada, path).await.0, 200, "{path}");
        assert_eq!(shop.get_as(&token("u-2", "orders:read"), path).await.0, 403, "{path}");
        assert_eq!(shop.get_as(&token("u-1", ""), path).await.0, 403, "{path}: the scope");
        assert_eq!(shop.get_as(&admin, path).await.0, 200, "{path}");
    }
    for path in ["/api/v1/bookings", "/api/v1/bookings?customer_id=u-2"] {
        assert_eq!(shop.get_as(&ada, path).await.0, 403, "{path}");
        assert_eq!(shop.get_as(&admin, path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn the_description_names_every_operation_and_no_other() {
    let shop = shop(Auth::Optional).await;
    let (status, document) = shop.gateway.get("/api/v1/openapi.json").await;
    assert_eq!(status, 200);
    let paths = document["paths"].as_object().unwrap();
    for operation in OPERATIONS {
        let (method, path) = operation.split_once(' ').unwrap();
        assert!(paths[path][method.to_lowercase()].is_object(), "{operation}");
    }
    for (path, methods) in paths {
        let (method, _) = methods.as_object().unwrap().iter().next().unwrap();
        let method: Method = method.to_uppercase().parse().unwrap();
        let path = path.replace(['{', '}'], "");
        let (status, _, body) = shop.gateway.send(method, &path, &[], Some(&json!({}))).await;
        assert!(status != 405, "{path} is no route");
        assert!(status != 404 || body.is_object(), "{path} is no route");
    }
}
