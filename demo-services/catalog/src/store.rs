//! Products in the catalog's own database, with a full-text index beside them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde_json::json;
use shop_kit::context::Context;
use shop_kit::database::{Database, DatabaseError, Tx};
use shop_kit::outbox;

use crate::product::Product;

/// Statements that make the tables.
pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS products (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    description TEXT NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    currency TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS products_by_category ON products (category, number);
CREATE TABLE IF NOT EXISTS announced_products (
    id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS product_words USING fts5 (name, category, description, content='');
";

/// Where the service tells of its products; the key of a message is the product's id.
pub(crate) const TOPIC: &str = "catalog.events";

/// Most words of a search that count.
const MAX_WORDS: usize = 8;

/// A category and how much is in it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) products: u32,
}

/// Which products of a list are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Of one category only.
    pub(crate) category: Option<String>,
    /// After this product number.
    pub(crate) after: i64,
    /// At most so many.
    pub(crate) limit: usize,
}

/// Puts the assortment in, once: products that stand there already stay as they are.
pub(crate) async fn fill(db: &Database, products: Vec<Product>) -> Result<(), DatabaseError> {
    db.write(move |tx| {
        for product in &products {
            let Product {
                id,
                name,
                category,
                description,
                price_minor,
                currency,
            } = product;
            let inserted = tx.execute(
                "INSERT OR IGNORE INTO products (id, name, category, description, price_minor, currency)
                 VALUES (?, ?, ?, ?, ?, ?)",
                params![id, name, category, description, price_minor, currency],
            )?;
            if inserted == 1 {
                tx.execute(
                    "INSERT INTO product_words (rowid, name, category, description) VALUES (?, ?, ?, ?)",
                    params![tx.last_insert_rowid(), name, category, description],
                )?;
            }
            announce(tx, product)?;
        }
        Ok(())
    })
    .await
}

/// Tells the others of a product, once: they keep copies of what they show.
fn announce(tx: &Tx<'_>, product: &Product) -> Result<(), DatabaseError> {
    let first = tx.execute("INSERT OR IGNORE INTO announced_products VALUES (?)", [&product.id])?;
    if first == 1 {
        let payload = json!({
            "product_id": product.id,
            "version": 1,
            "name": product.name,
            "category": product.category,
            "price_minor": product.price_minor,
            "currency": product.currency,
        });
        outbox::enqueue(tx, TOPIC, &product.id, "ProductListed", &payload, &Context::fresh())?;
    }
    Ok(())
}

/// One product.
pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<Product>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM products WHERE id = ?"))?;
    Ok(query.query_row([id], product).optional()?)
}

/// Products in the order of their numbers, and the number to go on after when there are more.
pub(crate) fn list(conn: &Connection, wanted: &Selection) -> Result<(Vec<Product>, Option<i64>), DatabaseError> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS}, number FROM products
         WHERE number > ?1 AND (?2 IS NULL OR category = ?2) ORDER BY number LIMIT ?3"
    ))?;
    // One more than asked for tells whether there is a next page.
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = query
        .query_map(params![wanted.after, wanted.category, limit], |row| {
            Ok((product(row)?, row.get::<_, i64>(6)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > wanted.limit;
    rows.truncate(wanted.limit);
    let next = rows.last().map(|(_, number)| *number).filter(|_| more);
    Ok((rows.into_iter().map(|(product, _)| product).collect(), next))
}

/// Products that have every word, best first.
pub(crate) fn search(conn: &Connection, words: &str, limit: usize) -> Result<Vec<Product>, DatabaseError> {
    let Some(expression) = match_expression(words) else {
        return Ok(Vec::new());
    };
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM product_words JOIN products ON products.number = product_words.rowid
         WHERE product_words MATCH ? ORDER BY product_words.rank LIMIT ?"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(query
        .query_map(params![expression, limit], product)?
        .collect::<Result<_, _>>()?)
}

/// Categories by name.
pub(crate) fn categories(conn: &Connection) -> Result<Vec<Category>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT category, count(*) FROM products GROUP BY category ORDER BY category")?;
    let rows = query.query_map([], |row| {
        Ok(Category {
            name: row.get(0)?,
            products: row.get(1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const COLUMNS: &str =
    "products.id, products.name, products.category, products.description, products.price_minor, products.currency";

fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        name: row.get(1)?,
        category: row.get(2)?,
        description: row.get(3)?,
        price_minor: row.get(4)?,
        currency: row.get(5)?,
    })
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
    use crate::product::assortment;
    use shop_kit::faults::Switchboard;

    async fn filled(folder: &tempfile::TempDir) -> Database {
        let db = Database::open(&folder.path().join("catalog.sqlite"), &[TABLES], Switchboard::idle()).unwrap();
        fill(&db, assortment()).await.unwrap();
        db
    }

    async fn found(db: &Database, words: &'static str) -> Vec<String> {
        let products = db.read(move |conn| search(conn, words, 10)).await.unwrap();
        products.into_iter().map(|product| product.name).collect()
    }

    #[tokio::test]
    async fn a_second_filling_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let db = filled(&folder).await;
        fill(&db, assortment()).await.unwrap();
        let total: u32 = db
            .read(categories)
            .await
            .unwrap()
            .iter()
            .map(|category| category.products)
            .sum();
        assert_eq!(total, 24);
        let told = db.read(|conn| {
            let sql = "SELECT count(*) FROM outbox WHERE event_type = 'ProductListed'";
            Ok::<i64, DatabaseError>(conn.query_row(sql, [], |row| row.get(0))?)
        });
        assert_eq!(told.await.unwrap(), 24, "each is told once");
        assert_eq!(found(&db, "notebook").await, ["Notebook"]);
    }

    #[tokio::test]
    async fn words_and_their_beginnings_are_found_and_signs_are_no_operators() {
        let folder = tempfile::tempdir().unwrap();
        let db = filled(&folder).await;
        assert_eq!(found(&db, "fount pen").await, ["Fountain pen"]);
        assert_eq!(found(&db, "kettle OR (\" NEAR").await, Vec::<String>::new());
        assert_eq!(found(&db, "\"'); DROP TABLE products; --").await, Vec::<String>::new());
        assert_eq!(found(&db, "()*").await, Vec::<String>::new());
        assert!(found(&db, "home").await.len() >= 5, "a category is a word too");
    }

    #[tokio::test]
    async fn pages_join_to_the_whole_without_repeats() {
        let folder = tempfile::tempdir().unwrap();
        let db = filled(&folder).await;
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let wanted = Selection {
                category: None,
                after,
                limit: 7,
            };
            let (page, next) = db.read(move |conn| list(conn, &wanted)).await.unwrap();
            all.extend(page);
            let Some(next) = next else { break };
            after = next;
        }
        assert_eq!(all, assortment());
    }

    #[tokio::test]
    async fn a_category_holds_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let db = filled(&folder).await;
        let wanted = Selection {
            category: Some("games".into()),
            after: 0,
            limit: 100,
        };
        let (games, next) = db.read(move |conn| list(conn, &wanted)).await.unwrap();
        assert_eq!(
            games.iter().map(|game| game.id.as_str()).collect::<Vec<_>>(),
            ["product-23", "product-24"]
        );
        assert_eq!(next, None);
        assert_eq!(db.read(|conn| find(conn, "product-99")).await.unwrap(), None);
    }
}
