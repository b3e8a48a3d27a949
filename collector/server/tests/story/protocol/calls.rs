//! gRPC calls as no library would make them: what is refused, how, and that nothing of it is stored (A04, A13, B11).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use sagascope_server::Config;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::Service;

use super::ways::packed;
use super::{JSON, PROTOBUF};
use crate::rig::{Rig, eventually, one, soon};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const GRPC: &str = "application/grpc";

async fn connect(rig: &Rig) -> Channel {
    let address = format!("http://{}", rig.collector.addresses().grpc);
    Endpoint::from_shared(address).unwrap().connect().await.unwrap()
}

async fn send(channel: &mut Channel, headers: &[(&str, &str)], body: Body) -> Response<tonic::body::Body> {
    let mut request = Request::post(EXPORT).header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let request = request.body(tonic::body::Body::new(body)).unwrap();
    channel.call(request).await.unwrap()
}

/// What a refused call is told.
async fn refused(rig: &Rig, encoding: Option<&str>, body: Vec<u8>) -> Status {
    let mut headers = vec![("content-type", GRPC)];
    headers.extend(encoding.map(|encoding| ("grpc-encoding", encoding)));
    let answer = send(&mut connect(rig).await, &headers, Body::from(body)).await;
    assert_eq!(answer.status(), 200);
    Status::from_header_map(answer.headers()).expect("an answer without a message")
}

/// A message as it lies in a call.
fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

async fn counted(rig: &Rig, reason: &str) -> u64 {
    let answer = rig.client.get(rig.api("/metrics")).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let name = format!("sagascope_requests_refused_total{{reason=\"{reason}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a04_calls_that_cannot_be_read_are_the_senders_fault_and_counted_once() {
    let rig = Rig::start().await;
    let message = one(1).encode_to_vec();
    let whole = framed(0, &message);
    let cut = |encoding| {
        let packed = packed(encoding, &message);
        framed(1, &packed[..packed.len() / 2])
    };
    let cases = [
        ("two messages", None, [whole.clone(), whole.clone()].concat()),
        ("an empty second one", None, [whole.clone(), framed(0, b"")].concat()),
        ("half a prefix after it", None, [&whole[..], &[0, 0]].concat()),
        ("a prefix alone after it", None, [&whole[..], &[0, 0, 0, 0, 9]].concat()),
        ("no message", None, vec![]),
        ("half a prefix", None, vec![0, 0]),
        ("a cut message", None, whole[..whole.len() - 1].to_vec()),
        ("an unknown flag", None, framed(7, &message)),
        ("compressed, not said how", None, framed(1, &packed("gzip", &message))),
        ("no gzip", Some("gzip"), framed(1, b"no gzip")),
        ("cut gzip", Some("gzip"), cut("gzip")),
        ("no zstd", Some("zstd"), framed(1, b"no zstd")),
        ("cut zstd", Some("zstd"), cut("zstd")),
        ("no protobuf", None, framed(0, b"this is no protobuf")),
    ];
    for (number, (what, encoding, body)) in (1..).zip(cases) {
        let status = refused(&rig, encoding, body).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status}");
        let details = status.get_details_bad_request().expect(what);
        assert!(!details.field_violations[0].description.is_empty(), "{what}");
        assert_eq!(counted(&rig, "malformed").await, number, "{what}");
    }
    let before = counted(&rig, "malformed").await;
    let status = refused(&rig, Some("br"), framed(1, b"?")).await;
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.metadata().contains_key("grpc-accept-encoding"));
    assert_eq!(counted(&rig, "malformed").await, before + 1);
    assert_eq!(rig.accepted_spans().await, 0, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_what_is_too_large_is_counted_once_by_every_way() {
    // Rows are bounded by what requests may hold together.
    let rig = Rig::start_with(|config| Config {
        requests_bytes: 4 << 20,
        ..config
    })
    .await;
    let small = Span {
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        ..Span::default()
    };
    let request = crate::rig::request(vec![small; 60_000]);
    let rows = request.encode_to_vec();
    assert!(rows.len() < 2 << 20);
    let declared = [&[0][..], &(65_u32 << 20).to_be_bytes()].concat();
    for (number, body) in (1..).zip([framed(0, &rows), declared]) {
        let status = refused(&rig, None, body).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert_eq!(counted(&rig, "oversized").await, number, "{number}");
    }
    let rig = Rig::start().await;
    let objects = format!(r#"{{"resourceSpans":[{}{{}}]}}"#, "{},".repeat(500_001));
    assert_eq!(super::post_json(&rig, "/v1/traces", objects).await.0, 413);
    assert_eq!(
        (counted(&rig, "oversized").await, counted(&rig, "malformed").await),
        (1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a02_only_grpc_is_taken_on_its_port() {
    let rig = Rig::start().await;
    let mut channel = connect(&rig).await;
    let whole = framed(0, &one(1).encode_to_vec());
    for content_type in [PROTOBUF, JSON, "application/grpc+json", "text/plain"] {
        let answer = send(
            &mut channel,
            &[("content-type", content_type)],
            Body::from(whole.clone()),
        )
        .await;
        assert_eq!(answer.status(), 415, "{content_type}");
    }
    assert_eq!(send(&mut channel, &[], Body::from(whole.clone())).await.status(), 415);
    assert_eq!(rig.accepted_spans().await, 0);
    for content_type in [GRPC, "application/grpc+proto"] {
        let answer = send(
            &mut channel,
            &[("content-type", content_type)],
            Body::from(whole.clone()),
        )
        .await;
        assert_eq!(answer.status(), 200, "{content_type}");
    }
    assert_eq!(rig.accepted_spans().await, 2);
    let address = rig.collector.addresses().grpc;
    let text =
        format!("POST {EXPORT} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {GRPC}\r\nContent-Length: 0\r\n\r\n");
    let answer = super::bad::say(address, &text, true).await;
    assert!(!answer.starts_with("HTTP/1.1"), "{answer}");
}

/// The beginning of a body of which no more ever comes.
fn stalled(begun: Vec<u8>) -> Body {
    let begun = futures_util::stream::once(async { Ok::<_, Infallible>(Bytes::from(begun)) });
    Body::from_stream(futures_util::StreamExt::chain(begun, futures_util::stream::pending()))
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_what_stalls_is_to_be_sent_again_by_either_protocol() {
    let rig = Rig::start_with(|config| Config {
        body_timeout: Duration::from_millis(100),
        ..config
    })
    .await;
    let headers = [("content-type", GRPC)];
    let mut channel = connect(&rig).await;
    let answer = soon("the end of the call", send(&mut channel, &headers, stalled(vec![0, 0]))).await;
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.get_details_retry_info().is_some());
    assert_eq!(counted(&rig, "pushed_back").await, 1);

    let body = reqwest::Body::wrap_stream(stalled(vec![10]).into_data_stream());
    let post = rig.client.post(rig.otlp("/v1/traces")).header("content-type", PROTOBUF);
    let answer = soon("the end of the request", post.body(body).send()).await.unwrap();
    assert_eq!(answer.status(), 503, "408 would never be sent again");
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(counted(&rig, "pushed_back").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_a_stalled_call_keeps_no_newcomer_out() {
    const BUDGET: usize = 8 << 20;
    let rig = Rig::start_with(|config| Config {
        requests_bytes: BUDGET,
        ..config
    })
    .await;
    let half = BUDGET / 2 - 1_024;
    let begun = [&framed(0, &vec![0; half])[..half], &[]].concat();
    let mut channel = connect(&rig).await;
    let call = tokio::spawn(async move { send(&mut channel, &[("content-type", GRPC)], stalled(begun)).await });
    let left = || async {
        let text = rig
            .client
            .get(rig.api("/metrics"))
            .send()
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("sagascope_intake_budget_bytes "))?;
        (line.parse::<usize>().ok()? <= BUDGET - half).then_some(())
    };
    eventually("half of the budget to be held", left).await;
    for trace in 1..=5 {
        let mut newcomer = super::grpc(&rig).await;
        newcomer.export(one(trace)).await.expect("a newcomer gets in by gRPC");
        let post = reqwest::Client::new()
            .post(rig.otlp("/v1/traces"))
            .header("content-type", PROTOBUF);
        let answer = post.body(one(trace + 10).encode_to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "and by HTTP");
    }
    call.abort();
}
