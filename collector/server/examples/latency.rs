//! Measures two promises: how long an acknowledgement takes with `fdatasync`, and how long until a live watcher sees the
//! change. `cargo run --release -p sagascope-server --example latency [requests per second] [seconds] [spans per request]`

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use sagascope_api::live::{LiveMessage, Rows};
use sagascope_server::{Collector, Config, Ports};

/// Moments in which traces were sent, and how long each took to be answered and to be seen.
#[derive(Default)]
struct Measured {
    sent: HashMap<String, Instant>,
    answered: Vec<Duration>,
    seen: Vec<Duration>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let rate = numbers.next().transpose()?.unwrap_or(200).max(1);
    let seconds = numbers.next().transpose()?.unwrap_or(10);
    let spans = numbers.next().transpose()?.unwrap_or(20);
    let dir = tempfile::tempdir_in(".")?;
    let ports = Ports {
        grpc: 0,
        http: 0,
        api: 0,
    };
    let collector = Collector::start(Config {
        ports,
        ..Config::new(dir.path())
    })
    .await?;
    collector.ready().await;
    let addresses = collector.addresses();
    let client = reqwest::Client::new();
    let measured = Arc::new(Mutex::new(Measured::default()));
    let stream = client
        .get(format!("http://{}/api/v1/live?topics=traces", addresses.api))
        .send()
        .await?;
    let watcher = tokio::spawn(watch(stream, Arc::clone(&measured)));
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate as f64));
    let mut requests = tokio::task::JoinSet::new();
    for n in 1..=rate * seconds {
        tick.tick().await;
        let url = format!("http://{}/v1/traces", addresses.http);
        requests.spawn(send(client.clone(), url, u128::from(n), spans, Arc::clone(&measured)));
    }
    while requests.join_next().await.is_some() {}
    tokio::time::sleep(Duration::from_secs(1)).await;
    watcher.abort();
    collector.stop().await;
    let mut measured = std::mem::take(&mut *measured.lock().expect("no thread panicked"));
    println!("{rate} requests/s of {spans} spans for {seconds} s, fsync");
    report("acknowledged", &mut measured.answered);
    report("seen live", &mut measured.seen);
    println!("{} not seen", measured.sent.len());
    Ok(())
}

async fn send(client: reqwest::Client, url: String, trace: u128, spans: u64, measured: Arc<Mutex<Measured>>) {
    let body = request(trace, spans).encode_to_vec();
    let started = Instant::now();
    measured
        .lock()
        .expect("no thread panicked")
        .sent
        .insert(format!("{trace:032x}"), started);
    let answer = client
        .post(url)
        .header("content-type", "application/x-protobuf")
        .body(body)
        .send()
        .await;
    if answer.is_ok_and(|answer| answer.status() == 200) {
        measured
            .lock()
            .expect("no thread panicked")
            .answered
            .push(started.elapsed());
    }
}

async fn watch(mut stream: reqwest::Response, measured: Arc<Mutex<Measured>>) {
    let mut buffer = Vec::new();
    while let Ok(Some(chunk)) = stream.chunk().await {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = buffer.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let message = event
                .lines()
                .find_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
            let Some(LiveMessage::Update {
                data: Rows::Traces(rows),
                ..
            }) = message
            else {
                continue;
            };
            let mut measured = measured.lock().expect("no thread panicked");
            for row in rows {
                if let Some(sent) = measured.sent.remove(&row.trace_id) {
                    measured.seen.push(sent.elapsed());
                }
            }
        }
    }
}

fn request(trace: u128, spans: u64) -> ExportTraceServiceRequest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = u64::try_from(now.as_nanos()).unwrap_or_default();
    let span = |n: u64| Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: n.to_be_bytes().to_vec(),
        parent_span_id: if n == 1 {
            Vec::new()
        } else {
            1_u64.to_be_bytes().to_vec()
        },
        name: "POST /orders".into(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000,
        ..Span::default()
    };
    let scope = ScopeSpans {
        spans: (1..=spans).map(span).collect(),
        ..ScopeSpans::default()
    };
    let resource = ResourceSpans {
        scope_spans: vec![scope],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![resource],
    }
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: f64| {
        times
            .get((times.len() as f64 * share) as usize)
            .or(times.last())
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what}: {} times, p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        times.len(),
        at(0.5).as_secs_f64() * 1e3,
        at(0.95).as_secs_f64() * 1e3,
        at(0.99).as_secs_f64() * 1e3,
        at(1.0).as_secs_f64() * 1e3,
    );
}
