//! Which spans were counted already, and whose they were, within a bounded window of the newest.

use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};

use super::HashMap;
use crate::rows::{SpanId, TraceId};

/// Spans of one generation; the window holds one to two of them.
const GENERATION: usize = 100_000;

/// The newest 100,000 to 200,000 spans with the service each belongs to. A repeat within that window is recognised;
/// an older one counts again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    young: HashMap<SpanKey, u32>,
    old: HashMap<SpanKey, u32>,
}

/// Trace and span in eight bytes. Ids are random, so that folding them keeps spans apart; whoever makes them up can only
/// hide spans of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct SpanKey(u64);

impl SpanKey {
    pub(super) fn of(TraceId(trace): TraceId, SpanId(span): SpanId) -> Self {
        let [high, low] = [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|n| trace[at + n])));
        let mixed = (high.rotate_left(32) ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(mixed.rotate_left(29) ^ u64::from_le_bytes(span).wrapping_mul(0xff51_afd7_ed55_8ccd))
    }
}

impl Seen {
    /// Notes a span of this service; false when it was noted before.
    pub(super) fn insert(&mut self, key: SpanKey, service: u32) -> bool {
        if self.old.contains_key(&key) {
            return false;
        }
        if self.young.len() == GENERATION && !self.young.contains_key(&key) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        match self.young.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(service);
                true
            }
        }
    }

    /// The service of a span in the window.
    pub(super) fn service(&self, key: SpanKey) -> Option<u32> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }
}
