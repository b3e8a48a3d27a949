//! What single values may look like, and what becomes of those that may not (A07 to A12).

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use super::{PROTOBUF, enveloped, grpc, post_json, shown};
use crate::rig::{Rig, eventually, one, request, span};

const ID: &str = "0000000000000000000000000000000a";

/// One span of trace 10 with these fields changed.
fn with(fields: Value) -> Value {
    let mut span = json!({"traceId": ID, "spanId": "00000000000000b1", "name": "n", "startTimeUnixNano": "5", "endTimeUnixNano": "9"});
    for (key, value) in fields.as_object().unwrap() {
        span[key] = value.clone();
    }
    span
}

async fn rejected(rig: &Rig, fields: Value) -> Value {
    let (status, answer) = post_json(rig, "/v1/traces", enveloped(&with(fields))).await;
    assert_eq!(status, 200, "{answer}");
    answer["partialSuccess"]["rejectedSpans"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a07_ids_of_wrong_length_are_rejected_record_by_record() {
    let rig = Rig::start().await;
    for (field, id) in [
        ("traceId", "00"),
        ("traceId", "5b"),
        ("traceId", ""),
        ("traceId", "00000000000000000000000000000000"),
        ("traceId", "xyz"),
        ("spanId", "00"),
        ("spanId", "0000000000000000"),
        ("parentSpanId", "00"),
    ] {
        assert_eq!(rejected(&rig, json!({field: id})).await, "1", "{field} {id}");
    }
    for good in [
        json!({"parentSpanId": ""}),
        json!({"parentSpanId": "0000000000000000"}),
        json!({"traceId": "000000000000000000000000000000FE"}),
    ] {
        assert_eq!(rejected(&rig, good.clone()).await, Value::Null, "{good}");
    }
    // The same by protobuf, over both transports.
    let mut bad = span(11, 1);
    bad.parent_span_id = vec![1];
    let response = rig.send_spans(&request(vec![bad.clone()])).send().await.unwrap();
    let answer = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);
    let answer = grpc(&rig).await.export(request(vec![bad])).await.unwrap().into_inner();
    assert_eq!(answer.partial_success.unwrap().rejected_spans, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a08_nulls_nan_empty_lists_and_bytes_of_any_alphabet_are_taken() {
    let rig = Rig::start().await;
    let attributes = json!([
        {"key": "nan", "value": {"doubleValue": "NaN"}},
        {"key": "endless", "value": {"doubleValue": "Infinity"}},
        {"key": "list", "value": {"arrayValue": {}}},
        {"key": "null list", "value": {"arrayValue": {"values": null}}},
        {"key": "map", "value": {"kvlistValue": {}}},
        {"key": "nothing", "value": {}},
        {"key": "null", "value": null},
        {"key": "unpadded", "value": {"bytesValue": "-_8"}},
        {"key": "padded", "value": {"bytesValue": "+/8="}},
        {"key": "exponent", "value": {"intValue": 1e3}},
    ]);
    assert_eq!(
        rejected(
            &rig,
            json!({"attributes": attributes, "events": null, "links": null, "status": null, "traceState": null})
        )
        .await,
        Value::Null
    );
    let stored = shown(&rig, 10).await;
    assert_eq!(stored["attributes"]["exponent"], 1_000);
    assert_eq!(stored["attributes"]["list"], json!([]));
    assert_eq!(stored["attributes"]["padded"], stored["attributes"]["unpadded"]);
    let nulls = with(json!({"attributes": null, "traceId": "0000000000000000000000000000000b"}));
    assert_eq!(post_json(&rig, "/v1/traces", enveloped(&nulls)).await, (200, json!({})));
    assert_eq!(
        post_json(&rig, "/v1/traces", r#"{"resourceSpans":null}"#).await,
        (200, json!({}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a08_points_keep_nan() {
    let rig = Rig::start().await;
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asDouble": "NaN"}, {"timeUnixNano": "1", "asInt": "7"}]}},
        {"name": "h", "histogram": {"dataPoints": [{"timeUnixNano": "1", "count": "0", "bucketCounts": [], "explicitBounds": []}]}},
        {"name": "e", "exponentialHistogram": {"dataPoints": [{"timeUnixNano": "1"}]}},
    ]}]}]});
    assert_eq!(
        post_json(&rig, "/v1/metrics", metrics.to_string()).await,
        (200, json!({}))
    );
    assert_eq!(rig.get("/api/v1/overview").await["ingest"]["points"]["accepted"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a09_names_of_enums_are_refused_and_snake_case_is_unknown() {
    let rig = Rig::start().await;
    let (status, answer) = post_json(
        &rig,
        "/v1/traces",
        enveloped(&with(json!({"kind": "SPAN_KIND_SERVER"}))),
    )
    .await;
    assert_eq!((status, &answer["code"]), (400, &json!(Code::InvalidArgument as i32)));
    let snake = json!({"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": "00"}]}]}]});
    assert_eq!(post_json(&rig, "/v1/traces", snake.to_string()).await, (200, json!({})));
    assert_eq!(
        rejected(&rig, json!({"start_time_unix_nano": "x", "trace_id": 5})).await,
        Value::Null
    );
    assert_eq!(rig.accepted_spans().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a04_json_that_says_by_position_what_it_means_is_refused() {
    let rig = Rig::start().await;
    let positional = enveloped(&with(json!({"attributes": [["k", {"stringValue": "v"}]]})));
    for (path, body) in [
        ("/v1/traces", positional.as_str()),
        ("/v1/traces", "[]"),
        ("/v1/logs", "[]"),
        ("/v1/metrics", "[[]]"),
    ] {
        assert_eq!(post_json(&rig, path, body.to_owned()).await.0, 400, "{path} {body}");
    }
    assert_eq!(rig.accepted_spans().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_what_a_newer_protocol_adds_is_no_reason_to_fail() {
    let rig = Rig::start().await;
    let newer = json!({"kind": 77, "status": {"code": 9}, "novelty": {"deep": [1, {"x": null}]}, "attributes": [
        {"key": "k", "value": {"stringValue": "s", "futureValue": 1}, "weight": 3},
    ]});
    let (status, answer) = post_json(&rig, "/v1/traces", enveloped(&with(newer))).await;
    let told = "2 values are not kept as they were sent, the first: a span kind that OTLP does not know";
    let warning = json!({"partialSuccess": {"rejectedSpans": "0", "errorMessage": told}});
    assert_eq!((status, answer), (200, warning), "taken, and told");
    let stored = shown(&rig, 10).await;
    assert_eq!(
        (&stored["kind"], &stored["status"]),
        (&json!("unspecified"), &json!("unset"))
    );
    assert_eq!(stored["attributes"]["k"], "s");
    // In protobuf: a field of each wire type that nobody knows yet, around a span that is good.
    let mut body = vec![0xf8, 0x7f, 5, 0xfa, 0x7f, 1, 0];
    body.extend([0xf9, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd, 0x7f, 0, 0, 0, 0]);
    body.extend(one(20).encode_to_vec());
    let post = rig.client.post(rig.otlp("/v1/traces")).header("content-type", PROTOBUF);
    let response = post.body(body).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.bytes().await.unwrap().len()),
        (200, 0)
    );
    shown(&rig, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_whole_numbers_come_as_text_or_number_and_never_overflow() {
    let rig = Rig::start().await;
    let int = |written: Value| json!({"attributes": [{"key": "n", "value": {"intValue": written}}]});
    for written in [
        json!("9223372036854775807"),
        json!(-5),
        json!("-9223372036854775808"),
        json!(42.0),
    ] {
        assert_eq!(rejected(&rig, int(written.clone())).await, Value::Null, "{written}");
    }
    for written in [
        json!("9223372036854775808"),
        json!(u64::MAX),
        json!(1.5),
        json!("x"),
        json!(true),
        json!(1e300),
    ] {
        let (status, _) = post_json(&rig, "/v1/traces", enveloped(&with(int(written.clone())))).await;
        assert_eq!(status, 400, "{written}");
    }
    for (field, written) in [
        ("startTimeUnixNano", json!("18446744073709551616")),
        ("startTimeUnixNano", json!(-1)),
        ("flags", json!("4294967296")),
    ] {
        let (status, _) = post_json(&rig, "/v1/traces", enveloped(&with(json!({field: written})))).await;
        assert_eq!(status, 400, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_text_that_is_no_unicode_is_refused_in_both_encodings() {
    let rig = Rig::start().await;
    let (status, _) = post_json(
        &rig,
        "/v1/traces",
        enveloped(&with(json!({"name": "MARK"}))).replace("MARK", r"\ud800"),
    )
    .await;
    assert_eq!(status, 400, "a lone surrogate");
    let raw = enveloped(&with(json!({"name": "MARK"}))).into_bytes();
    let at = raw.windows(4).position(|window| window == b"MARK").unwrap();
    let mut broken = raw.clone();
    broken[at] = 0xff;
    assert_eq!(post_json(&rig, "/v1/traces", broken).await.0, 400);

    let mut message = one(30).encode_to_vec();
    let at = message
        .windows(12)
        .position(|window| window == b"POST /orders")
        .unwrap();
    message[at] = 0xff;
    let post = rig.client.post(rig.otlp("/v1/traces")).header("content-type", PROTOBUF);
    assert_eq!(post.body(message).send().await.unwrap().status(), 400);
    assert_eq!(rig.accepted_spans().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_values_are_kept_whole_and_shown_cut_and_what_is_cut_is_told() {
    let rig = Rig::start().await;
    let send = |body: String| {
        let record = json!({"body": {"stringValue": body}, "attributes": [
            {"key": "list", "value": {"arrayValue": {"values": vec![json!({"intValue": "7"}); 300]}}},
        ]});
        json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).to_string()
    };
    let whole = "x".repeat(1 << 20);
    assert_eq!(post_json(&rig, "/v1/logs", send(whole.clone())).await, (200, json!({})));
    let rows = eventually("the record to show", || async {
        let page = rig.get("/api/v1/logs").await;
        page["items"].as_array().cloned().filter(|rows| rows.len() == 1)
    })
    .await;
    let body = rows[0]["body"].as_str().unwrap();
    assert!(
        body.len() < 20_000 && body.ends_with("more bytes]"),
        "{}",
        &body[body.len() - 40..]
    );
    assert_eq!(rows[0]["attributes"]["list"], json!(vec![7; 300]));
    let found = rig.get("/api/v1/logs?whole=true").await;
    assert_eq!(found["items"][0]["body"], whole.as_str());
    // One byte more than anyone needs: taken, cut, and told.
    let (status, answer) = post_json(&rig, "/v1/logs", send(format!("{whole}x"))).await;
    let partial = &answer["partialSuccess"];
    assert_eq!((status, &partial["rejectedLogRecords"]), (200, &json!("0")), "{answer}");
    assert!(
        partial["errorMessage"].as_str().unwrap().contains("longer than 1 MiB"),
        "{answer}"
    );
    let metrics = rig
        .client
        .get(rig.api("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("sagascope_values_cut_total{signal=\"logs\"}"));
    assert_eq!(line, Some("sagascope_values_cut_total{signal=\"logs\"} 1"));
}
