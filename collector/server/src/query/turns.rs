//! Who may compute now: a few queries at once, the others wait their turn, and nobody computes for someone who has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sagascope_store::find::Budget;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::problem::{Answer, Refusal};

/// A query ends after this time with what it has found.
const QUERY_TIME: Duration = Duration::from_secs(10);
/// A query that had no turn for so long is refused.
const WAIT: Duration = Duration::from_secs(10);
/// Queries that compute at a time, at least and at most; between that as many as there are cores.
const AT_ONCE: (usize, usize) = (2, 8);

/// The turns of queries.
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    wait: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(AT_ONCE.0, std::num::NonZero::get);
        Self::new(cores.clamp(AT_ONCE.0, AT_ONCE.1), WAIT)
    }
}

impl Turns {
    fn new(at_once: usize, wait: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(at_once)),
            wait,
        }
    }

    /// Runs a query off the async threads when it is its turn. It is called off when whoever asked has gone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Budget) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let turn = timeout(self.wait, Arc::clone(&self.free).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Refusal::unavailable("Too many queries are under way."));
        };
        let awaited = Awaited::default();
        let budget = Budget::new(QUERY_TIME, Arc::clone(&awaited.0));
        let task = tokio::task::spawn_blocking(move || {
            // Given back by the query itself: one that was called off computes until it notices.
            let _turn = turn;
            query(&budget)
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a query failed");
            Err(Refusal::new(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The query failed",
                "This is a defect of the collector; its log tells more.",
            ))
        })
    }
}

/// Calls its query off when it is dropped, as it is with the request's future.
#[derive(Default)]
struct Awaited(Arc<AtomicBool>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn d03_two_hundred_queries_are_answered_a_few_at_a_time() {
        let turns = Arc::new(Turns::new(3, PATIENCE));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let queries: Vec<_> = (0..200)
            .map(|n| {
                let (turns, now, most) = (Arc::clone(&turns), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    let query = move |_: &Budget| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok(n)
                    };
                    turns.run(query).await
                })
            })
            .collect();
        for (n, query) in queries.into_iter().enumerate() {
            assert_eq!(query.await.unwrap().unwrap(), n);
        }
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn d03_who_waits_too_long_is_told_to_come_again() {
        let turns = Arc::new(Turns::new(1, Duration::ZERO));
        let (begun, is_begun) = mpsc::channel();
        let (end, is_ended) = mpsc::channel::<()>();
        let slow = {
            let turns = Arc::clone(&turns);
            let query = move |_: &Budget| {
                begun.send(()).unwrap();
                is_ended.recv_timeout(PATIENCE).unwrap();
                Ok(())
            };
            tokio::spawn(async move { turns.run(query).await })
        };
        tokio::task::spawn_blocking(move || is_begun.recv_timeout(PATIENCE).unwrap())
            .await
            .unwrap();
        let refused = turns.run(|_| Ok(())).await.unwrap_err();
        assert_eq!(refused.problem().status, 503);
        end.send(()).unwrap();
        assert!(slow.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn d04_a_query_is_called_off_when_nobody_waits_for_it() {
        let turns = Arc::new(Turns::new(1, PATIENCE));
        let (begun, is_begun) = mpsc::channel();
        let asked = {
            let turns = Arc::clone(&turns);
            let query = move |budget: &Budget| {
                begun.send(()).unwrap();
                while !budget.is_spent() {
                    std::thread::yield_now();
                }
                Ok(())
            };
            tokio::spawn(async move { turns.run(query).await })
        };
        tokio::task::spawn_blocking(move || is_begun.recv_timeout(PATIENCE).unwrap())
            .await
            .unwrap();
        asked.abort();
        // Its turn comes only when the one before has ended, long before its time was over.
        let next = timeout(QUERY_TIME / 2, turns.run(|_| Ok(7))).await;
        assert_eq!(next.unwrap().unwrap(), 7);
    }
}
