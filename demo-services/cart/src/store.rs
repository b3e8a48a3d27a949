//! Carts in the service's own database, a row each; an empty cart has none.

use rusqlite::{Connection, OptionalExtension, params};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::retention::Rule;

use crate::cart::Cart;

/// Tables.
pub(crate) const SCHEMA: &[&str] = &["
CREATE TABLE IF NOT EXISTS carts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id TEXT NOT NULL UNIQUE,
    cart TEXT NOT NULL
) STRICT;
"];

/// Carts that nobody came back for go.
pub(crate) const RULES: [Rule; 1] = [Rule::Newest {
    table: "carts",
    kept: 100_000,
}];

/// The cart of a customer.
pub(crate) fn load(conn: &Connection, customer_id: &str) -> Result<Cart, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT cart FROM carts WHERE customer_id = ?")?;
    let text: Option<String> = query.query_row([customer_id], |row| row.get(0)).optional()?;
    Ok(text
        .map(|text| serde_json::from_str(&text))
        .transpose()?
        .unwrap_or_default())
}

/// Keeps it; it counts as the newest from then on.
pub(crate) fn keep(tx: &Tx<'_>, customer_id: &str, cart: &Cart) -> Result<(), DatabaseError> {
    if cart.is_empty() {
        tx.prepare_cached("DELETE FROM carts WHERE customer_id = ?")?
            .execute([customer_id])?;
        return Ok(());
    }
    tx.prepare_cached("INSERT OR REPLACE INTO carts (customer_id, cart) VALUES (?, ?)")?
        .execute(params![customer_id, serde_json::to_string(cart)?])?;
    Ok(())
}
