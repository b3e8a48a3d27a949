use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::*;
use crate::blocks::ROWS_MAX;

fn request(spans: usize) -> Vec<u8> {
    let span = |n: usize| Span {
        trace_id: vec![1; 16],
        span_id: (n as u64 + 1).to_be_bytes().into(),
        start_time_unix_nano: 1,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans {
        spans: (0..spans).map(span).collect(),
        ..ScopeSpans::default()
    }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec()
}

fn take(head: &mut Head, spans: usize, at: u64) -> Range<usize> {
    head.take_spans(&request(spans), Time(at)).unwrap().1
}

fn sequences(blocks: &HeadBlocks) -> Vec<u64> {
    blocks.spans.iter().flat_map(|block| block.sequence.clone()).collect()
}

#[test]
fn rows_are_numbered_in_the_order_they_come() {
    let mut head = Head::new(Sequences {
        spans: 10,
        ..Sequences::default()
    });
    assert_eq!((take(&mut head, 2, 5), take(&mut head, 1, 4)), (0..2, 2..3));
    assert_eq!(sequences(&head.blocks()), [10, 11, 12]);
    assert_eq!((head.next().spans, head.held().spans), (13, 3));
    assert_eq!(head.unsealed_since(), Some(Time(4)));
}

#[test]
fn a_query_keeps_what_it_looks_at() {
    let mut head = Head::new(Sequences::default());
    take(&mut head, 2, 1);
    let seen = head.blocks();
    take(&mut head, 3, 2);
    assert_eq!((sequences(&seen).len(), sequences(&head.blocks()).len()), (2, 5));
    assert_eq!(head.blocks().spans.len(), 1, "a small block is copied, not closed");
}

#[test]
fn a_full_block_is_closed() {
    let mut head = Head::new(Sequences::default());
    take(&mut head, ROWS_MAX, 1);
    assert_eq!(take(&mut head, 1, 2), 0..1);
    assert_eq!(head.blocks().spans.len(), 2);
}

#[test]
fn a_unit_stays_visible_until_it_is_sealed() {
    let mut head = Head::new(Sequences::default());
    assert!(head.cut().is_none(), "nothing to seal");
    take(&mut head, 2, 1);
    let unit = head.cut().unwrap();
    assert_eq!(sequences(&unit), [0, 1]);
    take(&mut head, 1, 2);
    assert!(head.cut().is_none(), "one unit at a time");
    assert_eq!(sequences(&head.blocks()), [0, 1, 2]);
    head.sealed();
    assert_eq!(sequences(&head.blocks()), [2]);
    assert_eq!((head.held().spans, head.unsealed_since()), (1, Some(Time(2))));
}

#[test]
fn what_could_not_be_sealed_goes_with_the_next_unit() {
    let mut head = Head::new(Sequences::default());
    take(&mut head, 2, 1);
    head.cut().unwrap();
    take(&mut head, 1, 2);
    head.not_sealed();
    assert_eq!(head.unsealed_since(), Some(Time(1)));
    assert_eq!(sequences(&head.cut().unwrap()), [0, 1, 2]);
    head.sealed();
    assert_eq!((head.bytes() > 0, head.held().spans), (true, 0));
}

#[test]
fn bytes_that_are_no_request_leave_no_rows() {
    let mut head = Head::new(Sequences::default());
    assert!(head.take_spans(b"\xff\xff", Time(1)).is_err());
    assert!(head.cut().is_none());
}
