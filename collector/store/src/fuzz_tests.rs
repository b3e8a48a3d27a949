//! Damaged files of the log. How to run it for longer: `SAGASCOPE_FUZZ_SECONDS=60 cargo test -p sagascope-store fuzz`.

use std::collections::HashSet;

use bytes::Bytes;
use sagascope_fuzz::{fuzz, way};

use crate::frame::{Frame, Piece, Record, Scan};

/// Frames of all three signals, one behind the other, as in `corpus/log_scan/01`.
const GOOD: &[u8] = include_bytes!("../../fuzz/corpus/log_scan/01");

fn records(content: &[u8]) -> impl Iterator<Item = Record> {
    Scan::new(Bytes::copy_from_slice(content), 0).filter_map(|piece| match piece {
        Piece::Record { record, .. } => Some(record),
        Piece::Bad { .. } | Piece::Torn { .. } => None,
    })
}

#[test]
fn a_damaged_log_serves_what_was_written_or_nothing() {
    let written: HashSet<Bytes> = records(GOOD).map(|record| record.bytes).collect();
    assert_eq!(written.len(), 3);
    fuzz("log_scan", &[b"SGF1"], |input| {
        let (mut good, mut bad, mut torn) = (0, 0, 0);
        let mut end = 0;
        for piece in Scan::new(Bytes::copy_from_slice(input), 0) {
            match piece {
                Piece::Record { at, record } => {
                    assert!(at >= end && at < input.len(), "frames lie one behind the other");
                    assert!(written.contains(&record.bytes), "a record that nobody wrote");
                    let frame = Frame::encode(record.signal, record.received_at, &record.bytes);
                    assert!(frame.is_ok());
                    end = at + 1;
                    good += 1;
                }
                Piece::Bad { bytes } => {
                    assert!(bytes > 0 && bytes <= input.len());
                    bad += 1;
                }
                Piece::Torn { at } => {
                    assert!(at <= input.len());
                    torn += 1;
                }
            }
        }
        assert!(torn <= 1, "a file has one end");
        way(&[good, bad, torn])
    });
}
