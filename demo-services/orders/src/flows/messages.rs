//! The third generation's way to ask: a command through the outbox, its answer through the inbox, under one key.
//!
//! The saga waits for the answer as for that of a call: with a time limit, and behind a breaker for each service. The
//! answer is kept, so that whoever asks again under the key hears the same, also after a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sagascope_conventions::OrderFlow;
use serde_json::Value;
use shop_kit::breaker::{Breaker, BreakerPolicy, Outcome};
use shop_kit::broker::Message;
use shop_kit::caller::CallError;
use shop_kit::consumer::Handle;
use shop_kit::context::{self, Context};
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::events::StateEvents;
use shop_kit::order_commands::{Command, Ordered};
use shop_kit::participant::{Asked, Replied, topic_of};
use shop_kit::retention::Rule;
use shop_kit::{inbox, outbox};
use tokio::sync::oneshot;

use crate::remote::Remote;

const FLOW: OrderFlow = OrderFlow::Hardened;
const SERVICES: [&str; 3] = ["inventory", "payments", "shipping"];

/// Answers, by the key of the command.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS replies (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    reply TEXT NOT NULL
) STRICT;
";

/// Answers to orders that ended long ago go.
pub(crate) const RULE: Rule = Rule::Newest {
    table: "replies",
    kept: 100_000,
};

/// See the module. A cheap clone.
#[derive(Clone)]
pub(crate) struct OverMessages {
    db: Database,
    breakers: Arc<BTreeMap<&'static str, Breaker>>,
    waiting: Waiting,
    patience: Duration,
}

/// Who waits for the answer under which key.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<Mutex<BTreeMap<String, oneshot::Sender<Replied>>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, oneshot::Sender<Replied>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OverMessages {
    /// An answer may take `patience`; a breaker for each service.
    pub(crate) fn new(db: Database, policy: BreakerPolicy, patience: Duration, events: &StateEvents) -> Self {
        let breaker = |service: &'static str| {
            let name = format!("{service} by message");
            (service, Breaker::new(&name, service, policy, events.clone()))
        };
        Self {
            db,
            breakers: Arc::new(SERVICES.into_iter().map(breaker).collect()),
            waiting: Waiting::default(),
            patience,
        }
    }

    /// What hears the answers.
    pub(crate) fn replies(&self, group: &'static str) -> Replies {
        Replies {
            group,
            waiting: self.waiting.clone(),
        }
    }

    /// Records how the breakers stand, for as long as it is polled.
    pub(crate) async fn report(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.breakers.values().for_each(Breaker::report);
        }
    }

    async fn send(&self, command: Command, order: &Ordered, key: &str) -> Result<(), DatabaseError> {
        let asked = Asked {
            key: Some(key.to_owned()),
            body: command.body(order),
        };
        let (order_id, context) = (order.order_id.clone(), context::current());
        let topic = topic_of(FLOW, command.service());
        self.db
            .write(move |tx| outbox::enqueue(tx, topic, &order_id, command.as_str(), &asked, &context).map(drop))
            .await
    }

    async fn exchange(&self, command: Command, order: &Ordered, key: &str) -> Result<Replied, CallError> {
        let known = key.to_owned();
        if let Some(reply) = self
            .db
            .read(move |conn| find(conn, &known))
            .await
            .map_err(unavailable)?
        {
            return Ok(reply);
        }
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().insert(key.to_owned(), sender);
        let exchange = async {
            self.send(command, order, key).await.map_err(unavailable)?;
            let lost = |_| unavailable(DatabaseError::Closed);
            answer.await.map_err(lost)
        };
        let limit = self.patience;
        let answer = tokio::time::timeout(limit, exchange).await;
        self.waiting.lock().remove(key);
        answer.unwrap_or(Err(CallError::TimedOut { after: limit }))
    }
}

impl Remote for OverMessages {
    async fn ask(&self, command: Command, order: &Ordered, key: &str) -> Result<Value, CallError> {
        let breaker = &self.breakers[command.service()];
        let permit = breaker.acquire().map_err(|refused| CallError::BreakerOpen {
            breaker: breaker.name().to_owned(),
            retry_after: refused.retry_after,
        })?;
        let answer = self.exchange(command, order, key).await;
        permit.done(if answer.is_ok() {
            Outcome::Success
        } else {
            Outcome::Failure
        });
        let Replied { status, body, .. } = answer?;
        if status < 400 {
            return Ok(body);
        }
        let problem = serde_json::from_value(body).map_err(|error| CallError::Malformed {
            reason: error.to_string(),
        })?;
        Err(CallError::Refused { status, problem })
    }
}

/// Keeps each answer, then wakes who waits for it.
pub(crate) struct Replies {
    group: &'static str,
    waiting: Waiting,
}

impl Handle for Replies {
    async fn handle(&self, db: &Database, message: Message, _: Context) -> anyhow::Result<()> {
        let reply: Replied = serde_json::from_value(message.payload)?;
        let Some(key) = reply.key.clone() else {
            anyhow::bail!("an answer without the key of its command");
        };
        let (group, id, kept) = (self.group, message.id, reply.clone());
        let work = move |tx: &Tx<'_>| {
            if inbox::first_time(tx, group, &id)? {
                keep(tx, &kept)?;
            }
            Ok::<_, DatabaseError>(())
        };
        db.write(work).await?;
        let waits = self.waiting.lock().remove(&key);
        // Nobody may wait any more: the order ended, or the command is being repeated.
        if let Some(sender) = waits {
            let _ = sender.send(reply);
        }
        Ok(())
    }
}

fn keep(tx: &Tx<'_>, reply: &Replied) -> Result<(), DatabaseError> {
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO replies (key, reply) VALUES (?, ?)")?;
    insert.execute(params![reply.key, serde_json::to_string(reply)?])?;
    Ok(())
}

fn find(conn: &Connection, key: &str) -> Result<Option<Replied>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT reply FROM replies WHERE key = ?")?;
    let text: Option<String> = query.query_row([key], |row| row.get(0)).optional()?;
    text.map(|text| Ok(serde_json::from_str(&text)?)).transpose()
}

fn unavailable(error: DatabaseError) -> CallError {
    CallError::Unavailable {
        reason: error.to_string(),
        status: None,
        retry_after: None,
    }
}
