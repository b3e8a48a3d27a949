//! Every transport, encoding and compression, with the same record: stored the same (A20).

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use prost::Message;
use serde_json::Value;
use tonic::codec::CompressionEncoding;

use super::{JSON, PROTOBUF, grpc, json};
use crate::rig::{Rig, eventually, request, span};

pub(super) const HTTP_ENCODINGS: [&str; 4] = ["identity", "gzip", "deflate", "zstd"];
pub(super) const GRPC_ENCODINGS: [Option<CompressionEncoding>; 3] =
    [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)];

pub(super) fn packed(encoding: &str, data: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::bulk::compress(data, 3).unwrap(),
        _ => data.to_vec(),
    }
}

/// Posts a body in each compression, each made by `make` from its number.
pub(super) async fn post_all(rig: &Rig, path: &str, content_type: &str, mut make: impl FnMut() -> Vec<u8>) {
    for encoding in HTTP_ENCODINGS {
        let post = rig.client.post(rig.otlp(path)).header("content-type", content_type);
        let response = post
            .header("content-encoding", encoding)
            .body(packed(encoding, &make()))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200, "{path} {content_type} {encoding}");
        assert_eq!(response.headers()["content-type"], content_type);
    }
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(value),
        ..KeyValue::default()
    }
}

/// Values of every kind there is.
pub(super) fn every_kind() -> Vec<KeyValue> {
    let nested = KeyValueList {
        values: vec![
            pair("inner", any(Any::IntValue(i64::MIN))),
            pair("empty", AnyValue::default()),
        ],
    };
    let list = ArrayValue {
        values: vec![
            any(Any::StringValue("a".into())),
            any(Any::BoolValue(false)),
            any(Any::DoubleValue(0.5)),
        ],
    };
    vec![
        pair("text", any(Any::StringValue("größer \"quoted\" \u{1f980}\n".into()))),
        pair("empty", any(Any::StringValue(String::new()))),
        pair("flag", any(Any::BoolValue(true))),
        pair("most", any(Any::IntValue(i64::MAX))),
        pair("double", any(Any::DoubleValue(1.0e-7))),
        pair("nan", any(Any::DoubleValue(f64::NAN))),
        pair("endless", any(Any::DoubleValue(f64::NEG_INFINITY))),
        pair("bytes", any(Any::BytesValue(vec![0, 255, 7]))),
        pair("list", any(Any::ArrayValue(list))),
        pair("no list", any(Any::ArrayValue(ArrayValue::default()))),
        pair("map", any(Any::KvlistValue(nested))),
        pair("nothing", AnyValue::default()),
    ]
}

pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "checkout".into(),
        version: "1.2".into(),
        attributes: vec![pair("scope.key", any(Any::IntValue(1)))],
        ..InstrumentationScope::default()
    }
}

/// A span that uses every field.
fn full(trace: u128, like: &Span) -> ExportTraceServiceRequest {
    let whole = Span {
        trace_id: trace.to_be_bytes().to_vec(),
        parent_span_id: vec![9; 8],
        trace_state: "vendor=1".into(),
        flags: 0x101,
        attributes: every_kind(),
        dropped_attributes_count: 3,
        events: vec![Event {
            time_unix_nano: like.start_time_unix_nano + 5,
            name: "retried".into(),
            attributes: every_kind(),
            dropped_attributes_count: 1,
        }],
        dropped_events_count: 4,
        links: vec![Link {
            trace_id: vec![8; 16],
            span_id: vec![7; 8],
            trace_state: "linked=1".into(),
            attributes: every_kind(),
            flags: 1,
            ..Link::default()
        }],
        dropped_links_count: 5,
        status: Some(Status {
            code: 2,
            message: "declined".into(),
        }),
        ..like.clone()
    };
    let mut request = request(vec![whole]);
    request.resource_spans[0].schema_url = "https://opentelemetry.io/schemas/1.36.0".into();
    request.resource_spans[0].scope_spans[0].scope = Some(scope());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a20_the_same_span_by_every_way_is_stored_the_same() {
    let rig = Rig::start().await;
    let like = span(0, 1);
    let mut trace = 0;
    let mut next = || {
        trace += 1;
        full(trace, &like)
    };
    post_all(&rig, "/v1/traces", PROTOBUF, || next().encode_to_vec()).await;
    post_all(&rig, "/v1/traces", JSON, || json::traces(&next()).to_string().into()).await;
    for encoding in GRPC_ENCODINGS {
        let client = grpc(&rig).await;
        let mut client = match encoding {
            Some(encoding) => client.send_compressed(encoding),
            None => client,
        };
        let answer = client.export(next()).await.unwrap().into_inner();
        assert_eq!(answer.partial_success, None, "{encoding:?}");
    }
    let ways = u128::try_from(HTTP_ENCODINGS.len() * 2 + GRPC_ENCODINGS.len()).unwrap();
    rig.traces(usize::try_from(ways).unwrap()).await;
    let first = super::shown(&rig, 1).await;
    assert_eq!(
        (&first["status"], &first["status_message"]),
        (&"error".into(), &"declined".into())
    );
    assert_eq!(
        first["attributes"]["most"],
        i64::MAX.to_string(),
        "JSON readers have doubles"
    );
    assert_eq!(first["links"].as_array().unwrap().len(), 1);
    for trace in 2..=ways {
        assert_eq!(super::shown(&rig, trace).await, first, "way {trace}");
    }
}

/// A record whose body is each kind of value in turn.
fn records(number: u64) -> ExportLogsServiceRequest {
    let kinds = every_kind().into_iter().enumerate();
    let log_records = kinds.map(|(kind, pair)| LogRecord {
        time_unix_nano: 1_763_000_000_000_000_000 + number * 1_000 + kind as u64,
        observed_time_unix_nano: 1_763_000_000_000_000_500,
        severity_number: 17,
        severity_text: "ERROR".into(),
        body: pair.value,
        attributes: every_kind(),
        trace_id: vec![5; 16],
        span_id: vec![6; 8],
        flags: 1,
        event_name: format!("kind.{}", pair.key),
        ..LogRecord::default()
    });
    let scoped = ScopeLogs {
        scope: Some(scope()),
        log_records: log_records.collect(),
        ..ScopeLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: request(vec![]).resource_spans[0].resource.clone(),
            scope_logs: vec![scoped],
            ..ResourceLogs::default()
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a20_the_same_log_record_by_every_way_is_stored_the_same() {
    let rig = Rig::start().await;
    let mut number = 0;
    let mut next = || {
        number += 1;
        records(number - 1)
    };
    post_all(&rig, "/v1/logs", PROTOBUF, || next().encode_to_vec()).await;
    post_all(&rig, "/v1/logs", JSON, || json::logs(&next()).to_string().into()).await;
    let address = format!("http://{}", rig.collector.addresses().grpc);
    for encoding in GRPC_ENCODINGS {
        let client = LogsServiceClient::connect(address.clone()).await.unwrap();
        let mut client = match encoding {
            Some(encoding) => client.send_compressed(encoding),
            None => client,
        };
        client.export(next()).await.unwrap();
    }
    let kinds = every_kind().len();
    let ways = HTTP_ENCODINGS.len() * 2 + GRPC_ENCODINGS.len();
    let rows = eventually("the log records to show", || async {
        let rows = rig.get("/api/v1/logs?limit=1000").await["items"]
            .as_array()
            .unwrap()
            .clone();
        (rows.len() == ways * kinds).then_some(rows)
    })
    .await;
    let mut by_kind: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for mut row in rows {
        // Each way had a time of its own, so that no record is a repetition of another.
        row.as_object_mut().unwrap().retain(|key, _| key != "at");
        let kind = row["event_name"].as_str().unwrap().to_owned();
        by_kind.entry(kind).or_default().push(row);
    }
    assert_eq!(by_kind.len(), kinds);
    for (kind, rows) in by_kind {
        assert_eq!(rows.len(), ways, "{kind}");
        assert!(rows.iter().all(|row| *row == rows[0]), "{kind}: {rows:#?}");
    }
}
