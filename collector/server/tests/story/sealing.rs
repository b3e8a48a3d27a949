//! What memory cannot hold is sealed, found all the same, and there after any end.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::rig::{Rig, eventually, request, span};

const TRACES: u128 = 64;
const SPANS: u64 = 8;

/// Requests of 64 traces with 8 spans each, numbered on from `first`.
async fn send(rig: &Rig, first: u128) {
    let spans = (first..first + TRACES).flat_map(|trace| (1..=SPANS).map(move |id| span(trace, id)));
    let response = rig.send_spans(&request(spans.collect())).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

/// How many spans each trace has, over all pages.
async fn found(rig: &Rig) -> BTreeMap<String, u64> {
    let mut traces = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = rig.get(&format!("/api/v1/traces?limit=300&cursor={cursor}")).await;
        for trace in page["items"].as_array().unwrap() {
            let id = trace["trace_id"].as_str().unwrap().to_owned();
            let spans = trace["span_count"].as_u64().unwrap();
            assert_eq!(traces.insert(id, spans), None, "a trace is on one page alone");
        }
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return traces,
        }
    }
}

/// So many traces are found, each with all of its spans.
async fn complete(rig: &Rig, traces: usize) -> Option<()> {
    let found = found(rig).await;
    (found.len() == traces && found.values().all(|spans| *spans == SPANS)).then_some(())
}

async fn metric(rig: &Rig, name: &str) -> u64 {
    let text = rig
        .client
        .get(rig.api("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// A rig that seals soon and has sealed twice, and how many of the requests that [`send`] sends it has taken.
async fn sealed() -> (Rig, u128) {
    let rig = Rig::start_with(|config| sagascope_server::Config {
        memory_cap_bytes: 1 << 20,
        ..config
    })
    .await;
    let mut requests = 0;
    while requests < 24 || metric(&rig, "sagascope_units_sealed_total").await < 2 {
        send(&rig, requests * TRACES + 1).await;
        requests += 1;
        assert!(requests < 1_000, "memory holds more than it may");
    }
    (rig, requests)
}

/// The oldest sealed file of spans.
fn oldest_file(rig: &Rig) -> PathBuf {
    let folder = rig.data_dir().join("segments/otel_traces");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.min().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c05_an_answer_says_when_a_file_could_not_be_read() {
    let (mut rig, requests) = sealed().await;
    let whole = rig.get("/api/v1/traces?limit=3").await;
    assert_eq!(whole.get("incomplete"), None, "nothing is amiss");
    let path = oldest_file(&rig);
    let mut content = fs::read(&path).unwrap();
    // In the first page, behind its header.
    content[40] ^= 1;
    fs::write(&path, content).unwrap();
    rig = rig.kill_and_restart().await;
    assert_eq!(
        metric(&rig, "sagascope_segment_files_damaged").await,
        0,
        "nobody has looked"
    );
    let page = rig.get("/api/v1/traces?limit=500&q=name:none").await;
    assert_eq!(page["incomplete"], true);
    assert_eq!(metric(&rig, "sagascope_segment_files_damaged").await, 1);
    assert_eq!(metric(&rig, "sagascope_answers_incomplete_total").await, 1);
    let found = found(&rig).await.len() as u128;
    assert!(0 < found && found < requests * TRACES, "the others are found: {found}");

    fs::remove_file(&path).unwrap();
    rig = rig.kill_and_restart().await;
    assert_eq!(
        metric(&rig, "sagascope_segment_files_damaged").await,
        1,
        "known from the start"
    );
    let page = rig.get("/api/v1/traces?limit=500&q=name:none").await;
    assert_eq!(page["incomplete"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_is_found_beside_what_is_not() {
    let (mut rig, requests) = sealed().await;
    send(&rig, requests * TRACES + 1).await;
    let all = ((requests + 1) * TRACES) as usize;
    eventually("every trace, whole", || complete(&rig, all)).await;
    let sealed = rig.get(&format!("/api/v1/traces/{:032x}", 1)).await;
    assert_eq!(sealed["spans"].as_array().map(Vec::len), Some(SPANS as usize));
    let by_attribute = rig.get("/api/v1/traces?q=resource.service.name:orders&limit=5").await;
    assert_eq!(by_attribute["items"].as_array().map(Vec::len), Some(5));
    let none = rig.get("/api/v1/traces?q=order.id:none").await;
    assert_eq!(none["items"], Value::Array(Vec::new()));

    for _ in 0..2 {
        rig = rig.kill_and_restart().await;
        eventually("every trace after a kill", || complete(&rig, all)).await;
    }
    let services = rig.get("/api/v1/services").await;
    assert_eq!(services["items"][0]["name"], "orders", "the picture is there too");
}
