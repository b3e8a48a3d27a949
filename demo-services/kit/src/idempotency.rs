//! The stored answer of a command: repeated with the same key it is answered the same, without a second effect.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde_json::Value;

use crate::clock::unix_nanos_now;
use crate::database::{DatabaseError, Tx};
use crate::sql::signed;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS idempotency (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    status INTEGER,
    answer TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (operation, key)
) STRICT;
";

/// What a key stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Begin {
    /// Not seen before: do it, then [`finish`] in the same transaction.
    First,
    /// Done before: give this answer again.
    Stored(Answer),
    /// Used before for another request: refuse.
    Conflict,
    /// Begun in an earlier transaction and not finished there.
    Unfinished,
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Value,
}

/// Claims `key` for `request` within `operation`, such as `charge`. A rolled-back transaction gives it free again.
///
/// # Errors
/// When the database fails or `request` has no JSON form.
pub fn begin(tx: &Tx<'_>, operation: &str, key: &str, request: &impl Serialize) -> Result<Begin, DatabaseError> {
    let request = serde_json::to_string(request)?;
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO idempotency (operation, key, request, created_at) VALUES (?, ?, ?, ?)",
    )?;
    if insert.execute(params![operation, key, request, signed(unix_nanos_now())])? == 1 {
        return Ok(Begin::First);
    }
    let mut query =
        tx.prepare_cached("SELECT request, status, answer FROM idempotency WHERE operation = ? AND key = ?")?;
    let (known, status, answer): (String, Option<u16>, Option<String>) = query
        .query_row(params![operation, key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if known != request {
        return Ok(Begin::Conflict);
    }
    match status.zip(answer) {
        Some((status, body)) => Ok(Begin::Stored(Answer {
            status,
            body: serde_json::from_str(&body)?,
        })),
        None => Ok(Begin::Unfinished),
    }
}

/// Keeps the answer for repeats.
///
/// # Errors
/// When the database fails.
pub fn finish(tx: &Tx<'_>, operation: &str, key: &str, answer: &Answer) -> Result<(), DatabaseError> {
    let mut update =
        tx.prepare_cached("UPDATE idempotency SET status = ?, answer = ? WHERE operation = ? AND key = ?")?;
    update.execute(params![answer.status, answer.body.to_string(), operation, key])?;
    Ok(())
}

/// What `key` stands for, as [`begin`] says it, and nothing is claimed.
///
/// # Errors
/// When the database fails or `request` has no JSON form.
pub fn seen(tx: &Tx<'_>, operation: &str, key: &str, request: &impl Serialize) -> Result<Begin, DatabaseError> {
    let known = "SELECT 1 FROM idempotency WHERE operation = ? AND key = ?";
    match tx.prepare_cached(known)?.exists([operation, key])? {
        true => begin(tx, operation, key, request),
        false => Ok(Begin::First),
    }
}

/// Keeps the answer to a request that claimed no key before: a refusal that must stay one, for example.
///
/// # Errors
/// When the database fails or `request` has no JSON form.
pub fn keep(
    tx: &Tx<'_>,
    operation: &str,
    key: &str,
    request: &impl Serialize,
    answer: &Answer,
) -> Result<(), DatabaseError> {
    begin(tx, operation, key, request)?;
    finish(tx, operation, key, answer)
}

/// The answer kept for a key, when there is one: what a caller asks whose own answer was lost.
///
/// # Errors
/// When the database fails.
pub fn stored(conn: &rusqlite::Connection, operation: &str, key: &str) -> Result<Option<Answer>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT status, answer FROM idempotency WHERE operation = ? AND key = ? AND status IS NOT NULL",
    )?;
    let row: Option<(u16, String)> = query
        .query_row(params![operation, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(status, body)| {
        Ok(Answer {
            status,
            body: serde_json::from_str(&body)?,
        })
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Database, testing};
    use serde_json::json;

    const LEDGER: &[&str] = &["CREATE TABLE IF NOT EXISTS ledger (amount INTEGER NOT NULL) STRICT"];

    /// Charges an amount under a key; `crash` fails the transaction between the effect and the kept answer.
    async fn charge(db: &Database, key: &'static str, amount: i64, crash: bool) -> Result<Begin, DatabaseError> {
        db.write(move |tx| {
            let begun = begin(tx, "charge", key, &json!({ "amount": amount }))?;
            if begun == Begin::First {
                tx.execute("INSERT INTO ledger VALUES (?)", [amount])?;
                if crash {
                    return Err(DatabaseError::Closed);
                }
                finish(
                    tx,
                    "charge",
                    key,
                    &Answer {
                        status: 201,
                        body: json!({ "charged": amount }),
                    },
                )?;
            }
            Ok(begun)
        })
        .await
    }

    async fn charged(db: &Database) -> i64 {
        db.read(|conn| {
            Ok::<_, DatabaseError>(
                conn.query_row("SELECT total(amount) FROM ledger", [], |row| row.get::<_, f64>(0))? as i64,
            )
        })
        .await
        .expect("reads")
    }

    #[tokio::test]
    async fn inv_06_same_key_same_answer_other_body_conflict() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), LEDGER);
        charge(&db, "k-1", 100, true)
            .await
            .expect_err("crashed before the answer was kept");
        assert_eq!(charged(&db).await, 0);
        let both = tokio::join!(charge(&db, "k-1", 100, false), charge(&db, "k-1", 100, false));
        let stored = Begin::Stored(Answer {
            status: 201,
            body: json!({ "charged": 100 }),
        });
        assert_eq!(
            (both.0.expect("first"), both.1.expect("repeat")),
            (Begin::First, stored)
        );
        assert_eq!(charge(&db, "k-1", 999, false).await.expect("answered"), Begin::Conflict);
        assert_eq!(charged(&db).await, 100);
        assert!(
            db.read(|conn| super::stored(conn, "charge", "k-1"))
                .await
                .expect("reads")
                .is_some()
        );
        assert!(
            db.read(|conn| super::stored(conn, "charge", "k-2"))
                .await
                .expect("reads")
                .is_none()
        );
    }
}
