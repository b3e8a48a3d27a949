//! Metric points by every transport, encoding and compression: stored the same, to the last exemplar (A20).

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
};
use prost::Message;
use sagascope_core::block::PointBlock;
use sagascope_core::wire;
use sagascope_store::{Signal, Wal, WalOptions};

use super::ways::{GRPC_ENCODINGS, HTTP_ENCODINGS, every_kind, post_all, scope};
use super::{JSON, PROTOBUF, json};
use crate::rig::{Rig, request};

const AT: u64 = 1_763_000_000_000_000_000;

fn exemplars() -> Vec<Exemplar> {
    let of = |value| Exemplar {
        filtered_attributes: every_kind(),
        time_unix_nano: AT - 5,
        span_id: vec![6; 8],
        trace_id: vec![5; 16],
        value: Some(value),
    };
    vec![
        of(exemplar::Value::AsInt(i64::MIN)),
        of(exemplar::Value::AsDouble(f64::INFINITY)),
    ]
}

fn numbers() -> Vec<NumberDataPoint> {
    let values = [
        Number::AsInt(i64::MAX),
        Number::AsInt(-1),
        Number::AsDouble(1.0e-7),
        Number::AsDouble(-0.0),
        Number::AsDouble(f64::NAN),
        Number::AsDouble(f64::NEG_INFINITY),
    ];
    let of = |value| NumberDataPoint {
        attributes: every_kind(),
        start_time_unix_nano: AT - 10,
        time_unix_nano: AT,
        exemplars: exemplars(),
        flags: 0,
        value: Some(value),
    };
    let absent = NumberDataPoint {
        time_unix_nano: AT,
        flags: 1,
        ..NumberDataPoint::default()
    };
    values.into_iter().map(of).chain([absent]).collect()
}

fn histogram() -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: every_kind(),
        start_time_unix_nano: AT - 10,
        time_unix_nano: AT,
        count: 6,
        sum: Some(0.1 + 0.2),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![-1.5, 1.0e300],
        exemplars: exemplars(),
        flags: 0,
        min: Some(-2.0),
        max: Some(1.0e301),
    }
}

fn exponential() -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes: every_kind(),
        start_time_unix_nano: AT - 10,
        time_unix_nano: AT,
        count: 7,
        sum: Some(-4.25),
        scale: -3,
        zero_count: 1,
        positive: Some(Buckets {
            offset: -2,
            bucket_counts: vec![1, 0, 2],
        }),
        negative: Some(Buckets {
            offset: 4,
            bucket_counts: vec![3],
        }),
        flags: 0,
        exemplars: exemplars(),
        min: None,
        max: Some(3.5),
        zero_threshold: 0.001,
    }
}

fn summary() -> SummaryDataPoint {
    let quantiles = [(0.0, 1.0), (0.99, 12.5), (1.0, f64::NAN)];
    SummaryDataPoint {
        attributes: every_kind(),
        start_time_unix_nano: AT - 10,
        time_unix_nano: AT,
        count: 9,
        sum: 81.5,
        quantile_values: quantiles
            .map(|(quantile, value)| ValueAtQuantile { quantile, value })
            .to_vec(),
        flags: 0,
    }
}

/// A metric of each kind, and a point of each kind of value.
fn metrics() -> ExportMetricsServiceRequest {
    let kinds = [
        Data::Gauge(Gauge { data_points: numbers() }),
        Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: 1,
            is_monotonic: false,
        }),
        Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: 2,
            is_monotonic: true,
        }),
        Data::Histogram(Histogram {
            data_points: vec![histogram()],
            aggregation_temporality: 2,
        }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential()],
            aggregation_temporality: 1,
        }),
        Data::Summary(Summary {
            data_points: vec![summary()],
        }),
    ];
    let of = |(n, data)| Metric {
        name: format!("metric.{n}"),
        description: "what it \"measures\"".into(),
        unit: "µs".into(),
        metadata: every_kind(),
        data: Some(data),
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: request(vec![]).resource_spans[0].resource.clone(),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: (0..).zip(kinds).map(of).collect(),
                schema_url: "https://opentelemetry.io/schemas/1.36.0".into(),
            }],
            schema_url: "https://opentelemetry.io/schemas/1.35.0".into(),
        }],
    }
}

/// The rows of each request in the log, in words: those of NaN are equal too.
fn stored(dir: &std::path::Path) -> Vec<Vec<String>> {
    let (_wal, replay) = Wal::open(WalOptions::new(dir.join("wal"))).unwrap();
    let rows = replay.map(|(_, record)| {
        assert_eq!(record.signal, Signal::Metrics);
        let mut block = PointBlock::default();
        wire::read_points(&record.bytes, record.received_at, &mut block).unwrap();
        block.rows().map(|row| format!("{:?}", row.to_row())).collect()
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a20_the_same_points_by_every_way_are_stored_the_same() {
    let rig = Rig::start().await;
    post_all(&rig, "/v1/metrics", PROTOBUF, || metrics().encode_to_vec()).await;
    post_all(&rig, "/v1/metrics", JSON, || {
        json::metrics(&metrics()).to_string().into()
    })
    .await;
    let address = format!("http://{}", rig.collector.addresses().grpc);
    for encoding in GRPC_ENCODINGS {
        let client = MetricsServiceClient::connect(address.clone()).await.unwrap();
        let mut client = match encoding {
            Some(encoding) => client.send_compressed(encoding),
            None => client,
        };
        let answer = client.export(metrics()).await.unwrap().into_inner();
        assert_eq!(answer.partial_success, None, "{encoding:?}");
    }
    let ways = stored(rig.stop().await.path());
    assert_eq!(ways.len(), HTTP_ENCODINGS.len() * 2 + GRPC_ENCODINGS.len());
    assert_eq!(ways[0].len(), numbers().len() * 3 + 3);
    for word in ["9223372036854775807", "1e-7", "-0.0", "NaN", "-inf", "1e300", "µs"] {
        assert!(ways[0].iter().any(|row| row.contains(word)), "{word} came through");
    }
    for (way, rows) in ways.iter().enumerate() {
        for (row, first) in rows.iter().zip(&ways[0]) {
            assert_eq!(row, first, "way {way}");
        }
        assert_eq!(rows.len(), ways[0].len(), "way {way}");
    }
}
