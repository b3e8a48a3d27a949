//! The durable side: messages, how far each group is, and dead letters.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, params};
use shop_kit::broker::{Head, Message, NewMessage, Place, Position};
use shop_kit::clock::unix_nanos_now;
use shop_kit::database::{DatabaseError, Tx};

use crate::lane::Lane;
use crate::letters;

/// Partitions of every topic.
pub(crate) const PARTITIONS: u32 = 4;
/// Messages of a partition kept after every group has done them, to be looked at.
const KEPT: i64 = 1_000;
/// Messages of a partition kept for a group that does not come for them: hours of a busy shop.
const KEPT_UNREAD: i64 = 200_000;
/// Dead letters kept for a person.
const KEPT_LETTERS: i64 = 10_000;
/// Rows let go in one transaction: publishers wait for it.
const AT_ONCE: i64 = 500;

pub(crate) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS partitions (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT;
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    headers TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    only_group TEXT,
    replayed_letter INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition, offset),
    UNIQUE (topic, id, replayed_letter)
) STRICT;
CREATE TABLE IF NOT EXISTS positions (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    committed INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moved_by_hand (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition, offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer_group TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    message TEXT NOT NULL,
    UNIQUE (consumer_group, topic, partition, offset)
) STRICT;
CREATE TABLE IF NOT EXISTS first_failures (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition, offset)
) STRICT, WITHOUT ROWID;
";

/// A partition of a topic.
pub(crate) type Partition = (String, u32);

/// The partition of a key (FNV-1a): the same for ever.
pub(crate) fn partition_of(key: &str) -> u32 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // Folded: the low bits alone are poor.
    ((hash ^ (hash >> 32)) % u64::from(PARTITIONS)) as u32
}

/// Appends a message unless its id is there already.
pub(crate) fn append(tx: &Tx<'_>, message: &NewMessage, replay: Option<(&str, u64)>) -> Result<(), DatabaseError> {
    let partition = partition_of(&message.key);
    let offset = next_offset(tx, &message.topic, partition)?;
    let mut insert = tx.prepare_cached(
        "INSERT OR IGNORE INTO messages
         (topic, partition, offset, id, key, event_type, payload, headers, published_at, only_group, replayed_letter)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let inserted = insert.execute(params![
        message.topic,
        partition,
        offset,
        message.id,
        message.key,
        message.event_type,
        message.payload.to_string(),
        serde_json::to_string(&message.headers)?,
        signed(unix_nanos_now()),
        replay.map(|(group, _)| group),
        replay.map_or(0, |(_, letter)| signed(letter)),
    ])?;
    if inserted == 1 {
        let mut update = tx.prepare_cached(
            "INSERT INTO partitions (topic, partition, next_offset) VALUES (?1, ?2, ?3)
             ON CONFLICT (topic, partition) DO UPDATE SET next_offset = ?3",
        )?;
        update.execute(params![message.topic, partition, offset + 1])?;
    }
    Ok(())
}

pub(crate) fn next_offset(conn: &Connection, topic: &str, partition: u32) -> Result<i64, DatabaseError> {
    let mut query = conn.prepare_cached("SELECT next_offset FROM partitions WHERE topic = ? AND partition = ?")?;
    Ok(query
        .query_row(params![topic, partition], |row| row.get(0))
        .optional()?
        .unwrap_or(0))
}

/// A message as a group's lane sees it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) key: String,
    /// Unix nanoseconds.
    pub(crate) published_at: u64,
    pub(crate) for_this_group: bool,
}

/// Messages of one partition from an offset on, so many at most.
pub(crate) fn ahead(
    conn: &Connection,
    group: &str,
    (topic, partition): &Partition,
    (from, limit): (u64, usize),
) -> Result<Vec<Entry>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT offset, key, published_at, only_group IS NULL OR only_group = ? FROM messages
         WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
    )?;
    let params = params![group, topic, partition, signed(from), signed(limit as u64)];
    let entry = |row: &Row<'_>| {
        Ok(Entry {
            offset: unsigned(row, 0)?,
            key: row.get(1)?,
            published_at: unsigned(row, 2)?,
            for_this_group: row.get(3)?,
        })
    };
    Ok(query.query_map(params, entry)?.collect::<Result<_, _>>()?)
}

/// Where each partition of a topic ends; those that hold nothing yet are at 0.
pub(crate) fn heads_of(conn: &Connection, topic: &str) -> Result<[u64; PARTITIONS as usize], DatabaseError> {
    let mut heads = [0; PARTITIONS as usize];
    let mut query = conn.prepare_cached("SELECT partition, next_offset FROM partitions WHERE topic = ?")?;
    let mut rows = query.query([topic])?;
    while let Some(row) = rows.next()? {
        if let Some(head) = heads.get_mut(row.get::<_, u32>(0)? as usize) {
            *head = unsigned(row, 1)?;
        }
    }
    Ok(heads)
}

/// The lane of a group as it was left.
pub(crate) fn lane(conn: &Connection, group: &str, (topic, partition): &Partition) -> Result<Lane, DatabaseError> {
    let params = params![group, topic, partition];
    let committed = conn
        .prepare_cached("SELECT committed FROM positions WHERE consumer_group = ? AND topic = ? AND partition = ?")?
        .query_row(params, |row| unsigned(row, 0))
        .optional()?;
    let done = conn
        .prepare_cached("SELECT offset FROM done WHERE consumer_group = ? AND topic = ? AND partition = ?")?
        .query_map(params, |row| unsigned(row, 0))?
        .collect::<Result<BTreeSet<_>, _>>()?;
    let attempts = conn
        .prepare_cached(
            "SELECT offset, attempts FROM attempts WHERE consumer_group = ? AND topic = ? AND partition = ?",
        )?
        .query_map(params, |row| Ok((unsigned(row, 0)?, row.get(1)?)))?
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(Lane::resume(committed.unwrap_or(0), done, attempts))
}

/// The message at a place; `None` when it is no longer kept.
pub(crate) fn message(conn: &Connection, place: &Place, attempts: u32) -> Result<Option<Message>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT id, key, event_type, payload, headers, published_at FROM messages
         WHERE topic = ? AND partition = ? AND offset = ?",
    )?;
    let mut rows = query.query(params![place.topic, place.partition, signed(place.offset)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Message {
        id: row.get(0)?,
        place: place.clone(),
        key: row.get(1)?,
        event_type: row.get(2)?,
        payload: serde_json::from_str(&row.get::<_, String>(3)?)?,
        headers: serde_json::from_str(&row.get::<_, String>(4)?)?,
        published_at: unsigned(row, 5)?,
        attempts,
    }))
}

/// Notes messages as done, and that everything before `committed` is.
pub(crate) fn settle(
    tx: &Tx<'_>,
    group: &str,
    (topic, partition): &Partition,
    offsets: &BTreeSet<u64>,
    committed: u64,
) -> Result<(), DatabaseError> {
    let committed = signed(committed);
    for &offset in offsets.iter().filter(|&&offset| signed(offset) > committed) {
        tx.prepare_cached("INSERT OR IGNORE INTO done VALUES (?, ?, ?, ?)")?
            .execute(params![group, topic, partition, signed(offset)])?;
    }
    tx.prepare_cached(
        "INSERT INTO positions VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET committed = max(committed, ?4)",
    )?
    .execute(params![group, topic, partition, committed])?;
    for table in ["done", "attempts"] {
        let sql =
            format!("DELETE FROM {table} WHERE consumer_group = ? AND topic = ? AND partition = ? AND offset < ?");
        tx.prepare_cached(&sql)?
            .execute(params![group, topic, partition, committed])?;
    }
    letters::forget_failures(tx, group, (topic, *partition), committed)
}

/// Keeps how many deliveries of a message count against it, so that a restart does not forget it.
pub(crate) fn keep_attempts(tx: &Tx<'_>, group: &str, place: &Place, attempts: u32) -> Result<(), DatabaseError> {
    tx.prepare_cached("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            group,
            place.topic,
            place.partition,
            signed(place.offset),
            attempts
        ])?;
    tx.prepare_cached("INSERT OR IGNORE INTO first_failures VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            group,
            place.topic,
            place.partition,
            signed(place.offset),
            signed(unix_nanos_now())
        ])?;
    Ok(())
}

/// Every partition there is.
pub(crate) fn heads(conn: &Connection) -> Result<Vec<Head>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT topic, partition, next_offset FROM partitions ORDER BY topic, partition")?;
    let head = |row: &Row<'_>| {
        Ok(Head {
            topic: row.get(0)?,
            partition: row.get(1)?,
            next_offset: unsigned(row, 2)?,
        })
    };
    Ok(query.query_map([], head)?.collect::<Result<_, _>>()?)
}

/// How far every group is.
pub(crate) fn positions(conn: &Connection) -> Result<Vec<Position>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT consumer_group, topic, partition, committed, coalesce(next_offset, 0)
         FROM positions LEFT JOIN partitions USING (topic, partition) ORDER BY consumer_group, topic, partition",
    )?;
    let position = |row: &Row<'_>| {
        Ok(Position {
            group: row.get(0)?,
            topic: row.get(1)?,
            partition: row.get(2)?,
            committed: unsigned(row, 3)?,
            next_offset: unsigned(row, 4)?,
        })
    };
    Ok(query.query_map([], position)?.collect::<Result<_, _>>()?)
}

/// What was let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Messages that every group of their topic did long ago, or that nobody subscribes to.
    pub done: usize,
    /// Messages that a group will now never get, and dead letters that nobody looked at.
    pub lost: usize,
}

/// Lets a few old rows go.
pub(crate) fn forget(tx: &Tx<'_>) -> Result<Forgotten, DatabaseError> {
    forget_beyond(tx, KEPT, KEPT_UNREAD)
}

fn forget_beyond(tx: &Tx<'_>, kept: i64, kept_unread: i64) -> Result<Forgotten, DatabaseError> {
    let mut done = tx.prepare_cached(
        "DELETE FROM messages WHERE number IN (
            SELECT m.number FROM partitions AS p JOIN messages AS m ON m.topic = p.topic AND m.partition = p.partition
            WHERE m.offset < coalesce(
                (SELECT min(committed) FROM positions AS g WHERE g.topic = p.topic AND g.partition = p.partition),
                p.next_offset) - ?1 LIMIT ?2)",
    )?;
    let mut unread = tx.prepare_cached(
        "DELETE FROM messages WHERE number IN (
            SELECT m.number FROM partitions AS p JOIN messages AS m ON m.topic = p.topic AND m.partition = p.partition
            WHERE m.offset < p.next_offset - ?1 LIMIT ?2)",
    )?;
    let mut letters = tx.prepare_cached(
        "DELETE FROM dead_letters WHERE id IN (
            SELECT id FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - ?1 LIMIT ?2)",
    )?;
    // Done ones first: what is left beyond the bound is unread.
    let gone = done.execute([kept, AT_ONCE])?;
    let unread = if gone == 0 {
        unread.execute([kept_unread, AT_ONCE])?
    } else {
        0
    };
    Ok(Forgotten {
        done: gone,
        lost: unread + letters.execute([KEPT_LETTERS, AT_ONCE])?,
    })
}

pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::database::Database;
    use shop_kit::faults::Switchboard;

    fn message(n: u32) -> NewMessage {
        NewMessage {
            id: format!("m-{n}"),
            topic: "orders.events".into(),
            key: "o-1".into(),
            event_type: "OrderCreated".into(),
            payload: serde_json::Value::Null,
            headers: Default::default(),
        }
    }

    /// A group that never came for its messages, in a log of ten.
    #[tokio::test]
    async fn the_log_is_bounded_even_when_a_group_stays_away() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("broker.sqlite");
        let db = Database::open(&path, &[TABLES], Switchboard::idle()).expect("opens");
        let forgotten = db.write(|tx| {
            (0..10).try_for_each(|n| append(tx, &message(n), None))?;
            settle(
                tx,
                "analytics",
                &("orders.events".into(), partition_of("o-1")),
                &BTreeSet::new(),
                0,
            )?;
            Ok::<_, DatabaseError>([
                forget_beyond(tx, 2, 10)?,
                forget_beyond(tx, 2, 4)?,
                forget_beyond(tx, 2, 4)?,
            ])
        });
        let lost = |lost| Forgotten { done: 0, lost };
        assert_eq!(forgotten.await.expect("done"), [lost(0), lost(6), lost(0)]);
    }

    #[tokio::test]
    async fn what_nobody_subscribes_to_is_done() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("broker.sqlite");
        let db = Database::open(&path, &[TABLES], Switchboard::idle()).expect("opens");
        let forgotten = db.write(|tx| {
            (0..10).try_for_each(|n| append(tx, &message(n), None))?;
            forget_beyond(tx, 2, 10)
        });
        assert_eq!(forgotten.await.expect("done"), Forgotten { done: 8, lost: 0 });
    }

    #[test]
    fn keys_spread_over_the_partitions_and_stay_where_they_are() {
        let mut counts = [0; PARTITIONS as usize];
        for n in 0..4_000 {
            counts[partition_of(&format!("order-{n}")) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| count > 700), "{counts:?}");
        assert_eq!(partition_of("order-1"), partition_of("order-1"));
    }
}
