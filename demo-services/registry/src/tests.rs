//! The registry over HTTP, with real instances that are well, unwell or gone.

use axum::Router;
use axum::routing::get;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shop_kit::database::Database;
use shop_kit::faults::Switchboard;
use shop_kit::state_events::{Event, Value as Attribute};
use shop_kit::testing::TestServer;
use tempfile::TempDir;

use crate::http::{Registry, router};
use crate::{probe, store};

/// A registry on the database in `folder`.
async fn opened(folder: &TempDir) -> Registry {
    let path = folder.path().join("registry.sqlite");
    let db = Database::open(&path, store::SCHEMA, Switchboard::idle()).expect("opens");
    Registry::open(db).await.expect("reads")
}

/// What waits to be told to the collector.
fn recorded(folder: &TempDir) -> Vec<Event> {
    let db = rusqlite::Connection::open(folder.path().join("registry.sqlite")).expect("opens");
    let mut query = db
        .prepare("SELECT event FROM state_events ORDER BY number")
        .expect("is there");
    let rows = query.query_map([], |row| row.get::<_, String>(0)).expect("readable");
    rows.map(|row| serde_json::from_str(&row.expect("readable")).expect("an event"))
        .collect()
}

async fn started(folder: &TempDir) -> TestServer {
    TestServer::start(router(opened(folder).await)).await
}

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
    let folder = tempfile::tempdir().expect("a folder");
    let registry = opened(&folder).await;
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
    let folder = tempfile::tempdir().expect("a folder");
    let server = started(&folder).await;
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
    let folder = tempfile::tempdir().expect("a folder");
    let server = started(&folder).await;
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
async fn a_rule_outlives_the_process_as_it_stood() {
    const PATH: &str = "/api/v1/canaries/payments";
    let folder = tempfile::tempdir().expect("a folder");
    let first = started(&folder).await;
    canary_instance(&first).await;
    let rule = json!({ "version": "2.0.0", "percent": 10, "min_calls": 5, "promote_after_calls": 400 });
    assert_eq!(first.put(PATH, &rule).await.0, 200);
    let lasting = |mut shown: Value| {
        // What was lately is soft.
        shown.as_object_mut().expect("a canary").remove("lately");
        shown
    };
    let before = lasting(first.get(PATH).await.1);
    drop(first);

    let second = started(&folder).await;
    assert_eq!(lasting(second.get(PATH).await.1), before, "a person's rule");
    let (_, told) = second.get("/api/v1/registry").await;
    assert_eq!(
        told["canaries"]["payments"]["percent"], 10,
        "callers hear of it at once"
    );
    let sick =
        json!({ "version": "2.0.0", "stable": { "calls": 50, "errors": 0 }, "canary": { "calls": 5, "errors": 5 } });
    assert_eq!(second.post(&format!("{PATH}/outcomes"), None, &sick).await.0, 204);
    let before = lasting(second.get(PATH).await.1);
    drop(second);

    let third = started(&folder).await;
    let after = lasting(third.get(PATH).await.1);
    assert_eq!(after, before, "what the numbers decided");
    assert_eq!((&after["state"], &after["percent"]), (&json!("rolled_back"), &json!(0)));
    assert_eq!(after["history"].as_array().map(Vec::len), Some(2));
    assert_eq!(after["history"][1]["by_itself"], true);
    assert_eq!(third.send(Method::DELETE, PATH, &[], None).await.0, 204);
    drop(third);

    assert_eq!(started(&folder).await.get(PATH).await.0, 404, "removed is removed");
}

#[tokio::test]
async fn each_change_is_told_once_and_with_it_the_removal() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = started(&folder).await;
    canary_instance(&server).await;
    let path = "/api/v1/canaries/payments";
    for percent in [5, 5, 25] {
        server
            .put(path, &json!({ "version": "2.0.0", "percent": percent }))
            .await;
    }
    assert_eq!(server.post(&format!("{path}/rollback"), None, &json!({})).await.0, 200);
    server.send(Method::DELETE, path, &[], None).await;
    let told = recorded(&folder);
    let shares: Vec<_> = told
        .iter()
        .map(|event| (event.name.as_ref(), event.attribute("canary.share")))
        .collect();
    let [five, all, none] = [5_u64, 25, 0].map(Attribute::from);
    let share = |percent| ("canary.changed", Some(percent));
    assert_eq!(
        shares,
        [share(&five), share(&all), share(&none), ("canary.removed", None)]
    );
}

#[tokio::test]
async fn a_bad_canary_rule_names_its_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = started(&folder).await;
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
