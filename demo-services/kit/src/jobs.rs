//! Background jobs: a work queue in the service's own database, with retry and a queue of what failed.
//!
//! A job is added in the transaction that wants it done, and belongs to whoever takes it first (point-to-point). It is
//! done at least once: a worker that dies leaves its lease to end, so the work must bear being done again. What fails
//! too often is told as a dead letter of the queue, and waits for a person to replay or purge it.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::{Connection, params};
use sagascope_conventions::action::{Action, ActionOutcome};
use sagascope_instrument::message_events::{LetterOutcome, dead_lettered, letter_settled};
use sagascope_instrument::metrics::DeadLetterMetrics;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::retry::RetryPolicy;
use crate::sql::{Headers, encode, json, signed, unsigned};
use crate::{actions, effects, random, simulated, state_events, telemetry};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    id TEXT NOT NULL,
    payload TEXT NOT NULL,
    headers TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL,
    failed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (queue, id)
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (queue, due) WHERE failed = 0;
CREATE INDEX IF NOT EXISTS jobs_failed ON jobs (queue, number) WHERE failed = 1;
";

/// Jobs done at once.
const AT_ONCE: i64 = 16;
/// Whoever has not said a word for so long has died.
const LEASE: Duration = Duration::from_secs(30);
/// Looks again, and tells how many have failed, at least this often.
const PULSE: Duration = Duration::from_secs(1);
/// Failed jobs kept for a person; the oldest go.
const KEPT_FAILED: i64 = 10_000;

/// A job at hand.
#[derive(Clone, Debug)]
pub struct Job {
    /// Unique in its queue.
    pub id: String,
    /// What to do.
    pub payload: Value,
    /// What caused it.
    pub context: Context,
    /// One-based.
    pub attempt: u32,
}

/// Adds a job. One of the same id that waits, is under way or has failed already stays as it is.
///
/// # Errors
/// When the database fails or `payload` has no JSON form.
pub fn add(
    tx: &Tx<'_>,
    queue: &str,
    id: &str,
    payload: &impl Serialize,
    context: &Context,
) -> Result<(), DatabaseError> {
    effects::allowed("background job")?;
    tx.prepare_cached("INSERT OR IGNORE INTO jobs (queue, id, payload, headers, due) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            queue,
            id,
            serde_json::to_string(payload)?,
            encode(&context.to_headers()),
            signed(unix_nanos_now())
        ])?;
    Ok(())
}

/// The task that works a queue off; dropping it stops the task, and what is under way is done again.
#[derive(Debug)]
pub struct Worker {
    _tasks: JoinSet<()>,
}

impl Worker {
    /// Hands each job to `work`; an error brings it again, as `policy` says.
    #[must_use]
    pub fn start<W, F>(queue: &'static str, db: Database, policy: RetryPolicy, work: W) -> Self
    where
        W: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        tasks.spawn(simulated::carry(run(queue, db, policy, work)));
        Self { _tasks: tasks }
    }
}

async fn run<W, F>(queue: &'static str, db: Database, policy: RetryPolicy, work: W)
where
    W: Fn(Job) -> F + Send + Sync + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let letters = DeadLetterMetrics::new(&telemetry::meter());
    let mut added = db.inserts("jobs");
    loop {
        added.mark_unchanged();
        if let Ok(count) = db.read(move |conn| failed(conn, queue)).await {
            letters.waiting(queue, count);
        }
        let taken = match db.write(move |tx| take(tx, queue, &policy)).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(queue, %error, "jobs cannot be taken");
                tokio::time::sleep(PULSE).await;
                continue;
            }
        };
        if taken.is_empty() {
            let until = db.read(move |conn| next_due(conn, queue)).await.ok().flatten();
            let wait = until.map_or(PULSE, |due| Duration::from_nanos(due.saturating_sub(unix_nanos_now())));
            // Only the time limit can end this wait early: the sender lives in the database held here.
            drop(tokio::time::timeout(wait.min(PULSE), added.changed()).await);
            continue;
        }
        let outcomes = join_all(taken.into_iter().map(|job| async {
            let outcome = work(job.clone()).await;
            (job, outcome)
        }));
        for (job, outcome) in outcomes.await {
            let settled = db.write(move |tx| match outcome {
                Ok(()) => done(tx, queue, &job.id),
                Err(error) => not_done(tx, queue, &job, &format!("{error:#}"), &policy),
            });
            if let Err(error) = settled.await {
                // Its lease ends, and it is done again.
                tracing::warn!(queue, %error, "a job cannot be settled");
            }
        }
    }
}

/// Leases what is due. What was left by workers that died too often has failed.
fn take(tx: &Tx<'_>, queue: &str, policy: &RetryPolicy) -> Result<Vec<Job>, DatabaseError> {
    let now = unix_nanos_now();
    let due = tx
        .prepare_cached(
            "SELECT id, payload, headers, attempts FROM jobs WHERE queue = ? AND failed = 0 AND due <= ?
             ORDER BY due, number LIMIT ?",
        )?
        .query_and_then(params![queue, signed(now), AT_ONCE], |row| {
            Ok::<_, DatabaseError>(Job {
                id: row.get(0)?,
                payload: json(row, 1)?,
                context: Context::from_headers(&json::<Headers>(row, 2)?),
                attempt: row.get::<_, u32>(3)?.saturating_add(1),
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut taken = Vec::new();
    for job in due {
        if job.attempt > policy.attempts {
            fail(tx, queue, &job, "no word from its workers")?;
            continue;
        }
        tx.prepare_cached("UPDATE jobs SET attempts = ?, due = ? WHERE queue = ? AND id = ?")?
            .execute(params![job.attempt, signed(later(now, LEASE)), queue, job.id])?;
        taken.push(job);
    }
    Ok(taken)
}

fn done(tx: &Tx<'_>, queue: &str, id: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached("DELETE FROM jobs WHERE queue = ? AND id = ?")?
        .execute(params![queue, id])?;
    Ok(())
}

fn not_done(tx: &Tx<'_>, queue: &str, job: &Job, reason: &str, policy: &RetryPolicy) -> Result<(), DatabaseError> {
    let Some(wait) = policy.wait_after(job.attempt, random::f64()) else {
        return fail(tx, queue, job, reason);
    };
    tracing::info!(
        queue,
        id = job.id,
        attempt = job.attempt,
        reason,
        "a job is tried again"
    );
    tx.prepare_cached("UPDATE jobs SET due = ? WHERE queue = ? AND id = ?")?
        .execute(params![signed(later(unix_nanos_now(), wait)), queue, job.id])?;
    Ok(())
}

fn fail(tx: &Tx<'_>, queue: &str, job: &Job, reason: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached("UPDATE jobs SET failed = 1 WHERE queue = ? AND id = ?")?
        .execute(params![queue, job.id])?;
    tx.prepare_cached(
        "DELETE FROM jobs WHERE queue = ?1 AND failed = 1 AND number <= (SELECT max(number) FROM jobs) - ?2",
    )?
    .execute(params![queue, KEPT_FAILED])?;
    let event = dead_lettered(unix_nanos_now(), queue, &job.id, reason, job.attempt);
    state_events::record(tx, event.correlated(&job.context.correlation_id), &job.context)
}

fn later(now: u64, wait: Duration) -> u64 {
    now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

fn failed(conn: &Connection, queue: &str) -> Result<u64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT count(*) FROM jobs WHERE queue = ? AND failed = 1")?;
    Ok(query.query_row([queue], |row| unsigned(row, 0))?)
}

fn next_due(conn: &Connection, queue: &str) -> Result<Option<u64>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT min(due) FROM jobs WHERE queue = ? AND failed = 0")?;
    let due: Option<i64> = query.query_row([queue], |row| row.get(0))?;
    Ok(due.map(i64::unsigned_abs))
}

/// Jobs of a queue that wait or are under way, and those that failed.
///
/// # Errors
/// When the database fails.
pub fn counts(conn: &Connection, queue: &str) -> Result<(u64, u64), DatabaseError> {
    let mut query = conn.prepare_cached("SELECT count(*) FROM jobs WHERE queue = ? AND failed = 0")?;
    Ok((query.query_row([queue], |row| unsigned(row, 0))?, failed(conn, queue)?))
}

/// Carries out what a person asks about failed jobs of this queue.
pub(crate) async fn carry_out(db: Database, queue: &'static str, action: Action) -> ActionOutcome {
    let (outcome, destination, id) = match action {
        Action::ReplayDeadLetters {
            destination,
            message_id,
        } => (LetterOutcome::Replayed, destination, message_id),
        Action::PurgeDeadLetters {
            destination,
            message_id,
        } => (LetterOutcome::Purged, destination, message_id),
        _ => return ActionOutcome::Unknown,
    };
    if destination != queue {
        return ActionOutcome::Unknown;
    }
    match db.write(move |tx| settle(tx, queue, id.as_deref(), outcome)).await {
        Ok(0) => ActionOutcome::Unknown,
        Ok(count) => ActionOutcome::Done {
            count,
            detail: format!("{count} failed of {queue} {}.", outcome.as_str()),
        },
        Err(error) => actions::failed(&error),
    }
}

fn settle(tx: &Tx<'_>, queue: &str, id: Option<&str>, outcome: LetterOutcome) -> Result<u64, DatabaseError> {
    let found = tx
        .prepare_cached(
            "SELECT id, headers FROM jobs WHERE queue = ?1 AND failed = 1 AND (?2 IS NULL OR id = ?2) ORDER BY number",
        )?
        .query_and_then(params![queue, id], |row| {
            Ok::<_, DatabaseError>((row.get::<_, String>(0)?, json::<Headers>(row, 1)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    for (id, headers) in &found {
        if outcome == LetterOutcome::Replayed {
            tx.prepare_cached("UPDATE jobs SET failed = 0, attempts = 0, due = ? WHERE queue = ? AND id = ?")?
                .execute(params![signed(unix_nanos_now()), queue, id])?;
        } else {
            done(tx, queue, id)?;
        }
        let context = Context::from_headers(headers);
        let event = letter_settled(unix_nanos_now(), queue, id, outcome).correlated(&context.correlation_id);
        state_events::record(tx, event, &context)?;
    }
    Ok(found.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;

    use super::*;
    use crate::database::testing;
    use crate::testing::eventually;

    const QUEUE: &str = "mails";
    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 3,
        base: Duration::from_millis(1),
        factor: 1,
        cap: Duration::from_millis(1),
        jitter: 0.0,
    };

    async fn add_all(db: &Database, ids: &'static [&str]) {
        let write = db.write(move |tx| {
            let mut added = ids
                .iter()
                .map(|id| add(tx, QUEUE, id, &json!({ "to": id }), &Context::fresh()));
            added.try_for_each(|added| added)
        });
        write.await.expect("added");
    }

    async fn until(db: &Database, expected: (u64, u64)) {
        let look = || async {
            db.read(|conn| counts(conn, QUEUE))
                .await
                .ok()
                .filter(|counts| *counts == expected)
        };
        eventually("the queue stands so", look).await;
    }

    fn act(replay: bool, id: Option<&str>) -> Action {
        let (destination, message_id) = (QUEUE.to_owned(), id.map(str::to_owned));
        if replay {
            Action::ReplayDeadLetters {
                destination,
                message_id,
            }
        } else {
            Action::PurgeDeadLetters {
                destination,
                message_id,
            }
        }
    }

    #[tokio::test]
    async fn jobs_are_retried_and_what_fails_too_often_waits_for_a_person() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        let (calls, mended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        add_all(&db, &["a", "b", "c"]).await;
        add_all(&db, &["a"]).await;
        let (counted, is_mended) = (calls.clone(), mended.clone());
        let _worker = Worker::start(QUEUE, db.clone(), POLICY, move |job| {
            let fails = job.id != "a" && is_mended.load(Ordering::Relaxed) == 0;
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                anyhow::ensure!(!fails, "the mail server is away");
                Ok(())
            }
        });
        until(&db, (0, 2)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1 + 3 + 3);
        mended.store(1, Ordering::Relaxed);
        let done =
            |count| move |outcome: ActionOutcome| matches!(outcome, ActionOutcome::Done { count: n, .. } if n == count);
        assert!(done(1)(carry_out(db.clone(), QUEUE, act(true, Some("b"))).await));
        until(&db, (0, 1)).await;
        assert_eq!(
            carry_out(db.clone(), QUEUE, act(true, Some("b"))).await,
            ActionOutcome::Unknown
        );
        assert!(done(1)(carry_out(db.clone(), QUEUE, act(false, None)).await));
        until(&db, (0, 0)).await;
        assert_eq!(calls.load(Ordering::Relaxed), 8, "what was purged is not done");
        let foreign = Action::PurgeDeadLetters {
            destination: "orders.events".into(),
            message_id: None,
        };
        assert_eq!(carry_out(db, QUEUE, foreign).await, ActionOutcome::Unknown);
    }

    #[tokio::test]
    async fn what_a_worker_leaves_behind_is_done_by_the_next_when_its_lease_ends() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        add_all(&db, &["a"]).await;
        let first = db.write(|tx| take(tx, QUEUE, &POLICY)).await.expect("taken");
        assert_eq!((first.len(), first[0].attempt), (1, 1));
        assert!(
            db.write(|tx| take(tx, QUEUE, &POLICY)).await.expect("asked").is_empty(),
            "one owner at a time"
        );
        let end_lease = db.write(|tx| Ok::<_, DatabaseError>(tx.execute("UPDATE jobs SET due = 0", [])?));
        end_lease.await.expect("ended");
        assert_eq!(
            db.write(|tx| take(tx, QUEUE, &POLICY)).await.expect("taken")[0].attempt,
            2
        );
        for _ in 0..2 {
            let end_lease = db.write(|tx| Ok::<_, DatabaseError>(tx.execute("UPDATE jobs SET due = 0", [])?));
            end_lease.await.expect("ended");
            db.write(|tx| take(tx, QUEUE, &POLICY)).await.expect("taken");
        }
        assert_eq!(
            db.read(|conn| counts(conn, QUEUE)).await.expect("read"),
            (0, 1),
            "it killed its workers too often"
        );
    }
}
