//! Which spans were counted already, and whose they were, within a bounded window of the newest.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::rows::{SpanId, TraceId};

/// Spans of one generation; the window holds one to two of them.
const GENERATION: usize = 100_000;

/// The newest 100,000 to 200,000 spans with the service each belongs to. A repeat within that window is recognised;
/// an older one counts again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    young: HashMap<u64, u32>,
    old: HashMap<u64, u32>,
}

impl Seen {
    /// Notes a span of this service; false when it was noted before.
    pub(super) fn insert(&mut self, trace: TraceId, span: SpanId, service: u32) -> bool {
        let key = key(trace, span);
        if self.young.contains_key(&key) || self.old.contains_key(&key) {
            return false;
        }
        if self.young.len() == GENERATION {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, service);
        true
    }

    /// The service of a span in the window.
    pub(super) fn service(&self, trace: TraceId, span: SpanId) -> Option<u32> {
        let key = key(trace, span);
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }
}

/// Ids are random, so that folding them keeps spans apart; whoever makes them up can only hide spans of their own.
fn key(TraceId(trace): TraceId, SpanId(span): SpanId) -> u64 {
    let [high, low] = [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|n| trace[at + n])));
    let mixed = (high.rotate_left(32) ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.rotate_left(29) ^ u64::from_le_bytes(span).wrapping_mul(0xff51_afd7_ed55_8ccd)
}
