//! Remembers which messages a consumer has handled, in the transaction that handles them: effects happen once.

use rusqlite::{Connection, params};

use crate::clock::unix_nanos_now;
use crate::database::{DatabaseError, Tx};
use crate::sql::signed;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer TEXT NOT NULL,
    message_id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    UNIQUE (consumer, message_id)
) STRICT;
";

/// True when `consumer` sees the message for the first time; false when its effects stand already.
///
/// # Errors
/// When the database fails.
pub fn first_time(tx: &Tx<'_>, consumer: &str, message_id: &str) -> Result<bool, DatabaseError> {
    let mut insert =
        tx.prepare_cached("INSERT OR IGNORE INTO inbox (consumer, message_id, received_at) VALUES (?, ?, ?)")?;
    Ok(insert.execute(params![consumer, message_id, signed(unix_nanos_now())])? == 1)
}

/// True when `consumer` has handled the message.
///
/// # Errors
/// When the database fails.
pub fn is_known(conn: &Connection, consumer: &str, message_id: &str) -> Result<bool, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT 1 FROM inbox WHERE consumer = ? AND message_id = ?")?;
    Ok(query.exists(params![consumer, message_id])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Database, testing};

    async fn receive(db: &Database, consumer: &'static str, fails: bool) -> Result<bool, DatabaseError> {
        db.write(move |tx| {
            let first = first_time(tx, consumer, "m-1")?;
            if fails { Err(DatabaseError::Closed) } else { Ok(first) }
        })
        .await
    }

    #[tokio::test]
    async fn a_message_is_new_once_per_consumer_and_again_after_a_failure() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        receive(&db, "shipping", true).await.expect_err("handler failed");
        assert!(receive(&db, "shipping", false).await.expect("handled"));
        assert!(!receive(&db, "shipping", false).await.expect("seen"));
        assert!(receive(&db, "analytics", false).await.expect("other consumer"));
    }
}
