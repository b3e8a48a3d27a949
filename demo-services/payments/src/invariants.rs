//! What must always hold in the books, as checks over the database.

use rusqlite::Connection;
use sagascope_conventions::Invariant;
use shop_kit::database::DatabaseError;
use shop_kit::invariants::{
    Check, answers_are_whole, events_happen_once, nothing_is_overtaken, texts, told_is_what_happened,
    versions_are_whole,
};

use crate::store;

/// Events of a payment: each happens once, and all are told.
const EVENTS: &[&str] = &["PaymentCaptured", "PaymentDeclined", "PaymentRefunded", "PaymentVoided"];
const ONCE: &[&str] = &["PaymentCaptured", "PaymentRefunded", "PaymentVoided"];

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    vec![
        Check::new(Invariant::Money, the_sums_agree),
        Check::new(Invariant::Money, an_order_pays_or_is_paid_back),
        Check::new(Invariant::EffectsOnce, money_moves_once),
        events_happen_once(ONCE),
        answers_are_whole(),
        nothing_is_overtaken(),
        told_is_what_happened(store::TOPIC, EVENTS),
        versions_are_whole(),
    ]
}

/// All accounts sum to zero, all entries too, and what is captured and not refunded is what the shop has.
fn the_sums_agree(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    let sums = store::totals(conn)?;
    let mut found = Vec::new();
    if sums.accounts_sum_minor != 0 {
        found.push(format!("all accounts sum to {}", sums.accounts_sum_minor));
    }
    if sums.entries_sum_minor != 0 {
        found.push(format!("all entries sum to {}", sums.entries_sum_minor));
    }
    let kept = sums.captured_minor - sums.refunded_minor;
    if kept != sums.shop_balance_minor {
        let (captured, refunded, has) = (sums.captured_minor, sums.refunded_minor, sums.shop_balance_minor);
        found.push(format!(
            "{captured} were captured and {refunded} refunded, and the shop has {has}"
        ));
    }
    Ok(found)
}

/// What an order was charged it keeps paid, or has back to the last cent. Looks at the newest transactions.
fn an_order_pays_or_is_paid_back(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    texts(
        conn,
        "SELECT order_id || ': ' || captured || ' captured and ' || refunded || ' refunded' FROM (
            SELECT order_id, sum(iif(kind = 'CHARGE', amount_minor, 0)) AS captured,
                   sum(iif(kind = 'REFUND', amount_minor, 0)) AS refunded
              FROM transactions WHERE order_id IN (SELECT order_id FROM transactions ORDER BY number DESC LIMIT 2000)
             GROUP BY order_id)
          WHERE refunded NOT IN (0, captured) LIMIT 100",
    )
}

/// One charge and one refund an order, each booked as two entries that cancel out. Looks at the newest.
fn money_moves_once(conn: &Connection) -> Result<Vec<String>, DatabaseError> {
    let mut found = texts(
        conn,
        "SELECT order_id || ' has ' || count(*) || ' times a ' || kind
           FROM (SELECT * FROM transactions ORDER BY number DESC LIMIT 2000)
          GROUP BY order_id, kind HAVING count(*) > 1 LIMIT 100",
    )?;
    found.extend(texts(
        conn,
        "SELECT 'transaction ' || number || ' of ' || order_id || ' is booked in ' || count(account) || ' entries that sum to ' ||
                coalesce(sum(entries.amount_minor), 0)
           FROM (SELECT number, order_id FROM transactions ORDER BY number DESC LIMIT 2000)
           LEFT JOIN entries ON transaction_number = number
          GROUP BY number HAVING count(account) <> 2 OR sum(entries.amount_minor) <> 0 LIMIT 100",
    )?);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shop_kit::invariants::testing::finds;

    const SOUND: &str = "
        CREATE TABLE transactions (number INTEGER PRIMARY KEY, order_id, kind, amount_minor);
        INSERT INTO transactions VALUES (1, 'o-1', 'CHARGE', 100), (2, 'o-2', 'CHARGE', 70), (3, 'o-2', 'REFUND', 70);
        CREATE TABLE entries (transaction_number, account, amount_minor);
        INSERT INTO entries VALUES (1, 'shop', 100), (1, 'customer:a', -100), (2, 'shop', 70), (2, 'customer:b', -70),
            (3, 'shop', -70), (3, 'customer:b', 70);
        CREATE TABLE accounts (account, balance_minor);
        INSERT INTO accounts VALUES ('shop', 100), ('customer:a', -100), ('customer:b', 0);
        CREATE TABLE carried_totals (name, value);
        CREATE TABLE idempotency (number INTEGER PRIMARY KEY, operation, key, request, status, answer);
        CREATE TABLE outbox (number INTEGER PRIMARY KEY, topic, key, event_type, created_at, processed);
        CREATE TABLE events (position INTEGER PRIMARY KEY, aggregate_id, event_version, event_type, event_data, created_at);
        INSERT INTO events VALUES (1, 'o-1', 1, 'PaymentCaptured', '{}', 1);
        INSERT INTO outbox VALUES (1, 'payments.events', 'o-1', 'PaymentCaptured', 1, 1);";

    #[test]
    fn inv_01_and_inv_05_every_break_of_the_books_is_found() {
        for (breaks, says) in [
            (
                "UPDATE accounts SET balance_minor = 101 WHERE account = 'shop'",
                "all accounts sum to 1",
            ),
            (
                "DELETE FROM entries WHERE transaction_number = 1 AND account = 'shop'",
                "transaction 1 of o-1 is booked in 1 entries that sum to -100",
            ),
            (
                "UPDATE transactions SET amount_minor = 60 WHERE number = 3",
                "o-2: 70 captured and 60 refunded",
            ),
            (
                "INSERT INTO transactions VALUES (4, 'o-1', 'CHARGE', 100)",
                "o-1 has 2 times a CHARGE",
            ),
            (
                "UPDATE accounts SET balance_minor = balance_minor - 5 WHERE account <> 'customer:b';
                 UPDATE accounts SET balance_minor = 10 WHERE account = 'customer:b'",
                "170 were captured and 70 refunded, and the shop has 95",
            ),
            (
                "INSERT INTO events VALUES (2, 'o-1', 2, 'PaymentCaptured', '{}', 1)",
                "PaymentCaptured happened 2 times to o-1",
            ),
            (
                "INSERT INTO events VALUES (2, 'o-3', 1, 'PaymentVoided', '{}', 1)",
                "PaymentVoided of o-3 is committed and not in the outbox",
            ),
        ] {
            finds(checks, SOUND, breaks, says);
        }
    }
}
