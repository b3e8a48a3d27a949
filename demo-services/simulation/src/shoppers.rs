//! Customers: they place orders and book trips under keys, ask again until they are answered, and remember what they
//! were told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sagascope_conventions::OrderFlow;
use serde_json::{Value, json};
use shop_kit::caller::IDEMPOTENCY_HEADER;
use shop_kit::topology::Topology;
use shop_kit::transport::Transport;

use crate::network::Network;
use crate::story::Story;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two attempts, milliseconds.
const AGAIN_MS: std::ops::RangeInclusive<u64> = 300..=1_500;
/// Ways of an order that keep its promises under any trouble; the two oldest are there to break them.
pub(crate) const WHOLE: [OrderFlow; 3] = [OrderFlow::EventSourced, OrderFlow::Hardened, OrderFlow::Choreographed];
/// Longest answer read.
const LONGEST: usize = 1 << 20;

/// Rooms that all want, and the days on which they want them: some must be refused.
const ROOMS: std::ops::RangeInclusive<u32> = 2..=4;
const JUNE_DAYS: std::ops::RangeInclusive<u32> = 10..=13;
/// There are four convertibles, and enough vans.
const CLASSES: [&str; 2] = ["convertible", "van"];

/// What is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Goods.
    Order,
    /// A room, and a car perhaps, step by step.
    Trip,
    /// The same by two-phase commit.
    TripAtOnce,
}

impl What {
    /// Where it is sold, and under which path.
    const fn counter(self) -> (&'static str, &'static str) {
        match self {
            Self::Order => ("orders", "/api/v1/orders"),
            Self::Trip => ("booking", "/api/v1/bookings"),
            Self::TripAtOnce => ("booking", "/api/v1/bookings?protocol=2pc"),
        }
    }
}

/// One order, or one trip, as its customer saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Purchase {
    /// Idempotency key.
    pub(crate) key: String,
    /// What was sent.
    pub(crate) body: Value,
    /// Clear answers to exactly that, in order.
    pub(crate) answers: Vec<(u16, Value)>,
    /// Clear answers to another body under the same key.
    pub(crate) answers_to_another: Vec<u16>,
    /// Clear answer to the wish to cancel.
    pub(crate) cancelled: Option<u16>,
}

impl Purchase {
    /// The order, or the booking, that it became.
    pub(crate) fn id(&self) -> Option<&str> {
        self.ids().next()
    }

    /// All that it became, when repeats are not recognised.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let taken = self.answers.iter().filter(|(status, _)| matches!(status, 201 | 202));
        taken.filter_map(|(_, body)| body["order_id"].as_str().or(body["booking_id"].as_str()))
    }
}

/// What all customers remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<Purchase>>>);

impl Memory {
    fn keep(&self, purchase: Purchase) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(purchase);
    }

    /// Purchases that are over, in the order in which they ended.
    pub(crate) fn purchases(&self) -> Vec<Purchase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A customer with one wish.
pub(crate) struct Shopper {
    transport: Transport,
    base: String,
    dice: StdRng,
    story: Story,
    what: What,
    number: u32,
    /// Of a script: the way of the order, and nothing but the order.
    flow: Option<OrderFlow>,
    /// The ways among which they choose.
    flows: Vec<OrderFlow>,
    /// Of a trial: exactly this trip, and nothing but the trip.
    trip: Option<Value>,
}

impl Shopper {
    /// Wants goods.
    pub(crate) fn new(number: u32, seed: u64, flow: Option<OrderFlow>, network: &Network, story: Story) -> Self {
        let dice = StdRng::seed_from_u64(seed ^ (u64::from(number) << 32));
        Self::at_counter(What::Order, number, dice, flow, network, story)
    }

    /// Wants to travel; every other one at once.
    pub(crate) fn traveller(number: u32, seed: u64, network: &Network, story: Story) -> Self {
        let what = [What::TripAtOnce, What::Trip][number as usize % 2];
        let dice = StdRng::seed_from_u64(!seed ^ (u64::from(number) << 32));
        Self::at_counter(what, number, dice, None, network, story)
    }

    /// Wants this trip at once.
    pub(crate) fn traveller_with(trip: Value, network: &Network, story: Story) -> Self {
        Self {
            trip: Some(trip),
            ..Self::traveller(2, 1, network, story)
        }
    }

    fn at_counter(
        what: What,
        number: u32,
        dice: StdRng,
        flow: Option<OrderFlow>,
        network: &Network,
        story: Story,
    ) -> Self {
        let topology = Topology::new(shop_kit::service::Settings::default().port_base);
        Self {
            transport: network.transport("shopper"),
            base: topology.url(what.counter().0).expect("it has a port"),
            dice,
            story,
            what,
            number,
            flow,
            flows: WHOLE.to_vec(),
            trip: None,
        }
    }

    /// Chooses among these ways.
    pub(crate) fn among(self, flows: &[OrderFlow]) -> Self {
        Self {
            flows: flows.to_vec(),
            ..self
        }
    }

    /// Buys, and some customers do more: ask once more, reuse the key, change their mind.
    pub(crate) async fn shop(mut self, memory: Memory) {
        let (who, key, body) = match self.what {
            What::Order => ("shopper", "key", self.order()),
            What::Trip | What::TripAtOnce => ("traveller", "trip", self.trip()),
        };
        let mut purchase = Purchase {
            key: format!("{key}-{}", self.number),
            body,
            ..Purchase::default()
        };
        let first = self.place(&purchase.key, &purchase.body.clone()).await;
        self.story
            .tell(format_args!("{who} {} was answered {}", self.number, first.0));
        purchase.answers.push(first);
        if self.flow.is_some() || self.trip.is_some() {
            return memory.keep(purchase);
        }
        if self.dice.random_bool(0.3)
            && self.what == What::Order
            && let Some(id) = purchase.id().map(str::to_owned)
        {
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(0..=1_500))).await;
            let path = format!("/api/v1/orders/{id}/cancel");
            let (status, _) = self.insist(&path, None, &json!({ "reason": "changed my mind" })).await;
            purchase.cancelled = Some(status);
        }
        if self.dice.random_bool(0.3) {
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(0..=5_000))).await;
            purchase
                .answers
                .push(self.place(&purchase.key, &purchase.body.clone()).await);
        }
        if self.dice.random_bool(0.2) {
            let mut other = purchase.body.clone();
            other["customer_id"] = json!("somebody-else");
            purchase
                .answers_to_another
                .push(self.place(&purchase.key, &other).await.0);
        }
        memory.keep(purchase);
    }

    fn order(&mut self) -> Value {
        let items: Vec<Value> = (0..self.dice.random_range(1..=3))
            .map(|_| {
                let (product, quantity) = (self.dice.random_range(1..=6), self.dice.random_range(1..=5));
                json!({ "product_id": format!("product-{product}"), "quantity": quantity })
            })
            .collect();
        let free = self.flows[self.dice.random_range(0..self.flows.len())];
        let flow = self.flow.unwrap_or(free);
        json!({ "customer_id": format!("customer-{}", self.number % 5), "items": items, "flow": flow })
    }

    fn trip(&mut self) -> Value {
        if let Some(trip) = &self.trip {
            return trip.clone();
        }
        let car = self.dice.random_bool(0.8).then(|| {
            let class = CLASSES[usize::from(self.dice.random_bool(0.2))];
            json!({ "class": class, "optional": self.dice.random_bool(0.3) })
        });
        json!({
            "customer_id": format!("customer-{}", self.number % 5),
            "room_id": format!("hotel-1-room-{}", self.dice.random_range(ROOMS)),
            "arrival": format!("2026-06-{}", self.dice.random_range(JUNE_DAYS)),
            "nights": self.dice.random_range(1..=2),
            "car": car,
        })
    }

    async fn place(&mut self, key: &str, body: &Value) -> (u16, Value) {
        self.insist(self.what.counter().1, Some(key), body).await
    }

    /// Asks until there is a clear answer.
    async fn insist(&mut self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        loop {
            if let Some((status, answer)) = self.ask(path, key, body).await
                && status < 500
                && status != 429
            {
                return (status, answer);
            }
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(AGAIN_MS))).await;
        }
    }

    async fn ask(&self, path: &str, key: Option<&str>, body: &Value) -> Option<(u16, Value)> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_HEADER, key);
        }
        let request = request.body(Bytes::from(body.to_string())).expect("a request");
        let answer = tokio::time::timeout(PATIENCE, self.transport.exchange(request, LONGEST)).await;
        let answer = answer.ok()?.ok()?;
        let status = answer.status().as_u16();
        Some((status, serde_json::from_slice(answer.body()).unwrap_or_default()))
    }
}
