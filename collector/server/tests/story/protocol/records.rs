//! Records that contradict themselves or each other (A14 to A19).

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

use super::{post_json, shown};
use crate::rig::{Rig, request, span};

const HOUR: u64 = 3_600_000_000_000;

async fn send(rig: &Rig, spans: Vec<Span>) {
    let response = rig.send_spans(&request(spans)).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.bytes().await.unwrap().len()),
        (200, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_times_that_cannot_be_are_stored_and_harm_no_query() {
    let rig = Rig::start().await;
    let now = span(0, 1).start_time_unix_nano;
    let times = [
        (now, now - HOUR),
        (0, 0),
        (0, now),
        (now, u64::MAX),
        (u64::MAX, u64::MAX),
        (u64::MAX, 0),
        (i64::MAX as u64 + 1, i64::MAX as u64 + 2),
        (now + HOUR, now + HOUR + 1),
        (1, 2),
    ];
    for (trace, (start, end)) in (1..).zip(times) {
        let odd = Span {
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            ..span(trace, 1)
        };
        let response = rig.send_spans(&request(vec![odd])).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
    rig.traces(times.len()).await;
    let reversed = Span {
        start_time_unix_nano: now,
        end_time_unix_nano: now - HOUR,
        ..span(1, 1)
    };
    let answer = rig.send_spans(&request(vec![reversed])).send().await.unwrap();
    let told = ExportTraceServiceResponse::decode(answer.bytes().await.unwrap()).unwrap();
    let told = told.partial_success.unwrap();
    assert_eq!(told.rejected_spans, 0, "a warning");
    assert!(
        told.error_message.contains("before its start"),
        "{}",
        told.error_message
    );
    let duration = |span: &Value| span["duration_nanos"].as_u64();
    assert_eq!(
        duration(&shown(&rig, 1).await),
        Some(0),
        "an end before the start is no length"
    );
    assert_eq!(duration(&shown(&rig, 9).await), Some(1));
    let ended_only = shown(&rig, 3).await;
    assert_eq!(ended_only["start_unix_nano"], now.to_string(), "the end is known");
    for query in [
        "?q=duration>1s",
        "?q=duration<1s",
        "?since=1970-01-01T00:00:00Z&until=2262-01-01T00:00:00Z",
    ] {
        rig.get(&format!("/api/v1/traces{query}")).await;
    }
    for path in ["/api/v1/overview", "/api/v1/services", "/api/v1/service-map"] {
        rig.get(path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a15_a_span_sent_again_is_shown_and_counted_once() {
    let rig = Rig::start().await;
    let sent = span(1, 1);
    for _ in 0..3 {
        send(&rig, vec![sent.clone(), sent.clone()]).await;
    }
    send(&rig, vec![span(2, 1)]).await;
    let traces = rig.traces(2).await;
    assert!(traces.iter().all(|trace| trace["span_count"] == 1), "{traces:#?}");
    shown(&rig, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_spans_without_order_are_laid_out_and_end() {
    let rig = Rig::start().await;
    let child = |trace, id: u64, parent: u64| Span {
        parent_span_id: parent.to_be_bytes().to_vec(),
        ..span(trace, id)
    };
    // The child before its parent; the lost parent; the circle; its own parent; two roots.
    send(&rig, vec![child(1, 2, 1)]).await;
    send(&rig, vec![span(1, 1)]).await;
    send(&rig, vec![child(2, 2, 99)]).await;
    send(&rig, vec![child(3, 1, 2), child(3, 2, 1)]).await;
    send(&rig, vec![child(4, 1, 1)]).await;
    send(&rig, vec![span(5, 1), span(5, 2)]).await;
    rig.traces(5).await;
    let laid_out = |trace: u128| {
        let rig = &rig;
        async move {
            let trace = rig.get(&format!("/api/v1/traces/{trace:032x}")).await;
            let spans = trace["spans"].as_array().unwrap().clone();
            let missing = spans.iter().filter(|span| span["missing_parent"] == true).count();
            let depths: Vec<u64> = spans.iter().map(|span| span["depth"].as_u64().unwrap()).collect();
            (trace["complete"] == true, missing, depths)
        }
    };
    assert_eq!(laid_out(1).await, (true, 0, vec![0, 1]));
    assert_eq!(laid_out(2).await, (false, 1, vec![0]));
    assert_eq!(laid_out(3).await.2.len(), 2);
    assert_eq!(laid_out(4).await.2, [0]);
    assert_eq!(laid_out(5).await.2, [0, 0]);
}

/// Metrics of one scope; what was rejected.
async fn points(rig: &Rig, metrics: Value) -> Value {
    let request = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]});
    let (status, answer) = post_json(rig, "/v1/metrics", request.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    answer["partialSuccess"]["rejectedDataPoints"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a17_a_metric_that_changes_its_kind_or_counts_anew_is_taken() {
    let rig = Rig::start().await;
    let sum = |temporality: u8, start: u64, value: u64| {
        json!({"name": "m", "sum": {"aggregationTemporality": temporality, "isMonotonic": true, "dataPoints": [
            {"startTimeUnixNano": start.to_string(), "timeUnixNano": "100", "asInt": value.to_string(),
             "exemplars": [{"timeUnixNano": "1", "traceId": "ffffffffffffffffffffffffffffffff", "spanId": "00000000000000ff", "asDouble": 1.0}]},
        ]}})
    };
    let gauge = json!({"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": "100", "asDouble": 1.5}]}});
    let metrics = json!([sum(2, 1, 10), sum(2, 50, 3), sum(1, 60, 3), sum(0, 60, 3), gauge]);
    assert_eq!(points(&rig, metrics).await, Value::Null);
    assert_eq!(rig.get("/api/v1/overview").await["ingest"]["points"]["accepted"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a18_histograms_that_contradict_themselves_are_rejected_point_by_point() {
    let rig = Rig::start().await;
    let histogram = |count: &str, counts: Value, bounds: Value, sum: Value| {
        json!({"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": "1", "count": count, "bucketCounts": counts, "explicitBounds": bounds, "sum": sum},
        ]}})
    };
    let good = histogram("3", json!(["1", "2"]), json!([0.5]), json!(1.0));
    for (what, bad) in [
        (
            "bounds out of order",
            histogram("3", json!(["1", "1", "1"]), json!([2.0, 1.0]), json!(1.0)),
        ),
        (
            "too few counts",
            histogram("3", json!(["3"]), json!([0.5, 1.0]), json!(1.0)),
        ),
        (
            "counts that do not add up",
            histogram("9", json!(["1", "2"]), json!([0.5]), json!(1.0)),
        ),
        (
            "a bound that is no number",
            histogram("3", json!(["1", "2"]), json!(["NaN"]), json!(1.0)),
        ),
    ] {
        assert_eq!(points(&rig, json!([good, bad])).await, "1", "{what}");
    }
    assert_eq!(points(&rig, json!([good])).await, Value::Null);
    let ingest = rig.get("/api/v1/overview").await["ingest"]["points"].clone();
    assert_eq!((&ingest["accepted"], &ingest["rejected"]), (&json!(5), &json!(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a19_exponential_histograms_stay_within_bounds() {
    let rig = Rig::start().await;
    let exponential = |scale: i32, offset: i32, buckets: usize| {
        let counts: Vec<&str> = vec!["1"; buckets];
        json!({"name": "e", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": "1", "count": buckets.to_string(), "scale": scale, "positive": {"offset": offset, "bucketCounts": counts}},
        ]}})
    };
    assert_eq!(points(&rig, json!([exponential(20, 0, 160)])).await, Value::Null);
    for (scale, offset, buckets) in [
        (0, i32::MIN, 4),
        (20, i32::MAX, 4),
        (i32::MAX, 0, 4),
        (i32::MIN, 0, 4),
        (0, 0, 1_000_000),
    ] {
        // Taken or rejected, but one of the two, and quickly.
        let outcome = points(&rig, json!([exponential(scale, offset, buckets)])).await;
        assert!(outcome.is_null() || outcome == "1", "{scale} {offset}: {outcome}");
    }
    rig.get("/api/v1/overview").await;
}
