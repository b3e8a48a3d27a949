//! What must always hold in the stock, as checks over the database.

use rusqlite::Connection;
use sagascope_conventions::Invariant;
use shop_kit::database::DatabaseError;
use shop_kit::invariants::{Check, nothing_is_overtaken, texts};

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    vec![
        Check::new(Invariant::Stock, every_piece_is_somewhere),
        Check::new(Invariant::Stock, what_is_reserved_is_reserved_for_somebody),
        Check::new(Invariant::EffectsOnce, goods_move_once),
        nothing_is_overtaken(),
    ]
}

/// Each piece is on hand, reserved or sold, and none of these is below zero.
fn every_piece_is_somewhere(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "SELECT product_id || ': ' || on_hand || ' on hand + ' || reserved || ' reserved + ' || sold || ' sold are not the ' ||
                (initial + restocked) || ' there ever were'
           FROM shelves WHERE on_hand + reserved + sold <> initial + restocked OR min(on_hand, reserved, sold) < 0
          ORDER BY product_id LIMIT 100",
    )
}

/// The pieces that are reserved are those of the reservations.
fn what_is_reserved_is_reserved_for_somebody(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "WITH promised AS (
            SELECT line.value ->> 'product_id' AS product_id, sum(line.value ->> 'quantity') AS pieces
              FROM reservations, json_each(lines) AS line WHERE state = 'reserved' GROUP BY 1)
         SELECT product_id || ': ' || reserved || ' are reserved, and ' || coalesce(pieces, 0) || ' are promised'
           FROM shelves LEFT JOIN promised USING (product_id) WHERE reserved <> coalesce(pieces, 0)
          ORDER BY product_id LIMIT 100",
    )
}

/// The goods of a reservation are reserved, sold, released and returned once. Looks at the newest movements.
fn goods_move_once(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "SELECT product_id || ' was ' || kind || ' ' || count(*) || ' times for ' || reservation_id
           FROM (SELECT * FROM movements ORDER BY number DESC LIMIT 5000) WHERE reservation_id IS NOT NULL
          GROUP BY reservation_id, product_id, kind HAVING count(*) > 1 LIMIT 100",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::invariants::testing::finds;

    const SOUND: &str = "
        CREATE TABLE shelves (product_id, initial, restocked, on_hand, reserved, sold);
        INSERT INTO shelves VALUES ('p-1', 10, 5, 9, 2, 4), ('p-2', 3, 0, 3, 0, 0);
        CREATE TABLE reservations (reservation_id, state, lines);
        INSERT INTO reservations VALUES ('r-1', 'reserved', '[{\"product_id\":\"p-1\",\"quantity\":2}]'),
            ('r-2', 'confirmed', '[{\"product_id\":\"p-1\",\"quantity\":4}]');
        CREATE TABLE movements (number INTEGER PRIMARY KEY, reservation_id, product_id, kind);
        INSERT INTO movements VALUES (1, 'r-2', 'p-1', 'reserved'), (2, 'r-2', 'p-1', 'sold'), (3, NULL, 'p-1', 'restocked'),
            (4, NULL, 'p-1', 'restocked'), (5, 'r-1', 'p-1', 'reserved');
        CREATE TABLE outbox (number INTEGER PRIMARY KEY, processed);";

    #[test]
    fn inv_02_and_inv_05_every_break_of_the_stock_is_found() {
        for (breaks, says) in [
            (
                "UPDATE shelves SET on_hand = on_hand - 1 WHERE product_id = 'p-1'",
                "p-1: 8 on hand + 2 reserved + 4 sold are not the 15 there ever were",
            ),
            (
                "UPDATE shelves SET on_hand = -1, sold = 4 WHERE product_id = 'p-2'",
                "p-2: -1 on hand + 0 reserved + 4 sold are not the 3 there ever were",
            ),
            (
                "UPDATE shelves SET on_hand = 2, reserved = 1 WHERE product_id = 'p-2'",
                "p-2: 1 are reserved, and 0 are promised",
            ),
            (
                "DELETE FROM reservations WHERE reservation_id = 'r-1'",
                "p-1: 2 are reserved, and 0 are promised",
            ),
            (
                "INSERT INTO movements VALUES (6, 'r-2', 'p-1', 'sold')",
                "p-1 was sold 2 times for r-2",
            ),
        ] {
            finds(checks, SOUND, breaks, says);
        }
    }
}
