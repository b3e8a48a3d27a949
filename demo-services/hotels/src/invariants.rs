//! What must always hold for room nights, as checks over the database.

use rusqlite::Connection;
use sagascope_conventions::Invariant;
use shop_kit::database::DatabaseError;
use shop_kit::invariants::{Check, texts};

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    vec![Check::new(Invariant::Stock, each_night_is_taken_for_one_stay)]
}

/// A reservation that is not released holds each night of its stay, and no other reservation does. Looks at nights that
/// are held, and at as many as belong to stays.
fn each_night_is_taken_for_one_stay(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    let mut found = texts(
        conn,
        "SELECT room_id || ' is taken ' || count(*) || ' times in night ' || night FROM nights
          GROUP BY room_id, night HAVING count(*) > 1 LIMIT 100",
    )?;
    found.extend(texts(
        conn,
        "SELECT reservation_id || ' is ' || state || ' and holds ' || count(night) || ' of ' || coalesce(nights, 0) || ' nights'
           FROM reservations LEFT JOIN nights AS held USING (reservation_id)
          GROUP BY reservation_id
         HAVING count(night) <> iif(state = 'released', 0, coalesce(nights, 0)) LIMIT 100",
    )?);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::invariants::testing::finds;

    #[test]
    fn inv_02_a_night_sold_twice_or_to_nobody_is_found() {
        const SOUND: &str = "CREATE TABLE reservations (reservation_id, state, room_id, arrival, nights);
             INSERT INTO reservations VALUES ('r-1', 'confirmed', 'm-1', 10, 2), ('r-2', 'released', 'm-1', 10, 2),
                 ('r-3', 'released', NULL, NULL, NULL);
             CREATE TABLE nights (room_id, night, reservation_id);
             INSERT INTO nights VALUES ('m-1', 10, 'r-1'), ('m-1', 11, 'r-1');";
        for (breaks, says) in [
            (
                "INSERT INTO nights VALUES ('m-1', 11, 'r-2')",
                "m-1 is taken 2 times in night 11",
            ),
            (
                "DELETE FROM nights WHERE night = 11",
                "r-1 is confirmed and holds 1 of 2 nights",
            ),
            (
                "UPDATE reservations SET state = 'released' WHERE reservation_id = 'r-1'",
                "r-1 is released and holds 2 of 2 nights",
            ),
        ] {
            finds(checks, SOUND, breaks, says);
        }
    }
}
