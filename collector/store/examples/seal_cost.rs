//! What it costs to seal the shop's telemetry, to find things in it, and to merge it.
//!
//! `cargo run --release -p sagascope-store --example seal_cost -- [spans] [folder]`. A folder that is named stays, for
//! other engines to read.

use std::path::PathBuf;
use std::time::Instant;

use bytes::BytesMut;
use sagascope_api::Time;
use sagascope_core::rows::TraceId;
use sagascope_load::{Mix, Templates};
use sagascope_store::Position;
use sagascope_store::head::Head;
use sagascope_store::segments::{Columns, Keep, SealUnit, SealedFile, Segments, Table, View};

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

const SEED: u64 = 7;
const REQUEST: u32 = 512;
const UNIT_SPANS: u64 = 100_000;
const NOW: u64 = 1_763_000_000_000_000_000;

fn main() -> Fallible {
    let mut arguments = std::env::args().skip(1);
    let spans: u64 = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let (dir, _temporary) = match arguments.next() {
        Some(dir) => (PathBuf::from(dir), None),
        None => {
            let dir = tempfile::tempdir()?;
            (dir.path().to_owned(), Some(dir))
        }
    };
    let mut segments = Segments::open(&dir)?;
    let mix = Mix {
        traces: 8,
        logs: 1,
        metrics: 1,
    };
    seal(&mut segments, spans, mix)?;
    let view = segments.view();
    find(&view, spans)?;
    drop(view);
    small(spans.min(100_000))?;
    segments.retain(Keep::default(), Time(0))?;
    Ok(())
}

/// Seals units of the reference size; logs and points come along in a unit of their own at the end.
fn seal(segments: &mut Segments, spans: u64, mix: Mix) -> Fallible {
    let templates = Templates::new(SEED, REQUEST, mix);
    let mut head = Head::new(segments.sealed_to()?.1);
    let (mut requests, mut from, mut cost) = (0, 0, 0.0);
    let mut taken = 0;
    while taken < spans {
        while head.held().spans < UNIT_SPANS && taken < spans {
            taken += u64::from(REQUEST);
            take_spans(&mut head, &templates, requests)?;
            requests += 1;
        }
        cost += seal_head(segments, &mut head, from)?;
        from += 1;
    }
    let bytes: u64 = segments.view().bytes();
    println!(
        "seal: {:.2} CPU-s per million spans, {:.1} bytes a span, in {from} units",
        cost / taken as f64 * 1e6,
        bytes as f64 / taken as f64
    );
    for number in 0..40 {
        let mut buffer = BytesMut::new();
        if let Some(template) = templates.of(sagascope_load::Signal::Logs, number) {
            template.fill(&mut buffer, SEED, number, NOW);
            head.take_logs(&buffer, Time(NOW))?;
            buffer.clear();
        }
        if let Some(template) = templates.of(sagascope_load::Signal::Metrics, number) {
            template.fill(&mut buffer, SEED, number, NOW);
            head.take_points(&buffer, Time(NOW))?;
        }
    }
    let (rows, before) = (head.held(), segments.view().bytes());
    let cost = seal_head(segments, &mut head, from)?;
    let bytes = segments.view().bytes() - before;
    println!(
        "seal: {} log records and {} points: {cost:.3} CPU-s, {bytes} bytes",
        rows.logs, rows.points
    );
    Ok(())
}

fn take_spans(head: &mut Head, templates: &Templates, number: u64) -> Fallible {
    let mut buffer = BytesMut::new();
    let template = templates
        .of(sagascope_load::Signal::Traces, number)
        .ok_or("no requests of spans")?;
    template.fill(&mut buffer, SEED, number, NOW + number * 1_000_000);
    head.take_spans(&buffer, Time(NOW + number * 1_000_000))?;
    Ok(())
}

fn seal_head(segments: &mut Segments, head: &mut Head, number: u64) -> Fallible<f64> {
    let blocks = head.cut().ok_or("nothing to seal")?;
    let at = |file| Position { file, offset: 0 };
    let unit = SealUnit {
        range: at(number)..at(number + 1),
        blocks,
        next: head.next(),
    };
    let before = cpu_seconds()?;
    segments.seal(&unit)?;
    let cost = cpu_seconds()? - before;
    drop(unit);
    head.sealed();
    Ok(cost)
}

/// Looks for traces and values the first time, and again.
fn find(view: &View, spans: u64) -> Fallible {
    let traces = [0, spans / 1024, spans / 512 - 1].map(|n| TraceId(sagascope_load::trace_id(SEED, n, 5)));
    for round in ["cold", "warm"] {
        for trace in traces {
            let began = Instant::now();
            let found = trace_by_id(view, trace)?;
            println!("trace by id, {round}: {found} spans in {:?}", began.elapsed());
        }
        let began = Instant::now();
        let groups = groups_with(view, "nobody has this value")?;
        println!(
            "a value that is nowhere, {round}: {groups} row groups left in {:?}",
            began.elapsed()
        );
    }
    for columns in [Columns::NAME | Columns::TIME, Columns::ATTRIBUTES, Columns::ALL] {
        let (began, mut rows) = (Instant::now(), 0);
        for file in view.of(Table::Traces) {
            for group in 0..file.groups()?.len() {
                rows += file.spans(group, columns, None)?.len();
            }
        }
        println!("{columns:?} of {rows} spans in {:?}", began.elapsed());
    }
    Ok(())
}

fn trace_by_id(view: &View, trace: TraceId) -> Fallible<usize> {
    let mut found = 0;
    for file in view.of(Table::Traces) {
        found += in_file(file, trace)?;
    }
    Ok(found)
}

fn in_file(file: &SealedFile, trace: TraceId) -> Fallible<usize> {
    let mut found = 0;
    for group in 0..file.groups()?.len() {
        let rows = file.rows_of_trace(group, trace)?;
        if !rows.is_empty() {
            found += file.spans(group, Columns::ALL, Some(&rows))?.len();
        }
    }
    Ok(found)
}

fn groups_with(view: &View, value: &str) -> Fallible<usize> {
    let mut groups = 0;
    for file in view.of(Table::Traces) {
        for group in 0..file.groups()?.len() {
            groups += usize::from(file.may_have_value(group, value)?);
        }
    }
    Ok(groups)
}

/// Merges units of 2,048 spans each.
fn small(spans: u64) -> Fallible {
    let dir = tempfile::tempdir()?;
    let mut segments = Segments::open(dir.path())?;
    let templates = Templates::new(SEED, REQUEST, Mix::TRACES);
    let mut head = Head::new(Default::default());
    for unit in 0..spans / 2_048 {
        for request in 0..4 {
            take_spans(&mut head, &templates, unit * 4 + request)?;
        }
        seal_head(&mut segments, &mut head, unit)?;
    }
    let before = (cpu_seconds()?, segments.view().bytes(), segments.view().files().len());
    while segments.compact()? {}
    println!(
        "compaction of {spans} spans: {} files to {}, {} bytes to {}, {:.2} CPU-s per million",
        before.2,
        segments.view().files().len(),
        before.1,
        segments.view().bytes(),
        (cpu_seconds()? - before.0) / spans as f64 * 1e6
    );
    Ok(())
}

/// CPU time of this thread.
fn cpu_seconds() -> Fallible<f64> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: u64 = spent.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanos as f64 / 1e9)
}
