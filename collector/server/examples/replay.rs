//! Measures how long a restart takes: fills a log with orders until it has the size asked for, then starts a collector on
//! it. `cargo run --release -p sagascope-server --example replay [megabytes] [folder]`; a folder that has a log already is
//! used as it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use sagascope_api::Time;
use sagascope_server::{Collector, Config, Durability, Ports};
use sagascope_store::{AppendError, Frame, Signal, Wal, WalOptions};

/// Spans of one request, as an SDK's batch of a busy service.
const SPANS: u64 = 100;
const SERVICES: [&str; 5] = ["gateway", "orders", "payments", "inventory", "shipping"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let megabytes: u64 = arguments.next().map_or(Ok(200), |argument| argument.parse())?;
    let made = tempfile::tempdir_in(".")?;
    let dir = arguments.next().map_or_else(|| made.path().to_owned(), PathBuf::from);
    if !dir.join("wal").exists() {
        let (records, raw_bytes) = fill(&dir, megabytes << 20)?;
        println!(
            "written: {records} requests of {SPANS} spans, {} MB before compression",
            raw_bytes >> 20
        );
    }
    let ports = Ports {
        grpc: 0,
        http: 0,
        api: 0,
    };
    let started = Instant::now();
    let collector = Collector::start(Config {
        ports,
        ..Config::new(&dir)
    })
    .await?;
    let listening = started.elapsed();
    collector.ready().await;
    let ready = started.elapsed();
    let api = collector.addresses().api;
    let overview: serde_json::Value = reqwest::get(format!("http://{api}/api/v1/overview"))
        .await?
        .json()
        .await?;
    println!(
        "log {} bytes: listening after {:.2} s, ready after {:.2} s; {} spans held, the oldest from {}",
        overview["storage"]["bytes"],
        listening.as_secs_f64(),
        ready.as_secs_f64(),
        overview["storage"]["held_spans"],
        overview["storage"]["oldest"],
    );
    collector.stop().await;
    Ok(())
}

/// Appends requests until the log has this size; says how many, and their bytes before compression.
fn fill(dir: &Path, bytes: u64) -> Result<(u64, u64), Box<dyn std::error::Error>> {
    let (wal, _) = Wal::open(WalOptions {
        durability: Durability::Os,
        ..WalOptions::new(dir.join("wal"))
    })?;
    let (mut records, mut raw_bytes) = (0, 0);
    while wal.status().bytes < bytes {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let now = Time(u64::try_from(now.as_nanos())?);
        let message = request(records, now).encode_to_vec();
        raw_bytes += message.len() as u64;
        records += 1;
        loop {
            match wal.append(Frame::encode(Signal::Traces, now, &message)?, |_| ()) {
                Err(AppendError::Full) => std::thread::sleep(Duration::from_millis(1)),
                outcome => break outcome?,
            }
        }
    }
    Ok((records, raw_bytes))
}

fn request(number: u64, now: Time) -> ExportTraceServiceRequest {
    let service = SERVICES[(number % SERVICES.len() as u64) as usize];
    let resource = Resource {
        attributes: vec![
            text("service.name", service.to_owned()),
            text("service.instance.id", format!("{service}-1")),
        ],
        ..Resource::default()
    };
    let scope = ScopeSpans {
        spans: (0..SPANS).map(|n| span(number * SPANS + n, now)).collect(),
        ..ScopeSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        }],
    }
}

/// Ten spans a trace, with ids as random as an SDK's, so that they compress as badly.
fn span(number: u64, now: Time) -> Span {
    let trace = number / 10;
    let trace_id = [mix(2 * trace + 1).to_be_bytes(), mix(2 * trace + 2).to_be_bytes()].concat();
    let order = format!("o-{:016x}", mix(trace ^ 0xabcd));
    Span {
        trace_id,
        span_id: (mix(number) | 1).to_be_bytes().to_vec(),
        parent_span_id: if number.is_multiple_of(10) {
            Vec::new()
        } else {
            (mix(trace * 10) | 1).to_be_bytes().to_vec()
        },
        name: "POST /orders".into(),
        kind: 2,
        start_time_unix_nano: now.0,
        end_time_unix_nano: now.0 + mix(number) % 50_000_000,
        attributes: vec![
            text("http.request.method", "POST".into()),
            text("http.route", "/orders/{id}".into()),
            text("saga.name", "order".into()),
            text("saga.id", order.clone()),
            text("correlation.id", order),
            text("user.id", format!("u-{:08x}", mix(number) % 10_000)),
        ],
        ..Span::default()
    }
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

/// SplitMix64: the same log every time.
const fn mix(number: u64) -> u64 {
    let z = number
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
