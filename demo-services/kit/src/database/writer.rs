//! The one thread that writes: takes what is queued, runs each piece in a savepoint, commits once, then answers all.
//!
//! A commit writes every page that was touched, and what comes close together touches the same ones. So, as long as
//! several write at once, a batch begins no earlier than [`GATHER`] after the one before. Who writes alone never waits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::inserts::Inserts;
use super::{DatabaseError, Tx};

const QUEUED: usize = 256;
/// Writes that may share a commit: bounds how long the first of them waits for its answer.
const BATCHED: usize = 64;
/// From the beginning of one batch to the next, when the one before had company.
const GATHER: Duration = Duration::from_millis(4);

/// Runs the work; what it gives back is called with the outcome of the commit.
pub(super) type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;

#[derive(Clone)]
pub(super) struct Writer {
    queue: Arc<mpsc::Sender<Job>>,
}

impl Writer {
    pub(super) fn spawn(connection: Connection, inserts: Inserts) -> Self {
        let (queue, queued) = mpsc::channel(QUEUED);
        super::readers::spawn_thread("db-writer", move || run(&connection, queued, &inserts));
        Self { queue: Arc::new(queue) }
    }

    pub(super) async fn submit(&self, job: Job) -> Result<(), DatabaseError> {
        self.queue.send(job).await.map_err(|_| DatabaseError::Closed)
    }
}

/// Wraps typed work into a job that answers after the commit.
pub(super) fn job<T, E, F>(work: F, answer: oneshot::Sender<Result<T, E>>) -> Job
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<DatabaseError> + Send + 'static,
{
    Box::new(move |connection| {
        let result = in_savepoint(connection, work);
        Box::new(move |committed| {
            let result = match committed {
                Ok(()) => result,
                Err(reason) => result.and_then(|_| Err(E::from(DatabaseError::Commit(reason.to_owned())))),
            };
            // The caller may have gone away; its write stands all the same.
            drop(answer.send(result));
        })
    })
}

pub(super) fn in_savepoint<T, E: From<DatabaseError>>(
    connection: &Connection,
    work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    execute(connection, "SAVEPOINT work").map_err(E::from)?;
    let result = catch_unwind(AssertUnwindSafe(|| work(&Tx(connection))))
        .unwrap_or_else(|_| Err(E::from(DatabaseError::Panicked)));
    if result.is_err() {
        execute(connection, "ROLLBACK TO work").map_err(E::from)?;
    }
    execute(connection, "RELEASE work").map_err(E::from)?;
    result
}

pub(super) fn execute(connection: &Connection, sql: &str) -> Result<(), DatabaseError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn run(connection: &Connection, mut queued: mpsc::Receiver<Job>, inserts: &Inserts) {
    let mut next_from = Instant::now();
    while let Some(first) = queued.blocking_recv() {
        std::thread::sleep(next_from.saturating_duration_since(Instant::now()));
        let began = Instant::now();
        let mut answers = Vec::new();
        let committed = commit(connection, first, &mut queued, &mut answers).map_err(|error| error.to_string());
        if committed.is_err() {
            // Nothing of the batch may leak into the next one. Fails when SQLite has rolled back by itself.
            drop(execute(connection, "ROLLBACK"));
        }
        next_from = if answers.len() > 1 { began + GATHER } else { began };
        inserts.committed();
        for answer in answers {
            answer(committed.as_ref().copied().map_err(String::as_str));
        }
    }
}

fn commit(
    connection: &Connection,
    first: Job,
    queued: &mut mpsc::Receiver<Job>,
    answers: &mut Vec<Answer>,
) -> Result<(), DatabaseError> {
    execute(connection, "BEGIN IMMEDIATE")?;
    answers.push(first(connection));
    while answers.len() < BATCHED
        && let Ok(next) = queued.try_recv()
    {
        answers.push(next(connection));
    }
    execute(connection, "COMMIT")
}
