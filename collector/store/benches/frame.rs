//! What keeping a request costs: compression at several levels, a whole frame, and reading it back.
//!
//! `cargo bench -p sagascope-store --bench frame`; a request holds 512 spans.

use bytes::BytesMut;
use divan::{Bencher, black_box};
use sagascope_api::Time;
use sagascope_load::{Mix, Templates};
use sagascope_store::{Frame, Signal};

const SPANS: u32 = 512;
const LEVELS: [i32; 5] = [-5, -3, -1, 1, 3];

fn main() {
    let requests = requests();
    let raw: usize = requests.iter().map(Vec::len).sum();
    let spans = requests.len() * SPANS as usize;
    println!("protobuf: {:.1} B a span", raw as f64 / spans as f64);
    for level in LEVELS {
        let packed: usize = requests.iter().map(|request| compress(level, request).len()).sum();
        println!("zstd {level:2}: {:.1} B a span", packed as f64 / spans as f64);
    }
    divan::main();
}

fn requests() -> Vec<Vec<u8>> {
    let mix = Mix {
        traces: 1,
        logs: 0,
        metrics: 0,
    };
    let templates = Templates::new(1, SPANS, mix);
    let mut buffer = BytesMut::new();
    (0..64)
        .filter_map(|number| {
            let template = templates.of(sagascope_load::Signal::Traces, number)?;
            template.fill(&mut buffer, 1, number, 1_763_000_000_000_000_000);
            Some(buffer.split().to_vec())
        })
        .collect()
}

fn compress(level: i32, request: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(request, level).expect("zstd compresses")
}

/// Gives `f` one request after another, and counts spans.
fn each<O>(bencher: Bencher, f: impl Fn(&[u8]) -> O) {
    let requests = requests();
    let mut next = 0;
    bencher.counter(divan::counter::ItemsCount::new(SPANS)).bench_local(|| {
        next = (next + 1) % requests.len();
        f(black_box(&requests[next]))
    });
}

#[divan::bench(args = LEVELS)]
fn level(bencher: Bencher, level: i32) {
    let compressor = std::cell::RefCell::new(zstd::bulk::Compressor::new(level).expect("a compressor"));
    each(bencher, |request| compressor.borrow_mut().compress(request));
}

#[divan::bench]
fn checksum(bencher: Bencher) {
    each(bencher, crc32fast::hash);
}

#[divan::bench]
fn encode(bencher: Bencher) {
    each(bencher, |request| Frame::encode(Signal::Traces, Time(1), request));
}
