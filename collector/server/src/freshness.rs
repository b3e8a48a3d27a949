//! What was acknowledged before a question was asked is in its answer.
//!
//! A request is acknowledged as soon as it is durable, a moment before the loop has its rows. Whoever asks in that moment
//! waits for the loop; nobody else does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// A question is answered from what there is when the loop takes longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many requests were acknowledged in this run, and how many of them the loop has taken in.
#[derive(Debug)]
pub(crate) struct Freshness {
    acknowledged: AtomicU64,
    folded: watch::Sender<u64>,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            acknowledged: AtomicU64::new(0),
            folded: watch::Sender::new(0),
        }
    }
}

impl Freshness {
    /// One more is about to be acknowledged; they reach the loop in the same order.
    pub(crate) fn acknowledge(&self) {
        self.acknowledged.fetch_add(1, Ordering::AcqRel);
    }

    /// So many more are in.
    pub(crate) fn fold(&self, requests: u64) {
        self.folded.send_modify(|folded| *folded += requests);
    }

    /// Waits until all that is acknowledged by now is in.
    pub(crate) async fn caught_up(&self) {
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        if *self.folded.borrow() >= acknowledged {
            return;
        }
        let mut folded = self.folded.subscribe();
        // Late or never: the answer has what there is.
        let _ = timeout(PATIENCE, folded.wait_for(|folded| *folded >= acknowledged)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_question_waits_for_what_was_acknowledged_before_it() {
        let freshness = Freshness::default();
        freshness.caught_up().await;
        freshness.acknowledge();
        freshness.acknowledge();
        let mut asked = pin!(freshness.caught_up());
        assert_eq!(asked.as_mut().now_or_never(), None);
        freshness.acknowledge();
        freshness.fold(1);
        assert_eq!(asked.as_mut().now_or_never(), None, "one of the two is missing");
        freshness.fold(1);
        assert_eq!(asked.as_mut().now_or_never(), Some(()), "the third came later");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_loop_that_stands() {
        let freshness = Freshness::default();
        freshness.acknowledge();
        freshness.caught_up().await;
    }
}
