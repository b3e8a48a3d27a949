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
