//! Read models over the local event store: what was applied and how far stand in one transaction.
//!
//! `run` keeps a read model up, `rebuild` starts one from zero, `progress` tells how far each is and lets a reader wait
//! for a position, `http` is the interface that every service with read models offers.
//!
//! Positions are given in the order of commits, since one thread writes: a gap is an event that was taken back or let
//! go, never one that may still come. A read model goes on behind it at once, and misses nothing (G14).

mod http;
mod progress;
mod rebuild;
mod run;
mod verify;

use rusqlite::Connection;
use sagascope_conventions::action::{Action, ActionOutcome};
use tokio::task::JoinSet;

use crate::actions;
use crate::database::{Database, DatabaseError, Tx};
use crate::event_store::StoredEvent;
use crate::{effects, simulated, telemetry};

pub use http::{MinPosition, POSITION_HEADER, positioned, router};
pub use progress::{Parked, Standing, dump, parked, position, reached, standing};
pub use rebuild::rebuild;
pub use verify::Verified;

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

/// A read model: what it is called, where it stands, and how it takes an event in.
#[derive(Clone, Copy, Debug)]
pub struct ReadModel {
    /// Name on the dashboards.
    pub name: &'static str,
    /// Its tables, and nobody else's: a rebuild empties them.
    pub tables: &'static [&'static str],
    /// Takes one event in. It has the tables to write to, and no other effect: what it tries is refused.
    pub apply: fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()>,
    /// Puts back, into emptied tables, what stands for events that were let go.
    pub carried: fn(&Tx<'_>) -> Result<(), DatabaseError>,
}

impl ReadModel {
    /// One that needs nothing carried.
    #[must_use]
    pub const fn new(
        name: &'static str,
        tables: &'static [&'static str],
        apply: fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()>,
    ) -> Self {
        Self {
            name,
            tables,
            apply,
            carried: |_| Ok(()),
        }
    }

    /// Empties the tables.
    fn clear(&self, tx: &Tx<'_>) -> Result<(), DatabaseError> {
        for table in self.tables {
            tx.execute(&format!("DELETE FROM {table}"), [])?;
        }
        (self.carried)(tx)
    }

    /// Starts it from zero; the running [`Projection`] fills it again.
    ///
    /// # Errors
    /// When the database fails; then nothing is changed.
    pub async fn rebuild(self, db: &Database) -> anyhow::Result<()> {
        rebuild(db, self.name, move |tx| Ok(self.clear(tx)?)).await
    }

    /// Rebuilds it when a person asks for that.
    pub(crate) async fn carry_out(self, db: Database, action: Action) -> ActionOutcome {
        match action {
            Action::RebuildReadModel { name } if name == self.name => match self.rebuild(&db).await {
                Ok(()) => ActionOutcome::Done {
                    count: 1,
                    detail: "The read model starts from zero.".to_owned(),
                },
                Err(error) => actions::failed(&format!("{error:#}")),
            },
            _ => ActionOutcome::Unknown,
        }
    }

    /// Its rows in canonical order, to be compared (INV-09).
    ///
    /// # Errors
    /// When the database fails.
    pub fn dump(&self, conn: &Connection) -> Result<Vec<String>, DatabaseError> {
        dump(conn, self.tables)
    }
}

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
        let metrics = sagascope_instrument::metrics::ProjectionMetrics::new(&telemetry::meter(), name, 0);
        let mut tasks = JoinSet::new();
        let apply = move |tx: &Tx<'_>, event: &StoredEvent| effects::forbidden(|| apply(tx, event));
        tasks.spawn(simulated::carry(run::run(run::Model::new(name, db, apply), metrics)));
        Self { _tasks: tasks }
    }

    /// Keeps a read model up.
    #[must_use]
    pub fn of(model: ReadModel, db: Database) -> Self {
        Self::start(model.name, db, model.apply)
    }
}
