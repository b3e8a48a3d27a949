//! Keeps one read model up.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{ErrorCode, OptionalExtension, params};
use sagascope_conventions::FaultKind;
use sagascope_instrument::message_events::{projection_failed, rebuild_finished};
use sagascope_instrument::metrics::ProjectionMetrics;
use tokio::time::Instant;

use super::progress::position;
use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::event_store::{self, StoredEvent};
use crate::pace::Pace;
use crate::sql::signed;
use crate::state_events;

/// Events applied in one transaction while it keeps up.
const BATCH: usize = 256;
/// The same while it is far behind: a commit costs more than what it carries, and commands still get their turn
/// between two of them.
const CATCH_UP: usize = 1_024;
/// A transaction for each event alone would cost a busy service more than its commands: after so many at once, events that
/// follow closely are applied together, and the read model is at most that much further behind.
const PACE: Pace = Pace::new(Duration::from_millis(10), 8);
/// Tells its metrics, and looks again, at least this often.
const PULSE: Duration = Duration::from_secs(1);
/// A paused read model looks again after this time.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Model<A> {
    name: &'static str,
    db: Database,
    apply: Arc<A>,
}

/// What lies ahead of a read model.
struct Ahead {
    position: u64,
    head: u64,
    events: Arc<Vec<StoredEvent>>,
}

impl Ahead {
    /// There may be more behind it.
    fn is_full(&self) -> bool {
        self.events.len() >= BATCH
    }

    fn last(&self) -> u64 {
        self.events.last().map_or(self.position, |event| event.position)
    }

    fn tell(&self, metrics: &ProjectionMetrics) {
        let oldest = self
            .events
            .first()
            .map_or(0, |event| unix_nanos_now().saturating_sub(event.created_at));
        metrics.stands(self.position, self.head, Duration::from_nanos(oldest).as_secs_f64());
    }
}

pub(super) async fn run<A>(model: Model<A>, metrics: ProjectionMetrics)
where
    A: Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync + 'static,
{
    let mut appended = model.db.inserts("events");
    let mut fetched: Option<Ahead> = None;
    let mut pace = PACE;
    loop {
        tokio::time::sleep(pace.wait(Instant::now())).await;
        appended.mark_unchanged();
        let ahead = match fetched.take() {
            Some(ahead) => ahead,
            None => match model.ahead(None).await {
                Ok(ahead) => ahead,
                Err(error) => {
                    tracing::warn!(projection = model.name, %error, "events cannot be read");
                    tokio::time::sleep(PULSE).await;
                    continue;
                }
            },
        };
        ahead.tell(&metrics);
        if model.db.faults().active(FaultKind::PausedProjection).is_some() {
            tokio::time::sleep(PAUSE).await;
        } else if ahead.events.is_empty() {
            // Only the time limit can end this wait early: the sender lives in the database held here.
            drop(tokio::time::timeout(PULSE, appended.changed()).await);
        } else {
            // While these are applied, a reader fetches the next: the two halves of a rebuild take as long as one.
            let (applied, next) = tokio::join!(model.catch_up(&ahead), model.next(&ahead));
            match applied {
                Ok(()) => {
                    metrics.processed(ahead.events.len() as u64);
                    fetched = next;
                    if !ahead.is_full() {
                        pace.passed(Instant::now());
                    }
                }
                Err(error) => {
                    tracing::error!(projection = model.name, %error, "read model cannot go on");
                    tokio::time::sleep(PULSE).await;
                }
            }
        }
    }
}

impl<A> Model<A>
where
    A: Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync + 'static,
{
    pub(super) fn new(name: &'static str, db: Database, apply: A) -> Self {
        let apply = Arc::new(apply);
        Self { name, db, apply }
    }

    /// Events after a position; after that of the read model when none is given.
    async fn ahead(&self, after: Option<u64>) -> Result<Ahead, DatabaseError> {
        let name = self.name;
        self.db
            .read(move |conn| {
                let (position, limit) = match after {
                    Some(position) => (position, CATCH_UP),
                    None => (position(conn, name)?, BATCH),
                };
                Ok(Ahead {
                    position,
                    events: Arc::new(event_store::read_all(conn, position, limit)?),
                    head: event_store::head(conn)?,
                })
            })
            .await
    }

    /// What comes after `ahead`, when it is likely that there is something. A rebuild that comes between moves the read
    /// model away from there; then it is not applied ([`advance`]).
    async fn next(&self, ahead: &Ahead) -> Option<Ahead> {
        if !ahead.is_full() {
            return None;
        }
        let next = self.ahead(Some(ahead.last())).await.ok();
        next.filter(|next| !next.events.is_empty())
    }

    /// Applies all of them. When one fails, the halves are tried until it is found: it is parked, and the others are
    /// applied.
    async fn catch_up(&self, ahead: &Ahead) -> anyhow::Result<()> {
        let mut position = ahead.position;
        let mut left: Vec<Range<usize>> = std::iter::once(0..ahead.events.len()).collect();
        while let Some(range) = left.pop() {
            let applied = self.apply_all(position, ahead, range.clone()).await;
            match applied {
                Ok(()) => {}
                Err(error) if may_pass(&error) => return Err(error),
                Err(error) if range.len() == 1 => {
                    let event = &ahead.events[range.start];
                    self.park(position, ahead.head, event, format!("{error:#}")).await?;
                }
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    left.extend([middle..range.end, range.start..middle]);
                    continue;
                }
            }
            position = ahead.events[range.end - 1].position;
        }
        Ok(())
    }

    async fn apply_all(&self, from: u64, ahead: &Ahead, range: Range<usize>) -> anyhow::Result<()> {
        let (name, apply) = (self.name, self.apply.clone());
        let (events, head) = (ahead.events.clone(), ahead.head);
        self.db
            .write(move |tx| {
                let mut to = from;
                for event in &events[range] {
                    apply(tx, event)?;
                    to = event.position;
                }
                advance(tx, name, from, to, head)
            })
            .await
    }

    async fn park(&self, from: u64, head: u64, event: &StoredEvent, reason: String) -> anyhow::Result<()> {
        let (name, to) = (self.name, event.position);
        tracing::error!(projection = name, position = to, reason, "event parked");
        self.db
            .write(move |tx| {
                let now = unix_nanos_now();
                tx.execute(
                    "INSERT OR REPLACE INTO projection_failures (name, position, reason, at) VALUES (?, ?, ?, ?)",
                    params![name, signed(to), reason, signed(now)],
                )?;
                state_events::record(tx, projection_failed(now, name, "apply", &reason), &Context::default())?;
                advance(tx, name, from, to, head)
            })
            .await
    }
}

/// It is not the event's fault: tried again later, the event may be applied.
fn may_pass(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<DatabaseError>() {
        Some(DatabaseError::Closed | DatabaseError::Commit(_) | DatabaseError::Io(_)) => true,
        Some(DatabaseError::Sqlite(error)) => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory)
        ),
        _ => false,
    }
}

/// Moves the position on, unless a rebuild has moved it meanwhile: then all of this transaction is void.
fn advance(tx: &Tx<'_>, name: &'static str, from: u64, to: u64, head: u64) -> anyhow::Result<()> {
    let stands = position(tx, name)?;
    anyhow::ensure!(stands == from, "read model {name} was moved from {from} to {stands}");
    anyhow::ensure!(to >= from, "read model {name} would go back from {from} to {to}");
    let rebuilding = tx
        .prepare_cached("SELECT rebuilding FROM projections WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    let finished = rebuilding && to >= head;
    let mut upsert = tx.prepare_cached(
        "INSERT INTO projections (name, position, rebuilding) VALUES (?1, ?2, 0)
         ON CONFLICT (name) DO UPDATE SET position = ?2, rebuilding = ?3",
    )?;
    upsert.execute(params![name, signed(to), rebuilding && !finished])?;
    if finished {
        state_events::record(tx, rebuild_finished(unix_nanos_now(), name), &Context::default())?;
    }
    Ok(())
}
