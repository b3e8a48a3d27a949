//! Damaged input for the decoders, the folds behind them, and the query parser. How to run it for longer:
//! `SAGASCOPE_FUZZ_SECONDS=60 cargo test -p sagascope-core --test fuzz`.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use sagascope_api::Time;
use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};
use sagascope_core::normalise;
use sagascope_core::projections::{Limits, Projections};
use sagascope_core::search::Query;
use sagascope_core::wire::{self, Signal, Verdict, WireError};
use sagascope_fuzz::{fuzz, way};

const NOW: Time = Time(1_763_000_000_000_000_000);
/// Tags of protobuf's fields, and lengths that lie.
const PROTOBUF: [&[u8]; 8] = [
    &[0x0a],
    &[0x12],
    &[0x0a, 0x10],
    &[0x11],
    &[0x0b],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x7a, 0x00],
];

/// What both walks say, and that it is the same.
fn agreed(signal: Signal, input: &[u8], read: &Result<Verdict, WireError>) -> u64 {
    let checked = wire::check(signal, input);
    match (&checked, read) {
        (Ok(checked), Ok(read)) => assert_eq!(
            (checked.accepted, checked.rejected),
            (read.accepted, read.rejected),
            "what is acknowledged is what is stored"
        ),
        (checked, read) => assert_eq!(checked.is_err(), read.is_err(), "{checked:?} {read:?}"),
    }
    match checked {
        Ok(verdict) => way(&[
            verdict.accepted.min(9),
            verdict.rejected.min(9),
            verdict.reason.len() as u64,
        ]),
        Err(error) => way(&[99, error.to_string().len() as u64]),
    }
}

/// Folds, and draws what came of it.
fn drawn(fold: impl FnOnce(&mut Projections)) -> u64 {
    let mut projections = Projections::new(Limits::default());
    fold(&mut projections);
    projections.tick(NOW);
    let changes = projections.take_changes(NOW).len() as u64;
    serde_json::to_string(&projections.services(NOW)).expect("a picture can be written");
    changes
}

/// The rows that a request became are those that prost and the older reading make of it.
fn same<A: std::fmt::Debug, B: std::fmt::Debug>(ours: &[A], oracle: &[B]) {
    // As text, because a number that is none equals nothing.
    assert_eq!(format!("{ours:?}"), format!("{oracle:?}"));
}

#[test]
fn fuzzed_spans() {
    fuzz("traces", &PROTOBUF, |input| {
        let mut block = SpanBlock::default();
        let read = wire::read_spans(input, NOW, &mut block);
        let kind = agreed(Signal::Traces, input, &read);
        let ours: Vec<_> = block.rows().map(|row| row.to_row()).collect();
        match ExportTraceServiceRequest::decode(input) {
            Ok(request) => same(&ours, &normalise::traces(request, NOW).batch.spans),
            Err(_) => assert!(read.is_err(), "prost cannot read it"),
        }
        way(&[
            kind,
            drawn(|projections| projections.apply_spans(&block, 0..ours.len(), NOW)),
        ])
    });
}

#[test]
fn fuzzed_logs() {
    fuzz("logs", &PROTOBUF, |input| {
        let mut block = LogBlock::default();
        let read = wire::read_logs(input, NOW, &mut block);
        let kind = agreed(Signal::Logs, input, &read);
        let ours: Vec<_> = block.rows().map(|row| row.to_row()).collect();
        match ExportLogsServiceRequest::decode(input) {
            Ok(request) => same(&ours, &normalise::logs(request, NOW).batch.logs),
            Err(_) => assert!(read.is_err(), "prost cannot read it"),
        }
        way(&[
            kind,
            drawn(|projections| projections.apply_logs(&block, 0..ours.len(), NOW)),
        ])
    });
}

#[test]
fn fuzzed_points() {
    fuzz("metrics", &PROTOBUF, |input| {
        let mut block = PointBlock::default();
        let read = wire::read_points(input, NOW, &mut block);
        let kind = agreed(Signal::Metrics, input, &read);
        let ours: Vec<_> = block.rows().map(|row| row.to_row()).collect();
        match ExportMetricsServiceRequest::decode(input) {
            Ok(request) => same(&ours, &normalise::metrics(request, NOW).batch.points),
            Err(_) => assert!(read.is_err(), "prost cannot read it"),
        }
        way(&[
            kind,
            drawn(|projections| projections.apply_points(&block, 0..ours.len(), NOW)),
        ])
    });
}

#[test]
fn a_fuzzed_picture() {
    fuzz("picture", &[], |input| {
        match Projections::from_snapshot(input, Limits::default(), NOW) {
            Ok(mut projections) => {
                projections.tick(NOW);
                projections.take_changes(NOW);
                way(&[1, projections.traces(10).len() as u64])
            }
            Err(error) => way(&[2, error.to_string().len() as u64]),
        }
    });
}

#[test]
fn fuzzed_queries() {
    let words: [&[u8]; 12] = [
        b" OR ",
        b" AND ",
        b"NOT ",
        b"(",
        b")",
        b"\"",
        b":",
        b"~",
        b">=",
        b"*",
        b"duration>",
        b"1h",
    ];
    let spans = ExportTraceServiceRequest::decode(&include_bytes!("../../fuzz/corpus/traces/01")[..]);
    let batch = normalise::traces(spans.expect("a good example"), NOW).batch;
    fuzz("query", &words, |input| {
        let text = String::from_utf8_lossy(input);
        match Query::parse(&text) {
            Ok(query) => {
                let found = batch.spans.iter().filter(|span| query.matches_span(span)).count();
                way(&[1, found as u64])
            }
            Err(error) => {
                assert!(error.position <= text.chars().count(), "{error}: {text}");
                way(&[2, error.message.len() as u64])
            }
        }
    });
}
