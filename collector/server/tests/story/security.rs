//! Who may do what, over real connections.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use reqwest::Method;
use serde_json::json;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::rig::{Rig, one, problem};

/// Every way to change something, with a body that would be taken.
const CONTROL: [(&str, &str); 6] = [
    ("POST", "/api/v1/faults"),
    ("DELETE", "/api/v1/faults"),
    ("DELETE", "/api/v1/faults/f-1"),
    ("PUT", "/api/v1/traffic"),
    ("POST", "/api/v1/faults/register"),
    ("GET", "/api/v1/faults/stream?service=a&instance=b"),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn e02_control_without_token_or_from_elsewhere_has_no_effect() {
    let rig = Rig::start().await;
    for (name, path) in CONTROL {
        let ask = || {
            rig.client
                .request(method(name), rig.api(path))
                .json(&json!({"orders_per_second": 1.0}))
        };
        let token = rig.collector.token();
        let wrong = ask().bearer_auth("0".repeat(64)).send().await.unwrap();
        assert_eq!(problem(wrong).await.0, 401, "{name} {path}");
        let none = ask().send().await.unwrap();
        assert_eq!(problem(none).await.0, 401, "{name} {path}");
        for (header, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let foreign = ask().bearer_auth(token).header(header, value).send().await.unwrap();
            assert_eq!(problem(foreign).await.0, 403, "{name} {path} {header}: {value}");
        }
        let host = ask()
            .bearer_auth(token)
            .header("host", "evil.example")
            .send()
            .await
            .unwrap();
        assert_eq!(problem(host).await.0, 403, "{name} {path}");
    }
    let text = rig
        .client
        .put(rig.api("/api/v1/traffic"))
        .bearer_auth(rig.collector.token());
    let text = text
        .header("content-type", "text/plain")
        .body(r#"{"orders_per_second": 1.0}"#);
    assert_eq!(problem(text.send().await.unwrap()).await.0, 415);
    assert_eq!(
        rig.get("/api/v1/traffic").await["orders_per_second"],
        20.0,
        "nothing was changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn e01_foreign_hosts_are_refused_everywhere() {
    let rig = Rig::start().await;
    for path in [
        "/",
        "/api/v1/overview",
        "/api/v1/live",
        "/healthz",
        "/nothing",
        "/assets/app-1f3c.js",
    ] {
        let response = rig
            .client
            .get(rig.api(path))
            .header("host", "evil.example")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 403, "{path}");
    }
    // Telemetry's answers are worded as OTLP has it, in the encoding of the request.
    for (name, value, word) in [
        ("host", "evil.example", "--allowed-host"),
        ("origin", "http://evil.example", "other sites"),
    ] {
        let refused = rig.send_spans(&one(1)).header(name, value).send().await.unwrap();
        assert_eq!(refused.status(), 403);
        assert_eq!(refused.headers()["content-type"], "application/x-protobuf");
        let status = tonic_types::Status::decode(refused.bytes().await.unwrap()).unwrap();
        assert_eq!(status.code, Code::PermissionDenied as i32);
        assert!(status.message.contains(word), "{}", status.message);
        let post = rig
            .client
            .post(rig.otlp("/v1/traces"))
            .header("content-type", "application/json");
        let refused = post.header(name, value).body("{}").send().await.unwrap();
        assert_eq!(refused.status(), 403);
        let status: serde_json::Value = refused.json().await.unwrap();
        assert_eq!(status["code"], Code::PermissionDenied as i32);
        assert!(status["message"].as_str().unwrap().contains(word), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e06_the_login_link_trades_the_token_for_a_cookie() {
    let rig = Rig::start().await;
    let wrong = rig.client.get(rig.api("/login?token=wrong")).send().await.unwrap();
    assert_eq!(problem(wrong).await.0, 401);
    let token = rig.collector.token();
    let login = rig
        .client
        .get(rig.api(&format!("/login?token={token}")))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (login.status().as_u16(), &login.headers()["location"]),
        (303, &"/".parse().unwrap())
    );
    let cookie = login.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(token),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    assert!(pair.starts_with(&format!("sagascope_{}=", rig.collector.addresses().api.port())));

    let put = || {
        rig.client
            .put(rig.api("/api/v1/traffic"))
            .header("cookie", pair)
            .json(&json!({"orders_per_second": 3.0}))
    };
    assert_eq!(
        problem(put().send().await.unwrap()).await.0,
        401,
        "a cookie alone proves nothing"
    );
    let origin = format!("http://{}", rig.collector.addresses().api);
    assert_eq!(put().header("origin", origin).send().await.unwrap().status(), 200);
    assert_eq!(
        put()
            .header("sec-fetch-site", "same-origin")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers() {
    let rig = Rig::start().await;
    for path in [
        "/",
        "/api/v1/overview",
        "/api/v1/nothing",
        "/assets/app-1f3c.js",
        "/healthz",
    ] {
        let response = rig.client.get(rig.api(path)).send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e12_pages_and_files_by_their_exact_names_only() {
    let rig = Rig::start().await;
    let get = |path: &str| rig.client.get(rig.api(path)).send();
    for page in ["/", "/sagas", "/sagas/o-1", "/traces/4bf9", "/chaos"] {
        let response = get(page).await.unwrap();
        assert_eq!(response.status(), 200, "{page}");
        assert!(response.text().await.unwrap().contains("Sagascope"), "{page}");
    }
    let file = rig
        .client
        .get(rig.api("/assets/app-1f3c.js"))
        .header("accept-encoding", "gzip, br")
        .send()
        .await
        .unwrap();
    assert_eq!(file.headers()["content-encoding"], "br");
    assert!(file.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(
        get("/assets/app-1f3c.js").await.unwrap().text().await.unwrap(),
        "start()"
    );
    for path in [
        "/nothing",
        "/%2e%2e%2fetc/passwd",
        "/..%5c..%5cwin.ini",
        "//etc/passwd",
        "/assets/",
        "/index.html.br",
        "/api",
    ] {
        assert_eq!(problem(get(path).await.unwrap()).await.0, 404, "{path}");
    }
    let unknown = get("/api/v1/nothing").await.unwrap();
    assert_eq!(problem(unknown).await, (404, "not_found".into(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_path_answers() {
    let rig = Rig::start().await;
    let document = rig.get("/api/v1/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 25);
    for (path, methods) in paths {
        for name in methods.as_object().unwrap().keys() {
            if path.ends_with("/live") || path.ends_with("/stream") {
                continue;
            }
            let filled = path
                .replace("{id}", "0af7651916cd43dd8448eb211c80319c")
                .replace("{name}", "none");
            let response = rig
                .control(method(&name.to_uppercase()), &filled)
                .body("{}")
                .send()
                .await
                .unwrap();
            let status = response.status().as_u16();
            assert_ne!(status, 405, "{name} {path}");
            if status == 404 {
                assert!(problem(response).await.1.starts_with("unknown_"), "{name} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d01_d02_senseless_queries_are_refused_with_their_parameter() {
    let rig = Rig::start().await;
    for (path, field) in [
        ("/api/v1/sagas?state=happy", "state"),
        ("/api/v1/sagas?limit=0", "limit"),
        ("/api/v1/sagas?cursor=x", "cursor"),
        ("/api/v1/sagas?stuck=maybe", "stuck"),
        ("/api/v1/traces?since=yesterday", "since"),
        ("/api/v1/traces/xyz", "id"),
        ("/api/v1/logs?limit=-1", "limit"),
    ] {
        let response = rig.client.get(rig.api(path)).send().await.unwrap();
        let (status, _, named) = problem(response).await;
        assert_eq!((status, named.as_str()), (400, field), "{path}");
    }
    rig.get("/api/v1/traces?limit=18446744073709551615").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e01_grpc_is_taken_by_our_names_only() {
    let rig = Rig::start().await;
    let address = rig.collector.addresses().grpc;
    let api = rig.collector.addresses().api;
    let named = async |origin: String| {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.origin(origin.parse().unwrap()).connect().await.unwrap();
        TraceServiceClient::new(channel).export(one(1)).await
    };
    for ours in [
        format!("http://{address}"),
        format!("http://localhost:{}", address.port()),
    ] {
        named(ours.clone())
            .await
            .unwrap_or_else(|status| panic!("{ours}: {status}"));
    }
    for foreign in [
        "http://evil.example".to_owned(),
        format!("http://evil.example:{}", address.port()),
        format!("http://{api}"),
    ] {
        let status = named(foreign.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{foreign}: {status}");
        assert!(status.message().contains("--allowed-host"), "{status}");
    }
}
