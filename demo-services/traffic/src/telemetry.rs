//! What the shoppers count.

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use crate::shopper::Visit;

/// Counters of the visits.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    visits: Counter<u64>,
}

impl Orders {
    /// On the process's meter.
    pub(crate) fn new() -> Self {
        let visits = global::meter("shop-traffic")
            .u64_counter("shop.visits")
            .with_description("Visits by how they ended; skipped ones found too many others under way.")
            .build();
        Self { visits }
    }

    /// A visit ended.
    pub(crate) fn ended(&self, visit: Visit) {
        self.visits.add(1, &[KeyValue::new("outcome", visit.as_str())]);
    }

    /// An order was due and could not be placed, for too many were under way.
    pub(crate) fn skipped(&self) {
        self.visits.add(1, &[KeyValue::new("outcome", "skipped")]);
    }
}
