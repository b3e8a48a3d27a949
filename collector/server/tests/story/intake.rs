//! OTLP as the specification words it, over both transports, and what hostile senders get.

use std::io::Write;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_types::StatusExt;

use crate::rig::{Rig, one, request, span};
use tonic::transport::Endpoint;

const PROTOBUF: &str = "application/x-protobuf";
const TOO_LARGE: usize = (64 << 20) + 1;

async fn grpc(rig: &Rig) -> TraceServiceClient<tonic::transport::Channel> {
    TraceServiceClient::connect(format!("http://{}", rig.collector.addresses().grpc))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a01_empty_requests_are_successes() {
    let rig = Rig::start().await;
    for (content_type, body) in [(PROTOBUF, ""), ("application/json", "{}")] {
        let response = rig
            .client
            .post(rig.otlp("/v1/traces"))
            .header("content-type", content_type)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), body, "partial_success is unset");
    }
    let answer = grpc(&rig).await.export(request(vec![])).await.unwrap().into_inner();
    assert_eq!(answer, ExportTraceServiceResponse::default());
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

    let response = post("application/json; charset=utf-8", "{\"resourceSpans\": 7}")
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], Code::InvalidArgument as i32);
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

    let json = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "00", "spanId": "eee19b7ec3c1b174", "name": "x"}]}]}]});
    let response = rig
        .client
        .post(rig.otlp("/v1/traces"))
        .json(&json)
        .send()
        .await
        .unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        body["partialSuccess"]["rejectedSpans"], "1",
        "64-bit numbers are text in JSON"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_oversized_requests_are_refused_for_good() {
    let rig = Rig::start().await;
    let zeros = vec![0; TOO_LARGE];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&zeros).unwrap();
    let bomb = encoder.finish().unwrap();
    let post = || rig.client.post(rig.otlp("/v1/traces")).header("content-type", PROTOBUF);
    let response = post()
        .header("content-encoding", "gzip")
        .body(bomb)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 413);

    let mut spans = one(1);
    spans.resource_spans[0].schema_url = "x".repeat(TOO_LARGE);
    let mut client = grpc(&rig)
        .await
        .max_encoding_message_size(usize::MAX)
        .send_compressed(CompressionEncoding::Gzip);
    let status = client.export(spans).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.get_details_retry_info().is_none(),
        "with retry information it would come again for ever"
    );

    let response = rig.send_spans(&one(2)).send().await.unwrap();
    assert_eq!(response.status(), 200, "the collector lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_request_that_would_grow_huge_is_refused() {
    let rig = Rig::start().await;
    let request = request(vec![Default::default(); 1_000_000]);
    let response = rig.send_spans(&request).send().await.unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a20_the_same_span_by_every_way_shows_the_same() {
    let rig = Rig::start().await;
    let hex = |n: u128| format!("{n:032x}");
    let sent = span(0, 1);
    let with = |trace: u128| {
        request(vec![opentelemetry_proto::tonic::trace::v1::Span {
            trace_id: trace.to_be_bytes().to_vec(),
            ..sent.clone()
        }])
    };
    assert_eq!(rig.send_spans(&with(1)).send().await.unwrap().status(), 200);
    for (trace, encoding) in [(2, CompressionEncoding::Gzip), (3, CompressionEncoding::Zstd)] {
        grpc(&rig)
            .await
            .send_compressed(encoding)
            .export(with(trace))
            .await
            .unwrap();
    }
    let json = json!({"resourceSpans": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "orders"}},
            {"key": "service.instance.id", "value": {"stringValue": "orders-1"}},
        ]},
        "scopeSpans": [{"spans": [{
            "traceId": hex(4), "spanId": "0000000000000001", "name": "POST /orders", "kind": 2,
            "startTimeUnixNano": sent.start_time_unix_nano.to_string(), "endTimeUnixNano": sent.end_time_unix_nano,
        }]}],
    }]});
    assert_eq!(
        rig.client
            .post(rig.otlp("/v1/traces"))
            .json(&json)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    rig.traces(4).await;
    let detail = |trace: u128| {
        let rig = &rig;
        async move {
            let mut trace = rig.get(&format!("/api/v1/traces/{}", hex(trace))).await;
            trace["trace_id"] = Value::Null;
            trace
        }
    };
    let first = detail(1).await;
    assert_eq!(first["spans"][0]["name"], "POST /orders");
    for trace in 2..=4 {
        assert_eq!(detail(trace).await, first, "way {trace}");
    }
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
