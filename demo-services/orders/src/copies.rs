//! Local copies of what other services own, kept up by their events: products of the catalog, customers of users.
//!
//! Each copy remembers the version it came with: an event that arrives late or again changes nothing.

use rusqlite::params;
use serde::Deserialize;
use shop_kit::broker::Message;
use shop_kit::consumer::Subscription;
use shop_kit::database::{DatabaseError, Tx};

/// Tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS product_copies (
    product_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    category TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS customer_copies (
    customer_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    display_name TEXT,
    tier TEXT
) STRICT, WITHOUT ROWID;
";

/// What the catalog tells.
pub(crate) const PRODUCTS: Subscription = Subscription {
    group: "orders.product_copies",
    topics: &["catalog.events"],
    projection: Some("product_copies"),
};
/// What users tells.
pub(crate) const CUSTOMERS: Subscription = Subscription {
    group: "orders.customer_copies",
    topics: &["users.events"],
    projection: Some("customer_copies"),
};

#[derive(Debug, Deserialize)]
struct Product {
    product_id: String,
    #[serde(default = "first")]
    version: u32,
    name: String,
    #[serde(default)]
    category: String,
}

#[derive(Debug, Deserialize)]
struct Customer {
    user_id: String,
    #[serde(default = "first")]
    version: u32,
    display_name: Option<String>,
    tier: Option<String>,
}

const fn first() -> u32 {
    1
}

/// Takes a message of the catalog in. Types that this version does not know change nothing.
pub(crate) fn product(tx: &Tx<'_>, message: &Message) -> anyhow::Result<()> {
    if !matches!(message.event_type.as_str(), "ProductListed" | "ProductChanged") {
        return Ok(());
    }
    let product: Product = serde_json::from_value(message.payload.clone())?;
    tx.prepare_cached(
        "INSERT INTO product_copies VALUES (?, ?, ?, ?)
         ON CONFLICT (product_id) DO UPDATE SET version = excluded.version, name = excluded.name, category = excluded.category
         WHERE excluded.version > version",
    )?
    .execute(params![product.product_id, product.version, product.name, product.category])?;
    Ok(())
}

/// Takes a message of users in. Who is deleted is forgotten here too: the row stays, without a name, so that a late
/// message cannot bring it back.
pub(crate) fn customer(tx: &Tx<'_>, message: &Message) -> anyhow::Result<()> {
    let customer: Customer = match message.event_type.as_str() {
        "UserRegistered" | "UserChanged" => serde_json::from_value(message.payload.clone())?,
        "UserDeleted" => Customer {
            display_name: None,
            tier: None,
            ..serde_json::from_value(message.payload.clone())?
        },
        _ => return Ok(()),
    };
    Ok(put(tx, &customer)?)
}

fn put(tx: &Tx<'_>, customer: &Customer) -> Result<(), DatabaseError> {
    tx.prepare_cached(
        "INSERT INTO customer_copies VALUES (?, ?, ?, ?)
         ON CONFLICT (customer_id) DO UPDATE SET version = excluded.version, display_name = excluded.display_name, tier = excluded.tier
         WHERE excluded.version > version",
    )?
    .execute(params![customer.user_id, customer.version, customer.display_name, customer.tier])?;
    Ok(())
}
