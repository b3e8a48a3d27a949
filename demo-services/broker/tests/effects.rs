//! From a committed effect in one service to exactly one effect in another, through trouble on the way (G04, G05, INV-05).

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sagascope_conventions::fault::{ArmedFault, FaultStrength};
use sagascope_conventions::{Fault, FaultKind, FaultTarget};
use serde_json::json;
use shop_broker::{EmbeddedBroker, Settings};
use shop_kit::broker::Broker;
use shop_kit::consumer::{Consumer, Subscription};
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError};
use shop_kit::faults::Switchboard;
use shop_kit::outbox::{OutboxRelay, enqueue};
use support::{IMPATIENT, open};

const LEDGER: &[&str] = &["CREATE TABLE IF NOT EXISTS ledger (order_id TEXT NOT NULL, n INTEGER NOT NULL) STRICT"];
const SHIPPING: Subscription = Subscription {
    group: "shipping",
    topics: &["orders"],
    projection: Some("shipments"),
};
const ORDERS: i64 = 40;

struct Shop {
    folder: tempfile::TempDir,
    broker: EmbeddedBroker,
    faults: Switchboard,
}

impl Shop {
    fn new(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let broker = open(folder.path(), settings);
        Self {
            folder,
            broker,
            faults: Switchboard::idle(),
        }
    }

    fn database(&self, service: &str) -> Database {
        let path = self.folder.path().join(format!("{service}.sqlite"));
        Database::open(&path, LEDGER, self.faults.clone()).expect("opens")
    }

    fn arm(&self, kind: FaultKind, percent: u8) {
        let fault = Fault {
            id: format!("f-{kind}"),
            target: FaultTarget::default(),
            kind,
            strength: FaultStrength {
                percent: Some(percent),
                ..FaultStrength::default()
            },
            duration_seconds: 600,
            seed: 7,
        };
        assert!(self.faults.arm(ArmedFault {
            fault,
            remaining_ms: 600_000
        }));
    }

    /// Starts the consumer; `fails` says which attempts of the handler fail.
    fn consume(&self, fails: impl Fn(u32) -> bool + Send + Sync + 'static) -> Consumer {
        let calls = AtomicU32::new(0);
        Consumer::start(
            SHIPPING,
            self.database("shipping"),
            self.broker.clone(),
            move |tx, message, context| {
                assert!(!context.correlation_id.is_empty());
                tx.execute(
                    "INSERT INTO ledger VALUES (?, ?)",
                    (&message.key, message.payload["n"].as_i64()),
                )?;
                anyhow::ensure!(
                    !fails(calls.fetch_add(1, Ordering::Relaxed)),
                    "the handler fails after its effect"
                );
                Ok(())
            },
        )
    }

    async fn place_orders(&self) -> OutboxRelay {
        let db = self.database("orders");
        for n in 0..ORDERS {
            let write = db.write(move |tx| {
                let order = format!("o-{}", n % 5);
                enqueue(
                    tx,
                    "orders",
                    &order,
                    "OrderPlaced",
                    &json!({ "n": n }),
                    &Context::fresh(),
                )
            });
            write.await.expect("committed");
        }
        OutboxRelay::start("orders", db, self.broker.clone())
    }

    async fn ledger(&self) -> Vec<(String, i64)> {
        let db = self.database("shipping");
        let read = db.read(|conn| {
            let mut query = conn.prepare("SELECT order_id, n FROM ledger ORDER BY rowid")?;
            let rows = query
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            Ok::<Vec<(String, i64)>, DatabaseError>(rows)
        });
        read.await.expect("reads")
    }

    /// Waits until the broker has nothing left for the consumer.
    async fn until_all_is_done(&self) {
        let all_done = async {
            loop {
                let positions = self.broker.positions().await.expect("positions");
                let done: u64 = positions.iter().map(|position| position.committed).sum();
                if done == ORDERS as u64 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all_done)
            .await
            .expect("ends");
    }

    /// Each message had one effect, and those of one order came in order.
    async fn check(&self) {
        let ledger = self.ledger().await;
        let mut all: Vec<_> = ledger.iter().map(|(_, n)| *n).collect();
        all.sort_unstable();
        assert_eq!(all, (0..ORDERS).collect::<Vec<_>>(), "INV-05: one effect each");
        for order in 0..5 {
            let order = format!("o-{order}");
            let of_order: Vec<_> = ledger.iter().filter(|(id, _)| *id == order).map(|(_, n)| *n).collect();
            assert!(of_order.is_sorted(), "{order} in order: {of_order:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_fails_after_its_effect_leaves_one_effect() {
    let shop = Shop::new(Settings {
        retry_base: Duration::ZERO,
        retry_cap: Duration::ZERO,
        ..Settings::default()
    });
    let _relay = shop.place_orders().await;
    let _consumer = shop.consume(|call| call.is_multiple_of(3));
    shop.until_all_is_done().await;
    shop.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_and_doubled_deliveries_have_one_effect() {
    let shop = Shop::new(Settings {
        visibility: Duration::from_millis(50),
        max_attempts: 50,
        ..Settings::default()
    });
    shop.arm(FaultKind::LostMessage, 30);
    shop.arm(FaultKind::DuplicatedMessage, 50);
    shop.arm(FaultKind::ReorderedMessage, 50);
    let _relay = shop.place_orders().await;
    let _consumer = shop.consume(|_| false);
    shop.until_all_is_done().await;
    shop.check().await;
    assert!(shop.broker.dead_letters(10).await.expect("letters").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_killed_between_effect_and_acknowledgement_leave_one_effect() {
    let shop = Shop::new(IMPATIENT);
    let _relay = shop.place_orders().await;
    let handled = Arc::new(AtomicU32::new(0));
    for _ in 0..6 {
        let seen = handled.clone();
        let before = handled.load(Ordering::Relaxed);
        let consumer = shop.consume(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
            false
        });
        let some_work = async {
            while handled.load(Ordering::Relaxed) == before && shop.ledger().await.len() < ORDERS as usize {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), some_work)
            .await
            .expect("works");
        drop(consumer);
    }
    // With leases that end at once a message may be out twice; eight such deliveries would make it a letter.
    let last = Settings {
        visibility: Duration::from_secs(10),
        ..IMPATIENT
    };
    let shop = Shop {
        broker: open(shop.folder.path(), last),
        ..shop
    };
    let _consumer = shop.consume(|_| false);
    shop.until_all_is_done().await;
    shop.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_becomes_letters_that_have_their_effect_when_replayed() {
    let shop = Shop::new(Settings {
        max_attempts: 2,
        ..IMPATIENT
    });
    shop.arm(FaultKind::PoisonMessage, 100);
    let _relay = shop.place_orders().await;
    let consumer = shop.consume(|_| false);
    shop.until_all_is_done().await;
    drop(consumer);
    assert!(shop.ledger().await.is_empty());
    let letters = shop.broker.dead_letters(100).await.expect("letters");
    assert_eq!(letters.len(), ORDERS as usize);
    shop.faults.clear("f-poison_message").expect("was armed");
    for letter in &letters {
        assert!(shop.broker.replay(letter.id).await.expect("replayed"));
    }
    let _consumer = shop.consume(|_| false);
    let all_handled = async {
        while shop.ledger().await.len() < ORDERS as usize {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_handled)
        .await
        .expect("ends");
    shop.check().await;
}
