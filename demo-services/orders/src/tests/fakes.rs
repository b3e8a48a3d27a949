//! A small shop in memory that answers for the peers, keeps count of every effect, and fails on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sagascope_conventions::SagaState;
use serde_json::{Value, json};
use shop_kit::broker::NewMessage;
use shop_kit::caller::CallError;
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::events::StateEvents;
use shop_kit::faults::Switchboard;
use shop_kit::order_commands::{Command, Ordered};
use shop_kit::participant::Publish;
use shop_kit::problem::Problem;
use shop_kit::profile::Profile;
use shop_kit::projection::Projection;
use shop_kit::retry::RetryPolicy;
use shop_kit::saga::{self, Instance, Policy, SagaRunner};
use shop_kit::testing::{TestServer, eventually};
use tempfile::TempDir;

use crate::SCHEMA;
use crate::flows::Boxed;
use crate::flows::sync::SyncOrders;
use crate::http::{Orders, router};
use crate::order::{Item, Order};
use crate::order_saga::{self, AcceptedOrder, OrderSaga};
use crate::order_store;
use crate::prices::Prices;
use crate::read_models::MODELS;
use crate::remote::{Catalog, Remote};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A clear no.
    Refused,
    /// It did not reach the peer.
    Lost,
    /// It took effect; the answer got lost.
    AnswerLost,
    /// It never ends, and did not reach the peer.
    HangsBefore,
    /// It took effect, and never ends.
    HangsAfter,
}

/// Where the goods, the money and the parcel of the one order are: by (peer, what), how often it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    pub(super) reserved: i32,
    pub(super) sold: i32,
    pub(super) captured: i32,
    pub(super) shipped: i32,
}

#[derive(Debug, Default)]
struct Inside {
    effects: Effects,
    /// Undone before or after: no late step may act any more.
    closed: BTreeMap<&'static str, bool>,
    trouble: BTreeMap<&'static str, (Trouble, u32)>,
    calls: Vec<&'static str>,
}

/// The peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers(Arc<Mutex<Inside>>);

impl Peers {
    /// The next `times` calls of this kind go wrong.
    pub(super) fn trouble(&self, call: &'static str, trouble: Trouble, times: u32) -> &Self {
        self.lock().trouble.insert(call, (trouble, times));
        self
    }

    /// Everything works again.
    pub(super) fn heal(&self) {
        self.lock().trouble.clear();
    }

    pub(super) fn effects(&self) -> Effects {
        self.lock().effects.clone()
    }

    /// Calls in order, repeats left out.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        let mut calls = self.lock().calls.clone();
        calls.dedup();
        calls
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses or fails before the effect; otherwise whether the answer will get lost after it.
    pub(super) fn begin(&self, call: &'static str) -> Result<bool, CallError> {
        match self.lock().next_trouble(call) {
            None => Ok(false),
            Some(Trouble::Refused) => Err(refused(call)),
            Some(Trouble::AnswerLost | Trouble::HangsAfter) => Ok(true),
            Some(Trouble::Lost | Trouble::HangsBefore) => Err(unavailable()),
        }
    }

    /// The effect.
    pub(super) fn act(&self, call: &'static str) -> Result<Value, CallError> {
        self.lock().act(call)
    }

    async fn answer(&self, call: &'static str) -> Result<Value, CallError> {
        let trouble = self.lock().next_trouble(call);
        match trouble {
            None => self.lock().act(call),
            Some(Trouble::Refused) => Err(refused(call)),
            Some(Trouble::Lost) => Err(unavailable()),
            Some(Trouble::AnswerLost) => self.lock().act(call).and(Err(unavailable())),
            Some(Trouble::HangsBefore) => std::future::pending().await,
            Some(Trouble::HangsAfter) => {
                self.lock().act(call)?;
                std::future::pending().await
            }
        }
    }
}

impl Inside {
    fn next_trouble(&mut self, call: &'static str) -> Option<Trouble> {
        self.calls.push(call);
        let (trouble, left) = self.trouble.get_mut(call)?;
        *left = left.checked_sub(1)?;
        Some(*trouble)
    }

    /// Does what the real peers do: a repeat changes nothing, an undo shuts the door behind it.
    fn act(&mut self, call: &'static str) -> Result<Value, CallError> {
        let closed = |inside: &Self, what| inside.closed.get(what).copied().unwrap_or(false);
        match call {
            "reserve" | "sell" if closed(self, "reserve") => return Err(refused("released")),
            "charge" if closed(self, "charge") => return Err(refused("undone")),
            "ship" if closed(self, "ship") => return Err(refused("cancelled")),
            "reserve" if self.effects.sold == 0 => self.effects.reserved = 1,
            "reserve" => {}
            "sell" => (self.effects.reserved, self.effects.sold) = (0, 1),
            "charge" => self.effects.captured = 1,
            "ship" => self.effects.shipped = 1,
            "release" => {
                (self.effects.reserved, self.effects.sold) = (0, 0);
                self.closed.insert("reserve", true);
            }
            "refund" => {
                self.effects.captured = 0;
                self.closed.insert("charge", true);
            }
            _ => {
                self.effects.shipped = 0;
                self.closed.insert("ship", true);
            }
        }
        Ok(json!({ "tracking_number": "SG1" }))
    }
}

impl Catalog for Peers {
    async fn read(&self, path: &str) -> Result<Value, CallError> {
        match path.rsplit('/').next() {
            Some("product-404") => Err(refused_with(404, "not_found")),
            Some("product-503") => Err(unavailable()),
            Some("product-2") => Ok(json!({ "price_minor": 3_000, "currency": "EUR" })),
            _ => Ok(json!({ "price_minor": 5_000, "currency": "EUR" })),
        }
    }
}

impl Remote for Peers {
    async fn ask(&self, command: Command, _: &Ordered, _: &str) -> Result<Value, CallError> {
        self.answer(word(command)).await
    }
}

/// What the tests call a command.
pub(super) const fn word(command: Command) -> &'static str {
    match command {
        Command::ReserveItems => "reserve",
        Command::ChargePayment => "charge",
        Command::ShipOrder => "ship",
        Command::SellItems => "sell",
        Command::ReleaseItems => "release",
        Command::RefundPayment => "refund",
        Command::CancelShipment => "cancel_shipment",
    }
}

fn refused(code: &str) -> CallError {
    refused_with(409, code)
}

fn refused_with(status: u16, code: &str) -> CallError {
    let status = http::StatusCode::from_u16(status).expect("a status");
    CallError::Refused {
        status: status.as_u16(),
        problem: Problem::new(status, code, "no"),
    }
}

fn unavailable() -> CallError {
    CallError::Unavailable {
        reason: "connection reset".into(),
        status: None,
        retry_after: None,
    }
}

/// What was handed to the broker.
#[derive(Debug, Default)]
pub(super) struct Published(Mutex<Vec<NewMessage>>);

impl Published {
    pub(super) fn types(&self) -> Vec<String> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().map(|message| message.event_type.clone()).collect()
    }

    /// Takes all.
    pub(super) fn take(&self) -> Vec<NewMessage> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Publish for Published {
    fn publish_or_lose(&self, messages: Vec<NewMessage>) -> Boxed<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(messages);
        Box::pin(async {})
    }
}

/// The service's own half, in a folder that outlives it.
pub(super) struct Shop {
    pub(super) db: Database,
    pub(super) saga: Arc<OrderSaga<Peers>>,
    pub(super) published: Arc<Published>,
    runner: Option<SagaRunner>,
    _read_models: Vec<Projection>,
}

/// Opens, or opens again.
pub(super) fn open(folder: &TempDir, peers: &Peers) -> Shop {
    let db = Database::open(&folder.path().join("orders.sqlite"), SCHEMA, Switchboard::idle()).expect("opens");
    let profile = Profile {
        step_deadline: Duration::from_secs(1),
        ..Profile::demo()
    };
    let saga = Arc::new(OrderSaga::new(db.clone(), Arc::new(peers.clone()), &profile));
    let read_models = MODELS.iter().map(|&model| Projection::of(model, db.clone())).collect();
    Shop {
        db,
        saga,
        published: Arc::default(),
        runner: None,
        _read_models: read_models,
    }
}

impl Shop {
    /// Runs sagas from now on, with waits of a millisecond.
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
            back: RetryPolicy { attempts: 5, ..retry },
        };
        self.runner = Some(SagaRunner::start(self.db.clone(), self.saga.clone(), policy));
    }

    pub(super) async fn serve(&self, peers: &Peers) -> TestServer {
        let prices = Arc::new(Prices::new(Arc::new(peers.clone())));
        let steps = order_saga::steps(&Profile::demo());
        let inline = SyncOrders {
            db: self.db.clone(),
            remote: Arc::new(peers.clone()),
            steps,
            events: StateEvents::discard(),
        };
        TestServer::start(router(Orders {
            db: self.db.clone(),
            prices,
            steps,
            inline: Arc::new(inline),
            publisher: self.published.clone(),
        }))
        .await
    }

    /// Starts the saga of one order, as `POST /api/v1/orders` does.
    pub(super) async fn place(&self, id: &'static str) {
        let items = vec![Item {
            product_id: "product-1".into(),
            quantity: 2,
            unit_price_minor: 5_000,
        }];
        let accepted = AcceptedOrder {
            customer_id: "c-1".into(),
            currency: "EUR".into(),
            items,
        };
        let saga = self.saga.clone();
        self.db
            .write(move |tx| saga::start(tx, &*saga, id, &accepted, &Context::fresh()))
            .await
            .expect("started");
    }

    pub(super) async fn instance(&self, id: &'static str) -> Option<Instance> {
        self.db
            .read(move |conn| saga::find(conn, "order", id))
            .await
            .expect("reads")
    }

    pub(super) async fn order(&self, id: &'static str) -> Order {
        self.db
            .read(move |conn| order_store::load(conn, id))
            .await
            .expect("reads")
    }

    /// Waits for the end of a saga.
    pub(super) async fn ended(&self, id: &'static str) -> Instance {
        let ended = || async { self.instance(id).await.filter(|instance| instance.state.is_final()) };
        eventually("the end of the saga", ended).await
    }

    /// Messages in the outbox, by type.
    pub(super) async fn told(&self) -> Vec<String> {
        let read = |conn: &rusqlite::Connection| {
            let mut query = conn.prepare("SELECT event_type FROM outbox ORDER BY rowid")?;
            let told = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok::<_, shop_kit::database::DatabaseError>(told)
        };
        self.db.read(read).await.expect("reads")
    }
}

/// Steps by name, in the state given.
pub(super) fn is_final_as(instance: &Instance, state: SagaState) {
    assert_eq!(instance.state, state, "{:?}: {:#?}", instance.reason, instance.steps);
}
