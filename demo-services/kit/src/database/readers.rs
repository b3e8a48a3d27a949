//! Two threads that read, each with its own connection and queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{DatabaseError, connection};

const READERS: usize = 2;
const QUEUED: usize = 256;
const STACK_BYTES: usize = 1024 * 1024;

pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Clone)]
pub(super) struct Readers(Arc<[Reader; READERS]>);

struct Reader {
    queue: mpsc::Sender<Job>,
    /// Jobs given to it that are not done.
    busy: Arc<AtomicUsize>,
}

impl Readers {
    pub(super) fn spawn(path: &Path) -> Result<Self, DatabaseError> {
        let reader = |connection| {
            let (queue, queued) = mpsc::channel(QUEUED);
            let busy = Arc::new(AtomicUsize::new(0));
            let done = busy.clone();
            spawn_thread("db-reader", move || run(&connection, queued, &done));
            Reader { queue, busy }
        };
        let connections = [connection::open_for_reading(path)?, connection::open_for_reading(path)?];
        Ok(Self(Arc::new(connections.map(reader))))
    }

    /// To the one with less to do; with as little, to the first: one thread that is awake is better than two.
    pub(super) async fn submit(&self, job: Job) -> Result<(), DatabaseError> {
        let load = |reader: &&Reader| reader.busy.load(Ordering::Relaxed);
        let Some(reader) = self.0.iter().min_by_key(load) else {
            return Err(DatabaseError::Closed);
        };
        let place = reader.queue.reserve().await.map_err(|_| DatabaseError::Closed)?;
        reader.busy.fetch_add(1, Ordering::Relaxed);
        place.send(job);
        Ok(())
    }
}

/// Wraps typed work into a job that answers by itself.
pub(super) fn job<T, E, F>(work: F, answer: oneshot::Sender<Result<T, E>>) -> Job
where
    F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<DatabaseError> + Send + 'static,
{
    Box::new(move |connection| drop(answer.send(caught(work, connection))))
}

/// Runs the work; a panic of it is an error.
pub(super) fn caught<T, E, F>(work: F, connection: &Connection) -> Result<T, E>
where
    F: FnOnce(&Connection) -> Result<T, E>,
    E: From<DatabaseError>,
{
    catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| Err(E::from(DatabaseError::Panicked)))
}

fn run(connection: &Connection, mut queued: mpsc::Receiver<Job>, busy: &AtomicUsize) {
    while let Some(job) = queued.blocking_recv() {
        job(connection);
        busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a named thread with a small stack. A process that cannot start its three threads has no use going on.
pub(super) fn spawn_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(work)
        .expect("a thread for the database");
}
