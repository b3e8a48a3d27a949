//! INV-07: the outbox.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use sagascope_conventions::Invariant;

use super::Check;
use crate::database::DatabaseError;
use crate::event_store;

/// Rows of the outbox, and events, that are compared. As many are kept after they were published.
const COMPARED: i64 = 1_000;
/// By so much clocks may have been set while rows were written.
const CLOCK_NANOS: i64 = 5_000_000_000;

/// The oldest rows go first: one that waits while a later one is published is forgotten. A relay that is stopped
/// overtakes nothing, and a row that a person puts back has its turn next.
#[must_use]
pub fn nothing_is_overtaken() -> Check {
    // What waits, and how far the relay was when that was seen first.
    let mut waited: BTreeMap<i64, i64> = BTreeMap::new();
    Check::with(Invariant::Outbox, move |conn, _| {
        let published = last_published(conn)?;
        let waits = waiting(conn)?;
        waited.retain(|number, _| waits.contains(number));
        for number in waits {
            waited.entry(number).or_insert(published);
        }
        let overtaken = waited
            .iter()
            .filter(|(number, seen_at)| published > **number && published > **seen_at);
        Ok(overtaken
            .map(|(number, _)| format!("row {number} waits, and row {published} was published after it was seen"))
            .collect())
    })
}

fn last_published(conn: &Connection) -> Result<i64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT coalesce(max(number), 0) FROM outbox WHERE processed = 1")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

/// The oldest that wait.
fn waiting(conn: &Connection) -> Result<BTreeSet<i64>, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT number FROM outbox WHERE processed = 0 ORDER BY number LIMIT 100")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What happened is told on `topic`, and nothing else is. `told` are the types of events that others hear of. Looks at
/// the newest.
#[must_use]
pub fn told_is_what_happened(topic: &'static str, told: &'static [&'static str]) -> Check {
    let told: BTreeSet<&str> = told.iter().copied().collect();
    Check::with(Invariant::Outbox, move |conn, _| {
        let newest = Newest::of(conn, topic)?;
        let mut found = Vec::new();
        for (id, event_type) in happened_since(conn, newest.since)? {
            let is_told =
                !told.contains(event_type.as_str()) || newest.rows.contains(&(id.clone(), event_type.clone()));
            if !is_told && !is_a_copy(conn, &id)? {
                found.push(format!("{event_type} of {id} is committed and not in the outbox"));
            }
        }
        for (id, event_type) in &newest.rows {
            if told.contains(event_type.as_str()) && !happened(conn, id, event_type)? {
                found.push(format!("{event_type} of {id} is in the outbox and was not committed"));
            }
        }
        Ok(found)
    })
}

/// The newest rows of a topic, and from when on they are all that there is.
struct Newest {
    rows: BTreeSet<(String, String)>,
    since: i64,
}

impl Newest {
    fn of(conn: &Connection, topic: &str) -> Result<Self, DatabaseError> {
        let number = |sql: &str| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
        let first = number("SELECT coalesce(max(number), 0) FROM outbox")? - COMPARED + 1;
        let since = if first <= 1 {
            0
        } else {
            let mut query = conn.prepare_cached("SELECT coalesce(min(created_at), 0) FROM outbox WHERE number = ?")?;
            query.query_row([first], |row| row.get::<_, i64>(0))? + CLOCK_NANOS
        };
        let mut query = conn.prepare_cached("SELECT key, event_type FROM outbox WHERE number >= ? AND topic = ?")?;
        let rows = query.query_map(params![first, topic], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self {
            rows: rows.collect::<Result<_, _>>()?,
            since,
        })
    }
}

fn happened_since(conn: &Connection, since: i64) -> Result<Vec<(String, String)>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT aggregate_id, event_type FROM events WHERE created_at > ? ORDER BY created_at DESC LIMIT ?",
    )?;
    let rows = query.query_map([since, COMPARED], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn happened(conn: &Connection, id: &str, event_type: &str) -> Result<bool, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT 1 FROM events WHERE aggregate_id = ? AND event_type = ?")?;
    Ok(query.exists([id, event_type])?)
}

/// A stream that stands for another one in newer forms: the others know already.
fn is_a_copy(conn: &Connection, id: &str) -> Result<bool, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT 1 FROM events WHERE event_type = ? AND event_data ->> 'by' = ?")?;
    Ok(query.exists([event_store::REPLACED, id])?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, made};
    use super::*;

    const TABLES: &str = "
        CREATE TABLE outbox (number INTEGER PRIMARY KEY, topic, key, event_type, created_at, processed);
        CREATE TABLE events (position INTEGER PRIMARY KEY, aggregate_id, event_type, event_data, created_at);
        INSERT INTO outbox VALUES (1, 'orders.events', 'o-1', 'OrderCreated', 1, 1), (2, 'other', 'o-9', 'OrderCreated', 2, 1),
            (3, 'orders.events', 'o-2', 'OrderCreated', 3, 0), (4, 'orders.events', 'o-1', 'OrderConfirmed', 4, 0);
        INSERT INTO events VALUES (1, 'o-1', 'OrderCreated', '{}', 1), (2, 'o-1', 'ItemAdded', '{}', 1),
            (3, 'o-2', 'OrderCreated', '{}', 3), (4, 'o-1', 'OrderConfirmed', '{}', 4);";

    #[test]
    fn inv_07_a_row_that_waits_while_later_ones_go_is_found() {
        let conn = made(TABLES);
        let mut check = nothing_is_overtaken();
        let mut after = |sql: &str| {
            conn.execute_batch(sql).expect("done");
            found(&mut check, &conn)
        };
        let nothing = [] as [String; 0];
        assert_eq!(after(""), nothing, "all of them wait");
        assert_eq!(after("UPDATE outbox SET processed = 1 WHERE number = 3"), nothing);
        assert_eq!(
            after("UPDATE outbox SET processed = 0 WHERE number = 1"),
            nothing,
            "put back by a person, it has its turn next"
        );
        assert_eq!(
            after("UPDATE outbox SET processed = 1 WHERE number = 4"),
            ["row 1 waits, and row 4 was published after it was seen"]
        );
        assert_eq!(after("").len(), 1, "until it goes");
        assert_eq!(after("UPDATE outbox SET processed = 1 WHERE number = 1"), nothing);
    }

    #[test]
    fn inv_07_what_is_untold_or_made_up_is_found() {
        let conn = made(TABLES);
        let mut check = told_is_what_happened("orders.events", &["OrderCreated", "OrderConfirmed"]);
        let mut after = |sql: &str| {
            conn.execute_batch(sql).expect("done");
            found(&mut check, &conn)
        };
        assert_eq!(after(""), [] as [String; 0], "items are nobody else's business");
        assert_eq!(
            after("DELETE FROM outbox WHERE number = 4"),
            ["OrderConfirmed of o-1 is committed and not in the outbox"]
        );
        assert_eq!(
            after(
                "DELETE FROM events WHERE position = 4; INSERT INTO outbox VALUES (5, 'orders.events', 'o-2', 'OrderConfirmed', 5, 1)"
            ),
            ["OrderConfirmed of o-2 is in the outbox and was not committed"]
        );
    }

    #[test]
    fn inv_07_what_was_published_long_ago_is_not_missed() {
        let conn = made(TABLES);
        let mut check = told_is_what_happened("orders.events", &["OrderCreated", "OrderConfirmed"]);
        conn.execute_batch(
            "DELETE FROM outbox; INSERT INTO outbox VALUES (5000, 'other', 'x', 'y', 90000000000, 1), (4001, 'other', 'x', 'y', 80000000000, 1)",
        )
        .expect("done");
        assert_eq!(found(&mut check, &conn), [] as [String; 0]);
        conn.execute_batch("INSERT INTO events VALUES (9, 'o-3', 'OrderCreated', '{}', 85000000001)")
            .expect("broken");
        assert_eq!(found(&mut check, &conn).len(), 1);
        conn.execute_batch("INSERT INTO events VALUES (10, 'o-2', 'StreamReplaced', '{\"by\":\"o-3\"}', 1)")
            .expect("copied");
        assert_eq!(
            found(&mut check, &conn),
            [] as [String; 0],
            "a copy of a stream tells nothing"
        );
    }
}
