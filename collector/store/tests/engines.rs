//! Sealed rows in other engines: pyarrow, DuckDB and ClickHouse read them, and the tables of OpenTelemetry's ClickHouse
//! exporter take them.
//!
//! `cargo verify` installs the engines and runs this; by hand: `target/python-engines/bin/pip install -r
//! collector/store/tests/engines/requirements.txt`, then `cargo test -p sagascope-store --test engines -- --ignored`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::BytesMut;
use sagascope_api::Time;
use sagascope_core::block::{AttributesRef, LogBlock, ValueRef};
use sagascope_core::rows::{Attributes, LogRow, Value};
use sagascope_load::{Mix, Signal, Templates};
use sagascope_store::Position;
use sagascope_store::head::{Head, HeadBlocks, Sequences};
use sagascope_store::segments::{Columns, SealUnit, Segments, Table};
use serde_json::json;

const NOW: u64 = 1_763_000_000_000_000_000;
/// What is counted in each table.
const KEY: &str = "customer.id";

#[test]
#[ignore = "needs pyarrow, DuckDB and ClickHouse for Python; `cargo verify` installs them"]
fn other_engines_read_sealed_rows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../../target/python-engines/bin/python");
    let dir = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(dir.path()).unwrap();
    let at = |file| Position { file, offset: 0 };
    let mut next = Sequences::default();
    for number in 0..2 {
        let (mut blocks, after) = telemetry(number, next);
        next = after;
        blocks.logs.push(odd_log(next.logs));
        next.logs += 1;
        let unit = SealUnit {
            range: at(number)..at(number + 1),
            blocks,
            next,
        };
        segments.seal(&unit).unwrap();
    }
    let engines = root.join("tests/engines");
    let ran = Command::new(&python)
        .arg(engines.join("read.py"))
        .arg(dir.path())
        .arg(json!(facts(&segments)).to_string())
        .arg(engines.join("ddl"))
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    println!("{}", String::from_utf8_lossy(&ran.stdout));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// Some requests of each signal.
fn telemetry(seed: u64, next: Sequences) -> (HeadBlocks, Sequences) {
    let mix = Mix {
        traces: 1,
        logs: 1,
        metrics: 1,
    };
    let templates = Templates::new(seed, 512, mix);
    let mut head = Head::new(next);
    for number in 0..24 {
        let signal = mix.signal(number);
        let mut bytes = BytesMut::new();
        templates
            .of(signal, number)
            .unwrap()
            .fill(&mut bytes, seed, number, NOW);
        match signal {
            Signal::Traces => head.take_spans(&bytes, Time(NOW)),
            Signal::Logs => head.take_logs(&bytes, Time(NOW)),
            Signal::Metrics => head.take_points(&bytes, Time(NOW)),
        }
        .unwrap();
    }
    (head.cut().unwrap(), head.next())
}

/// A record with what engines might trip over: the same key twice, no text in the value, nested values, a far time.
fn odd_log(sequence: u64) -> Arc<LogBlock> {
    let nested = Value::Map(vec![("k".into(), Value::List(vec![Value::Int(1), Value::Empty]))]);
    let row = LogRow {
        resource: Arc::default(),
        scope: Arc::default(),
        at: Time(NOW + 1),
        severity: 0,
        severity_text: "".into(),
        event_name: None,
        body: nested.clone(),
        attributes: Attributes(vec![
            ("twice".into(), Value::Int(1)),
            ("twice".into(), nested),
            ("ü \" ' \\".into(), Value::Text("\u{0}\u{1f980}".into())),
        ]),
        trace_id: None,
        span_id: None,
        observed: Time(0),
        flags: u32::MAX,
        dropped_attributes: 1,
    };
    let mut block = LogBlock::begin_at(sequence);
    block.push_row(&row, Time(NOW));
    Arc::new(block)
}

/// What the script should find in each table, as our own reader sees it.
fn facts(segments: &Segments) -> BTreeMap<&'static str, serde_json::Value> {
    let view = segments.view();
    let tables = Table::ALL.into_iter().map(|table| {
        let (mut rows, mut first, mut values, mut services) = (0_u64, u64::MAX, Vec::new(), Vec::new());
        for file in view.of(table) {
            first = first.min(file.meta().min_time.0);
            rows += file.meta().rows;
            let mut see = |attributes: AttributesRef<'_>, service: &str| {
                let value = attributes
                    .iter()
                    .find(|(key, _)| *key == key_of(table))
                    .map(|(_, value)| text(value));
                values.extend(value);
                services.push(service.to_owned());
            };
            for group in 0..file.groups().unwrap().len() {
                match table {
                    Table::Traces => {
                        let block = file.spans(group, Columns::ALL, None).unwrap();
                        block
                            .rows()
                            .for_each(|row| see(row.attributes(), row.resource().service()));
                    }
                    Table::Logs => {
                        let block = file.logs(group, Columns::ALL, None).unwrap();
                        block
                            .rows()
                            .for_each(|row| see(row.attributes(), row.resource().service()));
                    }
                    _ => {
                        let block = file.points(group, Columns::ALL, None).unwrap();
                        block
                            .rows()
                            .for_each(|row| see(row.attributes(), row.resource().service()));
                    }
                }
            }
        }
        let value = values.first().cloned().expect("a row with the key");
        let facts = json!({
            "rows": rows,
            "first_nanos": first,
            "key": key_of(table),
            "with_value": values.iter().filter(|one| **one == value).count(),
            "value": value,
            "of_service": services.iter().filter(|one| *one == &services[0]).count(),
            "service": services[0],
        });
        (table.name(), facts)
    });
    tables.collect()
}

const fn key_of(table: Table) -> &'static str {
    match table {
        Table::Traces => KEY,
        Table::Logs => "code.file.path",
        _ => "series",
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => text.to_owned(),
        ValueRef::Int(number) => number.to_string(),
        other => panic!("{other:?} is not counted"),
    }
}
