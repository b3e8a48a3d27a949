//! What making a request costs: `cargo run --release --example fill_cost -p sagascope-load`.

use std::time::Instant;

use bytes::BytesMut;
use sagascope_load::{Mix, Signal, Templates};

const REQUESTS: u64 = 4_000;
const BATCH: u32 = 512;

fn main() {
    let mix = Mix {
        traces: 1,
        logs: 1,
        metrics: 1,
    };
    let templates = Templates::new(1, BATCH, mix);
    for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
        let mut buffer = BytesMut::new();
        let mut bytes = 0;
        let began = Instant::now();
        for number in 0..REQUESTS {
            let Some(template) = templates.of(signal, number) else {
                continue;
            };
            template.fill(&mut buffer, 1, number, 1_763_000_000_000_000_000);
            bytes += std::hint::black_box(buffer.split().freeze()).len();
        }
        let records = (REQUESTS * u64::from(BATCH)) as f64;
        println!(
            "{signal:?}: {:.3} s a million records, {:.0} bytes a record",
            began.elapsed().as_secs_f64() * 1e6 / records,
            bytes as f64 / records,
        );
    }
}
