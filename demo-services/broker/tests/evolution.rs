//! Messages of forms that a consumer does not know yet are parked, and handled once it does (G15).

mod support;

use serde_json::{Value, json};
use shop_broker::Settings;
use shop_kit::broker::{Broker, schema};
use shop_kit::consumer::{Consumer, Subscription};
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError};
use shop_kit::event_store::Upcasters;
use shop_kit::faults::Switchboard;
use shop_kit::outbox::{OutboxRelay, enqueue, enqueue_form};
use shop_kit::testing::eventually;
use support::open;

const LEDGER: &[&str] = &["CREATE TABLE IF NOT EXISTS ledger (order_id TEXT NOT NULL, minor INTEGER NOT NULL) STRICT"];
const SHIPPING: Subscription = Subscription {
    group: "shipping",
    topics: &["orders"],
    projection: None,
};

fn first() -> Upcasters {
    Upcasters::new().event("OrderPlaced", &[])
}

/// Knows that the total became an amount of a currency.
fn second() -> Upcasters {
    Upcasters::new().event(
        "OrderPlaced",
        &[|old| Ok(json!({ "total": { "minor": old["total_minor"], "currency": "EUR" } }))],
    )
}

fn consume(db: &Database, broker: impl Broker, forms: Upcasters, total: &'static str) -> Consumer {
    Consumer::start(SHIPPING, db.clone(), broker, move |tx, message, _| {
        if let Some(payload) = schema::payload(&forms, message)? {
            let minor = payload.pointer(total).and_then(Value::as_i64);
            tx.execute("INSERT INTO ledger VALUES (?, ?)", (&message.key, minor))?;
        }
        Ok(())
    })
}

async fn ledger(db: &Database) -> Vec<(String, i64)> {
    let read = db.read(|conn| {
        let mut query = conn.prepare("SELECT order_id, minor FROM ledger ORDER BY order_id, minor")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok::<_, DatabaseError>(rows.collect::<Result<Vec<_>, _>>()?)
    });
    read.await.expect("reads")
}

#[tokio::test]
async fn g15_a_later_form_is_parked_at_once_and_handled_after_the_upgrade() {
    let folder = tempfile::tempdir().expect("folder");
    let broker = open(folder.path(), Settings::default());
    let path = |name: &str| folder.path().join(format!("{name}.sqlite"));
    let orders = Database::open(&path("orders"), &[], Switchboard::idle()).expect("opens");
    let db = Database::open(&path("shipping"), LEDGER, Switchboard::idle()).expect("opens");
    let _relay = OutboxRelay::start("orders", orders.clone(), broker.clone());
    let write = orders.write(|tx| {
        let context = Context::fresh();
        let old = json!({ "total_minor": 100 });
        let new = json!({ "total": { "minor": 200, "currency": "EUR" } });
        enqueue(tx, "orders", "o-1", "OrderPlaced", &old, &context)?;
        enqueue_form(tx, "orders", "o-2", ("OrderPlaced", 2), &new, &context)?;
        enqueue_form(tx, "orders", "o-2", ("OrderPlaced", 1), &old, &context)?;
        enqueue_form(tx, "orders", "o-3", ("OrderGiftWrapped", 7), &json!({}), &context)
    });
    write.await.expect("committed");

    let old = consume(&db, broker.clone(), first(), "/total_minor");
    eventually("all that can be is handled", || async {
        (ledger(&db).await.len() == 2).then_some(())
    })
    .await;
    let letter = eventually("the other is parked", || async {
        broker.dead_letters(9).await.expect("letters").pop()
    })
    .await;
    assert_eq!(
        (letter.message.key.as_str(), letter.message.attempts),
        ("o-2", 1),
        "no attempt is wasted on it"
    );
    assert!(
        letter.reason.contains("schema version 2; this consumer knows up to 1"),
        "{}",
        letter.reason
    );
    drop(old);

    let _new = consume(&db, broker.clone(), second(), "/total/minor");
    assert!(broker.replay(letter.id).await.expect("replayed"));
    eventually("the letter is handled", || async {
        (ledger(&db).await.len() == 3).then_some(())
    })
    .await;
    let expected = [("o-1", 100), ("o-2", 100), ("o-2", 200)].map(|(order, minor)| (order.to_owned(), minor));
    assert_eq!(ledger(&db).await, expected);
    assert!(broker.dead_letters(9).await.expect("letters").is_empty());
}
