//! Two threads that read, each with its own connection, fed from one queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{DatabaseError, connection};

const READERS: usize = 2;
const QUEUED: usize = 256;
const STACK_BYTES: usize = 1024 * 1024;

pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Clone)]
pub(super) struct Readers {
    queue: Arc<mpsc::Sender<Job>>,
}

impl Readers {
    pub(super) fn spawn(path: &Path) -> Result<Self, DatabaseError> {
        let (queue, queued) = mpsc::channel(QUEUED);
        let queued = Arc::new(Mutex::new(queued));
        for _ in 0..READERS {
            let (connection, queued) = (connection::open_for_reading(path)?, queued.clone());
            spawn_thread("db-reader", move || run(&connection, &queued));
        }
        Ok(Self { queue: Arc::new(queue) })
    }

    pub(super) async fn submit(&self, job: Job) -> Result<(), DatabaseError> {
        self.queue.send(job).await.map_err(|_| DatabaseError::Closed)
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

fn run(connection: &Connection, queued: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // One reader waits inside the lock, the other for the lock: either takes the next job.
        let next = queued.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match next {
            Some(job) => job(connection),
            None => return,
        }
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
