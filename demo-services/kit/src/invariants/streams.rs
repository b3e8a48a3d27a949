//! INV-08 and INV-05: the event store.

use sagascope_conventions::Invariant;

use super::{Check, texts};

/// The versions of each stream are 1, 2, 3 … without gap or repeat.
#[must_use]
pub fn versions_are_whole() -> Check {
    Check::new(Invariant::Versions, |conn| {
        texts(
            conn,
            "SELECT aggregate_id || ' has ' || count(*) || ' events with the versions ' || min(event_version) || ' to ' ||
                    max(event_version) FROM events GROUP BY aggregate_id
             HAVING min(event_version) <> 1 OR max(event_version) <> count(*) OR count(DISTINCT event_version) <> count(*)
             LIMIT 100",
        )
    })
}

/// Events of these types happen once in a stream. Looks at the newest events.
#[must_use]
pub fn events_happen_once(types: &'static [&'static str]) -> Check {
    let types = types.join("', '");
    let sql = format!(
        "SELECT event_type || ' happened ' || count(*) || ' times to ' || aggregate_id
           FROM (SELECT aggregate_id, event_type FROM events ORDER BY position DESC LIMIT 5000)
          WHERE event_type IN ('{types}') GROUP BY aggregate_id, event_type HAVING count(*) > 1 LIMIT 100"
    );
    Check::with(Invariant::EffectsOnce, move |conn, _| texts(conn, &sql))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, made};
    use super::*;

    const EVENTS: &str = "CREATE TABLE events (position INTEGER PRIMARY KEY, aggregate_id, event_version, event_type);
        INSERT INTO events VALUES (1, 'o-1', 1, 'OrderCreated'), (2, 'o-2', 1, 'OrderCreated'), (3, 'o-1', 2, 'ItemAdded'),
            (4, 'o-1', 3, 'ItemAdded')";

    #[test]
    fn inv_08_a_gap_a_repeat_and_a_missing_beginning_are_found() {
        let conn = made(EVENTS);
        let mut check = versions_are_whole();
        assert_eq!(found(&mut check, &conn), [] as [String; 0]);
        for (breaks, says) in [
            (
                "INSERT INTO events VALUES (9, 'o-2', 3, 'ItemAdded')",
                "o-2 has 2 events with the versions 1 to 3",
            ),
            (
                "INSERT INTO events VALUES (9, 'o-2', 1, 'ItemAdded')",
                "o-2 has 2 events with the versions 1 to 1",
            ),
            (
                "INSERT INTO events VALUES (9, 'o-3', 2, 'ItemAdded')",
                "o-3 has 1 events with the versions 2 to 2",
            ),
        ] {
            conn.execute_batch(breaks).expect("broken");
            assert_eq!(found(&mut check, &conn), [says]);
            conn.execute_batch("DELETE FROM events WHERE position = 9")
                .expect("healed");
        }
    }

    #[test]
    fn inv_05_an_event_that_happens_once_is_found_when_it_happens_again() {
        let conn = made(EVENTS);
        let mut check = events_happen_once(&["OrderCreated", "OrderConfirmed"]);
        assert_eq!(found(&mut check, &conn), [] as [String; 0]);
        conn.execute_batch("INSERT INTO events VALUES (5, 'o-2', 2, 'OrderCreated')")
            .expect("broken");
        assert_eq!(found(&mut check, &conn), ["OrderCreated happened 2 times to o-2"]);
    }
}
