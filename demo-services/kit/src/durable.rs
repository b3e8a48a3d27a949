//! The durable side of a service in one piece: its database, and the tasks that carry what is committed there onwards.

use std::future::Future;
use std::sync::Arc;

use rusqlite::Connection;
use sagascope_conventions::action::{Action, ActionOutcome};

use crate::actions::Actions;
use crate::broker::{HttpBroker, Message};
use crate::consumer::{Consumer, Handle, Subscription};
use crate::context::Context;
use crate::database::{Database, DatabaseError, Tx};
use crate::event_store::StoredEvent;
use crate::jobs::{Job, Worker};
use crate::outbox::OutboxRelay;
use crate::projection::{Projection, ReadModel};
use crate::retention::{GUARD_RULES, Retention, Rule};
use crate::saga::{Policy, SagaDefinition, SagaRunner};
use crate::service::{Readiness, Service};
use crate::state_events::StateEventRelay;
use crate::{
    choreography, event_store, idempotency, inbox, jobs, outbox, projection, retention, saga, state_events, totals,
    two_phase,
};

/// Tables of the kit, made in the database of every service.
pub(crate) const TABLES: &[&str] = &[
    choreography::TABLES,
    event_store::TABLES,
    idempotency::TABLES,
    inbox::TABLES,
    jobs::TABLES,
    outbox::TABLES,
    projection::TABLES,
    retention::TABLES,
    saga::TABLES,
    saga::OPERATION_TABLES,
    state_events::TABLES,
    totals::TABLES,
    two_phase::TABLES,
];

/// Why a feed is not rebuilt.
const FED_ONCE: &str = "It takes each message once. Replay what it gave up, or rebuild what follows it.";

/// See the module. Keep it for as long as the service runs: its tasks end with it.
#[derive(Debug)]
pub struct Durable {
    /// The database of the service.
    pub db: Database,
    /// The broker of the cluster.
    pub broker: HttpBroker,
    policy: Policy,
    actions: Actions,
    _upkeep: Option<Upkeep>,
}

/// The tasks that carry on what is committed, and let go of what is over. One process of a service has them.
#[derive(Debug)]
pub(crate) struct Upkeep {
    _state_events: StateEventRelay,
    _outbox: OutboxRelay,
    _retention: Retention,
}

impl Durable {
    /// Opens the database of `service` with its own tables (`schema`), relays its state events to the collector and its
    /// outbox, named after the service, to the broker.
    ///
    /// # Errors
    /// When the database is damaged: names the file and what to do.
    pub fn open(service: &Service, schema: &[&str]) -> anyhow::Result<Self> {
        let mut durable = Self::open_shared(service, schema)?;
        durable._upkeep = Some(durable.keep_up(service)?);
        Ok(durable)
    }

    /// The same without the tasks: for a service whose data several processes share, see [`crate::duties::Duties`].
    ///
    /// # Errors
    /// See [`Durable::open`].
    pub fn open_shared(service: &Service, schema: &[&str]) -> anyhow::Result<Self> {
        Ok(Self {
            db: Database::open(&service.database_path(), schema, service.faults.clone())?,
            broker: service.broker()?,
            policy: Policy::until_done(service.profile.retry),
            actions: service.actions.clone(),
            _upkeep: None,
        })
    }

    /// Begins with the tasks.
    pub(crate) fn keep_up(&self, service: &Service) -> anyhow::Result<Upkeep> {
        let (db, broker) = (self.db.clone(), self.broker.clone());
        let state_events = StateEventRelay::start(db.clone(), service.log_exporter()?);
        let outbox = OutboxRelay::start(service.name, db.clone(), broker);
        service.actions.offer({
            let db = db.clone();
            move |action| outbox::carry_out(db.clone(), action)
        });
        Ok(Upkeep {
            _state_events: state_events,
            _outbox: outbox,
            _retention: Retention::start(db, GUARD_RULES.to_vec()),
        })
    }

    /// Ready when the database answers. The broker may be away: outbox and inbox bridge that.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let db = self.db.clone();
        Readiness::new().on("database", move || {
            let db = db.clone();
            async move { Ok(db.read(answers).await?) }
        })
    }

    /// Lets go of what is long over in the service's own tables.
    #[must_use]
    pub fn retain(&self, rules: &[Rule]) -> Retention {
        Retention::start(self.db.clone(), rules.to_vec())
    }

    /// Runs the sagas of a type: resumes what is unfinished, and picks up what [`saga::start`] starts.
    #[must_use]
    pub fn run_saga<D: SagaDefinition>(&self, definition: Arc<D>) -> SagaRunner {
        let (db, asked) = (self.db.clone(), definition.clone());
        self.actions
            .offer(move |action| saga::carry_out(db.clone(), asked.clone(), action));
        SagaRunner::start(self.db.clone(), definition, self.policy)
    }

    /// Consumes topics of the broker.
    #[must_use]
    pub fn consume<H>(&self, subscription: Subscription, handler: H) -> Consumer
    where
        H: Fn(&Tx<'_>, &Message, &Context) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        self.offer_feed(&subscription);
        Consumer::start(subscription, self.db.clone(), self.broker.clone(), handler)
    }

    /// Consumes topics of the broker with a handler that does more than work in one transaction.
    #[must_use]
    pub fn consume_with(&self, subscription: Subscription, handler: impl Handle) -> Consumer {
        self.offer_feed(&subscription);
        Consumer::start_with(subscription, self.db.clone(), self.broker.clone(), handler)
    }

    /// What takes messages in looks like a read model on the dashboards; why it has no zero to begin at is said.
    fn offer_feed(&self, subscription: &Subscription) {
        let Some(feed) = subscription.projection else { return };
        self.actions.offer(move |action| async move {
            match action {
                Action::RebuildReadModel { name } if name == feed => ActionOutcome::Refused {
                    detail: FED_ONCE.to_owned(),
                },
                _ => ActionOutcome::Unknown,
            }
        });
    }

    /// Works a queue of background jobs off; failed ones can be replayed and purged.
    #[must_use]
    pub fn work_off<W, F>(&self, queue: &'static str, work: W) -> Worker
    where
        W: Fn(Job) -> F + Send + Sync + 'static,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let db = self.db.clone();
        self.actions
            .offer(move |action| jobs::carry_out(db.clone(), queue, action));
        Worker::start(queue, self.db.clone(), self.policy.forward, work)
    }

    /// Keeps a read model over the local event store up.
    #[must_use]
    pub fn project<A>(&self, name: &'static str, apply: A) -> Projection
    where
        A: Fn(&Tx<'_>, &StoredEvent) -> anyhow::Result<()> + Send + Sync + 'static,
    {
        Projection::start(name, self.db.clone(), apply)
    }

    /// Keeps read models over the local event store up.
    #[must_use]
    pub fn read_models(&self, models: &[ReadModel]) -> Vec<Projection> {
        let start = |&model: &ReadModel| {
            let db = self.db.clone();
            self.actions.offer(move |action| model.carry_out(db.clone(), action));
            Projection::of(model, self.db.clone())
        };
        models.iter().map(start).collect()
    }
}

fn answers(conn: &Connection) -> Result<(), DatabaseError> {
    Ok(conn.query_row("SELECT 1", [], |_| Ok(()))?)
}
