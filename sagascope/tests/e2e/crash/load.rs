//! Numbered requests over several connections, and what became of each.
//!
//! Request `n` holds spans, log records or points, by `n` modulo three; ids and times follow from `n`. None is sent twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use reqwest::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::eventually;

/// Spans of a request, log records of another, points of a third.
pub(super) const RECORDS: u64 = 3;
/// Between two records, so that each has a time of its own.
const STEP_NANOS: u64 = 10_000;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Answered with success: it must be there.
    Acknowledged,
    /// Answered with a refusal: it must not be there.
    Refused,
    /// Not answered: it may be there, but all of it or nothing, and once.
    Unknown,
}

/// Every request by its number.
pub(super) struct Sent {
    pub(super) began: u64,
    pub(super) fates: BTreeMap<u64, Fate>,
}

impl Sent {
    pub(super) fn len(&self) -> usize {
        self.fates.len()
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.fates.values().filter(|fate| **fate == Fate::Acknowledged).count()
    }

    /// When record `at` of request `number` happened.
    pub(super) const fn time(&self, number: u64, at: u64) -> u64 {
        time(self.began, number, at)
    }
}

const fn time(began: u64, number: u64, at: u64) -> u64 {
    began + (number * RECORDS + at) * STEP_NANOS
}

pub(super) const fn trace_id(number: u64) -> u128 {
    0xc0a5_u128 << 112 | number as u128
}

pub(super) const fn span_id(number: u64, at: u64) -> u64 {
    1 + number * RECORDS + at
}

pub(super) struct Load {
    shared: Arc<Shared>,
    senders: JoinSet<()>,
}

struct Shared {
    endpoint: String,
    began: u64,
    next: AtomicU64,
    permits: Semaphore,
    fates: Mutex<BTreeMap<u64, Fate>>,
}

impl Load {
    pub(super) fn start(endpoint: &str, connections: usize) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let shared = Arc::new(Shared {
            endpoint: endpoint.to_owned(),
            began: u64::try_from(now.as_nanos()).expect("before 2554"),
            next: AtomicU64::new(0),
            permits: Semaphore::new(0),
            fates: Mutex::default(),
        });
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            senders.spawn(send(Arc::clone(&shared)));
        }
        Self { shared, senders }
    }

    /// So many requests may be sent from here on; what was left from before is forgotten.
    pub(super) fn allow(&self, requests: usize) {
        self.shared.permits.forget_permits(usize::MAX >> 4);
        self.shared.permits.add_permits(requests);
    }

    /// Waits until all that may be sent is answered.
    pub(super) async fn until_idle(&self) {
        eventually("the last requests are answered", Duration::from_secs(30), || async {
            let numbered = self.shared.next.load(Ordering::SeqCst);
            let answered = self.shared.fates.lock().unwrap().len() as u64;
            (self.shared.permits.available_permits() == 0 && numbered == answered).then_some(())
        })
        .await;
    }

    /// What was sent until now; nothing more is.
    pub(super) async fn stop(mut self) -> Sent {
        self.shared.permits.close();
        while self.senders.join_next().await.is_some() {}
        Sent {
            began: self.shared.began,
            fates: self.shared.fates.lock().unwrap().clone(),
        }
    }
}

async fn send(shared: Arc<Shared>) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client");
    while let Ok(permit) = shared.permits.acquire().await {
        permit.forget();
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let (path, message) = request(shared.began, number);
        let answer = client
            .post(format!("{}{path}", shared.endpoint))
            .header("content-type", "application/x-protobuf")
            .body(message)
            .send()
            .await;
        let fate = match answer.map(|answer| answer.status()) {
            Ok(StatusCode::OK) => Fate::Acknowledged,
            Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => Fate::Refused,
            Ok(status) => panic!("request {number} got {status}"),
            Err(_) => Fate::Unknown,
        };
        shared.fates.lock().unwrap().insert(number, fate);
    }
}

fn request(began: u64, number: u64) -> (&'static str, Vec<u8>) {
    match number % 3 {
        0 => ("/v1/traces", spans(began, number)),
        1 => ("/v1/logs", logs(began, number)),
        _ => ("/v1/metrics", points(began, number)),
    }
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![text("service.name", "crash".into())],
        ..Resource::default()
    })
}

fn text(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value)),
        }),
        ..KeyValue::default()
    }
}

fn spans(began: u64, number: u64) -> Vec<u8> {
    let span = |at| Span {
        trace_id: trace_id(number).to_be_bytes().to_vec(),
        span_id: span_id(number, at).to_be_bytes().to_vec(),
        name: format!("span {number}/{at}"),
        start_time_unix_nano: time(began, number, at),
        end_time_unix_nano: time(began, number, at) + 1_000,
        attributes: vec![text("note", format!("{number} of the spans"))],
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: vec![ScopeSpans {
                spans: (0..RECORDS).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec()
}

/// The text of a log record.
pub(super) fn body(number: u64, at: u64) -> String {
    format!("record {number}/{at}")
}

fn logs(began: u64, number: u64) -> Vec<u8> {
    let record = |at| LogRecord {
        time_unix_nano: time(began, number, at),
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(body(number, at))),
        }),
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs {
                log_records: (0..RECORDS).map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
    .encode_to_vec()
}

/// What every point adds to, and the attribute that tells requests apart.
pub(super) const METRIC: &str = "crash.points";
pub(super) const REQUEST: &str = "request";

/// What a point adds: the sum of a request tells which of its points are there.
pub(super) const fn added(at: u64) -> i64 {
    1 << (8 * at)
}

fn points(began: u64, number: u64) -> Vec<u8> {
    let point = |at| NumberDataPoint {
        start_time_unix_nano: time(began, number, at) - 1,
        time_unix_nano: time(began, number, at),
        value: Some(number_data_point::Value::AsInt(added(at))),
        attributes: vec![text(REQUEST, number.to_string())],
        ..NumberDataPoint::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(),
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![Metric {
                    name: METRIC.into(),
                    data: Some(metric::Data::Sum(Sum {
                        data_points: (0..RECORDS).map(point).collect(),
                        aggregation_temporality: AggregationTemporality::Delta.into(),
                        is_monotonic: true,
                    })),
                    ..Metric::default()
                }],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
    .encode_to_vec()
}
