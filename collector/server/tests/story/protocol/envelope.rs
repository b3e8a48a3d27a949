//! What every answer keeps to: types, methods, success, partial success, errors (A01 to A06).

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

use super::{JSON, PROTOBUF, grpc, post_json};
use crate::rig::{Rig, one, request, span};

#[tokio::test(flavor = "multi_thread")]
async fn a01_empty_requests_are_successes() {
    let rig = Rig::start().await;
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        for (content_type, body, expected) in [(PROTOBUF, "", ""), (JSON, "{}", "{}"), (JSON, "", "{}")] {
            let post = rig.client.post(rig.otlp(path)).header("content-type", content_type);
            let response = post.body(body).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()["content-type"], content_type);
            assert_eq!(response.text().await.unwrap(), expected, "partial_success is unset");
        }
    }
    let answer = grpc(&rig).await.export(request(vec![])).await.unwrap().into_inner();
    assert_eq!(answer, ExportTraceServiceResponse::default());
    let address = format!("http://{}", rig.collector.addresses().grpc);
    let mut logs = LogsServiceClient::connect(address.clone()).await.unwrap();
    let answer = logs.export(ExportLogsServiceRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().partial_success, None);
    let mut metrics = MetricsServiceClient::connect(address).await.unwrap();
    let answer = metrics.export(ExportMetricsServiceRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().partial_success, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a02_a03_other_types_methods_and_paths_are_refused() {
    let rig = Rig::start().await;
    for content_type in [None, Some("text/plain"), Some("application/xml")] {
        let mut post = rig.client.post(rig.otlp("/v1/traces")).body("{}");
        if let Some(content_type) = content_type {
            post = post.header("content-type", content_type);
        }
        assert_eq!(post.send().await.unwrap().status(), 415, "{content_type:?}");
    }
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let response = rig.client.request(method, rig.otlp("/v1/logs")).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
    let response = rig.client.post(rig.otlp("/v1/nonsense")).send().await.unwrap();
    assert_eq!(response.status(), 404);
    let zipped = rig
        .send_spans(&one(1))
        .header("content-encoding", "br")
        .send()
        .await
        .unwrap();
    assert_eq!(zipped.status(), 415);
    assert_eq!(rig.accepted_spans().await, 0, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a04_a05_errors_are_status_messages_in_the_senders_encoding() {
    let rig = Rig::start().await;
    let post = |content_type: &'static str, body: &'static str| {
        rig.client
            .post(rig.otlp("/v1/traces"))
            .header("content-type", content_type)
            .body(body)
            .send()
    };
    let response = post(PROTOBUF, "this is no protobuf message").await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (400, &PROTOBUF.parse().unwrap())
    );
    let status = tonic_types::Status::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(status.code, Code::InvalidArgument as i32);
    assert!(!status.message.is_empty() && status.message.len() <= 1_024);
    assert_eq!(status.details.len(), 1);
    assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.BadRequest");
    let detail = tonic_types::pb::BadRequest::decode(&status.details[0].value[..]).unwrap();
    assert_eq!(detail.field_violations[0].description, status.message);

    let response = post("application/json; charset=utf-8", "{\"resourceSpans\": 7}")
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], Code::InvalidArgument as i32);
    assert_eq!(body["details"][0]["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(body["details"][0]["fieldViolations"][0]["description"], body["message"]);
    let metrics = rig
        .client
        .get(rig.api("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains("sagascope_requests_refused_total{reason=\"malformed\"} 2"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a06_a_bad_span_is_refused_and_the_rest_is_kept() {
    let rig = Rig::start().await;
    let mut spans: Vec<_> = (1..=100).map(|n| span(7, n)).collect();
    spans[50].trace_id = vec![0; 16];
    let response = rig.send_spans(&request(spans.clone())).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(!partial.error_message.is_empty());
    assert_eq!(rig.accepted_spans().await, 99);

    let status = grpc(&rig).await.export(request(spans)).await.unwrap().into_inner();
    assert_eq!(status.partial_success.unwrap().rejected_spans, 1, "gRPC says the same");

    let json = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "00", "spanId": "eee19b7ec3c1b174", "name": "x"}]}]}]});
    let (status, body) = post_json(&rig, "/v1/traces", json.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["partialSuccess"]["rejectedSpans"], "1",
        "64-bit numbers are text in JSON"
    );
}
