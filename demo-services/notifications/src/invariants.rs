//! What must always hold for letters, as checks over the database.

use sagascope_conventions::Invariant;
use shop_kit::invariants::{Check, texts};

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    vec![Check::new(Invariant::EffectsOnce, |conn| {
        texts(
            conn,
            "SELECT order_id || ' has ' || count(*) || ' letters that say ' || state
               FROM (SELECT * FROM letters ORDER BY number DESC LIMIT 5000)
              GROUP BY order_id, state HAVING count(*) > 1 LIMIT 100",
        )
    })]
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::invariants::testing::finds;

    #[test]
    fn inv_05_a_second_letter_is_found() {
        const SOUND: &str = "CREATE TABLE letters (number INTEGER PRIMARY KEY, order_id, state);
             INSERT INTO letters VALUES (1, 'o-1', 'confirmed'), (2, 'o-1', 'cancelled'), (3, 'o-2', 'confirmed')";
        let breaks = "INSERT INTO letters VALUES (4, 'o-1', 'confirmed')";
        finds(checks, SOUND, breaks, "o-1 has 2 letters that say confirmed");
    }
}
