//! What looking through a block costs, by what is asked: `cargo bench -p sagascope-core --bench search`.
//!
//! A block of 16,384 spans with twelve attributes each, as a shop sends them.

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::ItemsCount;
use sagascope_api::Time;
use sagascope_core::block::SpanBlock;
use sagascope_core::search::Query;
use sagascope_core::wire;
use sagascope_load::{Mix, Signal, Templates};

const SPANS: u32 = 512;
const REQUESTS: u64 = 32;

fn main() {
    divan::main();
}

/// From the parsed query to the number of rows that match.
#[divan::bench(args = [
    "status:error",
    "name:GET*",
    "customer.id:u-00000017",
    "duration>=20ms -status:error",
    "resource.service.name:orders (status:error OR duration>1s)",
    "http.route:/ord.*/",
    "\"timeout\"",
])]
fn spans(bencher: Bencher<'_, '_>, query: &str) {
    let block = block();
    let query = Query::parse(query).expect("a query");
    bencher.counter(ItemsCount::new(block.len())).bench(|| {
        let mut select = query.over_spans(&block);
        (0..block.len()).filter(|row| select.matches(*row)).count()
    });
}

/// From text to query.
#[divan::bench]
fn parse(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Query::parse("resource.service.name:orders (status:error OR duration>1s) -name:/health.*/"));
}

fn block() -> SpanBlock {
    let templates = Templates::new(1, SPANS, Mix::TRACES);
    let mut block = SpanBlock::default();
    for number in 0..REQUESTS {
        let mut buffer = BytesMut::new();
        let template = templates.of(Signal::Traces, number).expect("spans");
        template.fill(&mut buffer, 1, number, 1_763_000_000_000_000_000 + number * 853_000);
        wire::read_spans(&buffer, Time(1), &mut block).expect("a request");
    }
    block
}
