//! What a request of 512 spans costs the picture, of eight spans a trace and twelve attributes a span:
//! `cargo bench -p sagascope-core --bench apply`.

use std::cell::{Cell, RefCell};

use bytes::BytesMut;
use divan::Bencher;
use divan::counter::ItemsCount;
use sagascope_api::Time;
use sagascope_core::block::{AttributeSet, Cell as Value, ResourceEntry, ScopeEntry, SpanBlock, SpanCells, Tables};
use sagascope_core::projections::Projections;
use sagascope_core::rows::{Dropped, SpanId, SpanKind, SpanStatus, TraceId};
use sagascope_core::wire;
use sagascope_load::{Mix, Signal, Templates};

const SPANS: u32 = 512;
const SPANS_A_TRACE: u64 = 8;
const ATTRIBUTES: usize = 12;

fn main() {
    divan::main();
}

/// Spans that carry nothing that a projection looks for.
#[divan::bench]
fn plain(bencher: Bencher<'_, '_>) {
    fold(bencher, |number| made(number, &[]));
}

/// Steps of sagas alone: eight of each.
#[divan::bench]
fn saga_steps(bencher: Bencher<'_, '_>) {
    fold(bencher, |number| {
        made(number, &["saga.id", "saga.name", "saga.step.name", "correlation.id"])
    });
}

/// The shop's telemetry: an order in four, with three steps each.
#[divan::bench]
fn shop(bencher: Bencher<'_, '_>) {
    let templates = Templates::new(1, SPANS, Mix::TRACES);
    fold(bencher, |number| {
        let (mut block, mut buffer) = (SpanBlock::default(), BytesMut::new());
        if let Some(template) = templates.of(Signal::Traces, number) {
            template.fill(&mut buffer, 1, number, now(number).0);
            wire::read_spans(&buffer, now(number), &mut block).expect("a request");
        }
        block
    });
}

fn fold(bencher: Bencher<'_, '_>, block: impl Fn(u64) -> SpanBlock) {
    let picture = RefCell::new(Projections::default());
    let number = Cell::new(0);
    bencher
        .counter(ItemsCount::new(SPANS))
        .with_inputs(|| {
            number.set(number.get() + 1);
            block(number.get())
        })
        .bench_local_refs(|block| {
            picture
                .borrow_mut()
                .apply_spans(block, 0..block.len(), now(number.get()));
        });
}

/// As at 600,000 spans a second.
const fn now(number: u64) -> Time {
    Time(1_763_000_000_000_000_000 + number * 853_000)
}

/// A request in whole traces; every span has these attributes and others up to twelve.
fn made(number: u64, keys: &[&str]) -> SpanBlock {
    let mut block = SpanBlock::default();
    let Tables { strings, .. } = &mut block.tables;
    let service = strings.intern("orders");
    let resource = block.tables.resource(b"orders", |_| ResourceEntry {
        service,
        ..ResourceEntry::default()
    });
    let scope = block.tables.scope(b"", |_| ScopeEntry::default());
    for span in 0..u64::from(SPANS) {
        let (trace, place) = (number * u64::from(SPANS) + span / SPANS_A_TRACE, span % SPANS_A_TRACE);
        let id = |place: u64| SpanId((trace * SPANS_A_TRACE + place + 1).to_be_bytes());
        let mut trace_id = [7; 16];
        trace_id[8..].copy_from_slice(&trace.to_be_bytes());
        let attributes = attributes(&mut block.tables, keys, trace, place);
        let name = format!("{} {place}", if keys.is_empty() { "GET" } else { "saga.step" });
        let cells = SpanCells {
            resource,
            scope,
            trace_id: TraceId(trace_id),
            span_id: id(place),
            parent_span_id: (place > 0).then(|| id(place - 1)),
            name: block.tables.strings.intern(&name),
            kind: SpanKind::Internal,
            start: now(number),
            duration_nanos: 1_000_000 + span % 9_000_000,
            status: SpanStatus::Unset,
            status_message: Default::default(),
            trace_state: Default::default(),
            flags: 0,
            dropped: Dropped::default(),
            attributes,
        };
        block.push(cells, now(number));
    }
    block
}

fn attributes(tables: &mut Tables, keys: &[&str], trace: u64, place: u64) -> AttributeSet {
    let Tables { strings, values, .. } = tables;
    for number in 0..ATTRIBUTES {
        let (key, value) = match keys.get(number) {
            Some(&"saga.step.name") => ("saga.step.name".to_owned(), format!("step-{place}")),
            Some(&"saga.name") => ("saga.name".to_owned(), "order".to_owned()),
            Some(key) => ((*key).to_owned(), format!("o-{trace}")),
            None => (format!("some.attribute.{number}"), format!("value {}", trace % 100)),
        };
        let value = Value::text(strings.intern(&value));
        values.push(strings.intern(&key), value);
    }
    values.finish()
}
