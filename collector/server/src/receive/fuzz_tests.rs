//! Damaged input for the JSON model and for decompression. How to run it for longer:
//! `SAGASCOPE_FUZZ_SECONDS=60 cargo test -p sagascope-server fuzz`.

use axum::body::Body;
use sagascope_core::wire;
use sagascope_fuzz::{fuzz, way};
use sagascope_store::Signal;

use super::NotTaken;
use super::body::{self, BodyError, Encoding};
use super::budget::{Budget, Peer};
use super::json::convert;

const JSON: [&[u8]; 14] = [
    b"null",
    b"{}",
    b"[]",
    b"\"NaN\"",
    b"-1",
    b"1e400",
    b"\"\\ud800\"",
    b"{\"key\":",
    b"\"value\":",
    b"\"arrayValue\":",
    b"\"kvlistValue\":",
    b"\"traceId\":",
    b"\"asInt\":",
    b"\"bytesValue\":",
];

/// What is converted can be read: JSON has no way to say what protobuf cannot.
fn converted(target: &str, signal: Signal) {
    fuzz(target, &JSON, |input| match convert(signal, input) {
        Ok(message) => {
            let verdict = wire::check(signal, &message).expect("a converted message is a good one");
            way(&[1, verdict.accepted, verdict.rejected])
        }
        Err(NotTaken::Malformed(reason)) => way(&[2, reason.len() as u64]),
        Err(other) => way(&[3, matches!(other, NotTaken::TooLarge(_)).into()]),
    });
}

#[test]
fn json_spans() {
    converted("json_traces", Signal::Traces);
}

#[test]
fn json_logs() {
    converted("json_logs", Signal::Logs);
}

#[test]
fn json_points() {
    converted("json_metrics", Signal::Metrics);
}

#[test]
fn compressed_bodies() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    for (target, encoding) in [
        ("body_gzip", Encoding::Gzip),
        ("body_deflate", Encoding::Deflate),
        ("body_zstd", Encoding::Zstd),
    ] {
        fuzz(target, &[], |input| {
            let budget = Budget::new(4 << 20);
            let outcome = runtime.block_on(body::read(
                Body::from(input.to_vec()),
                encoding,
                budget.share(&Peer::default()),
                std::time::Duration::from_secs(30),
            ));
            match outcome {
                Ok((bytes, _share)) => way(&[1, bytes.len().checked_ilog2().unwrap_or(0).into()]),
                Err(BodyError::Broken(reason)) => way(&[2, reason.len() as u64]),
                Err(BodyError::Busy) => 3,
                Err(other) => panic!("not an answer to these bytes: {other}"),
            }
        });
    }
}
