//! Work on large requests that would keep connections waiting: off the async threads, and no more at a time than helps.

use std::sync::LazyLock;

use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// As many as there are cores, and two at least. More would be no faster, and each thread keeps memory of its own.
static TURNS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))));

/// Runs it when it is its turn.
///
/// # Errors
/// When it panicked.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    // Never closed, so there is always a turn to wait for.
    let turn = TURNS.acquire().await;
    tokio::task::spawn_blocking(move || {
        // Kept by the work itself: one that nobody waits for any more goes on.
        let _turn = turn;
        work()
    })
    .await
}
