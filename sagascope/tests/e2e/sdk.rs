//! OpenTelemetry's own SDKs send to a real collector: what they export is taken whole.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::alone::Alone;
use crate::support::{eventually, workspace};

/// Of each way in.
const SPANS: u64 = 2;
const LOGS: u64 = 1;
const POINTS: u64 = 5;

fn folder() -> PathBuf {
    workspace().join("sagascope/tests/e2e/sdk")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_is_taken_over_grpc_and_http() {
    let python = workspace().join("target/python/bin/python3");
    assert!(
        python.is_file(),
        "the SDK story needs {}; `cargo verify` makes it",
        python.display()
    );
    let mut collector = Alone::start(&[]);
    collector.ready().await;
    let mut sender = Command::new(python);
    sender
        .arg(folder().join("send.py"))
        .args([collector.grpc(), collector.otlp()]);
    must(&mut sender);
    let ways = ["py-grpc", "py-grpc-gzip", "py-http", "py-http-gzip"];
    all_is_there(&collector, &ways).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_sdk_is_taken_as_json() {
    assert!(
        folder().join("node_modules/@opentelemetry/api/package.json").is_file(),
        "the SDK story needs `npm ci` in {}; `cargo verify` does that",
        folder().display()
    );
    let mut collector = Alone::start(&[]);
    collector.ready().await;
    must(
        Command::new("node")
            .arg(folder().join("send.mjs"))
            .arg(collector.otlp()),
    );
    all_is_there(&collector, &["js-plain", "js-gzip"]).await;
}

fn must(sender: &mut Command) {
    let output = sender.output().expect("the sender runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // The SDKs log what they could not export, and end well all the same.
    assert!(!said.contains("Failed to export") && !said.contains("rror: "), "{said}");
}

async fn get(collector: &Alone, path: &str) -> Option<Value> {
    let answer = reqwest::get(collector.api(path)).await.ok()?;
    answer.error_for_status().ok()?.json().await.ok()
}

async fn all_is_there(collector: &Alone, ways: &[&str]) {
    let number = ways.len() as u64;
    let ingest = eventually("everything is counted", Duration::from_secs(10), || async {
        let ingest = get(collector, "/api/v1/overview").await?["ingest"].clone();
        (ingest["points"]["accepted"].as_u64()? >= POINTS * number).then_some(ingest)
    })
    .await;
    for (signal, of_each) in [("spans", SPANS), ("logs", LOGS), ("points", POINTS)] {
        let counts = &ingest[signal];
        assert_eq!(
            counts["accepted"].as_u64(),
            Some(of_each * number),
            "{signal}: {ingest:#}"
        );
        assert_eq!(counts["rejected"].as_u64(), Some(0), "{signal}: {ingest:#}");
    }
    for way in ways {
        let traces = get(collector, &format!("/api/v1/traces?q=service:{way}"))
            .await
            .expect("traces");
        let id = traces["items"][0]["trace_id"].as_str().expect("one trace").to_owned();
        let trace = get(collector, &format!("/api/v1/traces/{id}"))
            .await
            .expect("the trace");
        let [parent, child] = &trace["spans"].as_array().expect("spans")[..] else {
            panic!("{trace:#}")
        };
        assert_eq!(
            (&parent["name"], &parent["kind"]),
            (&"place order".into(), &"server".into()),
            "{way}"
        );
        assert_eq!(parent["attributes"]["text"], "größer");
        assert_eq!(parent["events"][0]["attributes"]["items"], 3);
        assert_eq!(
            (&child["status"], &child["depth"]),
            (&"error".into(), &1.into()),
            "{way}"
        );
        assert_eq!(child["events"][0]["name"], "exception");
        let logs = get(collector, &format!("/api/v1/logs?q=service:{way}"))
            .await
            .expect("logs");
        let body = logs["items"][0]["body"].to_string();
        assert!(body.contains("the charge was declined"), "{logs:#}");
    }
}
