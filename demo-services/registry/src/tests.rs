//! The registry over HTTP, with real instances that are well, unwell or gone.

use axum::Router;
use axum::routing::get;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shop_kit::testing::TestServer;

use crate::http::{Registry, router};
use crate::probe;

async fn instance(status: StatusCode) -> TestServer {
    TestServer::start(Router::new().route("/health/ready", get(move || async move { status }))).await
}

async fn register(server: &TestServer, name: &str, address: &str) -> u16 {
    let body = json!({ "address": address, "version": "1.0", "ttl_seconds": 10 });
    let path = format!("/api/v1/registry/payments/{name}");
    server.send(Method::PUT, &path, &[], Some(&body)).await.0
}

async fn healthy(server: &TestServer) -> Vec<String> {
    let (status, answer) = server.get("/api/v1/registry/payments").await;
    assert_eq!(status, 200);
    let instances = answer["instances"].as_array().expect("instances").clone();
    let name = |instance: Value| instance["instance"].as_str().expect("a name").to_owned();
    instances.into_iter().map(name).collect()
}

#[tokio::test]
async fn healthy_instances_only() {
    let registry = Registry::default();
    let server = TestServer::start(router(registry.clone())).await;
    let (well, unwell) = (
        instance(StatusCode::OK).await,
        instance(StatusCode::SERVICE_UNAVAILABLE).await,
    );
    assert_eq!(register(&server, "well", well.base()).await, 204);
    assert_eq!(register(&server, "unwell", unwell.base()).await, 204);
    assert_eq!(register(&server, "gone", "http://127.0.0.1:1").await, 204);
    assert!(healthy(&server).await.is_empty(), "not asked yet");
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    probe::round(&registry, &http).await;
    assert_eq!(healthy(&server).await, ["well"]);
    let (_, all) = server.get("/api/v1/registry").await;
    let health: Vec<_> = all["services"]["payments"]
        .as_array()
        .expect("instances")
        .iter()
        .map(|instance| instance["health"].clone())
        .collect();
    assert_eq!(health, ["unhealthy", "unhealthy", "healthy"]);
    let leave = || server.send(Method::DELETE, "/api/v1/registry/payments/well", &[], None);
    assert_eq!(leave().await.0, 204);
    assert_eq!(leave().await.0, 404);
    assert!(healthy(&server).await.is_empty());
}

#[tokio::test]
async fn bad_input_names_its_field_and_nobody_is_asked_elsewhere() {
    let server = TestServer::start(router(Registry::default())).await;
    let addresses = [
        "",
        "127.0.0.1:80",
        "https://127.0.0.1:80",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:80/path",
        "http://127.0.0.1:80@example.org:80",
        "http://example.org:80",
        "http://169.254.169.254:80",
    ];
    for address in addresses {
        let body = json!({ "address": address, "ttl_seconds": 10 });
        let (status, _, problem) = server
            .send(Method::PUT, "/api/v1/registry/payments/a", &[], Some(&body))
            .await;
        assert_eq!((status, &problem["field"]), (400, &json!("address")), "{address}");
    }
    for ttl in [0, 301] {
        let body = json!({ "address": "http://127.0.0.1:80", "ttl_seconds": ttl });
        let (status, _, problem) = server
            .send(Method::PUT, "/api/v1/registry/payments/a", &[], Some(&body))
            .await;
        assert_eq!((status, &problem["field"]), (400, &json!("ttl_seconds")));
    }
    assert_eq!(server.get("/api/v1/registry/a%20b").await.0, 400);
    let (_, all) = server.get("/api/v1/registry").await;
    assert_eq!(all["services"], json!({}));
}

async fn canary_instance(server: &TestServer) {
    let body = json!({ "address": "http://127.0.0.1:1", "version": "2.0.0", "canary": true, "ttl_seconds": 10 });
    let put = server.send(Method::PUT, "/api/v1/registry/payments/new", &[], Some(&body));
    assert_eq!(put.await.0, 204);
}

#[tokio::test]
async fn a_canary_gets_a_share_loses_it_when_it_is_sick_and_is_promoted_when_it_is_well() {
    let server = TestServer::start(router(Registry::default())).await;
    canary_instance(&server).await;
    let put = async |body: Value| {
        server
            .send(Method::PUT, "/api/v1/canaries/payments", &[], Some(&body))
            .await
    };
    let post = async |what: &str, body: Value| {
        let path = format!("/api/v1/canaries/payments/{what}");
        server.send(Method::POST, &path, &[], Some(&body)).await
    };
    assert_eq!(server.get("/api/v1/canaries/payments").await.0, 404);
    let (status, _, set) = put(json!({ "version": "2.0.0", "percent": 10 })).await;
    assert_eq!(
        (status, &set["state"], &set["min_calls"]),
        (200, &json!("running"), &json!(20))
    );
    let (_, told) = server.get("/api/v1/registry").await;
    assert_eq!(
        told["canaries"]["payments"],
        json!({ "version": "2.0.0", "percent": 10 })
    );

    let seen = |version: &str, errors: u64| {
        let (stable, canary) = (
            json!({ "calls": 180, "errors": 1 }),
            json!({ "calls": 20, "errors": errors }),
        );
        json!({ "version": version, "stable": stable, "canary": canary })
    };
    assert_eq!(post("outcomes", seen("1.9.9", 20)).await.0, 204, "another version");
    assert_eq!(post("outcomes", seen("2.0.0", 18)).await.0, 204);
    let (_, told) = server.get("/api/v1/registry").await;
    assert_eq!(told["canaries"]["payments"]["percent"], 0);
    let (_, shown) = server.get("/api/v1/canaries/payments").await;
    assert_eq!(shown["state"], "rolled_back");
    assert_eq!(shown["reason"], "18 of 20 calls failed, 1 of 180 of the stable version");
    assert_eq!(post("promote", json!({})).await.0, 409, "it was rolled back");

    put(json!({ "version": "2.0.0", "percent": 5 })).await;
    for percent in [25, 50, 100] {
        assert_eq!(post("promote", json!({})).await.2["percent"], percent);
    }
    assert_eq!(post("promote", json!({})).await.0, 409, "it has all");
    assert_eq!(post("rollback", json!({})).await.2["percent"], 0);
    assert_eq!(post("rollback", json!({})).await.0, 200, "asked twice");
    let (_, list) = server.get("/api/v1/canaries").await;
    assert_eq!(list["items"][0]["history"].as_array().map(Vec::len), Some(7));
    let remove = || server.send(Method::DELETE, "/api/v1/canaries/payments", &[], None);
    assert_eq!((remove().await.0, remove().await.0), (204, 404));
}

#[tokio::test]
async fn a_bad_canary_rule_names_its_field() {
    let server = TestServer::start(router(Registry::default())).await;
    canary_instance(&server).await;
    for (field, value, status) in [
        ("version", json!("3.0.0"), 422),
        ("version", json!("a b"), 400),
        ("percent", json!(101), 400),
        ("max_excess_percent", json!(101), 400),
        ("min_calls", json!(0), 400),
        ("promote_after_calls", json!(0), 400),
    ] {
        let mut body = json!({ "version": "2.0.0", "percent": 10 });
        body[field] = value;
        let path = "/api/v1/canaries/payments";
        let (got, _, problem) = server.send(Method::PUT, path, &[], Some(&body)).await;
        assert_eq!((got, &problem["field"]), (status, &json!(field)), "{body}");
    }
    let more_errors_than_calls = json!({ "version": "2.0.0", "stable": { "calls": 0, "errors": 0 },
        "canary": { "calls": 1, "errors": 2 } });
    let path = "/api/v1/canaries/payments/outcomes";
    let (status, _, problem) = server
        .send(Method::POST, path, &[], Some(&more_errors_than_calls))
        .await;
    assert_eq!((status, &problem["field"]), (400, &json!("canary")));
}
