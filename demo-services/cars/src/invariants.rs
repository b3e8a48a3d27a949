//! What must always hold for the fleet, as checks over the database.

use rusqlite::Connection;
use sagascope_conventions::Invariant;
use shop_kit::database::DatabaseError;
use shop_kit::invariants::{Check, texts};

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    vec![
        Check::new(Invariant::Stock, no_more_cars_are_out_than_there_are),
        Check::new(Invariant::Stock, car_days_are_those_of_rentals),
    ]
}

fn no_more_cars_are_out_than_there_are(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "SELECT class || ' on day ' || day || ': ' || taken || ' of ' || cars || ' cars are taken, ' || locked || ' locked'
           FROM days WHERE taken NOT BETWEEN 0 AND cars OR locked NOT BETWEEN 0 AND taken LIMIT 100",
    )
}

/// Car days by the word of the reservations, and car days counted.
fn car_days_are_those_of_rentals(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "WITH rented AS (SELECT class, sum(days) AS days FROM reservations
                          WHERE state <> 'released' AND class IS NOT NULL GROUP BY class),
              counted AS (SELECT class, sum(taken) AS days FROM days GROUP BY class)
         SELECT fleet.class || ': rentals hold ' || coalesce(rented.days, 0) || ' car days, and ' || coalesce(counted.days, 0) ||
                ' are counted'
           FROM fleet LEFT JOIN rented USING (class) LEFT JOIN counted ON counted.class = fleet.class
          WHERE coalesce(rented.days, 0) <> coalesce(counted.days, 0)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::invariants::testing::finds;

    #[test]
    fn inv_02_a_car_rented_twice_or_counted_wrongly_is_found() {
        const SOUND: &str = "CREATE TABLE fleet (class, cars);
             INSERT INTO fleet VALUES ('small', 2), ('large', 1);
             CREATE TABLE reservations (reservation_id, state, class, first_day, days);
             INSERT INTO reservations VALUES ('r-1', 'confirmed', 'small', 5, 2), ('r-2', 'prepared', 'small', 6, 1),
                 ('r-3', 'released', 'large', 5, 2), ('r-4', 'released', NULL, NULL, NULL);
             CREATE TABLE days (class, day, cars, taken, locked);
             INSERT INTO days VALUES ('small', 5, 2, 1, 0), ('small', 6, 2, 2, 1);";
        for (breaks, says) in [
            (
                "UPDATE days SET cars = 1 WHERE day = 6",
                "small on day 6: 2 of 1 cars are taken, 1 locked",
            ),
            (
                "DELETE FROM days WHERE day = 5",
                "small: rentals hold 3 car days, and 2 are counted",
            ),
            (
                "INSERT INTO days VALUES ('large', 1, 1, 1, 0)",
                "large: rentals hold 0 car days, and 1 are counted",
            ),
        ] {
            finds(checks, SOUND, breaks, says);
        }
    }
}
