//! One visit: look around, order one to three products, and one visitor in ten waits for the end.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use sagascope_conventions::FlowMix;
use serde_json::{Value, json};
use shop_kit::caller::{CallError, Caller};
use shop_kit::context::{self, Context};
use shop_kit::day::Day;
use shop_kit::telemetry::{SpanKind, span};
use tokio::time::Instant;

use crate::members::{Members, Pass};
use crate::trip::Trip;

/// Products of the assortment; the first ones are the popular ones.
const PRODUCTS: u32 = 24;
const POPULAR: u32 = 6;
/// Customers that come back.
const CUSTOMERS: u32 = 500;
/// One visitor in so many looks the order up until it has ended.
const PATIENT: u32 = 10;
/// One visitor in so many fills a cart first.
const CART: u32 = 5;
/// How often, and how many times, a patient visitor looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS: u32 = 20;
const CATEGORIES: [&str; 5] = ["kitchen", "office", "outdoor", "home", "games"];

/// How a visit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// The order was accepted; its end was not waited for.
    Accepted,
    /// The order was confirmed.
    Confirmed,
    /// The order was cancelled.
    Cancelled,
    /// The shop refused it, or could not be reached.
    Failed,
    /// The visitor left before the order had ended.
    Left,
}

impl Visit {
    /// Its word in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Left => "left",
        }
    }
}

/// What a visitor wants; follows from the dice alone.
#[derive(Clone, Debug, PartialEq)]
struct Wish {
    key: String,
    look_at: String,
    order: Value,
    patient: bool,
    fills_a_cart: bool,
    trip: Option<Trip>,
}

impl Wish {
    fn roll(dice: &mut StdRng, today: Day, flows: FlowMix) -> Self {
        let customer_id = format!("customer-{}", dice.random_range(1..=CUSTOMERS));
        let lines = dice.random_range(1..=3);
        let items: Vec<Value> = (0..lines)
            .map(|_| json!({ "product_id": product(dice), "quantity": dice.random_range(1..=3) }))
            .collect();
        Self {
            key: format!(
                "visit-{:032x}",
                u128::from(dice.next_u64()) << 64 | u128::from(dice.next_u64())
            ),
            look_at: look(dice),
            order: json!({ "customer_id": customer_id, "items": items, "flow": flows.pick(dice.next_u64()) }),
            patient: dice.random_range(0..PATIENT) == 0,
            fills_a_cart: dice.random_range(0..CART) == 0,
            trip: Trip::roll(dice, &customer_id, today),
        }
    }

    /// It is a member's wish.
    fn sign(&mut self, user_id: &str) {
        self.order["customer_id"] = user_id.into();
        if let Some(trip) = &mut self.trip {
            trip.booking["customer_id"] = user_id.into();
        }
    }
}

/// Two of three pieces are popular ones, as in most shops.
fn product(dice: &mut StdRng) -> String {
    let last = if dice.random_range(0..3) < 2 { POPULAR } else { PRODUCTS };
    format!("product-{}", dice.random_range(1..=last))
}

fn look(dice: &mut StdRng) -> String {
    match dice.random_range(0..3) {
        0 => format!("/api/v1/products/{}", product(dice)),
        1 => format!(
            "/api/v1/products?category={}",
            CATEGORIES[dice.random_range(0..CATEGORIES.len())]
        ),
        _ => "/api/v1/products/search?q=steel".to_owned(),
    }
}

/// The shop, through its one door.
#[derive(Clone)]
pub(crate) struct Shop {
    gateway: Caller,
    members: Members,
    process: Arc<str>,
}

impl Shop {
    /// Behind this caller. `process` is new with each start: a seed that begins again places new orders, instead of
    /// being answered with those of the last time.
    pub(crate) const fn new(gateway: Caller, members: Members, process: Arc<str>) -> Self {
        Self {
            gateway,
            members,
            process,
        }
    }

    /// One visit from door to door, in a trace and under a correlation id of its own.
    pub(crate) async fn visit(&self, mut dice: StdRng, flows: FlowMix) -> Visit {
        let mut wish = Wish::roll(&mut dice, Day::today(), flows);
        let pass = self.members.next(Instant::now());
        if let Some(pass) = &pass {
            wish.sign(&pass.user_id);
        }
        context::scope(Context::fresh(), async {
            let span = span("visit", SpanKind::Internal, Vec::new());
            span.run(self.shop_for(wish, pass.as_ref())).await
        })
        .await
    }

    async fn shop_for(&self, wish: Wish, pass: Option<&Pass>) -> Visit {
        // Looking around may fail without spoiling the visit: the order is what counts.
        let _ = self.get(&wish.look_at, pass).await;
        let key = format!("{}-{}", self.process, wish.key);
        let placed = match wish.fills_a_cart {
            true => self.fill_and_check_out(&wish, &key, pass).await,
            false => self.post("/api/v1/orders", &wish.order, &key, pass).await,
        };
        if let Some(trip) = &wish.trip {
            // Beside the order, and like looking around it may fail without spoiling the visit.
            let _ = self.post(trip.path, &trip.booking, &key, pass).await;
        }
        let Ok(placed) = placed else { return Visit::Failed };
        match placed["status"].as_str() {
            // The first generation answers when all is done.
            Some("confirmed") => return Visit::Confirmed,
            Some("cancelled") => return Visit::Cancelled,
            _ => {}
        }
        match placed["status_url"].as_str() {
            Some(url) if wish.patient => self.wait_for_the_end(url, pass).await,
            _ => Visit::Accepted,
        }
    }

    /// One thing after another into the cart, and then all of it.
    async fn fill_and_check_out(&self, wish: &Wish, key: &str, pass: Option<&Pass>) -> Result<Value, CallError> {
        let cart = format!(
            "/api/v1/carts/{}",
            wish.order["customer_id"].as_str().unwrap_or_default()
        );
        let items = wish.order["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            self.post(&format!("{cart}/items"), item, &format!("{key}-{index}"), pass)
                .await?;
        }
        let command = json!({ "flow": wish.order["flow"] });
        self.post(&format!("{cart}/checkout"), &command, key, pass).await
    }

    async fn wait_for_the_end(&self, url: &str, pass: Option<&Pass>) -> Visit {
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(order) = self.get(url, pass).await else {
                continue;
            };
            match order["status"].as_str() {
                Some("confirmed") => return Visit::Confirmed,
                Some("cancelled") => return Visit::Cancelled,
                _ => {}
            }
        }
        Visit::Left
    }

    async fn get(&self, path: &str, pass: Option<&Pass>) -> Result<Value, CallError> {
        let answer = self
            .gateway
            .send_with(Method::GET, path, None::<&()>, None, shown(pass));
        answer.await?.json()
    }

    async fn post(&self, path: &str, body: &Value, key: &str, pass: Option<&Pass>) -> Result<Value, CallError> {
        let answer = self
            .gateway
            .send_with(Method::POST, path, Some(body), Some(key), shown(pass));
        answer.await?.json()
    }
}

fn shown(pass: Option<&Pass>) -> Vec<(&'static str, String)> {
    let header = |pass: &Pass| ("authorization", pass.authorization.clone());
    pass.map(header).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn day() -> Day {
        Day::parse("2027-01-04").unwrap()
    }

    #[test]
    fn a_seed_tells_every_wish() {
        let wishes = |seed: u64| {
            let mut dice = StdRng::seed_from_u64(seed);
            (0..50)
                .map(|_| Wish::roll(&mut dice, day(), FlowMix::default()))
                .collect::<Vec<_>>()
        };
        assert_eq!(wishes(7), wishes(7));
        assert_ne!(wishes(7), wishes(8));
    }

    #[test]
    fn every_wish_can_be_ordered() {
        let mut dice = StdRng::seed_from_u64(1);
        for _ in 0..1_000 {
            let wish = Wish::roll(&mut dice, day(), FlowMix::default());
            let items = wish.order["items"].as_array().unwrap();
            assert!((1..=3).contains(&items.len()));
            for item in items {
                let number: u32 = item["product_id"]
                    .as_str()
                    .unwrap()
                    .trim_start_matches("product-")
                    .parse()
                    .unwrap();
                assert!((1..=PRODUCTS).contains(&number));
                assert!((1..=3).contains(&item["quantity"].as_u64().unwrap()));
            }
        }
    }
}
