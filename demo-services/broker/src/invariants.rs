//! What must always hold in the log, as checks over the database.

use std::collections::BTreeMap;

use rusqlite::Connection;
use sagascope_conventions::Invariant;
use shop_kit::database::DatabaseError;
use shop_kit::invariants::{Best, Check, texts};

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    let mut best = Best::default();
    vec![
        Check::with(Invariant::Positions, move |conn, _| Ok(best.behind(committed(conn)?))),
        Check::new(Invariant::Positions, nobody_is_beyond_the_end),
        Check::new(Invariant::Messages, dead_letters_are_settled),
        Check::new(Invariant::Messages, nothing_is_lost_before_it_is_done),
    ]
}

/// Committed positions by group and partition. A person may set a group back: from there on it counts as another.
fn committed(conn: &Connection) -> Result<BTreeMap<String, i64>, DatabaseError> {
    let mut query =
        conn.prepare_cached("SELECT consumer_group || ' on ' || topic || '/' || partition || coalesce(', moved by hand ' || times || ' times,', ''),
                committed
           FROM positions LEFT JOIN moved_by_hand USING (consumer_group, topic, partition)",)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn nobody_is_beyond_the_end(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "SELECT consumer_group || ' on ' || topic || '/' || partition || ' is at ' || committed || ' of ' ||
                coalesce(next_offset, 0)
           FROM positions LEFT JOIN partitions USING (topic, partition)
          WHERE committed > coalesce(next_offset, 0) LIMIT 100",
    )
}

/// What is a dead letter of a group is done for that group.
fn dead_letters_are_settled(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "SELECT topic || '/' || partition || '/' || offset || ' is a dead letter of ' || consumer_group || ' and under way too'
           FROM dead_letters LEFT JOIN positions USING (consumer_group, topic, partition)
           LEFT JOIN done USING (consumer_group, topic, partition, offset)
          WHERE done.consumer_group IS NULL AND offset >= coalesce(committed, 0) LIMIT 100",
    )
}

/// From the first message on that a group has not done, each is there. What nobody came for in time was let go, from the
/// beginning on.
fn nothing_is_lost_before_it_is_done(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "SELECT topic || '/' || partition || ' has ' || kept || ' messages from ' || first || ' on, and its end is ' || next_offset
           FROM (SELECT p.topic, p.partition, p.next_offset, count(*) AS kept, min(m.offset) AS first
                   FROM partitions p JOIN messages m ON m.topic = p.topic AND m.partition = p.partition
                    AND m.offset >= coalesce((SELECT min(committed) FROM positions g
                                               WHERE g.topic = p.topic AND g.partition = p.partition), p.next_offset)
                  GROUP BY p.topic, p.partition)
          WHERE kept <> next_offset - first LIMIT 100",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::invariants::testing::{finds, found, made};

    const SOUND: &str = "
        CREATE TABLE partitions (topic, partition, next_offset);
        INSERT INTO partitions VALUES ('t', 0, 5), ('t', 1, 0);
        CREATE TABLE messages (number INTEGER PRIMARY KEY, topic, partition, offset);
        INSERT INTO messages (topic, partition, offset) VALUES ('t', 0, 2), ('t', 0, 3), ('t', 0, 4);
        CREATE TABLE positions (consumer_group, topic, partition, committed);
        INSERT INTO positions VALUES ('g', 't', 0, 2), ('h', 't', 0, 5);
        CREATE TABLE moved_by_hand (consumer_group, topic, partition, times);
        CREATE TABLE done (consumer_group, topic, partition, offset);
        INSERT INTO done VALUES ('g', 't', 0, 4);
        CREATE TABLE dead_letters (consumer_group, topic, partition, offset);
        INSERT INTO dead_letters VALUES ('g', 't', 0, 1), ('g', 't', 0, 4);";

    #[test]
    fn inv_10_and_inv_11_every_break_of_the_log_is_found() {
        for (breaks, says) in [
            (
                "UPDATE positions SET committed = 6 WHERE consumer_group = 'h'",
                "h on t/0 is at 6 of 5",
            ),
            ("DELETE FROM done", "t/0/4 is a dead letter of g and under way too"),
            (
                "DELETE FROM messages WHERE offset = 3",
                "t/0 has 2 messages from 2 on, and its end is 5",
            ),
            (
                "UPDATE partitions SET next_offset = 6 WHERE partition = 0",
                "t/0 has 3 messages from 2 on, and its end is 6",
            ),
        ] {
            finds(checks, SOUND, breaks, says);
        }
    }

    #[test]
    fn inv_10_a_group_that_goes_back_is_found() {
        let conn = made(SOUND);
        let mut checks = checks();
        let mut look = || {
            checks
                .iter_mut()
                .flat_map(|check| found(check, &conn))
                .collect::<Vec<_>>()
        };
        assert_eq!(look(), [] as [String; 0]);
        let mut after = |sql: &str| {
            conn.execute_batch(sql).expect("done");
            look()
        };
        let back = "UPDATE positions SET committed = committed - 1 WHERE consumer_group = 'h'";
        assert_eq!(after(back), ["h on t/0 went back from 5 to 4"]);
        let by_hand = format!("{back}; INSERT INTO moved_by_hand VALUES ('h', 't', 0, 1)");
        assert_eq!(after(&by_hand), [] as [String; 0], "a person may");
        assert_eq!(after(back), ["h on t/0, moved by hand 1 times, went back from 3 to 2"]);
    }
}
