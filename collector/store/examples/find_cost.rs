//! What it costs to find things in the shop's telemetry, most of it sealed and the newest in memory.
//!
//! `cargo run --release -p sagascope-store --example find_cost -- [spans]`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sagascope_api::Time;
use sagascope_core::rows::TraceId;
use sagascope_core::search::Query;
use sagascope_load::{Mix, Signal, Templates};
use sagascope_store::Position;
use sagascope_store::find::{self, Budget, Parts, TraceQuery};
use sagascope_store::head::Head;
use sagascope_store::segments::{Columns, SealUnit, Segments};

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

const SEED: u64 = 7;
const REQUEST: u32 = 512;
const UNIT_SPANS: u64 = 100_000;
const NOW: u64 = 1_763_000_000_000_000_000;
const ROUNDS: usize = 21;

fn main() -> Fallible {
    let spans: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let dir = tempfile::tempdir()?;
    let mut segments = Segments::open(dir.path())?;
    let head = fill(&mut segments, spans)?;
    let parts = Parts::of(head.blocks(), &segments.view());
    println!(
        "{spans} spans: {} parts, {} of them in memory",
        parts.spans.len(),
        head.blocks().spans.len()
    );
    for (name, trace) in [("oldest", 0), ("middle", spans / 1024), ("newest", spans / 512 - 1)] {
        let id = TraceId(sagascope_load::trace_id(SEED, trace, 5));
        timed(&format!("trace by id, {name}"), || {
            find::trace(&parts, id, &budget()).0.len()
        });
    }
    for text in [
        "",
        "status:error",
        "http.response.status_code:503",
        "duration>1s",
        "service:payments status:error",
        "order.id:nowhere",
        "\"nowhere\"",
    ] {
        let query = Query::parse(text)?;
        timed(&format!("newest 50 traces, `{text}`"), || {
            let search = TraceQuery {
                query: &query,
                since: None,
                until: None,
                limit: 50,
                columns: Columns::ALL,
                after: None,
            };
            find::traces(&parts, &search, &budget()).traces.len()
        });
    }
    Ok(())
}

fn fill(segments: &mut Segments, spans: u64) -> Fallible<Head> {
    let mix = Mix {
        traces: 1,
        logs: 0,
        metrics: 0,
    };
    let templates = Templates::new(SEED, REQUEST, mix);
    let mut head = Head::new(segments.sealed_to()?.1);
    let at = |file| Position { file, offset: 0 };
    let mut units = 0;
    for number in 0..spans / u64::from(REQUEST) {
        let mut buffer = BytesMut::new();
        let template = templates.of(Signal::Traces, number).ok_or("no requests of spans")?;
        template.fill(&mut buffer, SEED, number, NOW + number * 1_000_000);
        head.take_spans(&buffer, Time(NOW + number * 1_000_000))?;
        if head.held().spans >= UNIT_SPANS {
            let unit = SealUnit {
                range: at(units)..at(units + 1),
                blocks: head.cut().ok_or("nothing to seal")?,
                next: head.next(),
            };
            units += 1;
            segments.seal(&unit)?;
            head.sealed();
        }
    }
    Ok(head)
}

fn budget() -> Budget {
    Budget::new(Duration::from_secs(60), Arc::default())
}

/// Prints the first time, and the median of the others.
fn timed(what: &str, mut find: impl FnMut() -> usize) {
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        found = find();
        times.push(began.elapsed());
    }
    let first = times.remove(0);
    times.sort_unstable();
    println!(
        "{what}: {found} found, first {first:.1?}, then {:.1?}",
        times[times.len() / 2]
    );
}
