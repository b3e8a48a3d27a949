//! A collector on free ports with a folder of its own, and telemetry to send to it.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use reqwest::{Client, Method, RequestBuilder, Response};
use sagascope_api::overview::Demo;
use sagascope_conventions::FlowMix;
use sagascope_server::{Asset, Collector, Config, Ports};
use serde_json::Value;
use tempfile::TempDir;

/// Everything waits at most this long for its outcome.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) collector: Collector,
    pub(crate) client: Client,
    dir: Arc<TempDir>,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_in(Arc::new(TempDir::new().unwrap())).await
    }

    async fn start_in(dir: Arc<TempDir>) -> Self {
        Self::start_as(dir, |config| config).await
    }

    /// With another configuration than usual.
    pub(crate) async fn start_with(change: impl FnOnce(Config) -> Config) -> Self {
        Self::start_as(Arc::new(TempDir::new().unwrap()), change).await
    }

    async fn start_as(dir: Arc<TempDir>, change: impl FnOnce(Config) -> Config) -> Self {
        let config = change(Config {
            ports: Ports {
                grpc: 0,
                http: 0,
                api: 0,
            },
            free_floor_bytes: 0,
            demo: Some(Demo {
                profile: "demo".into(),
                summary: String::new(),
                orders_per_second: 20.0,
                flows: FlowMix::default(),
            }),
            assets: Arc::new(page),
            ..Config::new(dir.path())
        });
        let collector = Collector::start(config).await.unwrap();
        assert!(collector.ready().await);
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { collector, client, dir }
    }

    /// Ends without any farewell, then starts again on the same data.
    pub(crate) async fn kill_and_restart(self) -> Self {
        self.kill_and_restart_with(|config| config).await
    }

    /// The same, with another configuration than usual.
    pub(crate) async fn kill_and_restart_with(self, change: impl FnOnce(Config) -> Config) -> Self {
        let dir = Arc::clone(&self.dir);
        drop(self.collector);
        eventually("the folder to be free", || async {
            let lock = std::fs::File::open(dir.path().join("wal/lock")).unwrap();
            lock.try_lock().ok()
        })
        .await;
        Self::start_as(dir, change).await
    }

    /// Ends in peace; its data stays as long as the folder is held.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.collector.stop().await;
        self.dir
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn otlp(&self, path: &str) -> String {
        format!("http://{}{path}", self.collector.addresses().http)
    }

    pub(crate) fn api(&self, path: &str) -> String {
        format!("http://{}{path}", self.collector.addresses().api)
    }

    pub(crate) fn send_spans(&self, request: &ExportTraceServiceRequest) -> RequestBuilder {
        self.client
            .post(self.otlp("/v1/traces"))
            .header("content-type", "application/x-protobuf")
            .body(request.encode_to_vec())
    }

    /// A control request with the token.
    pub(crate) fn control(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, self.api(path))
            .bearer_auth(self.collector.token())
            .header("content-type", "application/json")
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.client.get(self.api(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// Spans that were acknowledged.
    pub(crate) async fn accepted_spans(&self) -> u64 {
        self.get("/api/v1/overview").await["ingest"]["spans"]["accepted"]
            .as_u64()
            .unwrap()
    }

    /// Waits until the list of traces holds this many.
    pub(crate) async fn traces(&self, number: usize) -> Vec<Value> {
        eventually("the traces to show", || async {
            let items = self.get("/api/v1/traces?limit=1000").await["items"]
                .as_array()
                .unwrap()
                .clone();
            (items.len() == number).then_some(items)
        })
        .await
    }
}

fn page(path: &str) -> Option<Asset> {
    let file = |content: &'static str, content_type, immutable| Asset {
        bytes: Bytes::from_static(content.as_bytes()),
        brotli: Some(Bytes::from_static(b"brotli bytes")),
        content_type,
        immutable,
    };
    match path {
        "/index.html" => Some(file(
            "<!doctype html><title>Sagascope</title>",
            "text/html; charset=utf-8",
            false,
        )),
        "/assets/app-1f3c.js" => Some(file("start()", "text/javascript", true)),
        _ => None,
    }
}

/// Asks again until there is an outcome.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let outcome = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(outcome) = ask().await {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    outcome.await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Bounds a wait for something that should come by itself.
pub(crate) async fn soon<T>(what: &str, outcome: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, outcome)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

pub(crate) async fn problem(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    (status, text("code"), text("field"))
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue {
        value: Some(any_value::Value::StringValue(value.into())),
    };
    KeyValue {
        key: key.into(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn nanos() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

pub(crate) fn span(trace: u128, id: u64) -> Span {
    let start = nanos();
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: "POST /orders".into(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 5_000_000,
        ..Span::default()
    }
}

pub(crate) fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource {
        attributes: vec![
            attribute("service.name", "orders"),
            attribute("service.instance.id", "orders-1"),
        ],
        ..Resource::default()
    };
    let scope = ScopeSpans {
        spans,
        ..ScopeSpans::default()
    };
    let resource_spans = vec![ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope],
        ..ResourceSpans::default()
    }];
    ExportTraceServiceRequest { resource_spans }
}

/// One trace of one span.
pub(crate) fn one(trace: u128) -> ExportTraceServiceRequest {
    request(vec![span(trace, 1)])
}
