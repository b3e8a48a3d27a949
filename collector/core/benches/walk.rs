//! What walking a request costs, before and after the answer: `cargo bench -p sagascope-core --bench walk`.
//!
//! 512 records a request, eight spans a trace, twelve attributes a span, as a shop sends them.

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use sagascope_api::Time;
use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};
use sagascope_core::wire;
use sagascope_load::{Mix, Signal, Templates};

const RECORDS: u32 = 512;
/// Requests that one block takes before it is closed.
const REQUESTS: u64 = 32;

fn main() {
    divan::main();
}

/// Everything a request can be refused for.
#[divan::bench(args = [Signal::Traces, Signal::Logs, Signal::Metrics])]
fn check(bencher: Bencher<'_, '_>, signal: Signal) {
    let requests = requests(signal);
    counted(bencher, &requests).bench(|| {
        let verdicts = requests.iter().map(|bytes| wire::check(named(signal), bytes));
        verdicts
            .map(|verdict| verdict.expect("a request").accepted)
            .sum::<u64>()
    });
}

/// What the generated code of a protobuf library takes to make objects of the same bytes, and to let go of them.
#[divan::bench]
fn decode_spans_and_drop(bencher: Bencher<'_, '_>) {
    let requests = requests(Signal::Traces);
    counted(bencher, &requests).bench(|| {
        for bytes in &requests {
            drop(ExportTraceServiceRequest::decode(&bytes[..]).expect("a request"));
        }
    });
}

/// Into the columns of a block that is filled up from empty.
#[divan::bench]
fn read_spans(bencher: Bencher<'_, '_>) {
    let requests = requests(Signal::Traces);
    counted(bencher, &requests)
        .with_inputs(SpanBlock::default)
        .bench_refs(|block| {
            for bytes in &requests {
                wire::read_spans(bytes, Time(1), block).expect("a request");
            }
        });
}

#[divan::bench]
fn read_logs(bencher: Bencher<'_, '_>) {
    let requests = requests(Signal::Logs);
    counted(bencher, &requests)
        .with_inputs(LogBlock::default)
        .bench_refs(|block| {
            for bytes in &requests {
                wire::read_logs(bytes, Time(1), block).expect("a request");
            }
        });
}

#[divan::bench]
fn read_points(bencher: Bencher<'_, '_>) {
    let requests = requests(Signal::Metrics);
    counted(bencher, &requests)
        .with_inputs(PointBlock::default)
        .bench_refs(|block| {
            for bytes in &requests {
                wire::read_points(bytes, Time(1), block).expect("a request");
            }
        });
}

fn requests(signal: Signal) -> Vec<BytesMut> {
    let one = |wanted| u32::from(wanted == signal);
    let mix = Mix {
        traces: one(Signal::Traces),
        logs: one(Signal::Logs),
        metrics: one(Signal::Metrics),
    };
    let templates = Templates::new(1, RECORDS, mix);
    let made = (0..).filter_map(|number| {
        let mut buffer = BytesMut::new();
        let template = templates.of(signal, number)?;
        template.fill(&mut buffer, 1, number, 1_763_000_000_000_000_000 + number * 853_000);
        Some(buffer)
    });
    made.take(REQUESTS as usize).collect()
}

fn counted<'a, 'b>(bencher: Bencher<'a, 'b>, requests: &[BytesMut]) -> Bencher<'a, 'b> {
    bencher
        .counter(ItemsCount::new(REQUESTS * u64::from(RECORDS)))
        .counter(BytesCount::new(requests.iter().map(|bytes| bytes.len()).sum::<usize>()))
}

const fn named(signal: Signal) -> wire::Signal {
    match signal {
        Signal::Traces => wire::Signal::Traces,
        Signal::Logs => wire::Signal::Logs,
        Signal::Metrics => wire::Signal::Metrics,
    }
}
