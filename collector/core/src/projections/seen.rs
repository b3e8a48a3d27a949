//! Which spans were counted already, and whose they were, within a bounded window of the newest.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::rows::{SpanId, TraceId};

/// Spans of one generation; the window holds one to two of them.
const GENERATION: usize = 100_000;

/// The newest 100,000 to 200,000 spans with the service each belongs to. A repeat within that window is recognised;
/// an older one counts again.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    young: HashMap<u64, u32>,
    old: HashMap<u64, u32>,
}

impl Seen {
    /// Notes a span of this service; false when it was noted before.
    pub(super) fn insert(&mut self, trace: TraceId, span: SpanId, service: u32) -> bool {
        let key = self.key(trace, span);
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
        let key = self.key(trace, span);
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    fn key(&self, trace: TraceId, span: SpanId) -> u64 {
        self.hasher.hash_one((trace, span))
    }
}
