//! A seeded stream of wishes to order at a steady rate, placed by clients that ask once more when they get no answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::cluster::Cluster;
use super::fates::{Fate, Fates, Order, judge};

/// Products of the assortment.
const PRODUCTS: u32 = 24;
/// How often a client is asked for, and how long it waits before asking again.
const ATTEMPTS: u32 = 2;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// One wish in so many is watched closely until its order has ended, and of a fast load no more than so many a second:
/// watchers ask so often that they would be most of what the shop does.
const WATCHED: u32 = 4;
const WATCHED_PER_SECOND: f64 = 8.0;
const MALFORMED: u16 = 400;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const WATCH_FOR: Duration = Duration::from_secs(20);
/// Between two lines of progress.
const TELL_EVERY: Duration = Duration::from_secs(4);

/// What is asked of the shop.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) seed: u64,
    /// Name of the flow, as the orders service knows it.
    pub(super) flow: &'static str,
    pub(super) per_second: f64,
    pub(super) duration: Duration,
}

/// One wish with what its client saw.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Nobody else orders under this name, so that all orders of the wish can be found.
    pub(super) customer: String,
    /// From the first request to the answer that the client kept; none when it got no answer.
    pub(super) answered_after: Option<Duration>,
    /// That answer was a success.
    pub(super) accepted: bool,
    /// From the answer until the read model showed the end of the order; of watched wishes.
    pub(super) visible_after: Option<Duration>,
    /// From the end of the order in the event store until the read model showed it; of watched wishes.
    pub(super) read_model_lag: Option<Duration>,
    /// When its end was seen, from the beginning of the load; of watched wishes.
    pub(super) ended_at: Option<Duration>,
}

impl Load {
    /// Places every wish at its time and waits for all clients. Fails when the shop does not understand a wish: then nothing
    /// would be measured.
    pub(super) async fn run(&self, cluster: &Arc<Cluster>) -> anyhow::Result<Vec<Wish>> {
        let began = Instant::now();
        let gap = Duration::from_secs_f64(1.0 / self.per_second);
        let count = (self.duration.as_secs_f64() * self.per_second) as u32;
        let mut clients = JoinSet::new();
        cluster.tell(format!(
            "places {count} orders ({}) in {} s",
            self.flow,
            self.duration.as_secs()
        ));
        let mut told = began;
        for n in 0..count {
            sleep_until(began + gap * n).await;
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                cluster.tell(format!("{n} of {count} orders placed"));
            }
            clients.spawn(client(Arc::clone(cluster), self.clone(), n, began));
        }
        let wishes = clients.join_all().await;
        cluster.tell("every client has its answer");
        wishes.into_iter().collect()
    }

    /// One wish in so many is watched.
    fn watched_of(&self) -> u32 {
        WATCHED.max((self.per_second / WATCHED_PER_SECOND) as u32)
    }
}

async fn client(cluster: Arc<Cluster>, load: Load, n: u32, began: Instant) -> anyhow::Result<Wish> {
    let mut dice = StdRng::seed_from_u64(load.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(n)));
    let customer = format!("lab-{}-{n}", load.flow.replace('_', "-"));
    let order = wish(&mut dice, &customer, load.flow);
    let mut wish = Wish {
        customer: customer.clone(),
        answered_after: None,
        accepted: false,
        visible_after: None,
        read_model_lag: None,
        ended_at: None,
    };
    let asked = Instant::now();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(ASK_AGAIN_AFTER).await;
        }
        // The same key each time: what a shop without idempotency makes of that is its own affair.
        let Ok(reply) = cluster.post("orders", "/api/v1/orders", &order, Some(&customer)).await else {
            continue;
        };
        anyhow::ensure!(
            reply.status != MALFORMED,
            "orders does not understand the order: {}",
            reply.body
        );
        wish.answered_after = Some(asked.elapsed());
        wish.accepted = reply.is_success();
        if reply.is_success() && n.is_multiple_of(load.watched_of()) {
            watch(&cluster, &reply.body, &mut wish, began).await;
        }
        if reply.status < 500 {
            break;
        }
    }
    Ok(wish)
}

pub(super) fn wish(dice: &mut StdRng, customer: &str, flow: &str) -> Value {
    let mut products: Vec<u32> = (0..dice.random_range(1..=3))
        .map(|_| dice.random_range(1..=PRODUCTS))
        .collect();
    products.sort_unstable();
    products.dedup();
    let items: Vec<Value> = products
        .iter()
        .map(|product| json!({ "product_id": format!("product-{product}"), "quantity": dice.random_range(1..=2) }))
        .collect();
    json!({ "customer_id": customer, "items": items, "flow": flow })
}

/// Looks until the order has ended, and then reads until the read model shows that end.
async fn watch(cluster: &Cluster, placed: &Value, wish: &mut Wish, began: Instant) {
    let Some(id) = placed["order_id"].as_str() else { return };
    let (path, answered) = (format!("/api/v1/orders/{id}"), Instant::now());
    let mut over: Option<Over> = None;
    while answered.elapsed() < WATCH_FOR {
        if let Some(over) = &over {
            let read = cluster
                .get("orders", &format!("{path}?min_position={}", over.position))
                .await;
            if read.is_ok_and(|order| is_final(&order.body)) {
                wish.visible_after = Some(answered.elapsed());
                wish.read_model_lag = Some(over.seen.elapsed());
                wish.ended_at = Some(began.elapsed());
                return;
            }
        } else if let Ok(status) = cluster.get("orders", &format!("{path}/status")).await {
            over = Over::of(&status.body);
            if over.is_some() {
                continue;
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The end of an order, as its event store tells it.
struct Over {
    position: u64,
    seen: Instant,
}

impl Over {
    fn of(status: &Value) -> Option<Self> {
        if status["final"] != true {
            return None;
        }
        Some(Self {
            position: status["position"].as_u64()?,
            seen: Instant::now(),
        })
    }
}

fn is_final(order: &Value) -> bool {
    matches!(order["status"].as_str(), Some("confirmed" | "cancelled"))
}

/// What the services' own books say after the load.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) fates: Fates,
    /// Payments that hold money for an order that does not exist.
    pub(super) orphaned_payments: usize,
    /// The first wrong end that was met, for whoever has to find its cause.
    first_wrong: Option<String>,
}

impl Books {
    /// Reads them for these wishes, which are all that the shop was ever asked for. Orders come before money: what an order
    /// moved until it ended is in a ledger that is read later, and an order that ends in between still counts as open.
    pub(super) async fn read(cluster: &Cluster, wishes: &[Wish]) -> anyhow::Result<Self> {
        let mut placed = Vec::with_capacity(wishes.len());
        for wish in wishes {
            placed.push(orders_of(cluster, wish).await?);
        }
        Ok(Self::balance(wishes, placed, ledger(cluster).await?))
    }

    /// `placed` has the orders of each wish, as many as there are wishes; `money` is what is held for each order.
    fn balance(wishes: &[Wish], placed: Vec<BTreeMap<String, Order>>, mut money: BTreeMap<String, i64>) -> Self {
        let (mut fates, mut first_wrong) = (Vec::with_capacity(wishes.len()), None);
        for (wish, mut orders) in wishes.iter().zip(placed) {
            for (id, order) in &mut orders {
                order.net_minor = money.remove(id).unwrap_or_default();
            }
            let judged: Vec<Order> = orders.values().cloned().collect();
            let fate = judge(&judged, wish.accepted);
            if fate.is_wrong() && first_wrong.is_none() {
                first_wrong = Some(format!("{fate:?}: {} has {orders:?}", wish.customer));
            }
            fates.push(fate);
        }
        money.retain(|_, net| *net != 0);
        let orphan = money
            .iter()
            .next()
            .map(|(id, net)| format!("{net} held for {id}, which nobody placed"));
        Self {
            fates: fates.into_iter().collect(),
            orphaned_payments: money.len(),
            first_wrong: first_wrong.or(orphan),
        }
    }

    /// Reads them again and again until every order has ended, or until `patience` is over: what is open then is stuck.
    pub(super) async fn settled(cluster: &Cluster, wishes: &[Wish], patience: Duration) -> anyhow::Result<Self> {
        cluster.tell("reads the books of the services");
        let (began, mut open) = (Instant::now(), 0);
        loop {
            let books = Self::read(cluster, wishes).await?;
            let stuck = books.fates.of(Fate::Stuck);
            if stuck != open {
                open = stuck;
                cluster.tell(format!("{open} orders have not ended yet"));
            }
            if books.fates.of(Fate::Stuck) == 0 || began.elapsed() > patience {
                return Ok(books);
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Everything that no customer and no accountant should see.
    pub(super) fn wrong(&self) -> u32 {
        self.fates.wrong() + u32::try_from(self.orphaned_payments).unwrap_or(u32::MAX)
    }

    /// How many orders are wrong, and which is the first.
    pub(super) fn wrongs(&self) -> String {
        let first = self.first_wrong.iter().map(|first| format!(" (the first: {first})"));
        format!(
            "{} orders were lost, duplicated, stuck or wrongly charged{}",
            self.wrong(),
            first.collect::<String>()
        )
    }
}

/// Every order of a wish by its id; the money is not known yet.
async fn orders_of(cluster: &Cluster, wish: &Wish) -> anyhow::Result<BTreeMap<String, Order>> {
    let path = format!("/api/v1/orders?customer_id={}&limit=100", wish.customer);
    let list = cluster.read("orders", &path).await?;
    let mut orders = BTreeMap::new();
    for listed in list["items"].as_array().into_iter().flatten() {
        let id = listed["order_id"].as_str().unwrap_or_default();
        let order = cluster.read("orders", &format!("/api/v1/orders/{id}")).await?;
        let order = Order {
            status: order["status"].as_str().unwrap_or_default().to_owned(),
            total_minor: order["total_minor"].as_i64().unwrap_or_default(),
            net_minor: 0,
        };
        orders.insert(id.to_owned(), order);
    }
    Ok(orders)
}

/// Captured less refunded, by order.
async fn ledger(cluster: &Cluster) -> anyhow::Result<BTreeMap<String, i64>> {
    let mut money = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = cluster
            .read("payments", &format!("/api/v1/audit?limit=1000&after={after}"))
            .await?;
        for order in page["orders"].as_array().into_iter().flatten() {
            let amount = |field: &str| order[field].as_i64().unwrap_or_default();
            let id = order["order_id"].as_str().unwrap_or_default().to_owned();
            money.insert(id, amount("captured_minor") - amount("refunded_minor"));
        }
        match page["next_cursor"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return Ok(money),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(customer: &str) -> Wish {
        Wish {
            customer: customer.to_owned(),
            answered_after: None,
            accepted: true,
            visible_after: None,
            read_model_lag: None,
            ended_at: None,
        }
    }

    fn placed(id: &str, status: &str) -> BTreeMap<String, Order> {
        let order = Order {
            status: status.to_owned(),
            total_minor: 100,
            net_minor: 0,
        };
        BTreeMap::from([(id.to_owned(), order)])
    }

    #[test]
    fn money_is_set_against_the_order_it_belongs_to() {
        let wishes = [wish("ann"), wish("bob")];
        let orders = || vec![placed("a", "confirmed"), placed("b", "cancelled")];
        let held = |money: &[(&str, i64)]| money.iter().map(|(id, net)| ((*id).to_owned(), *net)).collect();

        let right = Books::balance(&wishes, orders(), held(&[("a", 100), ("b", 0), ("c", 0)]));
        assert_eq!(right.wrong(), 0);
        assert_eq!(
            right.wrongs(),
            "0 orders were lost, duplicated, stuck or wrongly charged"
        );

        let kept = Books::balance(&wishes, orders(), held(&[("a", 100), ("b", 100)]));
        assert_eq!((kept.fates.of(Fate::MoneyWrong), kept.orphaned_payments), (1, 0));
        assert!(kept.wrongs().contains("MoneyWrong: bob"), "{}", kept.wrongs());

        let orphan = Books::balance(&wishes, orders(), held(&[("a", 100), ("z", 70)]));
        assert_eq!((orphan.fates.wrong(), orphan.orphaned_payments), (0, 1));
        assert!(orphan.wrongs().contains("70 held for z"), "{}", orphan.wrongs());
    }
}
