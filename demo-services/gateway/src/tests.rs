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
use crate::http::router;
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
