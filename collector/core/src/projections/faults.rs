//! How many spans each fault acted on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Faults counted; the oldest are forgotten.
const FAULTS_MAX: usize = 1_000;

/// Hits by fault id.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct FaultHits {
    hits: HashMap<Arc<str>, u64>,
    order: VecDeque<Arc<str>>,
}

impl FaultHits {
    /// Counts a span seen for the first time.
    pub(super) fn add(&mut self, fault: &Arc<str>) {
        if let Some(hits) = self.hits.get_mut(fault) {
            *hits += 1;
            return;
        }
        if self.order.len() == FAULTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.hits.remove(&oldest);
        }
        self.hits.insert(Arc::clone(fault), 1);
        self.order.push_back(Arc::clone(fault));
    }

    pub(super) fn of(&self, fault: &str) -> u64 {
        self.hits.get(fault).copied().unwrap_or(0)
    }
}
