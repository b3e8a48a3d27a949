//! What hostile or broken senders get: bombs, depth, drips, half a request; and that others do not notice (A13).

use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_types::StatusExt;

use super::ways::packed;
use super::{JSON, PROTOBUF, grpc, post_json};
use crate::rig::{Rig, one, request, soon, span};

const TOO_LARGE: usize = (64 << 20) + 1;

/// Asked over a connection of its own: an earlier one may have been ended with its request.
async fn is_alive(rig: &Rig) {
    let post = reqwest::Client::new()
        .post(rig.otlp("/v1/traces"))
        .header("content-type", PROTOBUF);
    let response = post.body(one(99).encode_to_vec()).send().await.unwrap();
    assert_eq!(response.status(), 200, "the collector lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_a_body_above_the_limit_is_refused_declared_or_not() {
    let rig = Rig::start().await;
    let address = rig.collector.addresses().http;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {address}\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {TOO_LARGE}\r\n\r\n"
    );
    let answer = say(address, &head, false).await;
    assert!(
        answer.starts_with("HTTP/1.1 413"),
        "before a byte of it is sent: {answer}"
    );
    let post = rig.client.post(rig.otlp("/v1/traces")).header("content-type", PROTOBUF);
    let chunks = (0..66).map(|_| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0; 1 << 20])));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let chunked = post.body(body).send().await;
    // The answer may come, and the connection end, before all is sent.
    assert!(chunked.is_err() || chunked.is_ok_and(|answer| answer.status() == 413));
    is_alive(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_bombs_of_every_encoding_are_refused_for_good() {
    let rig = Rig::start().await;
    let zeros = vec![0; TOO_LARGE];
    for encoding in ["gzip", "deflate", "zstd"] {
        for content_type in [PROTOBUF, JSON] {
            let bomb = packed(encoding, &zeros);
            assert!(bomb.len() < 1 << 20);
            let post = rig
                .client
                .post(rig.otlp("/v1/logs"))
                .header("content-type", content_type);
            let response = post
                .header("content-encoding", encoding)
                .body(bomb)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 413, "{encoding} {content_type}");
        }
    }
    let mut spans = one(1);
    spans.resource_spans[0].schema_url = "x".repeat(TOO_LARGE);
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = grpc(&rig)
            .await
            .max_encoding_message_size(usize::MAX)
            .send_compressed(encoding);
        let status = client.export(spans.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{encoding:?}");
        assert!(
            status.get_details_retry_info().is_none(),
            "with retry information it would come again for ever"
        );
    }
    is_alive(&rig).await;
}

/// What could never be taken must not come again, as it would after a "busy".
#[tokio::test(flavor = "multi_thread")]
async fn b11_with_little_memory_a_request_that_never_fits_is_refused_for_good() {
    const BUDGET: usize = 4 << 20;
    let rig = Rig::start_with(|config| sagascope_server::Config {
        requests_bytes: BUDGET,
        ..config
    })
    .await;
    let post = |content_type, body: Vec<u8>| {
        let post = rig.client.post(rig.otlp("/v1/traces"));
        post.header("content-type", content_type).body(body).send()
    };
    assert_eq!(post(PROTOBUF, vec![0; BUDGET / 2 + 1]).await.unwrap().status(), 413);
    for (objects, status) in [(30_000, 413), (15_000, 200)] {
        let text = format!(r#"{{"resourceSpans":[{}{{}}]}}"#, "{},".repeat(objects));
        let answer = post(JSON, text.into()).await.unwrap();
        assert_eq!(
            answer.status(),
            status,
            "{objects} objects, each of which takes some memory"
        );
    }
    let mut spans = one(1);
    spans.resource_spans[0].schema_url = "x".repeat(BUDGET / 2 + 1);
    let mut client = grpc(&rig).await;
    let status = client.export(spans).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_none());
    is_alive(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_within_a_bomb_and_unknown_encodings_are_refused() {
    let rig = Rig::start().await;
    let twice = packed("gzip", &packed("gzip", &one(1).encode_to_vec()));
    for (encoding, body, status) in [
        ("gzip, gzip", twice.clone(), 415),
        ("zstd,gzip", twice.clone(), 415),
        ("br", vec![1, 2, 3], 415),
        ("snappy", vec![1, 2, 3], 415),
        ("gzip", twice, 400),
        ("gzip", b"no gzip".to_vec(), 400),
        ("zstd", b"no zstd".to_vec(), 400),
        ("deflate", b"no deflate".to_vec(), 400),
    ] {
        let response = rig
            .send_spans(&one(1))
            .header("content-encoding", encoding)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), status, "{encoding}");
    }
    assert_eq!(rig.accepted_spans().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_request_that_would_grow_huge_is_refused() {
    let rig = Rig::start().await;
    // Each of these records takes two bytes on the wire.
    let scope_logs = vec![ScopeLogs {
        log_records: vec![LogRecord::default(); 4_000_000],
        ..ScopeLogs::default()
    }];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs,
            ..ResourceLogs::default()
        }],
    };
    let body = request.encode_to_vec();
    let post = reqwest::Client::new()
        .post(rig.otlp("/v1/logs"))
        .header("content-type", PROTOBUF);
    let response = post.body(body).send().await.unwrap();
    assert_eq!(response.status(), 413);
    is_alive(&rig).await;
}

/// A field of protobuf with a length; written by hand, since no library nests this deep.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_is_bounded_in_both_encodings() {
    let rig = Rig::start().await;
    let mut value = Vec::new();
    for _ in 0..5_000 {
        value = field(5, &field(1, &value));
    }
    let attribute = [field(1, b"deep"), field(2, &value)].concat();
    let sent = span(1, 1);
    let span = [field(1, &sent.trace_id), field(2, &sent.span_id), field(9, &attribute)].concat();
    let body = field(1, &field(2, &field(2, &span)));
    let response = rig.send_spans(&one(1)).body(body).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.bytes().await.unwrap().len() <= 1_200, "the reason is short");
    let deep = "[".repeat(200_000);
    assert_eq!(
        post_json(&rig, "/v1/traces", format!("{{\"resourceSpans\":{deep}"))
            .await
            .0,
        400
    );
    is_alive(&rig).await;
}

/// Lists or maps in each other, in the attribute of a span.
fn nested(levels: usize, is_map: bool) -> ExportTraceServiceRequest {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList, any_value::Value};
    let mut value = AnyValue::default();
    for _ in 0..levels {
        let wrapped = if is_map {
            let pair = KeyValue {
                value: Some(value),
                ..KeyValue::default()
            };
            Value::KvlistValue(KeyValueList { values: vec![pair] })
        } else {
            Value::ArrayValue(ArrayValue { values: vec![value] })
        };
        value = AnyValue { value: Some(wrapped) };
    }
    let attribute = KeyValue {
        key: "deep".into(),
        value: Some(value),
        ..KeyValue::default()
    };
    request(vec![Span {
        attributes: vec![attribute],
        ..span(1, 1)
    }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_values_may_be_as_deep_in_json_as_in_protobuf() {
    let rig = Rig::start().await;
    for (is_map, most) in [(false, 47), (true, 31)] {
        for levels in [1, 39, 40, 45, most - 1, most, most + 1, 60] {
            let sent = nested(levels, is_map);
            let expected = if levels <= most { 200 } else { 400 };
            let answer = rig.send_spans(&sent).send().await.unwrap();
            assert_eq!(answer.status(), expected, "protobuf {is_map} {levels}");
            let text = super::json::traces(&sent).to_string();
            let answer = post_json(&rig, "/v1/traces", text).await;
            assert_eq!(answer.0, expected, "JSON {is_map} {levels}: {}", answer.1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_attributes_are_cut_or_refused() {
    let rig = Rig::start().await;
    let attribute = |n: u32| KeyValue {
        key: format!("k{n}"),
        ..KeyValue::default()
    };
    let many = Span {
        attributes: (0..1_000_000).map(attribute).collect(),
        ..span(1, 1)
    };
    let response = rig.send_spans(&request(vec![many])).send().await.unwrap();
    assert!(
        [200, 413].contains(&response.status().as_u16()),
        "{}",
        response.status()
    );
    let fewer = Span {
        attributes: (0..2_000).map(attribute).collect(),
        ..span(2, 1)
    };
    assert_eq!(
        rig.send_spans(&request(vec![fewer])).send().await.unwrap().status(),
        200
    );
    let shown = super::shown(&rig, 2).await;
    let kept = shown["attributes"].as_object().unwrap().len();
    assert!(kept < 2_000, "{kept} attributes are shown");
}

/// Says it, then waits for what comes back until the collector ends the connection or a second has passed.
pub(super) async fn say(address: SocketAddr, text: &str, ends: bool) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    if ends {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 1_024];
    while let Ok(Ok(read @ 1..)) = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_leaves_nothing_behind() {
    let rig = Rig::start().await;
    let address = rig.collector.addresses().http;
    let head = format!("POST /v1/traces HTTP/1.1\r\nHost: {address}\r\nContent-Type: {PROTOBUF}\r\n");
    for (text, ends) in [
        (format!("{head}Content-Length: 100\r\n\r\nhalf"), true),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhal"), true),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n"), true),
        (format!("{head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"), true),
        (head[..20].to_owned(), true),
        ("PRI * HTTP/2.0\r\n\r\nSM".to_owned(), true),
        ("\x16\x03\x01 this is TLS".to_owned(), true),
    ] {
        let answer = say(address, &text, ends).await;
        assert!(!answer.contains(" 200 "), "{text:?}: {answer}");
    }
    for text in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthese are no frames",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        say(rig.collector.addresses().grpc, text, true).await;
    }
    assert_eq!(rig.accepted_spans().await, 0);
    is_alive(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dripping_connections_hold_up_nobody_and_the_end() {
    let rig = Rig::start().await;
    let address = rig.collector.addresses().http;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {address}\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 1000\r\n\r\n"
    );
    let mut dripping = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        dripping.push(stream);
    }
    is_alive(&rig).await;
    assert_eq!(rig.accepted_spans().await, 1);
    soon("the end", rig.collector.stop()).await;
}
