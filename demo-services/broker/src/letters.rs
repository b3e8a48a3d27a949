//! Dead letters: messages that a group gave up, kept for a person until they are replayed or purged.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sagascope_instrument::message_events::{LetterOutcome, letter_settled};
use shop_kit::broker::admin::Letters;
use shop_kit::broker::{DeadLetter, Message, NewMessage, Place};
use shop_kit::clock::unix_nanos_now;
use shop_kit::context::Context;
use shop_kit::database::{DatabaseError, Tx};
use shop_kit::state_events;

use crate::log::{self, signed, unsigned};

const SELECT: &str =
    "SELECT d.id, d.consumer_group, d.reason, d.at, coalesce(f.at, d.at), d.message FROM dead_letters AS d
     LEFT JOIN first_failures AS f USING (consumer_group, topic, partition, offset)";

/// Sets a message aside.
pub(crate) fn bury(tx: &Tx<'_>, group: &str, message: &Message, reason: &str) -> Result<(), DatabaseError> {
    let place = &message.place;
    tx.prepare_cached(
        "INSERT OR IGNORE INTO dead_letters (consumer_group, reason, at, topic, partition, offset, message)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        group,
        reason,
        signed(unix_nanos_now()),
        place.topic,
        place.partition,
        signed(place.offset),
        serde_json::to_string(message)?,
    ])?;
    Ok(())
}

/// Takes back a letter whose message was handled after all.
pub(crate) fn unbury(tx: &Tx<'_>, group: &str, place: &Place) -> Result<(), DatabaseError> {
    let id = tx
        .prepare_cached(
            "SELECT id FROM dead_letters WHERE consumer_group = ? AND topic = ? AND partition = ? AND offset = ?",
        )?
        .query_row(
            params![group, place.topic, place.partition, signed(place.offset)],
            |row| unsigned(row, 0),
        )
        .optional()?;
    match id {
        Some(id) => take(tx, id, LetterOutcome::Handled).map(drop),
        None => Ok(()),
    }
}

/// Removes a letter, tells what became of it, and gives it back.
pub(crate) fn take(tx: &Tx<'_>, id: u64, outcome: LetterOutcome) -> Result<Option<DeadLetter>, DatabaseError> {
    let Some(letter) = one(tx, id)? else { return Ok(None) };
    let Message {
        id: message,
        place,
        headers,
        ..
    } = &letter.message;
    tx.prepare_cached("DELETE FROM dead_letters WHERE id = ?")?
        .execute([signed(id)])?;
    tx.prepare_cached(
        "DELETE FROM first_failures WHERE consumer_group = ? AND topic = ? AND partition = ? AND offset = ?",
    )?
    .execute(params![
        letter.group,
        place.topic,
        place.partition,
        signed(place.offset)
    ])?;
    let context = Context::from_headers(headers);
    let event = letter_settled(unix_nanos_now(), &place.topic, message, outcome).correlated(&context.correlation_id);
    state_events::record(tx, event, &context)?;
    Ok(Some(letter))
}

/// Delivers a letter once more, to the group that gave it up and to no other. False when it is not there.
pub(crate) fn replay(tx: &Tx<'_>, id: u64) -> Result<bool, DatabaseError> {
    let Some(letter) = take(tx, id, LetterOutcome::Replayed)? else {
        return Ok(false);
    };
    let Message {
        id,
        place,
        key,
        event_type,
        payload,
        headers,
        ..
    } = letter.message;
    let message = NewMessage {
        id,
        topic: place.topic,
        key,
        event_type,
        payload,
        headers,
    };
    log::append(tx, &message, Some((&letter.group, letter.id)))?;
    Ok(true)
}

/// One letter.
pub(crate) fn one(conn: &Connection, id: u64) -> Result<Option<DeadLetter>, DatabaseError> {
    let mut query = conn.prepare_cached(&format!("{SELECT} WHERE d.id = ?"))?;
    query
        .query_row([signed(id)], raw)
        .optional()?
        .map(letter_of)
        .transpose()
}

/// Oldest letters that fit, behind the one named `after`.
pub(crate) fn list(
    conn: &Connection,
    wanted: &Letters,
    after: u64,
    limit: usize,
) -> Result<Vec<DeadLetter>, DatabaseError> {
    let ids = ids(conn, wanted, after, limit)?;
    let letters = ids.into_iter().map(|id| one(conn, id));
    letters.filter_map(Result::transpose).collect()
}

/// Their ids.
pub(crate) fn ids(conn: &Connection, wanted: &Letters, after: u64, limit: usize) -> Result<Vec<u64>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT id FROM dead_letters WHERE id > ?1 AND (?2 IS NULL OR topic = ?2)
         AND (?3 IS NULL OR consumer_group = ?3) AND (?4 IS NULL OR json_extract(message, '$.id') = ?4)
         AND (?5 IS NULL OR json_extract(message, '$.key') = ?5)
         ORDER BY id LIMIT ?6",
    )?;
    let params = params![
        signed(after),
        wanted.topic,
        wanted.group,
        wanted.message_id,
        wanted.key,
        signed(limit as u64)
    ];
    Ok(query
        .query_map(params, |row| unsigned(row, 0))?
        .collect::<Result<_, _>>()?)
}

/// Letters of a group in a partition whose messages are still kept from `from` on.
pub(crate) fn from_offset(
    conn: &Connection,
    group: &str,
    (topic, partition): &log::Partition,
    from: u64,
) -> Result<Vec<u64>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT d.id FROM dead_letters AS d JOIN messages USING (topic, partition, offset)
         WHERE d.consumer_group = ? AND d.topic = ? AND d.partition = ? AND d.offset >= ?",
    )?;
    let params = params![group, topic, partition, signed(from)];
    Ok(query
        .query_map(params, |row| unsigned(row, 0))?
        .collect::<Result<_, _>>()?)
}

/// Letters waiting, by topic; topics without any count 0.
pub(crate) fn by_topic(conn: &Connection) -> Result<Vec<(String, u64)>, DatabaseError> {
    let mut query = conn.prepare_cached(
        "SELECT topic, (SELECT count(*) FROM dead_letters WHERE dead_letters.topic = topics.topic)
         FROM (SELECT DISTINCT topic FROM partitions) AS topics",
    )?;
    Ok(query
        .query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?
        .collect::<Result<_, _>>()?)
}

/// Lets go of the times at which settled messages first failed, but for those of letters.
pub(crate) fn forget_failures(
    tx: &Tx<'_>,
    group: &str,
    (topic, partition): (&str, u32),
    committed: i64,
) -> Result<(), DatabaseError> {
    tx.prepare_cached(
        "DELETE FROM first_failures WHERE consumer_group = ?1 AND topic = ?2 AND partition = ?3 AND offset < ?4
         AND NOT EXISTS (SELECT 1 FROM dead_letters AS d WHERE d.consumer_group = ?1 AND d.topic = ?2
                         AND d.partition = ?3 AND d.offset = first_failures.offset)",
    )?
    .execute(params![group, topic, partition, committed])?;
    Ok(())
}

type RawLetter = (u64, String, String, u64, u64, String);

fn raw(row: &Row<'_>) -> rusqlite::Result<RawLetter> {
    Ok((
        unsigned(row, 0)?,
        row.get(1)?,
        row.get(2)?,
        unsigned(row, 3)?,
        unsigned(row, 4)?,
        row.get(5)?,
    ))
}

fn letter_of((id, group, reason, at, first_failed_at, message): RawLetter) -> Result<DeadLetter, DatabaseError> {
    Ok(DeadLetter {
        id,
        group,
        reason,
        at,
        first_failed_at,
        message: serde_json::from_str(&message)?,
    })
}
