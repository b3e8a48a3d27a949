//! Read models over the local event store: what was applied and how far stand in one transaction.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sagascope_conventions::FaultKind;
use sagascope_instrument::message_events::{projection_failed, rebuild_finished, rebuild_started};
use sagascope_instrument::metrics::ProjectionMetrics;
use tokio::task::JoinSet;

use crate::clock::unix_nanos_now;
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::event_store::{self, StoredEvent};
use crate::sql::{signed, unsigned};
use crate::{simulated, state_events, telemetry};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS projections (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    rebuilding INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS projection_failures (
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (name, position)
) STRICT;
";

/// Events applied in one transaction.
const BATCH: usize = 256;
/// Tells its metrics, and looks again, at least this often.
const PULSE: Duration = Duration::from_secs(1);
/// A paused read model looks again after this time.
const PAUSE: Duration = Duration::from_millis(250);

/// The task that keeps a read model up; dropping it stops the task.
#[derive(Debug)]
pub struct Projection {
    _tasks: JoinSet<()>,
}

impl Projection {
    /// Applies each event once, in order. An event that cannot be applied is parked and told; the others go on.
    #[must_use]
    pub fn start<A>(name: &'static str, db: Database, apply: A) -> Self
    where
        A: Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        let metrics = ProjectionMetrics::new(&telemetry::meter(), name, 0);
        let mut tasks = JoinSet::new();
        let model = Model {
            name,
            db,
            apply: Arc::new(apply),
        };
        tasks.spawn(simulated::carry(run(model, metrics)));
        Self { _tasks: tasks }
    }
}

/// Starts a read model from zero: `clear` empties its tables, and the running [`Projection`] fills them again.
///
/// # Errors
/// When `clear` fails; then nothing is changed.
pub async fn rebuild<C>(db: &Database, name: &'static str, clear: C) -> anyhow::Result<()>
where
    C: FnOnce(&Tx<'_>) -> anyhow::Result<()> + Send + 'static,
{
    db.write(move |tx| {
        clear(tx)?;
        tx.execute(
            "INSERT INTO projections (name, position, rebuilding) VALUES (?, 0, 1)
             ON CONFLICT (name) DO UPDATE SET position = 0, rebuilding = 1",
            [name],
        )?;
        tx.execute("DELETE FROM projection_failures WHERE name = ?", [name])?;
        state_events::record(tx, rebuild_started(unix_nanos_now(), name), &Context::default())?;
        Ok(())
    })
    .await
}

/// Position of a read model: every event up to it has been applied or parked.
///
/// # Errors
/// When the database fails.
pub fn position(conn: &Connection, name: &str) -> Result<u64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT position FROM projections WHERE name = ?")?;
    Ok(query.query_row([name], |row| unsigned(row, 0)).optional()?.unwrap_or(0))
}

struct Model<A> {
    name: &'static str,
    db: Database,
    apply: Arc<A>,
}

/// What lies ahead of a read model.
struct Ahead {
    position: u64,
    head: u64,
    events: Vec<StoredEvent>,
}

impl Ahead {
    fn tell(&self, metrics: &ProjectionMetrics) {
        let oldest = self
            .events
            .first()
            .map_or(0, |event| unix_nanos_now().saturating_sub(event.created_at));
        metrics.stands(self.position, self.head, Duration::from_nanos(oldest).as_secs_f64());
    }
}

async fn run<A>(model: Model<A>, metrics: ProjectionMetrics)
where
    A: Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync + 'static,
{
    let mut appended = model.db.inserts("events");
    loop {
        appended.mark_unchanged();
        let Ok(ahead) = model.ahead().await else {
            tokio::time::sleep(PULSE).await;
            continue;
        };
        ahead.tell(&metrics);
        if model.db.faults().active(FaultKind::PausedProjection).is_some() {
            tokio::time::sleep(PAUSE).await;
        } else if ahead.events.is_empty() {
            // Only the time limit can end this wait early: the sender lives in the database held here.
            drop(tokio::time::timeout(PULSE, appended.changed()).await);
        } else {
            let count = ahead.events.len() as u64;
            match model.catch_up(ahead).await {
                Ok(()) => metrics.processed(count),
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
    async fn ahead(&self) -> Result<Ahead, DatabaseError> {
        let name = self.name;
        self.db
            .read(move |conn| {
                let position = position(conn, name)?;
                let events = event_store::read_all(conn, position, BATCH)?;
                Ok(Ahead {
                    position,
                    head: event_store::head(conn)?,
                    events,
                })
            })
            .await
    }

    async fn catch_up(&self, ahead: Ahead) -> anyhow::Result<()> {
        let (position, head) = (ahead.position, ahead.head);
        let events = Arc::new(ahead.events);
        if self
            .apply_all(position, head, events.clone(), 0..events.len())
            .await
            .is_ok()
        {
            return Ok(());
        }
        // One of them fails: find it, park it, and apply the others.
        let mut position = position;
        for index in 0..events.len() {
            if let Err(error) = self.apply_all(position, head, events.clone(), index..index + 1).await {
                self.park(position, head, &events[index], format!("{error:#}")).await?;
            }
            position = events[index].position;
        }
        Ok(())
    }

    async fn apply_all(
        &self,
        from: u64,
        head: u64,
        events: Arc<Vec<StoredEvent>>,
        range: std::ops::Range<usize>,
    ) -> anyhow::Result<()> {
        let (name, apply) = (self.name, self.apply.clone());
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

/// Moves the position on, unless a rebuild has moved it meanwhile: then all of this transaction is void.
fn advance(tx: &Tx<'_>, name: &'static str, from: u64, to: u64, head: u64) -> anyhow::Result<()> {
    let stands = position(tx, name)?;
    anyhow::ensure!(stands == from, "read model {name} was moved from {from} to {stands}");
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
