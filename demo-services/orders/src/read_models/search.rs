//! `search`: a full-text index over orders: their ids, customers, products, statuses and reasons.

use rusqlite::{Connection, OptionalExtension, params};
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::event_store::StoredEvent;

use crate::event_forms::{Change, change};
use crate::order::{OrderEvent, Status};

/// Name on the dashboards.
pub(crate) const NAME: &str = "search";

/// Tables: the words of each order as a document, and the index over them.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS order_texts (
    number INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL UNIQUE,
    customer TEXT NOT NULL,
    products TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE IF NOT EXISTS order_words USING fts5 (order_id, customer, products, status, reason);
";

/// Removes an order that ended long ago.
pub(crate) const LET_GO: [&str; 2] = [
    "DELETE FROM order_words WHERE rowid = (SELECT number FROM order_texts WHERE order_id = ?)",
    "DELETE FROM order_texts WHERE order_id = ?",
];

/// Most words of a search that count.
const MAX_WORDS: usize = 8;

#[derive(Default)]
struct Text {
    number: i64,
    customer: String,
    products: String,
    status: String,
    reason: String,
}

/// Takes one event in.
pub(crate) fn apply(tx: &Tx<'_>, stored: &StoredEvent) -> anyhow::Result<()> {
    let id = &stored.aggregate_id;
    let change = match change(stored)? {
        Change::Event(event) => event,
        Change::Replaced => {
            for sql in LET_GO {
                tx.prepare_cached(sql)?.execute([id])?;
            }
            return Ok(());
        }
    };
    let mut text = find(tx, id)?.unwrap_or_else(|| Text {
        // The first event's position: the same at each rebuild.
        number: i64::try_from(stored.position).unwrap_or(i64::MAX),
        status: Status::Created.as_str().to_owned(),
        ..Text::default()
    });
    match change {
        OrderEvent::OrderCreated { customer_id, .. } => text.customer = customer_id,
        OrderEvent::ItemAdded(item) => {
            if !text.products.is_empty() {
                text.products.push(' ');
            }
            text.products.push_str(&item.product_id);
        }
        OrderEvent::CancellationRequested { reason } => text.reason = reason,
        OrderEvent::OrderConfirmed { .. } => text.status = Status::Confirmed.as_str().to_owned(),
        OrderEvent::OrderCancelled { reason } => {
            (text.status, text.reason) = (Status::Cancelled.as_str().to_owned(), reason);
        }
    }
    Ok(put(tx, id, &text)?)
}

fn find(conn: &Connection, order_id: &str) -> Result<Option<Text>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT number, customer, products, status, reason FROM order_texts WHERE order_id = ?")?;
    let text = query.query_row([order_id], |row| {
        Ok(Text {
            number: row.get(0)?,
            customer: row.get(1)?,
            products: row.get(2)?,
            status: row.get(3)?,
            reason: row.get(4)?,
        })
    });
    Ok(text.optional()?)
}

fn put(tx: &Tx<'_>, order_id: &str, text: &Text) -> Result<(), DatabaseError> {
    for (table, key) in [("order_texts", "number"), ("order_words", "rowid")] {
        let sql = format!(
            "INSERT OR REPLACE INTO {table} ({key}, order_id, customer, products, status, reason) VALUES (?, ?, ?, ?, ?, ?)"
        );
        tx.prepare_cached(&sql)?.execute(params![
            text.number,
            order_id,
            text.customer,
            text.products,
            text.status,
            text.reason
        ])?;
    }
    Ok(())
}

/// Ids of orders that have every word, best first.
pub(crate) fn find_orders(conn: &Connection, words: &str, limit: u32) -> Result<Vec<String>, DatabaseError> {
    let Some(expression) = match_expression(words) else {
        return Ok(Vec::new());
    };
    let mut query = conn.prepare_cached(
        "SELECT order_id FROM order_words WHERE order_words MATCH ? ORDER BY rank, rowid DESC LIMIT ?",
    )?;
    let ids = query.query_map(params![expression, limit], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What a person typed as an FTS5 expression: each word a quoted prefix, so that no sign of theirs is an operator.
fn match_expression(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .map(|word| format!("\"{word}\"*"))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sign_is_an_operator() {
        assert_eq!(
            match_expression("product-1 OR (\"x").as_deref(),
            Some("\"product\"* \"1\"* \"OR\"* \"x\"*")
        );
        assert_eq!(match_expression("()* -"), None);
    }
}
