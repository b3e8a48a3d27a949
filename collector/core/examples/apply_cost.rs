//! What folding the shop's telemetry into the picture costs, and what the picture weighs after it:
//! `cargo run --release --example apply_cost -p sagascope-core [requests]`.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use sagascope_api::Time;
use sagascope_core::block::SpanBlock;
use sagascope_core::projections::{Limits, Projections};
use sagascope_core::wire;
use sagascope_load::{Mix, Signal, Templates};

const SPANS_A_REQUEST: u32 = 512;
const REQUESTS_A_BLOCK: u64 = 32;
/// Requests between two publications.
const REQUESTS_A_TICK: u64 = 48;
/// As at 600,000 spans a second.
const NANOS_A_REQUEST: u64 = 853_000;

fn main() {
    let requests = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let templates = Templates::new(1, SPANS_A_REQUEST, Mix::TRACES);
    // The first round folds nothing: what it leaves is the blocks' own memory.
    let mut projections = Projections::default();
    run(&templates, requests, |_, _, _| {});
    let before = resident_kib();
    let (mut folding, mut taking) = (Vec::new(), Vec::new());
    run(&templates, requests, |number, block, now| {
        let begun = Instant::now();
        projections.apply_spans(block, block.len() - SPANS_A_REQUEST as usize..block.len(), now);
        folding.push(begun.elapsed());
        if number % REQUESTS_A_TICK == 0 {
            let begun = Instant::now();
            projections.tick(now);
            std::hint::black_box(projections.take_changes(now));
            taking.push(begun.elapsed());
        }
    });
    let a_span = |nanos: u128| nanos as f64 / 1e3 / f64::from(SPANS_A_REQUEST);
    let (middle, mean, _) = summed_up(folding);
    println!(
        "apply {:.3} µs a span in the middle request, {:.3} µs in the mean",
        a_span(middle),
        a_span(mean)
    );
    let (middle, _, most) = summed_up(taking);
    println!(
        "tick and take_changes {} µs in the middle, at most {} µs",
        middle / 1_000,
        most / 1_000
    );
    println!(
        "weight {:.1} MiB, {} traces, {} sagas",
        resident_kib().saturating_sub(before) as f64 / 1_024.0,
        projections.traces(usize::MAX).len(),
        projections.sagas(|_| true).len(),
    );
    keep(&projections);
}

/// What keeping the picture costs, and reading it again.
fn keep(projections: &Projections) {
    let begun = Instant::now();
    let bytes = projections.to_snapshot();
    let wrote = begun.elapsed();
    let now = Time(1_763_000_010_000_000_000);
    let begun = Instant::now();
    let read = Projections::from_snapshot(&bytes, Limits::default(), now);
    println!(
        "snapshot {:.1} MiB, written in {} ms, read in {} ms{}",
        bytes.len() as f64 / 1_048_576.0,
        wrote.as_millis(),
        begun.elapsed().as_millis(),
        if read.is_ok() { "" } else { ": it cannot be read" },
    );
}

/// The middle one, which a busy machine spoils least, the mean and the longest, nanoseconds.
fn summed_up(mut times: Vec<Duration>) -> (u128, u128, u128) {
    times.sort_unstable();
    let all: Duration = times.iter().sum();
    let nanos = |time: Option<&Duration>| time.map_or(0, Duration::as_nanos);
    let mean = all.as_nanos() / times.len().max(1) as u128;
    (nanos(times.get(times.len() / 2)), mean, nanos(times.last()))
}

/// Reads the requests into blocks one after the other.
fn run(templates: &Templates, requests: u64, mut then: impl FnMut(u64, &SpanBlock, Time)) {
    let mut buffer = BytesMut::new();
    let mut block = SpanBlock::default();
    for number in 0..requests {
        if number % REQUESTS_A_BLOCK == 0 {
            block = SpanBlock::begin_at(block.next_sequence);
        }
        let now = Time(1_763_000_000_000_000_000 + number * NANOS_A_REQUEST);
        if let Some(template) = templates.of(Signal::Traces, number) {
            template.fill(&mut buffer, 1, number, now.0);
            wire::read_spans(&buffer, now, &mut block).expect("a request");
            then(number, &block, now);
        }
    }
}

/// Memory in use; 0 where the system does not tell it this way.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
