//! What folding a span into the picture costs: `cargo run --release --example apply_cost -p sagascope-core`.

use std::sync::Arc;
use std::time::Instant;

use sagascope_api::Time;
use sagascope_core::projections::Projections;
use sagascope_core::rows::{
    Attributes, Batch, Dropped, Resource, SpanId, SpanKind, SpanRow, SpanStatus, TraceId, Value,
};

const BATCHES: u64 = 1_000;
const SPANS_A_BATCH: u64 = 512;
const SPANS_A_TRACE: u64 = 8;

fn main() {
    let resources: Vec<Arc<Resource>> = (0..SPANS_A_TRACE).map(resource).collect();
    let mut projections = Projections::default();
    let (mut folding, mut taking) = (0.0, 0.0);
    for n in 0..BATCHES {
        let batch = batch(n, &resources);
        let begun = Instant::now();
        projections.apply(&batch, batch.received_at);
        folding += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        projections.tick(batch.received_at);
        std::hint::black_box(projections.take_changes(batch.received_at));
        taking += begun.elapsed().as_secs_f64();
    }
    let spans = (BATCHES * SPANS_A_BATCH) as f64;
    println!("apply {:.2} µs a span", folding * 1e6 / spans);
    println!("tick and take_changes {:.0} µs a call", taking * 1e6 / BATCHES as f64);
}

fn batch(n: u64, resources: &[Arc<Resource>]) -> Batch {
    let now = Time(1_763_000_000_000_000_000 + n * 10_000_000);
    Batch {
        received_at: now,
        spans: (0..SPANS_A_BATCH)
            .map(|k| Arc::new(span(n * SPANS_A_BATCH + k, now, resources)))
            .collect(),
        ..Batch::default()
    }
}

fn span(number: u64, now: Time, resources: &[Arc<Resource>]) -> SpanRow {
    let (trace, place) = (number / SPANS_A_TRACE + 1, number % SPANS_A_TRACE);
    let mut trace_id = [7; 16];
    trace_id[8..].copy_from_slice(&trace.to_be_bytes());
    let id = |place: u64| SpanId((number - number % SPANS_A_TRACE + place + 1).to_be_bytes());
    let mut attributes: Vec<(Arc<str>, Value)> = (0..11)
        .map(|n| (format!("some.attribute.{n}").into(), Value::Text("value".into())))
        .collect();
    attributes.push(("correlation.id".into(), Value::Text(format!("c-{trace}").into())));
    SpanRow {
        resource: Arc::clone(&resources[place as usize]),
        scope: Arc::default(),
        trace_id: TraceId(trace_id),
        span_id: id(place),
        parent_span_id: (place > 0).then(|| id(place - 1)),
        name: format!("GET /resource/{place}").into(),
        kind: if place % 2 == 0 {
            SpanKind::Server
        } else {
            SpanKind::Client
        },
        start: now,
        duration_nanos: 1_000_000 + number % 9_000_000,
        status: SpanStatus::Unset,
        status_message: "".into(),
        attributes: Attributes(attributes),
        events: Vec::new(),
        links: Vec::new(),
        trace_state: "".into(),
        flags: 0,
        dropped: Dropped::default(),
    }
}

fn resource(n: u64) -> Arc<Resource> {
    let service: Arc<str> = format!("service-{n}").into();
    Arc::new(Resource {
        attributes: Attributes(vec![("service.name".into(), Value::Text((&*service).into()))]),
        instance: "1".into(),
        service,
        ..Resource::default()
    })
}
