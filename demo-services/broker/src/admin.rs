//! What a person asks of the broker: look into a topic, see where a group stands, set it back, settle dead letters.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use sagascope_instrument::message_events::LetterOutcome;
use shop_kit::broker::admin::{Hurry, Letters, Look, MOST_INSPECTED, Moved, Reset, ResetTo, Seen, Settled, Standing};
use shop_kit::broker::{BrokerError, DeadLetter, Place};
use shop_kit::database::{DatabaseError, Tx};
use tokio::time::Instant;

use crate::embedded::{EmbeddedBroker, carried_through, check_name, unavailable};
use crate::letters;
use crate::log::{self, PARTITIONS, Partition, signed, unsigned};

/// A page ends once its payloads are this large together; one message is always given.
const PAGE_BYTES: usize = 1024 * 1024;
/// Letters settled in one transaction.
const AT_ONCE: usize = 200;
/// Most letters of a list.
const MOST_LETTERS: usize = 1_000;

impl EmbeddedBroker {
    /// A page of one partition; `None` when there is no such topic or partition.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look(&self, topic: &str, look: Look) -> Result<Option<Seen>, BrokerError> {
        let partition = (topic.to_owned(), look.partition);
        let read = self.db().read(move |conn| seen(conn, partition, &look));
        read.await.map_err(unavailable)
    }

    /// Where a group stands in each partition that it reads; `None` when there is no such group.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(&self, group: &str) -> Result<Option<Vec<Standing>>, BrokerError> {
        if !self.is_known(group).await? {
            return Ok(None);
        }
        let (name, in_memory) = (group.to_owned(), self.group(group)?);
        // Held while the database is read: nothing moves between the two.
        let lanes = in_memory.lanes().await;
        let read = self.db().read(move |conn| standing(conn, &name));
        let mut standing = read.await.map_err(unavailable)?;
        for row in &mut standing {
            let lane = lanes.get(&(row.topic.clone(), row.partition));
            row.in_flight = lane.map_or(0, |lane| lane.leased(Instant::now()));
            row.scheduled = row.lag.saturating_sub(row.in_flight);
        }
        Ok(Some(standing).filter(|rows| !rows.is_empty()))
    }

    /// Makes the deliveries of a key due now that wait for another attempt, and delivers what was given up once more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hurry(&self, hurry: Hurry) -> Result<Settled, BrokerError> {
        let Hurry { topic, key } = hurry;
        check_name("topic", &topic)?;
        let partition = (topic.clone(), log::partition_of(&key));
        let mut count = 0;
        for group in self.groups() {
            let mut lanes = group.lanes().await;
            count += lanes.get_mut(&partition).map_or(0, |lane| lane.hurry(&key));
            drop(lanes);
            group.wake();
        }
        let letters = Letters {
            topic: Some(topic),
            key: Some(key),
            ..Letters::default()
        };
        count += self.replay_letters(letters).await?.count;
        Ok(Settled { count })
    }

    /// Sets a group to another place: from there on everything is delivered again, to those that handle it again. What
    /// is under way counts no more. `None` when the group does not read the topic.
    ///
    /// # Errors
    /// When an offset is not there, or the database fails.
    pub async fn reset(&self, group: &str, reset: Reset) -> Result<Option<Vec<Moved>>, BrokerError> {
        check_name("topic", &reset.topic)?;
        if reset.partition.is_some_and(|partition| partition >= PARTITIONS) {
            return Err(BrokerError::Refused(format!("partition must be below {PARTITIONS}")));
        }
        if matches!(reset.to, ResetTo::Offset(_)) && reset.partition.is_none() {
            return Err(BrokerError::Refused("an offset needs a partition".to_owned()));
        }
        if !self.is_known(group).await? {
            return Ok(None);
        }
        let (broker, group) = (self.clone(), group.to_owned());
        carried_through(async move { broker.move_to(&group, reset).await }).await
    }

    async fn move_to(&self, group: &str, reset: Reset) -> Result<Option<Vec<Moved>>, BrokerError> {
        let (name, in_memory) = (group.to_owned(), self.group(group)?);
        let mut lanes = in_memory.lanes().await;
        let topic = reset.topic.clone();
        let write = self.db().write(move |tx| move_group(tx, &name, &reset));
        let moved = write.await.map_err(unavailable)?;
        let Some(moved) = moved else { return Ok(None) };
        let moved = moved.map_err(BrokerError::Refused)?;
        for one in &moved {
            // The next fetch takes it up from the table.
            lanes.remove(&(topic.clone(), one.partition));
        }
        drop(lanes);
        in_memory.wake();
        Ok(Some(moved))
    }

    /// Oldest dead letters that fit, behind the one with the id `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn letters(&self, wanted: Letters, after: u64, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let read = self
            .db()
            .read(move |conn| letters::list(conn, &wanted, after, limit.min(MOST_LETTERS)));
        read.await.map_err(unavailable)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn letter(&self, id: u64) -> Result<Option<DeadLetter>, BrokerError> {
        let read = self.db().read(move |conn| letters::one(conn, id));
        read.await.map_err(unavailable)
    }

    /// Delivers letters that fit once more. Those that come while this runs are left.
    ///
    /// # Errors
    /// When the database fails; what was replayed until then is.
    pub async fn replay_letters(&self, wanted: Letters) -> Result<Settled, BrokerError> {
        self.settle_letters(wanted, letters::replay).await
    }

    /// Throws letters away.
    ///
    /// # Errors
    /// When the database fails; what was thrown away until then is.
    pub async fn purge_letters(&self, wanted: Letters) -> Result<Settled, BrokerError> {
        self.settle_letters(wanted, |tx, id| {
            letters::take(tx, id, LetterOutcome::Purged).map(|letter| letter.is_some())
        })
        .await
    }

    /// A group takes room in memory, so a name that only a question brings is not made one.
    async fn is_known(&self, group: &str) -> Result<bool, BrokerError> {
        let group = group.to_owned();
        let read = self.db().read(move |conn| {
            let mut query = conn.prepare_cached("SELECT 1 FROM positions WHERE consumer_group = ? LIMIT 1")?;
            Ok::<_, DatabaseError>(query.exists([group])?)
        });
        read.await.map_err(unavailable)
    }

    async fn settle_letters(
        &self,
        wanted: Letters,
        settle: impl Fn(&Tx<'_>, u64) -> Result<bool, DatabaseError> + Copy + Send + 'static,
    ) -> Result<Settled, BrokerError> {
        let newest = self.db().read(newest_letter).await.map_err(unavailable)?;
        let (mut count, mut after) = (0, 0);
        loop {
            let wanted = wanted.clone();
            let some = self.db().write(move |tx| {
                let mut ids = letters::ids(tx, &wanted, after, AT_ONCE)?;
                ids.retain(|&id| id <= newest);
                let mut settled = 0;
                for &id in &ids {
                    settled += u64::from(settle(tx, id)?);
                }
                Ok::<_, DatabaseError>((settled, ids.last().copied()))
            });
            let (settled, last) = some.await.map_err(unavailable)?;
            self.wake_all();
            count += settled;
            match last {
                Some(last) => after = last,
                None => return Ok(Settled { count }),
            }
        }
    }
}

fn newest_letter(conn: &Connection) -> Result<u64, DatabaseError> {
    Ok(
        conn.query_row("SELECT coalesce(max(id), 0) FROM dead_letters", [], |row| {
            unsigned(row, 0)
        })?,
    )
}

fn seen(conn: &Connection, (topic, partition): Partition, look: &Look) -> Result<Option<Seen>, DatabaseError> {
    let is_known = conn
        .prepare_cached("SELECT 1 FROM partitions WHERE topic = ?")?
        .exists([&topic])?;
    if !is_known || partition >= PARTITIONS {
        return Ok(None);
    }
    let head = log::next_offset(conn, &topic, partition)?.unsigned_abs();
    let oldest = oldest(conn, &topic, partition)?.unwrap_or(head);
    let limit = look.limit.clamp(1, MOST_INSPECTED);
    let mut query = conn.prepare_cached(
        "SELECT offset, length(payload) FROM messages
         WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
    )?;
    let params = params![topic, partition, signed(look.from), signed(limit as u64)];
    let found = query.query_map(params, |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
    let (mut items, mut bytes, mut next) = (Vec::new(), 0_usize, look.from.max(oldest));
    for found in found {
        let (offset, length) = found?;
        bytes = bytes.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        if !items.is_empty() && bytes > PAGE_BYTES {
            break;
        }
        let place = Place {
            topic: topic.clone(),
            partition,
            offset,
        };
        items.extend(log::message(conn, &place, 0)?);
        next = offset + 1;
    }
    Ok(Some(Seen {
        items,
        oldest,
        head,
        next: Some(next).filter(|&next| next < head),
    }))
}

fn oldest(conn: &Connection, topic: &str, partition: u32) -> Result<Option<u64>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT offset FROM messages WHERE topic = ? AND partition = ? ORDER BY offset LIMIT 1")?;
    Ok(query
        .query_row(params![topic, partition], |row| unsigned(row, 0))
        .optional()?)
}

/// All but what only memory knows.
fn standing(conn: &Connection, group: &str) -> Result<Vec<Standing>, DatabaseError> {
    let positions = log::positions(conn)?;
    let mut dead: BTreeMap<Partition, u64> = BTreeMap::new();
    let mut query = conn.prepare_cached(
        "SELECT topic, partition, count(*) FROM dead_letters WHERE consumer_group = ? GROUP BY topic, partition",
    )?;
    for row in query.query_map([group], |row| Ok(((row.get(0)?, row.get(1)?), unsigned(row, 2)?)))? {
        let (partition, count) = row?;
        dead.insert(partition, count);
    }
    let mut count = conn.prepare_cached(
        "SELECT count(*), coalesce(sum(m.offset >= ?2 AND d.offset IS NULL), 0) FROM messages AS m
         LEFT JOIN done AS d ON d.consumer_group = ?1 AND d.topic = m.topic AND d.partition = m.partition AND d.offset = m.offset
         WHERE m.topic = ?3 AND m.partition = ?4 AND (m.only_group IS NULL OR m.only_group = ?1)",
    )?;
    let mut rows = Vec::new();
    for position in positions.into_iter().filter(|position| position.group == group) {
        let (topic, partition) = (position.topic, position.partition);
        let params = params![group, signed(position.committed), topic, partition];
        let (kept, lag) = count.query_row(params, |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
        let dead = dead.get(&(topic.clone(), partition)).copied().unwrap_or(0);
        rows.push(Standing {
            topic,
            partition,
            committed: position.committed,
            head: position.next_offset,
            lag,
            done: kept.saturating_sub(lag).saturating_sub(dead),
            dead,
            ..Standing::default()
        });
    }
    Ok(rows)
}

/// The refusal, where there is one, in words.
type MovedOrRefused = Result<Vec<Moved>, String>;

fn move_group(tx: &Tx<'_>, group: &str, reset: &Reset) -> Result<Option<MovedOrRefused>, DatabaseError> {
    let positions = log::positions(tx)?;
    let mine: Vec<_> = positions
        .into_iter()
        .filter(|position| position.group == group && position.topic == reset.topic)
        .filter(|position| reset.partition.is_none_or(|only| position.partition == only))
        .collect();
    if mine.is_empty() {
        return Ok(None);
    }
    let mut moved = Vec::new();
    for position in mine {
        let (partition, head) = (position.partition, position.next_offset);
        let oldest = oldest(tx, &reset.topic, partition)?.unwrap_or(head);
        let to = match reset.to {
            ResetTo::Beginning => oldest,
            ResetTo::End => head,
            ResetTo::Time(at) => first_since(tx, &reset.topic, partition, at)?.unwrap_or(head),
            ResetTo::Offset(offset) if offset > head => {
                return Ok(Some(Err(format!("partition {partition} ends at offset {head}"))));
            }
            ResetTo::Offset(offset) => offset.max(oldest),
        };
        let partition = (reset.topic.clone(), partition);
        let letters = letters::from_offset(tx, group, &partition, to)?;
        for &letter in &letters {
            letters::take(tx, letter, LetterOutcome::Replayed)?;
        }
        place_group(tx, group, &partition, to)?;
        moved.push(Moved {
            partition: partition.1,
            from: position.committed,
            to,
            letters: letters.len() as u64,
        });
    }
    Ok(Some(Ok(moved)))
}

fn first_since(conn: &Connection, topic: &str, partition: u32, at: u64) -> Result<Option<u64>, DatabaseError> {
    let mut query = conn
        .prepare_cached("SELECT min(offset) FROM messages WHERE topic = ? AND partition = ? AND published_at >= ?")?;
    let offset: Option<i64> = query.query_row(params![topic, partition, signed(at)], |row| row.get(0))?;
    Ok(offset.map(i64::unsigned_abs))
}

fn place_group(tx: &Tx<'_>, group: &str, (topic, partition): &Partition, to: u64) -> Result<(), DatabaseError> {
    for table in ["done", "attempts"] {
        let sql = format!("DELETE FROM {table} WHERE consumer_group = ? AND topic = ? AND partition = ?");
        tx.prepare_cached(&sql)?.execute(params![group, topic, partition])?;
    }
    tx.prepare_cached("UPDATE positions SET committed = ? WHERE consumer_group = ? AND topic = ? AND partition = ?")?
        .execute(params![signed(to), group, topic, partition])?;
    tx.prepare_cached("INSERT INTO moved_by_hand VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1")?
        .execute(params![group, topic, partition])?;
    Ok(())
}
