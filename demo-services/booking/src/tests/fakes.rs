//! Hotels, cars and a bank in memory that answer for the peers, keep count of every effect, and fail on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use shop_kit::caller::CallError;
use shop_kit::context::Context;
use shop_kit::database::Database;
use shop_kit::day::Day;
use shop_kit::faults::Switchboard;
use shop_kit::problem::Problem;
use shop_kit::profile::Profile;
use shop_kit::retry::RetryPolicy;
use shop_kit::saga::{self, Instance, Policy, SagaRunner};
use shop_kit::testing::{TestServer, eventually};
use tempfile::TempDir;

use crate::booking::Booking;
use crate::booking_saga::{BookingSaga, NAME};
use crate::booking_store;
use crate::http::{Bookings, router};
use crate::place_booking::{CarWish, PlaceBooking};
use crate::remote::{Peer, Remote};
use crate::two_phase::{self, Coordinator, Transaction};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A clear no, with this code.
    Refused(&'static str),
    /// It did not reach the peer.
    Lost,
    /// It took effect; the answer got lost.
    AnswerLost,
    /// It never ends, and did not reach the peer.
    HangsBefore,
    /// It took effect, and never ends.
    HangsAfter,
}

/// What one booking holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    pub(super) room: Held,
    pub(super) car: Held,
    /// Held on the card.
    pub(super) held_minor: i64,
    /// Captured and not refunded.
    pub(super) paid_minor: i64,
}

/// How a room or a car is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Held {
    #[default]
    Free,
    /// Voted yes.
    Prepared,
    Reserved,
    Confirmed,
}

#[derive(Debug, Default)]
struct Inside {
    effects: Effects,
    /// Who has the room, or its lock.
    guest: Option<String>,
    /// Undone before or after: no late step may act any more.
    closed: BTreeSet<(String, &'static str)>,
    trouble: BTreeMap<&'static str, (Trouble, u32)>,
    calls: Vec<&'static str>,
}

/// The peers, for bookings of one room.
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
        self.lock().effects
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
}

impl Inside {
    fn next_trouble(&mut self, call: &'static str) -> Option<Trouble> {
        self.calls.push(call);
        let (trouble, left) = self.trouble.get_mut(call)?;
        *left = left.checked_sub(1)?;
        Some(*trouble)
    }

    /// Does what the real peers do: a repeat changes nothing, an undo shuts the door behind it.
    fn act(&mut self, call: &'static str, id: &str, body: &Value) -> Result<Value, &'static str> {
        let door = call.split_once(' ').map_or(call, |(_, what)| what);
        if let Some(guest) = self.guest.as_ref().filter(|guest| *guest != id) {
            assert!(
                matches!(call, "reserve room" | "prepare room"),
                "{guest} has the room, {id} comes to {call}"
            );
            let locked = self.effects.room == Held::Prepared;
            return Err(if locked { "in_doubt" } else { "no_room" });
        }
        let undoes = ["release", "refund", "abort"].iter().any(|word| call.starts_with(word));
        if !undoes && self.closed.contains(&(id.to_owned(), door)) {
            return Err("released");
        }
        if door == "room" {
            self.guest = (!undoes).then(|| id.to_owned());
        }
        let effects = &mut self.effects;
        match call {
            "prepare room" if effects.room == Held::Free => effects.room = Held::Prepared,
            "prepare car" if effects.car == Held::Free => effects.car = Held::Prepared,
            "prepare money" if effects.paid_minor == 0 => effects.held_minor = amount(body),
            "commit room" => effects.room = Held::Confirmed,
            "commit car" => effects.car = Held::Confirmed,
            "commit money" if effects.held_minor > 0 => {
                (effects.held_minor, effects.paid_minor) = (0, effects.held_minor);
            }
            "abort room" => effects.room = Held::Free,
            "abort car" => effects.car = Held::Free,
            "abort money" => (effects.held_minor, effects.paid_minor) = (0, 0),
            "reserve room" if effects.room == Held::Free => effects.room = Held::Reserved,
            "reserve car" if effects.car == Held::Free => effects.car = Held::Reserved,
            "confirm room" => effects.room = Held::Confirmed,
            "confirm car" => effects.car = Held::Confirmed,
            "charge" => effects.paid_minor = amount(body),
            "release room" => effects.room = Held::Free,
            "release car" => effects.car = Held::Free,
            "refund" => effects.paid_minor = 0,
            _ => {}
        }
        if undoes {
            self.closed.insert((id.to_owned(), door));
        }
        if call == "refund" {
            self.closed.insert((id.to_owned(), "charge"));
        }
        let total_minor = if door == "car" { 7_000 } else { 14_200 };
        Ok(json!({ "total_minor": total_minor, "currency": "EUR" }))
    }
}

impl Remote for Peers {
    async fn post(&self, peer: Peer, path: &str, _: &str, body: &Value) -> Result<Value, CallError> {
        let mut parts = path.rsplit('/');
        let (last, before) = (parts.next(), parts.next().unwrap_or_default());
        let id = body["reservation_id"]
            .as_str()
            .or(body["order_id"].as_str())
            .unwrap_or(before);
        let call = match (peer, last) {
            (Peer::Hotels, Some("prepare")) => "prepare room",
            (Peer::Hotels, Some("commit")) => "commit room",
            (Peer::Hotels, Some("abort")) => "abort room",
            (Peer::Cars, Some("prepare")) => "prepare car",
            (Peer::Cars, Some("commit")) => "commit car",
            (Peer::Cars, Some("abort")) => "abort car",
            (Peer::Payments, Some("prepare")) => "prepare money",
            (Peer::Payments, Some("commit")) => "commit money",
            (Peer::Payments, Some("abort")) => "abort money",
            (Peer::Hotels, Some("release")) => "release room",
            (Peer::Hotels, Some("confirm")) => "confirm room",
            (Peer::Hotels, _) => "reserve room",
            (Peer::Cars, Some("release")) => "release car",
            (Peer::Cars, Some("confirm")) => "confirm car",
            (Peer::Cars, _) => "reserve car",
            (Peer::Payments, Some("refunds")) => "refund",
            (Peer::Payments, _) => "charge",
        };
        let trouble = self.lock().next_trouble(call);
        match trouble {
            None => self.lock().act(call, id, body).map_err(refused),
            Some(Trouble::Refused(code)) => Err(refused(code)),
            Some(Trouble::Lost) => Err(unavailable()),
            Some(Trouble::AnswerLost) => self.lock().act(call, id, body).map_err(refused).and(Err(unavailable())),
            Some(Trouble::HangsBefore) => std::future::pending().await,
            Some(Trouble::HangsAfter) => {
                self.lock().act(call, id, body).map_err(refused)?;
                std::future::pending().await
            }
        }
    }
}

fn amount(body: &Value) -> i64 {
    body["amount_minor"].as_i64().expect("an amount")
}

fn refused(code: &str) -> CallError {
    CallError::Refused {
        status: 409,
        problem: Problem::conflict(code, "no"),
    }
}

fn unavailable() -> CallError {
    CallError::Unavailable {
        reason: "connection reset".into(),
        status: None,
        retry_after: None,
    }
}

/// A room for two nights, and a car.
pub(super) fn wish(car: Option<bool>) -> PlaceBooking {
    let class = "van".to_owned();
    PlaceBooking {
        customer_id: "c-1".into(),
        room_id: "hotel-1-room-2".into(),
        arrival: Day::today().plus(7),
        nights: 2,
        car: car.map(|optional| CarWish { class, optional }),
    }
}

/// The service's own half, in a folder that outlives it.
pub(super) struct Desk {
    pub(super) db: Database,
    pub(super) saga: Arc<BookingSaga<Peers>>,
    pub(super) faults: Switchboard,
    peers: Arc<Peers>,
    profile: Profile,
    runner: Option<(SagaRunner, Coordinator)>,
}

/// Opens, or opens again.
pub(super) fn open(folder: &TempDir, peers: &Peers) -> Desk {
    let path = folder.path().join("booking.sqlite");
    let (schema, faults) = ([booking_store::SCHEMA, two_phase::SCHEMA], Switchboard::idle());
    let db = Database::open(&path, &schema, faults.clone()).expect("opens");
    let profile = Profile {
        step_deadline: Duration::from_secs(1),
        ..Profile::demo()
    };
    let peers = Arc::new(peers.clone());
    let saga = Arc::new(BookingSaga::new(db.clone(), peers.clone(), &profile));
    Desk {
        db,
        saga,
        faults,
        peers,
        profile,
        runner: None,
    }
}

impl Desk {
    /// Runs sagas and transactions from now on, with waits of a millisecond.
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
        self.runner = Some((
            SagaRunner::start(self.db.clone(), self.saga.clone(), policy),
            Coordinator::start(self.db.clone(), self.peers.clone(), &self.profile),
        ));
    }

    pub(super) async fn serve(&self) -> TestServer {
        TestServer::start(router(Bookings {
            db: self.db.clone(),
            saga: self.saga.clone(),
        }))
        .await
    }

    /// Starts the saga of one booking, as `POST /api/v1/bookings` does.
    pub(super) async fn place(&self, id: &'static str, wish: PlaceBooking) {
        let saga = self.saga.clone();
        self.db
            .write(move |tx| saga::start(tx, &*saga, id, &wish, &Context::fresh()))
            .await
            .expect("started");
    }

    /// Begins the two-phase commit of one booking, as `POST /api/v1/bookings?protocol=2pc` does.
    pub(super) async fn begin(&self, id: &'static str, wish: PlaceBooking) {
        self.db
            .write(move |tx| two_phase::begin(tx, id, &wish, &Context::fresh()))
            .await
            .expect("begun");
    }

    /// A transaction as it stands.
    pub(super) async fn transaction(&self, id: &'static str) -> Transaction {
        let found = self.db.read(move |conn| two_phase::find(conn, id)).await;
        found.expect("reads").expect("a transaction")
    }

    /// Waits for the end of a transaction.
    pub(super) async fn finished(&self, id: &'static str) -> Transaction {
        let finished = || async {
            let transaction = self.transaction(id).await;
            transaction.state.is_final().then_some(transaction)
        };
        eventually("the end of the transaction", finished).await
    }

    pub(super) async fn booking(&self, id: &'static str) -> Booking {
        let found = self.db.read(move |conn| booking_store::find(conn, id)).await;
        found.expect("reads").expect("a booking")
    }

    /// Waits for the end of a saga.
    pub(super) async fn ended(&self, id: &'static str) -> Instance {
        let ended = || async {
            let found = self.db.read(move |conn| saga::find(conn, NAME, id)).await;
            found.expect("reads").filter(|instance| instance.state.is_final())
        };
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
