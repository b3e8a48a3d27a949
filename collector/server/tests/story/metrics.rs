//! Metrics sent, listed and asked for as series.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point::Value as Number,
};
use prost::Message;

use crate::rig::{Rig, eventually, problem};

const SECOND: u64 = 1_000_000_000;

/// A counter at 100, 110, … every ten seconds from second 1000 on.
fn counted(points: u64) -> ExportMetricsServiceRequest {
    let points = (0..points).map(|n| NumberDataPoint {
        start_time_unix_nano: SECOND,
        time_unix_nano: (1_000 + 10 * n) * SECOND,
        value: Some(Number::AsInt((100 + 10 * n).cast_signed())),
        ..NumberDataPoint::default()
    });
    let metric = Metric {
        name: "orders.placed".into(),
        unit: "{order}".into(),
        data: Some(Data::Sum(Sum {
            data_points: points.collect(),
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
        ..Metric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

#[tokio::test]
async fn a_counter_is_listed_and_its_rate_shown_also_after_a_restart() {
    let rig = Rig::start().await;
    let sent = rig
        .client
        .post(rig.otlp("/v1/metrics"))
        .header("content-type", "application/x-protobuf")
        .body(counted(7).encode_to_vec());
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let list = |rig: &Rig| {
        let request = rig.client.get(rig.api("/api/v1/metrics-list?q=metric:orders*"));
        async move {
            let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
            answer["items"].get(0).cloned()
        }
    };
    let metric = eventually("the metric to show", || list(&rig)).await;
    assert_eq!(
        (&metric["name"], &metric["kind"]),
        (&"orders.placed".into(), &"sum".into())
    );
    assert_eq!(metric["services"][0], "unknown_service");
    let path = format!(
        "/api/v1/metrics-range?name=orders.placed&func=rate&by=service&step=30s&since={}&until={}",
        1_000 * SECOND,
        1_060 * SECOND
    );
    let before = rig.get(&path).await;
    let points = before["series"][0]["points"].as_array().unwrap();
    assert_eq!(
        points
            .iter()
            .map(|point| point["value"].as_f64().unwrap())
            .collect::<Vec<_>>(),
        [1.0, 1.0]
    );
    let rig = rig.kill_and_restart().await;
    eventually("the metric to show again", || list(&rig)).await;
    assert_eq!(rig.get(&path).await, before);
}

#[tokio::test]
async fn d02_what_cannot_be_asked_is_refused_with_its_field() {
    let rig = Rig::start().await;
    for (query, status, field) in [
        ("", 400, "name"),
        ("name=x&func=median", 400, "func"),
        ("name=x&step=1ms", 400, "step"),
        ("name=x&since=5&until=5", 400, "until"),
        ("name=x&by=,", 400, "by"),
        ("name=x&q=)", 400, "q"),
        ("name=x&limit=0", 400, "limit"),
        ("name=x&limit=18446744073709551615", 404, ""),
    ] {
        let path = rig.api(&format!("/api/v1/metrics-range?{query}"));
        let (found, _, at) = problem(rig.client.get(path).send().await.unwrap()).await;
        assert_eq!((found, at.as_str()), (status, field), "{query}");
    }
}
