//! Running sums that outlive the rows they were made of, so that an audit stays right after old rows are let go.

use rusqlite::{Connection, OptionalExtension, params};

use crate::database::{DatabaseError, Tx};

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS carried_totals (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Carries `by` forward, in the transaction that lets go of the rows it stands for.
///
/// # Errors
/// When the database fails.
pub fn carry(tx: &Tx<'_>, name: &str, by: i64) -> Result<(), DatabaseError> {
    let mut upsert = tx.prepare_cached(
        "INSERT INTO carried_totals VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
    )?;
    upsert.execute(params![name, by])?;
    Ok(())
}

/// What was carried forward under a name: add it to the sum of the rows that are still there.
///
/// # Errors
/// When the database fails.
pub fn carried(conn: &Connection, name: &str) -> Result<i64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT value FROM carried_totals WHERE name = ?")?;
    Ok(query.query_row([name], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Counts carried forward under `prefix`, a `/` and their own word, such as `letters/confirmed`.
///
/// # Errors
/// When the database fails.
pub fn counts(conn: &Connection, prefix: &str) -> Result<Vec<(String, u32)>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT name, value FROM carried_totals WHERE name >= ?1 || '/' AND name < ?1 || '0'")?;
    let mut rows = query.query([prefix])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, value): (String, i64) = (row.get(0)?, row.get(1)?);
        let word = name.get(prefix.len() + 1..).unwrap_or_default().to_owned();
        counts.push((word, u32::try_from(value).unwrap_or(0)));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::testing;

    #[tokio::test]
    async fn sums_grow_and_prefixes_do_not_mix() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open(folder.path());
        let write = db.write(|tx| {
            carry(tx, "letters/confirmed", 2)?;
            carry(tx, "letters/confirmed", 3)?;
            carry(tx, "letters/cancelled", 1)?;
            carry(tx, "letters-kept/confirmed", 9)
        });
        write.await.expect("carried");
        let (sum, none, counts) = db
            .read(|conn| {
                let sum = carried(conn, "letters/confirmed")?;
                Ok::<_, DatabaseError>((sum, carried(conn, "nothing")?, counts(conn, "letters")?))
            })
            .await
            .expect("read");
        assert_eq!((sum, none), (5, 0));
        assert_eq!(counts, [("cancelled".to_owned(), 1), ("confirmed".to_owned(), 5)]);
    }
}
