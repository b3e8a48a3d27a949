//! So many calls at once and no more: a slow callee must not use up everything its caller has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sagascope_instrument::metrics::BulkheadMetrics;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry;

/// Capacity by how much the calls matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadSizes {
    /// Money and stock.
    pub critical: usize,
    /// Everything else a customer waits for.
    pub standard: usize,
    /// What nobody waits for.
    pub batch: usize,
}

/// How much a call matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Money and stock.
    Critical,
    /// Everything else a customer waits for.
    Standard,
    /// What nobody waits for.
    Batch,
}

impl BulkheadSizes {
    /// Capacity for calls that matter so much.
    #[must_use]
    pub const fn of(self, importance: Importance) -> usize {
        match importance {
            Importance::Critical => self.critical,
            Importance::Standard => self.standard,
            Importance::Batch => self.batch,
        }
    }
}

/// A full bulkhead refuses at once; nobody queues.
#[derive(Clone, Debug)]
pub struct Bulkhead {
    name: Arc<str>,
    capacity: usize,
    places: Arc<Semaphore>,
    rejected: Arc<AtomicU64>,
    metrics: BulkheadMetrics,
}

/// A place inside, given back on drop.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Bulkhead {
    /// An empty one.
    #[must_use]
    pub fn new(name: &str, capacity: usize) -> Self {
        Self {
            name: name.into(),
            capacity,
            places: Arc::new(Semaphore::new(capacity)),
            rejected: Arc::default(),
            metrics: BulkheadMetrics::new(&telemetry::meter(), name),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a place; `None` when it is full.
    #[must_use]
    pub fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok();
        if permit.is_none() {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            self.metrics.rejected();
        }
        permit.map(|permit| Place { _permit: permit })
    }

    /// Calls inside now.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// Calls refused so far.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Records how full it is.
    pub fn report(&self) {
        self.metrics.stands(self.in_use() as u64, self.capacity as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_one_refuses_at_once_and_counts() {
        let bulkhead = Bulkhead::new("payments", 2);
        let places = [bulkhead.enter(), bulkhead.enter()];
        assert!(places.iter().all(Option::is_some));
        assert!(bulkhead.enter().is_none());
        assert_eq!((bulkhead.in_use(), bulkhead.rejected()), (2, 1));
        drop(places);
        assert_eq!(bulkhead.in_use(), 0);
        assert!(bulkhead.enter().is_some());
    }

    #[tokio::test]
    async fn a_cancelled_call_gives_its_place_back() {
        let bulkhead = Bulkhead::new("payments", 1);
        let inner = bulkhead.clone();
        let call = tokio::spawn(async move {
            let _place = inner.enter();
            std::future::pending::<()>().await;
        });
        while bulkhead.in_use() == 0 {
            tokio::task::yield_now().await;
        }
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(bulkhead.in_use(), 0);
    }
}
