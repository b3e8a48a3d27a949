//! Slows down those who try tokens. The right token always passes: a confused process with an old one locks nobody out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong tokens answered as such within [`WINDOW`]; more are told to wait.
const TRIES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);

/// Counts wrong tokens in windows of monotonic time.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<(Duration, u32)>,
}

impl Throttle {
    /// One more wrong token; false when there were too many.
    pub(crate) fn allow(&self, elapsed: Duration) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, tries) = &mut *state;
        if elapsed.saturating_sub(*since) >= WINDOW {
            (*since, *tries) = (elapsed, 0);
        }
        *tries = tries.saturating_add(1);
        *tries <= TRIES
    }
}
