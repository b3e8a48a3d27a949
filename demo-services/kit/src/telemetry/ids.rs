//! Ids of spans and traces: from the kit's dice, so that a simulation repeats them, or as the work itself gives them.

use std::cell::Cell;

use opentelemetry::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

use crate::random;

thread_local! {
    static GIVEN: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// See the module. For the provider of a process.
#[derive(Clone, Copy, Debug)]
pub struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        let (trace, _) = GIVEN.get().unzip();
        trace.unwrap_or_else(|| TraceId::from_bytes(random::u128().to_be_bytes()))
    }

    fn new_span_id(&self) -> SpanId {
        let (_, span) = GIVEN.get().unzip();
        span.unwrap_or_else(|| SpanId::from_bytes(random::u64().to_be_bytes()))
    }
}

/// A span that `build` starts has these ids; a parent's trace goes before.
pub(super) fn given<T>(trace: TraceId, span: SpanId, build: impl FnOnce() -> T) -> T {
    GIVEN.set(Some((trace, span)));
    let built = build();
    GIVEN.set(None);
    built
}

/// An id that follows from `identity` (FNV-1a), never the invalid one.
pub(super) fn following_from(identity: &[&[u8]]) -> u64 {
    let bytes = identity.iter().flat_map(|part| part.iter().chain(&[0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.max(1)
}
