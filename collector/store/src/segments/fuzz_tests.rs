//! Damaged sealed files: rows, or an error, and nothing worse. How to run it for longer:
//! `SAGASCOPE_FUZZ_SECONDS=60 cargo test -p sagascope-store fuzz`.

use sagascope_core::block::{LogBlock, PointBlock, SpanBlock};
use sagascope_core::rows::TraceId;
use sagascope_core::wire;
use sagascope_fuzz::{fuzz_some, way};

use super::*;

const NOW: Time = Time(1_763_000_000_000_000_000);
/// Each input is a file written and read.
const RUNS: u64 = 300;
const SPANS: &[u8] = include_bytes!("../../../fuzz/corpus/traces/shop");
const LOGS: &[u8] = include_bytes!("../../../fuzz/corpus/logs/shop");
const POINTS: &[u8] = include_bytes!("../../../fuzz/corpus/metrics/shop");

/// One unit with rows of every table.
fn unit() -> SealUnit {
    let (mut spans, mut logs, mut points) = (SpanBlock::default(), LogBlock::default(), PointBlock::default());
    wire::read_spans(SPANS, NOW, &mut spans).unwrap();
    wire::read_logs(LOGS, NOW, &mut logs).unwrap();
    wire::read_points(POINTS, NOW, &mut points).unwrap();
    let next = Sequences {
        spans: spans.len() as u64,
        logs: logs.len() as u64,
        points: points.len() as u64,
    };
    SealUnit {
        range: Position { file: 1, offset: 12 }..Position { file: 2, offset: 12 },
        blocks: HeadBlocks {
            spans: vec![Arc::new(spans)],
            logs: vec![Arc::new(logs)],
            points: vec![Arc::new(points)],
        },
        next,
    }
}

/// Reads all that can be read; how many rows, or in which way not.
fn read(file: &SealedFile) -> Result<u64, ReadError> {
    let mut rows = 0;
    let trace = TraceId([7; 16]);
    for group in 0..file.groups()?.len() {
        rows += match file.meta().table {
            Table::Traces => {
                file.likely_traces(group, &[trace])?;
                file.rows_of_trace(group, trace)?;
                let block = file.spans(group, Columns::ALL, None)?;
                block.rows().map(|row| drop(row.to_row())).fold(0, |rows, ()| rows + 1)
            }
            Table::Logs => {
                let block = file.logs(group, Columns::ALL, None)?;
                block.rows().map(|row| drop(row.to_row())).fold(0, |rows, ()| rows + 1)
            }
            _ => {
                let block = file.points(group, Columns::ALL, None)?;
                block.rows().map(|row| drop(row.to_row())).fold(0, |rows, ()| rows + 1)
            }
        };
    }
    Ok(rows)
}

#[test]
fn a_damaged_file_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut segments = Segments::open(folder.path().join("segments")).unwrap();
    segments.seal(&unit()).unwrap();
    let view = segments.view();
    for table in [Table::Traces, Table::Logs, Table::Sum, Table::Gauge] {
        let good = view.of(table).next().unwrap();
        assert!(read(good).unwrap() > 0);
        let path = folder.path().join("damaged");
        let target = format!("segment_{}", table.name());
        fuzz_some(RUNS, &target, &[b"PAR1"], |input| {
            std::fs::write(&path, input).unwrap();
            // Without checksums, which would refuse nearly all of them at the door.
            let meta = FileMeta {
                checksums: false,
                ..good.meta().clone()
            };
            let file = SealedFile::new(meta, path.clone(), Arc::default());
            match read(&file) {
                Ok(rows) => way(&[1, rows]),
                Err(ReadError::Io(error)) => way(&[2, error.kind() as u64]),
                Err(ReadError::Damaged(reason)) => way(&[3, reason.len() as u64]),
            }
        });
    }
}
