//! The shop of the fakes with every message in the hands of the test: delivered as often, as late and in the order that
//! it likes, to services that it kills between any two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sagascope_conventions::{OrderFlow, SagaState};
use serde_json::Value;
use shop_kit::breaker::BreakerPolicy;
use shop_kit::broker::{Message, NewMessage, Place};
use shop_kit::caller::CallError;
use shop_kit::choreography;
use shop_kit::consumer::{Handle, UntilDone};
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::events::StateEvents;
use shop_kit::faults::Switchboard;
use shop_kit::idempotency::Answer;
use shop_kit::inbox;
use shop_kit::order_commands::Command;
use shop_kit::participant::{Hardened, Naive, Part, Participant, Publish, Reacts, subscription};
use shop_kit::problem::Problem;
use shop_kit::profile::Profile;
use shop_kit::retry::RetryPolicy;
use shop_kit::saga::{Policy, SagaRunner};
use tempfile::TempDir;

use super::fakes::{Effects, Peers, Published, word};
use crate::SCHEMA;
use crate::flows;
use crate::flows::messages::OverMessages;
use crate::order::{Item, Status};
use crate::order_saga::{self, AcceptedOrder, OrderSaga};
use crate::order_store;

/// The one order.
pub(super) const ID: &str = "o-1";
const PARTICIPANTS: [&str; 3] = ["inventory", "payments", "shipping"];
/// Deliveries of a message that fails before the test goes on with the next.
const DELIVERIES: u32 = 8;

impl Participant for Peers {
    /// Whether the answer gets lost after the effect.
    type Found = (Self, bool);

    async fn ask(&self, command: Command, _: &Value) -> Result<(Self, bool), Problem> {
        let is_lost = self.begin(word(command)).map_err(problem)?;
        Ok((self.clone(), is_lost))
    }

    fn carry_out(
        _: &Tx<'_>,
        command: Command,
        _: &str,
        _: Value,
        (peers, is_lost): (Self, bool),
        _: &Context,
    ) -> Result<Answer, Problem> {
        let body = peers.act(word(command)).map_err(problem)?;
        if is_lost {
            return Err(Problem::unavailable("the answer got lost"));
        }
        Ok(Answer { status: 201, body })
    }
}

fn problem(error: CallError) -> Problem {
    match error {
        CallError::Refused { problem, .. } => problem,
        other => Problem::unavailable(other.reason()),
    }
}

/// How an order ended, as far as the business is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) order: Status,
    pub(super) saga: SagaState,
    pub(super) effects: Effects,
}

/// The services, each on its own file, and the log of all messages.
pub(super) struct Bus {
    folder: TempDir,
    peers: Peers,
    profile: Profile,
    databases: BTreeMap<&'static str, Database>,
    over_messages: OverMessages,
    runner: Option<SagaRunner>,
    /// Every message there was, and how many of each outbox were taken.
    pub(super) log: Vec<Message>,
    taken: BTreeMap<&'static str, i64>,
    naive: Arc<Published>,
}

impl Bus {
    /// `patience` is for an answer.
    pub(super) fn open(peers: &Peers, patience: Duration) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let profile = Profile {
            call_timeout: patience,
            step_deadline: patience * 4,
            breaker: BreakerPolicy {
                consecutive_failures: 1_000,
                minimum_calls: 1_000,
                ..Profile::demo().breaker
            },
            ..Profile::demo()
        };
        let databases = databases(&folder);
        let over_messages = over_messages(&databases, &profile);
        Self {
            folder,
            peers: peers.clone(),
            profile,
            databases,
            over_messages,
            runner: None,
            log: Vec::new(),
            taken: BTreeMap::new(),
            naive: Arc::default(),
        }
    }

    /// All services die, and start again on what they had committed.
    pub(super) fn restart(&mut self) {
        let ran = self.runner.take().is_some();
        self.databases.clear();
        self.databases = databases(&self.folder);
        self.over_messages = over_messages(&self.databases, &self.profile);
        if ran {
            self.run();
        }
    }

    /// Runs the orchestrator of the third generation from now on.
    pub(super) fn run(&mut self) {
        let wait = Duration::from_millis(1);
        let retry = RetryPolicy {
            attempts: 3,
            base: wait,
            factor: 1,
            cap: wait,
            jitter: 0.0,
        };
        let policy = Policy {
            forward: retry,
            back: RetryPolicy { attempts: 100, ..retry },
        };
        let remote = Arc::new(self.over_messages.clone());
        let saga = OrderSaga::<_, order_saga::Hardened>::new(self.orders().clone(), remote, &self.profile);
        self.runner = Some(SagaRunner::start(self.orders().clone(), Arc::new(saga), policy));
    }

    pub(super) async fn place(&mut self, flow: OrderFlow) {
        let item = Item {
            product_id: "product-1".into(),
            quantity: 2,
            unit_price_minor: 5_000,
        };
        let accepted = AcceptedOrder {
            customer_id: "c-1".into(),
            currency: "EUR".into(),
            items: vec![item],
        };
        let (steps, context) = (order_saga::steps(&self.profile), Context::fresh());
        let work = move |tx: &Tx<'_>| match flow {
            OrderFlow::Broker => flows::broker::start(tx, ID, &accepted, &steps, &context),
            OrderFlow::Choreographed => {
                flows::choreographed::start(tx, ID, &accepted, &steps, &context).map(|()| Vec::new())
            }
            _ => order_saga::start(tx, flow, ID, &accepted, &steps, &context).map(|()| Vec::new()),
        };
        let published: Vec<NewMessage> = self.orders().write(work).await.expect("accepted");
        self.naive.publish_or_lose(published).await;
        self.collect().await;
    }

    /// Takes what the outboxes hold, and what was published beside them.
    pub(super) async fn collect(&mut self) {
        for (service, db) in &self.databases {
            let after = self.taken.get(service).copied().unwrap_or(0);
            let read = move |conn: &rusqlite::Connection| {
                let mut query = conn.prepare(
                    "SELECT number, id, topic, key, event_type, payload, headers FROM outbox WHERE number > ? ORDER BY number",
                )?;
                let rows = query.query_map([after], |row| {
                    let json = |column| row.get::<_, String>(column);
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        json(5)?,
                        json(6)?,
                    ))
                })?;
                Ok::<Vec<(i64, String, String, String, String, String, String)>, DatabaseError>(
                    rows.collect::<Result<_, _>>()?,
                )
            };
            for (number, id, topic, key, event_type, payload, headers) in db.read(read).await.expect("reads") {
                self.taken.insert(service, number);
                let message = NewMessage {
                    id,
                    topic,
                    key,
                    event_type,
                    payload: serde_json::from_str(&payload).expect("json"),
                    headers: serde_json::from_str(&headers).expect("json"),
                };
                self.log.push(delivered(message));
            }
        }
        self.log.extend(self.naive.take().into_iter().map(delivered));
    }

    /// Delivers one message to all who hear its topic, again while it cannot be handled.
    pub(super) async fn deliver(&mut self, message: &Message) {
        let mut message = message.clone();
        for attempt in 1..=DELIVERIES {
            message.attempts = attempt;
            match self.hand_over(&message).await {
                Ok(()) => break,
                Err(error) => assert_eq!(error.is::<UntilDone>(), must_be_done(&message), "{message:?}"),
            }
        }
        self.collect().await;
    }

    async fn hand_over(&self, message: &Message) -> anyhow::Result<()> {
        let topic = message.place.topic.as_str();
        let hears =
            |flow, service| subscription(flow, service).filter(|subscription| subscription.topics.contains(&topic));
        let context = Context::from_headers(&message.headers).caused_by(message.id.clone());
        for service in PARTICIPANTS {
            let db = &self.databases[service];
            let part = Part {
                participant: self.peers.clone(),
                faults: Switchboard::idle(),
                patience: self.profile.call_timeout,
            };
            if hears(OrderFlow::Broker, service).is_some() {
                let naive = Naive::new(part, self.naive.clone());
                naive.handle(db, message.clone(), context.clone()).await?;
            } else if let Some(to) = hears(OrderFlow::Hardened, service) {
                let hardened = Hardened::new(to.group, part);
                hardened.handle(db, message.clone(), context.clone()).await?;
            } else if let Some(to) = hears(OrderFlow::Choreographed, service) {
                let reacts = Reacts::new(service, to.group, part, &self.profile);
                reacts.handle(db, message.clone(), context.clone()).await?;
            }
        }
        let db = self.orders();
        if hears(OrderFlow::Broker, "orders").is_some() {
            let publisher: Arc<dyn Publish> = self.naive.clone();
            let replies = flows::broker::Replies { publisher };
            replies.handle(db, message.clone(), context).await?;
        } else if let Some(to) = hears(OrderFlow::Hardened, "orders") {
            let replies = self.over_messages.replies(to.group);
            replies.handle(db, message.clone(), context).await?;
        } else if topic == choreography::TOPIC {
            let message = message.clone();
            let work = move |tx: &Tx<'_>| {
                if inbox::first_time(tx, "orders.order-choreographed", &message.id)? {
                    flows::choreographed::react(tx, &message, &context)?;
                }
                anyhow::Ok(())
            };
            db.write(work).await?;
        }
        Ok(())
    }

    /// True when there is a message at this place, or comes to be; false once the saga has ended without.
    pub(super) async fn has(&mut self, place: usize) -> bool {
        loop {
            let has_ended = self.runner.is_none() || self.end().await.saga.is_final();
            self.collect().await;
            if place < self.log.len() || has_ended {
                return place < self.log.len();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Delivers what there is in order, each message `times`, until nothing more comes and the saga has ended.
    pub(super) async fn settle(&mut self, from: usize, times: u32) -> End {
        let (mut next, give_up) = (from, tokio::time::Instant::now() + Duration::from_secs(120));
        loop {
            while next < self.log.len() {
                let message = self.log[next].clone();
                for _ in 0..times {
                    self.deliver(&message).await;
                }
                next += 1;
            }
            self.collect().await;
            if next < self.log.len() {
                continue;
            }
            let end = self.end().await;
            if end.saga.is_final() || self.runner.is_none() {
                // What ended it may have told something more.
                self.collect().await;
                if next < self.log.len() {
                    continue;
                }
                return end;
            }
            assert!(tokio::time::Instant::now() < give_up, "still {end:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) async fn end(&self) -> End {
        let read = |conn: &rusqlite::Connection| {
            let order = order_store::load(conn, ID)?;
            Ok::<_, DatabaseError>((order.status, flows::find(conn, ID)?))
        };
        let (order, instance) = self.orders().read(read).await.expect("reads");
        End {
            order,
            saga: instance.expect("is known").state,
            effects: self.peers.effects(),
        }
    }

    /// State events of a service about the saga, as event name and step, in the order in which they were told.
    pub(super) async fn told(&self, service: &'static str) -> Vec<(String, String)> {
        let read = |conn: &rusqlite::Connection| {
            let mut query = conn.prepare("SELECT event FROM state_events ORDER BY number")?;
            let texts: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok::<_, DatabaseError>(texts)
        };
        let texts = self.databases[service].read(read).await.expect("reads");
        texts
            .iter()
            .map(|text| {
                let event: shop_kit::state_events::Event = serde_json::from_str(text).expect("an event");
                let step = match event.attribute("saga.step.name") {
                    Some(shop_kit::state_events::Value::Text(step)) => step.to_string(),
                    _ => String::new(),
                };
                (event.name.to_string(), step)
            })
            .collect()
    }

    pub(super) fn orders(&self) -> &Database {
        &self.databases["orders"]
    }
}

/// Does it cause an undo in a choreographed order, or what follows from its end?
fn must_be_done(message: &Message) -> bool {
    message.place.topic == choreography::TOPIC
        && PARTICIPANTS
            .iter()
            .filter_map(|service| choreography::reaction(service, &message.event_type))
            .any(|reaction| reaction.command.is_undo() || !reaction.is_step)
}

fn databases(folder: &TempDir) -> BTreeMap<&'static str, Database> {
    let open = |service: &'static str, schema: &[&str]| {
        let path = folder.path().join(format!("{service}.sqlite"));
        (
            service,
            Database::open(&path, schema, Switchboard::idle()).expect("opens"),
        )
    };
    let others = PARTICIPANTS.map(|service| open(service, &[]));
    others.into_iter().chain([open("orders", SCHEMA)]).collect()
}

fn over_messages(databases: &BTreeMap<&'static str, Database>, profile: &Profile) -> OverMessages {
    let db = databases["orders"].clone();
    OverMessages::new(db, profile.breaker, profile.call_timeout, &StateEvents::discard())
}

fn delivered(message: NewMessage) -> Message {
    let NewMessage {
        id,
        topic,
        key,
        event_type,
        payload,
        headers,
    } = message;
    Message {
        id,
        place: Place {
            topic,
            partition: 0,
            offset: 0,
        },
        key,
        event_type,
        payload,
        headers,
        published_at: 0,
        attempts: 1,
    }
}
