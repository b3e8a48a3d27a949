//! INV-09: read models against a fold of their own, stream by stream.
//!
//! A few streams are folded into tables in memory that nobody else sees; a read model has no side effects, so folding
//! has none either. Comparing all of a read model at once is what [`ReadModel::verify`] does, and others wait for that.

use rusqlite::Connection;
use rusqlite::types::Value;
use sagascope_conventions::Invariant;

use super::Check;
use crate::database::{DatabaseError, Scratch};
use crate::effects;
use crate::event_store;
use crate::projection::{ReadModel, position};
use crate::sql::signed;

/// Streams of one look: the newest, and as many others, further on each time.
const STREAMS: u32 = 16;

/// A read model, and those of its tables whose rows each stand for one stream.
#[derive(Clone, Copy, Debug)]
pub struct Sampled {
    /// The read model.
    pub model: ReadModel,
    /// Table, and the column in it that holds the id of the stream.
    pub rows: &'static [(&'static str, &'static str)],
}

/// The rows of a read model are what its events fold to. `schema` makes its tables.
///
/// # Errors
/// When no tables can be made in memory.
pub fn rows_are_the_fold(models: &'static [Sampled], schema: &[&str]) -> Result<Check, DatabaseError> {
    let scratch = Scratch::open(schema)?;
    let mut walked = String::new();
    Ok(Check::with(Invariant::ReadModels, move |conn, _| {
        let streams = sample(conn, &mut walked)?;
        let mut found = Vec::new();
        for sampled in models {
            for stream in &streams {
                found.extend(difference(conn, &scratch, sampled, stream)?);
            }
        }
        Ok(found)
    }))
}

/// The newest streams, and the next ones after `walked` in the order of their ids.
fn sample(conn: &Connection, walked: &mut String) -> Result<Vec<String>, DatabaseError> {
    let mut newest = conn.prepare_cached(
        "SELECT DISTINCT aggregate_id FROM (SELECT aggregate_id FROM events ORDER BY position DESC LIMIT 200) LIMIT ?",
    )?;
    let mut next = conn.prepare_cached(
        "SELECT DISTINCT aggregate_id FROM events WHERE aggregate_id > ? ORDER BY aggregate_id LIMIT ?",
    )?;
    let mut streams: Vec<String> = newest
        .query_map([STREAMS], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let others: Vec<String> = next
        .query_map((walked.as_str(), STREAMS), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    // At the end it starts again.
    *walked = others.last().cloned().unwrap_or_default();
    streams.extend(others);
    Ok(streams)
}

fn difference(
    conn: &Connection,
    scratch: &Scratch,
    sampled: &Sampled,
    stream: &str,
) -> Result<Option<String>, DatabaseError> {
    let model = sampled.model;
    let until = position(conn, model.name)?;
    let mut parked = conn.prepare_cached("SELECT 1 FROM projection_failures WHERE name = ? AND position = ?")?;
    let mut events = event_store::load(conn, stream, 1)?;
    events.retain(|event| event.position <= until);
    for event in &events {
        if parked.exists((model.name, signed(event.position)))? {
            // A stream with a hole folds to whatever the others leave: nothing is promised about that.
            return Ok(None);
        }
    }
    let folded = scratch.thrown_away(|tx| {
        for event in &events {
            if let Err(error) = effects::forbidden(|| (model.apply)(tx, event)) {
                return Ok(Err(format!("cannot be folded again: {error:#}")));
            }
        }
        rows(tx, sampled, stream).map(Ok)
    })?;
    let stands = rows(conn, sampled, stream)?;
    Ok(match folded {
        Err(what) => Some(format!("{} of {stream} {what}", model.name)),
        Ok(folded) if folded == stands => None,
        Ok(folded) => {
            let first = |one: &[String], other: &[String]| {
                let row = one.iter().find(|row| !other.contains(row));
                row.map_or_else(|| "no row".to_owned(), |row| row.chars().take(120).collect())
            };
            let (stands, folded) = (first(&stands, &folded), first(&folded, &stands));
            Some(format!(
                "{} of {stream} shows {stands}, and its events fold to {folded}",
                model.name
            ))
        }
    })
}

/// The rows of one stream as text, sorted.
fn rows(conn: &Connection, sampled: &Sampled, stream: &str) -> Result<Vec<String>, DatabaseError> {
    let mut texts = Vec::new();
    for (table, column) in sampled.rows {
        let mut query = conn.prepare_cached(&format!("SELECT * FROM {table} WHERE {column} = ?"))?;
        let columns = query.column_count();
        let mut found = query.query([stream])?;
        while let Some(row) = found.next()? {
            let values = (0..columns)
                .map(|column| row.get(column).map(text))
                .collect::<Result<Vec<_>, _>>()?;
            texts.push(values.join(" | "));
        }
    }
    texts.sort_unstable();
    Ok(texts)
}

fn text(value: Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;
    use super::*;
    use crate::context::Context;
    use crate::database::{Database, Tx, testing};
    use crate::event_store::{NewEvent, StoredEvent};
    use crate::projection::Projection;
    use crate::testing::eventually;
    use serde_json::json;

    const SCHEMA: &[&str] = &["CREATE TABLE IF NOT EXISTS sums (id TEXT PRIMARY KEY, sum INTEGER NOT NULL) STRICT"];

    fn apply(tx: &Tx<'_>, event: &StoredEvent) -> anyhow::Result<()> {
        let by = event.data["by"].as_i64().unwrap_or(0);
        anyhow::ensure!(by != 13, "refused");
        tx.prepare_cached("INSERT INTO sums VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET sum = sum + ?2")?
            .execute((&event.aggregate_id, by))?;
        Ok(())
    }

    const MODELS: &[Sampled] = &[Sampled {
        model: ReadModel::new("sums", &["sums"], apply),
        rows: &[("sums", "id")],
    }];

    async fn append(db: &Database, id: &'static str, version: u64, by: i64) {
        let event = NewEvent::new("Added", &json!({ "by": by })).expect("has a form");
        let context = Context::default();
        db.write(move |tx| event_store::append(tx, "sum", id, version, &[event], &context).map(drop))
            .await
            .expect("appended");
    }

    #[tokio::test]
    async fn inv_09_a_row_that_is_not_the_fold_is_found() {
        let folder = tempfile::tempdir().expect("folder");
        let db = testing::open_with_schema(folder.path(), SCHEMA);
        for (id, version, by) in [("s-1", 0, 1), ("s-2", 0, 5), ("s-1", 1, 2), ("s-3", 0, 13)] {
            append(&db, id, version, by).await;
        }
        let _running = Projection::of(MODELS[0].model, db.clone());
        let reached = || async { db.read(|conn| position(conn, "sums")).await.ok().filter(|at| *at == 4) };
        eventually("the read model is there", reached).await;
        let conn = Connection::open(db.path()).expect("opens");
        let mut check = rows_are_the_fold(MODELS, SCHEMA).expect("made");
        assert_eq!(
            found(&mut check, &conn),
            [] as [String; 0],
            "what was parked is left out"
        );
        conn.execute("UPDATE sums SET sum = 4 WHERE id = 's-1'", [])
            .expect("broken");
        let all = found(&mut check, &conn);
        assert_eq!(all[0], "sums of s-1 shows s-1 | 4, and its events fold to s-1 | 3");
        conn.execute_batch("UPDATE sums SET sum = 3 WHERE id = 's-1'; DELETE FROM sums WHERE id = 's-2'")
            .expect("broken otherwise");
        let all = found(&mut check, &conn);
        assert_eq!(all[0], "sums of s-2 shows no row, and its events fold to s-2 | 5");
    }
}
