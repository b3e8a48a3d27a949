//! How fast a read model is rebuilt: fills an event store and measures the time from zero to the head.
//!
//! `cargo run --release -p shop-kit --example rebuild -- [events]`, 1,000,000 unless told otherwise.

use std::time::Duration;

use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{Database, Tx};
use shop_kit::event_store::{self, AppendError, NewEvent, StoredEvent};
use shop_kit::faults::Switchboard;
use shop_kit::projection::{self, Projection, ReadModel};
use tokio::time::Instant;

/// Events of one order: created, two items, confirmed.
const PER_ORDER: u64 = 4;
/// Orders stored in one transaction.
const ORDERS_AT_ONCE: u64 = 250;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS totals (
    order_id TEXT PRIMARY KEY, status TEXT NOT NULL, items INTEGER NOT NULL, total_minor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;";
const MODEL: ReadModel = ReadModel::new("totals", &["totals"], apply);

/// One row an order, as a list of orders needs it.
fn apply(tx: &Tx<'_>, event: &StoredEvent) -> anyhow::Result<()> {
    let order_id = &event.aggregate_id;
    match &*event.event_type {
        "OrderCreated" => {
            let sql = "INSERT INTO totals VALUES (?, 'created', 0, 0)";
            tx.prepare_cached(sql)?.execute([order_id])?;
        }
        "ItemAdded" => {
            let sql = "UPDATE totals SET items = items + 1, total_minor = total_minor + ? WHERE order_id = ?";
            let (quantity, price) = (event.data["quantity"].as_i64(), event.data["unit_price_minor"].as_i64());
            let sum = quantity.unwrap_or(0) * price.unwrap_or(0);
            tx.prepare_cached(sql)?.execute((sum, order_id))?;
        }
        _ => {
            let sql = "UPDATE totals SET status = 'confirmed' WHERE order_id = ?";
            tx.prepare_cached(sql)?.execute([order_id])?;
        }
    }
    Ok(())
}

fn order(n: u64) -> Result<Vec<NewEvent>, serde_json::Error> {
    let item = |product: u64, quantity: u64, price: i64| {
        let product = format!("product-{product}");
        NewEvent::new(
            "ItemAdded",
            &json!({ "product_id": product, "quantity": quantity, "unit_price_minor": price }),
        )
    };
    Ok(vec![
        NewEvent::new(
            "OrderCreated",
            &json!({ "customer_id": format!("c-{}", n % 1_000), "currency": "EUR" }),
        )?,
        item(n % 24 + 1, 2, 5_000)?,
        item(n % 7 + 1, 1, 3_000)?,
        NewEvent::new("OrderConfirmed", &json!({ "total_minor": 13_000 }))?,
    ])
}

async fn fill(db: &Database, orders: u64) -> Result<(), AppendError> {
    let context = Context::fresh();
    for first in (0..orders).step_by(usize::try_from(ORDERS_AT_ONCE).unwrap_or(1)) {
        let context = context.clone();
        let write = db.write(move |tx| {
            (first..orders.min(first + ORDERS_AT_ONCE)).try_for_each(|n| {
                let events = order(n).map_err(shop_kit::database::DatabaseError::from)?;
                event_store::append(tx, "order", &format!("order-{n:08}"), 0, &events, &context).map(drop)
            })
        });
        write.await?;
    }
    Ok(())
}

/// Time until the read model stands at the head.
async fn caught_up(db: &Database, head: u64) -> anyhow::Result<Duration> {
    let started = Instant::now();
    while projection::reached(db, MODEL.name, head, Duration::from_secs(1)).await? < head {}
    Ok(started.elapsed())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let events: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let db = Database::open(&folder.path().join("orders.sqlite"), &[SCHEMA], Switchboard::idle())?;
    let started = Instant::now();
    fill(&db, events / PER_ORDER).await?;
    let head = db.read(event_store::head).await?;
    println!("{head} events stored in {:.1} s", started.elapsed().as_secs_f64());

    let _projection = Projection::of(MODEL, db.clone());
    for round in ["first filling", "rebuild"] {
        if round == "rebuild" {
            MODEL.rebuild(&db).await?;
        }
        let took = caught_up(&db, head).await?.as_secs_f64();
        println!(
            "{round}: {head} events in {took:.2} s, {:.0} events/s",
            head as f64 / took
        );
    }
    Ok(())
}
